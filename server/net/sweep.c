/* sweep.c - see sweep.h. */
#include "server/net/sweep.h"

#include "server/base/assert.h"
#include "server/net/session_backup.h"

/* Why a connection is to be closed that has had its time, its replies and messages included.
 * *why: for the log; NULL: it has come to its end as it should. */
static bool has_had_its_time(const struct connection *c, uint64_t now_ms, const char **why)
{
    const struct options *o = &c->server->options;

    *why = NULL;
    if (c->state == CONNECTION_SHUT)
        return now_ms - c->shut_ms > CONNECTION_LINGER_MS;
    if (c->state != CONNECTION_OPEN)
        return false;
    if (c->seat == SEAT_STANDING && now_ms - c->opened_ms > CONNECTION_STANDING_MS)
        return true;
    *why = "the client did not log in in time (login-time)";
    return !c->is_seated && c->seat == SEAT_STRANGER &&
           now_ms - c->opened_ms > o->login_time + c->held_ms;
}

/* Whether the client takes nothing of what is being written to it. */
static bool has_stalled(struct connection *c, uint64_t now_ms)
{
    size_t unwritten;

    if (!c->write_busy)
        return false;
    unwritten = uv_stream_get_write_queue_size(&c->uv.stream);
    if (unwritten < c->unwritten)
        c->progress_ms = now_ms;
    c->unwritten = unwritten;
    return now_ms - c->progress_ms > c->server->options.output_stall;
}

/* Whether the rest of a message does not come. */
static bool is_too_slow(struct connection *c, uint64_t now_ms)
{
    if (!c->frame_begun_ms)
        return false;
    if (!c->reading)
        c->frame_begun_ms = now_ms; /* it is we who wait */
    return now_ms - c->frame_begun_ms > c->server->options.frame_time;
}

/* A connection that does nothing keeps no buffers. */
static void release_buffers(struct connection *c)
{
    if (!c->input.used)
        net_buffer_clear(&c->input, 0);
    if (!c->output.used)
        net_buffer_clear(&c->output, 0);
    if (c->transport.tls && !c->transport.in.used && !c->transport.out.used) {
        net_buffer_clear(&c->transport.in, 0);
        net_buffer_clear(&c->transport.out, 0);
    }
    if (!c->writing.used)
        net_buffer_clear(&c->writing, 0);
    if (!c->lent.used)
        net_buffer_clear(&c->lent, 0);
}

void sweep_connection(struct connection *c, uint64_t now_ms)
{
    const struct options *o = &c->server->options;
    uint64_t idle_since = now_ms > o->transaction_idle ? now_ms - o->transaction_idle : 0;
    const char *why;

    ASSERT(c->state < CONNECTION_CLOSING); /* else it is in no list any more */
    if (has_had_its_time(c, now_ms, &why)) {
        connection_close(c, why);
        return;
    }
    if (c->state == CONNECTION_SHUT)
        return;
    if (c->held_until_ms && now_ms >= c->held_until_ms) {
        c->held_until_ms = 0;
        session_flush_later(&c->session);
        session_ready(&c->session);
    }
    if (has_stalled(c, now_ms)) {
        connection_close(c, "the client does not read its replies (output-stall)");
        return;
    }
    if (is_too_slow(c, now_ms)) {
        connection_close(c, "incomplete message (frame-time)");
        return;
    }
    if (c->rests)
        release_buffers(c);
    c->rests = true;
    strand_close_idle(&c->session, idle_since);
    session_backups_close(&c->session, idle_since);
}
