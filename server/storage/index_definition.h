/* index_definition.h - what an index is: which keys of a document it has.
 *
 * Read from the options of `create_index`:
 *
 *     key     a path, or a list of parts, each a path, {path, order} or {any: [path, ...], order};
 *             a path is a text or a list of steps (path.h), so a list of texts is a list of
 *             parts, and [[]] is one part, the record itself. {any: [...]}: the first of the paths
 *             that is there
 *     unique  no two records have one index key
 *     multi   of the one part, an array: a key for each of its elements
 *     types   which types of values are keys here: "nil", "boolean", "number", "timestamp",
 *             "text", "binary", "array"; all if it is left out
 *     where   a condition (condition.h): records for which it does not hold have no keys
 *     online  its entries are made in the background; no part of the definition
 *
 * Threads: any; keeps no state, allocates nothing. */
#ifndef HOLDFAST_STORAGE_INDEX_DEFINITION_H
#define HOLDFAST_STORAGE_INDEX_DEFINITION_H

#include "server/base/failure.h"
#include "server/storage/key.h"
#include "server/storage/path.h"
#include "server/storage/value_order.h"

#define INDEX_PATHS_MAX 32           /* of all parts, the paths of `any` counted one by one */
#define INDEX_STEPS_MAX 64           /* of all paths */
#define INDEX_OPTIONS_BYTES_MAX 8192 /* as given */
/* Bytes that index_definition_write takes at most. */
#define INDEX_DEFINITION_BYTES_MAX (INDEX_OPTIONS_BYTES_MAX + 512)

struct index_part {
    bool descending;
    unsigned first_path; /* in definition.paths */
    unsigned path_count; /* over 1: the first that is there */
};

/* Borrows its texts, and where, from the options that it was read from. */
struct index_definition {
    bool unique;
    bool multi;
    bool online; /* as asked; index_definition_write leaves it out */
    unsigned types; /* bits of enum value_type */
    unsigned part_count;
    struct index_part parts[KEY_PARTS_MAX];
    unsigned path_count;
    struct value_path paths[INDEX_PATHS_MAX]; /* of steps below */
    unsigned step_count;
    struct path_step steps[INDEX_STEPS_MAX];
    struct slice where; /* none: all records */
};

/* Read a map of the options above and no others. The definition points into itself: it is not to
 * be copied. ERR_BAD_REQUEST, ERR_TOO_LARGE: f says which option, and what was expected. options
 * is well-formed and without doubled keys. */
enum err index_definition_read(struct slice options, struct index_definition *out,
                               struct failure *f);

/* The definition as a map in one canonical form, which reads back as the same: what `stores`
 * shows and the catalogue keeps. Returns bytes put, 0 if room is too small. */
size_t index_definition_write(const struct index_definition *d, uint8_t *to, size_t room);

/* What key.h needs to know of its keys, for ranges (key_range_read), keys that clients give
 * (key_encode) and those that they are told (key_decode): parts and their orders. It has no
 * paths: key_of_document is not for it. */
void index_definition_spec(const struct index_definition *d, struct key_spec *out);

#endif
