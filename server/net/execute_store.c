/* execute_store.c - making, changing and listing stores. */
#include "server/net/execute.h"
#include "server/net/server.h"

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
    return done(w, store_create(w->op, w->txn, c->params[1].text, &options));
}

enum err execute_drop_store(struct execution *w)
{
    return done(w, store_drop(w->op, w->txn, w->call->params[1].text));
}

enum err execute_clear_store(struct execution *w)
{
    return done(w, store_clear(w->op, w->txn, w->call->params[1].text));
}

enum err execute_rename_store(struct execution *w)
{
    return done(w,
                store_rename(w->op, w->txn, w->call->params[1].text, w->call->params[2].text));
}

struct listing {
    struct net_buffer *out;
    uint32_t count;
};

static void put_store(void *context, const struct store_info *info)
{
    struct listing *l = context;

    l->count++;
    put_map(l->out, 7);
    put_word(l->out, "name");
    put_text(l->out, info->name);
    put_word(l->out, "key");
    put_value(l->out, info->key);
    put_word(l->out, "indexes");
    put_array(l->out, 0);
    put_fact(l->out, "records", info->records);
    put_fact(l->out, "bytes", info->bytes);
    put_word(l->out, "generate");
    put_bool(l->out, info->generate);
    put_word(l->out, "conflict");
    put_word(l->out, info->last_writer_wins ? "none" : "first-committer");
}

enum err execute_stores(struct execution *w)
{
    struct listing l = {.out = w->out};
    uint8_t head[5] = {0xdd}; /* array 32: how many there are is known at the end */
    size_t place = w->out->used;
    enum err e;

    net_buffer_append(w->out, head, sizeof head);
    e = stores_list(w->op, w->txn, put_store, &l);
    if (e) {
        w->out->used = place; /* it is listed from the beginning when it goes on */
        return e;
    }
    if (w->out->used - place > execution_session(w)->server->options.result_size)
        return failure_set_limit(execution_failure(w), "result-size",
                                 execution_session(w)->server->options.result_size,
                                 w->out->used - place,
                                 "stores: the list of %u stores is over result-size", l.count);
    if (!w->out->failed) {
        w->out->data[place + 1] = (uint8_t)(l.count >> 24);
        w->out->data[place + 2] = (uint8_t)(l.count >> 16);
        w->out->data[place + 3] = (uint8_t)(l.count >> 8);
        w->out->data[place + 4] = (uint8_t)l.count;
    }
    return ERR_OK;
}
