/* client_model_answer.c - the answers: each against the request that it belongs to. */
#include "tests/sim/client_model_internal.h"

#include "proto/error.h"
#include "proto/msgpack.h"

#include "tests/sim/totals.h"
#include <stdlib.h>

static struct slice text_of(const msgpack_object *o)
{
    return o && o->type == MSGPACK_OBJECT_STR ? slice_make(o->via.str.ptr, o->via.str.size)
                                              : SLICE_NONE;
}

static uint64_t uint_of(const msgpack_object *o)
{
    return o && o->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? o->via.u64 : 0;
}

/* ---- M-2 ---- */

static void judge_said(struct model *m, const char *what, const msgpack_object *o)
{
    struct slice text = text_of(o);

    if (slice_is_none(text) || text.size == 0)
        return;
    if (!memmem(m->said.data, m->said.size, text.data, text.size))
        model_fail("%s \"%.*s\" (%zu bytes) was sent by nobody (M-2)", what, (int)text.size,
                   (const char *)text.data, text.size);
}

/* A message is for people: no byte of it moves the cursor of a terminal. */
static void judge_message(const msgpack_object *o)
{
    struct slice text = text_of(o);

    if (text.size == 0)
        model_fail("an error without a message (M-2)");
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < 0x20 || text.data[i] == 0x7f)
            model_fail("a message with byte %02x: %.*s (M-2)", text.data[i], (int)text.size,
                       (const char *)text.data);
}

/* M-4 */
static void judge_label(const struct model_client *c, uint64_t version,
                        const msgpack_object *label)
{
    struct model *m = c->model;
    struct slice told = text_of(label);

    judge_said(m, "the label", label);
    if (c->hidden && !told.size)
        return; /* it is not told those of others */
    for (unsigned i = m->txn_count; version && i-- > 0;) {
        struct slice given = text_label_of(&m->txns[i]->label);

        if (m->txns[i]->version != version)
            continue;
        if (told.size != given.size ||
            (given.size && memcmp(told.data, given.data, given.size) != 0))
            model_fail("transaction %llu has a label of %zu bytes and is told with %zu (M-4)",
                       (unsigned long long)version, given.size, told.size);
        return;
    }
}

static void judge_error(const struct model_client *c, const msgpack_object *error,
                        unsigned depth)
{
    struct model *m = c->model;
    static const char *const fields[] = {
        "code", "name", "message", "class", "retryable", "maybe_committed", "details"};
    const msgpack_object *details = model_field(error, "details");
    const msgpack_object *winner, *nested, *wrote;

    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!model_field(error, fields[i]))
            model_fail("an error without %s (M-2)", fields[i]);
    judge_message(model_field(error, "message"));
    if (details->type != MSGPACK_OBJECT_MAP)
        model_fail("an error whose details are no map (M-2)");
    judge_said(m, "the store", model_field(details, "store"));
    judge_said(m, "the index", model_field(details, "index"));
    judge_said(m, "the near name", model_field(details, "near"));
    winner = model_field(details, "winner");
    if (winner)
        judge_label(c, uint_of(model_field(winner, "version")), model_field(winner, "label"));
    wrote = model_field(details, "wrote");
    for (uint32_t i = 0;
         wrote && wrote->type == MSGPACK_OBJECT_ARRAY && i < wrote->via.array.size; i++)
        judge_said(m, "the store written", &wrote->via.array.ptr[i]);
    nested = model_field(details, "error");
    if (nested && depth)
        model_fail("an error within an error within an error (M-2)");
    if (nested)
        judge_error(c, nested, depth + 1);
}

static void judge_holds(const struct model_client *c, const msgpack_object *list)
{
    if (list->type != MSGPACK_OBJECT_ARRAY)
        model_fail("holds: expected a list (M-2)");
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        const msgpack_object *entry = &list->via.array.ptr[i];

        if (model_field(entry, "label"))
            judge_label(c, uint_of(model_field(entry, "version")), model_field(entry, "label"));
    }
}

/* ---- M-3 ---- */

static bool always_dooms(const msgpack_object *error)
{
    static const char *const classes[] = {"conflict", "limit", "storage", "internal"};
    struct slice class = text_of(model_field(error, "class"));

    for (unsigned i = 0; i < 4; i++)
        if (slice_equal(class, slice_text(classes[i])))
            return true;
    return false;
}

static bool is_named(const msgpack_object *error, enum err e)
{
    return slice_equal(text_of(model_field(error, "name")), slice_text(err_name(e)));
}

