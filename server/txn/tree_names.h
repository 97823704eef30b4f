/* tree_names.h - which store or index a tree of the data file is, in words, for people.
 *
 * Threads: as each says. */
#ifndef HOLDFAST_TXN_TREE_NAMES_H
#define HOLDFAST_TXN_TREE_NAMES_H

#include "server/storage/primary.h"
#include "server/txn/catalogue_row.h"

#define TREE_NAME_BYTES 512

struct catalogue;

#define STORE_SHOWN_BYTES 288

/* A store in words: "a", or "a" of database "b". Returns to, which has STORE_SHOWN_BYTES. */
const char *store_show(struct row_name of, char *to);
/* By what is in memory. Loop. Returns to, which has TREE_NAME_BYTES. */
const char *tree_name(struct catalogue *c, uint32_t number, char *to);
/* By the definitions in a root, which are gone through; blocks. */
const char *tree_name_of_root(struct primary *p, struct root *r, uint32_t number, char *to);

#endif
