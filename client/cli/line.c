#include "client/cli/line.h"
#include "client/cli/drawing.h"
#include "client/cli/highlight.h"
#include "client/cli/history.h"
#include "client/cli/interrupt.h"
#include "client/cli/line_signals.h"
#include "client/cli/notice.h"
#include "client/cli/prompt.h"
#include "client/cli/text.h"

#include <errno.h>
#include <histedit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#define COLOURED_BYTES_MAX \
    65536 /* a longer statement is left as it is: each key would look through it */
#define PASTE_ON "\x1b[?2004h"   /* the terminal marks what is pasted */
#define PASTE_OFF "\x1b[?2004l"

struct line {
    struct cli *cli; /* borrowed */
    FILE *out;       /* the terminal, wherever cli->out goes */
    FILE *sink;      /* owned; NULL: libedit draws itself, since the terminal is a dumb one */
    EditLine *editor;
    History *history;
    const char *before; /* borrowed during line_read */
    char prompt[400], drawn_prompt[400];
    char *text;         /* owned; the last line */
    char path[4096];    /* of the history; "": none */
    bool is_pasting;    /* between the terminal's marks */
    struct drawn drawn;
    char clear[32];     /* what takes the line off the screen */
};

static struct line *line_of(EditLine *editor)
{
    struct line *l;

    el_get(editor, EL_CLIENTDATA, &l);
    return l;
}

/* Made anew each time, since a transaction may be lost meanwhile. */
static char *line_prompt(EditLine *editor)
{
    struct line *l = line_of(editor);

    prompt_format(l->cli, l->before[0] != '\0', l->cli->colour, l->prompt, sizeof l->prompt);
    return l->prompt;
}

/* ---- What is on the screen ----
 *
 * libedit edits, and this draws: libedit knows no colours, and loses track of the cursor near wide
 * characters. Its own output goes into a sink, which lets the bell through. */

static ssize_t sink_write(void *cookie, const char *bytes, size_t size)
{
    struct line *l = cookie;

    if (memchr(bytes, '\a', size)) {
        fputc('\a', l->out);
        fflush(l->out);
    }
    return (ssize_t)size;
}

/* The line, or as it is now in the editor. */
static struct drawing drawing_of(struct line *l, const char *text, size_t size, size_t cursor)
{
    struct drawing d = {.prompt = l->prompt, .text = text, .size = size, .cursor = cursor};
    int columns = 0, rows = 0;

    line_prompt(l->editor);
    el_get(l->editor, EL_GETTC, "co", &columns);
    el_get(l->editor, EL_GETTC, "li", &rows);
    d.columns = columns > 2 ? (unsigned)columns : 2;
    d.rows = rows > 1 ? (unsigned)rows : 1;
    return d;
}

static struct drawing drawing_now(struct line *l)
{
    const LineInfo *info = el_line(l->editor);

    return drawing_of(l, info->buffer, (size_t)(info->lastchar - info->buffer),
                      (size_t)(info->cursor - info->buffer));
}

static void print(struct line *l, struct hf_pack *out)
{
    fwrite(out->data, 1, out->failed ? 0 : out->size, l->out);
    fflush(l->out);
    hf_pack_fini(out);
}

/* The colours of the line, by what it and the lines before it are: from the *skip-th on. NULL:
 * none, or no memory. */
static uint8_t *shades_of(struct line *l, const struct drawing *d, size_t *skip)
{
    size_t before = strlen(l->before);
    uint8_t *shades;
    char *text = NULL;

    if (!l->cli->colour || before + d->size > COLOURED_BYTES_MAX ||
        asprintf(&text, "%s%.*s", l->before, (int)d->size, d->text) < 0)
        return NULL;
    shades = calloc(1, before + d->size + 1);
    if (shades && !highlight(l->cli->verbs, text, shades))
        memset(shades, 0, before + d->size);
    free(text);
    *skip = before;
    return shades;
}

static void draw_as(struct line *l, struct drawing d)
{
    struct hf_pack out = {0};
    size_t skip = 0;
    uint8_t *shades = shades_of(l, &d, &skip);

    if (strcmp(l->prompt, l->drawn_prompt) != 0)
        l->drawn.has_prompt = false;
    memcpy(l->drawn_prompt, l->prompt, sizeof l->prompt);
    d.shades = shades ? shades + skip : NULL;
    drawing_draw(&d, &l->drawn, &out);
    print(l, &out);
    free(shades);
}

