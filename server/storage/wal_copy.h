/* wal_copy.h - segments of the log copied from another directory, for a restore to replay.
 *
 * Threads: one; blocks. */
#ifndef HOLDFAST_STORAGE_WAL_COPY_H
#define HOLDFAST_STORAGE_WAL_COPY_H

#include "server/base/failure.h"
#include "server/os/os.h"

/* Copy the segments that a replay from position may need from the directory of `from` into the
 * log's directory of `to`, and the marks of failed syncs; what is there already stays. *copied
 * grows by the segments. ERR_IO, ERR_NO_SPACE, ERR_NOMEM. */
enum err wal_copy(struct os *to, struct os *from, uint64_t position, unsigned *copied,
                  struct failure *f);

#endif
