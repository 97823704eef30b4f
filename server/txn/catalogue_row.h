/* catalogue_row.h - definitions of stores and databases as bytes: the rows of store 0
 * (docs/formats.md).
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

/* Whose row it is: a store's; or (name none) a database's own. */
struct row_name {
    struct slice database;
    struct slice name;
};

/* The key of its row; to has KEY_BYTES_MAX bytes. A name that no store can have is cut. */
size_t catalogue_row_key(struct row_name of, uint8_t *to);
/* With what the keys of all stores of a database begin, and no others. */
size_t catalogue_rows_begin(struct slice database, uint8_t *to);
/* The names, in room of KEY_PLAIN_BYTES_MAX bytes. ERR_CORRUPT. */
enum err catalogue_row_name(struct slice key, uint8_t *room, struct row_name *of);

/* Put a row at to: returns its bytes, 0 if room is too small. */
size_t catalogue_row_write(const struct definition *d, uint8_t *to, size_t room);
/* Borrows from row. ERR_BAD_REQUEST. */
enum err catalogue_row_read(struct slice row, struct definition *out);

/* The row of a database with that version. */
#define DATABASE_ROW_BYTES_MAX 24
size_t database_row_write(uint64_t version, uint8_t *to);
/* ERR_BAD_REQUEST. */
enum err database_row_read(struct slice row, uint64_t *version);

#endif
