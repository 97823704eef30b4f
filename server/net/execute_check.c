/* execute_check.c - check_data: everything is looked through while the server runs. */
#include "server/net/execute.h"
#include "server/net/server.h"

#define FINDINGS_SHOWN 200

static void check_done(struct online_check *c, enum err e)
{
    struct request *r = LIST_ENTRY(c, struct request, check);

    r->task_done = true;
    r->bad = e != ERR_OK;
    if (e) {
        failure_clear(&r->op.failure);
        failure_set(&r->op.failure, e, "%s", err_message(e));
    }
    if (r->state == REQUEST_WAITING)
        r->op.wake(&r->op);
}

static void put_finding(struct net_buffer *b, struct db *db, const struct finding *n)
{
    char tree[TREE_NAME_BYTES];

    put_map(b, 5);
    put_word(b, "where");
    put_word(b, db_tree_name(db, n->store, tree));
    put_word(b, "file");
    put_word(b, n->file);
    put_fact(b, "offset", n->offset);
    put_word(b, "text");
    put_word(b, n->text);
    put_word(b, "repaired");
    put_bool(b, n->is_repaired);
}

static void put_result(struct execution *w, const struct online_check *check)
{
    struct db *db = execution_session(w)->server->db;
    const struct findings *found = online_check_findings(check);
    const struct check_counts *counts = online_check_counts(check);
    uint32_t shown =
        found->count < FINDINGS_SHOWN ? (uint32_t)found->count : (uint32_t)FINDINGS_SHOWN;
    struct net_buffer *b = w->out;

    put_map(b, 13);
    put_word(b, "ok");
    put_bool(b, !found->damaged);
    put_fact(b, "snapshot", online_check_snapshot(check));
    put_fact(b, "damaged", found->damaged);
    put_fact(b, "repaired", found->repaired);
    put_word(b, "findings");
    put_array(b, shown);
    for (uint32_t i = 0; i < shown; i++)
        put_finding(b, db, &found->items[i]);
    put_fact(b, "pages", counts->pages);
    put_fact(b, "page_bytes", counts->page_bytes);
    put_fact(b, "stores", counts->stores);
    put_fact(b, "records", counts->records);
    put_fact(b, "entries", counts->entries);
    put_fact(b, "batches", counts->batches);
    put_fact(b, "wal_to", counts->wal_to);
    put_word(b, "wal_whole");
    put_bool(b, !counts->is_wal_overtaken);
}

enum err execute_check_data(struct execution *w)
{
    struct request *r = w->request;
    enum err e = ERR_OK;

    if (!r->has_check) {
        r->task_done = false;
        r->check.done = check_done;
        e = online_check_begin(execution_session(w)->server->db, &r->check,
                               execution_failure(w));
        r->has_check = !e;
        r->has_task = r->has_check; /* a server that stops fails it as other tasks */
        list_init(&r->task.in_queue);
        return e ? e : ERR_WAIT;
    }
    if (!r->task_done)
        return ERR_WAIT;
    if (r->bad)
        e = r->op.failure.error;
    else
        put_result(w, &r->check);
    online_check_end(&r->check);
    r->has_check = r->has_task = false;
    return e;
}
