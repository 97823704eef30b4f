/* interrupt.h - Ctrl-C: what is at work stops, the shell and its transaction stay.
 *
 * The first one asks the server to cancel what it is at, and is a wish, which whoever works through
 * many rows or lines looks at. A second one hangs up, for when the server does not answer. */
#ifndef HOLDFAST_CLI_INTERRUPT_H
#define HOLDFAST_CLI_INTERRUPT_H

#include "client/lib/holdfast.h"

#include <stdbool.h>

/* From now on Ctrl-C no longer ends the program. */
void interrupt_catch(void);

/* Work begins; what was pressed before is forgotten. */
void interrupt_begin(void);

/* That whose requests the first Ctrl-C cancels, and which the second shuts. NULL: none. */
void interrupt_connection(struct hf_conn *conn);

/* Of the work that has begun, nothing is cancelled: it ends by itself, soon, and in good order. */
void interrupt_lets_finish(void);

/* Whether somebody has pressed it since. */
bool interrupt_seen(void);

/* Whether something was printed that the next message should not stand behind; once. */
bool interrupt_told(void);

/* Wait until there is something to read, or somebody presses it. Whether somebody has. */
bool interrupt_wait_input(int fd);

/* Wait so long, or until somebody presses it. Whether somebody has. */
bool interrupt_wait(int ms);

#endif
