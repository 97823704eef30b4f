/* lookup.h - finding a store by its name, as a transaction sees it: a read like any other.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_LOOKUP_H
#define HOLDFAST_TXN_LOOKUP_H

#include "proto/slice.h"
#include "server/txn/op.h"

struct schema;
struct txn;

/* The definition of a name as a snapshot and (t may be NULL) a transaction see it, noted in
 * op; ERR_NO_STORE. */
enum err catalogue_find(struct op *op, struct txn *t, uint64_t commit, struct slice name,
                        struct schema **out);
/* For a name that is to be a new one: *out is NULL if it is free. */
enum err catalogue_find_other(struct op *op, struct txn *t, struct slice name,
                              struct schema **out);
/* The same as catalogue_find without being a read that others may overwrite. */
enum err catalogue_look(struct op *op, struct txn *t, uint64_t commit, struct slice name,
                        struct schema **out);

/* The answer of op depends on that definition of a store: the catalogue decides, too. */
void catalogue_note(struct op *op, const struct schema *s);

#endif
