/* command.h - one statement of the shell or a script: a verb or a query. */
#ifndef HOLDFAST_CLI_COMMAND_H
#define HOLDFAST_CLI_COMMAND_H

#include "client/cli/cli.h"

/* Run it. Options of one line are of that line. A cli_exit. */
int command_run(struct cli *cli, const char *text);

/* The verb that a statement's first word names, behind a backslash or not. NULL: none. */
const struct verb *command_verb(const struct verb *verbs, const char *word);

/* Keep a query for `watch` and `explain` without running it. */
void command_keep(struct cli *cli, const char *text);

#endif
