/* tls_rig.h - the server's end of a TLS connection (server/net/transport.h), and a client of
 * OpenSSL's own at the other, both over memory. What goes from one to the other waits here, so that
 * a test can hold it back, cut it, change it, or put something else in its place. */
#ifndef HOLDFAST_TESTS_UNIT_TLS_RIG_H
#define HOLDFAST_TESTS_UNIT_TLS_RIG_H

#include "server/net/transport.h"
#include "tests/unit/values.h"

#include <openssl/ssl.h>

struct tls_rig {
    struct account account;
    struct tls_context *context;
    struct transport server;
    struct net_buffer plain; /* what the server has read */
    enum tls_result result;  /* of its last read */
    const char *why;         /* of TLS_BROKEN */
    SSL_CTX *client_context;
    SSL *client;
    BIO *client_in, *client_out;
    struct buffer to_server; /* on its way */
    struct buffer sent;      /* what the client has written, not encrypted */
    struct buffer got;       /* what it has read */
    bool client_failed;
};

/* A client that has not said anything. only_12: TLS 1.2 and nothing else, which the server takes
 * with min_12. */
void tls_rig_open(struct tls_rig *rig, bool min_12, bool only_12);
/* The same with another connection, and no other certificate. session: may be NULL. */
void tls_rig_connect(struct tls_rig *rig, SSL_SESSION *session);
void tls_rig_close(struct tls_rig *rig);

/* The client goes on with its handshake, and reads what has come. */
void tls_rig_client_step(struct tls_rig *rig);
/* false: it cannot write now. */
bool tls_rig_client_write(struct tls_rig *rig, struct slice plain);
/* What the client's library has made goes on its way. */
void tls_rig_collect(struct tls_rig *rig);
/* So many bytes of what is on its way arrive, and the server reads all that it can. */
void tls_rig_deliver(struct tls_rig *rig, size_t bytes);
/* The server's bytes reach the client. */
void tls_rig_answer(struct tls_rig *rig);
/* All of that, until nothing moves. */
void tls_rig_settle(struct tls_rig *rig);

#endif
