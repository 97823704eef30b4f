/* index_list.h - the list of indexes in the next version of a store's definition.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_INDEX_LIST_H
#define HOLDFAST_TXN_INDEX_LIST_H

#include "server/txn/index_row.h"
#include "server/txn/op.h"

#define DEFINITION_BYTES_MAX (32u << 10) /* a store's row, with its indexes */

struct definition;
struct schema;

/* How the indexes of the next version differ. */
struct index_edit {
    uint32_t number;                  /* new numbers, from this one on; 0: they keep theirs */
    const struct schema *left_out;    /* dropped; NULL: none */
    const struct schema *renamed;     /* NULL: none is */
    struct slice name;                /* of that one */
    const struct index_row *added;    /* NULL: none is */
    const struct schema *changed;     /* whose state becomes another; NULL: none's */
    enum index_state state;
    struct slice why; /* of INDEX_FAILED */
};
/* The indexes of s as edited, put into d->indexes, which lies in room (DEFINITION_BYTES_MAX
 * bytes). ERR_TOO_LARGE. */
enum err store_indexes_write(struct op *op, const struct schema *s,
                             const struct index_edit *edit, uint8_t *room,
                             struct definition *d);

#endif
