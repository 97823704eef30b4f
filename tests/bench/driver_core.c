/* Our storage and transaction core in this process: no sockets, no messages. One
 * thread drives it as the daemon's loop does, on behalf of as many clients as there
 * are connections; the log and the amalgamation have their threads. */
#include "tests/bench/bench.h"

#include "proto/msgpack.h"
#include "server/os/os_lanes.h"
#include "server/os/os_posix.h"
#include "server/txn/cursor.h"
#include "server/txn/db.h"
#include "server/txn/records.h"
#include "server/txn/stores.h"
#include "server/txn/txn.h"

#include <stdlib.h>
#include <string.h>

#define CORE_STORE slice_make("b", 1)
#define CORE_MESSAGE_BYTES 128

struct core_run;

struct core_client {
    struct core_run *run;
    struct op op;
    struct decided_wait wait;
    struct txn *txn;
    struct cursor *cursor;
    struct work work;
    uint64_t began_ns;
    uint64_t last_commit; /* that this client was told of */
    unsigned step;        /* of the work */
    bool in_queue;
};

struct core {
    struct os_posix *posix;
    struct os_lanes *lanes;
    struct db *db;
};

struct core_run {
    struct core *core;
    const struct run_spec *spec;
    struct work_source source;
    struct core_client *clients;
    struct core_client **queue; /* ring of the ready ones */
    unsigned size, head, count;
    unsigned busy;
    bool is_over, is_counting;
    uint64_t ops_all;
    struct measure *out;
};

static void core_wake_lanes(void *context)
{
    (void)context; /* the loop sleeps in os_lanes_wait, which has noticed */
}

static void core_ready(void *context)
{
    (void)context; /* db_turn is called every time around */
}

static void core_failed(void *context, const struct failure *why)
{
    (void)context;
    fprintf(stderr, "bench: core: the log has failed: %s\n", why->text);
    exit(1);
}

static void core_event(void *context, enum event event, const void *facts)
{
    char text[512];

    if (getenv("BENCH_EVENTS"))
        fprintf(stderr, "core: %s%.*s\n", event_name(event),
                (int)event_write(event, facts, text, sizeof text), text);
}

static void core_turn(struct core *c, bool may_sleep)
{
    db_turn(c->db);
    if (os_lanes_drain(c->lanes) == 0 && may_sleep && os_lanes_jobs(c->lanes) > 0)
        os_lanes_wait(c->lanes);
    db_tick(c->db);
}

static void core_setup_wake(struct op *op)
{
    (void)op; /* core_make_store asks again after every turn */
}

static bool core_make_store(struct core *c)
{
    struct store_options options = {.key = SLICE_NONE};
    struct op op;
    enum err e;

    op_init(&op, c->db, core_setup_wake);
    while ((e = store_create(&op, NULL, CORE_STORE, &options)) == ERR_WAIT)
        core_turn(c, true);
    op_fini(&op);
    return e == ERR_OK || e == ERR_EXISTS;
}

static bool core_start(struct peer *p)
{
    struct core *c = calloc(1, sizeof *c);
    struct os_lanes_options lanes = os_lanes_defaults();
    struct db_events events = {NULL, core_ready, core_failed, core_event};
    struct db_options options;
    struct failure f;
    char why[512];

    p->state = c;
    lanes.wake = core_wake_lanes;
    failure_init(&f);
    db_options_default(&options);
    if (p->cache_bytes)
        options.cache_bytes = p->cache_bytes;
    if (p->stage_bytes) {
        options.stage_bytes = p->stage_bytes;
        options.staged_bytes_max = 2 * p->stage_bytes;
    }
    if (os_posix_open(p->directory, true, &c->posix, why, sizeof why) != ERR_OK ||
        os_lanes_start(&lanes, &c->lanes) != ERR_OK) {
        fprintf(stderr, "bench: core: %s\n", why);
        return false;
    }
    os_posix_set_jobs(c->posix, os_lanes_submit, c->lanes);
    if (db_open(os_posix_table(c->posix), &options, &events, &c->db, &f) != ERR_OK) {
        fprintf(stderr, "bench: core: %s\n", f.text);
        return false;
    }
    return core_make_store(c);
}

static void core_closed(void *context)
{
    *(bool *)context = true;
}

