/* db.h - the database: the storage and transaction core as one thing.
 *
 * Opens the data directory (lock, primary, log, replay), owns stages, tracker
 * and amalgamation, and gives the loop three calls: db_turn at the end of each
 * turn of the loop, db_tick when time has passed, db_close at the end.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DB_H
#define HOLDFAST_TXN_DB_H

#include "proto/slice.h"
#include "server/base/failure.h"
#include "server/base/list_walk.h"
#include "server/os/os.h"
#include "server/txn/db_options.h"
#include "server/txn/op.h"
#include "server/txn/pulse.h"
#include "server/txn/replies.h"
#include "server/txn/tasks.h"

struct arena;
struct backups;
struct database;
struct db;
struct lock;
struct scrub_status;
struct txn_limit;

/* Blocks while it recovers. ERR_LOCKED, ERR_CORRUPT, ERR_FORMAT, ERR_IO, ERR_NO_SPACE,
 * ERR_NOMEM. */
enum err db_open(struct os *os, const struct db_options *options,
                 const struct db_events *events, struct db **out, struct failure *f);

/* Once a turn: wakes ops, starts a batch of the log and what else is due. */
void db_turn(struct db *db);

/* When time has passed: expiry, interval syncs. Returns when to call again, ms on the
 * table's clock (UINT64_MAX: not needed). */
uint64_t db_tick(struct db *db);

/* Before requests of clients in a turn: their limits of time count from now, however long nothing
 * was to be done, and what is done in the background leaves them room. */
void db_note_clients(struct db *db);

/* When db_tick must be called for an amalgamation that was put off in a turn, for giving space
 * back, for a sync of what the turn has committed, for an index that is being made, or for a limit
 * of time of what the turn has begun, ms on the table's clock (UINT64_MAX: for none of these). Ask
 * after each turn. */
uint64_t db_next_pass_ms(const struct db *db);

/* What a start would read of the log if the process ended now; 0: nothing to replay. */
uint64_t db_replay_bytes(struct db *db);

/* Stop: every transaction must have been ended and every op finished. closed is called
 * once, when the log is synced and no job is under way. Then db_free. */
void db_close(struct db *db, void (*closed)(void *context), void *context);
/* Free everything. abandon: a simulated crash; jobs never finish. */
void db_free(struct db *db, bool abandon);

/* The random number that names the database: PRIMARY_IDENTITY_BYTES. */
void db_identity(const struct db *db, uint8_t *to);

/* ---- replies ---- */

/* true: it may be told now. false: told will be called later, from the loop. Waits in order
 * of commits. If the log has failed and it can never be: false, and told says so at the
 * next turn. */
bool db_wait_decided(struct db *db, struct decided decided, struct decided_wait *w);
void db_cancel_wait(struct decided_wait *w);

/* The last commit that may be told to anybody. */
uint64_t db_answered(const struct db *db);
/* Tell the core that a reply with this commit has been let go (an autocommit snapshot holds
 * it from now on). */
void db_note_answered(struct db *db, uint64_t commit);

/* What stages have taken of memory since the start, given back or not. */
uint64_t db_taken_bytes(const struct db *db);

/* ---- databases ---- */

/* The database of a name, whether it exists or not, until it is left. ERR_BAD_REQUEST: it is not
 * a name; ERR_NOMEM. */
enum err db_use_database(struct db *db, struct slice name, struct database **out,
                         struct failure *f);
void db_leave_database(struct db *db, struct database *d);

/* ---- for operators ---- */

/* ERR_NO_TXN: no open transaction has that version. */
enum err db_kill(struct db *db, uint64_t version, struct failure *f);

struct db_stage_status {
    const char *state; /* "open", "sealed", "amalgamating", "amalgamated" */
    uint64_t bytes, records, first_commit, last_commit;
};
struct db_hold_status {
    uint64_t version, snapshot;
    struct slice database;
    struct slice label, client; /* borrowed inside the callback; may be none */
    const struct usage *owner;  /* as in txn_options; NULL: nobody's */
    uint64_t age_ms, idle_ms;
    uint64_t bytes; /* written by it */
    uint64_t reads; /* bytes that keep what it has read */
    uint64_t held;  /* kept on its behalf, in memory and on disk, bytes */
    uint64_t disk;  /* of the data file, kept for its root alone: root_only_bytes */
    bool doomed;
    const struct lock *lock; /* that it has, or waits for; NULL: none. Borrowed likewise */
};
void db_each_stage(struct db *db, void (*each)(void *context, const struct db_stage_status *s),
                   void *context);
