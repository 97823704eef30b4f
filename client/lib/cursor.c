/* cursor.c - scans: rows of the page at hand, while the next page is on its way.
 *
 * Each page is a reply that the cursor owns, so rows stay where they are whatever
 * else the connection does. */
#include "client/lib/txn_internal.h"
#include "proto/msgpack.h"

#include <stdlib.h>

struct hf_cursor {
    struct hf_conn *conn;            /* borrowed */
    uint64_t txn_serial;             /* of its transaction; 0: none */
    uint64_t life;                   /* conn->life at its opening */
    struct hf_cursor *next, *before; /* in conn->cursors */
    bool keys_only, values_only, of_index;
    bool ahead; /* ask for the next page while this one is read */
    bool keep;  /* it stays at its end, where pages are empty */
    bool open;  /* the server knows number */
    uint32_t number;
    uint32_t page;           /* rows asked for in a page; 0: the server's */
    struct hf_reply *here;   /* owned; the page that rows point into */
    struct hf_reply *coming; /* owned; the next page, asked for */
    struct slice rows;       /* of here, what was not given out yet */
    uint32_t row_count;
    int failed;            /* the error that stays */
    struct hf_error error; /* its text; without details */
};

static void cursor_link(struct hf_conn *c, struct hf_cursor *cursor)
{
    cursor->conn = c;
    cursor->next = c->cursors;
    if (c->cursors)
        c->cursors->before = cursor;
    c->cursors = cursor;
}

static void cursor_free(struct hf_cursor *cursor)
{
    if (cursor->next)
        cursor->next->before = cursor->before;
    if (cursor->before)
        cursor->before->next = cursor->next;
    else
        cursor->conn->cursors = cursor->next;
    hf_reply_free(cursor->here);
    hf_reply_free(cursor->coming);
    free(cursor);
}

/* Whether its connection or its transaction has ended. */
static bool cursor_is_gone(const struct hf_cursor *cursor)
{
    const struct hf_conn *c = cursor->conn;

    return cursor->life != c->life ||
           (cursor->txn_serial && !txn_is_open(c, cursor->txn_serial));
}

void cursor_free_all(struct hf_conn *c)
{
    while (c->cursors)
        cursor_free(c->cursors);
}

static int cursor_fail(struct hf_cursor *cursor, int e)
{
    cursor->failed = e;
    cursor->error = cursor->conn->error;
    cursor->error.details = HF_NONE;
    cursor->row_count = 0;
    return e;
}

/* Ask for a page, with further options in o. */
static int cursor_ask_with(struct hf_cursor *cursor, struct call_options *o)
{
    if (cursor->page)
        call_options_uint(o, "page", cursor->page);
    hf_pack_uint(call_start(cursor->conn, "next", 1, o), cursor->number);
    return call_send(cursor->conn, o, &cursor->coming);
}

/* Ask for the page behind the one at hand. */
static int cursor_ask(struct hf_cursor *cursor)
{
    struct call_options o = {0};

    return cursor_ask_with(cursor, &o);
}

/* The page has come: look into it, and ask for the one behind it. */
static int cursor_take_page(struct hf_cursor *cursor)
{
    struct hf_conn *c = cursor->conn;
    struct hf_bytes page = hf_reply_result(cursor->here);
    struct slice rows = map_find(page, "rows");
    struct msgpack_cursor in_rows = msgpack_open(rows);
    struct slice number = map_find(page, "cursor");
    struct msgpack_cursor in_number = msgpack_open(number);
    uint64_t n = 0;

    if (msgpack_read_array(&in_rows, &cursor->row_count) != ERR_OK ||
        (number.size > 0 && number.data[0] != 0xc0 &&
         (msgpack_read_uint(&in_number, &n) != ERR_OK || n > UINT32_MAX)))
        return connection_distrust(c, "scan");
    cursor->rows = slice_make(in_rows.at, (size_t)(in_rows.end - in_rows.at));
    cursor->open = number.size > 0 && number.data[0] != 0xc0;
    cursor->number = (uint32_t)n;
    if (!cursor->open || !cursor->ahead || (cursor->keep && !cursor->row_count) ||
        cursor_is_gone(cursor))
        return HF_OK;
    return cursor_ask(cursor);
}

int hf_cursor_open(struct hf_conn *c, struct hf_txn *t, const char *store,
                   const struct hf_range *range, const struct hf_scan_options *options,
                   struct hf_cursor **out)
{
    static const struct hf_scan_options defaults;
    const struct hf_scan_options *scan = options ? options : &defaults;
    struct hf_cursor *cursor = calloc(1, sizeof *cursor);
    struct call_options o = {0};
    struct hf_pack *p;
    int e;

    *out = NULL;
    if (!cursor)
        return error_set(&c->error, HF_MEMORY, "out of memory for a cursor");
    cursor_link(c, cursor);
    cursor->txn_serial = t ? t->serial : 0;
    cursor->life = c->life;
    cursor->keys_only = scan->keys_only;
    cursor->values_only = scan->values_only;
    cursor->of_index = scan->index != NULL;
    cursor->page = scan->page;
    cursor->keep = scan->keep;
    cursor->ahead = !t || t->read_only || scan->fetch_ahead;
    call_options_bool(&o, "reverse", scan->reverse);
    call_options_bool(&o, "unique", scan->unique);
    call_options_bool(&o, "keep", scan->keep);
    if (scan->keys_only || scan->values_only)
        call_options_text(&o, "only", scan->keys_only ? "keys" : "values");
    if (scan->has_limit)
        call_options_uint(&o, "limit", scan->limit);
    if (scan->offset)
        call_options_uint(&o, "offset", scan->offset);
    if (scan->page)
        call_options_uint(&o, "page", scan->page);
    p = txn_start(c, t, "scan", 3, &o);
    pack_source(p, (struct call_source){store, scan->index});
    pack_range(p, range);
    e = txn_finish(c, t, &o, NULL);
    if (e == HF_OK) {
        cursor->here = c->last; /* the page is kept beyond the next call */
        c->last = NULL;
        e = cursor_take_page(cursor);
    }
    if (e)
        cursor_free(cursor);
    else
        *out = cursor;
    return e;
}

