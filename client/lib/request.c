/* request.c - requests: packed straight into the output queue, and waited for. */
#include "client/lib/conn_struct.h"
#include "proto/methods.h"
#include "proto/msgpack.h"

#include <stdlib.h>

/* Whether a request that is lost may have been applied: never, unless it is autocommit, or
 * always. A method that this library does not know may do anything. */
static enum request_applies method_applies(const char *name)
{
    const struct method *m = name[0] ? method_find(slice_text(name)) : NULL;

    if (!m || m == &method_table[METHOD_COMMIT])
        return APPLIES_ALWAYS;
    /* What this version lacks a later server may have, and then it may write. */
    if (!(m->flags & (METHOD_WRITES | METHOD_ABSENT)))
        return APPLIES_NEVER;
    return m->flags & METHOD_TAKES_T ? APPLIES_AUTOCOMMIT : APPLIES_ALWAYS;
}

/* What takes the longer the more data there is, or waits for others, and is worth waiting for. */
static bool method_is_patient(const char *name)
{
    return strcmp(name, "create_index") == 0 || strcmp(name, "amalgamate") == 0 ||
           strcmp(name, "rotate") == 0 || strcmp(name, "attach") == 0 ||
           strcmp(name, "upgrade") == 0 || strcmp(name, "drop_database") == 0 ||
           strcmp(name, "check_data") == 0;
}

/* Wait while the queue or the table of requests is full. In a callback there is no
 * waiting; the slot of the reply at hand is free there. */
static void wait_for_room(struct hf_conn *c)
{
    while (c->fd >= 0 && !c->dispatching &&
           (c->in_flight >= c->options.in_flight_max ||
            c->out.size - c->out_sent > CONNECTION_QUEUE_BYTES_MAX))
        connection_wait(c);
}

struct hf_pack *hf_call_begin(struct hf_conn *c, const char *method, uint32_t count)
{
    uint32_t slot, id;

    if (c->building) /* two at once would be mixed: the first is given up */
        hf_call_cancel(c);
    wait_for_room(c);
    c->building = true;
    c->building_from = c->out.size;
    c->building_count = count;
    c->building_applies = method_applies(method);
    c->building_patient = method_is_patient(method);
    slot = c->free_count ? c->free_slots[c->free_count - 1] : 0;
    id = c->slots[slot].uses * c->slot_count + slot;
    hf_pack_array(&c->out, 4);
    hf_pack_uint(&c->out, 0);
    hf_pack_uint(&c->out, id);
    hf_pack_text(&c->out, method);
    hf_pack_array(&c->out, count);
    c->building_params = c->out.size;
    return &c->out;
}

void hf_call_cancel(struct hf_conn *c)
{
    if (!c->building)
        return;
    c->building = false;
    c->out.size = c->building_from;
    c->out.failed = false;
}

/* Whether what was packed is as many whole values as were promised. A broken frame would
 * cost the connection. */
static bool request_is_whole(const struct hf_conn *c)
{
    struct slice rest =
        slice_make(c->out.data + c->building_params, c->out.size - c->building_params);
    struct frame_scan scan = {0, c->building_count};

    if (c->building_count == 0)
        return rest.size == 0;
    return frame_scan_feed(&scan, rest) == FRAME_WHOLE && scan.offset == rest.size;
}

static bool request_applies(const struct hf_conn *c)
{
    struct msgpack_cursor params = msgpack_open(
        slice_make(c->out.data + c->building_params, c->out.size - c->building_params));
    uint64_t t;

    if (c->building_applies != APPLIES_AUTOCOMMIT)
        return c->building_applies == APPLIES_ALWAYS;
    /* In a transaction only if t says so surely, in whichever form it was packed. */
    return c->building_count == 0 || msgpack_read_uint_wide(&params, &t) != ERR_OK || t == 0;
}

/* What forbids sending what was built. */
static int request_judge(struct hf_conn *c)
{
    size_t size = c->out.size - c->building_from;

    if (!c->building)
        return error_set(&c->error, HF_MISUSE, "no request was begun");
    if (c->fd < 0)
        return connection_fail(c, &c->lost);
    if (c->out.failed)
        return error_set(&c->error, HF_MEMORY, "out of memory for a request");
    if (!request_is_whole(c))
        return error_set(&c->error, HF_MISUSE,
                         "the parameters packed are not the %u values announced",
                         c->building_count);
    if (size > c->options.request_bytes_max)
        return error_set(&c->error, HF_TOO_LARGE,
                         "request too large: %zu bytes, the limit is %zu", size,
                         c->options.request_bytes_max);
    if (c->free_count == 0)
        return error_set(&c->error, HF_MISUSE, "too many requests begun in callbacks");
    return HF_OK;
}

static int request_end(struct hf_conn *c, hf_reply_fn fn, void *ctx, struct hf_reply **out)
{
    struct hf_reply *reply = NULL;
    uint32_t slot;
    int e = request_judge(c);

    if (e == HF_OK) {
        reply = reply_new(c);
        if (!reply)
            e = error_set(&c->error, HF_MEMORY, "out of memory for a reply");
    }
    if (e) {
        hf_call_cancel(c);
        return e;
    }
    slot = c->free_slots[--c->free_count];
    reply->id = c->slots[slot].uses++ * c->slot_count + slot;
    reply->fn = fn;
    reply->ctx = ctx;
    reply->applies = request_applies(c);
    reply->patient = c->building_patient;
    reply->sent_at = c->sent_total + (c->out.size - c->out_sent);
    c->slots[slot].reply = reply;
    c->in_flight++;
    c->patient_in_flight += reply->patient;
    c->building = false;
    *out = reply;
    /* A loss now shows in the reply, which is in flight already. */
    if (c->out.size - c->out_sent >= CONNECTION_SEND_AT_BYTES && !c->dispatching)
        connection_pump(c, 0);
    return HF_OK;
}

int hf_call_end(struct hf_conn *c, struct hf_reply **out)
{
    *out = NULL;
    return request_end(c, NULL, NULL, out);
}

int hf_call_end_callback(struct hf_conn *c, hf_reply_fn fn, void *ctx)
{
    struct hf_reply *ignored;

    return request_end(c, fn, ctx, &ignored);
}

int hf_wait(struct hf_reply *reply)
{
    struct hf_conn *c = reply->conn;
    uint64_t until_ms;

    if (!reply->done && (c->dispatching || c->building))
        return error_set(&c->error, HF_MISUSE,
                         "hf_wait was called inside a callback, or "
                         "between hf_call_begin and hf_call_end");
    until_ms = reply->done ? 0 : connection_until_ms(c, reply->patient);
    while (!reply->done) {
        connection_pump(c, until_ms); /* a loss finishes the reply too */
        if (!reply->done && until_ms != CLOCK_NEVER && clock_now_ms() >= until_ms) {
            error_set(&c->error, HF_TIMEOUT, "no reply from %s within %d ms", c->address,
                      connection_wait_ms(c, reply->patient));
            c->error.maybe_committed = reply->applies && reply->sent_at <= c->sent_total;
            c->error.retryable = !c->error.maybe_committed;
            return HF_TIMEOUT;
        }
    }
    if (reply->error.code)
        connection_fail(c, &reply->error);
    return reply->error.code;
}
