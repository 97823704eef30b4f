/* client_model_ask.c - the requests: what was asked, for which transaction, and what it would
 * write. */
#include "tests/sim/client_model_internal.h"

#include "proto/msgpack.h"

#include <stdlib.h>

#define DEPTH_MAX 28 /* msgpack-c gives up at 32 */

static bool is_method(const struct method *m, enum method_id id)
{
    return m == &method_table[id];
}

void model_pend(struct model_txn *t, const struct model_effect *e)
{
    t->pending = model_more(t->pending, t->pending_count, sizeof *t->pending);
    t->pending[t->pending_count++] = *e;
}

static struct model_handle *handle_find(struct model_client *c, uint32_t t)
{
    for (unsigned i = 0; i < c->handle_count; i++)
        if (c->handles[i].t == t)
            return &c->handles[i];
    return NULL;
}

static struct model_txn *txn_begin(struct model_client *c, uint32_t t)
{
    struct model *m = c->model;
    struct model_handle *handle = handle_find(c, t);
    struct model_txn *txn = calloc(1, sizeof *txn);

    if (!txn)
        abort();
    m->txns = model_more(m->txns, m->txn_count, sizeof(*m->txns));
    m->txns[m->txn_count++] = txn;
    if (!handle) {
        c->handles = model_more(c->handles, c->handle_count, sizeof *c->handles);
        handle = &c->handles[c->handle_count++];
        handle->t = t;
    }
    handle->txn = txn;
    return txn;
}

static uint32_t number_of(const msgpack_object *o)
{
    return o && o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= UINT32_MAX
               ? (uint32_t)o->via.u64
               : 0;
}

static const msgpack_object *param(const msgpack_object *params, unsigned at)
{
    static const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};

    return params->type == MSGPACK_OBJECT_ARRAY && at < params->via.array.size
               ? &params->via.array.ptr[at]
               : &nil;
}

static void add_effect(struct model_request *r, struct model_effect e)
{
    r->effects = model_more(r->effects, r->effect_count, sizeof *r->effects);
    r->effects[r->effect_count++] = e;
}

/* What the method would write; first: the first parameter that is not t. */
static void read_effects(struct model *m, struct model_request *r, const struct method *method,
                         const msgpack_object *params, unsigned first)
{
    int store = model_store_of(m, param(params, first));

    if (is_method(method, METHOD_PUT) || is_method(method, METHOD_INSERT))
        add_effect(r, (struct model_effect){
                          .store = store,
                          .key = model_key_of(param(params, first + 2)),
                          .n = model_value_of(param(params, first + 1)),
                          .key_told = true,
                      });
    else if (is_method(method, METHOD_DELETE))
        add_effect(r, (struct model_effect){
                          .store = model_key_of(param(params, first + 1)) < 0 ? -1 : store,
                          .key = model_key_of(param(params, first + 1))});
    else if (is_method(method, METHOD_CLEAR_STORE) || is_method(method, METHOD_DROP_STORE))
        add_effect(r, (struct model_effect){.store = store, .whole_store = true});
    else if (is_method(method, METHOD_RENAME_STORE)) {
        add_effect(r, (struct model_effect){.store = store, .key = -1});
        add_effect(r, (struct model_effect){
                          .store = model_store_of(m, param(params, first + 1)), .key = -1});
    } else if ((method->flags & METHOD_WRITES) && !is_method(method, METHOD_CREATE_STORE))
        add_effect(r, (struct model_effect){.store = store, .key = -1});
}

static void read_run(struct model *m, struct model_request *r, const msgpack_object *params)
{
    const msgpack_object *ops = param(params, 0);

    for (uint32_t i = 0; ops->type == MSGPACK_OBJECT_ARRAY && i < ops->via.array.size; i++) {
        const msgpack_object *name = param(&ops->via.array.ptr[i], 0);
        const struct method *method =
            name->type == MSGPACK_OBJECT_STR
                ? method_find(slice_make(name->via.str.ptr, name->via.str.size))
                : NULL;

        if (method)
            read_effects(m, r, method, param(&ops->via.array.ptr[i], 1), 0);
    }
    for (unsigned i = 0; i < r->effect_count; i++) {
        r->effects[i].key_told = false; /* its place among the results is not sought */
        if (r->effects[i].n == 0)       /* nor whether there was one to delete */
            r->effects[i].n = MODEL_UNKNOWN;
    }
}

static const msgpack_object *options_of(const msgpack_object *params, const struct method *m)
{
    unsigned declared = 0;

    while (m->params[declared].type)
        declared++;
    return param(params, declared);
}

