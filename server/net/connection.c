/* connection.c - see connection.h. */
#include "server/net/connection.h"

#include "server/base/assert.h"
#include "server/net/log_line.h"
#include "server/net/reply.h"
#include "server/net/session_opener.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLIENT_SHOWN_BYTES 40 /* of what a client calls itself */
#define INPUT_LEAST (16 * KIB)
#define INPUT_AHEAD (256 * KIB)  /* as ahead_bytes says */
#define BUFFER_KEEP (64 * KIB)   /* memory that an empty buffer may keep */
#define BUFFER_ACTIVE MIB        /* the same while there is plenty; it goes when it rests */
#define WORK_NS UINT64_C(500000) /* and time of one, before the next one's turn */
#define WORK_STEPS 64            /* requests of one connection before the next one's turn */
#define STANDING_BYTES (4 * KIB) /* of a request that will be refused anyway */
/* Before the login: of a message, and of what is read ahead. */
#define STRANGER_BYTES (4 * KIB)
#define STRANGER_ELEMENTS 16
#define STRANGER_DEPTH 4

static bool connection_is_sane(const struct connection *c)
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

static void connection_move(struct connection *c, enum connection_state next)
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
static size_t keep_bytes(const struct connection *c)
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
static size_t ahead_bytes(const struct connection *c)
{
    return c->session.is_stranger ? STRANGER_BYTES : INPUT_AHEAD;
}

static void stop_reading(struct connection *c)
{
    if (c->reading)
        uv_read_stop(&c->uv.stream);
    c->reading = false;
}

