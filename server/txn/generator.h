/* generator.h - the counters of stores that generate their keys.
 *
 * A counter is state of its store within a transaction: its own writes see it, an end without a
 * commit takes it back, a commit makes it everybody's. The next number is one more than the
 * greatest of those that are used by commits, by the transaction itself, and those that were given
 * to other open transactions, so no two of those ever share one. A store that a transaction has
 * cleared and the store as others see it are one in this.
 *
 * Nothing of it is written down: a commit's keys tell what it has used, deleted ones
 * too, so the log and each root have the counter as of exactly their commits. Only a store
 * that is cleared has it in its definition, since its keys go.
 *
 * Threads: loop, but generator_used_in, any. */
#ifndef HOLDFAST_TXN_GENERATOR_H
#define HOLDFAST_TXN_GENERATOR_H

#include "server/storage/stage.h"
#include "server/txn/catalogue.h"

#define GENERATOR_MAX (UINT64_C(1) << 53) /* the last number */

/* What a use was before a savepoint; in its transaction's list, newest first. */
struct generator_note {
    struct generator_note *before;
    struct generator_use *use;
    uint64_t used, given, saved;
};

/* What one open transaction has used of one generator. */
struct generator_use {
    const struct txn *txn;
    struct shelf *shelf;        /* holds a reference */
    struct shelf *given_in;     /* where its numbers stand: the shelf, or its origin; likewise */
    bool is_room;               /* it lies in its transaction */
    struct generator_use *next; /* of the transaction */
    struct hash_link in_uses;   /* catalogue.uses, by transaction and shelf */
    struct list_link in_shelf;  /* given_in.uses, if it was given any */
    uint64_t used;              /* the greatest, explicit keys too; 0: none */
    uint64_t given;             /* the greatest that was generated; 0: none */
    uint64_t saved;             /* the last savepoint since which it has a note */
};

/* The next number for t (NULL: for a transaction that has used none); above GENERATOR_MAX: all
 * are used up. */
uint64_t generator_next(struct catalogue *c, const struct txn *t, const struct shelf *shelf);

/* t is about to write in the store; uses is its list. *room, which is t's own, is taken for the
 * first, so that most need no memory. NULL: no memory. */
struct generator_use *generator_use_of(struct catalogue *c, const struct txn *t,
                                       struct shelf *shelf, struct generator_use **uses,
                                       struct generator_use *room);
/* The write has succeeded: n was generated, or came as an explicit key. */
void generator_use_number(struct generator_use *use, uint64_t n, bool is_generated);

/* Back to what the note says; where others have been given greater numbers since, those that it
 * was given stay so. */
void generator_use_back(const struct generator_note *note);

/* t ends: uses is its list. commit 0: it was rolled back. */
void generator_end(struct catalogue *c, struct generator_use **uses, uint64_t commit,
                   enum durability durability);

/* A commit found at start has written a key. */
void generator_replay(struct catalogue *c, struct shelf *shelf, struct slice key,
                      uint64_t commit);

/* The number that an encoded key uses up: it and all below; 0: none. */
uint64_t generator_number(bool descending, struct slice key);
/* The same of all keys of a store in a stage. */
uint64_t generator_used_in(const struct stage_store *st, bool descending);

#endif
