/* file_format.h - what a file of records holds, by its name or as asked for. */
#ifndef HOLDFAST_CLI_FILE_FORMAT_H
#define HOLDFAST_CLI_FILE_FORMAT_H

#include "client/cli/cli.h"

enum file_kind {
    FILE_NDJSON, /* JSON values, each on a line of its own as they are written; to be read they may
                  * stand anyhow, and over several lines */
    FILE_JSON,   /* one array of JSON; to be read also values one behind the other */
    FILE_CSV,
    FILE_TSV,
    FILE_MSGPACK, /* values one behind the other */
};

#define FILE_FORMATS "ndjson, json, csv, tsv and msgpack, each optionally followed by .gz"

struct file_format {
    enum file_kind kind;
    bool gzip;
};

/* What a place in such a file is counted in: "line" or "record". */
const char *file_format_unit(const struct file_format *format);

/* By --format ("csv", "ndjson.gz"), which may be NULL, else by the extension of path. "-" and
 * what is no regular file is NDJSON. False: a message was printed; the extension says something
 * that cannot be read or written. */
bool file_format_choose(struct cli *cli, const char *path, const char *given,
                        struct file_format *out);

#endif
