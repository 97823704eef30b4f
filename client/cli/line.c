#include "client/cli/line.h"
#include "client/cli/history.h"
#include "client/cli/interrupt.h"

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
    const char *prompt; /* borrowed during line_read */
    char *text;         /* owned; the last line */
    char path[4096];    /* of the history; "": none */
};

static struct line *line_of(EditLine *editor)
{
    struct line *l;

    el_get(editor, EL_CLIENTDATA, &l);
    return l;
}

static char *line_prompt(EditLine *editor)
{
    return (char *)line_of(editor)->prompt;
}

/* Wait for a byte. Ctrl-C ends it, also one that comes just before: the signal is let through
 * only while it waits. 1, 0 at the end, -1. */
static int wait_byte(int fd, char *byte)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    sigset_t interrupt, before;
    int count = -1;

    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    while (!interrupt_seen()) {
        count = ppoll(&ready, 1, NULL, &before);
        if (count >= 0 || errno != EINTR)
            break;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return count > 0 ? (int)read(fd, byte, 1) : -1;
}

/* One character. libedit's own reader goes on after Ctrl-C; here the line is to be dropped. */
static int line_getc(EditLine *editor, wchar_t *c)
{
    int fd = fileno(line_of(editor)->cli->in);
    mbstate_t state = {0};

    for (;;) {
        char byte;
        int n = wait_byte(fd, &byte);
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

static unsigned char line_complete(EditLine *editor, int key)
{
    struct line *l = line_of(editor);
    const LineInfo *info = el_line(editor);
    char *before = strndup(info->buffer, (size_t)(info->cursor - info->buffer));
    unsigned char result = CC_NORM;
    struct completion c;
    size_t shared;

    (void)key;
    if (!before)
        return CC_ERROR;
    complete(l->cli, before, &c);
    shared = complete_shared(&c);
    if (c.count == 0) {
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
    el_set(l->editor, EL_PROMPT, line_prompt);
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

static void remember(struct line *l)
{
    HistEvent event;

    if (l->text[strspn(l->text, " \t")] == '\0')
        return;
    history(l->history, &event, H_ENTER, l->text);
    if (l->path[0] && history_keeps(l->text))
        history_append(l->path, l->text);
}

const char *line_read(struct line *l, const char *prompt)
{
    const char *typed;
    int count = 0;

    l->prompt = prompt;
    interrupt_connection(-1);
    interrupt_begin();
    typed = el_gets(l->editor, &count);
    if (interrupt_seen()) {
        fputs("^C\n", l->out);
        fflush(l->out);
        return "";
    }
    if (!typed || count <= 0)
        return NULL;
    free(l->text);
    l->text = strdup(typed);
    if (!l->text)
        return NULL;
    l->text[strcspn(l->text, "\r\n")] = '\0';
    remember(l);
    return l->text;
}
