/* stores_internal.h - what the files share that change definitions of stores and indexes. */
#ifndef HOLDFAST_TXN_STORES_INTERNAL_H
#define HOLDFAST_TXN_STORES_INTERNAL_H

#include "server/txn/catalogue_row.h"
#include "server/txn/op.h"
#include "server/txn/index_list.h"

struct store_request { /* what a change of definitions was asked for; what it has not is none */
    struct slice store, name, new_name; /* name: of an index */
    const struct store_options *options;
    struct slice index_options;
};
typedef enum err store_step(struct op *op, struct txn *t, const struct store_request *r);
/* The step in t, or in a transaction of the op's own, again as often as that one loses. */
enum err store_run(struct op *op, struct txn *t, store_step *step,
                   const struct store_request *request);

/* Room in the catalogue for another version. An eighth more is kept for what makes room. */
enum err store_check_room(struct op *op, const struct txn *t, bool makes_room);
/* Numbers that no store and no index has had: *first and those behind it. */
enum err store_next_numbers(struct op *op, const struct txn *t, unsigned count,
                            uint32_t *first);
/* The definition again under its number, without indexes. What a store that is not committed yet
 * goes on counting from is only in its definition. */
struct definition store_definition(const struct schema *s);
/* Write the row of name (d NULL: its end) and keep the definition with the transaction; was:
 * what it has had of that store, which ends if that is not its number any more; NULL: nothing. */
enum err store_define(struct op *op, struct txn *t, struct slice name,
                      const struct definition *d, struct schema *was);

#endif
