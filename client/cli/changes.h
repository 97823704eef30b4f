/* changes.h - the changes of `update`, as people write them. */
#ifndef HOLDFAST_CLI_CHANGES_H
#define HOLDFAST_CLI_CHANGES_H

#include "client/cli/cli.h"

/* Words into the list of changes that the server takes. An operator (set, add, min, max,
 * append) stands before any number of PATH=VALUE, unset and commit before any number of
 * PATH; without one it is set. False: a message was printed. */
bool changes_parse(struct cli *cli, const char *const *words, unsigned count,
                   struct hf_pack *out);

#endif
