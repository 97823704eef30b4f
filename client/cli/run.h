/* run.h - one verb: its words parsed, its function called. Above the verbs: none calls it. */
#ifndef HOLDFAST_CLI_RUN_H
#define HOLDFAST_CLI_RUN_H

#include "client/cli/cli.h"

/* Find the verb and its arguments in words, and run it. */
int cli_run(struct cli *cli, int count, char **words);

#endif
