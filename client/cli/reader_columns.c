/* reader_columns.c - files with columns: CSV and TSV. The first row names the fields; each other
 * one is a record. A column has one type, given or found in the first rows. */
#include "client/cli/reader_internal.h"
#include "client/cli/text.h"
#include "proto/msgpack.h"

#include <stdlib.h>

/* ---- Rows ---- */

/* The row from at on: its bytes with the end of its line. It is read as far as it goes, unless
 * fill is false. READER_END: nothing more, or not all of it. */
static enum reader_result find_row(struct reader *r, bool fill, size_t *size)
{
    bool quoted = false, tsv = r->format.kind == FILE_TSV;
    uint8_t before = ','; /* a quote opens only at the beginning of a field, or reopens one */
    size_t looked = 0;

    for (;;) {
        const uint8_t *data = r->buffer.data + r->at;
        size_t held = r->buffer.size - r->at;

        for (; looked < held; looked++) {
            if (data[looked] == '\n' && !quoted) {
                *size = looked + 1;
                return READER_ONE;
            }
            if (data[looked] == '"' && !tsv && (quoted || before == ',' || before == '"'))
                quoted = !quoted;
            before = data[looked];
        }
        if (r->at_end || !fill)
            break;
        if (!reader_fill(r))
            return READER_FAILED;
    }
    if (looked == 0 || !r->at_end)
        return READER_END;
    if (quoted)
        return reader_fail(r, r->line, "unterminated quoted field");
    *size = looked;
    return READER_ONE;
}

/* The cell at hand lies in texts, from begin to the end. */
static void put_in_texts(struct reader_columns *c, struct csv_cell *cell, size_t begin)
{
    c->begins[c->cell_count] = begin;
    cell->text.size = c->texts.size - begin;
}

/* A cell behind its opening quote: unquoted into texts. NULL: what follows the closing quote is
 * wrong. */
static const uint8_t *take_quoted(struct reader_columns *c, const uint8_t *at,
                                  const uint8_t *end, struct csv_cell *cell)
{
    size_t begin = c->texts.size;

    for (;;) {
        const uint8_t *quote = memchr(at, '"', (size_t)(end - at));

        if (!quote)
            return NULL;
        text_append_slice(&c->texts, slice_make(at, (size_t)(quote - at)));
        at = quote + 1;
        if (at == end || *at != '"')
            break;
        text_append(&c->texts, "\"");
        at++;
    }
    cell->quoted = true;
    put_in_texts(c, cell, begin);
    return at == end || *at == ',' ? at : NULL;
}

/* A cell of TSV: its escapes undone in texts. */
static void take_escaped(struct reader_columns *c, struct slice text, struct csv_cell *cell)
{
    static const char from[] = "tnr\\", to[] = "\t\n\r\\";
    size_t begin = c->texts.size;

    for (size_t i = 0; i < text.size; i++) {
        const char *known = text.data[i] == '\\' && i + 1 < text.size && text.data[i + 1]
                                ? strchr(from, text.data[i + 1])
                                : NULL;

        text_append_slice(&c->texts, known ? slice_make(to + (known - from), 1)
                                           : slice_make(text.data + i, 1));
        i += known != NULL;
    }
    put_in_texts(c, cell, begin);
}

/* The cells in texts get their pointers when that has stopped moving. */
static void settle_cells(struct reader_columns *c)
{
    for (unsigned i = 0; i < c->cell_count; i++) {
        struct slice *text = &c->cells[i].text;

        if (c->begins[i] == READER_NOT_IN_TEXTS)
            continue;
        *text =
            text->size ? slice_make(c->texts.data + c->begins[i], text->size) : slice_text("");
    }
}

/* Take the row of so many bytes apart. */
static enum reader_result split_row(struct reader *r, size_t size)
{
    struct reader_columns *c = r->columns;
    bool tsv = r->format.kind == FILE_TSV;
    const uint8_t *at = r->buffer.data + r->at, *end = at + size;

