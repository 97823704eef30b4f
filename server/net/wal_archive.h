/* wal_archive.h - where segments of the log are kept that the server needs no longer: copied into a
 * directory, handed to a command, or both.
 *
 * Threads: opened and closed by the loop; keep is called on a lane, one at a time. */
#ifndef HOLDFAST_NET_WAL_ARCHIVE_H
#define HOLDFAST_NET_WAL_ARCHIVE_H

#include "server/net/options.h"
#include "server/os/os_posix.h"
#include "server/txn/db_options.h"

struct wal_archive {
    struct os_posix *directory; /* owned; NULL: none */
    const char *command;        /* borrowed; "": none */
    char *data;                 /* owned: the data directory's whole path */
};

/* As the options say; to: told whom to ask. why: OPTION_ERROR_BYTES. */
enum err wal_archive_open(struct wal_archive *a, const struct options *options,
                          struct db_options *to, char *why);
void wal_archive_close(struct wal_archive *a);

#endif
