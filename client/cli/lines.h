/* lines.h - a file line by line, in constant memory. */
#ifndef HOLDFAST_CLI_LINES_H
#define HOLDFAST_CLI_LINES_H

#include "client/lib/holdfast.h"
#include "proto/slice.h"

#include <stdio.h>

#define LINES_BYTES_MAX (64u << 20) /* of one line: the JSON of the largest record fits */

struct lines {
    FILE *file;
    bool owned;            /* close it */
    uint64_t number;       /* of the line given last, from 1 */
    uint64_t bytes;        /* read, up to the end of that line */
    uint64_t bytes_total;  /* of the file; 0: not known */
    struct hf_pack buffer; /* from at on not given out yet */
    size_t at;
    bool end;
};

enum lines_result {
    LINES_ONE,
    LINES_END,
    LINES_TOO_LONG, /* the line number + 1 */
    LINES_FAILED,   /* errno */
};

/* Of the file at path; NULL or "-": of standard, which is not closed. False: errno. */
bool lines_open(struct lines *l, const char *path, FILE *standard);
void lines_close(struct lines *l);

/* The next line without its end, borrowed until the next call. A byte order mark at the
 * file's beginning is left out. */
enum lines_result lines_next(struct lines *l, struct slice *line);

#endif
