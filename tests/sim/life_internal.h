/* life_internal.h - what the files of a life share: its actors and what is judged.
 *
 * life_model.c keeps what the model says of each actor's transaction, life_judge.c
 * compares answers with it, life_scan.c walks, life_index.c makes and reads indexes,
 * life_backup.c takes backups, life_actor.c chooses and makes calls, life_check.c checks disk and
 * database, life.c lives, dies and starts again. */
#ifndef HOLDFAST_TESTS_SIM_LIFE_INTERNAL_H
#define HOLDFAST_TESTS_SIM_LIFE_INTERNAL_H

#include "proto/backup_format.h"
#include "server/storage/primary.h"
#include "server/txn/check.h"
#include "server/txn/cursor.h"
#include "server/txn/db.h"
#include "server/txn/outcome.h"
#include "server/txn/index_read.h"
#include "server/txn/indexes.h"
#include "server/txn/record_many.h"
#include "server/txn/records.h"
#include "server/txn/stores.h"
#include "server/txn/tokens.h"
#include "server/txn/txn.h"
#include "tests/sim/life.h"
#include "tests/sim/model.h"
#include "tests/sim/sim_os.h"

#include <setjmp.h>

enum act {
    ACT_NONE,
    ACT_GET,
    ACT_GET_MANY, /* of the keys of a range */
    ACT_PUT,
    ACT_INSERT,
    ACT_DELETE,
    ACT_UPDATE, /* of a record that is there: another value, or (reverse) none other */
    ACT_SCAN,
    ACT_COUNT,
    ACT_DELETE_RANGE,
    ACT_CLEAR,
    ACT_DROP,
    ACT_CREATE,
    ACT_RENAME,
    ACT_INDEX_CREATE,
    ACT_INDEX_DROP,
    ACT_INDEX_RENAME,
    ACT_INDEX_GET,
    ACT_INDEX_SCAN,
    ACT_GENERATE, /* a key, for a record of a store of its own */
    ACT_SAVEPOINT,
    ACT_ROLLBACK_TO,
    ACT_RELEASE,
    ACT_OUTCOME,
    ACT_COMMIT, /* that has had to wait */
    ACT_BEGIN   /* the same */
};

#define LIFE_TASKS 4
#define LIFE_SAVEPOINTS_MAX 4

enum change { CHANGE_NONE, CHANGE_FRESH, CHANGE_DROPPED };

/* What a transaction had written when it set a savepoint. */
struct saved {
    unsigned name;
    bool wrote_store[MODEL_STORES];
    bool wrote[MODEL_STORES][MODEL_KEYS];
    bool wrote_before[MODEL_STORES][MODEL_KEYS];
    uint64_t writes[MODEL_STORES][MODEL_KEYS];
    enum change changed[MODEL_STORES];
    bool indexed[MODEL_STORES], builds[MODEL_STORES];
    uint64_t indexes[MODEL_STORES][MODEL_INDEXES];
    unsigned made_count;
};

#define LIFE_GENERATED_MAX 4096
#define LIFE_MADE_MAX 8

struct actor;

struct life_generated {  /* a number that was given */
    struct actor *owner; /* whose transaction has it; NULL: it has ended */
    uint64_t commit;     /* of its record; 0: there is none */
};

#define LIFE_TOKENS_MAX 400

enum token_state {
    TOKEN_FRESH,        /* no commit has had it, as far as anybody was told */
    TOKEN_IS_COMMITTED, /* by that commit */
    TOKEN_IS_FENCED,    /* by that commit */
    TOKEN_MAYBE         /* a crash may have taken that back */
};

struct life_token {
    enum token_state state;
    uint64_t commit;
    uint64_t before; /* the commit that had it then, and was forgotten; 0: none */
};

struct promise { /* a reply that has not been told yet */
    struct decided_wait wait;
    struct life *life;
    uint64_t commit;  /* being told proves that this is synced */
    uint64_t written; /* ... and this written */
    bool used;
};

