/* restore.h - from a backup to the data file of a new database.
 *
 * Pages go where they lay in the data file of the backup, so they are as they were, checksums and
 * all; what lies between them is free. A backup and those that build on it are written one over the
 * other, the oldest first. Then both meta pages are written, and the file is whole.
 *
 * From the first step to the last a mark stands in the directory, and a server refuses it
 * (db_open), so a restore that was cut short is never taken for a database.
 *
 * A restored database is another one: it gets an identity of its own and begins a WAL of its own,
 * so that no segment and no incremental backup of the one can be used with the other
 * (docs/decisions/0039).
 *
 * Threads: one; everything blocks. */
#ifndef HOLDFAST_STORAGE_RESTORE_H
#define HOLDFAST_STORAGE_RESTORE_H

#include "proto/backup_format.h"
#include "server/base/failure.h"
#include "server/os/os.h"

#define RESTORE_MARK "restoring" /* the file that says that a restore is not at its end */

struct restore_count {
    uint64_t pages, bytes;
};

/* The directory must be empty. ERR_LOCKED: it is not; ERR_IO, ERR_NO_SPACE. */
enum err restore_begin(struct os *data, struct failure *f);

/* Write the pages of a backup, whose directory is `from`, over what is there. base: the header of
 * the backup that was written before it, NULL: it is the first. ERR_CORRUPT: the backup is damaged,
 * or does not build on base; ERR_NOT_FOUND: no backup is there; ERR_FORMAT, ERR_IO,
 * ERR_NO_SPACE. */
enum err restore_pages(struct os *data, struct os *from, const struct backup_header *base,
                       struct backup_header *out, struct restore_count *count,
                       struct failure *f);

/* Write the meta pages: the file is that of the backup's database, as of its commit. */
enum err restore_root(struct os *data, const struct backup_header *of, struct failure *f);

/* Make it another database, without a WAL: the newest root is all there is. */
enum err restore_adopt(struct os *data, struct failure *f);

/* Walk and check every page, then remove the mark: it is a database from now on. */
enum err restore_end(struct os *data, struct failure *f);

/* Whether the mark is there. */
enum err restore_is_unfinished(struct os *data, bool *out);

#endif
