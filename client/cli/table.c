#include "client/cli/table.h"
#include "client/cli/colour.h"
#include "client/cli/seen.h"
#include "client/cli/text.h"

#include <stdlib.h>

#define COLUMN_WIDTH_MIN 12 /* narrower says nothing; the column goes instead */
#define GAP 2               /* between columns */

void table_init(struct table *t, FILE *out, enum table_style style, size_t width)
{
    memset(t, 0, sizeof *t);
    t->out = out;
    t->style = style;
    t->width = width;
}

void table_fini(struct table *t)
{
    for (size_t i = 0; i < t->column_count; i++)
        free(t->names[i]);
    hf_pack_fini(&t->texts);
    free(t->cells);
}

static char *escaped_name(struct slice name)
{
    struct hf_pack text = {0};
    char *copy = NULL;

    text_escape(&text, name);
    hf_pack_raw(&text, (struct hf_bytes){"", 1});
    if (!text.failed)
        copy = strdup((const char *)text.data);
    hf_pack_fini(&text);
    return copy;
}

size_t table_column(struct table *t, struct slice name)
{
    char *copy = escaped_name(name);

    if (!copy)
        return TABLE_NO_COLUMN;
    for (size_t i = 0; i < t->column_count; i++) {
        if (strcmp(t->names[i], copy) == 0) {
            free(copy);
            return i;
        }
    }
    if (t->settled || t->column_count == TABLE_COLUMNS_MAX) {
        t->columns_lost++;
        free(copy);
        return TABLE_NO_COLUMN;
    }
    seen_note(name);
    t->names[t->column_count] = copy;
    t->widths[t->column_count] = text_width(slice_text(copy));
    return t->column_count++;
}

void table_row(struct table *t)
{
    if (t->row_count == t->row_room) {
        size_t room = t->row_room ? 2 * t->row_room : 64;
        struct table_cell *cells = realloc(t->cells, room * TABLE_COLUMNS_MAX * sizeof *cells);

        if (!cells)
            return; /* the row before is written over: better than nothing at all */
        t->cells = cells;
        t->row_room = room;
    }
    memset(t->cells + t->row_count * TABLE_COLUMNS_MAX, 0,
           TABLE_COLUMNS_MAX * sizeof *t->cells);
    t->row_count++;
}

void table_put(struct table *t, size_t column, struct slice text, bool right)
{
    struct table_cell *cell;
    size_t at = t->texts.size;

    if (column == TABLE_NO_COLUMN || t->row_count == 0)
        return;
    cell = t->cells + (t->row_count - 1) * TABLE_COLUMNS_MAX + column;
    if (t->raw)
        text_append_slice(&t->texts, text);
    else
        text_escape(&t->texts, text);
    if (t->texts.failed)
        return;
    *cell = (struct table_cell){at, t->texts.size - at, right, true};
}

static struct slice cell_text(const struct table *t, const struct table_cell *cell)
{
    return slice_make(t->texts.data + cell->at, cell->size);
}

static size_t total_width(const struct table *t)
{
    size_t total = 0;

    for (size_t i = 0; i < t->columns_shown; i++)
        total += t->widths[i] + (i ? GAP : 0);
    return total;
}

/* How narrow a column may become: the first, which names the row, keeps up to half of the
 * terminal. */
static size_t width_floor(const struct table *t, size_t column)
{
    return column == 0 && t->width / 2 > COLUMN_WIDTH_MIN ? t->width / 2 : COLUMN_WIDTH_MIN;
}

/* The widest column that may become narrower; columns_shown if there is none. */
static size_t widest_column(const struct table *t)
{
    size_t widest = t->columns_shown;

    for (size_t i = 0; i < t->columns_shown; i++) {
        if (t->widths[i] > width_floor(t, i) &&
            (widest == t->columns_shown || t->widths[i] > t->widths[widest]))
            widest = i;
    }
    return widest;
}

static size_t least_width(const struct table *t)
{
    size_t total = 0;

    for (size_t i = 0; i < t->columns_shown; i++) {
        size_t floor = width_floor(t, i);

        total += (t->widths[i] < floor ? t->widths[i] : floor) + (i ? GAP : 0);
    }
    return total;
}

