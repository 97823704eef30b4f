/* catalogue_internal.h - what the files of the catalogue share. */
#ifndef HOLDFAST_TXN_CATALOGUE_INTERNAL_H
#define HOLDFAST_TXN_CATALOGUE_INTERNAL_H

#include "server/txn/catalogue.h"

#define VERSION_OF(link) LIST_ENTRY(link, struct schema, in_queue)
#define ENTRY_OF(link) LIST_ENTRY(link, struct catalogue_entry, in_names)

static inline size_t entry_bytes(const struct catalogue_entry *e)
{
    return sizeof *e + e->name_size;
}

void entry_unref(struct catalogue *c, struct catalogue_entry *e);
/* The shelf of a number; where there is none it is made. NULL: no memory. */
struct shelf *shelf_make(struct catalogue *c, uint32_t number);
/* It goes with its last version, but for one that a root may have a tree of. */
void shelf_try_free(struct catalogue *c, struct shelf *shelf);

#endif
