/* txn_internal.h - what the core needs of txn.c beyond txn.h.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_TXN_INTERNAL_H
#define HOLDFAST_TXN_TXN_INTERNAL_H

#include "server/txn/txn.h"

struct db;

/* The op's request has ended: its transaction is idle from now on. */
void txn_leave(struct op *op);
/* Since when nobody has used it; while its own request waits for the server it is in use. */
uint64_t txn_idle_ms(const struct txn *t);
#define HELD_LOOK_MS 1000 /* so often is looked at what is held for one with a limit of that */

/* t is to be looked at when the first of its limits of time is passed if nobody uses it (expiry.h);
 * it is not waiting for that yet. */
void txn_set_expiry(struct txn *t);
/* Begin at that commit; kill finds it. ERR_OVERLOADED, ERR_NOMEM. */
enum err txn_begin_seen(struct op *op, const struct txn_options *options, uint64_t commit,
                        struct txn **out);
/* As txn_begin_own, for what the server writes for itself: transaction-max and writes-total, which
 * are for clients, do not end it. */
enum err txn_begin_servers(struct op *op, struct txn **out);
/* Let go of all that t has read, or of where looking through a range goes on. */
void txn_forget_reads(struct txn *t);
void txn_forget_range_check(struct txn *t);
/* The end of t, whatever became of it: nothing of it is left. */
void txn_free(struct txn *t);
/* ERR_OVERLOADED: numbers for one more transaction are not reserved yet. */
enum err txn_check_numbers(struct op *op);
enum err txn_first_write(struct op *op, struct txn *t);

#endif
