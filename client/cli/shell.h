/* shell.h - verbs line by line, and transactions over several of them. */
#ifndef HOLDFAST_CLI_SHELL_H
#define HOLDFAST_CLI_SHELL_H

#include "client/cli/cli.h"

/* Read commands from cli->in until its end or `exit`: from a terminal with a prompt; else as
 * a script, which ends at its first error unless cli->keep_going. A cli_exit: that of the
 * first error of a script, CLI_OK of a terminal. */
int shell_run(struct cli *cli);

/* "holdfast> ", or with the open transaction: "holdfast[txn 36]> ", "holdfast[txn 36!]> "
 * when it has failed. */
void shell_prompt(const struct cli *cli, char *to, size_t room);

/* One line: split it and run it. A cli_exit. */
int shell_line(struct cli *cli, const char *line);

#endif
