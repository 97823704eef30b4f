/* offline.h - what holdfastd does with the files of a database that no server has open.
 *
 * Each prints what it finds on standard output, progress and what stops it on standard error, and
 * returns the process's exit code. */
#ifndef HOLDFAST_NET_OFFLINE_H
#define HOLDFAST_NET_OFFLINE_H

#include "server/net/command_line.h"

/* --check-data DIR. EX_OK: all is well, or repairs itself; EX_DATAERR: damage; else what stopped
 * it. */
int offline_check(const struct command_line *line, const struct options *options);

/* --dump-file FILE [OFFSET]. EX_DATAERR: it is no such file, or nothing whole begins there. */
int offline_dump(const struct command_line *line);

/* --salvage DIR OUT. EX_OK: all could be read; EX_DATAERR: not all, and OUT has the rest; else what
 * stopped it. */
int offline_salvage(const struct command_line *line, const struct options *options);

#endif