static void draw(struct line *l)
{
    if (l->sink)
        draw_as(l, drawing_now(l));
    else
        el_set(l->editor, EL_REFRESH);
}

/* Behind the line, which stays as it is. */
static void leave(struct line *l)
{
    struct hf_pack out = {0};

    if (!l->sink)
        return;
    drawing_leave(&l->drawn, &out);
    print(l, &out);
}

/* Bytes have come, or the end: what there is to say stands above the line, which is drawn again. */
static void hear(struct line *l)
{
    struct drawn drawn = l->drawn;
    struct hf_pack out = {0};

    if (l->sink)
        drawing_clear(&drawn, &out);
    snprintf(l->clear, sizeof l->clear, "%.*s", l->sink ? (int)out.size : 1,
             l->sink && !out.failed ? (const char *)out.data : "\n");
    hf_pack_fini(&out);
    l->cli->at_prompt = l->clear;
    if (notice_read(l->cli)) {
        l->drawn = (struct drawn){.has_prompt = false};
        draw(l);
    }
    l->cli->at_prompt = NULL;
}

static void resized(struct line *l)
{
    struct hf_pack out = {0};
    struct drawing d;

    el_resize(l->editor);
    el_set(l->editor, EL_REFRESH); /* it takes its cursor to be where the old size had it */
    if (!l->sink)
        return;
    d = drawing_now(l);
    drawing_resized(&d, &l->drawn);
    drawing_clear(&l->drawn, &out);
    print(l, &out);
    draw(l);
}

/* Have the terminal mark what is pasted, or no longer. */
static void mark_pastes(struct line *l, bool on)
{
    if (l->sink)
        fputs(on ? PASTE_ON : PASTE_OFF, l->out);
    fflush(l->out);
}

/* Ctrl-Z, and the way back. */
static void suspend(struct line *l)
{
    leave(l);
    fputc('\n', l->out);
    mark_pastes(l, false);
    el_set(l->editor, EL_PREP_TERM, 0);
    raise(SIGSTOP);
}

static void come_back(struct line *l)
{
    mark_pastes(l, true);
    el_set(l->editor, EL_PREP_TERM, 1);
    draw(l);
}

/* A signal that ends the program leaves the terminal as it was. */
static void die(struct line *l, int number)
{
    leave(l);
    fputc('\n', l->out);
    mark_pastes(l, false);
    el_set(l->editor, EL_PREP_TERM, 0);
    line_signals_end();
    raise(number);
    line_signals_begin();
}

static void take_signals(struct line *l)
{
    for (int number; (number = line_signals_take()) != 0;) {
        switch (number) {
        case SIGWINCH: resized(l); break;
        case SIGTSTP: suspend(l); break;
        case SIGCONT: come_back(l); break;
        default: die(l, number); break;
        }
    }
}

/* ---- Keys ---- */

static bool more_waits(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, 0) > 0;
}

/* Wait for a byte. Ctrl-C ends it, also one that comes just before: signals are let through only
 * while it waits. 1, 0 at the end, -1. */
static int wait_byte(struct line *l, int fd, char *byte)
{
    int count = -1;

    while (!interrupt_seen()) {
        struct pollfd ready[] = {
            {.fd = fd, .events = POLLIN},
            {.fd = l->cli->conn ? hf_conn_fd(l->cli->conn) : -1, .events = POLLIN}};

        count = line_signals_poll(ready, 2);
        if (count > 0 && ready[1].revents)
            hear(l);
        if (count > 0 && ready[0].revents)
            break;
        if (count < 0 && errno != EINTR)
            break;
        take_signals(l);
    }
    return count > 0 && !interrupt_seen() ? (int)read(fd, byte, 1) : -1;
}

/* One character. libedit's own reader goes on after Ctrl-C; here the line is to be dropped. */
static int line_getc(EditLine *editor, wchar_t *c)
{
    struct line *l = line_of(editor);
    int fd = fileno(l->cli->in);
    mbstate_t state = {0};

    if (l->sink && !more_waits(fd)) /* of what is pasted, only the end */
        draw(l);
    for (;;) {
        char byte;
        int n = wait_byte(l, fd, &byte);
        size_t used;

        if (n < 0 && interrupt_seen())
            leave(l);
        if (n <= 0)
            return n;
        used = mbrtowc(c, &byte, 1, &state);
        if (used == (size_t)-2) /* more bytes of it are to come */
            continue;
        if (used == (size_t)-1)
            *c = (unsigned char)byte;
        return 1;
    }
}

