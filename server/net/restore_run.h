/* restore_run.h - `holdfastd --restore`: a data directory made from a backup.
 *
 * Threads: the process's only one. */
#ifndef HOLDFAST_NET_RESTORE_RUN_H
#define HOLDFAST_NET_RESTORE_RUN_H

#include "server/net/options.h"
#include "server/net/restore_request.h"

/* Restore into options->data, and say so on standard output, or what is wrong on standard error.
 * Returns the exit code. */
int restore_run(const struct restore_request *request, const struct options *options);

#endif
