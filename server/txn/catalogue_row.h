/* catalogue_row.h - definitions of stores as bytes: the rows of store 0 (docs/formats.md).
 *
 * Threads: any. */
#ifndef HOLDFAST_TXN_CATALOGUE_ROW_H
#define HOLDFAST_TXN_CATALOGUE_ROW_H

#include "proto/error.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_NAME_BYTES_MAX 255
#define CATALOGUE_NUMBER_MAX ((uint32_t)INT32_MAX - 1) /* the last that a store can have */

/* What a row of store 0 says. */
struct definition {
    uint32_t number;
    bool generate;
    bool last_writer_wins;
    uint64_t used;    /* generator: numbers up to here are used up; 0: none */
    uint32_t follows; /* the store that it was before it was cleared; 0: none */
    struct slice key; /* MessagePack, as key_spec_write puts it */
    struct slice indexes; /* an array of definitions (index_row.h); none: there are none */
};

/* The key of a name's row; to has KEY_BYTES_MAX bytes. */
size_t catalogue_row_key(struct slice name, uint8_t *to);
/* The name, in room of KEY_PLAIN_BYTES_MAX bytes. ERR_CORRUPT. */
enum err catalogue_row_name(struct slice key, uint8_t *room, struct slice *name);

/* Put a row at to: returns its bytes, 0 if room is too small. */
size_t catalogue_row_write(const struct definition *d, uint8_t *to, size_t room);
/* Borrows from row. ERR_BAD_REQUEST. */
enum err catalogue_row_read(struct slice row, struct definition *out);

#endif
