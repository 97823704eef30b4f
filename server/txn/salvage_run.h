/* salvage_run.h - what the files of salvage share. */
#ifndef HOLDFAST_TXN_SALVAGE_RUN_H
#define HOLDFAST_TXN_SALVAGE_RUN_H

#include "server/storage/scratch.h"
#include "server/storage/slot.h"
#include "server/storage/tree_rescue.h"
#include "server/storage/wal.h"
#include "server/txn/salvage_job.h"

struct salvage_store { /* a definition; ascending by number */
    uint32_t number;
    struct slice key, row; /* owned; of store 0, key none: what has no row there */
    uint64_t
        birth; /* of the page where the row was found, which had been replaced; 0: the tree */
};

struct salvage_wal_row { /* a change of a definition, in the order of the log */
    struct slice key, row; /* owned; row none: the end of the name */
    uint32_t number;       /* 0: the end */
    uint64_t commit;
};

struct salvage_run {
    struct salvage *s;
    struct failure *f;
    struct os_file *file; /* the old data file */
    struct slot slot;     /* the newest that is whole */
    bool has_slot;
    uint64_t log_position; /* UINT64_MAX: the log cannot be used */
    uint8_t identity[16];
    struct tree_info *trees; /* owned; ascending by number */
    size_t tree_count, tree_room;
    struct salvage_store *stores; /* owned; by key at first, then by number */
    size_t store_count, store_room;
    struct salvage_wal_row *wal_rows; /* owned; where definitions are lost */
    size_t wal_row_count, wal_row_room;
    bool lacks_trees; /* the tree of trees was not whole */
    bool lacks_stores; /* the definitions were not */
    /* the stream into the new data file */
    size_t store;       /* at hand: 0 the definitions, then stores, then the tokens */
    size_t row;
    struct tree_rescue tree, side;
    bool has_tree;
    enum err result;
};

void salvage_lose(struct salvage_run *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const struct tree_info *salvage_tree(const struct salvage_run *r, uint32_t number);

/* salvage_trees.c: what could not be read; which trees and stores there are. ERR_NOMEM,
 * ERR_FORMAT, ERR_IO. */
enum err salvage_find_trees(struct salvage_run *r);
enum err salvage_find_stores(struct salvage_run *r);
enum err salvage_keep(struct os *os, struct slice *to, struct slice from);
/* A row of store 0 as it shall be. ERR_CORRUPT: it is malformed; ERR_NOMEM. */
enum err salvage_take_row(struct salvage_run *r, struct slice key, struct slice value);
/* salvage_orphans.c: definitions of trees that have none. */
enum err salvage_adopt_orphans(struct salvage_run *r);
void salvage_tell_loss(void *run, const struct tree_loss *loss);

/* salvage_wal.c: copy the log; log_position UINT64_MAX: none can be used. */
enum err salvage_wal_copy(struct salvage_run *r);
/* Read the log from log_position on, up to its end or (ERR_CORRUPT, ERR_IO) damage. */
enum err salvage_wal_read(struct salvage_run *r, const struct wal_replay *replay,
                          struct failure *why);

/* salvage_rows.c: the definitions that the log has. */
enum err salvage_wal_rows(struct salvage_run *r);
void salvage_wal_rows_fini(struct salvage_run *r);
/* The first definition that it has of a store; NULL: none. */
const struct salvage_wal_row *salvage_wal_row(const struct salvage_run *r, uint32_t number);
/* The first thing that it says of a name; NULL: nothing. */
const struct salvage_wal_row *salvage_wal_row_of(const struct salvage_run *r, struct slice key);

/* Whether the log is whole from log_position on, and of that identity. */
bool salvage_wal_fits(struct salvage_run *r);

#endif
