/* db_struct.h - the database from the inside: the parts that its modules keep.
 *
 * Who needs only a part of it takes that part.
 *
 * Invariants, cited by asserts:
 *   T-1 stages stand in db.stages in falling order of commits; only the newest may be open.
 *   T-2 db.txns.writers stand in the order in which they began, so their snapshots' commits
 *       never fall; db.snapshots.by_commit is sorted.
 *   T-3 a doomed transaction holds nothing: no snapshot, no write-set, no reservation. What it
 *       had written may be on its way out of the tables (leaving.h).
 *   T-4 a record in a write-set is in db.txns.intents unless its transaction is large, its
 *       store takes the last writer, or it has been doomed. Records of those that are leaving
 *       may be there, too.
 *   T-5 a request that writes more than once runs under its transaction's statement, or is its
 *       own transaction.
 *   T-6 a cursor that has let go of its snapshot stands nowhere: not in a stage, not in a page.
 *   T-7 between calls, txn.usage is what the transaction takes, and db.txns.usage is their sum.
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
#include "server/txn/numbers.h"
#include "server/txn/op.h"
#include "server/txn/openers.h"
#include "server/txn/pulse.h"
#include "server/txn/replies.h"
#include "server/txn/scrub_struct.h"
#include "server/txn/snapshots.h"
#include "server/txn/stage_stack.h"
#include "server/txn/tokens.h"
#include "server/txn/txns.h"
#include "server/txn/undurable.h"
#include "server/txn/tellings.h"
#include "server/txn/passes.h"
#include "server/txn/lock_waits.h"
#include "server/txn/cursor_pool.h"
#include "server/txn/builds.h"
#include "server/txn/vault.h"
#include "server/txn/txn_pool.h"
#include "server/txn/txn_struct.h"

struct check_run;

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

    struct undurable undurable;
    struct stage_stack stages;
    struct builds builds; /* of indexes, in the background */

    struct txns txns;
    struct lock_waits lock_waits;
    struct tellings tellings; /* of commits to those who lose */
    struct snapshots snapshots;
    struct cursor_pool cursors;
    struct catalogue catalogue;
    struct openings openings;
    struct tokens tokens;     /* of commits, and fenced */
    struct vault vault;       /* rows of the server's own */
    uint64_t quota_count;     /* databases that have one */
    uint64_t over_quota;      /* requests that one has refused, ever */
    uint64_t tokens_retry_ms; /* forgotten ones are not deleted before */

    /* waiting */
    struct list_link tasks;
    struct backups backups; /* being sent */

    struct passes passes;
    struct reclaiming reclaiming;
    struct health health;
    struct damage damage; /* stores that are damaged */
    struct check_run *check;        /* under way, or NULL; check.c */
    struct pace check_pace;   /* of its rows */
    struct list_link checks_leaving; /* given up while a job of theirs was under way */

    struct scrub scrub;

    bool log_failed;
    struct failure log_failure;
    void (*closed)(void *context);
    void *closed_context;
    uint64_t next_tick_ms;
};

static inline struct lock_turns *lock_turns_of(struct db *db)
{
    return &db->catalogue.databases.turns;
}

#endif