/* ---- Completion ---- */

/* In columns, from the top to the bottom, as `ls` has them. */
static void show_words(struct line *l, const struct completion *c)
{
    unsigned columns = drawing_now(l).columns, across, down;
    size_t width = 0;

    for (unsigned i = 0; i < c->count; i++) {
        size_t one = text_width(slice_text(c->words[i])) + 2;

        width = one > width ? one : width;
    }
    across = columns > width ? (unsigned)((columns + 1) / width) : 1;
    down = (c->count + across - 1) / across;
    leave(l);
    fputc('\n', l->out);
    for (unsigned row = 0; row < down; row++) {
        for (unsigned i = row; i < c->count; i += down) {
            size_t room = i + down < c->count ? width - text_width(slice_text(c->words[i])) : 0;

            fprintf(l->out, "%s%*s", c->words[i], (int)room, "");
        }
        fputc('\n', l->out);
    }
    fflush(l->out);
    draw(l);
}

static void show_hint(struct line *l, const char *hint)
{
    leave(l);
    fprintf(l->out, "\n%s\n", hint);
    fflush(l->out);
    draw(l);
}

/* The statement up to the cursor, with the lines before this one. Owned by the caller. */
static char *typed_so_far(const struct line *l, const LineInfo *info)
{
    char *text = NULL;

    if (asprintf(&text, "%s%.*s", l->before, (int)(info->cursor - info->buffer), info->buffer) <
        0)
        return NULL;
    return text;
}

static unsigned char line_complete(EditLine *editor, int key)
{
    struct line *l = line_of(editor);
    const LineInfo *info = el_line(editor);
    char *before = typed_so_far(l, info);
    unsigned char result = CC_NORM;
    struct completion c;
    size_t shared;

    (void)key;
    if (!before)
        return CC_ERROR;
    if (l->is_pasting) {
        free(before);
        return el_insertstr(editor, "\t") < 0 ? CC_ERROR : CC_REFRESH;
    }
    complete(l->cli, before, &c);
    shared = complete_shared(&c);
    if (c.count == 0 && c.hint[0]) {
        show_hint(l, c.hint);
    } else if (c.count == 0) {
        result = CC_REFRESH_BEEP;
    } else if (c.count == 1 || shared > c.typed) {
        c.words[0][shared] = '\0';
        el_insertstr(editor, c.words[0] + c.typed);
        if (c.count == 1 && c.words[0][strlen(c.words[0]) - 1] != '(')
            el_insertstr(editor, " ");
        result = CC_REFRESH;
    } else {
        show_words(l, &c);
    }
    complete_free(&c);
    free(before);
    return result;
}

/* ---- Pasting: a tab is a tab ---- */

static unsigned char paste_begins(EditLine *editor, int key)
{
    (void)key;
    line_of(editor)->is_pasting = true;
    return CC_NORM;
}

static unsigned char paste_ends(EditLine *editor, int key)
{
    (void)key;
    line_of(editor)->is_pasting = false;
    return CC_NORM;
}

/* ---- Opening, reading ---- */

/* Clear the screen: Ctrl-L. */
static unsigned char line_clear(EditLine *editor, int key)
{
    struct line *l = line_of(editor);

    (void)key;
    fputs("\x1b[H\x1b[2J", l->out);
    l->drawn = (struct drawn){.has_prompt = false};
    return CC_NORM;
}

static void take_old_line(void *ctx, const char *text)
{
    struct line *l = ctx;
    HistEvent event;

    history(l->history, &event, H_ENTER, text);
}

