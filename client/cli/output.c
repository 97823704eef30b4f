#include "client/cli/output.h"
#include "client/cli/fields.h"
#include "client/cli/json.h"
#include "client/cli/text.h"
#include "proto/msgpack.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ROWS_AT_ONCE 500 /* settle a table's widths */
#define ROWS_AT_ONCE_PLAIN 50000 /* and the columns of CSV and its like */

/* Columns of the terminal. */
static size_t output_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    unsigned long n = columns ? strtoul(columns, NULL, 10) : 0;

    if (n >= 20 && n <= 10000)
        return n;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        return size.ws_col;
    return 80;
}

bool cli_tables(const struct cli *cli)
{
    if (cli->mode == CLI_MODE_AUTO)
        return cli->out_is_terminal;
    return cli->mode != CLI_MODE_JSON && cli->mode != CLI_MODE_MSGPACK;
}

bool cli_mode_named(const char *name, enum cli_mode *mode)
{
    static const char *const names[] = {
        [CLI_MODE_AUTO] = "auto",         [CLI_MODE_JSON] = "json",
        [CLI_MODE_TABLE] = "table",       [CLI_MODE_VERTICAL] = "vertical",
        [CLI_MODE_CSV] = "csv",           [CLI_MODE_TSV] = "tsv",
        [CLI_MODE_MARKDOWN] = "markdown", [CLI_MODE_MSGPACK] = "msgpack",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0) {
            *mode = (enum cli_mode)i;
            return true;
        }
    }
    return false;
}

static enum table_style table_style(const struct cli *cli)
{
    switch (cli->mode) {
    case CLI_MODE_VERTICAL: return TABLE_VERTICAL;
    case CLI_MODE_CSV: return TABLE_CSV;
    case CLI_MODE_TSV: return TABLE_TSV;
    case CLI_MODE_MARKDOWN: return TABLE_MARKDOWN;
    default: return TABLE_ALIGNED;
    }
}

static void begin_table(struct cli *cli, struct table *t)
{
    table_init(t, cli->out, table_style(cli), output_width());
    t->raw = t->style == TABLE_CSV && !cli->out_is_terminal;
    t->expand_auto = cli->expand_auto && t->style == TABLE_ALIGNED;
    t->colour = cli->colour && cli->out_is_terminal && t->style <= TABLE_VERTICAL;
}

bool output_flush(struct cli *cli)
{
    if (fflush(cli->out) == 0 && !ferror(cli->out))
        return true;
    fprintf(cli->err, "%s: cannot write the output: %s\n", cli->where, strerror(errno));
    clearerr(cli->out);
    return false;
}

static void write_line(struct cli *cli, const struct hf_pack *text)
{
    fwrite(text->data, 1, text->failed ? 0 : text->size, cli->out);
    fputc('\n', cli->out);
}

static void print_json(struct cli *cli, struct slice value, unsigned style)
{
    struct hf_pack text = {0};

    if (cli->mode == CLI_MODE_MSGPACK) {
        fwrite(value.data, 1, value.size, cli->out);
        return;
    }
    json_print(value,
               style | cli->style | (cli->colour && cli->out_is_terminal ? JSON_COLOUR : 0),
               &text);
    write_line(cli, &text);
    hf_pack_fini(&text);
}

void output_json(struct cli *cli, struct slice value)
{
    print_json(cli, value, JSON_TYPED);
}

static void print_pack(struct cli *cli, struct hf_pack *value)
{
    output_json(cli, slice_of_pack(value));
    hf_pack_fini(value);
}

void output_number(struct cli *cli, uint64_t number)
{
    struct hf_pack value = {0};

    hf_pack_uint(&value, number);
    print_pack(cli, &value);
}

void output_bool(struct cli *cli, bool b)
{
    struct hf_pack value = {0};

    hf_pack_bool(&value, b);
    print_pack(cli, &value);
}

void output_nil(struct cli *cli)
{
    struct hf_pack value = {0};

    hf_pack_nil(&value);
    print_pack(cli, &value);
}

/* ---- Cells ---- */

