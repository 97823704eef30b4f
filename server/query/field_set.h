/* field_set.h - the fields of a record that a query needs, found in one walk over it.
 *
 * A set says which names of the record's own fields are wanted; a shape remembers which names stood
 * where in the record before, so that the next one, which mostly looks alike, is walked over by
 * comparing names in place. What the walk answers never depends on the shape.
 *
 * Threads: any, with a shape of its own each. */
#ifndef HOLDFAST_QUERY_FIELD_SET_H
#define HOLDFAST_QUERY_FIELD_SET_H

#include "server/query/datum.h"

#define FIELDS_MAX 32 /* of a set: bits */

struct field_set {
    unsigned count;
    struct slice names[FIELDS_MAX]; /* borrowed; no two are equal */
};

#define SHAPE_FIELDS_MAX \
    32 /* of a record; those behind them are looked at as if they were new */
#define SHAPE_NAME_BYTES 32 /* of a name, with its head */

struct field_shape { /* zeroed memory is one of nothing */
    struct shape_field {
        uint8_t name[SHAPE_NAME_BYTES]; /* as it is written, and zeros */
        uint64_t mask;                  /* of the first eight bytes: those of the name */
        uint8_t size;                   /* of the name as it is written; 0: not known */
        int8_t field;                   /* its place in the set; -1: it is not wanted */
    } at[SHAPE_FIELDS_MAX];
};

/* The place of the name, which is added; -1: there are FIELDS_MAX. */
int field_set_add(struct field_set *set, struct slice name);

/* The values of all fields into out[0 .. count), missing where there is none; of fields with one
 * name the first. Not a map, or none: all are missing. */
void field_set_read(const struct field_set *set, struct field_shape *shape, struct slice record,
                    struct datum *out);

#endif
