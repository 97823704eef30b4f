/* cursor_struct.h - an open cursor from the inside: what it holds, and where it stands.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_CURSOR_STRUCT_H
#define HOLDFAST_TXN_CURSOR_STRUCT_H

#include "server/storage/key.h"
#include "server/storage/primary.h"
#include "server/storage/stage.h"

#define CURSOR_SOURCES 8 /* that every cursor has room for */

struct cursor_source { /* a write-set or a stage */
    struct stage_store *st;
    struct record *at; /* the key it stands on; NULL: at its end */
    bool is_own;
    bool used; /* its key has been given: move on before the next */
};

struct cursor {
    struct db *db;
    struct cursor_pool *pool;  /* that it is of */
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
    bool only_index_keys; /* of an index: nothing else is wanted */
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
    bool run_is_noted;      /* runs are reads that its transaction notes: of no more rows each time
                               than were given before */
    unsigned run_left;      /* rows to give */
    uint64_t run_given;     /* rows, ever */
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

#endif
