/* cursors.h - letting go of an open cursor; cursor.h opens it and walks.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_CURSORS_H
#define HOLDFAST_TXN_CURSORS_H

#include <stddef.h>

struct cursor; /* opaque, owned by whoever opened it */

/* The request's page of rows is over: let go of what it pins; it finds its place again by key. */
void cursor_rest(struct cursor *c);

/* Bytes of memory that it takes. */
size_t cursor_bytes(const struct cursor *c);

/* Let go of what it sees; its next call answers ERR_TXN_KILLED. */
void cursor_kill(struct cursor *c);

void cursor_close(struct cursor *c);

#endif
