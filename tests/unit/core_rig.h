/* core_rig.h - the core on a simulated machine for tests that say step by step what
 * happens. Keys and values are small numbers (value 0: nothing is there). A call that
 * must wait is carried through; its op stays until the next call, so that a test can
 * look at rig.op.failure and rig.op.decided. What should not fail fails the test. */
#ifndef HOLDFAST_TESTS_UNIT_CORE_RIG_H
#define HOLDFAST_TESTS_UNIT_CORE_RIG_H

#include "server/storage/primary.h"
#include "server/txn/backup.h"
#include "server/txn/cursor.h"
#include "server/txn/db.h"
#include "server/txn/quotas.h"
#include "server/txn/records.h"
#include "server/txn/stores.h"
#include "server/txn/txn.h"
#include "tests/sim/sim_os.h"

#include <check.h>

/* As ck_assert, without its line of output for each that holds. */
#define MUST(fact) ((fact) ? (void)0 : ck_abort_msg("not so: %s", #fact))
#define MUST_EQ(a, b)                                                                         \
    ({                                                                                        \
        uint64_t must_a = (uint64_t)(a), must_b = (uint64_t)(b);                              \
        if (must_a != must_b)                                                                 \
            ck_abort_msg("%s is %llu, not %s, which is %llu", #a, (unsigned long long)must_a, \
                         #b, (unsigned long long)must_b);                                     \
    })

struct core_rig {
    struct sim *sim;
    struct db *db;
    struct db_options options; /* may be changed before core_restart */
    struct op op;              /* of the last call */
    bool is_woken;
    bool is_ready; /* the database has asked for a turn */
    bool has_op;
    bool has_failed;       /* the log has failed */
    unsigned damaged;      /* events that say that a store is */
    unsigned built;        /* events that say that an index is ready */
    unsigned intermediate; /* roots made for old snapshots */
    struct db_task task;   /* the last one */
    enum err task_error;
    struct decided_wait answer; /* of the last call */
    enum err answer_error;
};

/* Of a test that makes calls of its own: begin_op, then call; while it answers ERR_WAIT, wait and
 * call again. wait: ERR_WAIT, woken; ERR_IO, the power is off. CORE_CALL does that. */
void core_begin_op(struct core_rig *rig);
void core_end_op(struct core_rig *rig);
void core_turn(struct core_rig *rig);
enum err core_wait(struct core_rig *rig);

/* Make the call again for as long as it waits. */
#define CORE_CALL(rig, call)                                                                  \
    ({                                                                                        \
        enum err core_err;                                                                    \
        core_begin_op(rig);                                                                   \
        while ((core_err = (call)) == ERR_WAIT && (core_err = core_wait(rig)) == ERR_WAIT) { \
        }                                                                                    \
        core_err;                                                                             \
    })

/* What may fail, and is not asserted. */
enum err core_try_open(struct core_rig *rig);
enum err core_try_task(struct core_rig *rig, void (*ask)(struct db *db, struct db_task *task));
/* Until the answer of the last call may be told; never: ERR_LOG_FAILED, ERR_IO (the power is
 * off). */
enum err core_acknowledge(struct core_rig *rig);

/* A manual database: nothing rotates or amalgamates but when asked. */
void core_open(struct core_rig *rig, uint64_t seed);
/* The same on a machine that is there; it becomes the rig's. */
void core_open_on(struct core_rig *rig, struct sim *sim);
/* Ends cleanly; every byte must have come back. */
void core_close(struct core_rig *rig);
/* crash: the power goes off; else a clean end. Open transactions must have ended. */
void core_restart(struct core_rig *rig, bool crash);
/* Let all that is under way come to its end. */
void core_settle(struct core_rig *rig);
/* Let time go by with nothing to do. */
void core_rest(struct core_rig *rig, uint64_t ms);

/* options: a map, as index_definition.h says. */
enum err core_create_index(struct core_rig *rig, struct txn *t, const char *store,
                           const char *name, struct slice options);
enum err core_drop_index(struct core_rig *rig, struct txn *t, const char *store,
                         const char *name);
enum err core_rename_index(struct core_rig *rig, struct txn *t, const char *store,
                           const char *name, const char *new_name);

struct txn *core_begin(struct core_rig *rig, const char *label,
                       const struct txn_options *options);
enum err core_commit(struct core_rig *rig, struct txn *t, uint64_t *commit);
void core_rollback(struct core_rig *rig, struct txn *t);

enum err core_put(struct core_rig *rig, struct txn *t, const char *store, unsigned key,
                  uint64_t value);
enum err core_insert(struct core_rig *rig, struct txn *t, const char *store, unsigned key,
                     uint64_t value);
/* Of stores_list; *calls grows by those that it has taken. */
enum err core_list(struct core_rig *rig, struct txn *t,
                   void (*each)(void *context, const struct store_info *info), void *context,
                   uint64_t *calls);
/* A record without a key; *key is the number that the store has given it. */
enum err core_generate(struct core_rig *rig, struct txn *t, const char *store, uint64_t *key);
enum err core_delete(struct core_rig *rig, struct txn *t, const char *store, unsigned key,
                     bool *existed);
enum err core_get(struct core_rig *rig, struct txn *t, const char *store, unsigned key,
                  uint64_t *value);
/* Of from <= key < to. */
enum err core_count(struct core_rig *rig, struct txn *t, const char *store, unsigned from,
                    unsigned to, uint64_t *count);
enum err core_delete_range(struct core_rig *rig, struct txn *t, const char *store,
                           unsigned from, unsigned to, uint64_t *deleted);
/* Rows into keys and values (room for limit), *count of them. */
enum err core_scan(struct core_rig *rig, struct txn *t, const char *store, unsigned from,
                   unsigned to, const struct cursor_options *options, unsigned *keys,
                   uint64_t *values, unsigned *count);
enum err core_create(struct core_rig *rig, struct txn *t, const char *store,
                     const struct store_options *options);
enum err core_clear(struct core_rig *rig, struct txn *t, const char *store);
enum err core_drop(struct core_rig *rig, struct txn *t, const char *store);
enum err core_rename(struct core_rig *rig, struct txn *t, const char *store, const char *to);

/* Of autocommit, which must succeed. */
void core_set(struct core_rig *rig, const char *store, unsigned key, uint64_t value);
uint64_t core_value(struct core_rig *rig, const char *store, unsigned key);

/* A record of so many bytes in all, of noise that key and size give; and whether it is there so. */
enum err core_put_large(struct core_rig *rig, struct txn *t, const char *store, unsigned key,
                        size_t bytes);
bool core_has_large(struct core_rig *rig, const char *store, unsigned key, size_t bytes);

/* A quota of "main"; and the bytes that its records take, exactly once all is merged. */
void core_set_quota(struct core_rig *rig, const struct quota_limits *limits);
uint64_t core_bytes(struct core_rig *rig);

void core_rotate(struct core_rig *rig);
/* Merge all that is committed, and let go of what nobody needs. */
void core_amalgamate(struct core_rig *rig);
struct db_status core_status(struct core_rig *rig);
/* A reply decided by the last call may be told at once. */
bool core_may_tell(struct core_rig *rig);

/* Of the durable root. */
enum err core_backup(struct core_rig *rig, const struct backup_options *options,
                     struct backup **out);
enum err core_backup_read(struct core_rig *rig, struct backup *b, uint64_t position,
                          struct slice *bytes, bool *last);
/* Begin to read, and leave the op waiting. */
void core_backup_ask(struct core_rig *rig, struct backup *b, uint64_t position);

struct slice core_range(unsigned from, unsigned to, uint8_t room[64]);

#endif
