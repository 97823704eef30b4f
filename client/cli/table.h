/* table.h - rows and columns, aligned for a terminal.
 *
 * Cells are gathered until a flush, which makes columns as wide as their cells, within
 * the terminal's width: the widest give way first, cells that do not fit end in an
 * ellipsis, and columns that find no place at all are named below. The first flush settles
 * columns and widths for all that follow. */
#ifndef HOLDFAST_CLI_TABLE_H
#define HOLDFAST_CLI_TABLE_H

#include "client/lib/holdfast.h"
#include "proto/slice.h"

#include <stdio.h>

#define TABLE_COLUMNS_MAX 64
#define TABLE_NO_COLUMN SIZE_MAX

enum table_style {
    TABLE_ALIGNED,
    TABLE_VERTICAL, /* "name  value", a blank line between rows */
    TABLE_CSV,      /* RFC 4180; a text that is empty is "", what is absent is nothing */
    TABLE_TSV,      /* tabs, ends of lines and backslashes in cells are \\t, \\n, \\\\ */
    TABLE_MARKDOWN,
};

struct table_cell {
    size_t at, size; /* in texts, escaped already; size 0: empty */
    bool right;      /* aligned to the right: numbers */
    bool given;      /* it was put, if only as an empty text */
};

struct table {
    FILE *out;
    enum table_style style;
    bool expand_auto; /* aligned, unless a row would not fit: then field by field */
    bool colour;      /* of the head and of names */
    bool raw;                       /* cells as they are: CSV to what is no terminal */
    uint64_t printed;               /* rows */
    size_t width;                   /* of the terminal, in cells */
    char *names[TABLE_COLUMNS_MAX]; /* owned, escaped */
    size_t widths[TABLE_COLUMNS_MAX];
    size_t column_count;
    size_t columns_shown; /* once settled */
    size_t columns_lost;  /* asked for after that, or beyond the maximum */
    bool settled;
    struct hf_pack texts;
    struct table_cell *cells; /* rows of TABLE_COLUMNS_MAX */
    size_t row_count, row_room;
};

void table_init(struct table *t, FILE *out, enum table_style style, size_t width);
void table_fini(struct table *t);

/* The column of that name, made if it is new; TABLE_NO_COLUMN if it can be no more. */
size_t table_column(struct table *t, struct slice name);
void table_row(struct table *t);
/* A cell of the row begun last. text is escaped here. */
void table_put(struct table *t, size_t column, struct slice text, bool right);

/* Print what was gathered, the first time with a head. */
void table_flush(struct table *t);
/* Say what was not shown, if anything. */
void table_end(struct table *t);

#endif
