/* tls.h - one end of TLS connections, over memory: bytes go in and come out, and nobody here knows
 * sockets.
 *
 * A context is what all connections of a time share: the certificate and its key, and perhaps who
 * may have signed those of clients. It is made whole or not at all, so that another one may take
 * its place while the server runs; connections keep the one that they began with.
 *
 * TLS 1.3 (1.2 where tls-min-version says so); no resumption, no early data, no renegotiation.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_TLS_H
#define HOLDFAST_NET_TLS_H

#include "server/net/net_buffer.h"
#include "server/net/options.h"

#define TLS_ALPN "holdfast/1"
#define TLS_BINDING_BYTES 32u
#define TLS_HANDSHAKE_BYTES_MAX (64u << 10) /* from a client, before it is done */
#define TLS_KEY_UPDATES_MAX 32u             /* of a client, for each MiB of its data */
#define TLS_MEMORY_BYTES ((size_t)64 << 10) /* what OpenSSL takes for a connection, about */

struct tls_context; /* opaque */
struct tls;         /* of one connection; opaque */

/* By the options tls-*. NULL: error (OPTION_ERROR_BYTES) says why. */
struct tls_context *tls_context_new(const struct options *o, char *error);
void tls_context_free(struct tls_context *context); /* NULL is allowed */

/* NULL: no memory. */
struct tls *tls_new(struct tls_context *context);
void tls_free(struct tls *t); /* NULL is allowed */

enum tls_result {
    TLS_WAITS, /* for more of the client's bytes */
    TLS_DATA,  /* some was decrypted; there may be more */
    TLS_ENDED, /* the client has said that it is done */
    TLS_BROKEN /* tls_why says why */
};

/* Bytes from the client; false: no memory. */
bool tls_feed(struct tls *t, struct slice cipher);
/* Go on with the handshake, and put what can be decrypted, at most so many bytes, at the end of
 * plain. */
enum tls_result tls_read(struct tls *t, struct net_buffer *plain, size_t bytes_max);
/* Encrypt; after the handshake. Then it is to be taken. */
bool tls_write(struct tls *t, struct slice plain);
/* Say that no more will come. */
void tls_end(struct tls *t);
/* Move what is to go to the client to the end of cipher. */
void tls_take(struct tls *t, struct net_buffer *cipher);

bool tls_is_open(const struct tls *t); /* the handshake is done */
const char *tls_why(const struct tls *t);
/* What is the same at both ends of this connection and nowhere else (RFC 9266); none: it has
 * none. */
struct slice tls_binding(const struct tls *t);

#endif