static bool option_is(const msgpack_object *options, const char *name, const char *word)
{
    const msgpack_object *o = model_field(options, name);

    return o && o->type == MSGPACK_OBJECT_STR &&
           slice_equal(slice_make(o->via.str.ptr, o->via.str.size), slice_text(word));
}

/* at: the place of t among the parameters. */
static void read_begin(struct model_client *c, struct model_request *r, unsigned at,
                       const msgpack_object *params, const msgpack_object *options)
{
    uint32_t t = number_of(param(params, at));
    struct model_handle *handle = t ? handle_find(c, t) : NULL;
    const msgpack_object *label = model_field(options, "label");

    if (handle && !handle->txn->end_sent) {
        handle->txn->is_unknown = true;
        return;
    }
    if (!t)
        return;
    r->is_begin = true;
    r->txn = txn_begin(c, t);
    r->txn->carry_on = option_is(options, "on_error", "continue");
    r->txn->interval = option_is(options, "durability", "interval");
    if (label && label->type == MSGPACK_OBJECT_STR)
        text_label_set(&r->txn->label, slice_make(label->via.str.ptr, label->via.str.size));
}

/* The transaction that the request names, by its handle or a cursor. */
static struct model_txn *txn_named(struct model_client *c, const struct method *m,
                                   const msgpack_object *params, uint32_t *t)
{
    const msgpack_object *named =
        params->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? params : model_field(params, "t");
    struct model_handle *handle;

    if (m && (m->flags & METHOD_CURSOR)) {
        for (unsigned i = 0; i < c->cursor_count; i++)
            if (c->cursors[i].number == number_of(param(params, 0)))
                return c->cursors[i].txn && !c->cursors[i].txn->end_sent ? c->cursors[i].txn
                                                                         : NULL;
        return NULL;
    }
    if (m && !(m->flags & METHOD_TAKES_T))
        return NULL;
    *t = number_of(named ? named : param(params, 0));
    handle = *t ? handle_find(c, *t) : NULL;
    return handle && !handle->txn->end_sent ? handle->txn : NULL;
}

/* What concerns databases. Nobody drops "main", to which those belong who are judged. */
static void read_database(struct model_client *c, const struct method *m,
                          const msgpack_object *params)
{
    const msgpack_object *name = param(params, 0);

    if (!m)
        return;
    if (is_method(m, METHOD_HELLO) && model_field(name, "database"))
        c->is_elsewhere = true;
    if (m->flags & METHOD_OPENER || is_method(m, METHOD_DROP_DATABASE))
        c->is_asked = true;
    if (is_method(m, METHOD_DROP_DATABASE) && name->type == MSGPACK_OBJECT_STR &&
        slice_equal(slice_make(name->via.str.ptr, name->via.str.size), slice_text("main")))
        c->model->is_blind = true;
}

/* `cancel`: of a request that was sent before it. */
static void read_cancel(struct model_client *c, const msgpack_object *params,
                        const msgpack_object *options)
{
    const msgpack_object *keep = model_field(options, "keep");
    bool keeps = keep && keep->type == MSGPACK_OBJECT_BOOLEAN && keep->via.boolean;

    for (unsigned i = 0; i < c->request_count; i++) {
        struct model_request *r = c->requests[i];

        if (r->msgid != number_of(param(params, 0)))
            continue;
        r->cancels |= keeps ? MODEL_CANCEL_KEEPS : MODEL_CANCEL_DOOMS;
        if (r->txn && !keeps)
            r->txn->is_cancelled = true;
    }
}

static void read_request(struct model_client *c, struct model_request *r,
                         const msgpack_object *params)
{
    const struct method *m = r->method;
    const msgpack_object *options;

    if (m && m->flags & METHOD_BEGINS) {
        read_begin(c, r, is_method(m, METHOD_UPGRADE), params, options_of(params, m));
        return;
    }
    read_database(c, m, params);
    r->txn = txn_named(c, m, params, &r->t);
    if (!m)
        return;
    options = options_of(params, m);
    r->has_token = model_field(options, "token") != NULL;
    r->interval = option_is(options, "durability", "interval");
    r->is_commit = is_method(m, METHOD_COMMIT);
    r->is_end = r->is_commit || is_method(m, METHOD_ROLLBACK);
    if (is_method(m, METHOD_CANCEL))
        read_cancel(c, params, options);
    if (is_method(m, METHOD_RUN))
        read_run(c->model, r, params);
    else if (m->flags & METHOD_WRITES && !is_method(m, METHOD_DROP_DATABASE))
        read_effects(c->model, r, m, params, 1);
    if (is_method(m, METHOD_GET) && !r->t) {
        r->store = model_store_of(c->model, param(params, 1));
        r->key = model_key_of(param(params, 2));
        r->reads_cell = r->store >= 0 && r->key >= 0 && !c->is_elsewhere;
    }
    for (unsigned i = 0; c->is_elsewhere && i < r->effect_count; i++) {
        r->effects[i].n = MODEL_UNKNOWN; /* it was written here, or in another database */
        r->effects[i].key_told = false;
    }
    if (r->txn && r->is_end)
        r->txn->end_sent = true;
}

