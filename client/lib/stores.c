/* stores.c - the lists of stores and of databases, which the server gives in pages.
 *
 * One page is the usual case, and one request. Where there are more stores, and the caller has no
 * transaction, they are read in one of their own, so that the list is of one moment. Of databases
 * each page is of its own. */
#include "client/lib/txn_internal.h"
#include "proto/msgpack.h"

#include <string.h>

struct list_page {
    const char *method;  /* "stores" or "databases", and the name of the list in an answer */
    struct slice list;   /* packed; borrowed until the next call */
    struct slice items;  /* the same without its head */
    uint32_t count;
    struct slice next; /* packed; none: this is the last page */
};

static bool page_read(struct hf_bytes result, struct list_page *page)
{
    struct slice next = map_find(result, "next");
    struct msgpack_cursor at;

    page->list = map_find(result, page->method);
    at = msgpack_open(page->list);
    if (slice_is_none(page->list) || slice_is_none(next) ||
        msgpack_read_array(&at, &page->count) != ERR_OK)
        return false;
    page->items = slice_make(at.at, (size_t)(at.end - at.at));
    page->next = next.data[0] == 0xc0 ? SLICE_NONE : next;
    return true;
}

static bool is_of_databases(const struct list_page *page)
{
    return strcmp(page->method, "databases") == 0;
}

/* The page that begins with a name, which is packed; none: the first. */
static int page_ask(struct hf_conn *c, struct hf_txn *t, struct hf_bytes from,
                    struct list_page *page)
{
    struct call_options o = {0};
    struct hf_bytes result;
    int e;

    if (from.data)
        call_options_raw(&o, "from", from);
    call_options_uint(&o, "limit", UINT16_MAX); /* as many as the server gives */
    if (is_of_databases(page)) {
        call_start(c, page->method, 0, &o);
        e = call_finish(c, &o, &result);
    } else {
        txn_start(c, t, page->method, 1, &o);
        e = txn_finish(c, t, &o, &result);
    }
    if (e == HF_OK && !page_read(result, page))
        e = connection_distrust(c, page->method);
    return e;
}

/* All pages as one list, in c->joined. page: the first one. */
static int pages_join(struct hf_conn *c, struct hf_txn *t, struct list_page *page)
{
    struct hf_pack items = {0}, next = {0}, list = {0};
    uint64_t count = 0;
    int e = HF_OK;

    for (;;) {
        hf_pack_raw(&items, (struct hf_bytes){page->items.data, page->items.size});
        count += page->count;
        if (slice_is_none(page->next))
            break;
        hf_pack_reset(&next);
        hf_pack_raw(&next, (struct hf_bytes){page->next.data, page->next.size});
        e = items.failed || next.failed ? error_set(&c->error, HF_MEMORY, "out of memory")
                                        : page_ask(c, t, hf_pack_bytes(&next), page);
        if (e)
            goto done;
    }
    hf_pack_array(&list, (uint32_t)count);
    hf_pack_raw(&list, hf_pack_bytes(&items));
    if (list.failed || items.failed)
        e = error_set(&c->error, HF_MEMORY, "out of memory");
    if (e)
        hf_pack_fini(&list);
    else
        c->joined = list;
done:
    hf_pack_fini(&items);
    hf_pack_fini(&next);
    return e;
}

/* In a transaction of its own: what the pages show is of one moment. */
static int stores_read_apart(struct hf_conn *c, struct list_page *page)
{
    struct hf_begin_options options = {.read_only = true, .label = "stores"};
    struct hf_pack joined;
    struct hf_txn *t;
    int e = hf_txn_begin(c, &options, &t), end;

    if (e)
        return e;
    e = page_ask(c, t, HF_NONE, page);
    if (!e)
        e = pages_join(c, t, page);
    if (e) { /* the caller learns of this one */
        struct hf_reply *last = c->last;
        struct hf_error error = c->error;

        c->last = NULL;
        hf_txn_rollback(t);
        hf_reply_free(c->last);
        c->last = last;
        c->error = error;
        return e;
    }
    joined = c->joined; /* the next call would free it */
    c->joined = (struct hf_pack){0};
    end = hf_txn_rollback(t);
    c->joined = joined;
    return end;
}

int hf_stores(struct hf_conn *c, struct hf_txn *t, struct hf_bytes *result)
{
    struct list_page page = {.method = "stores"};
    int e = page_ask(c, t, HF_NONE, &page);

    if (e)
        return e;
    if (slice_is_none(page.next)) {
        if (result)
            *result = (struct hf_bytes){page.list.data, page.list.size};
        return HF_OK;
    }
    e = t ? pages_join(c, t, &page) : stores_read_apart(c, &page);
    if (!e && result)
        *result = hf_pack_bytes(&c->joined);
    return e;
}

int hf_databases(struct hf_conn *c, struct hf_bytes *result)
{
    struct list_page page = {.method = "databases"};
    int e = page_ask(c, NULL, HF_NONE, &page);
    bool is_joined = !e && !slice_is_none(page.next);

    if (is_joined)
        e = pages_join(c, NULL, &page);
    if (!e && result)
        *result = is_joined ? hf_pack_bytes(&c->joined)
                            : (struct hf_bytes){page.list.data, page.list.size};
    return e;
}