/* No more requests will come. */
static void end_input(struct connection *c)
{
    stop_reading(c);
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
        stop_reading(c);
        if (c->transport.tls)
            c->transport.eof = true; /* what came before it is to be decrypted first */
        else
            end_input(c);
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
            stop_reading(c);
    } else {
        c->input.used += (size_t)n;
        ASSERT(c->input.used <= c->input.room); /* D-4 */
        if (c->input.used - c->taken > ahead_bytes(c))
            stop_reading(c); /* until the turn has looked at it */
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

/* A message that cannot be understood: say so if it can be addressed, answer what was
 * asked before, and end. */
static void break_off(struct connection *c, struct slice bytes, bool addressed, uint32_t msgid,
                      enum err e, const char *why)
{

    if (!addressed && !c->skipping)
        addressed = frame_peek_msgid(bytes, &msgid);
    if (addressed && !number_map_find(&c->session.in_flight, msgid)) {
        reply_put_refusal(&c->output, msgid, e, why);
        session_flush_later(&c->session);
    }
    if (server_logs_client(c->server))
        LOG_TELL(c->server->log, broken_frame, .client = connection_name(c), .why = why);
    c->taken = c->input.used; /* whatever follows is not looked at */
    c->frame_begun_ms = 0;
    connection_drain(c);
}

static void break_off_limit(struct connection *c, struct slice bytes, enum err e)
{
    const struct options *o = &c->server->options;
    char why[160];

    if (e == ERR_TOO_LARGE && c->session.is_stranger)
        snprintf(why, sizeof why,
                 "message too large: before the login the limits are %u bytes, depth %u and %u "
                 "elements",
                 (unsigned)STRANGER_BYTES, STRANGER_DEPTH, STRANGER_ELEMENTS);
    else if (e == ERR_BAD_REQUEST)
        snprintf(why, sizeof why, "invalid MessagePack: byte 0xc1");
    else
        snprintf(why, sizeof why,
                 "message too large: the limits are %llu bytes, depth %llu and %llu elements",
                 (unsigned long long)o->frame_size, (unsigned long long)o->depth,
                 (unsigned long long)o->elements);
    /* What is being skipped has its answer, and may begin anywhere. */
    break_off(c, c->skipping ? SLICE_NONE : bytes, false, 0, e, why);
}

/* There was no seat: tell it, and end. */
static void turn_away(struct connection *c, const struct frame *frame)
{
    ASSERT(c->seat == SEAT_STANDING);
    if (frame->kind == FRAME_REQUEST) {
        reply_put_refusal(
            &c->output, frame->msgid, ERR_OVERLOADED,
            !c->is_seated  ? "too many connections that have not logged in (limits: strangers, "
                             "strangers-per-client); retry later"
            : c->has_share ? "too many connections of this client (limit: client-connections)"
                           : "too many connections (limit: connections); retry later");
        session_flush_later(&c->session);
    }
    c->taken = c->input.used;
    c->frame_begun_ms = 0;
    connection_drain(c);
}

/* Whether the message is one that may come before the login. */
static bool is_for_strangers(const struct frame *frame)
{
    const struct method *m =
        slice_is_none(frame->method) || !frame->method.size ? NULL : method_find(frame->method);

    return m && (m->flags & METHOD_STRANGERS);
}

/* Nothing is kept or executed of it. */
static void refuse_stranger(struct connection *c, const struct frame *frame)
{
    if (frame->kind != FRAME_REQUEST)
        return;
    reply_put_refusal(&c->output, frame->msgid, ERR_AUTH_REQUIRED,
                      "log in first (login_begin)");
    session_flush_later(&c->session);
}

static void take_request(struct connection *c, struct slice bytes, const struct frame *frame)
{
    if (frame->kind == FRAME_BROKEN)
        break_off(c, bytes, frame->addressed, frame->msgid, ERR_BAD_REQUEST, frame->why);
    else if (c->seat == SEAT_STANDING)
        turn_away(c, frame);
    else if (c->session.is_stranger && !is_for_strangers(frame))
        refuse_stranger(c, frame);
    else if (!order_take(&c->session, frame))
        break_off(c, SLICE_NONE, false, 0, ERR_BAD_REQUEST,
                  "the msgid of a pending request was reused");
}

/* The message that begins with bytes is not whole, and large. Without room for the rest its
 * request is refused, in its order, and what comes of it is thrown away. */
static void refuse_without_room(struct connection *c, struct slice bytes)
{
    struct frame frame;

    if (!c->skipping) {
        if (c->seat == SEAT_STANDING
                ? bytes.size <= STANDING_BYTES
                : bytes.size <= BUFFER_KEEP || session_has_room(&c->session, c->scan.pending))
            return;
        frame_read_head(bytes, &frame);
        c->is_over = false;
        take_request(c, bytes, &frame);
        if (c->state != CONNECTION_OPEN)
            return;
        c->skipping = true;
    }
    c->taken += msgpack_scan_drop(&c->scan);
    ASSERT(c->taken <= c->input.used); /* D-4 */
}

/* The message is too deep or has too many elements: its request is refused, in its order, and
 * its end is looked for. That must wait until what comes tells whose request it is; is_all: no
 * more will come. */
static void refuse_over(struct connection *c, struct slice bytes, bool is_all)
{
    const struct options *o = &c->server->options;
    bool deep = c->scan.elements <= o->elements;
    struct frame frame;

    if (!frame_read_head(bytes, &frame) && !is_all)
        return;
    c->is_over = false;
    frame.limit = deep ? "depth" : "elements";
    frame.limit_max = deep ? o->depth : o->elements;
    frame.limit_size = deep ? c->scan.depth + 1u : c->scan.elements;
    c->skipping = true;
    take_request(c, bytes, &frame);
}

/* The next whole message. false: there is none now. */
static bool take_frame(struct connection *c)
{
    const struct options *o = &c->server->options;
    struct msgpack_limits limits = {o->frame_size, o->elements, (unsigned)o->depth};
    bool is_stranger = c->session.is_stranger;
    struct slice bytes;
    struct frame frame;
    enum err e;

    if (c->taken == c->input.used)
        return false;
    bytes = slice_make(c->input.data + c->taken, c->input.used - c->taken);
    if (is_stranger)
        limits = (struct msgpack_limits){STRANGER_BYTES, STRANGER_ELEMENTS, STRANGER_DEPTH};
    e = msgpack_scan_feed(&c->scan, bytes.data, bytes.size, &limits);
    if (e == ERR_TOO_LARGE && c->scan.over && !is_stranger) {
        c->is_over = !c->skipping;
        e = msgpack_scan_feed(&c->scan, bytes.data, bytes.size, &limits);
    }
    if (c->is_over) {
        refuse_over(c, bytes, e != ERR_WAIT);
        if (c->taken == c->input.used || c->state == CONNECTION_CLOSING)
            return false; /* broken besides; who has only closed his side goes on */
    }
    if (e == ERR_WAIT) {
        if (!c->frame_begun_ms)
            c->frame_begun_ms = server_now(c->server);
        c->cut = true;
        refuse_without_room(c, bytes);
        return false;
    }
    if (e) {
        break_off_limit(c, bytes, e);
        return false;
    }
    ASSERT(c->scan.offset <= bytes.size);
    bytes.size = c->scan.offset;
    c->taken += bytes.size;
    c->frame_begun_ms = 0;
    msgpack_scan_init(&c->scan);
    if (c->skipping) {
        c->skipping = false;
        return true;
    }
    frame_read(bytes, &frame);
    take_request(c, bytes, &frame);
    return true;
}

/* ---- out ---- */

static size_t unread(const struct connection *c)
{
    return c->output.used + c->transport.out.used +
           (c->write_busy ? uv_stream_get_write_queue_size(&c->uv.stream) : 0);
}

static bool is_paused(const struct connection *c)
{
    size_t bytes = unread(c);

    return bytes + c->session.held_bytes >= c->server->options.output_pause ||
           (bytes && !session_has_room(&c->session, 0));
}

static void on_written(uv_write_t *write, int status)
{
    struct connection *c = write->data;

    ASSERT(c->write_busy);
    c->write_busy = false;
    net_buffer_clear(&c->writing, keep_bytes(c));
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
        !transport_seal(&c->transport, &c->output, keep_bytes(c)))
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
    if (unread(c) > c->server->options.output_max) {
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
        net_buffer_clear(from, keep_bytes(c));
        if (c->state == CONNECTION_DRAINING || c->session.member.stuck)
            session_ready(&c->session);
        return;
    }
    write_rest(c, from, (size_t)done);
    if (c->session.hang_up)
        connection_close(c, c->session.hang_up);
}

