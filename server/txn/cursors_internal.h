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
#include "server/txn/cursor_struct.h"
#include "server/txn/cursors.h"
#include "server/txn/op.h"

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
/* ... over nothing, to hold the snapshot for others (cursor_open_anchor). NULL: no memory. */
struct cursor *cursor_new_anchor(struct op *op, struct txn *t, struct snapshot *s);
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
void cursor_run_find(struct op *op, struct cursor *c);
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
