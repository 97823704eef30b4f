/* stores.h - what the server says of its stores, for people. */
#ifndef HOLDFAST_CLI_STORES_H
#define HOLDFAST_CLI_STORES_H

#include "client/cli/cli.h"

/* The list that `stores` answers, as one with short cells: keys as --key takes them, indexes
 * by their names. */
void stores_shorten(struct slice list, struct hf_pack *out);

/* One of its entries, with its indexes as a list of the same kind, and a sample of its fields
 * (none: without). */
void stores_describe(struct slice entry, struct slice sample, struct hf_pack *out);

/* Append a list {field, types, records, example} of the fields of the first records of a store;
 * none where there are none, or it cannot be read outside of the open transaction. */
void stores_sample(struct cli *cli, const char *store, struct hf_pack *out);

#define STORES_SAMPLE_RECORDS 100
#define STORES_SAMPLE_FIELDS 64

#endif