/* Nobody will say what comes of it. */
static void forget(struct model_client *c, struct model_request *r)
{
    for (unsigned i = 0; i < r->effect_count; i++) {
        r->effects[i].n = MODEL_UNKNOWN;
        r->effects[i].key = -1;
        r->effects[i].whole_store = false;
    }
    model_apply(c->model, r->effects, r->effect_count, 0, 0, false);
    if (r->txn) {
        r->txn->is_unknown = true;
        r->txn->is_untold |= r->is_commit;
        for (unsigned i = 0; r->is_commit && i < r->txn->pending_count; i++)
            r->txn->pending[i].n = MODEL_UNKNOWN;
        if (r->is_commit)
            model_apply(c->model, r->txn->pending, r->txn->pending_count, 0, 0, false);
    }
    free(r->effects);
    free(r);
}

static void take_message(struct model_client *c, const msgpack_object *o)
{
    const msgpack_object *part = o->via.array.ptr;
    bool is_request = o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size == 4 &&
                      part[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER && part[0].via.u64 == 0 &&
                      part[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
                      part[1].via.u64 <= UINT32_MAX;
    bool is_notification = o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size == 3 &&
                           part[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
                           part[0].via.u64 == 2;
    const msgpack_object *name = is_request ? part + 2 : part ? part + 1 : NULL;
    struct model_request *r;
    bool is_answered;

    model_say(c, "->", o);
    if (!is_request && !is_notification) {
        c->is_broken = c->is_unread = true;
        return;
    }
    r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->sent = ++c->model->now;
    r->msgid = is_request ? (uint32_t)part[1].via.u64 : 0;
    if (name->type == MSGPACK_OBJECT_STR)
        r->method = method_find(slice_make(name->via.str.ptr, name->via.str.size));
    for (unsigned i = 0; i < c->request_count; i++)
        if (is_request && c->requests[i]->msgid == r->msgid)
            c->is_broken = true; /* if the one before is still in flight */
    read_request(c, r, name + 1);
    is_answered = is_request && c->is_refused_early && c->refused_msgid == r->msgid;
    c->is_refused_early = false;
    if (is_notification || is_answered || c->is_broken) {
        forget(c, r);
        return;
    }
    c->requests = model_more(c->requests, c->request_count, sizeof(*c->requests));
    c->requests[c->request_count++] = r;
}

void model_sent(struct model_client *c, struct slice bytes)
{
    struct msgpack_limits limits = {c->frame_bytes_max, SIZE_MAX, DEPTH_MAX};
    size_t taken = 0;

    buffer_put(&c->model->said, bytes.data, bytes.size);
    for (unsigned i = 0; c->hidden && c->hidden[i]; i++)
        if (memmem(bytes.data, bytes.size, c->hidden[i], strlen(c->hidden[i])))
            c->said |= UINT32_C(1) << i;
    if (c->is_over || c->eof)
        return;
    buffer_put(&c->out, bytes.data, bytes.size);
    while (!c->is_unread && taken < c->out.size) {
        struct msgpack_scan scan;
        msgpack_unpacked u;
        size_t offset = 0;
        enum err e;

        msgpack_scan_init(&scan);
        e = msgpack_scan_feed(&scan, c->out.data + taken, c->out.size - taken, &limits);
        if (e == ERR_WAIT)
            break;
        if (e) {
            c->is_broken = c->is_unread = true;
            c->model->is_blind |= e == ERR_TOO_LARGE; /* what stands behind it may be read */
            break;
        }
        msgpack_unpacked_init(&u);
        if (msgpack_unpack_next(&u, (char *)c->out.data + taken, scan.offset, &offset) !=
            MSGPACK_UNPACK_SUCCESS)
            model_fail("msgpack-c does not take a message that the scanner takes");
        take_message(c, &u.data);
        msgpack_unpacked_destroy(&u);
        taken += scan.offset;
    }
    if (taken)
        memmove(c->out.data, c->out.data + taken, c->out.size - taken);
    c->out.size -= taken;
}
