/* signals.h - SIGTERM and SIGINT stop, a second one ends at once; SIGHUP reads
 * the options again; SIGPIPE is ignored.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_SIGNALS_H
#define HOLDFAST_NET_SIGNALS_H

struct server;

/* Call daemon_stop and daemon_reload from now on. server is borrowed for good. */
void signals_open(struct server *server);
void signals_close(struct server *server);

#endif
