/* out_file.h - a file that is written whole or not at all.
 *
 * It is written beside the one that it replaces, which stays until the new one is complete and
 * synced. Standard output, devices and pipes are written as it comes. */
#ifndef HOLDFAST_CLI_OUT_FILE_H
#define HOLDFAST_CLI_OUT_FILE_H

#include "client/cli/cli.h"

#include <limits.h>

struct out_file {
    const char *path; /* borrowed; "-": standard output */
    bool keeps;       /* a failure leaves what was at path */
    FILE *out;        /* to write to; packed, if the file is */
    FILE *lower;      /* below it, or the same */
    char target[PATH_MAX];  /* what is replaced; links are followed */
    char partial[PATH_MAX]; /* while it is written */
};

/* False: a message was printed. */
bool out_file_open(struct out_file *f, struct cli *cli, const char *path, bool gzip);

/* What was written takes its place if exit_code is CLI_OK; else it goes, and what was there
 * stays. The exit code, another one if writing has failed: a message was printed then. */
int out_file_close(struct out_file *f, struct cli *cli, int exit_code);

#endif
