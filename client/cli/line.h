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

enum line_result {
    LINE_ONE,
    LINE_DROPPED, /* by Ctrl-C */
    LINE_END,
};

/* Ask for a line; *text is borrowed until the next call, and has no end of line. before: the
 * statement's lines so far, "" at its beginning. What the server says meanwhile stands above. */
enum line_result line_read(struct line *l, const char *before, const char **text);

/* A statement, perhaps of several lines, goes into the history unless it is blank. */
void line_remember(struct line *l, const char *statement);

#endif
