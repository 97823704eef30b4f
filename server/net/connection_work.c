/* connection_work.c - a connection's share of a turn: messages are taken from what came, and
 * requests go on, until it has had its time or its client has to read first. */
#include "server/net/connection_internal.h"

#include "server/base/assert.h"
#include "server/net/log_line.h"
#include "server/net/reply.h"
#include "server/net/session_opener.h"

#include <stdio.h>

/* The share of one connection, before the next one's turn;
 * CONNECTION_LIGHT_NS until it is known to want more. */
#define WORK_NS UINT64_C(500000)
#define WORK_STEPS 64 /* requests */
#define STANDING_BYTES (4 * KIB) /* of a request that will be refused anyway */
/* Before the login. */
#define STRANGER_ELEMENTS 16
#define STRANGER_DEPTH 4

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

/* ---- the turn ---- */

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
    ASSERT(c->state == CONNECTION_DRAINING && !c->session.request_count &&
           !connection_unread(c) && !c->write_busy);
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
        net_buffer_clear(&c->input, connection_keep_bytes(c));
        c->taken = 0;
    } else if (c->taken >= c->input.used - c->taken) {
        memmove(c->input.data, c->input.data + c->taken, c->input.used - c->taken);
        c->input.used -= c->taken;
        c->taken = 0;
        if (c->skipping)
            net_buffer_trim(&c->input, BUFFER_KEEP);
    }
    if (c->state == CONNECTION_OPEN) {
        if (c->session.member.stuck ||
            (!c->cut && c->input.used - c->taken > connection_ahead_bytes(c)) ||
            c->transport.in.used - c->transport.taken > TRANSPORT_AHEAD || c->transport.eof)
            connection_stop_reading(c);
        else
            connection_read(c);
    } else if (c->state == CONNECTION_DRAINING && !more && !c->session.member.stuck) {
        if (c->eof)
            session_openers_give_up(&c->session);
        if (c->session.request_count == 0 && !connection_unread(c) && !c->write_busy)
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
        (ahead > connection_ahead_bytes(c) && !c->cut))
        return true;
    if (!was_open && c->transport.in.used && !server_may_shake_hands(c->server)) {
        *more = true;
        return true;
    }
    result = transport_read(&c->transport, &c->input,
                            c->cut ? INPUT_AHEAD : connection_ahead_bytes(c) + 1, &why);
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
        connection_end_input(c);
    *more = result == TLS_DATA;
    return true;
}

/* Whether it has had its share. What reads on has had some time; of others, looking at the clock
 * costs too much to do it each time. */
static bool has_had_share(struct connection *c, unsigned steps, uint64_t began_ns)
{
    uint64_t share = c->session.member.is_heavy ? WORK_NS : CONNECTION_LIGHT_NS;

    if (steps >= WORK_STEPS)
        return true;
    if (!steps || (steps % 8 < 7 && !order_reads_on(&c->session)))
        return false;
    return uv_hrtime() - began_ns > share;
}

bool connection_work(struct connection *c, uint64_t began_ns)
{
    struct server *server = c->server;
    unsigned steps = 0;
    bool more = false, sealed = false, full;

    if (c->state >= CONNECTION_SHUT)
        return false;
    if (c->held_until_ms && !c->session.hang_up) {
        connection_stop_reading(c);
        return false;
    }
    c->rests = false;
    if (c->transport.tls && !open_up(c, &sealed))
        return false;
    c->session.member.stuck = c->cut = false;
    if (!c->session.input_ns)
        c->session.input_ns = server->latency.turn_ns;
    for (; !c->session.hang_up; steps++) {
        more = has_had_share(c, steps, began_ns);
        if (more)
            break;
        if (connection_is_paused(c)) {
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
