/* condition.h - conditions on fields, as documents: the `where` of a partial index.
 *
 *     {"state": "open"}                        a field is equal to a value
 *     {"age": {"$gte": 18, "$lt": 65}}         $eq, $ne, $gt, $gte, $lt, $lte; all must hold
 *     {"email": {"$exists": true}}             whether there is such a field
 *     {"address": {"city": "Rome"}}            a field of a field; {"tags": {0: "x"}} a place
 *     {"$gte": 18}                             the same of the document itself
 *     {"$and": [{...}, {...}]}, {"$or": [...]}
 *
 * A map holds if all of its pairs hold; {} always does. Values are compared in the order of keys,
 * across types: a text is $gt every number. A field that is absent, and one that cannot be a key
 * (a map, NaN), is neither equal nor unequal to anything, nor above or below it.
 *
 * Threads: any; keeps no state, allocates nothing. */
#ifndef HOLDFAST_STORAGE_CONDITION_H
#define HOLDFAST_STORAGE_CONDITION_H

#include "proto/msgpack.h"
#include "server/base/failure.h"
#include "server/storage/path.h"

#define CONDITION_BYTES_MAX 4096
#define CONDITION_DEPTH_MAX 16 /* of conditions within conditions */

/* Whether it is a condition. ERR_BAD_REQUEST, ERR_TOO_LARGE: f says where and what was
 * expected. The bytes are one well-formed value without doubled keys (msgpack_check_document). */
enum err condition_check(struct slice condition, struct failure *f);

/* Whether a checked condition holds for a document. Costs the size of the document for each
 * field that is asked for. */
bool condition_holds(struct slice condition, struct slice document);

/* Whether any of the fields that a checked condition asks for is one that the function says yes
 * to; the path is borrowed inside the call. */
bool condition_asks(struct slice condition,
                    bool (*is_met)(void *context, const struct value_path *path),
                    void *context);

enum condition_test { /* $eq, and so on */
                      CONDITION_EQ,
                      CONDITION_NE,
                      CONDITION_GT,
                      CONDITION_GTE,
                      CONDITION_LT,
                      CONDITION_LTE,
                      CONDITION_EXISTS,
};

/* Whether it holds for a value, none if there is none. */
bool condition_test_holds(enum condition_test test, struct slice wanted, struct slice value);

/* Whether the condition follows, if those tests hold to which the function says yes; the path is
 * borrowed inside the call. */
bool condition_follows(struct slice condition,
                       bool (*is_met)(void *context, const struct value_path *path,
                                      enum condition_test test, struct slice wanted),
                       void *context);

#endif
