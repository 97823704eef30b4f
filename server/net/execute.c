/* execute.c - which function is which method, and what they share. */
#include "server/net/execute.h"

#include "server/net/server.h"

#include <uv.h>

#define SHARE_NS UINT64_C(1000000) /* of a turn, for one request */
#define REPLY_SMALL (64u << 10)    /* bytes that are answered without looking for room */
#define STEPS_A_LOOK 16            /* looking at the clock costs something, too */

static execute *const executors[METHOD_COUNT] = {
    [METHOD_HELLO] = execute_hello,
    [METHOD_DESCRIBE] = execute_describe,
    [METHOD_PING] = execute_ping,
    [METHOD_BEGIN] = execute_begin,
    [METHOD_COMMIT] = execute_commit,
    [METHOD_ROLLBACK] = execute_rollback,
    [METHOD_RUN] = execute_run,
    [METHOD_CREATE_STORE] = execute_create_store,
    [METHOD_DROP_STORE] = execute_drop_store,
    [METHOD_CLEAR_STORE] = execute_clear_store,
    [METHOD_RENAME_STORE] = execute_rename_store,
    [METHOD_STORES] = execute_stores,
    [METHOD_PUT] = execute_put,
    [METHOD_INSERT] = execute_insert,
    [METHOD_DELETE] = execute_delete,
    [METHOD_GET] = execute_get,
    [METHOD_HAS] = execute_has,
    [METHOD_GET_MANY] = execute_get_many,
    [METHOD_SCAN] = execute_scan,
    [METHOD_NEXT] = execute_next,
    [METHOD_CLOSE] = execute_close,
    [METHOD_COUNT_RECORDS] = execute_count,
    [METHOD_SIZE] = execute_size,
    [METHOD_DELETE_RANGE] = execute_delete_range,
    [METHOD_STATUS] = execute_status,
    [METHOD_HOLDS] = execute_holds,
    [METHOD_CLIENTS] = execute_clients,
    [METHOD_KILL] = execute_kill,
    [METHOD_ROTATE] = execute_rotate,
    [METHOD_AMALGAMATE] = execute_amalgamate,
};

execute *execute_find(const struct method *method)
{
    execute *found = executors[method - method_table];

    return found ? found : execute_absent;
}

bool execute_keeps(const struct method *method)
{
    return method == &method_table[METHOD_GET_MANY] || method == &method_table[METHOD_SCAN] ||
           method == &method_table[METHOD_NEXT] || method == &method_table[METHOD_RUN] ||
           method == &method_table[METHOD_STORES];
}

bool execute_answers_much(const struct method *method)
{
    return execute_keeps(method) || method == &method_table[METHOD_GET] ||
           method == &method_table[METHOD_STORES];
}

enum err execution_check_room(struct execution *w)
{
    struct session *s = execution_session(w);

    if (w->out->used - w->base <= REPLY_SMALL || session_has_room(s, 0))
        return ERR_OK;
    return session_refuse(s, execution_failure(w), w->call->method->name);
}

void execution_init(struct execution *w, struct request *r, struct txn *txn,
                    const struct call *call)
{
    memset(w, 0, sizeof *w);
    w->request = r;
    w->op = &r->op;
    w->txn = txn;
    w->call = call;
}

void execution_fini(struct execution *w)
{
    if (w->cursor) /* the page did not come to its end */
        session_cursor_take_back(execution_session(w), w->cursor);
    w->cursor = NULL;
    if (w->own)
        txn_rollback(w->own);
    w->own = NULL;
}

bool execution_has_had_enough(struct execution *w, uint64_t began_ns, size_t done)
{
    if (done % STEPS_A_LOOK || !done || uv_hrtime() - began_ns < SHARE_NS)
        return false;
    w->yields = true;
    execution_session(w)->server->clock.yields++;
    return true;
}

enum err execution_source(struct execution *w, unsigned param, struct slice *store)
{
    const struct call_value *source = &w->call->params[param];
    struct msgpack_cursor at = msgpack_open(source->raw);
    struct slice index = SLICE_NONE;
    uint32_t count;

    *store = source->text;
    if (!source->indexed)
        return ERR_OK;
    if (msgpack_read_array(&at, &count) == ERR_OK && msgpack_skip(&at, 1, NULL) == ERR_OK)
        msgpack_read_text(&at, &index);
    failure_set(execution_failure(w), ERR_NO_INDEX,
                "store \"%s\" has no index \"%s\" (indexes are not supported in this version)",
                text_show(source->text), text_show(index));
    failure_set_store(execution_failure(w), ERR_NO_INDEX, source->text);
    failure_set_index(execution_failure(w), ERR_NO_INDEX, index);
    return ERR_NO_INDEX;
}
