/* history.h - the lines of earlier sessions, one on a line of a file that only its owner reads. */
#ifndef HOLDFAST_CLI_HISTORY_H
#define HOLDFAST_CLI_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#define HISTORY_LINES 1000

/* $HOLDFAST_HISTORY, else holdfast/history in $XDG_STATE_HOME or ~/.local/state. False: there is to
 * be none (the variable is empty, or there is no home), or it has no room. */
bool history_path(char *path, size_t room);

/* Give the last HISTORY_LINES lines to take, the oldest first. What cannot be read is no history.
 * A file that has grown to twice as many is cut. */
void history_load(const char *path, void (*take)(void *ctx, const char *line), void *ctx);

/* Whether a line may be kept: it does not begin with a blank, and has nothing of a password. */
bool history_keeps(const char *line);

/* Append a line, making the file (0600) and its directories (0700). Other sessions append to the
 * same file. Failures are nobody's business. */
void history_append(const char *path, const char *line);

#endif
