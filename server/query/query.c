/* query.c - see query.h. */
#include "server/query/query.h"

#include "server/base/assert.h"
#include "server/query/definition.h"
#include "server/query/explain.h"
#include "server/query/parse.h"
#include "server/query/arguments.h"
#include "server/query/plan.h"
#include "server/query/prepared.h"
#include "server/query/run.h"
#include "server/query/writer.h"
#include "server/txn/auto.h"
#include "server/txn/db.h"
#include "server/txn/guard.h"
#include "server/txn/statement.h"

#include <inttypes.h>

struct query {
    struct os *os;
    struct db *db;
    struct txn *given; /* that it is of; NULL: autocommit */
    struct query_request request; /* as it was begun, in the arena */
    struct prepared *prepared;    /* its text and plan; a reference */
    struct statement_writer writer; /* of statements that write */
    struct arena arena; /* of its arguments, and of what stays as long as it runs */
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
    run_discard(&q->run, q->db);
    run_fini(&q->run);
    arena_free(&q->arena);
    prepared_unref(q->prepared);
    os_free(q->os, q, sizeof *q);
}

static bool query_defines(const struct query *q)
{
    return q->prepared->statement->verb >= AST_CREATE_STORE;
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

/* ---- from text to plan ---- */

static enum err query_read(struct query *q, struct op *op, const struct query_request *request)
{
    enum err e = ERR_OK;

    q->request = *request;
    q->request.text = q->request.arguments = SLICE_NONE;
    if (!slice_is_none(request->arguments))
        e = query_keep(q, op, request->arguments, &q->request.arguments);
    return e ? e : arguments_read(op, q->request.arguments, &q->arena, &q->arguments);
}

static enum err query_parse_text(struct query *q, struct op *op, struct slice text)
{
    struct prepared *p = prepared_new(q->os, text);
    enum err e;

    if (!p)
        return query_nomem(op);
    e = query_parse(p->text, &p->arena, &p->statement, &op->failure);
    prepared_unref(q->prepared);
    q->prepared = p;
    return e;
}

/* As it is kept, or read anew. */
static enum err query_prepare(struct query *q, struct op *op, const struct query_request *r)
{
    if (r->plans)
        q->prepared =
            plan_cache_find(r->plans, op_database(op), db_definitions(op->db), r->text);
    return q->prepared ? ERR_OK : query_parse_text(q, op, r->text);
}

/* Whether the stores of the plan are those that the anchor sees. */
static enum err query_is_as_seen(struct query *q, struct op *op, bool *is_same)
{
    const struct plan *p = &q->prepared->plan;

    *is_same = q->prepared->is_planned;
    for (uint32_t i = 0; i < p->store_count && *is_same; i++) {
        struct schema *seen;
        enum err e = guard_check(op, p->stores[i].name, p->stores[i].rights);

        if (!e)
            e = cursor_find_store(op, q->anchor, p->stores[i].name, &seen);
        if (e == ERR_NO_STORE || e == ERR_FORBIDDEN) /* planning it anew says so, and where */
            failure_clear(&op->failure);
        else if (e)
            return e;
        *is_same = !e && seen == p->stores[i].schema;
    }
    return ERR_OK;
}

/* Drafts are their transaction's alone, and what has been superseded is for old snapshots. */
static bool query_can_be_kept(const struct query *q)
{
    const struct plan *p = &q->prepared->plan;

    for (uint32_t i = 0; i < p->store_count; i++)
        if (!p->stores[i].schema->commit || p->stores[i].schema->superseded)
            return false;
    return q->request.plans && !q->prepared->is_kept && p->store_count > 0;
}

/* *is_new: it is nobody else's. */
static enum err query_make_plan(struct query *q, struct op *op, bool *is_new)
{
    bool is_same = false;
    enum err e = query_is_as_seen(q, op, &is_same);

    *is_new = !is_same;
    if (e || is_same)
        return e;
    if (q->prepared->is_planned) { /* another's view of the stores */
        e = query_parse_text(q, op, q->prepared->text);
        *is_new = false;
    }
    if (!e)
        e = plan_make(op, q->anchor, q->prepared->text, q->prepared->statement,
                      &q->prepared->plan);
    q->prepared->is_planned = !e;
    return e;
}

static enum err query_plan(struct query *q, struct op *op, struct txn *t)
{
    struct datum *values = NULL;
    bool is_new = false;
    enum err e = cursor_open_anchor(op, t, &q->anchor);

    ASSERT(e || q->anchor);
    if (!e)
        e = query_make_plan(q, op, &is_new);
    if (!e)
        e = arguments_match(op, &q->arguments, &q->prepared->plan, &q->arena, &values);
    if (e)
        return e;
    ASSERT(values || !q->prepared->plan.parameter_count); /* E-2 */
    e = run_init(&q->run, &q->prepared->plan, q->anchor, &q->arena);
    if (e)
        return query_nomem(op);
    if (is_new && query_can_be_kept(q))
        plan_cache_keep(q->request.plans, op_database(op), q->prepared);
    q->run.expr.parameters = values;
    q->run.bytes_max = q->run.expr.memory_max = q->request.memory_max;
    q->run.seed = db_hash_seed(op->db);
    q->run.plan_seed = q->request.plan_seed;
    q->writer = (struct statement_writer){
        .run = &q->run, .txn = t, .answer_max = q->request.answer_max};
    run_resume(&q->run, op);
    if (q->prepared->plan.root)
        step_open(&q->run, q->prepared->plan.root);
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
    struct os *os = db_os(op->db);
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
    q->db = op->db;
    q->given = t;
    q->request.arguments = SLICE_NONE;
    arena_init(&q->arena, os);
    e = query_read(q, op, request);
    if (!e)
        e = query_prepare(q, op, request);
    if (!e && !query_defines(q) &&
        (q->prepared->statement->verb == AST_SELECT || request->only_explains ||
         q->prepared->statement->is_explained))
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
    return q->prepared->statement->verb != AST_SELECT;
}

/* Begin it again, since another has committed what it would have written. */
static enum err query_again(struct query **at, struct op *op)
{
    struct query *q = *at;
    enum err e;

    ASSERT(q->prepared && q->prepared->refs > 0);
    ASSERT(!q->given && !q->anchor); /* only what is its own transaction can be begun anew */
    op_release(op);
    q->request.text = q->prepared->text;
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

    ASSERT(query_writes(q));
    if (q->is_lost)
        return query_again(at, op);
    if (query_defines(q)) {
        *changed = 0;
        return definition_run(op, q->given, q->prepared->statement, q->prepared->text,
                              &q->arena);
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
    return q->prepared->statement->is_explained;
}

/* Of a statement that writes what it reads: nothing is written. */
static enum err query_measure(struct query *q, struct op *op)
{
    const struct step *root = q->prepared->plan.root;
    enum err e = root ? ERR_OK : ERR_END;

    ASSERT(q->prepared && !query_defines(q));
    q->run.measures = true;
    while (!e)
        e = query_writes(q) ? step_next(&q->run, root) : query_next(q, op);
    return e == ERR_END ? ERR_OK : e;
}

enum err query_explain(struct query *q, struct op *op, bool analyze, struct slice *text,
                       struct slice *data)
{
    struct explain_text words = {.arena = &q->arena}, tree = {.arena = &q->arena};
    enum err e = ERR_OK;

    ASSERT(q->request.only_explains ||
           query_is_explained(q)); /* else it would have begun to write */
    run_resume(&q->run, op);
    if (query_defines(q))
        return query_refuse(&op->failure, q->prepared->text, 0,
                            "explain does not support create and drop");
    if (!q->is_measured && (analyze || q->prepared->statement->is_analyzed))
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
    ASSERT(!q->writer.answers == !q->writer.answer_count);
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
    return q->prepared->plan.column_count;
}

struct slice query_column_name(const struct query *q, unsigned i)
{
    ASSERT(i < q->prepared->plan.column_count);
    return q->prepared->plan.columns[i];
}

enum err query_next(struct query *q, struct op *op)
{
    enum err e;

    if (q->ended == ERR_END)
        return q->ended;
    ASSERT(q->run.op == op && q->anchor); /* query_turn comes first */
    e = cursor_check_anchor(op, q->anchor);
    if (!e)
        e = step_next(&q->run, q->prepared->plan.root);
    if (e == ERR_END)
        q->ended = e;
    return e;
}

const struct datum *query_column(const struct query *q, unsigned i)
{
    ASSERT(i < q->prepared->plan.column_count);
    return &q->run.expr.slots[q->prepared->plan.column_slot + i];
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
