/* stores.h - what the server says of its stores, for people. */
#ifndef HOLDFAST_CLI_STORES_H
#define HOLDFAST_CLI_STORES_H

#include "client/cli/cli.h"

/* The list that `stores` answers, as one with short cells: keys as --key takes them, indexes
 * by their names. */
void stores_shorten(struct slice list, struct hf_pack *out);

/* One of its entries, with its indexes as a list of the same kind. */
void stores_describe(struct slice entry, struct hf_pack *out);

#endif
