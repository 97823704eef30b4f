/* tracker.h - what an open writer may lose to, at its write.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_TRACKER_H
#define HOLDFAST_TXN_TRACKER_H

#include "server/txn/conflict.h"

struct db;
struct record;

enum err tracker_check_write(struct op *op, struct txn *t, const struct schema *schema,
                             struct slice key);
/* The same for the locks of others on the store: t writes in it, or changes its definition. */
enum err tracker_check_lock(struct op *op, struct txn *t, struct slice store);
enum err tracker_check_schema(struct op *op, struct txn *t, const struct schema *schema);

/* t has met its winner by itself: say so to its request and end it. ERR_CONFLICT. */
enum err tracker_lose_key(struct op *op, struct txn *t, const struct record *r,
                          struct winner winner);

#endif
