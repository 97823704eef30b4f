/* execute_query.c - query, explain, cancel: rows of a text, page by page as those of a scan.
 *
 * The first page is made before the cursor has a number: a query that ends with it never gets
 * one. */
#include "server/net/execute.h"

#include "server/base/assert.h"
#include "server/net/order.h"

#include <inttypes.h>

#define RUN_ROWS_MAX 65535 /* in `run`, where there are no pages */

static bool is_in_run(const struct execution *w)
{
    return w->request->run && w == &w->request->run->execution;
}

static struct portal_limits page_limits(const struct execution *w)
{
    const struct options *o = &w->session->server->options;
    uint64_t page = call_number(w->call, OPTION_ID_PAGE, o->scan_rows);
    struct portal_limits limits = {
        .rows = page < o->scan_rows ? page : o->scan_rows,
        .bytes = o->scan_size,
        .start = w->base + w->start,
    };

    if (is_in_run(w)) {
        limits.rows = RUN_ROWS_MAX;
        limits.bytes = o->result_size;
    }
    return limits;
}

static void begin_rows(struct execution *w, struct portal *p)
{
    w->begun = true;
    put_word(w->out, "rows");
    w->place = put_array_later(w->out) - w->base;
    w->start = w->out->used - w->base;
    w->index = 0;
    portal_begin_page(p);
}

/* The rows of one page. ERR_OK: more may follow; ERR_END. */
static enum err put_rows(struct execution *w, struct portal *p)
{
    struct portal_limits limits = page_limits(w);
    enum err e = portal_put_rows(p, w->op, w->out, &w->index, &limits);

    if (e && e != ERR_END)
        return e;
    put_array_now(w->out, w->base + w->place, (uint32_t)w->index);
    query_rest(p->query);
    return e;
}

static enum err check_begin(struct execution *w)
{
    struct session *s = w->session;

    if (call_number(w->call, OPTION_ID_PAGE, 1) == 0)
        return failure_set(execution_failure(w), ERR_BAD_REQUEST, "%s: page must be at least 1",
                           w->call->method->name);
    if (s->cursors.count >= s->server->options.cursors_per_connection)
        return failure_set(execution_failure(w), ERR_OVERLOADED,
                           "query: %zu cursors are open on this connection, which is the limit "
                           "(cursors-per-connection)",
                           s->cursors.count);
    if (!session_has_room(s, 0))
        return session_refuse(s, execution_failure(w), "query");
    return ERR_OK;
}

static enum err begin(struct execution *w, bool only_explains)
{
    const struct options *o = &w->session->server->options;
    const struct call_value *params = w->call->params;
    struct query_request request = {
        .plans = &w->session->server->plans,
        .text = params[PARAM_ID_TEXT].text,
        .arguments = params[PARAM_ID_ARGS].raw,
        .text_max = o->query_text,
        .memory_max = o->query_memory,
        .answer_max = o->result_size,
        .plan_seed = call_number(w->call, OPTION_ID_PLAN, 0),
        .only_explains = only_explains,
    };
    struct query *query;
    enum err e = check_begin(w);

    if (!e)
        e = query_begin(w->op, w->txn, &request, &query);
    if (e)
        return e;
    w->portal = portal_new(query, &w->session->account);
    return w->portal ? ERR_OK : ERR_NOMEM;
}

static void put_columns(struct execution *w, const struct query *q)
{
    unsigned count = query_column_count(q);

    put_word(w->out, "columns");
    put_array(w->out, count);
    for (unsigned i = 0; i < count; i++)
        put_text(w->out, query_column_name(q, i));
}

/* More rows follow: the query becomes a cursor. */
static enum err keep_open(struct execution *w)
{
    struct portal *p = w->portal;
    struct session_cursor *c;

    if (is_in_run(w)) {
        uint64_t max = w->session->server->options.result_size;

        return failure_set_limit(execution_failure(w), "result-size", max, max + 1,
                                 "query: inside run, the rows must fit into one reply: %u rows "
                                 "and "
                                 "%" PRIu64 " bytes (result-size)",
                                 RUN_ROWS_MAX, max);
    }
    ASSERT(!query_writes(p->query)); /* its rows are all in the answer */
    c = request_open_cursor(w->request, query_cursor(p->query));
    if (!c)
        return ERR_NOMEM;
    c->portal = p;
    w->portal = NULL;
    p->keeps_page = true;
    put_word(w->out, "cursor");
    put_uint(w->out, c->number);
    w->request->cursor = c->number;
    w->request->page = c->pages;
    return ERR_OK;
}

