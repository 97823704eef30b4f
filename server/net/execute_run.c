/* execute_run.c - `run`: a list of operations as one transaction.
 *
 * Happy path: begin, each operation by its own method, commit, in one turn or a few.
 * A conflict rolls back and runs the list again, in a new transaction, so that the client
 * sees one only after several losses. */
#include "server/net/execute.h"

#include "server/base/assert.h"
#include "server/net/gate.h"
#include "server/txn/commit.h"
#include "server/txn/lock_wait.h"

#include <inttypes.h>

#define RUN_LOSSES_MAX 8

/* Take the transaction back and begin the list again. */
static void start_over(struct execution *w)
{
    struct run *run = w->request->run;

    ASSERT(!w->op->committed); /* what has happened is not done again */
    execution_fini(&run->execution);
    execution_init(&run->execution, w->session, w->request, w->op, &run->call);
    if (w->own)
        txn_rollback(w->own);
    w->own = NULL;
    w->index = 0;
    w->offset = 0;
    w->begun = false;
    w->out->used = w->base + w->start;
}

static enum err begin(struct execution *w)
{
    struct txn_options options;
    enum err e =
        txn_options_read(w->call, execution_session(w), &options, execution_failure(w));

    options.waits_to_write = true;
    if (!e)
        e = lock_begin(w->op, &options, &w->own);
    if (e)
        w->own = NULL;
    return e;
}

/* Read the operation at *ops, [method, params without t]. */
static enum err read_op(struct execution *w, struct msgpack_cursor *ops)
{
    struct run *run = w->request->run;
    const struct method *method;
    struct msgpack_cursor at = *ops;
    struct slice name;
    uint32_t parts;
    enum err e;

    if (run->read_from == ops->at) { /* it goes on */
        ops->at = run->read_to;
        return ERR_OK;
    }
    run->read_from = NULL;
    if (msgpack_read_array(&at, &parts) || parts != 2 || msgpack_read_text(&at, &name))
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "run: each operation must be [method, params without t]");
    method = method_find(name);
    if (method && (method->flags & METHOD_ABSENT))
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "run: %s is not supported in this version", method->name);
    if (!method || !(method->flags & METHOD_IN_RUN))
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "run: \"%s\" is not a method that run supports", text_show(name));
    e = call_read(&run->call, method, slice_make(at.at, (size_t)(at.end - at.at)), true,
                  execution_failure(w));
    if (!e) {
        run->read_from = ops->at;
        run->read_to = ops->at = run->call.end;
    }
    return e;
}

static enum err run_op(struct execution *w, struct msgpack_cursor *ops, bool alone)
{
    struct run *run = w->request->run;
    uint64_t max = execution_session(w)->server->options.result_size;
    size_t before;
    enum err e = read_op(w, ops); /* again in each turn: the bytes may have moved */

    if (e)
        return e;
    if (alone && w->own && (run->call.method->flags & METHOD_WRITES_ONE) &&
        !call_has(w->call, OPTION_ID_TOKEN))
        txn_set_single(w->own);
    run->execution.txn = w->own;
    run->execution.op = w->op;
    run->execution.out = w->out;
    run->execution.base = w->base;
    ASSERT(run->call.method->flags & METHOD_IN_RUN);
    before = w->out->used;
    e = gate_call(&run->execution);
    if (e == ERR_WAIT && !(run->call.method->flags & METHOD_GOES_ON))
        w->out->used = before;
    w->yields = run->execution.yields;
    run->execution.yields = false;
    if (e)
        return e;
    execution_fini(&run->execution);
    execution_init(&run->execution, w->session, w->request, w->op, &run->call);
    op_release(w->op);
    if (w->out->used - w->base - w->start > max)
        return failure_set_limit(
            execution_failure(w), "result-size", max, w->out->used - w->base - w->start,
            "run: the results exceed %" PRIu64 " bytes (result-size)", max);
    return execution_check_room(w);
}

static enum err run_ops(struct execution *w)
{
    struct slice list = w->call->params[PARAM_ID_OPS].raw;
    struct msgpack_cursor ops = msgpack_open(list);
    uint64_t began = uv_hrtime();
    uint32_t count;
    enum err e;