/* ---- life ---- */

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct connection *c = shutdown->data;

    if (c->state != CONNECTION_SHUT)
        return;
    if (status)
        connection_close(c, NULL);
    else
        connection_read(c); /* until the client has closed its side as well */
}

/* TLS has a last word. What the socket does not take at once, nobody waits for. */
static void say_goodbye(struct connection *c)
{
    struct net_buffer *out = &c->transport.out;
    uv_buf_t last;

    if (!c->transport.tls)
        return;
    transport_end(&c->transport);
    last = uv_buf_init((char *)out->data, (unsigned)out->used);
    if (out->used && !out->failed)
        uv_try_write(&c->uv.stream, &last, 1);
    net_buffer_clear(out, 0);
}

/* Everything is answered and written. */
static void shut(struct connection *c)
{
    ASSERT(c->state == CONNECTION_DRAINING && !c->session.request_count && !c->output.used &&
           !c->write_busy);
    if (c->eof) {
        say_goodbye(c); /* nothing can come any more that would reset what was written */
        connection_close(c, NULL);
        return;
    }
    order_end(&c->session); /* what it left open is rolled back now, not when it has gone */
    say_goodbye(c);
    net_buffer_clear(&c->input, 0);
    c->taken = 0;
    connection_move(c, CONNECTION_SHUT);
    c->shut_ms = server_now(c->server);
    c->shutdown.data = c;
    if (uv_shutdown(&c->shutdown, &c->uv.stream, on_shutdown))
        connection_close(c, NULL);
}

/* After work: throw away what is done with, and read on if there is room. */
static void settle(struct connection *c, bool more)
{
    ASSERT(connection_is_sane(c));
    if (c->taken == c->input.used) {
        net_buffer_clear(&c->input, keep_bytes(c));
        c->taken = 0;
    } else if (c->taken >= c->input.used - c->taken) {
        memmove(c->input.data, c->input.data + c->taken, c->input.used - c->taken);
        c->input.used -= c->taken;
        c->taken = 0;
        if (c->skipping)
            net_buffer_trim(&c->input, BUFFER_KEEP);
    }
    if (c->state == CONNECTION_OPEN) {
        if (c->session.member.stuck || (!c->cut && c->input.used - c->taken > ahead_bytes(c)) ||
            c->transport.in.used - c->transport.taken > TRANSPORT_AHEAD || c->transport.eof)
            stop_reading(c);
        else
            connection_read(c);
    } else if (c->state == CONNECTION_DRAINING && !more && !c->session.member.stuck) {
        if (c->eof)
            session_openers_give_up(&c->session);
        if (c->session.request_count == 0 && !c->output.used && !c->transport.out.used &&
            !c->write_busy)
            shut(c);
    }
}

