/* txns.h - the open transactions: in the order in which they began, by what they do, and by their
 * numbers; what they have written and read; and how many there have been.
 *
 * What must be true of it stands in db_struct.h. Begin, doom and end of a transaction are txn.h's.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_TXNS_H
#define HOLDFAST_TXN_TXNS_H

#include "proto/error.h"
#include "server/base/deadline.h"
#include "server/base/list_walk.h"
#include "server/storage/hash_table.h"
#include "server/txn/entries.h"
#include "server/txn/intents.h"
#include "server/txn/op.h"
#include "server/txn/read_set.h"
#include "server/txn/txn_pool.h"

struct catalogue;
struct db_options;
struct numbers;
struct pulse;
struct stage_stack;

/* What they stand on; borrowed. */
struct txns_ground {
    struct os *os;
    const struct db_options *options;
    struct pulse *pulse;
    const struct numbers *numbers;
    struct stage_stack *stages;
    struct catalogue *catalogue;
};

/* Those that have ended and still stand in the tables; leaving.h. */
struct leaving {
    struct list_link txns; /* departure.in_leaving */
    uint64_t steps_left;   /* of this turn */
};

struct txns {
    struct os *os; /* this and what follows: the ground */
    const struct db_options *options;
    struct pulse *pulse;
    const struct numbers *numbers;
    struct stage_stack *stages;
    struct catalogue *catalogue;
    struct list_link open;          /* txn.in_open; doomed ones, too */
    struct list_walks open_walks;   /* over it: those who list what is held */
    uint64_t count;                 /* of them */
    struct list_link writers;       /* txn.in_writers: those who may write; T-2 */
    struct list_link large;         /* txn.in_large */
    struct list_link defining;      /* txn.in_defining */
    struct list_link undoing;       /* those whose failed statement is being taken back */
    struct hash_table killable;     /* by version */
    struct deadline_wheel expiries; /* txn.expiry */
    struct txn_pool pool;           /* memory of ended ones */
    struct usage usage;             /* the sum over open ones; T-7 */
    struct intents intents;         /* what they have written; T-4 */
    struct chains written_stores;   /* txn_store of those with many, by transaction and number */
    struct read_set read_set;       /* what serializable ones have read */
    struct leaving leaving;         /* ended ones that still stand in these tables */
    struct entries entries;         /* of the record that is being written */
    uint64_t steps;                 /* records looked at for conflicts, losers told, ever */
    uint64_t begun, committed, rolled_back, conflicts, expired, killed; /* ever */
};

/* step_ms: the exactness of limits of time. ERR_NOMEM. What is embedded is its modules' to begin
 * and to end. */
enum err txns_init(struct txns *all, const struct txns_ground *ground, uint64_t now_ms,
                   uint64_t step_ms);
/* None is open. */
void txns_fini(struct txns *all);

/* t, which has its snapshot, is open from now on. */
void txns_enter(struct txns *all, struct txn *t);
/* ... is open no more. */
void txns_leave(struct txns *all, struct txn *t);
/* It is found by its version until it leaves. */
void txns_enter_killable(struct txns *all, struct txn *t);
/* NULL: none that is open has it. */
struct txn *txns_find(const struct txns *all, uint64_t version);
/* One is doomed with that error. */
void txns_count_loss(struct txns *all, enum err why);
/* The least commit of the snapshots of those who may write; UINT64_MAX: nobody may. */
uint64_t txns_oldest_writer(const struct txns *all);

#endif
