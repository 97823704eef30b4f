/* call.c - what the blocking forms have in common: options at a request's end, and
 * waiting for one answer whose bytes stay until the next call. */
#include "client/lib/conn_struct.h"
#include "proto/methods.h"
#include "proto/msgpack.h"

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

static bool has_deadline(const struct hf_conn *c)
{
    return c->options.timeout_ms > 0;
}

struct hf_pack *call_start(struct hf_conn *c, const char *method, uint32_t count,
                           const struct call_options *options)
{
    bool has_map = has_deadline(c) || (options && options->pairs > 0);

    return hf_call_begin(c, method, count + has_map);
}

int call_send(struct hf_conn *c, struct call_options *options, struct hf_reply **out)
{
    bool verbatim = options && options->verbatim;
    uint32_t pairs = verbatim ? 0 : (options ? options->pairs : 0) + has_deadline(c);

    if (pairs > 0) {
        hf_pack_map(&c->out, pairs);
        if (has_deadline(c)) {
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
        return error_set(&c->error, HF_MISUSE,
                         "a function that waits was called inside a callback");
    }
    /* The last answer goes only now: the parameters just packed may have pointed into it. */
    e = call_send(c, options, &reply);
    hf_reply_free(c->last);
    hf_pack_fini(&c->joined);
    c->last = reply;
    if (e == HF_OK)
        e = hf_wait(reply);
    if (e == HF_OK && result)
        *result = hf_reply_result(reply);
    return e;
}

/* The parameters of hf_call, taken apart. */
struct call_params {
    struct slice fixed; /* those before the map of options */
    uint32_t count, declared;
    uint32_t pairs; /* of the map that was given; 0: none was */
    struct slice map;
};

/* Whether m takes the connection's deadline beside what was given: not if the caller gives
 * one, nor where the parameters are not those that m declares, which the server will say. */
static bool params_take_deadline(struct call_params *params, const struct method *m)
{
    struct slice rest = params->fixed, value, name;
    struct msgpack_cursor in;

    while (params->declared < METHOD_PARAMS_MAX &&
           m->params[params->declared].type != PARAM_NONE)
        params->declared++;
    if (params->count > params->declared + 1)
        return false;
    for (uint32_t i = 0; i < params->declared && i < params->count; i++) {
        if (!frame_take(&rest, &value))
            return false;
    }
    params->fixed.size -= rest.size;
    if (params->count <= params->declared)
        return rest.size == 0;
    in = msgpack_open(rest);
    if (rest.data[0] == 0xc0)
        return rest.size == 1;
    if (msgpack_read_map(&in, &params->pairs) != ERR_OK)
        return false;
    rest = params->map = slice_make(in.at, (size_t)(in.end - in.at));
    for (uint32_t i = 0; i < params->pairs; i++) {
        if (!frame_take(&rest, &name) || !frame_take(&rest, &value))
            return false;
        in = msgpack_open(name);
        if (msgpack_read_text(&in, &name) == ERR_OK &&
            slice_equal(name, slice_text("deadline_ms")))
            return false;
    }
    return rest.size == 0;
}

static void pack_slice(struct hf_pack *p, struct slice bytes)
{
    if (bytes.size > 0)
        hf_pack_raw(p, (struct hf_bytes){bytes.data, bytes.size});
}

int hf_call(struct hf_conn *c, const char *method, struct hf_bytes params,
            struct hf_bytes *result)
{
    const struct method *m = method[0] ? method_find(slice_text(method)) : NULL;
    struct msgpack_cursor in = msgpack_open(slice_make(params.data, params.size));
    struct call_options o = {0};
    struct call_params given = {.count = 0};
    struct hf_pack *p;

    if (msgpack_read_array(&in, &given.count) != ERR_OK)
        return error_set(&c->error, HF_MISUSE,
                         "the parameters of hf_call must be one packed array");
    given.fixed = slice_make(in.at, (size_t)(in.end - in.at));
    if (has_deadline(c) && m && !(m->flags & METHOD_ABSENT) &&
        params_take_deadline(&given, m)) {
        p = call_start(c, method, given.declared, &o);
        pack_slice(p, given.fixed);
        for (uint32_t i = given.count; i < given.declared; i++)
            hf_pack_nil(p);
        pack_slice(&o.pack, given.map);
        o.pairs = given.pairs;
    } else {
        p = hf_call_begin(c, method, given.count);
        pack_slice(p, slice_make(in.at, (size_t)(in.end - in.at)));
        o.verbatim = true;
    }
    return call_finish(c, &o, result);
}
