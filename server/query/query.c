/* query.c - see query.h. */
#include "server/query/query.h"

#include "server/base/assert.h"
#include "server/query/parse.h"
#include "server/query/plan.h"
#include "server/query/run.h"
#include "server/txn/db_struct.h"

#include <inttypes.h>

struct query {
    struct os *os;
    struct arena arena; /* of the text, the trees, the plan */
    struct plan plan;
    struct plan_arguments arguments;
    struct query_run run;
    struct cursor *anchor; /* owned */
    enum err ended;        /* how; ERR_OK: it goes on */
};

void query_close(struct query *q)
{
    if (!q)
        return;
    run_fini(&q->run);
    if (q->anchor)
        cursor_close(q->anchor);
    arena_free(&q->arena);
    os_free(q->os, q, sizeof *q);
}

static enum err query_nomem(struct op *op)
{
    return failure_set(&op->failure, ERR_NOMEM, "out of memory for the query");
}

/* A copy in the query's arena: the request's bytes may move while it waits. */
static enum err query_keep(struct query *q, struct op *op, struct slice bytes,
                           struct slice *out)
{
    uint8_t *to = arena_alloc(&q->arena, bytes.size + 1);

    if (!to)
        return query_nomem(op);
    if (bytes.size)
        memcpy(to, bytes.data, bytes.size);
    *out = slice_make(to, bytes.size);
    return ERR_OK;
}

/* ---- arguments ---- */

static enum err arguments_refuse(struct op *op)
{
    return failure_set(&op->failure, ERR_BAD_REQUEST,
                       "query: args must be a list of values, or a map with names as keys");
}

static enum err arguments_read(struct query *q, struct op *op, struct slice bytes)
{
    struct plan_arguments *a = &q->arguments;
    struct msgpack_cursor c = msgpack_open(bytes);
    struct msgpack_token head;
    bool is_map;

    if (slice_is_none(bytes))
        return ERR_OK;
    if (msgpack_read(&c, &head) || (head.type != MSGPACK_ARRAY && head.type != MSGPACK_MAP))
        return arguments_refuse(op);
    is_map = head.type == MSGPACK_MAP;
    a->values = arena_alloc(&q->arena, (head.count + 1) * sizeof *a->values);
    a->names = is_map ? arena_alloc(&q->arena, (head.count + 1) * sizeof *a->names) : NULL;
    if (!a->values || (is_map && !a->names))
        return query_nomem(op);
    for (; a->count < head.count; a->count++) {
        struct slice value;

        if (is_map && msgpack_read_text(&c, &a->names[a->count]))
            return arguments_refuse(op);
        if (msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value))
            return arguments_refuse(op);
        a->values[a->count] = datum_read(value);
    }
    return ERR_OK;
}

/* Values that become parts of documents: texts are UTF-8, and so on. */
static enum err arguments_check(struct op *op, struct slice bytes)
{
    const char *why = "";
    enum err e =
        slice_is_none(bytes) ? ERR_OK : msgpack_check_document(bytes, MSGPACK_DEPTH_MAX, &why);

    if (!e || e == ERR_NOMEM)
        return e ? query_nomem(op) : ERR_OK;
    return failure_set(&op->failure, ERR_BAD_VALUE, "query: invalid args: %s", why);
}

/* ---- from text to plan ---- */

static enum err query_plan(struct query *q, struct op *op, const struct query_request *request)
{
    struct ast_statement *statement;
    struct slice text, arguments = SLICE_NONE;
    enum err e = query_keep(q, op, request->text, &text);

    if (!e && !slice_is_none(request->arguments))
        e = query_keep(q, op, request->arguments, &arguments);
    if (!e)
        e = arguments_check(op, arguments);
    if (!e)
        e = arguments_read(q, op, arguments);
    if (!e)
        e = query_parse(text, &q->arena, &statement, &op->failure);
    if (!e)
        e = plan_make(op, q->anchor, text, statement, &q->arguments, &q->plan);
    if (e)
        return e;
    e = run_init(&q->run, &q->plan, q->anchor);
    return e ? query_nomem(op) : ERR_OK;
}

static enum err query_check_size(struct op *op, const struct query_request *request)
{
    if (request->text.size <= request->text_max)
        return ERR_OK;
    return failure_set_limit(&op->failure, "query-text", request->text_max, request->text.size,
                             "the query has %zu bytes; the limit is %" PRIu64 " (query-text)",
                             request->text.size, request->text_max);
}

enum err query_begin(struct op *op, struct txn *t, const struct query_request *request,
                     struct query **out)
{
    struct os *os = op->db->os;
    uint64_t day_ms = os->ops->day_ms(os);
    struct query *q;
    enum err e;

    *out = NULL;
    failure_clear(&op->failure);
    e = query_check_size(op, request);
    if (e)
        return e;
    q = os_alloc(os, sizeof *q);
    if (!q)
        return query_nomem(op);
    memset(q, 0, sizeof *q);
    q->os = os;
    arena_init(&q->arena, os);
    q->plan.arena = &q->arena;
    e = cursor_open_anchor(op, t, &q->anchor);
    if (!e)
        e = query_plan(q, op, request);
    if (e) {
        query_close(q);
        return e;
    }
    q->run.bytes_max = q->run.expr.memory_max = request->memory_max;
    q->run.expr.now_seconds = (int64_t)(day_ms / 1000);
    q->run.expr.now_nanoseconds = (uint32_t)(day_ms % 1000) * 1000000;
    q->run.seed = op->db->hash_seed;
    run_resume(&q->run, op);
    step_open(&q->run, q->plan.root);
    *out = q;
    return ERR_OK;
}

/* ---- rows ---- */

unsigned query_column_count(const struct query *q)
{
    return q->plan.column_count;
}

struct slice query_column_name(const struct query *q, unsigned i)
{
    ASSERT(i < q->plan.column_count);
    return q->plan.columns[i];
}

enum err query_next(struct query *q, struct op *op)
{
    enum err e;

    if (q->ended == ERR_END)
        return q->ended;
    ASSERT(q->run.op == op);
    e = cursor_check_anchor(op, q->anchor);
    if (!e)
        e = step_next(&q->run, q->plan.root);
    if (e == ERR_END)
        q->ended = e;
    return e;
}

const struct datum *query_column(const struct query *q, unsigned i)
{
    ASSERT(i < q->plan.column_count);
    return &q->run.expr.slots[q->plan.column_slot + i];
}

void query_turn(struct query *q, struct op *op)
{
    run_resume(&q->run, op);
}

void query_rest(struct query *q)
{
    run_rest(&q->run);
    q->run.op = NULL;
}

uint64_t query_bytes(const struct query *q)
{
    return sizeof *q + q->run.bytes + RUN_CURSOR_BYTES;
}

struct cursor *query_cursor(const struct query *q)
{
    return q->anchor;
}