/* Tell of open transactions, the oldest first, as far as the steps of a turn go. walk is all zero
 * at first. ERR_WAIT: go on in a later turn; list_walk_end gives up. ERR_OK: that is all. */
enum err db_each_hold(struct db *db, struct list_walk *walk,
                      void (*each)(void *context, const struct db_hold_status *h),
                      void *context);

/* The same for those that wait for a lock, in the order of their arrival. */
enum err db_each_waiting(struct db *db, struct list_walk *walk,
                         void (*each)(void *context, const struct db_hold_status *h),
                         void *context);

/* Whether what open transactions have written and read, and the catalogue, are as they must be;
 * walks all of it, for tests. */
bool db_check(const struct db *db);
/* Compare every index with the records of its store, in both directions. ERR_CORRUPT: f says
 * which and how. Blocks; for tests. */
enum err db_check_indexes(struct db *db, struct failure *f);

struct db_damage_status { /* a store that is damaged on the disk */
    struct slice database, name; /* none: it has been dropped */
    const char *file;
    uint64_t offset;      /* in it, bytes */
    bool is_lost;         /* nothing of it can be read */
};
void db_each_damage(struct db *db,
                    void (*each)(void *context, const struct db_damage_status *s),
                    void *context);

struct db_status {
    uint64_t last_commit, durable_commit, answered_commit;
    uint64_t stages, stage_bytes;             /* readable stages */
    uint64_t ledgers, ledger_keys;            /* what is held of stages already unstaged, */
    uint64_t ledger_bytes, ledger_disk_bytes; /* in memory, on disk */
    uint64_t reads_bytes, reads_limit;        /* of what serializable transactions have read */
    uint64_t reads_ended_bytes; /* of reads_bytes, by those that ended; freed in slices */
    uint64_t garbage_bytes;     /* of stages and large write-sets, being freed in slices */
    uint64_t writes_bytes, writes_limit;      /* of what open transactions have written */
    uint64_t steps;                           /* of work for conflicts, ever; for tests */
    uint64_t entries_work;                    /* of work for indexes, likewise */
    uint64_t databases;
    uint64_t quotas, over_quota; /* databases that have one, requests that one refused */
    uint64_t stores, definitions, catalogue_bytes; /* newest ones, all in memory */
    uint64_t tokens, tokens_bytes, tokens_forgotten, tokens_horizon; /* tokens.h */
    uint64_t catalogue_steps; /* of looking for stores, ever; for tests */
    uint64_t lock_waiters, lock_waiters_limit; /* requests that wait for locks */
    uint64_t open_txns, begun, committed, rolled_back, conflicts, expired, killed;
    uint64_t amalgamations, amalgamated_bytes;
    struct {
        uint64_t file_bytes, used_bytes, held_bytes, free_bytes, records, trees, root, commit;
        uint64_t bytes_written;
        uint64_t roots_held;               /* the newest included */
        uint64_t roots_bytes, roots_limit; /* memory of the older ones */
    } primary;
    struct {
        uint64_t bytes, limit, hits, misses;
    } cache;
    struct {
        uint64_t position, synced, oldest, segments, bytes, batches, syncs, items;
        uint64_t kept;       /* segments that were handed to the archive, since start */
        enum err keep_error; /* why the last one was not */
        uint64_t found_commit,
            found_ms;    /* the last that recovery has met in it, taken or not */
        bool found_more; /* by a restore: more than it has taken; another round takes it */
        bool failed;
        enum err error; /* why commits cannot be written, ERR_OK: they can */
    } log;
    enum err pass_error; /* why the last amalgamation failed; ERR_OK: it did not */
};
void db_status(struct db *db, struct db_status *out);
/* ---- what those above it stand on ---- */

struct os *db_os(const struct db *db);
/* Of hash tables over what clients send. */
uint64_t db_hash_seed(const struct db *db);
/* Definitions published, ever: what was made of them before is outdated. */
uint64_t db_definitions(const struct db *db);
/* Take an arena that may be large; it is freed by and by. */
void db_discard(struct db *db, struct arena *arena);
/* Those that are being read (backup.h). */
struct backups *db_backups(struct db *db);
/* How far the reading of the data file is (scrub.h). */
void db_scrub_status(const struct db *db, struct scrub_status *out);
/* How near the database is to its limits: how many there are. limits: DB_LIMIT_COUNT. */
unsigned db_limits(const struct db *db, struct txn_limit *limits);

#endif
