/* index_wait.h - waiting for an index that the server builds in the background. */
#ifndef HOLDFAST_CLI_INDEX_WAIT_H
#define HOLDFAST_CLI_INDEX_WAIT_H

#include "client/cli/cli.h"

/* Until it is ready, with how far it is on a terminal. The exit code: CLI_REFUSED with a message if
 * the build has failed or the index is gone; Ctrl-C ends the waiting and not the build. */
int index_wait(struct cli *cli, const char *store, const char *index);

#endif
