/* connection.c - a socket, and bytes going both ways over it.
 *
 * The socket is blocking, and MSG_DONTWAIT is asked for where waiting is not meant.
 * So the commonest case by far, one request and its answer, costs one send and one
 * recv and no poll. */
#include "client/lib/conn_struct.h"
#include "client/lib/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Keepalive finds a peer that is gone without a word. What a unix socket does not know fails,
 * and is not needed there. */
static void connection_tune(const struct hf_conn *c)
{
    struct timeval receive = {.tv_sec = CONNECTION_RECEIVE_MS / 1000};
    int on = 1, idle_s = c->options.keepalive_s, interval_s = 10, count = 3;

    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &receive, sizeof receive);
    if (idle_s < 0)
        return;
    setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

/* Shake hands, if the options or the address say so. */
static int connection_secure(struct hf_conn *c, uint64_t until_ms, struct hf_error *error)
{
    const char *why;
    bool is_on;

    if (!c->options.tls)
        c->options.tls = c->target.tls ? "verify-full" : "off";
    why = secure_mode_fault(c->options.tls, &is_on);
    if (why)
        return error_set(error, HF_MISUSE, "tls \"%.40s\": %s", c->options.tls, why);
    if (is_on && c->target.path)
        return error_set(error, HF_MISUSE, "%s is a Unix socket, which has no TLS", c->address);
    if (!is_on && c->target.tls)
        return error_set(error, HF_MISUSE, "%s is a TLS address, but TLS is off", c->address);
    return is_on ? secure_open(c->fd, &c->options, c->target.host, until_ms, &c->secure, error)
                 : HF_OK;
}

/* Blocking from here on; see the top of the file. */
int connection_connect(struct hf_conn *c, struct hf_error *error)
{
    uint64_t until_ms = clock_now_ms() + (uint64_t)c->options.connect_timeout_ms;
    int flags;

    c->fd = address_connect(c->address, &c->target, c->options.connect_timeout_ms, error);
    if (c->fd < 0)
        return error->code;
    flags = fcntl(c->fd, F_GETFL);
    fcntl(c->fd, F_SETFL, flags & ~O_NONBLOCK);
    if (connection_secure(c, until_ms, error) != HF_OK) {
        close(c->fd);
        c->fd = -1;
        return error->code;
    }
    connection_tune(c);
    error_clear(&c->lost);
    frame_scan_init(&c->scan);
    return HF_OK;
}

int connection_fail(struct hf_conn *c, const struct hf_error *error)
{
    if (error != &c->error)
        c->error = *error;
    return error->code;
}

/* Whether the server may have seen all of it. */
static void fail_one(struct hf_conn *c, struct connection_slot *slot)
{
    struct hf_reply *reply = slot->reply;
    struct hf_error error = c->lost;

    error.maybe_committed = reply->applies && reply->sent_at <= c->sent_total;
    error.retryable = !error.maybe_committed && error.code == HF_CONNECTION;
    slot->reply = NULL;
    c->free_slots[c->free_count++] = (uint32_t)(slot - c->slots);
    c->in_flight--;
    c->patient_in_flight -= reply->patient;
    reply_fail(reply, &error);
}

int connection_lose(struct hf_conn *c, int code, const char *format, ...)
{
    char message[sizeof c->lost.message];
    va_list args;

    if (c->fd < 0)
        return c->lost.code;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    error_set(&c->lost, code, "%s", message);
    c->lost.retryable = code == HF_CONNECTION;
    secure_close(c->secure);
    c->secure = NULL;
    close(c->fd);
    c->fd = -1;
    c->life++;
    /* A callback may begin requests, which fail at once: the table only shrinks. */
    for (uint32_t i = 0; i < c->slot_count; i++) {
        if (c->slots[i].reply)
            fail_one(c, &c->slots[i]);
    }
    c->in_from = c->in_to = 0;
    hf_pack_reset(&c->out);
    c->out_sent = 0;
    c->building = false;
    return connection_fail(c, &c->lost);
}

int connection_distrust(struct hf_conn *c, const char *method)
{
    bool applied = c->last && c->last->applies;

    connection_lose(c, HF_PROTOCOL, "%s sent an unexpected result of %s", c->address, method);
    c->error.maybe_committed = applied;
    return HF_PROTOCOL;
}

static int lose_by_errno(struct hf_conn *c, int status)
{
    return connection_lose(c, HF_CONNECTION, "the connection to %s is lost: %s", c->address,
                           strerror(status));
}

