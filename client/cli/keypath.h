/* keypath.h - the key of a store, as people write it and as the server shows it. */
#ifndef HOLDFAST_CLI_KEYPATH_H
#define HOLDFAST_CLI_KEYPATH_H

#include "client/cli/cli.h"

/* "Package,Architecture:desc", or JSON as in the protocol, into the option `key` of
 * create_store. False: a message was printed. */
bool keypath_parse(struct cli *cli, const char *text, struct hf_pack *out);

/* Whether two such options mean the same key, however they say it: one path or a list of
 * one, a name or a list of one step, an order left out or "asc". */
bool keypath_equal(struct slice a, struct slice b);

/* How many parts such an option has; 0: it cannot be read. */
uint32_t keypath_parts(struct slice option);

#endif
