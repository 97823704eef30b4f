/* dump.h - what `dump` and `load` agree on; the lines are in dump.c. */
#ifndef HOLDFAST_CLI_DUMP_H
#define HOLDFAST_CLI_DUMP_H

#include "client/cli/cli.h"

#define DUMP_FORMAT 1

/* Whether the file is packed, by its name. False: a message was printed; the name says that it is
 * something else. */
bool dump_is_packed(struct cli *cli, const char *path, bool *gzip);

/* Load what `dump` has written (load.c). A cli_exit; a message was printed. */
int load_file(struct cli *cli, const char *path);

#endif
