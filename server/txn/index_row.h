/* index_row.h - the indexes of a store as they stand in its row: an array with
 * [name, number, definition] for each, and a fourth element where an index is not ready: 1 while it
 * is building, 2 if its tree was not salvaged besides, [name, text, key, record] when building has
 * failed (docs/formats.md).
 *
 * Threads: any. */
#ifndef HOLDFAST_TXN_INDEX_ROW_H
#define HOLDFAST_TXN_INDEX_ROW_H

#include "proto/error.h"
#include "proto/msgpack.h"

#include <stdint.h>

#define INDEX_NAME_BYTES_MAX 255
#define INDEX_WHY_BYTES_MAX 10240 /* a text, and two keys */
#define INDEX_WHY_TEXT_BYTES_MAX 256

enum index_state {
    INDEX_READY,
    INDEX_BUILDING, /* writes keep it, nobody reads it; index_build.h */
    INDEX_FAILED,   /* the records violate it: nobody keeps or reads it; it waits to be dropped */
};

struct index_row { /* borrowed */
    struct slice name;
    uint32_t number;         /* of its tree, from the same numbers as stores */
    struct slice definition; /* as index_definition_write puts it */
    enum index_state state;
    struct slice why; /* FAILED: an array as above; else none */
    bool is_unmade;   /* BUILDING: none of its entries is there, whatever the log says later */
};

/* One row at c. ERR_BAD_REQUEST. */
enum err index_row_read(struct msgpack_cursor *c, struct index_row *out);
/* Put it at to: returns its bytes, 0 if room is too small. */
size_t index_row_write(const struct index_row *row, uint8_t *to, size_t room);

struct index_why { /* why a build has failed */
    struct slice name; /* of the error */
    struct slice text;
    struct slice key,
        record; /* MessagePack: an index key, and the record that has it; or none */
};
enum err index_why_read(struct slice why, struct index_why *out);
/* Returns its bytes; what there is no room for is left out. room is INDEX_WHY_BYTES_MAX or more. */
size_t index_why_write(const struct index_why *why, uint8_t *to, size_t room);

#endif