    if (msgpack_read_array(&ops, &count))
        return failure_set(execution_failure(w), ERR_BAD_REQUEST, "run: ops must be an array");
    if (!w->begun) {
        w->begun = true;
        put_array(w->out, count);
        w->offset = (size_t)(ops.at - list.data);
    }
    for (size_t done = 0; w->index < count; w->index++, done++) {
        if (execution_has_had_enough(w, began, SHARE_OF_WRITES_NS, done))
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

static void put_commit(struct execution *w, uint64_t number)
{
    w->request->commit = number;
    w->request->commits = true;
    if (w->op->is_repeated) { /* what it would read now is not what it read then */
        w->out->used = w->base + w->start;
        put_nil(w->out);
    }
    put_word(w->out, "commit");
    if (number)
        put_uint(w->out, number);
    else
        put_nil(w->out);
}

/* A run with that token has been committed: its operations are not tried again, since they might
 * find what they have done. ERR_NOT_FOUND: none has. */
static enum err repeat(struct execution *w)
{
    struct slice token;
    uint64_t number;
    enum err e = token_read(w->call, &token, execution_failure(w));

    if (!e)
        e = slice_is_none(token) ? ERR_NOT_FOUND : commit_of_token(w->op, token, &number);
    if (!e)
        put_commit(w, number);
    return e;
}

static enum err commit(struct execution *w)
{
    struct txn *txn = w->own;
    struct slice token;
    uint64_t number = 0;
    enum err e = token_read(w->call, &token, execution_failure(w));

    if (e)
        return e;
    e = txn_commit(w->op, txn, token, &number);
    if (e == ERR_WAIT)
        return e;
    w->own = NULL; /* it has ended, whatever came out */
    if (e)
        return e;
    reactor_tick_within(&execution_session(w)->server->reactor,
                        execution_session(w)->server->options.interval);
    put_commit(w, number);
    return ERR_OK;
}

#define ALONE_OPTIONS \
    (UINT64_C(1) << OPTION_ID_DURABILITY | UINT64_C(1) << OPTION_ID_DEADLINE_MS)

/* One operation that writes one record, and nothing is asked for but its durability: that needs no
 * transaction. What an update answers in a run knows no number of a commit yet, so it has one.
 * Nothing is said of one that cannot be read: whoever begins one finds it again. */
static bool is_by_itself(struct execution *w)
{
    struct msgpack_cursor ops = msgpack_open(w->call->params[PARAM_ID_OPS].raw);
    uint32_t count;

    if (w->own || (w->call->given & ~ALONE_OPTIONS) || msgpack_read_array(&ops, &count) ||
        count != 1)
        return false;
    if (read_op(w, &ops) != ERR_OK) {
        failure_clear(execution_failure(w));
        return false;
    }
    return (w->request->run->call.method->flags & (METHOD_WRITES_ONE | METHOD_TELLS_COMMIT)) ==
           METHOD_WRITES_ONE;
}

static enum err run_by_itself(struct execution *w)
{
    struct txn_options options;
    enum err e =
        txn_options_read(w->call, execution_session(w), &options, execution_failure(w));

    if (e)
        return e;
    w->op->durability = options.durability;
    e = run_ops(w);
    if (!e)
        put_commit(w, w->op->committed);
    return e;
}

static enum err prepare(struct execution *w)
{
    struct run *run = pool_take_used(&execution_session(w)->server->runs);

    if (!run)
        return ERR_NOMEM;
    run->losses = 0;
    run->read_from = run->read_to = NULL;
    run->call.method = NULL; /* the rest is set where an operation is read */
    execution_init(&run->execution, w->session, w->request, w->op, &run->call);
    account_add(&execution_session(w)->account, ACCOUNT_REQUESTS, sizeof *run);
    w->request->run = run;
    put_map(w->out, 2);
    put_word(w->out, "results");
    w->start = w->out->used - w->base;
    return ERR_OK;
}

enum err execute_run(struct execution *w)
{
    struct request *r = w->request;
    enum err e = r->run ? ERR_OK : prepare(w);
    bool waits;

    if (!e && is_by_itself(w))
        return run_by_itself(w);
    while (!e) {
        if (!w->own) {
            e = repeat(w);
            if (e != ERR_NOT_FOUND)
                return e;
            e = begin(w);
        }
        if (!e)
            e = run_ops(w);
        if (!e)
            e = commit(w);
        if (!e)
            return ERR_OK;
        if (e != ERR_CONFLICT)
            return e;
        waits = execution_failure(w)->conflict == CONFLICT_LOCK &&
                !call_has(w->call, OPTION_ID_LOCK);
        if (!waits && ++r->run->losses > RUN_LOSSES_MAX)
            return e;
        r->has_index = false;
        start_over(w);
        op_release(w->op);
        e = waits ? lock_wait_join(w->op)
                  : ERR_OK; /* its turn comes, and then it is run again */
        if (!e)
            failure_clear(execution_failure(w));
    }
    return e;
}
