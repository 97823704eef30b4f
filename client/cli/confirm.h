/* confirm.h - a question before something is destroyed. */
#ifndef HOLDFAST_CLI_CONFIRM_H
#define HOLDFAST_CLI_CONFIRM_H

#include "client/cli/cli.h"

/* Ask on the terminal, "Drop store "x"? [y/N]". True also where nobody can be asked, in a script
 * for example, or with --yes. False: a message was printed. */
bool confirm(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
