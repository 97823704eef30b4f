/* execution.c - see execution.h. */
#include "server/net/execution.h"

#include "server/base/assert.h"

#include <uv.h>

#define REPLY_SMALL (64u << 10)    /* bytes that are answered without looking for room */

enum err execution_check_room(struct execution *w)
{
    struct session *s = execution_session(w);

    ASSERT(w->base <= w->out->used);
    if (w->out->used - w->base <= REPLY_SMALL || session_has_room(s, 0))
        return ERR_OK;
    return session_refuse(s, execution_failure(w), w->call->method->name);
}

void execution_init(struct execution *w, struct session *s, struct request *r, struct op *op,
                    const struct call *call)
{
    memset(w, 0, sizeof *w);
    w->session = s;
    w->request = r;
    w->op = op;
    w->call = call;
}

void execution_fini(struct execution *w)
{
    if (w->cursor) /* the page did not come to its end */
        session_cursor_take_back(execution_session(w), w->cursor);
    w->cursor = NULL;
    portal_free(w->portal);
    w->portal = NULL;
    if (w->own)
        txn_rollback(w->own);
    w->own = NULL;
    list_walk_end(&w->walk);
}

enum err execution_yield(struct execution *w)
{
    w->yields = true;
    execution_session(w)->server->clock.yields++;
    return ERR_WAIT;
}

bool execution_has_had_enough(struct execution *w, uint64_t began_ns, uint64_t share_ns,
                              size_t done)
{
    if (done % STEPS_A_LOOK || !done || uv_hrtime() - began_ns < share_ns)
        return false;
    execution_yield(w);
    return true;
}

struct source execution_source(const struct execution *w)
{
    const struct call_value *given = &w->call->params[PARAM_ID_SOURCE];
    struct source source = {given->text, SLICE_NONE};
    struct msgpack_cursor at = msgpack_open(given->raw);
    uint32_t count;

    if (given->indexed && msgpack_read_array(&at, &count) == ERR_OK &&
        msgpack_skip(&at, 1, NULL) == ERR_OK)
        msgpack_read_text(&at, &source.index);
    return source;
}
