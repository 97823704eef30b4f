/* update_internal.h - what the files of update share: update_read.c reads changes,
 * update_number.c computes, update.c makes changes. */
#ifndef HOLDFAST_TXN_UPDATE_INTERNAL_H
#define HOLDFAST_TXN_UPDATE_INTERNAL_H

#include "server/txn/update.h"

enum update_operator {
    UPDATE_SET,
    UPDATE_UNSET,
    UPDATE_ADD,
    UPDATE_MIN,
    UPDATE_MAX,
    UPDATE_APPEND,
    UPDATE_COMMIT,
    UPDATE_OPERATORS
};

struct update_change {
    enum update_operator what;
    uint32_t number;        /* of the change in its list, from 1 */
    struct slice path_text; /* as given */
    struct update_path path;
    struct slice value; /* none: unset and commit take none */
};

/* Read the change at *c and step over it. */
enum err update_change_read(struct msgpack_cursor *c, uint32_t number,
                            struct update_change *out, struct failure *f);
/* e with a text that names the change, its operator and its path. */
enum err update_refuse(struct failure *f, enum err e, const struct update_change *change,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));
const char *update_type_name(enum msgpack_type type); /* "a map", "text", ... */

/* The sum of two numbers at to (MSGPACK_HEAD_MAX bytes); returns its bytes. 0: *why says what
 * is wrong. */
size_t update_add(const struct msgpack_token *a, const struct msgpack_token *b, uint8_t *to,
                  const char **why);
/* *order is below, at or above 0 as a is to b. False: they are not both numbers (no NaN), both
 * timestamps, both texts or both binaries. */
bool update_compare(struct slice a, struct slice b, int *order);

#endif