/* The client's TLS cannot go on: perhaps it is none. */
static void break_tls(struct connection *c, const char *why)
{
    ASSERT(c->transport.tls);
    if (server_logs_client(c->server))
        LOG_TELL(c->server->log, tls_failed, .client = connection_name(c), .why = why);
    c->server->counters.tls_failed++;
    say_goodbye(c); /* its alert */
    connection_close(c, "TLS failed");
}

/* Who need not log in takes a seat as soon as the handshake is done, or is told that none is
 * left. */
static void take_seat(struct connection *c)
{
    ASSERT(c->seat < SEAT_NONE);
    if (c->seat == SEAT_STANDING || !connection_admit(c, false))
        return;
    seats_leave(&c->server->seats, c->seat);
    c->seat = seats_take(&c->server->seats, false, true);
    if (c->seat == SEAT_NONE) {
        c->seat = SEAT_STRANGER;
        c->server->seats.taken[SEAT_STRANGER]++;
        session_hang_up(&c->session, "connection limit reached");
    }
}

/* Decrypt what came, as far as there is room for it. true: the connection goes on; *more: there is
 * more to decrypt than a turn allows. */
static bool open_up(struct connection *c, bool *more)
{
    bool was_open = transport_is_open(&c->transport);
    size_t ahead = c->input.used - c->taken;
    const char *why = NULL;
    enum tls_result result;

    *more = false;
    if (c->state != CONNECTION_OPEN || c->transport.has_ended ||
        (ahead > ahead_bytes(c) && !c->cut))
        return true;
    if (!was_open && c->transport.in.used && !server_may_shake_hands(c->server)) {
        *more = true;
        return true;
    }
    result = transport_read(&c->transport, &c->input, c->cut ? INPUT_AHEAD : ahead_bytes(c) + 1,
                            &why);
    if (c->transport.out.used)
        session_flush_later(&c->session);
    if (result == TLS_BROKEN) {
        break_tls(c, why);
        return false;
    }
    if (!was_open && transport_is_open(&c->transport)) {
        c->server->counters.tls_handshakes++;
        if (!c->session.is_stranger)
            take_seat(c);
    }
    if (result == TLS_ENDED)
        end_input(c);
    *more = result == TLS_DATA;
    return true;
}

bool connection_work(struct connection *c)
{
    struct server *server = c->server;
    uint64_t began = uv_hrtime();
    unsigned steps = 0;
    bool more = false, sealed = false, full;

    if (c->state >= CONNECTION_SHUT)
        return false;
    if (c->held_until_ms && !c->session.hang_up) {
        stop_reading(c);
        return false;
    }
    c->rests = false;
    if (c->transport.tls && !open_up(c, &sealed))
        return false;
    c->session.member.stuck = c->cut = false;
    if (!c->session.input_ns)
        c->session.input_ns = server->latency.turn_ns;
    for (; !c->session.hang_up; steps++) {
        more = steps >= WORK_STEPS || (steps % 8 == 7 && uv_hrtime() - began > WORK_NS);
        if (more)
            break;
        if (is_paused(c)) {
            c->session.member.stuck = true;
            break;
        }
        full = c->session.partial_bytes >= server->options.output_max ||
               account_is_full(&c->session.account, &server->limits);
        if (order_step(&c->session, !full))
            continue;
        if (full) { /* those at work come first */
            c->session.member.stuck = true;
            break;
        }
        if (c->session.request_count - c->session.behind_locks >=
                server->options.requests_in_flight ||
            server_requests(server) >= server->options.requests) {
            c->session.member.stuck = c->taken < c->input.used;
            if (c->session.member.stuck && server_requests(server) >= server->options.requests)
                reactor_starve(&server->reactor, &c->session.member);
            break;
        }
        if (!take_frame(c)) {
            c->session.input_ns = 0;
            break;
        }
    }
    if (c->session.hang_up) {
        connection_close(c, c->session.hang_up);
        return false;
    }
    settle(c, more);
    return more || (sealed && !c->session.member.stuck && c->state == CONNECTION_OPEN);
}

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
    stop_reading(c);
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
