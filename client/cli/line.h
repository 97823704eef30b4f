/* line.h - lines that a person types, with editing and a history while it runs.
 *
 * The only file that knows libedit. */
#ifndef HOLDFAST_CLI_LINE_H
#define HOLDFAST_CLI_LINE_H

#include <stdio.h>

struct line;

/* NULL if there is no memory or no terminal to edit on. */
struct line *line_open(FILE *in, FILE *out, FILE *err);
void line_close(struct line *l);

/* Ask with the prompt; the line without its end, borrowed until the next call; NULL at the
 * end of input. Lines that are not blank go into the history. */
const char *line_read(struct line *l, const char *prompt);

#endif