struct actor {
    struct life *life;
    struct op op;
    struct txn *txn;
    bool is_doomed; /* as the model says */
    uint64_t winner_version, winner_commit;
    uint64_t snapshot;
    uint64_t version;
    bool greatest;
    bool serializable;
    bool is_stale; /* what it read was overwritten */
    bool is_vague; /* it has read by an index: what it loses to is more than keys */
    bool is_murky; /* a request of it was under way then: what it had read is not known */
    bool has_read[MODEL_STORES][MODEL_KEYS];
    bool has_read_store[MODEL_STORES];
    enum durability durability;
    bool read_only;
    bool wrote_store[MODEL_STORES];
    bool wrote[MODEL_STORES][MODEL_KEYS];
    uint64_t writes[MODEL_STORES][MODEL_KEYS]; /* value, 0: deleted */
    enum act act;                              /* the request at work */
    bool is_woken;
    bool autocommit;
    unsigned store, key, key_to;
    unsigned store_to; /* of a rename */
    unsigned index, index_kind;
    unsigned index_to; /* of a rename */
    uint64_t index_value; /* of a get by it */
    bool index_online;
    uint64_t value;
    uint64_t at;    /* the snapshot of an autocommit read */
    uint64_t since; /* the last commit when the request began */
    uint64_t limit;
    bool reverse;
    struct cursor *cursor;
    bool scan_begun;      /* its first page has */
    uint64_t seen;        /* rows of a scan so far */
    unsigned scan_at;     /* next key that the scan may give */
    unsigned scan_turns;  /* how often it may yet turn or move */
    uint64_t scan_offset; /* rows to be passed over yet */
    struct {
        unsigned at;
        uint64_t offset, limit;
        bool reverse;
    } page;                            /* where the page of a scan began */
    enum change changed[MODEL_STORES]; /* what its transaction has made of a store */
    bool indexed[MODEL_STORES]; /* its transaction has changed the indexes of a store */
    bool builds[MODEL_STORES];  /* ... and made one over its records: any write there wins */
    uint64_t indexes[MODEL_STORES][MODEL_INDEXES]; /* of such stores: kinds, 0: none */
    bool wrote_before[MODEL_STORES]
                     [MODEL_KEYS]; /* before it made that change: it may still lose by them */
    struct saved saved[LIFE_SAVEPOINTS_MAX]; /* the oldest first */
    unsigned saved_count;
    uint64_t made[LIFE_MADE_MAX]; /* numbers that it was given */
    unsigned made_count;
    unsigned token; /* of its commit, or that it asks for; 0: none */
    uint8_t token_room[TOKEN_BYTES];
    struct outcome outcome;
    unsigned savepoint; /* the name of the request at work */
    struct txn_options begin;     /* as it was begun */
    unsigned locks[MODEL_STORES]; /* 0: not named, 1: shared, 2: exclusive */
    bool locks_all;
    bool has_locks;         /* and they are granted */
    bool is_killed;         /* while it waited for them */
    uint64_t lock_number;   /* in the order of their asking */
    uint64_t asked_ms;      /* when its request was made, by the core's clock */
    uint64_t used_ms;       /* when its transaction was used last */
    uint64_t waits_ms;      /* since when it has been seen to wait for a lock; 0: it does not */
    struct {                /* what should end soon: a holder's idling, a write's waiting */
        uint64_t since_ms;  /* 0: nothing */
        unsigned ticks;
    } overdue;
    uint8_t lock_room[128]; /* the option */
};

struct life_backup { /* that is being read */
    struct op op;
    struct backup *work; /* NULL: none is */
    bool is_woken;
    uint64_t commit; /* that it holds */
    bool is_link;    /* it builds on the chain */
    uint8_t *bytes;  /* read so far */
    size_t size;
};

/* A place of the data file where a page has rotted. */
#define LIFE_ROTTEN_MAX 256
#define UNIT_BYTES 512u /* of the data file */
struct life_rotten {
    uint64_t at;
    uint32_t tree; /* of which it was when it was sound */
    bool is_of_index;
    uint8_t left[UNIT_BYTES]; /* what the last rot left there */
};

/* Of a record: whether its versions of (over, upto] are there is not known, for the restart that
 * cut them off or kept them could not read it. */
struct life_guess {
    uint64_t over, upto; /* commits; upto 0: all is known */
};

#define LIFE_CHAIN_MAX 4

/* Backups that build on each other, the oldest first: they outlive crashes. */
struct life_chain {
    struct slice links[LIFE_CHAIN_MAX]; /* owned */
    unsigned count;
    struct backup_header last;
};

