/* reader.h - a file of records, one after the other, in constant memory. */
#ifndef HOLDFAST_CLI_READER_H
#define HOLDFAST_CLI_READER_H

#include "client/cli/csv.h"
#include "client/cli/file_format.h"
#include "client/cli/json_scan.h"

#define READER_RECORD_BYTES_MAX (64u << 20) /* the JSON of the largest record fits */
#define READER_COLUMNS_MAX 4096
#define READER_NOT_IN_TEXTS SIZE_MAX
#define READER_SAMPLE_ROWS 1000            /* of a file with columns: types are found in them, */
#define READER_SAMPLE_BYTES (1u << 20)     /* as far as they have no more than this */

enum reader_result {
    READER_ONE,
    READER_END,
    READER_FAILED, /* reader.why, reader.failed_line */
};

struct reader_columns {
    struct hf_pack names; /* packed texts, one behind the other */
    unsigned count;
    enum csv_type types[READER_COLUMNS_MAX];
    bool given[READER_COLUMNS_MAX]; /* by --types */
    struct csv_cell cells[READER_COLUMNS_MAX + 1];
    unsigned cell_count;
    struct hf_pack texts;                  /* of cells that were unquoted or unescaped */
    size_t begins[READER_COLUMNS_MAX + 1]; /* of a cell in texts; READER_NOT_IN_TEXTS */
};

struct reader {
    struct file_format format;
    unsigned style; /* of json_parse */
    FILE *file;     /* what is read, unpacked */
    FILE *packed;   /* below it, where it is gzip; NULL: it is not */
    bool owned;     /* close the lower of them */
    uint64_t bytes_total; /* of the lower one; 0: not known */

    struct hf_pack buffer; /* from at on not given out yet */
    size_t at;
    size_t newline; /* offset of the first one from at on; below at: not looked for */
    bool at_end;    /* of the file */
    uint64_t taken; /* bytes given out, unpacked */
    uint64_t line;  /* at which at is, from 1; of MessagePack the record */
    enum { READER_VALUES, READER_ARRAY_FIRST, READER_ARRAY_NEXT, READER_ARRAY_END } place;
    bool begun;

    struct reader_columns *columns; /* owned; of CSV and TSV */

    /* The record given last: the lines from and to which it reached. */
    uint64_t first_line, last_line;
    uint64_t failed_line; /* 0: of no line */
    char why[240];
};

/* Open the file at path, NULL or "-": standard, which is not closed. A file that is gzip is
 * unpacked whatever its name. types may be NULL: "name:type,name:type". False: a message was
 * printed. */
bool reader_open(struct reader *r, struct cli *cli, const char *path,
                 const struct file_format *format, const char *types);
void reader_close(struct reader *r);

/* The next record, packed into out, which is emptied first. */
enum reader_result reader_next(struct reader *r, struct hf_pack *out);

/* How many of bytes_total have been read. */
uint64_t reader_done_bytes(const struct reader *r);

#endif
