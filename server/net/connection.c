/* connection.c - see connection.h. */
#include "server/net/connection_internal.h"

#include "server/base/assert.h"
#include "server/net/log_line.h"

#include <stdlib.h>

#define CLIENT_SHOWN_BYTES 40 /* of what a client calls itself */
#define INPUT_LEAST (16 * KIB)
/* What an empty buffer may keep while there is plenty; it goes when the connection rests. */
#define BUFFER_ACTIVE MIB

bool connection_is_sane(const struct connection *c)
{
    if (c->taken > c->input.used || c->input.used > c->input.room || c->seat >= SEAT_NONE)
        return false; /* D-4 */
    switch (c->state) {
    case CONNECTION_OPEN: return !c->is_closed && !c->shut_ms;
    case CONNECTION_DRAINING: return !c->reading;
    case CONNECTION_SHUT: return !c->session.request_count && !c->input.used;
    case CONNECTION_CLOSING: return c->session.member.is_gone;
    }
    return false;
}

void connection_move(struct connection *c, enum connection_state next)
{
    static const unsigned allowed[] = {
        [CONNECTION_OPEN] = 1u << CONNECTION_DRAINING | 1u << CONNECTION_CLOSING,
        [CONNECTION_DRAINING] = 1u << CONNECTION_SHUT | 1u << CONNECTION_CLOSING,
        [CONNECTION_SHUT] = 1u << CONNECTION_CLOSING,
        [CONNECTION_CLOSING] = 0,
    };

    ASSERT(allowed[c->state] & 1u << next);
    c->state = next;
    ASSERT(connection_is_sane(c));
}

/* Making room anew for each large answer costs more than the answer. */
size_t connection_keep_bytes(const struct connection *c)
{
    return c->server->account.bytes < c->server->limits.all / 2 ? BUFFER_ACTIVE : BUFFER_KEEP;
}

/* ---- in ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *c = handle->data;
    struct net_buffer *in = &c->transport.in;
    size_t least = c->input.room > INPUT_LEAST ? 1 : INPUT_LEAST;
    uint8_t *to;

    ASSERT(c->reading && c->state < CONNECTION_CLOSING);
    if (c->transport.tls) {
        to = net_buffer_reserve(in, INPUT_LEAST);
        *buf = uv_buf_init((char *)to, to ? (unsigned)(in->room - in->used) : 0);
        return;
    }
    if (c->input.used == c->input.room)
        least = c->input.used < INPUT_LEAST     ? INPUT_LEAST
                : c->input.used < BUFFER_ACTIVE ? c->input.used
                                                : BUFFER_ACTIVE;
    to = net_buffer_reserve(&c->input, least);
    *buf = uv_buf_init((char *)to, to ? (unsigned)(c->input.room - c->input.used) : 0);
}

/* What one turn may read beyond what is at work. */
size_t connection_ahead_bytes(const struct connection *c)
{
    return c->session.is_stranger ? STRANGER_BYTES : INPUT_AHEAD;
}

void connection_stop_reading(struct connection *c)
{
    if (c->reading)
        uv_read_stop(&c->uv.stream);
    c->reading = false;
}

/* No more requests will come. */
void connection_end_input(struct connection *c)
{
    connection_stop_reading(c);
    c->eof = true;
    if (c->state == CONNECTION_OPEN)
        connection_move(c, CONNECTION_DRAINING);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct connection *c = stream->data;

    if (n == 0)
        return;
    ASSERT(c->state < CONNECTION_CLOSING);
    if (c->state == CONNECTION_SHUT) {
        c->input.used = c->transport.in.used = 0;
        if (n < 0)
            connection_close(c, NULL);
        return;
    }
    if (n == UV_EOF) {
        connection_stop_reading(c);
        if (c->transport.tls)
            c->transport.eof = true; /* what came before it is to be decrypted first */
        else
            connection_end_input(c);
    } else if (n == UV_ENOBUFS) {
        connection_close(c, "out of memory");
        return;
    } else if (n < 0) {
        connection_close(c, n == UV_ECONNRESET ? "reset" : "read error");
        return;
    } else if (c->transport.tls) {
        c->transport.in.used += (size_t)n;
        ASSERT(c->transport.in.used <= c->transport.in.room);
        if (c->transport.in.used - c->transport.taken > TRANSPORT_AHEAD)
            connection_stop_reading(c);
    } else {
        c->input.used += (size_t)n;
        ASSERT(c->input.used <= c->input.room); /* D-4 */
        if (c->input.used - c->taken > connection_ahead_bytes(c))
            connection_stop_reading(c); /* until the turn has looked at it */
    }
    session_ready(&c->session);
}

