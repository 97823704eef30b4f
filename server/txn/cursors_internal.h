/* cursors_internal.h - what an open cursor is and holds: its snapshot, its definition, where it
 * stands.
 *
 * Made, let go of, closed here; cursor.h walks.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_CURSORS_INTERNAL_H
#define HOLDFAST_TXN_CURSORS_INTERNAL_H

#include "server/base/assert.h"
#include "server/storage/primary.h"
#include "server/storage/key.h"
#include "server/storage/stage.h"
#include "server/txn/cursors.h"
#include "server/txn/op.h"

#define CURSOR_SOURCES 8 /* that every cursor has room for */

struct cursor_source { /* a write-set or a stage */
    struct stage_store *st;
    struct record *at; /* the key it stands on; NULL: at its end */
    bool is_own;
    bool used; /* its key has been given: move on before the next */
};

struct cursor {
    struct db *db;
    struct list_link in_db;    /* db.cursors */
    struct list_link in_txn;   /* txn.cursors */
    struct txn *txn;           /* NULL: the snapshot is its own */
    struct snapshot *snapshot; /* holds a reference; NULL: it was ended */
    struct schema *schema;     /* holds a reference; NULL: it was taken back */
    bool reverse;
    bool only_staged;
    bool is_placed;    /* the sources stand where place says */
    bool place_is_end; /* the place is behind everything */
    bool tree_used;
    bool tree_placed;
    bool range_is_empty;
    bool is_killed;
    const char *ended_by; /* the limit that has ended it (static); NULL: none has */
    uint64_t ended_max, ended_size;
    bool was_index; /* what was taken back was an index, not the store */
    bool only_keys; /* of an index: the records are not wanted */
    bool only_values; /* keys are not wanted */
    bool unique;    /* of an index: the first row of each index key */
    bool has_row;   /* the last step gave a row, and it stands right behind it */
    bool is_again;  /* the last row had to be waited for: what it waited for stays pinned */
    uint32_t store; /* its number */
    uint64_t schemas_made; /* txn.schemas_made when the store was looked up */
    struct record *pending;
    /* A run: rows of the leaf in which the tree's cursor stands, with nothing staged between them,
     * given without a look at anything else (cursor_run.c). */
    bool runs;              /* rows may be given so */
    bool run_is_ahead;      /* some were given: the place and the tree's cursor are behind */
    unsigned run_left;      /* rows to give */
    unsigned run_slot;      /* of the last one given */
    const struct page *run; /* the leaf */
    uint64_t limit, offset;
    size_t from_size, to_size; /* 0: no bound */
    size_t place_size;
    size_t last_size;
    struct cursor_source *sources; /* newest first; few, or owned */
    size_t source_count, source_room;
    struct tree_cursor tree;
    uint8_t *from, *to; /* behind the struct */
    size_t bounds_room; /* bytes there */
    struct list_link in_pool;
    struct cursor_source few[CURSOR_SOURCES];
    uint8_t place[KEY_BYTES_MAX + 1];
    struct { /* cursor_mark */
        bool reverse, place_is_end, unique, has_row;
        uint64_t limit, offset;
        size_t place_size, last_size;
        uint8_t place[KEY_BYTES_MAX + 1];
    } mark;
    uint8_t plain[KEY_PLAIN_BYTES_MAX];
};

void cursor_pool_free(struct db *db);

/* Let cursors go of snapshots that are expiring; the next call on each is told. */
void cursors_expire(struct db *db, const struct failure *why);
/* Let go of what they see: all of a transaction, and those over a definition of its own that
 * goes, but where there was one before it: they go on with that. */
void cursors_end_all(struct txn *t);
void cursors_end_schema(struct txn *t, struct schema *s);
/* Let the transaction's cursors go of their places in its write-set. */
void cursors_rest(struct txn *t);
/* A cursor over encoded bounds in a snapshot, of which it takes a reference; only_staged leaves
 * the root out (for counting). NULL: no memory. */
struct cursor *cursor_new(struct op *op, struct txn *t, struct snapshot *s,
                          struct schema *schema, const struct key_range *range, bool reverse,
                          bool only_staged);
bool cursor_is_only_staged(const struct cursor *c);
/* What it stands on cannot be what was written: ERR_CORRUPT, with its place. */
enum err cursor_corrupt(struct op *op, const struct cursor *c, const char *text);
/* Put the place at the side from which the cursor sets out. */
void cursor_place_at_edge(struct cursor *c, bool at_end);

/* A place, to stand there again. */
struct cursor_place {
    size_t size, last_size;
    bool is_end;
    uint8_t bytes[KEY_BYTES_MAX + 1];
};

void cursor_place_of(const struct cursor *c, struct cursor_place *out);
/* Stand again where it stood before a step that came to nothing: nothing has moved. */
void cursor_step_back(struct cursor *c, const struct cursor_place *before);
/* Have the place and the tree's cursor be where the run has come to, and end it. */
void cursor_run_settle(struct cursor *c);
/* Behind a row that was given: see how many follow as a run. */
void cursor_run_find(struct cursor *c);
/* Move on from a key that was given. */
void cursor_source_advance(const struct cursor *c, struct cursor_source *s);
/* The place is right behind that key. */
void cursor_pass(struct cursor *c, struct slice key);
/* Have every source stand where the place says. */
enum err cursor_ready(struct op *op, struct cursor *c);
/* The nearest key ahead; false: none. */
static inline bool cursor_nearest(const struct cursor *c, struct slice *key)
{
    bool found = c->tree.valid;
    int sign = c->reverse ? -1 : 1;

    ASSERT(c->is_placed); /* T-6 */
    if (found)
        *key = c->tree.key;
    for (size_t i = 0; i < c->source_count; i++) {
        if (!c->sources[i].at)
            continue;
        if (!found || sign * slice_compare(record_key(c->sources[i].at), *key) < 0)
            *key = record_key(c->sources[i].at);
        found = true;
    }
    return found;
}

static inline bool cursor_in_range(const struct cursor *c, struct slice key)
{
    if (c->reverse)
        return !c->from_size || slice_compare(key, slice_make(c->from, c->from_size)) >= 0;
    return !c->to_size || slice_compare(key, slice_make(c->to, c->to_size)) < 0;
}

#endif
