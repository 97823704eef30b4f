#include "client/cli/drawing.h"
#include "client/cli/colour.h"
#include "client/cli/highlight.h"
#include "client/cli/prompt.h"
#include "client/cli/text.h"

#define CURSOR_HIDE "\x1b[?25l"
#define CURSOR_SHOW "\x1b[?25h"
#define CLEAR_BELOW "\x1b[J"
#define TAB_COLUMNS 8
#define SHOWN_MAX 12 /* \u10ffff */

struct cell_at {
    unsigned row, column;
};

/* Where the next character goes. A terminal goes to the next row with the first character that
 * has no place in the last one, so what was wrapped is one line for whoever copies it. */
struct pen {
    const struct drawing *d;
    struct cell_at at;
    struct hf_pack *out;  /* NULL: only find out where */
    unsigned top, bottom; /* rows that are drawn: from top on, before bottom */
    uint8_t shade;
};

static bool is_drawn(const struct pen *p)
{
    return p->out && p->at.row >= p->top && p->at.row < p->bottom;
}

static void put_spaces(struct pen *p, unsigned count)
{
    if (is_drawn(p))
        text_printf(p->out, "%*s", (int)count, "");
    p->at.column += count;
}

/* Before a character of that width. */
static void make_room(struct pen *p, unsigned width)
{
    if (p->at.column + width <= p->d->columns)
        return;
    put_spaces(p, p->d->columns - p->at.column);
    p->at = (struct cell_at){.row = p->at.row + 1};
}

static void put(struct pen *p, struct slice text, unsigned width)
{
    make_room(p, width);
    if (is_drawn(p))
        text_append_slice(p->out, text);
    p->at.column += width;
}

/* The cursor stands in front of what comes next, so not behind the last cell of a row. */
static void settle(struct pen *p)
{
    if (p->at.column < p->d->columns)
        return;
    p->at = (struct cell_at){.row = p->at.row + 1};
    if (is_drawn(p))
        text_append(p->out, " \r");
}

static void new_row(struct pen *p)
{
    settle(p);
    if (p->at.column == 0 && p->at.row > 0)
        return;
    if (is_drawn(p) && p->at.row + 1 < p->bottom)
        text_append(p->out, "\x1b[K\r\n");
    p->at = (struct cell_at){.row = p->at.row + 1};
}

/* What a terminal would not show as it is. */
static void put_control(struct pen *p, uint32_t point)
{
    char shown[SHOWN_MAX];

    if (point < 0x20 || point == 0x7f)
        snprintf(shown, sizeof shown, "^%c", point == 0x7f ? '?' : (char)(point | 0x40));
    else
        snprintf(shown, sizeof shown, "\\u%04x", (unsigned)point & 0x1fffff);
    for (const char *c = shown; *c; c++)
        put(p, slice_make(c, 1), 1);
}

static void put_point(struct pen *p, struct slice bytes, uint32_t point)
{
    if (point == '\n') { /* libedit puts what is searched for behind it */
        new_row(p);
    } else if (point == '\t') {
        make_room(p, 1);
        do
            put(p, slice_text(" "), 1);
        while (p->at.column % TAB_COLUMNS && p->at.column < p->d->columns);
    } else if (text_is_unsafe(point)) {
        put_control(p, point);
    } else {
        put(p, bytes, (unsigned)text_width(bytes));
    }
}

static void set_shade(struct pen *p, uint8_t shade)
{
    if (p->shade == shade || !p->out)
        return;
    text_append(p->out, p->shade ? COLOUR_END : "");
    text_append(p->out, highlight_colour(shade));
    p->shade = shade;
}

static void put_prompt(struct pen *p)
{
    bool is_escape = false;

    for (const char *c = p->d->prompt; *c; c++) {
        if (*c == PROMPT_ESCAPE)
            is_escape = !is_escape;
        else if (!is_escape)
            put(p, slice_make(c, 1), 1);
        else if (is_drawn(p))
            text_append_slice(p->out, slice_make(c, 1));
    }
}

