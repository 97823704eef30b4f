/* recovery.h - bringing the stages back from the log at start.
 *
 * Threads: loop, before it runs. */
#ifndef HOLDFAST_TXN_RECOVERY_H
#define HOLDFAST_TXN_RECOVERY_H

#include "server/txn/db_internal.h"

struct recovery {
    struct db *db;
    struct stage write_set; /* the commit at hand; its memory is the open stage's */
    struct stage_store room; /* of its first store */
    uint64_t bytes_before;  /* of the open stage's memory, when the commit began */
    struct stamp *stamp;    /* its stamp, in the write-set's memory; NULL: none at hand */
    uint64_t number;        /* its number; 0: none */
    uint64_t upto;          /* the root has all up to here */
    uint64_t replayed;      /* commits */
    /* Of the record before, since commits mostly stay with a store; NULL: unknown. */
    struct schema *schema;
};

void recovery_init(struct recovery *r, struct db *db);
void recovery_fini(struct recovery *r);

/* For wal_replay.piece; context is the recovery. */
enum err recovery_piece(void *context, uint64_t number, bool first, bool last,
                        struct slice bytes, struct failure *f);

/* The definitions that the root has. */
enum err recovery_load_catalogue(struct db *db, struct failure *f);

#endif
