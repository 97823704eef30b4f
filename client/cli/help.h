/* help.h - the help, made from the table of verbs. */
#ifndef HOLDFAST_CLI_HELP_H
#define HOLDFAST_CLI_HELP_H

#include "client/cli/cli.h"

/* Of one verb, or of all (NULL). */
void help_print(struct cli *cli, const struct verb *verb);

#endif
