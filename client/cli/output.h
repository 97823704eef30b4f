/* output.h - results on standard output: tables for people, JSON for programs. */
#ifndef HOLDFAST_CLI_OUTPUT_H
#define HOLDFAST_CLI_OUTPUT_H

#include "client/cli/cli.h"
#include "client/cli/table.h"

/* One value: JSON on a line; or, for people, a map as its fields, a list of maps as a
 * table, and all else as JSON. */
void output_value(struct cli *cli, struct slice value);

/* The same, but of a record only these fields (fields.h); none: all. */
void output_fields(struct cli *cli, struct slice fields, struct slice record);

/* A value as JSON on a line, whatever the mode. */
void output_json(struct cli *cli, struct slice value);

/* These as JSON, or as MessagePack where that is asked for. */
void output_number(struct cli *cli, uint64_t number);
void output_bool(struct cli *cli, bool b);
void output_nil(struct cli *cli);

/* Rows of a scan. As JSON each is {"key": ..., "value": ...}, of an index with the index key
 * as "index" before them; or the bare key or value where that is all there is. */
struct output_rows {
    struct cli *cli;
    struct slice fields; /* of records only these (fields.h); none: all. Borrowed */
    struct hf_pack record;
    char index_column[260]; /* what the column of index keys is called */
    struct table table;
    struct hf_pack text;
    size_t gathered; /* rows not flushed yet */
    uint64_t count;
};

/* index is the name of the index by which the rows come; NULL: none. */
void output_rows_begin(struct output_rows *rows, struct cli *cli, const char *index);
void output_rows_add(struct output_rows *rows, const struct hf_row *row);
void output_rows_end(struct output_rows *rows);

/* Rows that are lists with a value for each column. As JSON each is an object. */
struct output_columns {
    struct cli *cli;
    struct hf_pack names; /* a list of texts */
    struct table table;
    struct hf_pack text;
    size_t gathered; /* rows not flushed yet */
    uint64_t count;
};

/* names: a list of texts, copied. */
void output_columns_begin(struct output_columns *rows, struct cli *cli, struct slice names);
void output_columns_add(struct output_columns *rows, struct slice list);
void output_columns_end(struct output_columns *rows);

/* Whether all that was printed got where it should; else a message. */
bool output_flush(struct cli *cli);

static inline struct slice slice_of(struct hf_bytes bytes)
{
    return slice_make(bytes.data, bytes.size);
}

static inline struct slice slice_of_pack(const struct hf_pack *p)
{
    return slice_make(p->data, p->failed ? 0 : p->size);
}

#endif
