/* connection.h - one client's socket: bytes in, bytes out, and when to stop.
 *
 * Callbacks of libuv only take bytes and mark the connection as ready; the
 * server's turn lets ready ones work for a while each. What came in is executed
 * where it lies. What goes out is gathered for the whole turn and written once, or, where it is
 * much, a part in each turn.
 *
 *     OPEN --EOF, broken frame, stop--> DRAINING --all answered and written--> SHUT
 *       \_________ error, stall ___________\__________________________________\--> CLOSING
 *
 * DRAINING: nothing more is read; what was asked is answered. SHUT: our side is
 * closed; the client's bytes are thrown away until it closes too, so that the
 * last answer is not lost to a reset.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_CONNECTION_H
#define HOLDFAST_NET_CONNECTION_H

#include "server/net/peers.h"
#include "server/net/seats.h"
#include "server/net/order.h"
#include "server/net/transport.h"

#include <uv.h>

#define CONNECTION_LINGER_MS 2000
#define CONNECTION_LIGHT_NS UINT64_C(100000) /* a share that took more was a heavy one */
#define CONNECTION_STANDING_MS 2000 /* a refused one may ask so long, and is told */

enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_DRAINING,
    CONNECTION_SHUT,
    CONNECTION_CLOSING,
};

struct connection {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct server *server; /* borrowed */
    enum connection_state state;
    bool is_closed; /* CLOSING: its socket is */
    enum seat seat;
    struct peer *peer_of; /* the client that it is a connection of; NULL: it is refused */
    bool has_share; /* refused: its client already has as many connections as one may have */
    bool is_seated;     /* it has a seat of its own, not a stranger's */
    bool is_remote;     /* it came where machines other than this one may */
    uint64_t opened_ms;
    uint64_t held_until_ms; /* a login that waits: nothing is read or written before; 0: none */
    uint64_t held_ms;       /* so long in all */
    struct peer_key peer_key;
    uint64_t id;       /* told to operators; never used twice while the server runs */
    uint64_t begun_ms;
    char peer[64];
    struct text_name name;            /* what it is called in logs and holds */
    struct session session;
    struct transport transport;
    /* In. */
    struct net_buffer input;
    size_t taken;             /* bytes at the beginning of input that are done with */
    struct msgpack_scan scan; /* of the message that begins at taken */
    bool cut;                 /* that message is not whole yet: more must be read */
    bool is_over;             /* it is to be refused as soon as it tells for whom */
    bool skipping;            /* it has been refused: its bytes are thrown away */
    bool reading;
    bool eof;                /* the client has closed its side */
    bool rests;              /* nothing has been done since it was last looked at */
    uint64_t frame_begun_ms; /* when the message at taken began to arrive; 0: none */
    /* Out. */
    struct net_buffer output;  /* encoded since it was last written, or lies in writing */
    struct net_buffer writing; /* what came before it, and was too much for one turn; */
    size_t written;            /* bytes at its beginning that are done with */
    struct net_buffer lent;    /* to libuv: the socket took no more */
    uv_write_t write;          /* of lent */
    bool write_busy;
    uv_shutdown_t shutdown;
    size_t unwritten;     /* libuv's queue when it was last looked at, bytes */
    uint64_t progress_ms; /* when the client last took some of it */
    uint64_t shut_ms;
    struct list_link in_all;
    struct hash_link in_ids; /* server.connection_ids */
};

bool connection_is_admin(const struct connection *c);
struct peer_key connection_peer_key(const struct connection *c);

/* It has said who it is, and takes a seat of its own; NULL, or why there is none. */
const char *connection_admit(struct connection *c, bool is_admin);
/* Neither read nor write for so long. */
void connection_hold(struct connection *c, uint64_t ms);
/* What binds a login to the TLS connection; none: it cannot be bound. */
struct slice connection_binding(const struct connection *c);

/* For logs and holds: "name@127.0.0.1:40000". */
struct slice connection_name(const struct connection *c);
void connection_rename(struct connection *c);

/* Read what it sends, unless it is read already. */
void connection_read(struct connection *c);

/* Let it work for a share of the turn. began_ns: uv_hrtime now. true: there is more that it could
 * do now. */
bool connection_work(struct connection *c, uint64_t began_ns);

/* Write of what it was sent as much as goes at once. true: there is more, and the socket may take
 * it. */
bool connection_flush(struct connection *c);

/* Take no more requests; answer those that came; close. */
void connection_drain(struct connection *c);

/* Close now. Everything of it is rolled back. why: a static text for the log; NULL: it has
 * come to its end as it should. */
void connection_close(struct connection *c, const char *why);

/* What it had left open is ended: it may go. */
void connection_ended(struct connection *c);

#endif
