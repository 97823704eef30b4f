/* execute_scan.c - scan, next, close: rows page by page.
 *
 * The limit on rows is kept here, since a row that does not fit into a page is given back to
 * the core: the cursor turns round, takes the row again, and turns once more. */
#include "server/net/execute.h"
#include "server/txn/decided.h"

#include <inttypes.h>

#define CURSOR_ROOM (16u << 10) /* what a cursor takes, about */

/* Where the row ends in the reply is only known when it is there; so it is put and, if the
 * page is too large with it, taken back. */
static void put_row(struct net_buffer *b, unsigned only, const struct cursor_row *row)
{
    bool of_index = !slice_is_none(row->index_key);

    put_array(b, only == 2 ? 1 : 1u + of_index + (only != 1));
    if (only != 2 && of_index)
        put_value(b, row->index_key);
    if (only != 2)
        put_value(b, row->key);
    if (only != 1)
        put_value(b, row->value);
}

/* Give the last row back. May have to wait: then it is called again. */
static enum err step_back(struct execution *w)
{
    struct session_cursor *c = w->cursor;
    struct cursor_row row;
    enum err e;

    cursor_set_direction(c->core, !c->reverse);
    e = cursor_next(w->op, c->core, &row);
    cursor_set_direction(c->core, c->reverse);
    if (e ==
        ERR_END) /* a transaction's own cursor, and the row is gone: then it stands right */
        e = ERR_OK;
    w->stepping_back = e == ERR_WAIT;
    return e;
}

/* Rows until the page is full (ERR_OK), there are no more (ERR_END), or it must wait. */
static enum err put_rows(struct execution *w, uint64_t rows_max)
{
    struct session_cursor *c = w->cursor;
    uint64_t bytes_max = execution_session(w)->server->options.scan_size;
    struct cursor_row row;
    enum err e;

    if (w->stepping_back)
        return step_back(w);
    while (w->index < rows_max) {
        size_t before = w->out->used;

        if (c->left == 0)
            return ERR_END;
        e = cursor_next(w->op, c->core, &row);
        if (e)
            return e;
        put_row(w->out, c->only, &row);
        if (w->index && w->out->used - w->base - w->start > bytes_max) {
            w->out->used = before;
            return step_back(w);
        }
        w->index++;
        if (c->left != UINT64_MAX)
            c->left--;
    }
    /* Know it now if it can be known now, and spare the client a page without rows. */
    return c->left ? cursor_look(w->op, c->core) : ERR_END;
}

static uint64_t rows_max(const struct execution *w)
{
    uint64_t max = execution_session(w)->server->options.scan_rows;
    uint64_t page = call_number(w->call, OPTION_ID_PAGE, max);

    return page < max ? page : max;
}

/* {rows: [...], cursor: n}; the cursor is closed where nothing is left, unless it is kept. */
static enum err put_page(struct execution *w)
{
    struct session_cursor *c = w->cursor;
    enum err e;

    if (!w->begun) {
        w->begun = true;
        put_map(w->out, 2);
        put_word(w->out, "rows");
        w->place = put_array_later(w->out) - w->base;
        w->start = w->out->used - w->base;
    }
    e = put_rows(w, rows_max(w));
    if (e && e != ERR_END)
        return e;
    put_array_now(w->out, w->base + w->place, (uint32_t)w->index);
    put_word(w->out, "cursor");
    if (call_has(w->call, OPTION_ID_KEEP))
        c->keep = w->call->options[OPTION_ID_KEEP].number;
    if (e == ERR_END && !c->keep) {
        put_nil(w->out);
        c->has_ended = true; /* request_free closes it: until then the page may be given up */
    } else {
        put_uint(w->out, c->number);
    }
    w->request->cursor = c->number;
    w->request->page = c->pages;
    c->used_ms = server_now(execution_session(w)->server);
    cursor_rest(c->core);
    w->cursor = NULL;
    return ERR_OK;
}

static enum err check_page(struct execution *w)
{
    if (call_number(w->call, OPTION_ID_PAGE, 1) == 0)
        return failure_set(execution_failure(w), ERR_BAD_REQUEST, "%s: page must be at least 1",
                           w->call->method->name);
    return ERR_OK;
}

/* Make the cursor known; it stays with the work until the first page is done. */
static enum err take_cursor(struct execution *w, struct cursor *core, unsigned only,
                            bool reverse, uint64_t limit)
{
    w->cursor = request_open_cursor(w->request, core);
    if (!w->cursor) {
        cursor_close(core);
        return ERR_NOMEM;
    }
    w->cursor->only = only;
    w->cursor->reverse = reverse;
    w->cursor->left = limit;
    return ERR_OK;
}

