/* update_number.h - exact sums, and which of two values is the lesser.
 *
 * Threads: any. */
#ifndef HOLDFAST_TXN_UPDATE_NUMBER_H
#define HOLDFAST_TXN_UPDATE_NUMBER_H

#include "proto/msgpack.h"

/* The sum of two numbers at to (MSGPACK_HEAD_MAX bytes); returns its bytes. 0: *why says what
 * is wrong. */
size_t update_add(const struct msgpack_token *a, const struct msgpack_token *b, uint8_t *to,
                  const char **why);
/* *order is below, at or above 0 as a is to b. False: they are not both numbers (no NaN), both
 * timestamps, both texts or both binaries. */
bool update_compare(struct slice a, struct slice b, int *order);

#endif