    c->cell_count = 0;
    hf_pack_reset(&c->texts);
    end -= end > at && end[-1] == '\n';
    end -= end > at && end[-1] == '\r';
    for (;;) {
        struct csv_cell *cell = &c->cells[c->cell_count];
        const uint8_t *next;

        if (c->cell_count > READER_COLUMNS_MAX - 1)
            return reader_fail(r, r->line, "more than %d columns", READER_COLUMNS_MAX);
        cell->quoted = false;
        c->begins[c->cell_count] = READER_NOT_IN_TEXTS;
        if (!tsv && at < end && *at == '"') {
            next = take_quoted(c, at + 1, end, cell);
            if (!next)
                return reader_fail(r, r->line,
                                   "field %u: expected a comma after the closing quote",
                                   c->cell_count + 1);
        } else {
            next = memchr(at, tsv ? '\t' : ',', (size_t)(end - at));
            next = next ? next : end;
            cell->text = slice_make(at, (size_t)(next - at));
            if (tsv && memchr(at, '\\', cell->text.size))
                take_escaped(c, cell->text, cell);
        }
        c->cell_count++;
        if (next == end)
            break;
        at = next + 1;
    }
    if (c->texts.failed)
        return reader_fail(r, 0, "out of memory");
    settle_cells(c);
    return READER_ONE;
}

/* The next row that is not blank, apart; it is still to be taken. */
static enum reader_result next_row(struct reader *r, bool fill, size_t *size)
{
    for (;;) {
        enum reader_result result = find_row(r, fill, size);
        const uint8_t *data = r->buffer.data + r->at;

        if (result != READER_ONE)
            return result;
        if (data[0] != '\n' && !(data[0] == '\r' && *size <= 2))
            return split_row(r, *size);
        reader_take(r, *size);
    }
}

/* ---- The head ---- */

/* The column of that name; count: there is none. */
static unsigned column_find(const struct reader_columns *c, struct slice name)
{
    struct msgpack_cursor at = msgpack_open(slice_make(c->names.data, c->names.size));
    struct slice other;
    unsigned i = 0;

    for (; i < c->count && msgpack_read_text(&at, &other) == ERR_OK; i++)
        if (slice_equal(name, other))
            break;
    return i;
}

static void take_head(struct reader *r)
{
    struct reader_columns *c = r->columns;
    size_t size;

    if (next_row(r, true, &size) != READER_ONE) {
        if (!r->why[0])
            reader_fail(r, 0, "the file has no header");
        return;
    }
    for (unsigned i = 0; i < c->cell_count; i++) {
        struct slice name = c->cells[i].text;

        if (!msgpack_text_is_utf8(name) || name.size == 0)
            reader_fail(r, r->line, "the name of column %u is %s", i + 1,
                        name.size ? "not valid UTF-8" : "empty");
        else if (column_find(c, name) < c->count)
            reader_fail(r, r->line, "two columns are named \"%.*s\"",
                        (int)(name.size < 80 ? name.size : 80), (const char *)name.data);
        if (r->why[0])
            return;
        hf_pack_text_bytes(&c->names, (struct hf_bytes){name.data, name.size});
        c->count++;
    }
    reader_take(r, size);
}

/* "name:type,name:type" */
static void take_types(struct reader *r, const char *text)
{
    while (*text && !r->why[0]) {
        size_t size = strcspn(text, ","), name_size = size;
        unsigned column, type = 0;

        while (name_size > 0 && text[name_size] != ':')
            name_size--;
        column = column_find(r->columns, slice_make(text, name_size));
        while (type < CSV_TYPE_COUNT &&
               (strlen(csv_type_names[type]) != size - name_size - 1 ||
                strncmp(csv_type_names[type], text + name_size + 1, size - name_size - 1) != 0))
            type++;
        if (name_size == 0)
            reader_fail(r, 0, "--types takes NAME:TYPE,NAME:TYPE, not \"%.80s\"", text);
        else if (type == CSV_TYPE_COUNT)
            reader_fail(
                r, 0,
                "--types: unknown type \"%.*s\"; expected text, boolean, integer, number, "
                "timestamp or json",
                (int)(size - name_size - 1), text + name_size + 1);
        else if (column == r->columns->count)
            reader_fail(r, 0, "--types: no column is named \"%.*s\"", (int)name_size, text);
        if (r->why[0])
            return;
        r->columns->types[column] = (enum csv_type)type;
        r->columns->given[column] = true;
        text += size;
        text += *text == ',';
    }
}