/* A kill abandons it as it stands: what the log's threads have not written is lost. */
static void core_stop(struct peer *p, bool kill)
{
    struct core *c = p->state;
    bool closed = false;

    if (!kill) {
        db_close(c->db, core_closed, &closed);
        while (!closed)
            core_turn(c, true);
    } else {
        while (os_lanes_jobs(c->lanes) > 0)
            core_turn(c, true);
    }
    os_lanes_stop(c->lanes);
    db_free(c->db, kill);
    os_posix_close(c->posix);
    free(c);
    p->state = NULL;
}

static bool core_available(void)
{
    return true;
}

/* ---- clients ---- */

static void client_queue(struct core_client *cl)
{
    struct core_run *r = cl->run;

    if (cl->in_queue)
        return;
    cl->in_queue = true;
    r->queue[(r->head + r->count++) % r->size] = cl;
}

static void core_wake(struct op *op)
{
    client_queue((struct core_client *)(void *)((char *)op - offsetof(struct core_client, op)));
}

static struct slice message_key(uint8_t room[CORE_MESSAGE_BYTES], uint64_t number)
{
    char key[RECORD_KEY_BYTES];

    record_key(key, number);
    return slice_make(room, msgpack_put_text(room, slice_make(key, sizeof key)));
}

static enum err client_get(struct core_client *cl, uint64_t number, unsigned which)
{
    uint8_t room[CORE_MESSAGE_BYTES];
    struct slice value;
    enum err e = record_get(&cl->op, cl->txn, CORE_STORE, message_key(room, number), &value);

    if (e != ERR_OK)
        return e;
    cl->work.missing = slice_is_none(value);
    if (!cl->work.missing && value.size == RECORD_VALUE_BYTES + 2)
        cl->work.counter[which] = record_counter(value.data + 2, RECORD_VALUE_BYTES);
    cl->work.got_rows++;
    op_release(&cl->op);
    return ERR_OK;
}

static enum err client_put(struct core_client *cl, uint64_t number, uint32_t counter)
{
    uint8_t key[CORE_MESSAGE_BYTES], value[RECORD_VALUE_BYTES + MSGPACK_HEAD_MAX];
    uint8_t key_room[KEY_PLAIN_BYTES_MAX];
    struct slice stored;
    size_t head = msgpack_put_binary_head(value, RECORD_VALUE_BYTES);
    enum err e;

    record_value(value + head, counter, &cl->work.random);
    e = record_put(&cl->op, cl->txn, CORE_STORE, slice_make(value, head + RECORD_VALUE_BYTES),
                   message_key(key, number), false, key_room, &stored);
    if (e == ERR_OK)
        op_release(&cl->op);
    return e;
}

static enum err client_begin(struct core_client *cl)
{
    struct txn_options options = {
        .durability = cl->work.durability == UNSYNCED ? DURABILITY_INTERVAL : DURABILITY_SYNC,
        .serializable = cl->work.isolation == ISOLATION_SERIALIZABLE};

    return txn_begin(&cl->op, &options, &cl->txn);
}

static enum err client_commit(struct core_client *cl)
{
    enum err e = txn_commit(&cl->op, cl->txn, SLICE_NONE, &cl->last_commit);

    cl->txn = NULL;
    return e;
}

/* The last call of a work answers ERR_END. */
static enum err client_last(enum err e)
{
    return e == ERR_OK ? ERR_END : e;
}

static enum err client_txn(struct core_client *cl)
{
    struct work *w = &cl->work;

    switch (cl->step) {
    case 0: return client_begin(cl);
    case 1:
    case 2: return client_get(cl, w->key[cl->step - 1], cl->step - 1);
    case 3:
    case 4: return client_put(cl, w->write_key[cl->step - 3], w->counter[cl->step - 3] + 1);
    default: return client_last(client_commit(cl));
    }
}

/* Puts in a transaction of their own: a load's batch, and a write that waits for no sync. */
static enum err client_batch(struct core_client *cl, const uint64_t *keys, unsigned count)
{
    if (cl->step == 0)
        return client_begin(cl);
    if (cl->step <= count)
        return client_put(cl, keys[cl->step - 1], 0);
    return client_last(client_commit(cl));
}

static enum err client_scan(struct core_client *cl)
{
    uint8_t range[CORE_MESSAGE_BYTES];
    struct work *w = &cl->work;
    struct cursor_options options = {.limit = w->kind == OP_SCAN ? w->rows : UINT64_MAX};
    struct cursor_row row;
    size_t size = msgpack_put_map_head(range, 1);
    enum err e = ERR_OK;

