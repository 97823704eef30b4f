/* connection_internal.h - what the two halves of a connection share: its socket and its life
 * (connection.c), and the work of its turns (connection_work.c). */
#ifndef HOLDFAST_NET_CONNECTION_INTERNAL_H
#define HOLDFAST_NET_CONNECTION_INTERNAL_H

#include "server/net/connection.h"

#define INPUT_AHEAD (256 * KIB)  /* as connection_ahead_bytes says */
#define BUFFER_KEEP (64 * KIB)   /* memory that an empty buffer may keep */
#define STRANGER_BYTES (4 * KIB) /* before the login: of a message, and of what is read ahead */

bool connection_is_sane(const struct connection *c);
void connection_move(struct connection *c, enum connection_state next);

/* What an empty buffer of it may keep now. */
size_t connection_keep_bytes(const struct connection *c);
/* What one turn may read beyond what is at work. */
size_t connection_ahead_bytes(const struct connection *c);
/* What it has been sent, and has not read. */
size_t connection_unread(const struct connection *c);

/* So much of that that it has to read before it is served. */
bool connection_is_paused(const struct connection *c);

void connection_stop_reading(struct connection *c);
/* No more requests will come. */
void connection_end_input(struct connection *c);

#endif
