/* db_struct.h - the database from the inside: the parts that its modules keep.
 *
 * Who needs only a part of it takes that part.
 *
 * Invariants, cited by asserts:
 *   T-1 stages stand in db.stages in falling order of commits; only the newest may be open.
 *   T-2 db.writers stand in the order in which they began, so their snapshots' commits
 *       never fall; db.snapshots.by_commit is sorted.
 *   T-3 a doomed transaction holds nothing: no snapshot, no write-set, no reservation. What it
 *       had written may be on its way out of the tables (leaving.h).
 *   T-4 a record in a write-set is in db.intents unless its transaction is large, its
 *       store takes the last writer, or it has been doomed. Records of those that are leaving
 *       may be there, too.
 *   T-5 a request that writes more than once runs under its transaction's statement, or is its
 *       own transaction.
 *   T-6 a cursor that has let go of its snapshot stands nowhere: not in a stage, not in a page.
 *   T-7 between calls, txn.usage is what the transaction takes, and db.usage is their sum.
 *   T-8 snapshot.top is a stage that the snapshot reads, or NULL: a stage that nobody reads may go.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DB_STRUCT_H
#define HOLDFAST_TXN_DB_STRUCT_H

#include "proto/msgpack.h"
#include "server/base/list_walk.h"
#include "server/os/os.h"
#include "server/storage/hash_table.h"
#include "server/storage/wal.h"
#include "server/txn/backups.h"
#include "server/txn/catalogue.h"
#include "server/txn/damage.h"
#include "server/txn/db_options.h"
#include "server/txn/entries.h"
#include "server/txn/intents.h"
#include "server/txn/numbers.h"
#include "server/txn/op.h"
#include "server/txn/openers.h"
#include "server/txn/pulse.h"
#include "server/txn/read_set.h"
#include "server/txn/replies.h"
#include "server/txn/snapshots.h"
#include "server/txn/stage_stack.h"
#include "server/txn/tokens.h"
#include "server/txn/vault.h"
#include "server/txn/txn_pool.h"
#include "server/txn/txn_struct.h"

struct amalgamation;
struct check_run;
struct index_build;

struct build_progress { /* of the index that is being made in the background */
    uint32_t number; /* 0: none is */
    uint64_t built;  /* records of its store that have their entries */
};

/* Giving space on the disk back (reclaim.c). */
struct reclaiming {
    struct db *db;
    struct os_job job;
    struct reclaim *reclaim; /* under way, or NULL */
    uint64_t upto;           /* the commit of the root when it began */
    uint64_t reclaimed;      /* of the last one that ended */
    uint64_t due_ms;         /* when the next begins if no pass comes between; 0: none is due */
};

enum health_problem { /* the worst first */
                      HEALTH_LOG_FAILED,
                      HEALTH_DAMAGE,
                      HEALTH_DISK_FULL,
                      HEALTH_MERGE_FAILS,
                      HEALTH_KEEP_FAILS,
                      HEALTH_PROBLEMS
};

/* What is wrong, and since when (health.c). */
struct health {
    bool no_space; /* the last reservation in the log has found none */
    bool is_wrong[HEALTH_PROBLEMS];
    uint64_t since_ms[HEALTH_PROBLEMS]; /* the loop's clock */
};

struct wal_found { /* what recovery has met in the WAL, taken or not */
    uint64_t commit;  /* the last one that is whole; 0: none */
    uint64_t time_ms; /* when its last batch was issued */
    bool is_more;     /* a restore has as much in memory as it may: another round takes the rest */
};

struct db {
    struct os *os;
    struct db_options options;
    struct pulse pulse;
    struct os_file *lock;
    struct primary *primary;
    struct wal *wal;
    struct wal_found wal_found;
    struct msgpack_memory check_memory; /* the same os, for checks of documents */
    uint64_t hash_seed;                 /* of the hash tables over client keys and names */

    struct numbers numbers;
    struct replies replies;

    struct stage_stack stages;
    struct chains
        written_stores; /* txn_store of transactions with many, by transaction and number */
    struct entries entries;   /* of the record that is being written */
    struct index_build *build; /* of indexes, in the background */
    bool builds_due;           /* there may be one that is not being made */
    struct build_progress building;

    /* transactions */
    struct list_link open;
    struct list_walks open_walks; /* over it: those who list what is held */
    struct deadline_wheel expiries; /* txn.expiry */
    struct hash_table killable;   /* by version */
    struct list_link writers;
    struct list_link defining; /* txn.in_defining */
    struct list_link granting; /* lock_request.in_granting: locks that are being granted */
    struct deadline_wheel lock_timeouts; /* lock_request.timeout, of those that wait */
    struct list_link holding;            /* lock_request.in_holding, looked at in turn */
    size_t holding_count;                /* of them */
    size_t holding_left;                 /* of them, to be looked at in this round, */
    uint64_t holding_ms;                 /* which began then */
    struct list_link large;
    struct list_link tellings;           /* commits whose losers are not all told; losers.c */
    struct list_link waiting_for_losers; /* op.in_waiting, until all are */
    struct leaving leaving;              /* ended ones that still stand in the tables */
    struct snapshots snapshots;
    struct list_link cursors; /* all that are open; cursor.c */
    uint64_t open_count;
    struct txn_pool txn_pool;     /* memory of ended ones */
    struct list_link cursor_pool; /* likewise, of cursors */
    unsigned cursor_pool_count;
    struct intents intents;
    struct read_set read_set; /* of open serializable transactions */
    struct usage usage;       /* the sum over open transactions */
    struct catalogue catalogue;
    struct openings openings;
    struct tokens tokens;     /* of commits, and fenced */
    struct vault vault;       /* rows of the server's own */
    uint64_t quota_count;     /* databases that have one */
    uint64_t over_quota;      /* requests that one has refused, ever */
    uint64_t tokens_retry_ms; /* forgotten ones are not deleted before */
    struct stamp *undurable_first, *undurable_last;

    /* waiting */
    struct list_link undoing; /* transactions whose failed statement is being taken back */
    struct list_link tasks;
    struct backups backups; /* being sent */

    struct amalgamation *amalgamation;
    uint64_t amalgamate_upto; /* asked for by an operator or the tests */
    uint64_t pass_retry_ms;   /* after a pass that failed or was put off: not before */
    enum err pass_error;      /* why the last pass failed; ERR_OK: it did not */
    bool is_merging;          /* the primary is a pass's, or a reclaiming's */
    struct reclaiming reclaiming;
    struct health health;
    struct damage damage; /* stores that are damaged */
    struct check_run *check;        /* under way, or NULL; check.c */
    struct list_link checks_leaving; /* given up while a job of theirs was under way */

    bool log_failed;
    struct failure log_failure;
    void (*closed)(void *context);
    void *closed_context;
    uint64_t next_tick_ms;

    uint64_t steps; /* records looked at for conflicts, losers that were told, ever */
    uint64_t begun, committed, rolled_back, conflicts, expired, killed;
    uint64_t amalgamations, amalgamated_bytes;
};

static inline struct lock_turns *lock_turns_of(struct db *db)
{
    return &db->catalogue.databases.turns;
}

#endif