    size += msgpack_put_text(range + size, slice_text("gte"));
    size += message_key(range + size, w->key[0]).size;
    if (!cl->cursor)
        e = cursor_open(&cl->op, NULL, CORE_STORE, slice_make(range, size), &options,
                        &cl->cursor);
    while (e == ERR_OK) {
        e = cursor_next(&cl->op, cl->cursor, &row);
        if (e == ERR_OK)
            w->got_rows++;
    }
    if (e != ERR_WAIT && cl->cursor) {
        cursor_close(cl->cursor);
        cl->cursor = NULL;
    }
    return e;
}

static enum err client_call(struct core_client *cl)
{
    struct work *w = &cl->work;

    switch (w->kind) {
    case OP_GET: return client_last(client_get(cl, w->key[0], 0));
    case OP_PUT:
        if (w->durability == UNSYNCED)
            return client_batch(cl, w->key, 1);
        return client_last(client_put(cl, w->key[0], 1));
    case OP_MODIFY:
        if (cl->step == 0)
            return client_get(cl, w->key[0], 0);
        return client_last(client_put(cl, w->key[0], w->counter[0] + 1));
    case OP_TXN: return client_txn(cl);
    case OP_LOAD: return client_batch(cl, w->load_keys, w->batch);
    default: return client_scan(cl);
    }
}

static void client_next(struct core_client *cl)
{
    struct core_run *r = cl->run;

    if (r->is_over || !work_next(&r->source, &cl->work)) {
        r->busy--;
        return;
    }
    cl->began_ns = now_ns();
    cl->step = 0;
    op_init(&cl->op, r->core->db, core_wake);
    cl->op.after = cl->last_commit;
    client_queue(cl);
}

static void client_finish(struct core_client *cl)
{
    struct core_run *r = cl->run;

    r->ops_all++;
    if (r->is_counting) {
        measure_add(r->out, &cl->work, cl->began_ns, now_ns());
        r->out->rows += cl->work.got_rows + cl->work.batch;
    }
    client_next(cl);
}

static void client_told(struct decided_wait *w, enum err e)
{
    struct core_client *cl =
        (struct core_client *)(void *)((char *)w - offsetof(struct core_client, wait));

    if (e != ERR_OK)
        cl->work.failed = true;
    client_finish(cl);
}

/* Go on until the work has to wait or its answer may be told. */
static void client_work(struct core_client *cl)
{
    struct decided decided;
    enum err e;

    do {
        e = client_call(cl);
        cl->step += e == ERR_OK;
    } while (e == ERR_OK);
    if (e == ERR_WAIT)
        return;
    if (e != ERR_END) {
        cl->work.refused = e == ERR_CONFLICT;
        cl->work.failed = e != ERR_CONFLICT;
        if (cl->txn)
            txn_rollback(cl->txn);
        cl->txn = NULL;
    }
    decided = cl->op.decided;
    if (cl->op.committed)
        cl->last_commit = cl->op.committed;
    op_fini(&cl->op);
    cl->wait.told = client_told;
    if (db_wait_decided(cl->run->core->db, decided, &cl->wait))
        client_finish(cl);
}

static void core_count(struct core_run *r, bool on, double *cpu)
{
    double now = process_cpu(0);

    r->is_counting = on;
    r->out->server_cpu = now - *cpu;
    *cpu = now;
}

/* What is ready, then what the core has to do. */
static void core_round(struct core_run *r)
{
    unsigned ready = r->count;

    for (unsigned i = 0; i < ready; i++) {
        struct core_client *cl = r->queue[r->head];

        r->head = (r->head + 1) % r->size;
        r->count--;
        cl->in_queue = false;
        client_work(cl);
    }
    core_turn(r->core, r->count == 0 && r->busy > 0);
}

/* As the client of servers counts (client.c). */
static void core_loop(struct core_run *r)
{
    const struct run_spec *spec = r->spec;
    uint64_t begin = now_ns(), length = (uint64_t)(spec->seconds * 1e9), now = begin;
    uint64_t warm = spec->is_whole ? 0 : length / 10, from = begin + warm, sampled = begin;
    uint64_t until = length ? from + length : UINT64_MAX;
    double cpu = 0;

    if (warm == 0)
        core_count(r, true, &cpu);
    while (r->busy > 0) {
        core_round(r);
        now = now_ns();
        if (!r->is_counting && !r->is_over && now >= from) {
            core_count(r, true, &cpu);
            from = now;
        }
        if (spec->sample && now - sampled > 100000000) {
            sampled = now;
            if (!spec->sample(spec->context, (double)(now - begin) / 1e9, r->ops_all))
                until = now;
        }
        if (now >= until && !r->is_over) {
            r->is_over = true;
            core_count(r, false, &cpu);
            r->out->seconds = (double)(now - from) / 1e9;
        }
    }
    if (!r->is_over) {
        core_count(r, false, &cpu);
        r->out->seconds = (double)(now - from) / 1e9;
    }
}

