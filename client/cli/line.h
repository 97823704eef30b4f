/* line.h - lines that a person types, with editing, completion and a history.
 *
 * The only file that knows libedit. */
#ifndef HOLDFAST_CLI_LINE_H
#define HOLDFAST_CLI_LINE_H

#include "client/cli/complete.h"

#include <stdio.h>

struct line;

/* Tab completes words as complete() says of cli; the history is that of history.h. NULL if there is
 * no memory or no terminal to edit on. */
struct line *line_open(struct cli *cli);
void line_close(struct line *l);

/* Ask with the prompt; the line without its end, borrowed until the next call; "" after Ctrl-C;
 * NULL at the end of input. Lines that are not blank go into the history. */
const char *line_read(struct line *l, const char *prompt);

#endif
