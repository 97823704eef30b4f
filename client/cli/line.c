#include "client/cli/line.h"
#include "client/cli/history.h"
#include "client/cli/interrupt.h"
#include "client/cli/notice.h"
#include "client/cli/prompt.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

struct line {
    struct cli *cli; /* borrowed */
    FILE *out;       /* the terminal, wherever cli->out goes */
    EditLine *editor;
    History *history;
    const char *before; /* borrowed during line_read */
    char prompt[400];
    char *text;         /* owned; the last line */
    char path[4096];    /* of the history; "": none */
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

/* Bytes have come, or the end: what there is to say stands above the line, which is drawn again. */
static void hear(struct line *l)
{
    l->cli->at_prompt = true;
    if (notice_read(l->cli))
        el_set(l->editor, EL_REFRESH);
    l->cli->at_prompt = false;
}

/* Wait for a byte. Ctrl-C ends it, also one that comes just before: the signal is let through
 * only while it waits. 1, 0 at the end, -1. */
static int wait_byte(struct line *l, int fd, char *byte)
{
    sigset_t interrupt, before;
    int count = -1;

    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    while (!interrupt_seen()) {
        struct pollfd ready[] = {
            {.fd = fd, .events = POLLIN},
            {.fd = l->cli->conn ? hf_conn_fd(l->cli->conn) : -1, .events = POLLIN}};

        count = ppoll(ready, 2, NULL, &before);
        if (count > 0 && ready[1].revents)
            hear(l);
        if (count > 0 ? ready[0].revents != 0 : errno != EINTR)
            break;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return count > 0 && !interrupt_seen() ? (int)read(fd, byte, 1) : -1;
}

/* One character. libedit's own reader goes on after Ctrl-C; here the line is to be dropped. */
static int line_getc(EditLine *editor, wchar_t *c)
{
    int fd = fileno(line_of(editor)->cli->in);
    mbstate_t state = {0};

    for (;;) {
        char byte;
        int n = wait_byte(line_of(editor), fd, &byte);
        size_t used;

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

static void show_words(struct line *l, const struct completion *c)
{
    fputc('\n', l->out);
    for (unsigned i = 0; i < c->count; i++)
        fprintf(l->out, "%s%s", c->words[i], i + 1 < c->count ? "  " : "\n");
    fflush(l->out);
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
    complete(l->cli, before, &c);
    shared = complete_shared(&c);
    if (c.count == 0 && c.hint[0]) {
        fprintf(l->out, "\n%s\n", c.hint);
        fflush(l->out);
        result = CC_REDISPLAY;
    } else if (c.count == 0) {
        result = CC_REFRESH_BEEP;
    } else if (c.count == 1 || shared > c.typed) {
        c.words[0][shared] = '\0';
        el_insertstr(editor, c.words[0] + c.typed);
        if (c.count == 1)
            el_insertstr(editor, " ");
        result = CC_REFRESH;
    } else {
        show_words(l, &c);
        result = CC_REDISPLAY;
    }
    complete_free(&c);
    free(before);
    return result;
}

/* ---- Opening, reading ---- */

static void take_old_line(void *ctx, const char *text)
{
    struct line *l = ctx;
    HistEvent event;

    history(l->history, &event, H_ENTER, text);
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
    el_set(l->editor, EL_SIGNAL, 1); /* leave the terminal as it was when killed */
    el_set(l->editor, EL_GETCFN, line_getc);
    /* The form for char copies both texts and loses the copies. */
    el_wset(l->editor, EL_ADDFN, L"holdfast-complete", L"complete the word", line_complete);
    el_set(l->editor, EL_BIND, "^I", "holdfast-complete", NULL);
    el_set(l->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(l->editor, NULL); /* the user's .editrc */
}

struct line *line_open(struct cli *cli)
{
    struct line *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->cli = cli;
    l->out = cli->out;
    l->editor = el_init("holdfast", cli->in, cli->out, cli->err);
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

enum line_result line_read(struct line *l, const char *before, const char **text)
{
    const char *typed;
    int count = 0;

    l->before = before;
    interrupt_connection(NULL);
    interrupt_begin();
    /* el_gets shows the prompt first: what is typed then must find the terminal in this mode. */
    el_set(l->editor, EL_PREP_TERM, 1);
    typed = el_gets(l->editor, &count);
    if (interrupt_seen()) {
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
