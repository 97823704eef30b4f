/* listener.h - where clients come in.
 *
 * The addresses are read before anything is opened, so that a wrong one is told
 * at once. Without login only loopback and the unix socket are allowed.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_LISTENER_H
#define HOLDFAST_NET_LISTENER_H

#include "server/net/options.h"

struct server;

#define LISTEN_MAX 32

/* Whether the options `listen` and `socket` can be read and are allowed. */
bool listener_check(const struct options *o, struct option_conflict *conflict);

/* Raise the process's limit of descriptors as far as so many clients need and the system
 * allows; returns how many clients there are descriptors for. Some are kept for the core:
 * without one it cannot open a segment of the log. */
uint64_t listener_claim_descriptors(uint64_t connections);

/* Whether there are descriptors for a start; error has OPTION_ERROR_BYTES. */
bool listener_check_descriptors(char *error);

/* Where accepting has failed (memory, descriptors) it is tried again: call it now and then. */
void listener_accept_again(struct server *server);

/* Listen everywhere: on what the service manager passed (LISTEN_FDS), or on the options'
 * addresses and the unix socket. false: error says why. */
bool listener_open_all(struct server *server, char *error);

/* "tcp=127.0.0.1:4653 unix=data/holdfast.sock": where it listens. */
void listener_describe(const struct server *server, char *to, size_t room);

void listener_close_all(struct server *server);

#endif
