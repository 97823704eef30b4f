#include "client/cli/line.h"

#include <histedit.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_LINES 1000

struct line {
    EditLine *editor;
    History *history;
    const char *prompt; /* borrowed during line_read */
    char *text;         /* owned; the last line */
};

static char *line_prompt(EditLine *editor)
{
    struct line *l;

    el_get(editor, EL_CLIENTDATA, &l);
    return (char *)l->prompt;
}

struct line *line_open(FILE *in, FILE *out, FILE *err)
{
    struct line *l = calloc(1, sizeof *l);
    HistEvent event;

    if (!l)
        return NULL;
    l->editor = el_init("holdfast", in, out, err);
    l->history = history_init();
    if (!l->editor || !l->history) {
        line_close(l);
        return NULL;
    }
    history(l->history, &event, H_SETSIZE, HISTORY_LINES);
    history(l->history, &event, H_SETUNIQUE, 1);
    el_set(l->editor, EL_CLIENTDATA, l);
    el_set(l->editor, EL_PROMPT, line_prompt);
    el_set(l->editor, EL_EDITOR, "emacs");
    el_set(l->editor, EL_HIST, history, l->history);
    el_set(l->editor, EL_SIGNAL, 1); /* leave the terminal as it was when killed */
    el_source(l->editor, NULL);      /* the user's .editrc */
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

const char *line_read(struct line *l, const char *prompt)
{
    const char *typed;
    HistEvent event;
    int count = 0;

    l->prompt = prompt;
    typed = el_gets(l->editor, &count);
    if (!typed || count <= 0)
        return NULL;
    free(l->text);
    l->text = strdup(typed);
    if (!l->text)
        return NULL;
    l->text[strcspn(l->text, "\r\n")] = '\0';
    if (l->text[strspn(l->text, " \t")] != '\0')
        history(l->history, &event, H_ENTER, l->text);
    return l->text;
}
