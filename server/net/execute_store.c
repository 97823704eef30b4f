/* execute_store.c - making, changing and listing stores and indexes. */
#include "server/net/execute.h"
#include "server/storage/index_definition.h"
#include "server/txn/guard.h"
#include "server/txn/indexes.h"
#include "server/txn/stores.h"

static enum err done(struct execution *w, enum err e)
{
    if (!e)
        put_nil(w->out);
    return e;
}

enum err execute_create_store(struct execution *w)
{
    static const char *const conflicts[] = {"first-committer", "none"};
    const struct call *c = w->call;
    struct store_options options = {.key = SLICE_NONE};
    unsigned conflict;
    enum err e =
        call_word(c, OPTION_ID_CONFLICT, conflicts, 2, &conflict, execution_failure(w));

    if (e)
        return e;
    if (call_has(c, OPTION_ID_KEY))
        options.key = c->options[OPTION_ID_KEY].raw;
    options.generate = call_number(c, OPTION_ID_GENERATE, 0);
    options.last_writer_wins = conflict == 1;
    return done(w, store_create(w->op, w->txn, c->params[PARAM_ID_NAME].text, &options));
}

enum err execute_drop_store(struct execution *w)
{
    return done(w, store_drop(w->op, w->txn, w->call->params[PARAM_ID_NAME].text));
}

enum err execute_clear_store(struct execution *w)
{
    return done(w, store_clear(w->op, w->txn, w->call->params[PARAM_ID_NAME].text));
}

enum err execute_rename_store(struct execution *w)
{
    return done(w, store_rename(w->op, w->txn, w->call->params[PARAM_ID_NAME].text,
                                w->call->params[PARAM_ID_NEW].text));
}

#define INDEX_OPTIONS_ROOM (INDEX_OPTIONS_BYTES_MAX + 64)

/* The options of an index, as they came, in one map, put into room. ERR_TOO_LARGE. */
static enum err index_options(struct execution *w, uint8_t room[INDEX_OPTIONS_ROOM],
                              struct slice *out)
{
    static const enum method_option ids[] = {OPTION_ID_KEY,   OPTION_ID_UNIQUE,
                                             OPTION_ID_MULTI, OPTION_ID_TYPES,
                                             OPTION_ID_WHERE, OPTION_ID_ONLINE};
    const struct call *c = w->call;
    unsigned count = 0;
    size_t bytes = 0, size;

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        count += call_has(c, ids[i]);
        bytes += call_has(c, ids[i]) ? c->options[ids[i]].raw.size : 0;
    }
    if (bytes > INDEX_OPTIONS_BYTES_MAX)
        return failure_set_limit(execution_failure(w), "key", INDEX_OPTIONS_BYTES_MAX, bytes,
                                 "create_index: the options take %zu bytes; the limit is %d",
                                 bytes, INDEX_OPTIONS_BYTES_MAX);
    size = msgpack_put_map_head(room, count);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct slice value = c->options[ids[i]].raw;

        if (!call_has(c, ids[i]))
            continue;
        size += msgpack_put_text(room + size, slice_text(method_options[ids[i]].name));
        memcpy(room + size, value.data, value.size);
        size += value.size;
    }
    *out = slice_make(room, size);
    return ERR_OK;
}

enum err execute_create_index(struct execution *w)
{
    const struct call *c = w->call;
    uint8_t room[INDEX_OPTIONS_ROOM]; /* the core is done with it when the call returns */
    struct slice options;
    enum err e = index_options(w, room, &options);

    return e ? e
             : done(w, index_create(w->op, w->txn, c->params[PARAM_ID_STORE].text,
                                    c->params[PARAM_ID_NAME].text, options));
}

enum err execute_drop_index(struct execution *w)
{
    const struct call *c = w->call;

    return done(w, index_drop(w->op, w->txn, c->params[PARAM_ID_STORE].text,
                              c->params[PARAM_ID_NAME].text));
}

enum err execute_rename_index(struct execution *w)
{
    const struct call *c = w->call;

    return done(w, index_rename(w->op, w->txn, c->params[PARAM_ID_STORE].text,
                                c->params[PARAM_ID_NAME].text, c->params[PARAM_ID_NEW].text));
}

/* Why a build has failed; to who may not read the store, without what stands in its records. */
static void put_why(struct net_buffer *b, struct slice why, bool may_read)
{
    struct index_why is;

    if (index_why_read(why, &is) != ERR_OK) {
        put_nil(b);
        return;
    }
    put_map(b, 4);
    put_word(b, "name");
    put_text(b, is.name);
    put_word(b, "message");
    put_text(b, may_read ? is.text : is.name);
    put_word(b, "key");
    put_value(b, may_read ? is.key : SLICE_NONE);
    put_word(b, "record");
    put_value(b, may_read ? is.record : SLICE_NONE);
}

