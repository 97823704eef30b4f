/* execute_database.c - listing databases. */
#include "server/net/execute.h"
#include "server/txn/database_list.h"

static void put_database(void *context, const struct database_info *info)
{
    struct execution *w = context;

    w->index++;
    put_map(w->out, 4);
    put_word(w->out, "name");
    put_text(w->out, info->name);
    put_fact(w->out, "version", info->version);
    put_fact(w->out, "stores", info->stores);
    put_fact(w->out, "bytes", info->bytes);
}

/* What a turn has listed is kept for the next (METHOD_GOES_ON). */
enum err execute_databases(struct execution *w)
{
    uint64_t max = execution_session(w)->server->options.result_size;
    enum err e;

    if (!w->begun) {
        w->begun = true;
        w->place = put_array_later(w->out) - w->base;
        w->start = w->out->used - w->base;
    }
    e = databases_list(w->op, put_database, w);
    if ((!e || e == ERR_WAIT) &&
        (w->out->used - w->base - w->start > max || w->index > UINT16_MAX))
        return failure_set_limit(execution_failure(w), "result-size", max,
                                 w->out->used - w->base - w->start,
                                 "databases: the list of %llu databases exceeds result-size",
                                 (unsigned long long)w->index);
    if (!e)
        put_array_now(w->out, w->base + w->place, (uint32_t)w->index);
    return e;
}