/* The text from one byte up to another. */
static void put_text(struct pen *p, size_t from, size_t to)
{
    while (from < to) {
        struct slice rest = slice_make(p->d->text + from, to - from);
        size_t size;
        uint32_t point = text_decode(rest, &size);

        if (p->d->shades)
            set_shade(p, p->d->shades[from]);
        put_point(p, slice_make(rest.data, size), point);
        from += size;
    }
    set_shade(p, SHADE_NONE);
}

/* Where the text begins, the cursor is and the text ends. */
struct layout {
    struct cell_at text, cursor, end;
};

static struct layout lay_out(const struct drawing *d)
{
    struct pen p = {.d = d};
    struct layout l;

    put_prompt(&p);
    settle(&p);
    l.text = p.at;
    put_text(&p, 0, d->cursor);
    l.cursor = p.at;
    if (l.cursor.column >= d->columns)
        l.cursor = (struct cell_at){.row = p.at.row + 1};
    put_text(&p, d->cursor, d->size);
    settle(&p);
    l.end = p.at;
    return l;
}

/* The first row that is drawn: all are, or the cursor's is the last one, or they are the last
 * ones. */
static unsigned first_row(const struct drawing *d, const struct layout *l)
{
    unsigned rows = d->rows > 0 ? d->rows : 1;

    if (l->end.row < rows)
        return 0;
    return l->cursor.row >= rows ? l->cursor.row - rows + 1 : 0;
}

static void move_rows(struct hf_pack *out, unsigned from, unsigned to)
{
    if (from > to)
        text_printf(out, "\x1b[%uA", from - to);
    else if (from < to)
        text_printf(out, "\x1b[%uB", to - from);
}

void drawing_draw(const struct drawing *d, struct drawn *drawn, struct hf_pack *out)
{
    struct layout l = lay_out(d);
    struct pen p = {.d = d, .out = out, .top = first_row(d, &l)};
    bool whole = p.top > 0 || !drawn->has_prompt;
    unsigned last;

    p.bottom = p.top + (d->rows > 0 ? d->rows : 1);
    last = l.end.row < p.bottom ? l.end.row : p.bottom - 1;
    text_append(out, CURSOR_HIDE "\r");
    move_rows(out, drawn->above, 0);
    if (whole) {
        put_prompt(&p);
        settle(&p);
    } else {
        move_rows(out, 0, l.text.row);
        text_printf(out, "\x1b[%uG", l.text.column + 1);
        p.at = l.text;
    }
    put_text(&p, 0, d->size);
    settle(&p);
    /* Behind the last cell of the last row the cursor is still in it. */
    text_append(out, p.at.row < p.bottom ? CLEAR_BELOW : "");
    move_rows(out, last, l.cursor.row);
    text_printf(out, "\x1b[%uG" CURSOR_SHOW, l.cursor.column + 1);
    *drawn = (struct drawn){.has_prompt = p.top == 0,
                            .above = l.cursor.row - p.top,
                            .below = last - l.cursor.row,
                            .end_column = l.end.row == last ? l.end.column : d->columns - 1};
}

void drawing_leave(struct drawn *drawn, struct hf_pack *out)
{
    move_rows(out, 0, drawn->below);
    text_printf(out, "\x1b[%uG", drawn->end_column + 1);
    *drawn = (struct drawn){.has_prompt = false};
}

void drawing_clear(struct drawn *drawn, struct hf_pack *out)
{
    text_append(out, "\r");
    move_rows(out, drawn->above, 0);
    text_append(out, CLEAR_BELOW);
    *drawn = (struct drawn){.has_prompt = false};
}

void drawing_resized(const struct drawing *d, struct drawn *drawn)
{
    struct layout l = lay_out(d);

    if (l.cursor.row < drawn->above)
        drawn->above = l.cursor.row;
}
