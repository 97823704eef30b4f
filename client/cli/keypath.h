/* keypath.h - the key of a store, as people write it and as the server shows it. */
#ifndef HOLDFAST_CLI_KEYPATH_H
#define HOLDFAST_CLI_KEYPATH_H

#include "client/cli/cli.h"

/* "Package,Architecture:desc", or JSON as in the protocol, into the option `key` of
 * create_store. False: a message was printed. */
bool keypath_parse(struct cli *cli, const char *text, struct hf_pack *out);

/* One path, "address.city" or "tags[0]": a dot goes into a field of a field, [n] to a place in
 * an array. what names it in messages. False: a message was printed. */
bool keypath_path(struct cli *cli, const char *what, struct slice text, struct hf_pack *out);

/* Append such an option as keypath_parse takes it. */
void keypath_print(struct slice option, struct hf_pack *text);

/* The option with every part in descending order. */
bool keypath_descend(struct slice option, struct hf_pack *out);

/* Whether two such options mean the same key, however they say it: one path or a list of
 * one, a name or a list of one step, an order left out or "asc". */
bool keypath_equal(struct slice a, struct slice b);

/* How many parts such an option has; 0: it cannot be read. */
uint32_t keypath_parts(struct slice option);

#endif
