/* query.c - see query.h. */
#include "server/query/query.h"

#include "server/base/assert.h"
#include "server/query/definition.h"
#include "server/query/explain.h"
#include "server/query/parse.h"
#include "server/query/plan.h"
#include "server/query/run.h"
#include "server/query/writer.h"
#include "server/txn/auto.h"
#include "server/txn/db_struct.h"
#include "server/txn/statement.h"

#include <inttypes.h>

struct query {
    struct os *os;
    struct txn *given; /* that it is of; NULL: autocommit */
    struct query_request request; /* as it was begun, in the arena */
    struct ast_statement *statement;
    struct statement_writer writer; /* of statements that write */
    struct arena arena; /* of the text, the trees, the plan */
    struct plan plan;
    struct plan_arguments arguments;
    struct query_run run;
    struct cursor *anchor; /* owned */
    bool is_lost;          /* it has been taken back, and is begun again when there is a lock */
    bool is_measured;      /* of explain: nothing is to be run, or it has been */
    enum err ended;        /* how; ERR_OK: it goes on */
};

/* Of what it reads; what it has answered stays. */
static void query_let_go(struct query *q)
{
    run_close_cursors(&q->run);
    if (q->anchor)
        cursor_close(q->anchor);
    q->anchor = NULL;
}

void query_close(struct query *q)
{
    if (!q)
        return;
    query_let_go(q);
    run_fini(&q->run);
    arena_free(&q->arena);
    os_free(q->os, q, sizeof *q);
}

static bool query_defines(const struct query *q)
{
    return q->statement->verb >= AST_CREATE_STORE;
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

static enum err query_read(struct query *q, struct op *op, const struct query_request *request)
{
    enum err e = query_keep(q, op, request->text, &q->request.text);

    q->request.text_max = request->text_max;
    q->request.memory_max = request->memory_max;
    q->request.answer_max = request->answer_max;
    q->request.plan_seed = request->plan_seed;
    if (!e && !slice_is_none(request->arguments))
        e = query_keep(q, op, request->arguments, &q->request.arguments);
    if (!e)
        e = arguments_check(op, q->request.arguments);
    if (!e)
        e = arguments_read(q, op, q->request.arguments);
    return e ? e : query_parse(q->request.text, &q->arena, &q->statement, &op->failure);
}

static enum err query_plan(struct query *q, struct op *op, struct txn *t)
{
    enum err e = cursor_open_anchor(op, t, &q->anchor);

    if (!e)
        e = plan_make(op, q->anchor, q->request.text, q->statement, &q->arguments, &q->plan);
    if (e)
        return e;
    e = run_init(&q->run, &q->plan, q->anchor);
    if (e)
        return query_nomem(op);
    q->run.bytes_max = q->run.expr.memory_max = q->request.memory_max;
    q->run.seed = op->db->hash_seed;
    q->run.plan_seed = q->request.plan_seed;
    q->writer = (struct statement_writer){
        .run = &q->run, .txn = t, .answer_max = q->request.answer_max};
    run_resume(&q->run, op);
    if (q->plan.root)
        step_open(&q->run, q->plan.root);
    return ERR_OK;
}

/* A statement that writes, outside of a transaction, is one of its own from its first read on. */
static enum err query_plan_write(struct query *q, struct op *op)
{
    struct txn *in = q->given;
    bool again;
    enum err e = auto_begin(op, &in, false);

    if (!e)
        e = query_plan(q, op, in);
    if (!e)
        return ERR_OK;
    query_let_go(q);
    return auto_end(op, q->given, e, &again);
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
    q->given = t;
    q->request.arguments = SLICE_NONE;
    arena_init(&q->arena, os);
    q->plan.arena = &q->arena;
    e = query_read(q, op, request);
    if (!e && !query_defines(q) &&
        (q->statement->verb == AST_SELECT || request->only_explains ||
         q->statement->is_explained))
        e = query_plan(q, op, t);
    else if (!e && !query_defines(q))
        e = query_plan_write(q, op);
    if (e) {
        query_close(q);
        return e;
    }
    q->run.expr.now_seconds = (int64_t)(day_ms / 1000);
    q->run.expr.now_nanoseconds = (uint32_t)(day_ms % 1000) * 1000000;
    *out = q;
    return ERR_OK;
}

/* ---- statements that write ---- */

bool query_writes(const struct query *q)
{
    return q->statement->verb != AST_SELECT;
}

/* Begin it again, since another has committed what it would have written. */
static enum err query_again(struct query **at, struct op *op)
{
    struct query *q = *at;
    enum err e;

    op_release(op);
    e = query_begin(op, NULL, &q->request, at);
    if (e) {
        *at = q;
        q->is_lost = e == ERR_WAIT; /* it waits for a lock */
        return e;
    }
    query_close(q);
    return op_yield(op);
}

enum err query_write(struct query **at, struct op *op, uint64_t *changed)
{
    struct query *q = *at;
    struct txn *in = q->given;
    bool again;
    enum err e;

    if (q->is_lost)
        return query_again(at, op);
    if (query_defines(q)) {
        *changed = 0;
        return definition_run(op, q->given, q->statement, q->request.text, &q->arena);
    }
    e = auto_begin(op, &in, false);
    if (!e && !op->is_ending) {
        statement_begin(op, q->given);
        run_resume(&q->run, op);
        op->is_part = true;
        e = writer_run(&q->writer);
        op->is_part = false;
    }
    *changed = q->writer.changed;
    if (e != ERR_WAIT && !op->is_ending)
        query_let_go(q);
    e = auto_end(op, q->given, statement_end(op, e), &again);
    return again ? query_again(at, op) : e;
}

/* ---- explain ---- */

bool query_is_explained(const struct query *q)
{
    return q->statement->is_explained;
}

static enum err query_measure(struct query *q, struct op *op)
{
    enum err e;

    if (query_writes(q))
        return query_refuse(&op->failure, q->request.text, 0,
                            "explain analyze supports only select: this statement would write");
    q->run.measures = true;
    do {
        e = query_next(q, op);
    } while (!e);
    return e == ERR_END ? ERR_OK : e;
}

enum err query_explain(struct query *q, struct op *op, bool analyze, struct slice *text,
                       struct slice *data)
{
    struct explain_text words = {.arena = &q->arena}, tree = {.arena = &q->arena};
    enum err e = ERR_OK;

    run_resume(&q->run, op);
    if (query_defines(q))
        return query_refuse(&op->failure, q->request.text, 0,
                            "explain does not support create and drop");
    if (!q->is_measured && (analyze || q->statement->is_analyzed))
        e = query_measure(q, op);
    q->is_measured = q->is_measured || !e;
    if (!e)
        e = explain_estimate(&q->run);
    if (e)
        return e;
    explain_as_text(&q->run, &words);
    explain_as_data(&q->run, &tree);
    if (words.failed || tree.failed)
        return query_nomem(op);
    *text = slice_make(words.data, words.size);
    *data = slice_make(tree.data, tree.size);
    return ERR_OK;
}

uint32_t query_answer_count(const struct query *q)
{
    return q->writer.answer_count;
}

void query_answers(const struct query *q, void (*each)(void *context, struct slice row),
                   void *context)
{
    for (const struct writer_answer *a = q->writer.answers; a; a = a->next)
        each(context, slice_make(a->bytes, a->size));
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
