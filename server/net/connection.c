/* connection.c - see connection.h. */
#include "server/net/connection_internal.h"

#include "server/base/assert.h"
#include "server/net/log_line.h"

#include <stdlib.h>

#define CLIENT_SHOWN_BYTES 40 /* of what a client calls itself */
#define INPUT_LEAST (16 * KIB)
#define WRITTEN_AT_ONCE (128 * KIB) /* of one connection, before the next one's output */
/* libuv is lent so much of what the socket did not take, to tell when it takes more. */
#define LENT_BYTES (16 * KIB)
/* What an empty buffer may keep while there is plenty; it goes when the connection rests. */
#define BUFFER_ACTIVE MIB

bool connection_is_sane(const struct connection *c)
{
    if (c->taken > c->input.used || c->input.used > c->input.room || c->seat >= SEAT_NONE ||
        c->written > c->writing.used)
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

static size_t left_of_writing(const struct connection *c)
{
    ASSERT(c->written <= c->writing.used);
    return c->writing.used - c->written;
}

size_t connection_unread(const struct connection *c)
{
    return c->output.used + left_of_writing(c) + c->transport.out.used +
           (c->write_busy ? uv_stream_get_write_queue_size(&c->uv.stream) : 0);
}

bool connection_is_paused(const struct connection *c)
{
    size_t bytes = connection_unread(c);

    return bytes + c->session.held_bytes >= c->server->options.output_pause ||
           (bytes && !session_has_room(&c->session, 0));
}

/* Some of its output has gone: it may have waited for that. */
static void go_on(struct connection *c)
{
    if ((c->state == CONNECTION_DRAINING || c->session.member.stuck) &&
        !connection_is_paused(c))
        session_ready(&c->session);
}

/* The first bytes that are to be written, or encrypted. */
static struct slice first_output(const struct connection *c)
{
    size_t left = left_of_writing(c);
    struct slice all = left ? slice_make(c->writing.data + c->written, left)
                            : slice_make(c->output.data, c->output.used);

    if (all.size > WRITTEN_AT_ONCE)
        all.size = WRITTEN_AT_ONCE;
    return all;
}

/* They are done with. */
static void drop_output(struct connection *c, size_t size)
{
    if (!left_of_writing(c)) {
        if (size == c->output.used) {
            net_buffer_clear(&c->output, connection_keep_bytes(c));
            return;
        }
        net_buffer_swap(&c->output, &c->writing);
    }
    c->written += size;
    if (left_of_writing(c))
        return;
    net_buffer_clear(&c->writing, connection_keep_bytes(c));
    c->written = 0;
}

/* The first bytes for the socket: of TLS, what it has made of them. false: no memory. */
static bool next_bytes(struct connection *c, struct slice *bytes)
{
    struct net_buffer *sealed = &c->transport.out;

    *bytes = first_output(c);
    if (!c->transport.tls)
        return true;
    if (!sealed->used && bytes->size && transport_is_open(&c->transport)) {
        if (!transport_seal(&c->transport, *bytes))
            return false;
        drop_output(c, bytes->size);
    }
    *bytes = slice_make(sealed->data, sealed->used);
    return !sealed->failed;
}

static void drop_bytes(struct connection *c, size_t size)
{
    struct net_buffer *sealed = &c->transport.out;

    if (!c->transport.tls) {
        drop_output(c, size);
        return;
    }
    net_buffer_drop(sealed, size);
    if (!sealed->used)
        net_buffer_clear(sealed, connection_keep_bytes(c));
}

static void on_written(uv_write_t *write, int status)
{
    struct connection *c = write->data;

    ASSERT(c->write_busy);
    c->write_busy = false;
    net_buffer_clear(&c->lent, LENT_BYTES);
    c->progress_ms = server_now(c->server);
    if (c->state == CONNECTION_CLOSING)
        return;
    if (status) {
        connection_close(c, "write error");
        return;
    }
    if (connection_unread(c))
        reactor_flush_on(&c->server->reactor, &c->session.member);
    go_on(c);
}

/* The socket took so many of these bytes and no more: libuv gets the first of the rest, and says
 * when they are gone. */
static void lend(struct connection *c, struct slice bytes, size_t done)
{
    size_t size = bytes.size - done < LENT_BYTES ? bytes.size - done : LENT_BYTES;
    uv_buf_t lent;

    ASSERT(!c->write_busy && !c->lent.used && size);
    net_buffer_append(&c->lent, bytes.data + done, size);
    if (c->lent.failed) {
        connection_close(c, "out of memory");
        return;
    }
    drop_bytes(c, done + size);
    lent = uv_buf_init((char *)c->lent.data, (unsigned)size);
    c->write.data = c;
    c->write_busy = true;
    c->progress_ms = server_now(c->server);
    c->unwritten = size;
    if (uv_write(&c->write, &c->uv.stream, &lent, 1, on_written)) {
        c->write_busy = false;
        connection_close(c, "write error");
    }
}

bool connection_flush(struct connection *c)
{
    size_t unread = connection_unread(c);
    struct slice bytes;
    uv_buf_t first;
    int done;

    if (c->state == CONNECTION_CLOSING || c->state == CONNECTION_SHUT || c->held_until_ms)
        return false;
    if (unread > c->server->options.output_max) {
        connection_close(c, "too many unread replies (output-max)");
        return false;
    }
    if (c->output.failed || (!c->write_busy && !next_bytes(c, &bytes))) {
        connection_close(c, "out of memory");
        return false;
    }
    if (c->write_busy || !bytes.size)
        return false;
    first = uv_buf_init((char *)bytes.data, (unsigned)bytes.size);
    done = uv_try_write(&c->uv.stream, &first, 1);
    if (done == UV_EAGAIN)
        done = 0;
    if (done < 0) {
        connection_close(c, "write error");
        return false;
    }
    ASSERT((size_t)done <= bytes.size);
    if ((size_t)done < bytes.size)
        lend(c, bytes, (size_t)done);
    else
        drop_bytes(c, bytes.size);
    go_on(c);
    return !c->write_busy && (size_t)done < (c->transport.tls ? SIZE_MAX : unread);
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
    net_buffer_fini(&c->lent);
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
