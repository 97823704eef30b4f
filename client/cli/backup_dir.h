/* backup_dir.h - the directory of a backup: written, read back, found again.
 *
 * While it is written its file has another name, so a directory with the file BACKUP_FILE is a
 * whole backup that was read back from the disk. Functions that return a cli_exit have said what
 * is wrong. */
#ifndef HOLDFAST_CLI_BACKUP_DIR_H
#define HOLDFAST_CLI_BACKUP_DIR_H

#include "client/cli/cli.h"
#include "client/cli/progress.h"
#include "proto/backup_format.h"

struct backup_dir {
    struct cli *cli;
    const char *path; /* borrowed */
    bool made;        /* by us: removed if the backup fails */
    int fd;           /* of the directory; -1 */
    int file;         /* of the file that is written; -1 */
    struct backup_reader reader; /* checks what is written, and then what is read back */
};

/* Make the directory, or take an empty or unfinished one; no backup may be in it. */
int backup_dir_begin(struct backup_dir *d, struct cli *cli, const char *path);
/* More of the backup, checked on its way. */
int backup_dir_write(struct backup_dir *d, struct slice bytes);
/* What came is whole: make it durable, read it back and check it, say what it builds on (base: the
 * directory, NULL: it is a full one), and give it its name. */
int backup_dir_end(struct backup_dir *d, const char *base, struct progress *progress);
/* Close; keep: not if it failed, then what was written is removed. */
void backup_dir_fini(struct backup_dir *d, bool keep);

/* Read a backup and check all of it. */
int backup_dir_verify(struct cli *cli, const char *path, struct progress *progress,
                      struct backup_reader *out);
/* Its header only. */
int backup_dir_header(struct cli *cli, const char *path, struct backup_header *out);

#endif
