/* op.h - one request at work in the core.
 *
 * The caller (a connection, a test) owns an op for as long as its request runs
 * and passes it to every function of txn/ that the request calls. A function
 * that cannot go on without blocking returns ERR_WAIT; op->wake is called once
 * when it can, from db_turn or db_tick and never inside another call, and the
 * caller calls the same function again with the same arguments. Any other answer is final for
 * that call. After an error op->failure says what, where and what to do.
 *
 * Replies: op->decided says what must be durable before the answer may be told
 * (docs/architecture.md, rule 3); it gathers over all calls made with the op, errors
 * included. db_wait_decided (db.h) waits for it.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_OP_H
#define HOLDFAST_TXN_OP_H

#include "server/base/failure.h"
#include "server/storage/durability.h"
#include "server/storage/wait.h"

#include <stdint.h>

struct backup;
struct cursor;
struct database;
struct database_list;
struct db;
struct guard;
struct lock_request;
struct msgpack_check;
struct schema;
struct store_list;
struct claim;
struct txn;
struct txns;

struct usage { /* what open transactions take, and requests that wait for locks (usage.h) */
    uint64_t writes; /* bytes */
    uint64_t reads;  /* bytes */
    uint64_t lock_waiters; /* of a client */
    struct usage *client;  /* borrowed: of a connection: the sum of its client's; else NULL */
};

struct decided {
    uint64_t synced;  /* commits up to here must survive power loss; 0: none */
    uint64_t written; /* commits up to here must survive a kill of the process; 0: none */
};

struct op {
    void (*wake)(struct op *op); /* the caller's */
    struct db *db;
    uint64_t after; /* in: an autocommit snapshot taken here holds at least this commit */
    enum durability durability; /* in: of an autocommit write */
    struct database *database; /* op_use_database; NULL: "main" */
    struct usage *usage; /* in: what its own transaction takes is counted here, too; or NULL */
    const struct guard
        *guard;             /* in: what it may do with which stores (guard.h); NULL: anything */
    struct decided decided; /* out: gathers */
    struct failure failure; /* out: of the last call that failed */
    uint64_t committed; /* out: number of the commit that an autocommit write made; 0: none */
    bool is_repeated;   /* out: txn_commit gave the answer of the commit that had its token */
    bool
        is_part; /* in: the calls are parts of a larger request, which begins and ends for them */
    /* The core's own from here on. */
    struct wait wait;            /* pages, or a turn */
    struct list_link in_waiting; /* pulse.waiting_for_room: log or stage memory */
    struct lock_request *lock;   /* that it has asked for; lock_wait.h */
    struct claim *claim;           /* its place in the queue of a database; openers.h */
    struct txn *own;             /* the transaction of an autocommit request at work */
    struct txn *at;              /* the transaction that it was last called on */
    struct txn *statement;       /* whose savepoint the request runs under; statement.h */
    bool needs_txn;              /* it cannot be done without one; auto_write_one */
    bool is_ending;              /* that has done all but commit, which has to wait */
    uint64_t quota_upto;         /* commits that are merged before a quota refuses it; 0: none */
    unsigned losses;             /* conflicts that an autocommit write has met */
    struct cursor *cursor;       /* of a function that works over several turns */
    uint64_t progress[2];        /* likewise */
    struct backup *backup;       /* whose next chunk it waits for */
    struct store_list *list;     /* of stores, being made */
    struct database_list *databases; /* likewise */
    struct msgpack_check *check; /* of a large document that is looked at in parts */
    bool is_checked;             /* its document is good */
};

/* wake is called as above; after is 0, durability SYNC, the database "main". */
void op_init(struct op *op, struct db *db, void (*wake)(struct op *op));
/* The stores that it names are those of d (NULL: of "main"), which is referenced until op_fini. */
void op_use_database(struct op *op, struct database *d);
struct database *op_database(const struct op *op);
/* All transactions, with what they stand on. */
struct txns *op_txns(const struct op *op);

/* Forget what it waits for, roll back what an unfinished autocommit began, unpin, free.
 * The op may be used again after op_init. Values that were borrowed from it end here. */
void op_fini(struct op *op);

/* Say e of key_encode, with its details. what: "invalid key". */
COLD void op_refuse_key(struct op *op, enum err e, const struct schema *s, const char *what,
                        const char *why);

/* Say e of key_range_read; a field that a range does not have by its name. */
COLD void op_refuse_range(struct op *op, enum err e, const struct schema *s, struct slice range,
                          const char *why);

/* The details of e show the client's key as it came, where it is not too long and every client
 * can read it: a map or NaN does no harm, a text that is not UTF-8 does. */
void op_show_key(struct op *op, enum err e, struct slice key);

/* Unpin what the last call lent (values, keys), keep decided: for an op that makes many
 * calls one after another. */
void op_release(struct op *op);

/* Pages of the data file that have been asked for, ever, and how many of them were not in the
 * cache. */
struct op_pages {
    uint64_t asked, loaded;
};
struct op_pages op_pages(const struct op *op);

/* Whether a crash cannot take the commit back any more. */
bool op_is_durable(const struct op *op, uint64_t commit);

/* A request that has done the work of a turn lets others have theirs: ERR_WAIT. */
enum err op_yield(struct op *op);

#endif
