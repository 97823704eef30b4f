/* index_row.h - the indexes of a store as they stand in its row: an array with
 * [name, number, definition] for each (docs/formats.md).
 *
 * Threads: any. */
#ifndef HOLDFAST_TXN_INDEX_ROW_H
#define HOLDFAST_TXN_INDEX_ROW_H

#include "proto/msgpack.h"

#include <stdint.h>

#define INDEX_NAME_BYTES_MAX 255

struct index_row { /* borrowed */
    struct slice name;
    uint32_t number;         /* of its tree, from the same numbers as stores */
    struct slice definition; /* as index_definition_write puts it */
};

/* One row at c. ERR_BAD_REQUEST. */
enum err index_row_read(struct msgpack_cursor *c, struct index_row *out);
/* Put it at to: returns its bytes, 0 if room is too small. */
size_t index_row_write(const struct index_row *row, uint8_t *to, size_t room);

#endif
