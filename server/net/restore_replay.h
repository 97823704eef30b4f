/* restore_replay.h - from a backup's commit on to a later one, with the segments of the WAL.
 *
 * Threads: the process's only one; blocks. */
#ifndef HOLDFAST_NET_RESTORE_REPLAY_H
#define HOLDFAST_NET_RESTORE_REPLAY_H

#include "server/net/options.h"
#include "server/net/restore_target.h"
#include "server/os/os_posix.h"
#include "server/storage/restore.h"

/* The data directory holds what is restored from the backup `of`, under its old identity: copy the
 * segments there, replay them as far as the target, and merge it all into the data file. *commit:
 * the last one that it holds then. ERR_CORRUPT: the WAL is damaged, has a gap, or ends before the
 * target; or what opening a database returns. */
enum err restore_replay(struct os_posix *data, const struct restore_request *request,
                        const struct options *options, const struct backup_header *of,
                        const struct restore_target *target, uint64_t *commit,
                        struct failure *f);

#endif