struct life {
    struct sim *sim;
    struct db *db;
    struct model model;
    const struct life_options *options;
    struct life_counts *counts;
    struct actor actors[LIFE_ACTORS_MAX];
    struct promise promises[256];
    struct db_task tasks[LIFE_TASKS];
    struct online_check check;
    struct life_backup backup;
    struct life_chain chain;
    bool is_checked; /* it is done, and its findings are kept */
    uint64_t next_value;
    uint64_t locks_asked;
    struct life_token tokens[LIFE_TOKENS_MAX + 1]; /* from 1 on */
    unsigned token_count;
    struct life_generated generated[LIFE_GENERATED_MAX]; /* by number */
    uint64_t given_ever;                                 /* the greatest */
    bool has_generated;                                  /* the store is there */
    uint64_t generated_commit;                           /* ... since that one */
    uint64_t told;      /* greatest commit that somebody has been told of */
    uint64_t told_kill; /* ... by durability "interval": a kill must keep it */
    bool is_failed;     /* the log has failed: the server would exit */
    uint64_t merged;
    unsigned victim;     /* the store whose pages rot; MODEL_STORES: none has yet */
    struct life_rotten rotten[LIFE_ROTTEN_MAX];
    unsigned rotten_count;
    bool is_damaged;     /* and that was met */
    struct life_guess guessed[MODEL_KEYS]; /* of its records */
    bool is_copy_rotten; /* one of two copies of a page that all stores depend on has rotted */
    bool on_disk;        /* a ledger is */
    bool has_failed_build; /* of an index, in a life with faults: its tree is not judged */
    bool
        is_late; /* losers may be told after the answer of the winner, but not after their own */
    bool is_coarse; /* what was read may be kept as more than that */
    bool is_tight;  /* limits are so small that they are met */
    bool has_lock_limits; /* waiting for locks, and idling with them, is limited to little */
    uint64_t tokens_forgotten;
    struct db_options db_options;
    jmp_buf broken;
    char *why;
    unsigned why_size;
    uint64_t seed;
    unsigned step;
};

_Noreturn void life_break(struct life *l, const char *format, ...);
struct slice life_store_name(unsigned store);
struct slice life_key(unsigned key, uint8_t room[16]);
struct slice life_value(const struct life *l, uint64_t value, uint8_t *room);
uint64_t life_read_value(struct life *l, struct slice document);
void life_reply(struct life *l, struct actor *a, uint64_t commit);
void actor_wake(struct op *op);
void actor_forget(struct actor *a);
void actor_lose(struct actor *a, uint64_t version, uint64_t commit);
void actor_read(struct life *l, struct actor *a, unsigned store, unsigned key);
/* Whether others' writes of the key and a's compete. */
bool actor_contends(const struct actor *a, unsigned store, unsigned key);
bool actor_has_store(const struct life *l, const struct actor *a);
/* a's transaction has cleared, made or dropped a store. */
void actor_change_store(struct actor *a, unsigned store, enum change change);
void actor_read_name(struct life *l, struct actor *a, unsigned store);
void life_commit_put(struct life *l, const struct actor *winner, unsigned store, unsigned key,
                     uint64_t value, uint64_t commit, uint64_t version);
void life_commit_store(struct life *l, const struct actor *winner, unsigned store,
                       uint64_t value, uint64_t commit, uint64_t version);
/* The winner (NULL: a request of its own) has committed these indexes of a store. */
void life_commit_indexes(struct life *l, const struct actor *winner, unsigned store,
                         const uint64_t kinds[MODEL_INDEXES], uint64_t commit,
                         uint64_t version);
/* Have a's transaction have its own idea of the indexes of a store. */
void actor_take_indexes(struct actor *a, unsigned store);
/* The definition of a store has changed as a build in the background has ended. */
void life_commit_ready(struct life *l, unsigned store, uint64_t commit);
void life_commit_rename(struct life *l, unsigned from, unsigned to, uint64_t commit);
uint64_t actor_expect(const struct life *l, const struct actor *a, unsigned store, unsigned key,
                      uint64_t at, uint64_t *decided);
bool life_excuses(const struct life *l, enum err e);
/* The same of an answer to a: of the store whose pages rot damage may be told. */
bool actor_excuses(struct life *l, const struct actor *a, enum err e);
/* The same of a's commit: its transaction has read or written that store. */
bool commit_excuses(struct life *l, const struct actor *a, enum err e);
/* The commit that has decided the answer: the winner's. */
uint64_t judge_winner(struct life *l, struct actor *a, uint64_t version, uint64_t commit);
bool judge_common(struct life *l, struct actor *a, enum err e);
void judge_no_store(struct life *l, struct actor *a, enum err e, uint64_t at);
uint64_t actor_at(const struct actor *a);
void judge_get(struct life *l, struct actor *a, enum err e, const struct slice *values,
               unsigned count);
void judge_put(struct life *l, struct actor *a, enum err e);
void judge_update(struct life *l, struct actor *a, enum err e, struct slice value);
void judge_delete(struct life *l, struct actor *a, enum err e, bool existed);
void judge_count(struct life *l, struct actor *a, enum err e, uint64_t count);
void judge_delete_range(struct life *l, struct actor *a, enum err e, uint64_t deleted);
void judge_store(struct life *l, struct actor *a, enum err e);
/* With greatest version a change of a store or its indexes loses to whoever is open, newer, and has
 * written the definition, or does in a request that is under way: whether the winner that is named
 * is one. */
