/* db_options.h - what a database can be told: its limits and sizes, each with a default.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DB_OPTIONS_H
#define HOLDFAST_TXN_DB_OPTIONS_H

#include "proto/error.h"

#include <stdbool.h>
#include <stdint.h>

struct os;

struct db_options {
    uint64_t stage_bytes;      /* the open stage is rotated at this size; default 64 MiB */
    uint64_t staged_bytes_max; /* all stages; above it writes wait; default 512 MiB */
    uint64_t
        held_bytes_max; /* kept for conflict checks, in memory and on disk; default 1 GiB */
    uint64_t held_memory_max; /* of it in memory; default 64 MiB */
    uint64_t roots_bytes_max; /* of roots that old readers keep; default 256 MiB */
    uint64_t txn_bytes_max;   /* written by one transaction; default 1 GiB */
    uint64_t link_bytes_max;  /* a larger write-set becomes a stage of its own; default 2 MiB */
    uint64_t cache_bytes;     /* unpacked pages; default 256 MiB */
    uint32_t page_bytes;      /* for a new primary; default 8 KiB */
    uint64_t segment_bytes;   /* of the log; default 16 MiB */
    uint64_t catalogue_bytes_max; /* definitions of stores in memory; default 256 MiB */
    uint64_t databases_max;       /* that exist; default 65,535 */
    uint64_t upgrade_begin_ms;     /* an upgrade that attach has offered begins in; default 30 s */
    uint64_t versionchange_ms;    /* openers that are asked have answered after; default 5 s */
    uint32_t indexes_max;         /* of one store; default 64 */
    uint32_t index_entries_max;   /* of one record in all indexes; default INDEX_ENTRIES_MAX */
    uint64_t open_txns_max;       /* in all; default 65,536 */
    uint64_t reads_bytes_max;     /* noted of what one serializable transaction reads; 16 MiB */
    uint64_t reads_total_max;     /* of all of them; default 256 MiB */
    uint64_t writes_total_max;    /* written by all open transactions; default 2 GiB */
    uint64_t life_ms;             /* default of transactions; 0: none */
    uint64_t idle_ms;             /* default of transactions; 1 hour */
    uint32_t interval_ms;         /* sync of durability "interval"; default 100 */
    uint32_t key_bytes_max;       /* default KEY_BYTES_MAX */
    uint64_t value_bytes_max;     /* default 4 MiB */
    uint64_t update_work_max;     /* bytes that one update goes through; default 16 MiB */
    uint64_t update_commits_max;  /* records that take the commit's number; default 10,000 */
    uint64_t tokens_max; /* of commits, kept at once; default 4,000,000 */
    uint64_t tokens_ms;  /* kept so long; default 10 minutes */
    uint64_t savepoints_max;      /* set at once in one transaction; default 1,000 */
    uint64_t lock_names_max;      /* of one lock; default 1,000 */
    uint64_t lock_waiters_max;    /* that wait for locks; default 10,000 */
    uint64_t lock_wait_ms;        /* of a write without a transaction; default 30 s */
    uint64_t lock_idle_ms;        /* of a transaction whose lock others want; default 10 s */
    unsigned log_in_flight;       /* batches synced side by side; default 2 */
    unsigned amalgamate_percent;  /* begin at this share of the primary; default 400 */
    unsigned tokens_deleted_at_once; /* forgotten ones, by a commit; default 1000 */
    unsigned client_share; /* percent of what all may have that one client may; 75 */
    unsigned build_share; /* percent of the loop's time beside clients: builds, a check; 30 */
    unsigned slice_steps;         /* of work for conflicts within one call; default 2000 */
    /* Of the log: wal_options.keep. NULL: nobody keeps its segments. */
    enum err (*keep)(void *context, struct os *os, const char *path);
    void *keep_context;
    bool is_restoring; /* the directory is a restore's, which is at work on it */
    /* Of a restore: take no commit behind this one, and none of a batch that was issued later
     * than this, ms since 1970; 0: take all that the WAL has. */
    uint64_t restore_commit, restore_ms;
    uint64_t scrub_ms;            /* all of the data file is read in so long; 0 (default): never */
    bool manual;                  /* tests: no amalgamation or rotation but when asked */
};
void db_options_default(struct db_options *o);

#endif