static void bind_keys(struct line *l)
{
    el_set(l->editor, EL_BIND, "\\e[200~", "holdfast-paste", NULL);
    el_set(l->editor, EL_BIND, "\\e[201~", "holdfast-pasted", NULL);
    el_set(l->editor, EL_BIND, "^I", "holdfast-complete", NULL);
    el_set(l->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    if (l->sink)
        el_set(l->editor, EL_BIND, "^L", "holdfast-clear", NULL);
}

static void settings(struct line *l)
{
    HistEvent event;

    history(l->history, &event, H_SETSIZE, HISTORY_LINES);
    history(l->history, &event, H_SETUNIQUE, 1);
    el_set(l->editor, EL_CLIENTDATA, l);
    el_set(l->editor, EL_PROMPT_ESC, line_prompt, PROMPT_ESCAPE);
    el_set(l->editor, EL_EDITOR, "emacs");
    el_set(l->editor, EL_HIST, history, l->history);
    el_set(l->editor, EL_SIGNAL, 0); /* line_signals does it */
    el_set(l->editor, EL_GETCFN, line_getc);
    /* The form for char copies both texts and loses the copies. */
    el_wset(l->editor, EL_ADDFN, L"holdfast-complete", L"complete the word", line_complete);
    el_wset(l->editor, EL_ADDFN, L"holdfast-paste", L"a paste begins", paste_begins);
    el_wset(l->editor, EL_ADDFN, L"holdfast-pasted", L"a paste ends", paste_ends);
    el_wset(l->editor, EL_ADDFN, L"holdfast-clear", L"clear the screen", line_clear);
    bind_keys(l);
    el_source(l->editor, NULL); /* the user's .editrc, */
    bind_keys(l);               /* in which `bind -v` binds all anew */
}

/* The terminal can move its cursor up and clear what is below it. */
static bool is_smart(void)
{
    const char *term = getenv("TERM");

    return term && term[0] && strcmp(term, "dumb") != 0;
}

static EditLine *open_editor(struct line *l)
{
    const cookie_io_functions_t sink = {.write = sink_write};
    struct cli *cli = l->cli;

    if (is_smart())
        l->sink = fopencookie(l, "w", sink);
    return el_init_fd("holdfast", cli->in, l->sink ? l->sink : cli->out, cli->err,
                      fileno(cli->in), fileno(cli->out), fileno(cli->err));
}

struct line *line_open(struct cli *cli)
{
    struct line *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->cli = cli;
    l->out = cli->out;
    l->editor = open_editor(l);
    l->history = history_init();
    if (!l->editor || !l->history) {
        line_close(l);
        return NULL;
    }
    settings(l);
    if (history_path(l->path, sizeof l->path))
        history_load(l->path, take_old_line, l);
    else
        l->path[0] = '\0';
    return l;
}

void line_close(struct line *l)
{
    if (!l)
        return;
    if (l->editor)
        el_end(l->editor);
    if (l->sink)
        fclose(l->sink);
    if (l->history)
        history_end(l->history);
    free(l->text);
    free(l);
}

/* A history has one line for each: those of a query can be joined, unless a comment would reach
 * over what follows it. */
static void join_lines(char *text)
{
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

void line_remember(struct line *l, const char *statement)
{
    HistEvent event;
    char *text = strdup(statement);

    if (!text)
        return;
    if (!strstr(text, "--"))
        join_lines(text);
    for (char *rest = text, *one; (one = strsep(&rest, "\n")) != NULL;) {
        if (one[strspn(one, " \t")] == '\0')
            continue;
        history(l->history, &event, H_ENTER, one);
        if (l->path[0] && history_keeps(one))
            history_append(l->path, one);
    }
    free(text);
}

/* The line as it was taken, in its colours, and the cursor below it. */
static void show_taken(struct line *l, const char *typed, size_t size)
{
    size -= size > 0 && typed[size - 1] == '\n';
    draw_as(l, drawing_of(l, typed, size, size));
    leave(l);
    fputc('\n', l->out);
}

/* What libedit gives; NULL: the end, or Ctrl-C. */
static const char *read_typed(struct line *l, int *size)
{
    const char *typed;

    l->drawn = (struct drawn){.has_prompt = false};
    mark_pastes(l, true);
    line_signals_begin();
    /* el_gets shows the prompt first: what is typed then must find the terminal in this mode. */
    el_set(l->editor, EL_PREP_TERM, 1);
    typed = el_gets(l->editor, size);
    line_signals_end();
    if (typed && *size > 0 && l->sink && !interrupt_seen())
        show_taken(l, typed, strlen(typed));
    mark_pastes(l, false);
    return typed;
}

enum line_result line_read(struct line *l, const char *before, const char **text)
{
    const char *typed;
    int count = 0;

    l->before = before;
    interrupt_connection(NULL);
    interrupt_begin();
    typed = read_typed(l, &count);
    if (interrupt_seen()) {
        l->is_pasting = false;
        fputs("^C\n", l->out);
        fflush(l->out);
        return LINE_DROPPED;
    }
    if (!typed || count <= 0)
        return LINE_END;
    free(l->text);
    l->text = strdup(typed);
    if (!l->text)
        return LINE_END;
    l->text[strcspn(l->text, "\r\n")] = '\0';
    *text = l->text;
    return LINE_ONE;
}
