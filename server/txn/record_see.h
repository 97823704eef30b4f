/* record_see.h - the record of an encoded key as a view sees it.
 *
 * It is not a read that others may overwrite; records.h has those.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_RECORD_SEE_H
#define HOLDFAST_TXN_RECORD_SEE_H

#include "proto/slice.h"
#include "server/txn/op.h"

#include <stdbool.h>
#include <stdint.h>

struct view;

/* *value is none if there is none. ERR_WAIT, ERR_CORRUPT, ERR_IO, ERR_NOMEM. */
enum err record_see(struct op *op, const struct view *v, uint32_t store, struct slice key,
                    struct slice *value);
/* The same; *is_own: the transaction has written it. */
enum err record_find(struct op *op, const struct view *v, uint32_t store, struct slice key,
                     struct slice *value, bool *is_own);

#endif
