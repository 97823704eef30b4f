/* check.h - the whole database is looked through while it runs, as of the root that is durable
 * when the check begins.
 *
 *   WAL --> MAP --> PAGES --> ROWS --> DONE
 *   jobs    a job   jobs      the loop, in slices
 *           of the
 *           merge lane
 *
 * While clients ask, the rows get a share of the loop's time (pace.h), as builds of indexes do.
 *
 * The root is held while it goes on: holds shows it, and what merges replace meanwhile stays on
 * the disk. One check at a time. Damage that it meets in a store is noted as all damage is
 * (damage.h). Threads: loop only. */
#ifndef HOLDFAST_TXN_CHECK_H
#define HOLDFAST_TXN_CHECK_H

#include "server/base/failure.h"
#include "server/storage/findings.h"
#include "server/txn/tree_names.h"

struct db;

struct check_counts {
    uint64_t pages, page_bytes, page_bytes_all; /* read so far; that there are, about */
    uint64_t stores, records, entries, records_all;
    uint64_t batches, wal_bytes;
    uint64_t wal_to;      /* the WAL was looked through up to this position */
    bool is_wal_overtaken; /* which is before its end: a pass has freed the rest meanwhile */
};

struct check_run; /* one check; opaque */

struct
    online_check { /* the caller's memory, lent from online_check_begin to online_check_end */
    /* Once, from the loop. ERR_OK: it is done, whatever was found; ERR_NOMEM, ERR_IO,
     * ERR_SHUTDOWN. */
    void (*done)(struct online_check *c, enum err e);
    struct check_run *run; /* the core's */
};

/* ERR_OVERLOADED: one is under way; ERR_NOMEM, ERR_LOG_FAILED: online_check_end is not due. */
enum err online_check_begin(struct db *db, struct online_check *c, struct failure *f);
/* Good between done and online_check_end. */
const struct findings *online_check_findings(const struct online_check *c);
const struct check_counts *online_check_counts(const struct online_check *c);
uint64_t online_check_snapshot(const struct online_check *c);
/* What a finding is about, in words (tree_names.h); to has TREE_NAME_BYTES. Returns to. */
const char *db_tree_name(struct db *db, uint32_t store, char *to);
/* At any time: gives up, or what it has found. */
void online_check_end(struct online_check *c);

struct online_check_status {
    const char *phase; /* "wal", "map", "pages", "rows"; NULL: none is under way */
    uint64_t snapshot; /* the commit of the root */
    uint64_t age_ms;
    uint64_t disk;     /* kept for its root alone: root_only_bytes */
    unsigned percent;  /* of the phase, about */
    struct check_counts counts;
};
void online_check_status(const struct db *db, struct online_check_status *out);

/* In a turn, behind all that clients asked for. */
void check_turn(struct db *db);
/* When check_turn must be called, ms on the table's clock; UINT64_MAX: not needed. */
uint64_t check_next_ms(const struct db *db);
/* The database closes: end it. */
void check_stop(struct db *db);
/* A job of one that was ended is still under way. */
bool check_is_busy(const struct db *db);
/* Abandon: whatever is under way never ends. */
void check_abandon(struct db *db);

#endif
