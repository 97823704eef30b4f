/* execute_run.c - `run`: a list of operations as one transaction.
 *
 * Happy path: begin, each operation by its own method, commit, in one turn or a few.
 * A conflict rolls back and runs the list again, in a new transaction, so that the client
 * sees one only after several losses. */
#include "server/net/execute.h"
#include "server/net/request.h"
#include "server/net/server.h"

#include <inttypes.h>

#define RUN_LOSSES_MAX 8

struct run {
    struct call call; /* the operation at work */
    struct work work; /* its progress */
    unsigned losses;
    const uint8_t *read_from; /* the operation that call holds, where it lay, */
    const uint8_t *read_to;   /* and its end */
};

size_t run_bytes(void)
{
    return sizeof(struct run);
}

void run_free(struct run *run)
{
    struct server *server = work_session(&run->work)->server;

    work_fini(&run->work);
    account_sub(&work_session(&run->work)->account, ACCOUNT_REQUESTS, sizeof *run);
    pool_give(&server->runs, run);
}

/* Take the transaction back and begin the list again. */
static void start_over(struct work *w)
{
    struct run *run = w->request->run;

    work_fini(&run->work);
    work_init(&run->work, w->request, NULL, &run->call);
    if (w->own)
        txn_rollback(w->own);
    w->own = NULL;
    w->index = 0;
    w->offset = 0;
    w->begun = false;
    w->out->used = w->base + w->start;
}

static enum err begin(struct work *w)
{
    struct txn_options options;
    enum err e = txn_options_read(w->call, work_session(w), &options, work_failure(w));

    if (!e)
        e = txn_begin(w->op, &options, &w->own);
    if (e)
        w->own = NULL;
    return e;
}

/* Read the operation at *ops, [method, params without t]. */
static enum err read_op(struct work *w, struct msgpack_cursor *ops)
{
    struct run *run = w->request->run;
    const struct method *method;
    struct msgpack_cursor at;
    struct slice whole, name, params = SLICE_NONE;
    uint32_t parts;
    enum err e;

    if (run->read_from == ops->at) { /* it goes on */
        ops->at = run->read_to;
        return ERR_OK;
    }
    run->read_from = NULL;
    if (msgpack_skip(ops, MSGPACK_DEPTH_MAX, &whole))
        return failure_set(work_failure(w), ERR_BAD_REQUEST, "run: the list ends too early");
    at = msgpack_open(whole);
    if (msgpack_read_array(&at, &parts) || parts != 2 || msgpack_read_text(&at, &name))
        return failure_set(work_failure(w), ERR_BAD_REQUEST,
                           "run: an operation is [method, params without t]");
    params = slice_make(at.at, (size_t)(at.end - at.at));
    method = method_find(name);
    if (method && (method->flags & METHOD_ABSENT))
        return failure_set(work_failure(w), ERR_BAD_REQUEST, "run: %s is not in this version",
                           method->name);
    if (!method || !(method->flags & METHOD_IN_RUN))
        return failure_set(work_failure(w), ERR_BAD_REQUEST,
                           "run: \"%s\" is not a method on stores or records", text_show(name));
    e = call_read(&run->call, method, params, true, work_failure(w));
    if (!e) {
        run->read_from = whole.data;
        run->read_to = ops->at;
    }
    return e;
}

/* Whether the method writes one record, or none. */
static bool writes_one(const struct method *method)
{
    return method == &method_table[METHOD_PUT] || method == &method_table[METHOD_INSERT] ||
           method == &method_table[METHOD_DELETE];
}

static enum err run_op(struct work *w, struct msgpack_cursor *ops, bool alone)
{
    struct run *run = w->request->run;
    uint64_t max = work_session(w)->server->options.result_size;
    size_t before;
    enum err e = read_op(w, ops); /* again in each turn: the bytes may have moved */

    if (e)
        return e;
    if (alone && writes_one(run->call.method))
        txn_set_single(w->own);
    run->work.txn = w->own;
    run->work.op = w->op;
    run->work.out = w->out;
    run->work.base = w->base;
    before = w->out->used;
    e = execute_find(run->call.method)(&run->work);
    if (e == ERR_WAIT && !execute_keeps(run->call.method))
        w->out->used = before;
    w->yields = run->work.yields;
    run->work.yields = false;
    if (e)
        return e;
    work_fini(&run->work);
    work_init(&run->work, w->request, NULL, &run->call);
    op_release(w->op);
    if (w->out->used - w->base - w->start > max)
        return failure_set_limit(
            work_failure(w), "result-size", max, w->out->used - w->base - w->start,
            "run: the results are over the %" PRIu64 " bytes of a reply", max);
    return work_check_room(w);
}

static enum err run_ops(struct work *w)
{
    struct slice list = w->call->params[0].raw;
    struct msgpack_cursor ops = msgpack_open(list);
    uint64_t began = uv_hrtime();
    uint32_t count;
    enum err e;

    if (msgpack_read_array(&ops, &count))
        return failure_set(work_failure(w), ERR_BAD_REQUEST, "run: ops is an array");
    if (!w->begun) {
        w->begun = true;
        put_array(w->out, count);
        w->offset = (size_t)(ops.at - list.data);
    }
    for (size_t done = 0; w->index < count; w->index++, done++) {
        if (work_has_had_enough(w, began, done))
            return ERR_WAIT;
        ops.at = list.data + w->offset;
        e = run_op(w, &ops, count == 1);
        if (e && e != ERR_WAIT) {
            w->request->has_index = true;
            w->request->error_index = (uint32_t)w->index;
        }
        if (e)
            return e;
        w->offset = (size_t)(ops.at - list.data);
    }
    return ERR_OK;
}

static enum err commit(struct work *w)
{
    struct txn *txn = w->own;
    struct slice token;
    uint64_t number = 0;
    enum err e = token_read(w->call, &token, work_failure(w));

    if (e)
        return e;
    e = txn_commit(w->op, txn, token, &number);
    if (e == ERR_WAIT)
        return e;
    w->own = NULL; /* it has ended, whatever came out */
    if (e)
        return e;
    w->request->commit = number;
    server_tick_within(work_session(w)->server, work_session(w)->server->options.interval);
    w->request->commits = true;
    put_word(w->out, "commit");
    if (number)
        put_uint(w->out, number);
    else
        put_nil(w->out);
    return ERR_OK;
}

static enum err prepare(struct work *w)
{
    struct run *run = pool_take(&work_session(w)->server->runs);

    if (!run)
        return ERR_NOMEM;
    work_init(&run->work, w->request, NULL, &run->call);
    account_add(&work_session(w)->account, ACCOUNT_REQUESTS, sizeof *run);
    w->request->run = run;
    put_map(w->out, 2);
    put_word(w->out, "results");
    w->start = w->out->used - w->base;
    return ERR_OK;
}

enum err execute_run(struct work *w)
{
    struct request *r = w->request;
    enum err e = r->run ? ERR_OK : prepare(w);

    while (!e) {
        if (!w->own)
            e = begin(w);
        if (!e)
            e = run_ops(w);
        if (!e)
            e = commit(w);
        if (!e)
            return ERR_OK;
        if (e != ERR_CONFLICT || ++r->run->losses > RUN_LOSSES_MAX)
            return e;
        r->has_index = false;
        start_over(w);
        failure_clear(work_failure(w));
        op_release(w->op);
        e = ERR_OK;
    }
    return e;
}