static void put_answer(void *context, struct slice row)
{
    put_value(context, row);
}

/* A statement that writes: {changed}, or {changed, columns, rows}. */
static enum err execute_write(struct execution *w)
{
    struct portal *p = w->portal;
    uint64_t changed;
    enum err e;

    w->orders = true;
    e = query_write(&p->query, w->op, &changed);
    portal_count(p);
    if (e)
        return e;
    put_map(w->out, query_column_count(p->query) ? 3 : 1);
    put_fact(w->out, "changed", changed);
    if (query_column_count(p->query)) {
        put_columns(w, p->query);
        put_word(w->out, "rows");
        put_array(w->out, query_answer_count(p->query));
        query_answers(p->query, put_answer, w->out);
    }
    portal_free(p);
    w->portal = NULL;
    return ERR_OK;
}

/* `explain ...` as a query: a row for each line of the plan. */
static enum err execute_explained(struct execution *w)
{
    struct slice text, data;
    uint32_t count = 0;
    size_t place;
    enum err e = query_explain(w->portal->query, w->op, false, &text, &data);

    if (e)
        return e;
    put_map(w->out, 3);
    put_word(w->out, "columns");
    put_array(w->out, 1);
    put_word(w->out, "plan");
    put_word(w->out, "rows");
    place = put_array_later(w->out);
    for (const uint8_t *at = text.data, *end = at + text.size; at < end; count++) {
        const uint8_t *line = memchr(at, '\n', (size_t)(end - at));

        put_array(w->out, 1);
        put_text(w->out, slice_make(at, (size_t)(line - at)));
        at = line + 1;
    }
    put_array_now(w->out, place, count);
    put_word(w->out, "cursor");
    put_nil(w->out);
    return ERR_OK;
}

/* {text, plan} */
enum err execute_explain(struct execution *w)
{
    struct slice text, data;
    enum err e = w->portal ? ERR_OK : begin(w, true);

    if (!e)
        e = query_explain(w->portal->query, w->op, call_number(w->call, OPTION_ID_ANALYZE, 0),
                          &text, &data);
    if (e)
        return e;
    put_map(w->out, 2);
    put_word(w->out, "text");
    put_text(w->out, text);
    put_word(w->out, "plan");
    put_value(w->out, data);
    return ERR_OK;
}

enum err execute_query(struct execution *w)
{
    enum err e = w->portal ? ERR_OK : begin(w, false);

    if (!e && query_is_explained(w->portal->query))
        return execute_explained(w);

    if (!e && query_writes(w->portal->query))
        return execute_write(w);

    if (!e && !w->begun) {
        put_map(w->out, 3);
        put_columns(w, w->portal->query);
        begin_rows(w, w->portal);
    }
    if (!e)
        e = put_rows(w, w->portal);
    if (!e)
        return keep_open(w);
    if (e != ERR_END)
        return e;
    put_word(w->out, "cursor");
    put_nil(w->out);
    portal_free(w->portal);
    w->portal = NULL;
    return ERR_OK;
}

enum err execute_next_of_query(struct execution *w)
{
    struct session_cursor *c = w->cursor;
    struct portal *p = c->portal;
    enum err e;

    ASSERT(p && p->keeps_page);
    if (!w->begun) {
        put_map(w->out, 2);
        begin_rows(w, p);
    }
    e = put_rows(w, p);
    if (e && e != ERR_END)
        return e;
    put_word(w->out, "cursor");
    if (e == ERR_END) {
        put_nil(w->out);
        c->has_ended = true;
    } else {
        put_uint(w->out, c->number);
    }
    w->request->cursor = c->number;
    w->request->page = c->pages;
    c->used_ms = server_now(w->session->server);
    w->cursor = NULL;
    return ERR_OK;
}

enum err execute_cancel(struct execution *w)
{
    uint64_t msgid = w->call->params[PARAM_ID_MSGID].number;

    if (msgid <= UINT32_MAX)
        order_cancel(w->session, (uint32_t)msgid, w->request,
                     call_has(w->call, OPTION_ID_KEEP) &&
                         w->call->options[OPTION_ID_KEEP].number);
    put_nil(w->out);
    return ERR_OK;
}