/* Look at the first rows, and stand before them again. */
static void find_types(struct reader *r)
{
    struct reader_columns *c = r->columns;
    unsigned *masks = calloc(c->count, sizeof *masks), rows = 0;
    bool *seen = calloc(c->count, sizeof *seen), failed = false;
    size_t at, size;
    uint64_t line, taken;

    while (masks && seen && !failed && !r->at_end &&
           r->buffer.size - r->at < READER_SAMPLE_BYTES)
        failed = !reader_fill(r);
    at = r->at;
    line = r->line;
    taken = r->taken;
    for (unsigned i = 0; masks && i < c->count; i++)
        masks[i] = CSV_MASK_ALL;
    while (masks && seen && !r->why[0] && rows++ < READER_SAMPLE_ROWS &&
           next_row(r, false, &size) == READER_ONE) {
        for (unsigned i = 0; i < c->count && i < c->cell_count; i++) {
            const struct csv_cell *cell = &c->cells[i];
            bool empty = !cell->quoted &&
                         (cell->text.size == 0 || slice_equal(cell->text, slice_text("null")));

            seen[i] = seen[i] || !empty;
            if (!empty)
                csv_narrow(cell, &masks[i]);
        }
        reader_take(r, size);
    }
    for (unsigned i = 0; masks && seen && i < c->count; i++)
        if (!c->given[i])
            c->types[i] = seen[i] ? csv_type_of(masks[i]) : CSV_TEXT;
    r->at = at;
    r->line = line;
    r->taken = taken;
    if (!failed)
        r->why[0] = '\0'; /* of a row: it will be met again, behind those that are right */
    free(masks);
    free(seen);
}

void columns_begin(struct reader *r, const char *types)
{
    r->columns = calloc(1, sizeof *r->columns);
    if (!r->columns) {
        reader_fail(r, 0, "out of memory");
        return;
    }
    take_head(r);
    if (!r->why[0] && types)
        take_types(r, types);
    if (!r->why[0])
        find_types(r);
}

void columns_end(struct reader *r)
{
    if (!r->columns)
        return;
    hf_pack_fini(&r->columns->names);
    hf_pack_fini(&r->columns->texts);
    free(r->columns);
}

/* ---- Records ---- */

static enum reader_result fail_cell(struct reader *r, unsigned column, struct slice name)
{
    const struct csv_cell *cell = &r->columns->cells[column];
    const char *type = csv_type_names[r->columns->types[column]];
    int name_size = (int)(name.size < 60 ? name.size : 60);

    if (r->columns->types[column] == CSV_TEXT)
        return reader_fail(r, r->line, "field \"%.*s\": not valid UTF-8", name_size,
                           (const char *)name.data);
    return reader_fail(r, r->line, "field \"%.*s\": \"%.*s\" is not of the type %s%s%.*s%s",
                       name_size, (const char *)name.data,
                       (int)(cell->text.size < 40 ? cell->text.size : 40),
                       (const char *)cell->text.data, type,
                       r->columns->given[column] ? "" : " of the first rows; --types ",
                       r->columns->given[column] ? 0 : name_size, (const char *)name.data,
                       r->columns->given[column] ? "" : ":text takes it as text");
}

/* A map of the fields that are there. */
static enum reader_result pack_record(struct reader *r, struct hf_pack *out)
{
    struct reader_columns *c = r->columns;
    struct msgpack_cursor names = msgpack_open(slice_make(c->names.data, c->names.size));
    unsigned present = 0;
    struct slice name;

    for (unsigned i = 0; i < c->count; i++)
        present += c->cells[i].quoted || c->cells[i].text.size > 0;
    hf_pack_map(out, present);
    for (unsigned i = 0; i < c->count && msgpack_read_text(&names, &name) == ERR_OK; i++) {
        const struct csv_cell *cell = &c->cells[i];

        if (!cell->quoted && cell->text.size == 0)
            continue;
        hf_pack_text_bytes(out, (struct hf_bytes){name.data, name.size});
        if ((c->types[i] == CSV_TEXT && !msgpack_text_is_utf8(cell->text)) ||
            !csv_value(cell, c->types[i], out))
            return fail_cell(r, i, name);
    }
    return out->failed ? reader_fail(r, 0, "out of memory") : READER_ONE;
}

enum reader_result columns_next(struct reader *r, struct hf_pack *out)
{
    struct reader_columns *c = r->columns;
    size_t size;
    enum reader_result result = next_row(r, true, &size);

    if (result != READER_ONE)
        return result;
    if (c->cell_count != c->count)
        return reader_fail(r, r->line, "%u field%s; the header has %u", c->cell_count,
                           c->cell_count == 1 ? "" : "s", c->count);
    result = pack_record(r, out);
    if (result != READER_ONE)
        return result;
    r->first_line = r->line;
    reader_take(r, size);
    r->last_line = r->buffer.data[r->at - 1] == '\n' ? r->line - 1 : r->line;
    return READER_ONE;
}