static void note_error(struct model_client *c, struct model_request *r,
                       const msgpack_object *error)
{
    struct model_txn *t = r->txn;

    if (!t || r->is_begin || t->failed)
        return;
    if (is_named(error, ERR_CANCELLED) && r->cancels & MODEL_CANCEL_KEEPS) {
        t->is_unknown |= (r->cancels & MODEL_CANCEL_DOOMS) != 0; /* whichever was the last */
        return;
    }
    if (t->carry_on && !always_dooms(error))
        return;
    t->failed = true;
    t->failed_at = c->model->now;
    t->failed_late = is_named(error, ERR_DEADLINE);
}

static void judge_doomed(struct model_client *c, const struct model_request *r)
{
    struct model_txn *t = r->txn;
    bool counts =
        r->is_commit ? t && !r->has_token : t && r->effect_count && r->sent > t->failed_at;

    if (!counts || !t->failed || t->is_unknown || c->lost_track)
        return;
    if (t->failed_late && r->sent < t->failed_at)
        return; /* it may have been executed before that */
    model_fail("%s (msgid %u) succeeds after an error in its transaction (M-3)",
               r->method ? r->method->name : "?", r->msgid);
}

/* ---- what became of it ---- */

static void settle_ok(struct model_client *c, struct model_request *r,
                      const msgpack_object *result)
{
    struct model *m = c->model;
    struct model_txn *t = r->txn;

    for (unsigned i = 0; i < r->effect_count; i++)
        if (r->effects[i].key_told) {
            r->effects[i].key = model_key_of(result);
            if (r->effects[i].key < 0)
                r->effects[i].store = -1;
        }
    if (r->method == &method_table[METHOD_DELETE] && result->type == MSGPACK_OBJECT_BOOLEAN &&
        !result->via.boolean)
        r->effects[0].store = -1; /* there was none: nothing is written */
    judge_doomed(c, r);
    if (r->is_begin) {
        t->version = uint_of(model_field(result, "version"));
    } else if (t && r->is_commit) {
        totals_add(TOTAL_TRANSACTIONS, 1);
        model_apply(m, t->pending, t->pending_count, r->sent,
                    r->has_token || c->lost_track ? MODEL_NEVER : m->now, t->interval);
    } else if (r->t && c->lost_track) { /* t may be NULL: its end has failed, so it goes on */
        model_apply(m, r->effects, r->effect_count, 0, MODEL_NEVER, false);
    } else if (t && t->is_untold) { /* it went before its commit, which was perhaps done */
        model_apply(m, r->effects, r->effect_count, 0, MODEL_NEVER, false);
    } else if (t) {
        for (unsigned i = 0; i < r->effect_count; i++)
            model_pend(t, &r->effects[i]);
    } else {
        model_apply(m, r->effects, r->effect_count, r->sent,
                    r->has_token ? MODEL_NEVER : m->now, r->interval);
    }
}

/* M-7; what openers wait for ends with them, too. */
static void judge_cancelled(const struct model_client *c, const struct model_request *r,
                            const msgpack_object *error)
{
    const struct model_txn *t = r->txn;
    const msgpack_object *first = model_field(model_field(error, "details"), "error");
    bool is_cause = first && is_named(first, ERR_CANCELLED);
    bool is_openers = r->method && (r->method->flags & METHOD_OPENER ||
                                    r->method == &method_table[METHOD_DROP_DATABASE]);

    if ((!is_named(error, ERR_CANCELLED) && !is_cause) || is_openers || c->is_broken)
        return;
    if (r->cancels && !is_cause)
        return;
    if (r->t && (!t || t->is_unknown || t->is_cancelled || c->lost_track))
        return; /* told again */
    model_fail("msgid %u is told CANCELLED, and nobody asked for that (M-7)", r->msgid);
}

static void settle_error(struct model_client *c, struct model_request *r,
                         const msgpack_object *error)
{
    const msgpack_object *maybe = model_field(error, "maybe_committed");
    struct model_txn *t = r->txn;

    judge_cancelled(c, r, error);
    note_error(c, r, error);
    if (t && r->is_end &&
        (is_named(error, ERR_DEADLINE) || is_named(error, ERR_OVERLOADED) ||
         is_named(error, ERR_CANCELLED)))
        c->lost_track = true;
    if (maybe->type != MSGPACK_OBJECT_BOOLEAN || !maybe->via.boolean)
        return;
    if (t && r->is_commit)
        model_apply(c->model, t->pending, t->pending_count, r->sent, MODEL_NEVER, t->interval);
    else if (!t)
        model_apply(c->model, r->effects, r->effect_count, r->sent, MODEL_NEVER, r->interval);
}

static void read_result(struct model_client *c, struct model_request *r,
                        const msgpack_object *result)
{
    uint64_t cursor;

    if (r->reads_cell)
        model_judge_read(c->model, r->store, r->key,
                         result->type == MSGPACK_OBJECT_NIL ? 0 : model_value_of(result),
                         r->sent);
    if (r->method == &method_table[METHOD_HOLDS])
        judge_holds(c, result);
    cursor =
        r->method == &method_table[METHOD_SCAN] ? uint_of(model_field(result, "cursor")) : 0;
    if (cursor) {
        c->cursors = model_more(c->cursors, c->cursor_count, sizeof *c->cursors);
        c->cursors[c->cursor_count++] =
            (struct model_cursor){.number = (uint32_t)cursor, .txn = r->txn};
    }
}