/* Turn to the next page. */
static int cursor_go_on(struct hf_cursor *cursor)
{
    struct hf_conn *c = cursor->conn;
    int e = HF_OK;

    if (!cursor->coming && cursor_is_gone(cursor))
        return error_set(&c->error, HF_NO_CURSOR,
                         "the cursor ended with its connection or transaction");
    if (!cursor->coming)
        e = cursor_ask(cursor);
    if (e == HF_OK)
        e = hf_wait(cursor->coming);
    if (e == HF_TIMEOUT)
        return e; /* it may still come */
    hf_reply_free(cursor->here);
    cursor->here = cursor->coming;
    cursor->coming = NULL;
    return e ? e : cursor_take_page(cursor);
}

/* A row is [key, value], [index key, key, value], or one of these without key or value. */
static bool row_read(struct hf_cursor *cursor, struct hf_row *row)
{
    struct msgpack_cursor at = msgpack_open(cursor->rows);
    struct hf_bytes *fields[3];
    uint32_t count, expected = 0;
    struct slice rest, value;

    if (cursor->of_index && !cursor->values_only)
        fields[expected++] = &row->index_key;
    if (!cursor->values_only)
        fields[expected++] = &row->key;
    if (!cursor->keys_only)
        fields[expected++] = &row->value;
    if (msgpack_read_array(&at, &count) != ERR_OK || count != expected)
        return false;
    rest = slice_make(at.at, (size_t)(at.end - at.at));
    for (uint32_t i = 0; i < count; i++) {
        if (!frame_take(&rest, &value))
            return false;
        *fields[i] = (struct hf_bytes){value.data, value.size};
    }
    cursor->rows = rest;
    cursor->row_count--;
    return true;
}

int hf_cursor_next(struct hf_cursor *cursor, struct hf_row *row)
{
    struct hf_conn *c = cursor->conn;

    *row = (struct hf_row){HF_NONE, HF_NONE, HF_NONE};
    if (cursor->failed)
        return connection_fail(c, &cursor->error);
    while (cursor->row_count == 0) {
        int e;

        if (!cursor->open && !cursor->coming)
            return HF_END;
        e = cursor_go_on(cursor);
        if (e == HF_TIMEOUT)
            return e;
        if (e)
            return cursor_fail(cursor, e);
        if (cursor->keep && !cursor->row_count)
            return HF_END;
    }
    if (!row_read(cursor, row))
        return cursor_fail(cursor, connection_distrust(c, "scan"));
    return HF_OK;
}

/* What was asked for ahead is not wanted any more; whether the cursor has ended with it is. */
static int cursor_drop_coming(struct hf_cursor *cursor)
{
    int e = cursor->coming ? hf_wait(cursor->coming) : HF_OK;
    struct slice number;

    if (!cursor->coming || e == HF_TIMEOUT)
        return e;
    number = e ? SLICE_NONE : map_find(hf_reply_result(cursor->coming), "cursor");
    if (e == HF_OK)
        cursor->open = number.size > 0 && number.data[0] != 0xc0;
    hf_reply_free(cursor->coming);
    cursor->coming = NULL;
    return e;
}

static int cursor_ask_at(struct hf_cursor *cursor, const struct hf_seek_options *seek)
{
    static const uint8_t yes = 0xc3, no = 0xc2; /* false is said, too: it turns round */
    struct call_options o = {0};
    struct hf_pack to = {0};

    if (seek->record_key.size) {
        hf_pack_map(&to, 2);
        hf_pack_text(&to, "index");
        hf_pack_raw(&to, seek->key);
        hf_pack_text(&to, "key");
        hf_pack_raw(&to, seek->record_key);
    } else {
        hf_pack_raw(&to, seek->key);
    }
    call_options_raw(&o, "to", hf_pack_bytes(&to));
    hf_pack_fini(&to);
    call_options_raw(&o, "reverse", (struct hf_bytes){seek->reverse ? &yes : &no, 1});
    if (seek->skip)
        call_options_uint(&o, "skip", seek->skip);
    return cursor_ask_with(cursor, &o);
}

int hf_cursor_seek(struct hf_cursor *cursor, const struct hf_seek_options *options)
{
    struct hf_conn *c = cursor->conn;
    int e;

    if (cursor->failed)
        return connection_fail(c, &cursor->error);
    e = cursor_drop_coming(cursor);
    if (e == HF_TIMEOUT)
        return e;
    cursor->row_count = 0;
    if (e == HF_OK && (!cursor->open || cursor_is_gone(cursor)))
        e = error_set(&c->error, HF_NO_CURSOR,
                      "the cursor has ended; with keep it stays after its last row");
    if (e == HF_OK)
        e = cursor_ask_at(cursor, options);
    if (e == HF_OK)
        e = cursor_go_on(cursor);
    return e && e != HF_TIMEOUT ? cursor_fail(cursor, e) : e;
}

void hf_cursor_close(struct hf_cursor *cursor)
{
    struct hf_reply *reply;

    if (!cursor)
        return;
    if (cursor->open && !cursor_is_gone(cursor)) {
        hf_pack_uint(hf_call_begin(cursor->conn, "close", 1), cursor->number);
        if (hf_call_end(cursor->conn, &reply) == HF_OK)
            hf_reply_free(reply);
    }
    cursor_free(cursor);
}
