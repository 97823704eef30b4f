/* line_signals.h - signals while a line is typed.
 *
 * They are let through only where it waits for a key, so libedit is never interrupted while it
 * draws, and whoever waits finds out which of them came. Ctrl-C is interrupt.h's. */
#ifndef HOLDFAST_CLI_LINE_SIGNALS_H
#define HOLDFAST_CLI_LINE_SIGNALS_H

#include <poll.h>

void line_signals_begin(void);
void line_signals_end(void);

/* As ppoll without a limit of time, between begin and end. */
int line_signals_poll(struct pollfd *ready, unsigned count);

/* One that has come, SIGWINCH for instance, and is forgotten now; 0: none. */
int line_signals_take(void);

#endif
