/* transport.h - between a connection's socket and its messages: TLS, or nothing.
 *
 *     socket --> in --> TLS --> connection.input
 *     connection.output --> TLS --> out --> socket
 *
 * What comes is kept here until the connection has its turn, since a handshake takes long; what
 * goes is encrypted when it is about to be written, so that no more of it waits than fits into
 * output-max. Both are counted to the client, as what is not encrypted is.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_TRANSPORT_H
#define HOLDFAST_NET_TRANSPORT_H

#include "server/net/tls.h"

#define TRANSPORT_AHEAD (64u << 10) /* bytes from the client that wait to be decrypted */

struct transport {
    struct tls *tls;         /* owned; NULL: messages are as they are on the socket */
    struct net_buffer in;    /* from the client, not decrypted; taken are done with */
    size_t taken;
    struct net_buffer out;   /* encrypted, to be written */
    struct account *account; /* borrowed */
    bool eof;                /* the client has closed its side of the socket */
    bool has_ended;          /* ... of TLS: what came is all there is */
};

/* NULL context: no TLS. false: no memory. */
bool transport_init(struct transport *t, struct tls_context *context, struct account *account);
void transport_fini(struct transport *t);

/* Decrypt into plain until that has so many bytes more, or there is nothing more. TLS_DATA: there
 * may be more at once. TLS_ENDED: the client has ended in order. TLS_BROKEN: *why; what is to be
 * told to it is in out. */
enum tls_result transport_read(struct transport *t, struct net_buffer *plain, size_t bytes_max,
                               const char **why);
/* Encrypt so many bytes. false: it cannot be. */
bool transport_seal(struct transport *t, struct slice plain);
/* Say that no more will come: in out. */
void transport_end(struct transport *t);

/* Whether messages may come and go. */
static inline bool transport_is_open(const struct transport *t)
{
    return !t->tls || tls_is_open(t->tls);
}

#endif
