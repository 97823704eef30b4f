/* cursor_internal.h - cursors for the core itself, which walks ranges for its own requests.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_CURSOR_INTERNAL_H
#define HOLDFAST_TXN_CURSOR_INTERNAL_H

#include "server/txn/cursors_internal.h"

/* The next key, deletes included; *record NULL: it is in the root, and value is its value.
 * ERR_END, ERR_WAIT (nothing has moved), ... */
enum err cursor_step(struct op *op, struct cursor *c, struct slice *key, struct record **record,
                     struct slice *value);
/* The same, and the transaction has read what lies between. */
enum err cursor_read(struct op *op, struct cursor *c, struct slice *key, struct record **record,
                     struct slice *value);
/* Go on over another range, no longer than the one that the cursor was made with; of one behind
 * it in the same leaf of the tree that is a look into that leaf. Not in reverse. */
void cursor_set_range(struct cursor *c, const struct key_range *range);
/* The key that the last step gave, for a caller that had to wait with it. */
enum err cursor_current(struct cursor *c, struct slice *key);
/* The same with its record, once after cursor_keep_pending; else ERR_NOT_FOUND. */
void cursor_keep_pending(struct cursor *c, struct record *r);
enum err cursor_current_pending(struct cursor *c, struct slice *key, struct record **record);

#endif
