/* value_order.h - the order of keys over values of any size, without encoding them.
 *
 * The same order as that of encoded keys (key.h), which are bounded: nil < false < true <
 * numbers < timestamps < text < binary < arrays. Values are well-formed MessagePack.
 *
 * Threads: any; keeps no state, allocates nothing. */
#ifndef HOLDFAST_STORAGE_VALUE_ORDER_H
#define HOLDFAST_STORAGE_VALUE_ORDER_H

#include "proto/msgpack.h"

/* The types that keys have; as bits where several are meant. */
enum value_type {
    VALUE_NIL = 1,
    VALUE_BOOLEAN = 2,
    VALUE_NUMBER = 4,
    VALUE_TIMESTAMP = 8,
    VALUE_TEXT = 16,
    VALUE_BINARY = 32,
    VALUE_ARRAY = 64,
};
#define VALUE_TYPES_ALL 127u

/* Whether the value can be a key: it, and if it is an array all that is in it, is of one of the
 * types. No map, NaN, malformed timestamp or other extension ever is. */
bool value_is_key(struct slice value, unsigned types);

/* The bit of the value's type; 0: it is a map, NaN, or an extension that is no timestamp. */
unsigned value_type_of(struct slice value);

/* Below, at or above 0 as a is to b. What cannot be a key has its place too: NaN is above all other
 * numbers and equal to itself, maps come after arrays and are compared field by field as they are
 * written, extensions that are no timestamps come last, by their bytes. */
int value_compare(struct slice a, struct slice b);

/* "nil", "boolean", "number", "timestamp", "text", "binary", "array": the bit of that name; 0:
 * there is none. */
unsigned value_type_named(struct slice name);
const char *value_type_name(unsigned type); /* of one bit */

#endif
