/* shell.h - verbs and queries line by line, and transactions over several of them. */
#ifndef HOLDFAST_CLI_SHELL_H
#define HOLDFAST_CLI_SHELL_H

#include "client/cli/cli.h"

/* Run what -c and -f say; without them, read statements from cli->in until its end or `exit`: from
 * a terminal with a prompt; else as a script, which ends at its first error unless cli->keep_going.
 * A cli_exit: that of the first error of a script, CLI_OK of a terminal. */
int shell_run(struct cli *cli);

#endif
