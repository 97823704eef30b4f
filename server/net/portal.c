/* portal.c - see portal.h. */
#include "server/net/portal.h"

#include "server/base/assert.h"

#include <stdlib.h>

struct portal *portal_new(struct query *query, struct account *account)
{
    struct portal *p = calloc(1, sizeof *p);

    ASSERT(query && account);
    if (!p) {
        query_close(query);
        return NULL;
    }
    p->query = query;
    p->account = account;
    net_buffer_charge(&p->page, account, ACCOUNT_HANDLES);
    net_buffer_charge(&p->row, account, ACCOUNT_HANDLES);
    portal_count(p);
    return p;
}

void portal_free(struct portal *p)
{
    if (!p)
        return;
    query_close(p->query);
    account_sub(p->account, ACCOUNT_HANDLES, p->counted);
    net_buffer_fini(&p->page);
    net_buffer_fini(&p->row);
    free(p);
}

void portal_count(struct portal *p)
{
    size_t now = sizeof *p + (size_t)query_bytes(p->query);

    account_sub(p->account, ACCOUNT_HANDLES, p->counted);
    account_add(p->account, ACCOUNT_HANDLES, now);
    p->counted = now;
}

void portal_begin_page(struct portal *p)
{
    if (p->replays)
        return;
    net_buffer_clear(&p->page, 0);
    p->page_rows = 0;
}

void portal_take_back(struct portal *p)
{
    ASSERT(p->keeps_page);
    p->replays = true;
}

static void put_row(struct net_buffer *b, const struct query *q)
{
    unsigned count = query_column_count(q);

    put_array(b, count);
    for (unsigned i = 0; i < count; i++) {
        const struct datum *d = query_column(q, i);
        size_t size = datum_size(d), written;
        uint8_t *to = net_buffer_reserve(b, size);

        if (!to)
            return;
        written = datum_write(d, to);
        ASSERT(written == size);
        b->used += written;
    }
}

/* The row at the end of out, from `from` on, is given. */
static void note_row(struct portal *p, const struct net_buffer *out, size_t from)
{
    if (!p->keeps_page || out->failed)
        return;
    net_buffer_append(&p->page, out->data + from, out->used - from);
    p->page_rows++;
}

enum err portal_put_rows(struct portal *p, struct op *op, struct net_buffer *out, size_t *rows,
                         const struct portal_limits *limits)
{
    enum err e = ERR_OK;

    ASSERT(!p->replays || p->keeps_page);
    if (p->replays) {
        net_buffer_append(out, p->page.data, p->page.used);
        *rows = p->page_rows;
        p->replays = false;
    }
    query_turn(p->query, op);
    while (*rows < limits->rows) {
        size_t before = out->used;

        if (p->row.used) {
            net_buffer_append(out, p->row.data, p->row.used);
            net_buffer_clear(&p->row, 0);
        } else {
            e = query_next(p->query, op);
            if (e)
                break;
            put_row(out, p->query);
        }
        if (*rows && out->used - limits->start > limits->bytes && !out->failed) {
            net_buffer_append(&p->row, out->data + before, out->used - before);
            out->used = before;
            break;
        }
        note_row(p, out, before);
        ++*rows;
    }
    portal_count(p);
    return p->row.failed || p->page.failed ? ERR_NOMEM : e;
}