bool judge_definer(const struct life *l, const struct actor *a);
void judge_rename(struct life *l, struct actor *a, enum err e);
void judge_reads(struct life *l, const struct actor *a);
/* A request for a savepoint: drawn, called, judged. */
void savepoint_draw(struct life *l, struct actor *a);
enum err savepoint_call(struct actor *a, struct txn *t);
void judge_savepoint(struct life *l, struct actor *a, enum err e);
/* The token of a's commit, or none; what its answer says of it: true, it was not applied. */
struct slice token_draw(struct life *l, struct actor *a);
bool judge_token(struct life *l, struct actor *a, enum err e, uint64_t commit);
bool outcome_draw(struct life *l, struct actor *a);
enum err outcome_call(struct actor *a);
void judge_outcome(struct life *l, struct actor *a, enum err e);
void life_cut_tokens(struct life *l, uint64_t told);
/* Records without keys: their store; drawn, called, judged; what becomes of those of a transaction
 * that commits, or ends or goes back with so many left; what is there after a restart. */
void life_make_generated(struct life *l);
bool generate_draw(struct life *l, struct actor *a);
enum err generate_call(struct life *l, struct actor *a, struct txn *t, uint64_t *number);
void judge_generate(struct life *l, struct actor *a, enum err e, uint64_t number);
void generated_commit(struct life *l, struct actor *a, uint64_t commit);
void generated_forget(struct actor *a, unsigned left);
void life_cut_generated(struct life *l, uint64_t told);
uint64_t life_generated_records(const struct life *l);
bool actor_has_written(const struct actor *a);
size_t actor_range(const struct actor *a, uint8_t room[64]);
enum err scan_step(struct life *l, struct actor *a, struct txn *t);
void scan_finish(struct life *l, struct actor *a, enum err e);
/* The kind of an index as a sees it; 0: it has none. */
uint64_t actor_index(const struct life *l, const struct actor *a, unsigned store,
                     unsigned index);
/* Make what a asks of an index: its act, which index, which kind. */
void index_draw(struct life *l, struct actor *a);
enum err index_call(struct life *l, struct actor *a, struct txn *t, struct slice *value);
void judge_index(struct life *l, struct actor *a, enum err e, struct slice value);
/* Entries in all indexes of the stores as they are now, and how many indexes these are. */
uint64_t model_entries(const struct life *l, uint64_t *indexes);
/* The kinds of the indexes that a store has now; 0: none. */
void life_read_indexes(struct life *l, unsigned store, uint64_t kinds[MODEL_INDEXES]);
/* What an event says of a build in the background. */
void life_on_index(struct life *l, enum event event, const void *facts);
/* Nothing is being built any more. */
void life_end_builds(struct life *l);
/* The disk before a start, looked through without writing. */
void life_check_disk(struct life *l);
/* A backup (life_backup.c) goes on, or a new one begins. */
void life_back_up(struct life *l);
/* Before the database is freed. */
void life_backup_forget(struct life *l);
void life_chain_forget(struct life *l);
/* Whether the stores hold what the model has at a commit; indexes are not looked at. */
bool life_records_are(struct life *l, uint64_t commit);
/* Begin a check of the running database, or end one. */
void life_check_online(struct life *l);
/* A page rots (life_rot.c), if one that may is at a place that chance chooses. */
void life_rot(struct life *l);
/* The store to whose tree or indexes' trees a number belongs; MODEL_STORES: to none of ours. */
unsigned life_store_of_tree(struct life *l, uint32_t number);
/* Before the database is freed. */
void life_check_forget(struct life *l);
/* Every index has the entries of its records. */
void life_check_indexes(struct life *l);
/* Let time pass until what was waited for has come. */
void life_settle(struct life *l);
/* Locks (life_lock.c): drawn for a transaction that a begins; its begin, called again when it was
 * woken. */
void lock_draw(struct life *l, struct actor *a);
void actor_begin(struct life *l, struct actor *a);
/* An operator ends a's waiting for locks. */
void lock_kill(struct life *l, struct actor *a);
/* a's transaction was ended, for it idled with a lock that others wait for. */
void judge_lock_idle(struct life *l, const struct actor *a);
/* A write without a transaction that waited for a lock for too long; false: e is something else. */
bool judge_lock_timeout(struct life *l, const struct actor *a, enum err e);
/* After a tick: nobody idles with a lock, or waits to write, for longer than that. */
void judge_lock_limits(struct life *l);
/* A CONFLICT with a lock; false: e is something else. */
bool judge_lock(struct life *l, struct actor *a, enum err e);
/* The winner (NULL: a request of its own) has committed something in the store. */
void judge_committed(struct life *l, const struct actor *winner, unsigned store);
/* Whoever waits comes to its turn when those before it have ended. */
void life_end_waits(struct life *l);
bool actor_call(struct life *l, struct actor *a);
void actor_go_on(struct life *l, struct actor *a);
void actor_act(struct life *l, struct actor *a);

#define LIFE_CHECK(l, fact, ...) ((fact) ? (void)0 : life_break((l), __VA_ARGS__))

#endif