/* Put a value into a cell: texts as they are, numbers to the right, the rest as JSON. */
static void put_cell(struct table *t, size_t column, struct slice value)
{
    struct msgpack_cursor cursor = msgpack_open(value);
    struct msgpack_token token;
    struct hf_pack text = {0};

    if (msgpack_read(&cursor, &token) != ERR_OK)
        return;
    if (token.type == MSGPACK_TEXT) {
        table_put(t, column, token.bytes, false);
        return;
    }
    json_print(value, JSON_TYPED, &text);
    table_put(t, column, slice_of_pack(&text),
              token.type == MSGPACK_UINT || token.type == MSGPACK_INT ||
                  token.type == MSGPACK_FLOAT);
    hf_pack_fini(&text);
}

/* Whether value is a map whose keys are all text. */
static bool is_record(struct slice value)
{
    struct msgpack_cursor c = msgpack_open(value);
    struct slice text;
    uint32_t pairs;

    if (msgpack_read_map(&c, &pairs) != ERR_OK || pairs == 0)
        return false;
    while (pairs-- > 0) {
        if (msgpack_read_text(&c, &text) != ERR_OK ||
            msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL) != ERR_OK)
            return false;
    }
    return true;
}

static void put_record(struct table *t, struct slice record)
{
    struct msgpack_cursor c = msgpack_open(record);
    struct slice name, value;
    uint32_t pairs = 0;

    msgpack_read_map(&c, &pairs);
    while (pairs-- > 0 && msgpack_read_text(&c, &name) == ERR_OK &&
           msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value) == ERR_OK)
        put_cell(t, table_column(t, name), value);
}

/* ---- Single values ---- */

/* A list whose elements are all records, and not empty: a table of its own. */
static bool is_list_of_records(struct slice value)
{
    struct msgpack_cursor c = msgpack_open(value);
    struct slice element;
    uint32_t count;

    if (msgpack_read_array(&c, &count) != ERR_OK || count == 0)
        return false;
    while (count-- > 0) {
        if (msgpack_skip(&c, MSGPACK_DEPTH_MAX, &element) != ERR_OK || !is_record(element))
            return false;
    }
    return true;
}

static void print_list(struct cli *cli, struct slice list)
{
    struct msgpack_cursor c = msgpack_open(list);
    struct slice element;
    struct table table;
    uint32_t count = 0;

    begin_table(cli, &table);
    msgpack_read_array(&c, &count);
    while (count-- > 0 && msgpack_skip(&c, MSGPACK_DEPTH_MAX, &element) == ERR_OK) {
        table_row(&table);
        put_record(&table, element);
    }
    table_end(&table);
    table_fini(&table);
}

/* A record as a table of one row. */
static void print_one(struct cli *cli, struct slice record)
{
    struct table table;

    begin_table(cli, &table);
    table_row(&table);
    put_record(&table, record);
    table_end(&table);
    table_fini(&table);
}

/* A map inside of a map, but for the last levels, stands as "outer.inner". */
struct fields {
    struct cli *cli;
    size_t name_width;
    bool print; /* first they are measured */
    unsigned depth;
    struct hf_pack name;
};

#define FIELDS_DEPTH_MAX 4

static void walk_fields(struct fields *f, struct slice map);

static void walk_field(struct fields *f, struct slice name, struct slice value)
{
    size_t before = f->name.size, width;
    struct hf_pack text = {0};
    struct msgpack_cursor c = msgpack_open(value);
    struct msgpack_token token;

    if (before > 0)
        text_append(&f->name, ".");
    text_escape(&f->name, name);
    width = text_width(slice_of_pack(&f->name));
    if (is_record(value) && f->depth < FIELDS_DEPTH_MAX) {
        walk_fields(f, value);
    } else if (!f->print) {
        f->name_width = width > f->name_width ? width : f->name_width;
    } else if (is_list_of_records(value)) {
        fprintf(f->cli->out, "\n%.*s\n", (int)f->name.size, (const char *)f->name.data);
        print_list(f->cli, value);
    } else {
        if (msgpack_read(&c, &token) == ERR_OK && token.type == MSGPACK_TEXT)
            text_escape(&text, token.bytes);
        else
            json_print(value, f->cli->style, &text);
        fprintf(f->cli->out, "%.*s%*s", (int)f->name.size, (const char *)f->name.data,
                (int)(f->name_width - width) + 2, "");
        write_line(f->cli, &text);
    }
    hf_pack_fini(&text);
    f->name.size = before;
}