static void measure(struct table *t)
{
    for (size_t row = 0; row < t->row_count; row++) {
        for (size_t i = 0; i < t->column_count; i++) {
            const struct table_cell *cell = t->cells + row * TABLE_COLUMNS_MAX + i;
            size_t width = cell->size ? text_width(cell_text(t, cell)) : 0;

            if (width > t->widths[i])
                t->widths[i] = width;
        }
    }
}

/* As wide as the cells. Columns for which there is no place even when all are as narrow as
 * may be are dropped from the right; then the widest gives way until the rest fits. */
static void settle(struct table *t)
{
    while (t->columns_shown > 1 && least_width(t) > t->width)
        t->columns_shown--;
    while (total_width(t) > t->width) {
        size_t widest = widest_column(t);

        if (widest == t->columns_shown)
            break;
        t->widths[widest]--;
    }
    t->settled = true;
}

static void spaces(FILE *out, size_t count)
{
    while (count-- > 0)
        fputc(' ', out);
}

/* One cell; the last of a line gets no blanks behind it. */
static void print_cell(struct table *t, size_t column, struct slice text, bool right, bool last)
{
    size_t width = t->widths[column], used, fit = text_fit(text, width, &used);
    bool cut = fit < text.size;

    if (cut)
        fit = text_fit(text, width - 1, &used);
    if (right && !cut)
        spaces(t->out, width - used);
    fwrite(text.data, 1, fit, t->out);
    if (cut) {
        fputs("\xe2\x80\xa6", t->out); /* an ellipsis */
        used++;
    }
    if (!last) {
        if (!right || cut)
            spaces(t->out, width - used);
        spaces(t->out, GAP);
    }
}

static void print_head(struct table *t)
{
    if (t->colour)
        fputs(COLOUR_HEAD, t->out);
    for (size_t i = 0; i < t->columns_shown; i++)
        print_cell(t, i, slice_text(t->names[i]), false, i + 1 == t->columns_shown);
    if (t->colour)
        fputs(COLOUR_END, t->out);
    fputc('\n', t->out);
    for (size_t i = 0; i < t->columns_shown; i++) {
        for (size_t k = 0; k < t->widths[i]; k++)
            fputc('-', t->out);
        if (i + 1 < t->columns_shown)
            spaces(t->out, GAP);
    }
    fputc('\n', t->out);
}

/* ---- Styles for programs ---- */

static void print_quoted(FILE *out, struct slice text)
{
    fputc('"', out);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"')
            fputc('"', out);
        fputc(text.data[i], out);
    }
    fputc('"', out);
}

static bool needs_quotes(struct slice text)
{
    if (text.size == 0 || text.data[0] == ' ' || text.data[text.size - 1] == ' ')
        return true;
    for (size_t i = 0; i < text.size; i++) {
        if (memchr(",\"\r\n", text.data[i], 4))
            return true;
    }
    return false;
}

/* A cell, or (given false) none. */
static void print_plain(struct table *t, struct slice text, bool given)
{
    if (t->style == TABLE_CSV && given && needs_quotes(text)) {
        print_quoted(t->out, text);
        return;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (t->style == TABLE_MARKDOWN && text.data[i] == '|')
            fputc('\\', t->out);
        fputc(text.data[i], t->out);
    }
}

static const char *line_part(const struct table *t, int part)
{
    static const char *const csv[] = {"", ",", "\r\n"}, *const tsv[] = {"", "\t", "\n"},
                             *const markdown[] = {"| ", " | ", " |\n"};

    return (t->style == TABLE_CSV ? csv : t->style == TABLE_TSV ? tsv : markdown)[part];
}

static void print_plain_head(struct table *t)
{
    fputs(line_part(t, 0), t->out);
    for (size_t i = 0; i < t->column_count; i++) {
        fputs(i ? line_part(t, 1) : "", t->out);
        print_plain(t, slice_text(t->names[i]), true);
    }
    fputs(line_part(t, 2), t->out);
    for (size_t i = 0; t->style == TABLE_MARKDOWN && i < t->column_count; i++)
        fprintf(t->out, "|---%s", i + 1 == t->column_count ? "|\n" : "");
}