void connection_read(struct connection *c)
{
    ASSERT(c->state < CONNECTION_CLOSING);
    if (c->reading)
        return;
    if (uv_read_start(&c->uv.stream, on_alloc, on_read)) {
        session_hang_up(&c->session, "read error");
        return;
    }
    c->reading = true;
}

/* ---- out ---- */

size_t connection_unread(const struct connection *c)
{
    return c->output.used + c->transport.out.used +
           (c->write_busy ? uv_stream_get_write_queue_size(&c->uv.stream) : 0);
}

static void on_written(uv_write_t *write, int status)
{
    struct connection *c = write->data;

    ASSERT(c->write_busy);
    c->write_busy = false;
    net_buffer_clear(&c->writing, connection_keep_bytes(c));
    c->progress_ms = server_now(c->server);
    if (c->state == CONNECTION_CLOSING)
        return;
    if (status) {
        connection_close(c, "write error");
        return;
    }
    if (c->output.used || c->transport.out.used)
        session_flush_later(&c->session);
    session_ready(&c->session); /* it may have been paused, or be done */
}

/* What the socket does not take at once goes to libuv, with the buffer that it is in. */
static void write_rest(struct connection *c, struct net_buffer *from, size_t done)
{
    uv_buf_t rest;
    int result;

    ASSERT(!c->write_busy && done <= from->used);
    net_buffer_swap(from, &c->writing);
    rest = uv_buf_init((char *)c->writing.data + done, (unsigned)(c->writing.used - done));
    c->write.data = c;
    c->write_busy = true;
    c->progress_ms = server_now(c->server);
    result = uv_write(&c->write, &c->uv.stream, &rest, 1, on_written);
    if (result) {
        c->write_busy = false;
        session_hang_up(&c->session, "write error");
    }
    c->unwritten = rest.len;
}

/* What is to be written: of TLS, what it has made of it. NULL: it could not. */
static struct net_buffer *outgoing(struct connection *c)
{
    if (!c->transport.tls)
        return &c->output;
    if (c->output.used && transport_is_open(&c->transport) &&
        !transport_seal(&c->transport, &c->output, connection_keep_bytes(c)))
        return NULL;
    return &c->transport.out;
}

void connection_flush(struct connection *c)
{
    struct net_buffer *from;
    uv_buf_t all;
    int done;

    if (c->state == CONNECTION_CLOSING || c->state == CONNECTION_SHUT || c->held_until_ms)
        return;
    if (c->output.failed) {
        connection_close(c, "out of memory");
        return;
    }
    if (connection_unread(c) > c->server->options.output_max) {
        connection_close(c, "too many unread replies (output-max)");
        return;
    }
    if (c->write_busy)
        return;
    from = outgoing(c);
    if (!from || from->failed) {
        connection_close(c, "out of memory");
        return;
    }
    if (!from->used)
        return;
    all = uv_buf_init((char *)from->data, (unsigned)from->used);
    done = uv_try_write(&c->uv.stream, &all, 1);
    if (done == UV_EAGAIN)
        done = 0;
    if (done < 0) {
        connection_close(c, "write error");
        return;
    }
    ASSERT((size_t)done <= from->used);
    if ((size_t)done == from->used) {
        net_buffer_clear(from, connection_keep_bytes(c));
        if (c->state == CONNECTION_DRAINING || c->session.member.stuck)
            session_ready(&c->session);
        return;
    }
    write_rest(c, from, (size_t)done);
    if (c->session.hang_up)
        connection_close(c, c->session.hang_up);
}