static void core_run(struct peer *p, const struct run_spec *spec, struct measure *out)
{
    struct core_run r = {.core = p->state, .spec = spec, .out = out};

    memset(out, 0, sizeof *out);
    r.size = spec->connections * spec->depth;
    work_source_init(&r.source, spec);
    r.clients = calloc(r.size, sizeof *r.clients);
    r.queue = calloc(r.size, sizeof(struct core_client *));
    r.busy = r.size;
    for (unsigned i = 0; i < r.size; i++) {
        struct core_client *cl = &r.clients[i];

        cl->run = &r;
        cl->work.random = (spec->seed << 16) + i + 1;
        if (spec->mix[OP_LOAD])
            cl->work.load_keys = calloc(spec->load_batch, sizeof(uint64_t));
        client_next(cl);
    }
    core_loop(&r);
    for (unsigned i = 0; i < r.size; i++)
        free(r.clients[i].work.load_keys);
    free(r.clients);
    free(r.queue);
}

struct core_task {
    struct db_task task;
    bool done;
};

static void core_compacted(struct db_task *task, enum err e, const struct failure *f)
{
    (void)e;
    (void)f;
    ((struct core_task *)(void *)((char *)task - offsetof(struct core_task, task)))->done =
        true;
}

static void core_compact(struct peer *p)
{
    struct core *c = p->state;
    struct core_task task = {.task.done = core_compacted};

    list_init(&task.task.in_queue);
    db_amalgamate(c->db, &task.task);
    while (!task.done)
        core_turn(c, true);
}

static void core_settle(struct peer *p)
{
    struct core *c = p->state;
    struct db_status status;

    for (;;) {
        db_status(c->db, &status);
        if (status.durable_commit >= status.last_commit)
            return;
        core_turn(c, true);
    }
}

/* ---- an old transaction ---- */

struct held {
    struct core *core;
    struct op op;
    struct txn *txn;
    uint32_t seen;
};

static void held_wake(struct op *op)
{
    (void)op; /* held_read asks again after every turn */
}

/* The counter of record 0 as the transaction sees it; UINT32_MAX: not there, or failed. */
static uint32_t held_read(struct held *h)
{
    uint8_t room[CORE_MESSAGE_BYTES];
    struct slice key = message_key(room, 0), value;
    uint32_t seen = UINT32_MAX;
    enum err e;

    op_init(&h->op, h->core->db, held_wake);
    while ((e = record_get(&h->op, h->txn, CORE_STORE, key, &value)) == ERR_WAIT)
        core_turn(h->core, true);
    if (e == ERR_OK && !slice_is_none(value) && value.size == RECORD_VALUE_BYTES + 2)
        seen = record_counter(value.data + 2, RECORD_VALUE_BYTES);
    op_fini(&h->op);
    return seen;
}

static void *core_hold(struct peer *p, enum hold_kind kind)
{
    struct held *h = calloc(1, sizeof *h);
    struct txn_options options = {.read_only = true};
    enum err e;

    (void)kind;
    h->core = p->state;
    op_init(&h->op, h->core->db, held_wake);
    e = txn_begin(&h->op, &options, &h->txn);
    op_fini(&h->op);
    if (e != ERR_OK) {
        free(h);
        return NULL;
    }
    h->seen = held_read(h);
    return h;
}

static void core_release(struct peer *p, void *held, char *end, size_t size)
{
    struct held *h = held;

    (void)p;
    snprintf(end, size, "%s", held_read(h) == h->seen ? "read the same" : "FAILED: it changed");
    txn_rollback(h->txn);
    free(h);
}

const struct driver driver_core = {
    .name = "core",
    .available = core_available,
    .start = core_start,
    .stop = core_stop,
    .settle = core_settle,
    .compact = core_compact,
    .hold = core_hold,
    .release = core_release,
    .holds = BENCH_HOLDS_READER,
    .run = core_run,
    .load_depth = 1,
    .load_batch = 100,
    .is_scanning = true,
};