static int find_request(const struct model_client *c, uint64_t msgid)
{
    for (unsigned i = 0; i < c->request_count; i++)
        if (c->requests[i]->msgid == msgid)
            return (int)i;
    return -1;
}

/* What an opener is sent, or who waits for openers. */
static bool is_push(const msgpack_object *message)
{
    const msgpack_object *part = message->via.array.ptr;
    struct slice name;

    if (message->type != MSGPACK_OBJECT_ARRAY || message->via.array.size != 3 ||
        part[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER || part[0].via.u64 != 2 ||
        part[1].type != MSGPACK_OBJECT_STR || part[2].type != MSGPACK_OBJECT_ARRAY)
        return false;
    name = slice_make(part[1].via.str.ptr, part[1].via.str.size);
    return part[2].via.array.size == 4 && object_is_utf8(message) &&
           (slice_equal(name, slice_text("$versionchange")) ||
            slice_equal(name, slice_text("$blocked")));
}

void model_judge_answer(struct model_client *c, const msgpack_object *message)
{
    const msgpack_object *part = message->via.array.ptr;
    struct model_request *r;
    int at;

    model_say(c, "<-", message);
    if (c->is_asked && is_push(message))
        return;
    if (message->type != MSGPACK_OBJECT_ARRAY || message->via.array.size != 4 ||
        part[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER || part[0].via.u64 != 1 ||
        part[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER || part[1].via.u64 > UINT32_MAX)
        model_fail("the server sent something other than an answer (M-2)");
    if (!object_is_utf8(message))
        model_fail("an answer with text that is not UTF-8 (M-2)");
    if (part[2].type != MSGPACK_OBJECT_NIL && part[3].type != MSGPACK_OBJECT_NIL)
        model_fail("an answer with an error and a result (M-2)");
    if (part[2].type != MSGPACK_OBJECT_NIL)
        judge_error(c, &part[2], 0);
    at = find_request(c, part[1].via.u64);
    if (at < 0 && !c->is_broken && !c->out.size)
        model_fail("msgid %llu is answered and was not asked, or twice (M-1)",
                   (unsigned long long)part[1].via.u64);
    if (at < 0) { /* a message that is too large is refused before it is whole */
        c->is_refused_early = !c->is_broken && part[2].type != MSGPACK_OBJECT_NIL &&
                              is_named(&part[2], ERR_TOO_LARGE);
        c->refused_msgid = part[1].via.u64;
        return;
    }
    r = c->requests[at];
    if (part[2].type == MSGPACK_OBJECT_NIL) {
        read_result(c, r, &part[3]);
        settle_ok(c, r, &part[3]);
    } else {
        settle_error(c, r, &part[2]);
    }
    model_remove_request(c, (unsigned)at);
}

/* M-6 */
static void judge_hidden(const struct model_client *c, struct slice message)
{
    for (unsigned i = 0; c->hidden && c->hidden[i]; i++)
        if (!(c->said >> i & 1) &&
            memmem(message.data, message.size, c->hidden[i], strlen(c->hidden[i])))
            model_fail("a user is sent \"%s\", which it may not see (M-6)", c->hidden[i]);
}

void model_received(struct model_client *c, struct slice bytes)
{
    struct msgpack_limits limits = {SIZE_MAX / 2, SIZE_MAX, 31};
    size_t taken = 0;

    buffer_put(&c->in, bytes.data, bytes.size);
    while (taken < c->in.size) {
        struct msgpack_scan scan;
        msgpack_unpacked u;
        size_t offset = 0;
        enum err e;

        msgpack_scan_init(&scan);
        e = msgpack_scan_feed(&scan, c->in.data + taken, c->in.size - taken, &limits);
        if (e == ERR_WAIT)
            break;
        msgpack_unpacked_init(&u);
        if (e || msgpack_unpack_next(&u, (char *)c->in.data + taken, scan.offset, &offset) !=
                     MSGPACK_UNPACK_SUCCESS)
            model_fail("what the server has sent is no MessagePack (M-2)");
        c->model->now++;
        judge_hidden(c, slice_make(c->in.data + taken, scan.offset));
        if (!c->is_over)
            model_judge_answer(c, &u.data);
        msgpack_unpacked_destroy(&u);
        taken += scan.offset;
    }
    if (taken)
        memmove(c->in.data, c->in.data + taken, c->in.size - taken);
    c->in.size -= taken;
}
