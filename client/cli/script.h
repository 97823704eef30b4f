/* script.h - statements that are not typed: of a file, of -c, of standard input in a pipe. */
#ifndef HOLDFAST_CLI_SCRIPT_H
#define HOLDFAST_CLI_SCRIPT_H

#include "client/cli/cli.h"

#define SCRIPT_DEPTH_MAX 16 /* of scripts that `include` others */

/* Run what -c, -f and standard input say, one after the other, as one session. It ends at the
 * first error unless cli->keep_going. A cli_exit: that of the first error. */
int script_run_all(struct cli *cli);

/* Run a file, "-" being standard input. A cli_exit; a message was printed. */
int script_file(struct cli *cli, const char *path);

#endif