static ssize_t wire_send(struct hf_conn *c, const void *bytes, size_t size)
{
    return c->secure ? secure_send(c->secure, bytes, size)
                     : send(c->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t wire_receive(struct hf_conn *c, void *to, size_t room, int flags)
{
    return c->secure ? secure_receive(c->secure, to, room, flags)
                     : recv(c->fd, to, room, flags);
}

/* Give the kernel what it takes now. */
static int connection_send(struct hf_conn *c)
{
    while (c->out_sent < c->out.size) {
        ssize_t n = wire_send(c, c->out.data + c->out_sent, c->out.size - c->out_sent);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        /* The server may have closed after an answer that says why: let the reader find
         * both, unless there is nothing to read. */
        if (n < 0)
            return errno;
        c->out_sent += (size_t)n;
        c->sent_total += (uint64_t)n;
        c->moves++;
    }
    if (c->out_sent == c->out.size) {
        hf_pack_reset(&c->out);
        c->out_sent = 0;
    } else if (c->out_sent > c->out.size / 2) {
        memmove(c->out.data, c->out.data + c->out_sent, c->out.size - c->out_sent);
        c->out.size -= c->out_sent;
        c->out_sent = 0;
    }
    return 0;
}

/* Understand whole frames and hand them out; what is left moves to the front when
 * the room behind it is used up. */
static int connection_take_frames(struct hf_conn *c)
{
    while (c->fd >= 0 && c->in_from < c->in_to) {
        struct slice bytes = slice_make(c->in + c->in_from, c->in_to - c->in_from);
        const char *instead;
        enum frame_state state = frame_scan_feed(&c->scan, bytes);

        if (state == FRAME_BROKEN)
            return connection_lose(c, HF_PROTOCOL, "%s sent bytes that are not MessagePack",
                                   c->address);
        if (c->scan.offset > c->options.reply_bytes_max)
            return connection_lose(c, HF_PROTOCOL, "%s sent a reply larger than %zu bytes",
                                   c->address, c->options.reply_bytes_max);
        if (state == FRAME_MORE)
            break;
        bytes.size = c->scan.offset;
        c->in_from += c->scan.offset;
        frame_scan_init(&c->scan);
        instead = reply_dispatch(c, bytes);
        if (instead)
            return connection_lose(c, HF_PROTOCOL, "%s sent %s", c->address, instead);
    }
    if (c->in_from == c->in_to)
        c->in_from = c->in_to = 0;
    return c->fd >= 0 ? HF_OK : c->lost.code;
}

static bool connection_make_room(struct hf_conn *c)
{
    size_t held = c->in_to - c->in_from;
    size_t capacity = c->in_capacity ? c->in_capacity : 2 * CONNECTION_READ_BYTES;
    uint8_t *in;

    if (c->in_capacity - c->in_to >= CONNECTION_READ_BYTES)
        return true;
    if (c->in_from > 0) {
        memmove(c->in, c->in + c->in_from, held);
        c->in_from = 0;
        c->in_to = held;
    }
    /* Grow only with what has arrived, never by what a head claims. */
    while (capacity - held < CONNECTION_READ_BYTES)
        capacity *= 2;
    if (capacity == c->in_capacity)
        return true;
    in = realloc(c->in, capacity);
    if (!in)
        return false;
    c->in = in;
    c->in_capacity = capacity;
    return true;
}

/* Read once. *got says whether anything came. */
static int connection_receive(struct hf_conn *c, int flags, bool *got)
{
    ssize_t n;

    *got = false;
    if (!connection_make_room(c))
        return connection_lose(c, HF_MEMORY, "out of memory for a reply");
    do {
        n = wire_receive(c, c->in + c->in_to, c->in_capacity - c->in_to, flags);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return HF_OK;
    if (n < 0)
        return lose_by_errno(c, errno);
    if (n == 0)
        return connection_lose(c, HF_CONNECTION, "%s has closed the connection", c->address);
    *got = true;
    c->moves++;
    c->in_to += (size_t)n;
    return connection_take_frames(c);
}

/* Sending has failed: hear what the server said before, then give up. */
static int connection_send_failed(struct hf_conn *c, int status)
{
    bool got = true;

    while (c->fd >= 0 && got)
        connection_receive(c, MSG_DONTWAIT, &got);
    if (c->fd >= 0)
        lose_by_errno(c, status);
    return connection_fail(c, &c->lost);
}

/* What it packs goes out when the waiting goes on. */
static void connection_wake(struct hf_conn *c)
{
    c->dispatching = true;
    c->wake(c->wake_ctx);
    c->dispatching = false;
}

int connection_pump(struct hf_conn *c, uint64_t until_ms)
{
    bool got = false;
    int status;

    if (c->fd < 0)
        return connection_fail(c, &c->lost);
    status = connection_send(c);
    if (status)
        return connection_send_failed(c, status);
    if (c->secure && secure_has_more(c->secure)) {
        status = connection_receive(c, MSG_DONTWAIT, &got);
        if (status || got)
            return status;
    }
    /* The kernel ends each receive after CONNECTION_RECEIVE_MS: no poll in the common case. */
    while (c->out.size == 0 && until_ms > 0 && c->wake_fd < 0 &&
           (until_ms == CLOCK_NEVER || clock_left_ms(until_ms) >= CONNECTION_RECEIVE_MS)) {
        status = connection_receive(c, 0, &got);
        if (status || got)
            return status;
    }
    if (until_ms > 0) {
        struct pollfd ready[] = {{.fd = c->fd, .events = hf_conn_events(c)},
                                 {.fd = c->wake_fd, .events = POLLIN}};
        int count = poll(ready, 2, clock_left_ms(until_ms));

        if (count < 0 && errno != EINTR)
            return lose_by_errno(c, errno);
        if (count <= 0)
            return HF_OK;
        if (ready[1].revents)
            connection_wake(c);
        status = connection_send(c);
        if (status)
            return connection_send_failed(c, status);
    }
    return connection_receive(c, MSG_DONTWAIT, &got);
}

int connection_wait_ms(const struct hf_conn *c, bool patient)
{
    if (c->options.timeout_ms > 0)
        return c->options.timeout_ms + CONNECTION_GRACE_MS;
    return c->options.timeout_ms < 0 || patient ? 0 : CONNECTION_TIMEOUT_MS;
}

uint64_t connection_until_ms(const struct hf_conn *c, bool patient)
{
    int wait_ms = connection_wait_ms(c, patient);

    return wait_ms ? clock_now_ms() + (uint64_t)wait_ms : CLOCK_NEVER;
}

int connection_wait(struct hf_conn *c)
{
    bool patient = c->patient_in_flight > 0;
    uint64_t until_ms = connection_until_ms(c, patient);
    uint64_t moves = c->moves;

    while (c->moves == moves) {
        int e = connection_pump(c, until_ms);

        if (e)
            return e;
        if (c->moves == moves && until_ms != CLOCK_NEVER && clock_now_ms() >= until_ms)
            return connection_lose(c, HF_TIMEOUT, "no reply from %s within %d ms", c->address,
                                   connection_wait_ms(c, patient));
    }
    return HF_OK;
}

static int misuse(struct hf_conn *c)
{
    return error_set(&c->error, HF_MISUSE,
                     "a function that waits was called inside a callback, or between "
                     "hf_call_begin and hf_call_end");
}

int hf_flush(struct hf_conn *c)
{
    int e = HF_OK;

    if (c->dispatching || c->building)
        return misuse(c);
    if (c->fd < 0)
        return connection_fail(c, &c->lost);
    /* Sending comes first: it may not have to wait. */
    if (c->out.size > 0)
        e = connection_pump(c, 0);
    while (e == HF_OK && c->out.size > 0)
        e = connection_wait(c);
    return e;
}

int hf_poll(struct hf_conn *c, int timeout_ms)
{
    uint64_t until_ms = timeout_ms < 0 ? CLOCK_NEVER : 0;

    if (c->dispatching || c->building)
        return misuse(c);
    if (timeout_ms > 0)
        until_ms = clock_now_ms() + (uint64_t)timeout_ms;
    return connection_pump(c, until_ms);
}

int hf_wait_all(struct hf_conn *c)
{
    if (c->dispatching || c->building)
        return misuse(c);
    while (c->in_flight > 0) {
        int e = connection_wait(c);

        if (e)
            return e;
    }
    return c->fd >= 0 ? HF_OK : connection_fail(c, &c->lost);
}

int hf_wait_any(struct hf_conn *c)
{
    uint64_t answered = c->answered;

    if (c->dispatching || c->building)
        return misuse(c);
    while (c->in_flight > 0 && c->answered == answered) {
        int e = connection_wait(c);

        if (e)
            return e;
    }
    return c->fd >= 0 ? HF_OK : connection_fail(c, &c->lost);
}

const struct hf_error *hf_conn_error(const struct hf_conn *c)
{
    return &c->error;
}

const char *hf_conn_address(const struct hf_conn *c)
{
    return c->address;
}

int hf_conn_fd(const struct hf_conn *c)
{
    return c->fd;
}

short hf_conn_events(const struct hf_conn *c)
{
    return (short)(POLLIN | (c->out_sent < c->out.size ? POLLOUT : 0));
}

void hf_on_pushed(struct hf_conn *c, hf_pushed_fn fn, void *ctx)
{
    c->pushed = fn;
    c->pushed_ctx = ctx;
}

void hf_on_wake(struct hf_conn *c, int fd, hf_wake_fn fn, void *ctx)
{
    c->wake_fd = fn ? fd : -1;
    c->wake = fn;
    c->wake_ctx = ctx;
}

void hf_set_timeout(struct hf_conn *c, int timeout_ms)
{
    c->options.timeout_ms = timeout_ms;
}

/* [2, "cancel", [id, {keep: true}]]: a notification, so nothing more is to be answered. */
int hf_cancel(struct hf_conn *c)
{
    if (c->building)
        return misuse(c);
    if (c->fd < 0)
        return connection_fail(c, &c->lost);
    for (uint32_t i = 0; i < c->slot_count; i++) {
        if (!c->slots[i].reply)
            continue;
        hf_pack_array(&c->out, 3);
        hf_pack_uint(&c->out, 2);
        hf_pack_text(&c->out, "cancel");
        hf_pack_array(&c->out, 2);
        hf_pack_uint(&c->out, c->slots[i].reply->id);
        hf_pack_map(&c->out, 1);
        hf_pack_text(&c->out, "keep");
        hf_pack_bool(&c->out, true);
    }
    return c->out.failed ? connection_lose(c, HF_MEMORY, "out of memory for a request") : HF_OK;
}

unsigned hf_in_flight(const struct hf_conn *c)
{
    return c->in_flight;
}