static void walk_fields(struct fields *f, struct slice map)
{
    /* What has a table of its own comes after the lines. */
    f->depth++;
    for (int lists = 0; lists < 2; lists++) {
        struct msgpack_cursor c = msgpack_open(map);
        struct slice name, value;
        uint32_t pairs = 0;

        msgpack_read_map(&c, &pairs);
        while (pairs-- > 0 && msgpack_read_text(&c, &name) == ERR_OK &&
               msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value) == ERR_OK) {
            if (is_list_of_records(value) == (lists == 1))
                walk_field(f, name, value);
        }
    }
    f->depth--;
}

void output_value(struct cli *cli, struct slice value)
{
    struct fields fields = {.cli = cli};

    if (!cli_tables(cli)) {
        print_json(cli, value, JSON_TYPED);
    } else if (is_list_of_records(value)) {
        print_list(cli, value);
    } else if (is_record(value) && cli->mode >= CLI_MODE_CSV) {
        print_one(cli, value);
    } else if (is_record(value)) {
        walk_fields(&fields, value);
        fields.print = true;
        walk_fields(&fields, value);
        hf_pack_fini(&fields.name);
    } else {
        print_json(cli, value, cli->mode < CLI_MODE_CSV ? JSON_INDENT : JSON_TYPED);
    }
}

void output_fields(struct cli *cli, struct slice fields, struct slice record)
{
    struct hf_pack some = {0};

    if (fields.size == 0) {
        output_value(cli, record);
        return;
    }
    fields_take(fields, record, &some);
    output_value(cli, slice_of_pack(&some));
    hf_pack_fini(&some);
}

/* ---- Rows ---- */

void output_rows_begin(struct output_rows *rows, struct cli *cli, const char *index)
{
    memset(rows, 0, sizeof *rows);
    rows->cli = cli;
    /* In parentheses: the record may have a field of that name. */
    snprintf(rows->index_column, sizeof rows->index_column, "(%s)", index ? index : "");
    begin_table(cli, &rows->table);
}

/* Columns that are asked for have their place before there is anything in them. */
static void make_columns(struct table *t, struct slice fields)
{
    struct slice name;

    for (uint32_t i = 0; !slice_is_none(name = fields_name(fields, i)); i++)
        table_column(t, name);
}

static void add_to_table(struct output_rows *rows, const struct hf_row *row)
{
    struct table *t = &rows->table;

    table_row(t);
    if (row->index_key.data)
        put_cell(t, table_column(t, slice_text(rows->index_column)), slice_of(row->index_key));
    if (row->key.data)
        put_cell(t, table_column(t, slice_text("key")), slice_of(row->key));
    if (rows->fields.size > 0 && rows->count == 1)
        make_columns(t, rows->fields);
    if (row->value.data && is_record(slice_of(row->value)))
        put_record(t, slice_of(row->value));
    else if (row->value.data)
        put_cell(t, table_column(t, slice_text("value")), slice_of(row->value));
    if (++rows->gathered == (t->style > TABLE_VERTICAL ? ROWS_AT_ONCE_PLAIN : ROWS_AT_ONCE)) {
        table_flush(t);
        rows->gathered = 0;
    }
}

static void add_row(struct output_rows *rows, const struct hf_row *row)
{
    const struct {
        const char *name;
        struct hf_bytes value;
    } fields[] = {{"index", row->index_key}, {"key", row->key}, {"value", row->value}};
    struct hf_pack *text = &rows->text;
    unsigned count = 0, printed = 0;

    rows->count++;
    if (cli_tables(rows->cli)) {
        add_to_table(rows, row);
        return;
    }
    hf_pack_reset(text);
    for (int i = 0; i < 3; i++)
        count += fields[i].value.data != NULL;
    if (rows->cli->mode == CLI_MODE_MSGPACK && count > 1)
        hf_pack_map(text, count);
    for (int i = 0; i < 3 && rows->cli->mode == CLI_MODE_MSGPACK; i++) {
        if (fields[i].value.data && count > 1)
            hf_pack_text(text, fields[i].name);
        if (fields[i].value.data)
            hf_pack_raw(text, fields[i].value);
    }
    if (rows->cli->mode == CLI_MODE_MSGPACK) {
        fwrite(text->data, 1, text->failed ? 0 : text->size, rows->cli->out);
        return;
    }
    for (int i = 0; i < 3; i++) {
        if (!fields[i].value.data)
            continue;
        if (count > 1)
            text_printf(text, "%s\"%s\":", printed++ ? "," : "{", fields[i].name);
        json_print(slice_of(fields[i].value), rows->cli->style, text);
    }
    if (count > 1)
        text_append(text, "}");
    write_line(rows->cli, text);
}