static void print_plain_row(struct table *t, const struct table_cell *cells)
{
    fputs(line_part(t, 0), t->out);
    for (size_t i = 0; i < t->column_count; i++) {
        struct slice text = cells[i].size ? cell_text(t, &cells[i]) : slice_text("");

        fputs(i ? line_part(t, 1) : "", t->out);
        print_plain(t, text, cells[i].given);
    }
    fputs(line_part(t, 2), t->out);
}

static void print_vertical_row(struct table *t, const struct table_cell *cells)
{
    size_t widest = 0;

    for (size_t i = 0; i < t->column_count; i++) {
        size_t width = text_width(slice_text(t->names[i]));

        widest = width > widest ? width : widest;
    }
    if (t->printed > 0)
        fputc('\n', t->out);
    for (size_t i = 0; i < t->column_count; i++) {
        if (!cells[i].given)
            continue;
        fprintf(t->out, "%s%s%s", t->colour ? COLOUR_NAME : "", t->names[i],
                t->colour ? COLOUR_END : "");
        spaces(t->out, widest - text_width(slice_text(t->names[i])) + GAP);
        if (cells[i].size)
            fwrite(t->texts.data + cells[i].at, 1, cells[i].size, t->out);
        fputc('\n', t->out);
    }
}

static void flush_plain(struct table *t)
{
    if (!t->settled && t->column_count > 0 && t->style != TABLE_VERTICAL)
        print_plain_head(t);
    t->columns_shown = t->column_count;
    t->settled = t->style != TABLE_VERTICAL; /* where each row has its own fields */
    for (size_t row = 0; row < t->row_count; row++, t->printed++) {
        const struct table_cell *cells = t->cells + row * TABLE_COLUMNS_MAX;

        if (t->style == TABLE_VERTICAL)
            print_vertical_row(t, cells);
        else
            print_plain_row(t, cells);
    }
    t->row_count = 0;
    hf_pack_reset(&t->texts);
}

/* Measure what there is. False: it is to be printed field by field instead. */
static bool fits(struct table *t)
{
    measure(t);
    t->columns_shown = t->column_count;
    return !t->expand_auto || total_width(t) <= t->width;
}

void table_flush(struct table *t)
{
    if (t->style == TABLE_ALIGNED && !t->settled && !fits(t))
        t->style = TABLE_VERTICAL;
    if (t->style != TABLE_ALIGNED) {
        flush_plain(t);
        return;
    }
    if (!t->settled) {
        settle(t);
        if (t->column_count > 0)
            print_head(t);
    }
    for (size_t row = 0; row < t->row_count; row++) {
        const struct table_cell *cells = t->cells + row * TABLE_COLUMNS_MAX;
        size_t last = t->columns_shown;

        while (last > 1 && cells[last - 1].size == 0)
            last--;
        for (size_t i = 0; i < last; i++) {
            struct slice text = cells[i].size ? cell_text(t, &cells[i]) : slice_text("");

            print_cell(t, i, text, cells[i].right, i + 1 == last);
        }
        fputc('\n', t->out);
    }
    t->row_count = 0;
    hf_pack_reset(&t->texts);
}

void table_end(struct table *t)
{
    size_t hidden;

    table_flush(t);
    hidden = t->column_count - t->columns_shown;
    if (hidden > 0) {
        fprintf(t->out, "(%zu column%s more: ", hidden, hidden == 1 ? "" : "s");
        for (size_t i = t->columns_shown; i < t->column_count; i++)
            fprintf(t->out, "%s%s", i > t->columns_shown ? ", " : "", t->names[i]);
        fprintf(t->out, "; --json shows all)\n");
    }
    if (t->columns_lost > 0 && t->style > TABLE_VERTICAL)
        fprintf(stderr, "holdfast: fields that first appear in later rows have no column; "
                        "--json shows all\n");
    else if (t->columns_lost > 0)
        fprintf(t->out, "(fields that first appear in later rows have no column; --json shows "
                        "all)\n");
}
