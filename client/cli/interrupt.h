/* interrupt.h - Ctrl-C: what is at work stops, the shell and its transaction stay.
 *
 * The first one is a wish, which whoever works through many rows or lines looks at. A second one
 * hangs up, since whoever waits for one answer looks at nothing. */
#ifndef HOLDFAST_CLI_INTERRUPT_H
#define HOLDFAST_CLI_INTERRUPT_H

#include <stdbool.h>

/* From now on Ctrl-C no longer ends the program. */
void interrupt_catch(void);

/* Work begins; what was pressed before is forgotten. */
void interrupt_begin(void);

/* The connection that the second Ctrl-C shuts; -1: none. */
void interrupt_connection(int fd);

/* Whether somebody has pressed it since. */
bool interrupt_seen(void);

#endif
