/* path.h - where a value is in a document: texts for fields of maps, whole numbers from 0 for
 * places in arrays. A path of no steps is the document itself.
 *
 * Threads: any; keeps no state, allocates nothing. */
#ifndef HOLDFAST_STORAGE_PATH_H
#define HOLDFAST_STORAGE_PATH_H

#include "proto/msgpack.h"

#define PATH_STEPS_MAX 16

struct path_step {
    struct slice name; /* none: a place in an array */
    uint32_t place;
};

struct value_path {
    const struct path_step *steps; /* borrowed */
    unsigned count;
};

/* Read a step at *c: ERR_BAD_REQUEST, and *why is a static text. */
enum err path_step_read(struct msgpack_cursor *c, struct path_step *out, const char **why);

/* Read a path as clients write it, a text (one field, taken whole) or a list of steps, into
 * steps, which has room for that many. ERR_BAD_REQUEST as above. */
enum err path_read(struct slice text, struct path_step *steps, unsigned room, unsigned *count,
                   const char **why);

bool path_equal(const struct value_path *a, const struct value_path *b);

/* The value at the path in a well-formed document; none if a step is not there. Texts are
 * fields of maps only, numbers places in arrays only. */
struct slice path_find(const struct value_path *path, struct slice document);

#endif