/* {name, state, key, unique, ...}: what it is stands in its definition already as pairs. */
static void put_index(struct net_buffer *b, const struct store_index *index, bool may_read)
{
    static const char *const states[] = {
        [INDEX_READY] = "ready", [INDEX_BUILDING] = "building", [INDEX_FAILED] = "failed"};
    struct msgpack_cursor pairs = msgpack_open(index->definition);
    uint32_t count = 0;

    msgpack_read_map(&pairs, &count);
    put_map(b, 2 + count + (index->state != INDEX_READY));
    put_word(b, "name");
    put_text(b, index->name);
    put_word(b, "state");
    put_word(b, states[index->state]);
    if (index->state == INDEX_BUILDING)
        put_fact(b, "built", index->built);
    if (index->state == INDEX_FAILED) {
        put_word(b, "error");
        put_why(b, index->why, may_read);
    }
    put_value(b, slice_make(pairs.at, (size_t)(pairs.end - pairs.at)));
}

static void put_store(void *context, const struct store_info *info)
{
    struct execution *w = context;
    const struct guard *g = w->op->guard;
    bool may_read = !g || g->rights(g, w->op, info->name) & GUARD_READ;

    w->index++;
    put_map(w->out, 8 + info->is_damaged);
    put_word(w->out, "name");
    put_text(w->out, info->name);
    put_word(w->out, "key");
    put_value(w->out, info->key);
    put_word(w->out, "indexes");
    put_array(w->out, info->index_count);
    for (unsigned i = 0; i < info->index_count; i++) {
        struct store_index index = store_info_index(info, i);

        put_index(w->out, &index, may_read);
    }
    put_fact(w->out, "records", info->records);
    put_fact(w->out, "bytes", info->bytes);
    put_word(w->out, "generate");
    put_bool(w->out, info->generate);
    put_word(w->out, "next");
    if (info->generate)
        put_uint(w->out, info->next);
    else
        put_nil(w->out);
    put_word(w->out, "conflict");
    put_word(w->out, info->last_writer_wins ? "none" : "first-committer");
    if (info->is_damaged) {
        put_word(w->out, "damaged");
        put_bool(w->out, true);
    }
}

static void stores_begin(struct execution *w, bool in_pages)
{
    if (w->begun)
        return;
    w->begun = true;
    if (in_pages) {
        put_map(w->out, 2);
        put_word(w->out, "stores");
    }
    w->place = put_array_later(w->out) - w->base;
    w->start = w->out->used - w->base;
}

static void stores_end(struct execution *w)
{
    put_array_now(w->out, w->base + w->place, (uint32_t)w->index);
}

/* The whole list in one answer. What a turn has listed is kept for the next (METHOD_GOES_ON). */
static enum err stores_whole(struct execution *w)
{
    uint64_t max = execution_session(w)->server->options.result_size;
    enum err e;

    stores_begin(w, false);
    e = stores_list(w->op, w->txn, NULL, put_store, w);
    if ((!e || e == ERR_WAIT) && w->out->used - w->base - w->start > max)
        return failure_set_limit(execution_failure(w), "result-size", max,
                                 w->out->used - w->base - w->start,
                                 "stores: the list of %llu stores exceeds result-size; read it "
                                 "in pages, with from and limit",
                                 (unsigned long long)w->index);
    if (!e)
        stores_end(w);
    return e;
}

struct page_listing {
    struct execution *w;
    uint64_t stores_max, bytes_max;
    struct store_page page;
};

static void put_store_of_page(void *context, const struct store_info *info)
{
    struct page_listing *p = context;

    put_store(p->w, info);
    p->page.is_full = p->w->index >= p->stores_max ||
                      p->w->out->used - p->w->base - p->w->start >= p->bytes_max;
}

static enum err stores_of_page(struct execution *w)
{
    const struct options *o = &execution_session(w)->server->options;
    uint64_t limit = call_number(w->call, OPTION_ID_LIMIT, o->scan_rows);
    struct page_listing p = {
        w, limit < o->scan_rows ? limit : o->scan_rows, o->scan_size, {.from = SLICE_NONE}};
    enum err e;

    if (limit == 0)
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "stores: limit must be at least 1");
    if (call_has(w->call, OPTION_ID_FROM))
        p.page.from = w->call->options[OPTION_ID_FROM].text;
    if (p.page.from.size > STORE_NAME_BYTES_MAX)
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "stores: from takes a name of at most %d bytes",
                           STORE_NAME_BYTES_MAX);
    stores_begin(w, true);
    e = stores_list(w->op, w->txn, &p.page, put_store_of_page, &p);
    if (e)
        return e;
    stores_end(w);
    put_word(w->out, "next");
    if (p.page.next_size)
        put_text(w->out, slice_make(p.page.next, p.page.next_size));
    else
        put_nil(w->out);
    return ERR_OK;
}

enum err execute_stores(struct execution *w)
{
    bool in_pages = call_has(w->call, OPTION_ID_FROM) || call_has(w->call, OPTION_ID_LIMIT);

    return in_pages ? stores_of_page(w) : stores_whole(w);
}
