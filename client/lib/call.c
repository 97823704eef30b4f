/* call.c - what the blocking forms have in common: options at a request's end, and
 * waiting for one answer whose bytes stay until the next call. */
#include "client/lib/connection_internal.h"

#include <stdlib.h>

void call_options_bool(struct call_options *o, const char *name, bool set)
{
    if (!set)
        return;
    hf_pack_text(&o->pack, name);
    hf_pack_bool(&o->pack, true);
    o->pairs++;
}

void call_options_uint(struct call_options *o, const char *name, uint64_t n)
{
    hf_pack_text(&o->pack, name);
    hf_pack_uint(&o->pack, n);
    o->pairs++;
}

void call_options_text(struct call_options *o, const char *name, const char *text)
{
    hf_pack_text(&o->pack, name);
    hf_pack_text(&o->pack, text);
    o->pairs++;
}

void call_options_raw(struct call_options *o, const char *name, struct hf_bytes value)
{
    hf_pack_text(&o->pack, name);
    hf_pack_raw(&o->pack, value);
    o->pairs++;
}

struct hf_pack *call_start(struct hf_conn *c, const char *method, uint32_t count,
                           const struct call_options *options)
{
    bool has_map = c->options.timeout_ms > 0 || (options && options->pairs > 0);

    return hf_call_begin(c, method, count + has_map);
}

int call_send(struct hf_conn *c, struct call_options *options, struct hf_reply **out)
{
    uint32_t pairs = (options ? options->pairs : 0) + (c->options.timeout_ms > 0);

    if (pairs > 0) {
        hf_pack_map(&c->out, pairs);
        if (c->options.timeout_ms > 0) {
            hf_pack_text(&c->out, "deadline_ms");
            hf_pack_uint(&c->out, (uint64_t)c->options.timeout_ms);
        }
        if (options && options->pack.size > 0)
            hf_pack_raw(&c->out, hf_pack_bytes(&options->pack));
        if (options && options->pack.failed)
            c->out.failed = true;
    }
    if (options)
        hf_pack_fini(&options->pack);
    *out = NULL;
    return hf_call_end(c, out);
}

int call_finish(struct hf_conn *c, struct call_options *options, struct hf_bytes *result)
{
    struct hf_reply *reply;
    int e;

    if (c->dispatching) {
        hf_call_cancel(c);
        if (options)
            hf_pack_fini(&options->pack);
        return error_set(&c->error, HF_MISUSE, "a blocking form inside of a callback");
    }
    /* The last answer goes only now: the parameters just packed may have pointed into it. */
    e = call_send(c, options, &reply);
    hf_reply_free(c->last);
    c->last = reply;
    if (e == HF_OK)
        e = hf_wait(reply);
    if (e == HF_OK && result)
        *result = hf_reply_result(reply);
    return e;
}

int hf_call(struct hf_conn *c, const char *method, struct hf_bytes params,
            struct hf_bytes *result)
{
    const uint8_t *head = params.data;
    size_t skip = 0;
    uint32_t count = 0;
    struct hf_pack *p;

    if (params.size > 0 && (head[0] & 0xf0) == 0x90) {
        skip = 1;
        count = head[0] & 0x0f;
    } else if (params.size > 3 && head[0] == 0xdc) {
        skip = 3;
        count = (uint32_t)head[1] << 8 | head[2];
    }
    if (skip == 0)
        return error_set(&c->error, HF_MISUSE,
                         "the parameters of hf_call are one packed array");
    p = hf_call_begin(c, method, count);
    if (params.size > skip)
        hf_pack_raw(p, (struct hf_bytes){head + skip, params.size - skip});
    return call_finish(c, NULL, result);
}