void output_rows_add(struct output_rows *rows, const struct hf_row *row)
{
    struct hf_row some = *row;

    if (rows->fields.size > 0 && row->value.data) {
        hf_pack_reset(&rows->record);
        fields_take(rows->fields, slice_of(row->value), &rows->record);
        some.value = hf_pack_bytes(&rows->record);
    }
    add_row(rows, &some);
}

/* The end of a table of so many rows, where there is one. */
static void end_table(struct cli *cli, struct table *table, uint64_t rows)
{
    if (cli_tables(cli)) {
        table_end(table);
        if (table->style <= TABLE_VERTICAL)
            fprintf(cli->out, "(%llu row%s)\n", (unsigned long long)rows, rows == 1 ? "" : "s");
    }
    table_fini(table);
}

void output_rows_end(struct output_rows *rows)
{
    end_table(rows->cli, &rows->table, rows->count);
    hf_pack_fini(&rows->text);
    hf_pack_fini(&rows->record);
}

/* ---- Columns ---- */

void output_columns_begin(struct output_columns *rows, struct cli *cli, struct slice names)
{
    memset(rows, 0, sizeof *rows);
    rows->cli = cli;
    text_append_slice(&rows->names, names);
    begin_table(cli, &rows->table);
}

/* Columns of one name are told apart by their places. */
static size_t column_of(struct output_columns *rows, struct slice packed, unsigned place)
{
    struct msgpack_cursor c = msgpack_open(packed);
    struct hf_pack other = {0};
    struct slice name = SLICE_NONE;
    size_t column;

    msgpack_read_text(&c, &name);
    column = table_column(&rows->table, name);

    if (column == TABLE_NO_COLUMN || column >= place)
        return column;
    text_append_slice(&other, name);
    text_printf(&other, "#%u", place + 1);
    column = table_column(&rows->table, slice_of_pack(&other));
    hf_pack_fini(&other);
    return column;
}

static void add_columns(struct output_columns *rows, struct slice row)
{
    struct msgpack_cursor names = msgpack_open(slice_of_pack(&rows->names));
    struct msgpack_cursor values = msgpack_open(row);
    bool tables = cli_tables(rows->cli), packs = rows->cli->mode == CLI_MODE_MSGPACK;
    struct slice name, value;
    uint32_t count = 0, ignored;

    msgpack_read_array(&names, &count);
    msgpack_read_array(&values, &ignored);
    hf_pack_reset(&rows->text);
    if (tables)
        table_row(&rows->table);
    if (packs)
        hf_pack_map(&rows->text, count);
    for (uint32_t i = 0; i < count && msgpack_skip(&names, 1, &name) == ERR_OK &&
                         msgpack_skip(&values, MSGPACK_DEPTH_MAX, &value) == ERR_OK;
         i++) {
        if (tables && count == 1 && is_record(value)) {
            put_record(&rows->table, value); /* `select *`: its fields are what one looks for */
            continue;
        }
        if (tables) {
            put_cell(&rows->table, column_of(rows, name, i), value);
            continue;
        }
        if (packs) {
            text_append_slice(&rows->text, name);
            text_append_slice(&rows->text, value);
            continue;
        }
        text_append(&rows->text, i ? "," : "{");
        json_print(name, 0, &rows->text);
        text_append(&rows->text, ":");
        json_print(value, rows->cli->style, &rows->text);
    }
    if (tables)
        return;
    if (packs) {
        fwrite(rows->text.data, 1, rows->text.failed ? 0 : rows->text.size, rows->cli->out);
        return;
    }
    text_append(&rows->text, count ? "}" : "{}");
    write_line(rows->cli, &rows->text);
}

void output_columns_add(struct output_columns *rows, struct slice list)
{
    struct msgpack_cursor c = msgpack_open(list);
    struct slice row;
    uint32_t count = 0;

    msgpack_read_array(&c, &count);
    while (count-- > 0 && msgpack_skip(&c, MSGPACK_DEPTH_MAX, &row) == ERR_OK) {
        add_columns(rows, row);
        rows->count++;
        if (++rows->gathered < ROWS_AT_ONCE)
            continue;
        table_flush(&rows->table);
        rows->gathered = 0;
    }
}

void output_columns_end(struct output_columns *rows)
{
    end_table(rows->cli, &rows->table, rows->count);
    hf_pack_fini(&rows->text);
    hf_pack_fini(&rows->names);
}