/* ---- life ---- */

bool connection_is_admin(const struct connection *c)
{
    const struct session *s = &c->session;

    return s->is_trusted || (s->rights && s->rights->is_admin);
}

struct peer_key connection_peer_key(const struct connection *c)
{
    return c->peer_key;
}

struct slice connection_binding(const struct connection *c)
{
    return c->transport.tls ? tls_binding(c->transport.tls) : SLICE_NONE;
}

const char *connection_admit(struct connection *c, bool is_admin)
{
    struct server *server = c->server;
    enum seat seat;

    ASSERT(c->seat < SEAT_NONE);
    if (c->is_seated)
        return NULL;
    seat = seats_take(&server->seats, is_admin, false);
    if (seat == SEAT_STANDING)
        seats_leave(&server->seats, seat);
    if (seat >= SEAT_STRANGER)
        return "too many connections (limit: connections); retry later";
    seats_leave(&server->seats, c->seat);
    c->seat = seat;
    c->is_seated = true;
    c->peer_of->strangers--;
    return NULL;
}

void connection_hold(struct connection *c, uint64_t ms)
{
    if (!ms)
        return;
    c->held_until_ms = server_now(c->server) + ms;
    c->held_ms += ms;
}

struct slice connection_name(const struct connection *c)
{
    return text_name_of(&c->name);
}

void connection_rename(struct connection *c)
{
    struct slice client = text_cut(text_label_of(&c->session.client), CLIENT_SHOWN_BYTES);
    struct slice peer = slice_text(c->peer);
    uint8_t name[CLIENT_SHOWN_BYTES + 1 + sizeof c->peer];

    ASSERT(c->peer[0]);
    if (client.size) {
        memcpy(name, client.data, client.size);
        name[client.size++] = '@';
    }
    memcpy(name + client.size, peer.data, peer.size);
    text_name_set(&c->name, slice_make(name, client.size + peer.size));
}

static void connection_free(struct connection *c)
{
    struct server *server = c->server;
    enum seat seat = c->seat;
    struct peer *peer = c->peer_of;

    ASSERT(c->state == CONNECTION_CLOSING && c->is_closed);
    if (peer && !c->is_seated)
        peer->strangers--;
    session_forget_user(&c->session);
    transport_fini(&c->transport);
    net_buffer_fini(&c->input);
    net_buffer_fini(&c->output);
    net_buffer_fini(&c->writing);
    account_fini(&c->session.account);
    free(c);
    server_connection_closed(server, seat, peer);
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;

    c->is_closed = true;
    if (!list_is_linked(&c->session.member.in_ending))
        connection_free(c);
}

void connection_ended(struct connection *c)
{
    ASSERT(!list_is_linked(&c->session.member.in_ending));
    if (c->is_closed)
        connection_free(c);
}

void connection_drain(struct connection *c)
{
    if (c->state != CONNECTION_OPEN)
        return;
    c->held_until_ms = 0;
    connection_stop_reading(c);
    connection_move(c, CONNECTION_DRAINING);
    session_ready(&c->session);
}

void connection_close(struct connection *c, const char *why)
{

    if (c->state == CONNECTION_CLOSING)
        return;
    reactor_leave(&c->session.member);
    connection_move(c, CONNECTION_CLOSING);
    list_walks_leave(&c->server->connection_walks, &c->in_all);
    list_remove(&c->in_all);
    hash_table_remove(&c->server->connection_ids, &c->in_ids);
    if (why)
        c->server->counters.hung_up++;
    if (!why)
        LOG_TELL(c->server->log, connection_closed, .client = connection_name(c),
                 .requests = c->session.request_count,
                 .transactions = c->session.transactions.count);
    else if (server_logs_client(c->server))
        LOG_TELL(c->server->log, connection_broken, .client = connection_name(c), .why = why,
                 .requests = c->session.request_count,
                 .transactions = c->session.transactions.count);
    order_end(&c->session);
    uv_close(&c->uv.handle, on_closed);
}
