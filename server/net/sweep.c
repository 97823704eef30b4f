/* sweep.c - see sweep.h. */
#include "server/net/sweep.h"

#include "server/net/session_backup.h"

void sweep_connection(struct connection *c, uint64_t now_ms)
{
    const struct options *o = &c->server->options;

    if (c->state == CONNECTION_SHUT) {
        if (now_ms - c->shut_ms > CONNECTION_LINGER_MS)
            connection_close(c, NULL);
        return;
    }
    if (c->seat == SEAT_STANDING && c->state == CONNECTION_OPEN &&
        now_ms - c->opened_ms > CONNECTION_STANDING_MS) {
        connection_close(c, NULL);
        return;
    }
    if (c->held_until_ms && now_ms >= c->held_until_ms) {
        c->held_until_ms = 0;
        session_flush_later(&c->session);
        session_ready(&c->session);
    }
    if (!c->is_seated && c->seat == SEAT_STRANGER && c->state == CONNECTION_OPEN &&
        now_ms - c->opened_ms > o->login_time + c->held_ms) {
        connection_close(c, "the client did not log in in time (login-time)");
        return;
    }
    if (c->write_busy) {
        size_t now = uv_stream_get_write_queue_size(&c->uv.stream);

        if (now < c->unwritten)
            c->progress_ms = now_ms;
        c->unwritten = now;
        if (now_ms - c->progress_ms > o->output_stall) {
            connection_close(c, "the client does not read its replies (output-stall)");
            return;
        }
    }
    if (c->frame_begun_ms) {
        if (!c->reading)
            c->frame_begun_ms = now_ms; /* it is we who wait */
        else if (now_ms - c->frame_begun_ms > o->frame_time) {
            connection_close(c, "incomplete message (frame-time)");
            return;
        }
    }
    if (c->rests && !c->write_busy) {
        if (!c->input.used)
            net_buffer_clear(&c->input, 0);
        if (!c->output.used)
            net_buffer_clear(&c->output, 0);
        if (c->transport.tls && !c->transport.in.used && !c->transport.out.used) {
            net_buffer_clear(&c->transport.in, 0);
            net_buffer_clear(&c->transport.out, 0);
        }
        net_buffer_clear(&c->writing, 0);
    }
    c->rests = true;
    strand_close_idle(&c->session,
                      now_ms > o->transaction_idle ? now_ms - o->transaction_idle : 0);
    session_backups_close(&c->session,
                          now_ms > o->transaction_idle ? now_ms - o->transaction_idle : 0);
}