enum err execute_scan(struct execution *w)
{
    static const char *const onlys[] = {"", "keys", "values"};
    const struct call *c = w->call;
    struct session *s = execution_session(w);
    struct cursor_options options = {
        .reverse = call_number(c, OPTION_ID_REVERSE, 0),
        .limit = UINT64_MAX,
        .offset = call_number(c, OPTION_ID_OFFSET, 0),
        .unique = call_number(c, OPTION_ID_UNIQUE, 0),
        .runs = true,
    };
    uint64_t limit = call_number(c, OPTION_ID_LIMIT, UINT64_MAX);
    struct cursor *core;
    struct source source = execution_source(w);
    unsigned only;
    enum err e;

    if (w->cursor)
        return put_page(w);
    e = call_word(c, OPTION_ID_ONLY, onlys, 3, &only, execution_failure(w));
    if (!e)
        e = check_page(w);
    options.only_keys = only == 1;
    options.index = source.index;
    if (!e && s->cursors.count >= s->server->options.cursors_per_connection)
        e = failure_set(execution_failure(w), ERR_OVERLOADED,
                        "scan: %zu cursors are open on this connection, which is the limit "
                        "(cursors-per-connection)",
                        s->cursors.count);
    if (!e && !session_has_room(s, CURSOR_ROOM))
        e = session_refuse(s, execution_failure(w), "scan");
    if (!e)
        e = cursor_open(w->op, w->txn, source.store, c->params[PARAM_ID_RANGE].raw, &options,
                        &core);
    if (!e)
        e = take_cursor(w, core, only, options.reverse, limit);
    return e ? e : put_page(w);
}

static struct session_cursor *find_cursor(struct execution *w)
{
    uint64_t number = w->call->params[PARAM_ID_CURSOR].number;

    if (number > UINT32_MAX)
        return NULL;
    return number_map_find(&execution_session(w)->cursors, (uint32_t)number);
}

/* Rows of a query come in its order, from its first to its last. */
static enum err next_of_query(struct execution *w, struct session_cursor *cursor)
{
    static const unsigned scans[] = {OPTION_ID_REVERSE, OPTION_ID_TO, OPTION_ID_UNIQUE,
                                     OPTION_ID_SKIP, OPTION_ID_KEEP};

    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++)
        if (call_has(w->call, scans[i]))
            return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                               "next: option \"%s\" applies to the cursor of a scan; this one "
                               "belongs to a query",
                               method_options[scans[i]].name);
    if (!w->cursor) {
        w->cursor = cursor;
        cursor->pages++;
    }
    return execute_next_of_query(w);
}

enum err execute_next(struct execution *w)
{
    const struct call *c = w->call;
    struct session_cursor *cursor = find_cursor(w);
    enum err e = check_page(w);

    if (e)
        return e;
    if (!cursor || cursor->has_ended)
        return failure_set(execution_failure(w), ERR_NO_CURSOR,
                           "next: no open cursor has number %" PRIu64
                           "; a cursor ends with its last row, its transaction or its "
                           "connection",
                           c->params[PARAM_ID_CURSOR].number);
    decided_note_all(w->op, cursor->decided); /* it may have been opened without an answer */
    if (cursor->portal)
        return next_of_query(w, cursor);
    if (w->cursor && w->begun)
        return put_page(w);
    if (!w->cursor) {
        w->cursor = cursor; /* from here on execution_fini gives the page back if it fails */
        cursor->mark_reverse = cursor->reverse;
        cursor->mark_left = cursor->left;
        cursor->pages++;
        cursor_mark(cursor->core);
    }
    if (call_has(c, OPTION_ID_REVERSE) &&
        c->options[OPTION_ID_REVERSE].number != cursor->reverse) {
        cursor->reverse = !cursor->reverse;
        cursor_set_direction(cursor->core, cursor->reverse);
    }
    if (call_has(c, OPTION_ID_UNIQUE))
        cursor_set_unique(cursor->core, c->options[OPTION_ID_UNIQUE].number);
    if (call_has(c, OPTION_ID_SKIP))
        cursor_skip(cursor->core, c->options[OPTION_ID_SKIP].number);
    if (call_has(c, OPTION_ID_TO)) {
        e = cursor_move_to(w->op, cursor->core, c->options[OPTION_ID_TO].raw);
        if (e)
            return e;
    }
    return put_page(w);
}

enum err execute_close(struct execution *w)
{
    struct session_cursor *cursor = find_cursor(w);

    if (cursor)
        session_cursor_close(execution_session(w), cursor);
    put_nil(w->out);
    return ERR_OK;
}
