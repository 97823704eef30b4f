/* Holdfast over TCP: MessagePack-RPC written by hand, so that the client costs no more
 * than the other drivers'. A reply names its request (msgid: slot and step), because
 * replies of different transactions may overtake each other. A transaction in two trips
 * sends its begin and its puts as notifications, which are not answered: what becomes of
 * them the commit tells. */
#include "tests/bench/client.h"

#include "proto/msgpack.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLDFAST_STORE slice_make("b", 1)
#define HOLDFAST_STEPS 8 /* requests of one trip, at most */
#define HOLDFAST_MESSAGE_BYTES 256
#define HOLDFAST_UNANSWERED UINT32_MAX /* in place of a request's number */

static const char *holdfast_program(void)
{
    const char *program = getenv("HOLDFASTD");

    return program ? program : "build/release/holdfastd";
}

static bool holdfast_available(void)
{
    return access(holdfast_program(), X_OK) == 0;
}

/* ---- writing ---- */

struct request {
    struct buffer *out;
    uint8_t *at;
};

static struct request request_begin(struct buffer *out, unsigned id, const char *method,
                                    unsigned count)
{
    struct request r = {out, buffer_room(out, HOLDFAST_MESSAGE_BYTES)};

    if (id == HOLDFAST_UNANSWERED) {
        r.at += msgpack_put_array_head(r.at, 3);
        *r.at++ = 2;
    } else {
        r.at += msgpack_put_array_head(r.at, 4);
        *r.at++ = 0;
        r.at += msgpack_put_uint(r.at, id);
    }
    r.at += msgpack_put_text(r.at, slice_text(method));
    r.at += msgpack_put_array_head(r.at, count);
    return r;
}

static void request_end(struct request *r)
{
    r->out->size = (size_t)(r->at - r->out->data);
}

static void put_key(struct request *r, uint64_t number)
{
    r->at += msgpack_put_text_head(r->at, RECORD_KEY_BYTES);
    record_key((char *)r->at, number);
    r->at += RECORD_KEY_BYTES;
}

static void put_value(struct request *r, uint32_t counter, uint64_t *random)
{
    r->at += msgpack_put_binary_head(r->at, RECORD_VALUE_BYTES);
    record_value(r->at, counter, random);
    r->at += RECORD_VALUE_BYTES;
}

static void put_text(struct request *r, const char *text)
{
    r->at += msgpack_put_text(r->at, slice_text(text));
}

static void put_store(struct request *r)
{
    r->at += msgpack_put_text(r->at, HOLDFAST_STORE);
}

static void send_get(struct buffer *out, unsigned id, unsigned t, uint64_t key)
{
    struct request r = request_begin(out, id, "get", 3);

    r.at += msgpack_put_uint(r.at, t);
    put_store(&r);
    put_key(&r, key);
    request_end(&r);
}

static void send_put(struct buffer *out, unsigned id, unsigned t, uint64_t key,
                     uint32_t counter, uint64_t *random)
{
    struct request r = request_begin(out, id, "put", 4);

    r.at += msgpack_put_uint(r.at, t);
    put_store(&r);
    put_value(&r, counter, random);
    put_key(&r, key);
    request_end(&r);
}

static void put_option(struct request *r, const char *name, const char *value)
{
    put_text(r, name);
    put_text(r, value);
}

static void send_begin(struct buffer *out, unsigned id, unsigned t, enum isolation isolation)
{
    bool is_serializable = isolation == ISOLATION_SERIALIZABLE;
    struct request r = request_begin(out, id, "begin", is_serializable ? 2 : 1);

    r.at += msgpack_put_uint(r.at, t);
    if (is_serializable) {
        r.at += msgpack_put_map_head(r.at, 1);
        put_option(&r, "isolation", "serializable");
    }
    request_end(&r);
}

/* commit, rollback */
static void send_txn(struct buffer *out, unsigned id, const char *method, unsigned t)
{
    struct request r = request_begin(out, id, method, 1);

    r.at += msgpack_put_uint(r.at, t);
    request_end(&r);
}

/* `run`: reads of the first gets keys, then a put of each key; durability and isolation as
 * the work says. */
static void send_run(struct buffer *out, unsigned id, struct work *w, const uint64_t *keys,
                     unsigned gets, unsigned puts)
{
    unsigned options = (w->durability == UNSYNCED) + (w->isolation == ISOLATION_SERIALIZABLE);
    struct request r = request_begin(out, id, "run", options ? 2 : 1);

    r.at += msgpack_put_array_head(r.at, gets + puts);
    for (unsigned i = 0; i < gets; i++) {
        r.at += msgpack_put_array_head(r.at, 2);
        put_text(&r, "get");
        r.at += msgpack_put_array_head(r.at, 2);
        put_store(&r);
        put_key(&r, keys[i]);
    }
    for (unsigned i = 0; i < puts; i++) {
        request_end(&r);
        r.at = buffer_room(out, HOLDFAST_MESSAGE_BYTES);
        r.at += msgpack_put_array_head(r.at, 2);
        put_text(&r, "put");
        r.at += msgpack_put_array_head(r.at, 3);
        put_store(&r);
        put_value(&r, 1, &w->random);
        put_key(&r, keys[i]);
    }
    if (options)
        r.at += msgpack_put_map_head(r.at, options);
    if (w->durability == UNSYNCED)
        put_option(&r, "durability", "interval");
    if (w->isolation == ISOLATION_SERIALIZABLE)
        put_option(&r, "isolation", "serializable");
    request_end(&r);
}

static void send_scan(struct buffer *out, unsigned id, const struct work *w)
{
    struct request r = request_begin(out, id, "scan", 4);

    *r.at++ = 0;
    put_store(&r);
    if (w->kind == OP_SCAN) {
        r.at += msgpack_put_map_head(r.at, 1);
        put_text(&r, "gte");
        put_key(&r, w->key[0]);
        r.at += msgpack_put_map_head(r.at, 1);
        put_text(&r, "limit");
        r.at += msgpack_put_uint(r.at, w->rows);
    } else {
        r.at += msgpack_put_map_head(r.at, 0);
        r.at += msgpack_put_map_head(r.at, 1);
        put_text(&r, "page");
        r.at += msgpack_put_uint(r.at, 1000);
    }
    request_end(&r);
}

static void send_next(struct buffer *out, unsigned id, uint64_t cursor)
{
    struct request r = request_begin(out, id, "next", 2);

    r.at += msgpack_put_uint(r.at, cursor);
    r.at += msgpack_put_map_head(r.at, 1);
    put_text(&r, "page");
    r.at += msgpack_put_uint(r.at, 1000);
    request_end(&r);
}

/* ---- with indexes ---- */

/* "x0", "x1", "x4", "x9" */
static void put_indexed_store(struct request *r, unsigned indexes)
{
    const char name[] = {'x', (char)('0' + indexes), 0};

    put_text(r, name);
}

/* {"n1": ..., "n5": ..., "v": ...} */
static void put_indexed_record(struct request *r, struct work *w)
{
    uint64_t numbers[BENCH_NUMBERS];

    work_numbers(w, numbers);
    r->at += msgpack_put_map_head(r->at, BENCH_NUMBERS + 1);
    for (unsigned i = 0; i < BENCH_NUMBERS; i++) {
        const char name[] = {'n', (char)('1' + i), 0};

        put_text(r, name);
        r->at += msgpack_put_uint(r->at, numbers[i]);
    }
    put_text(r, "v");
    put_value(r, 1, &w->random);
}

static void send_index_put(struct buffer *out, unsigned id, struct work *w)
{
    bool in_run = w->durability == UNSYNCED;
    struct request r = request_begin(out, id, in_run ? "run" : "put", in_run ? 2 : 4);

    if (in_run) {
        r.at += msgpack_put_array_head(r.at, 1);
        r.at += msgpack_put_array_head(r.at, 2);
        put_text(&r, "put");
        r.at += msgpack_put_array_head(r.at, 3);
    } else {
        *r.at++ = 0;
    }
    put_indexed_store(&r, w->indexes);
    put_indexed_record(&r, w);
    put_key(&r, w->key[0]);
    if (in_run) {
        r.at += msgpack_put_map_head(r.at, 1);
        put_option(&r, "durability", "interval");
    }
    request_end(&r);
}

/* INDEX_GET, INDEX_SCAN */
static void send_index_read(struct buffer *out, unsigned id, const struct work *w)
{
    bool is_scan = w->kind == OP_INDEX_SCAN;
    struct request r = request_begin(out, id, is_scan ? "scan" : "get", is_scan ? 4 : 3);

    *r.at++ = 0;
    r.at += msgpack_put_array_head(r.at, 2);
    put_indexed_store(&r, INDEXED_BY_FIRST);
    put_text(&r, "n1");
    if (is_scan) {
        r.at += msgpack_put_map_head(r.at, 1);
        put_text(&r, "gte");
    }
    r.at += msgpack_put_uint(r.at, w->key[0]);
    if (is_scan) {
        r.at += msgpack_put_map_head(r.at, 1);
        put_text(&r, "limit");
        r.at += msgpack_put_uint(r.at, w->rows);
    }
    request_end(&r);
}

static void send_add(struct buffer *out, unsigned id)
{
    struct request r = request_begin(out, id, "update", 4);

    *r.at++ = 0;
    put_text(&r, "counter");
    *r.at++ = 1;
    r.at += msgpack_put_array_head(r.at, 1);
    r.at += msgpack_put_array_head(r.at, 3);
    put_text(&r, "add");
    put_text(&r, "n");
    *r.at++ = 1;
    request_end(&r);
}

/* ---- trips ---- */

static unsigned encode_six(struct buffer *out, unsigned id, unsigned t, struct work *w)
{
    if (w->refused || w->failed) {
        if (w->trip > 5 || w->finished)
            return 0;
        w->finished = true; /* the handle must be given back */
        send_txn(out, id, "rollback", t);
        return 1;
    }
    switch (w->trip) {
    case 0: send_begin(out, id, t, w->isolation); return 1;
    case 1:
    case 2: send_get(out, id + w->trip, t, w->key[w->trip - 1]); return 1;
    case 3:
    case 4:
        send_put(out, id, t, w->write_key[w->trip - 3], w->counter[w->trip - 3] + 1,
                 &w->random);
        return 1;
    case 5: send_txn(out, id, "commit", t); return 1;
    default: return 0;
    }
}

static unsigned encode_two(struct buffer *out, unsigned id, unsigned t, struct work *w)
{
    switch (w->trip) {
    case 0:
        send_begin(out, HOLDFAST_UNANSWERED, t, w->isolation);
        send_get(out, id + 1, t, w->key[0]);
        send_get(out, id + 2, t, w->key[1]);
        return 2;
    case 1:
        for (unsigned i = 0; i < 2; i++)
            send_put(out, HOLDFAST_UNANSWERED, t, w->write_key[i], w->counter[i] + 1,
                     &w->random);
        send_txn(out, id, "commit", t);
        return 1;
    default: return 0;
    }
}

static unsigned encode_txn(struct buffer *out, unsigned id, unsigned t, struct work *w)
{
    if (w->shape == TXN_SIX)
        return encode_six(out, id, t, w);
    if (w->shape == TXN_TWO)
        return encode_two(out, id, t, w);
    if (w->trip > 0)
        return 0;
    send_run(out, id, w, w->key, 2, 2);
    return 1;
}

/* A server whose option says so need not be asked to answer before the sync. */
static unsigned encode_put(struct conn *c, unsigned id, struct work *w)
{
    struct buffer *out = &c->out;

    if (w->durability == UNSYNCED && !c->peer->variant)
        send_run(out, id, w, w->key, 0, 1);
    else
        send_put(out, id, 0, w->key[0], w->counter[0] + 1, &w->random);
    return 1;
}

static unsigned holdfast_encode(struct conn *c, unsigned slot, struct work *w)
{
    unsigned id = slot * HOLDFAST_STEPS, t = slot + 1;
    struct buffer *out = &c->out;

    if (w->kind == OP_TXN)
        return encode_txn(out, id, t, w);
    if (w->trip >= (w->kind == OP_MODIFY ? 2 : 1) && w->kind != OP_FULL)
        return 0;
    switch (w->kind) {
    case OP_GET: send_get(out, id, 0, w->key[0]); return 1;
    case OP_MODIFY:
        if (w->trip == 1)
            return encode_put(c, id, w);
        send_get(out, id + 1, 0, w->key[0]);
        return 1;
    case OP_PUT: return encode_put(c, id, w);
    case OP_LOAD: send_run(out, id, w, w->load_keys, 0, w->batch); return 1;
    case OP_INDEX_PUT: send_index_put(out, id, w); return 1;
    case OP_INDEX_GET:
    case OP_INDEX_SCAN: send_index_read(out, id, w); return 1;
    case OP_ADD: send_add(out, id); return 1;
    case OP_SCAN: send_scan(out, id, w); return 1;
    default:
        if (w->finished || w->failed)
            return 0;
        if (w->trip == 0)
            send_scan(out, id, w);
        else
            send_next(out, id, w->cursor);
        return 1;
    }
}

/* ---- reading ---- */

/* {rows, cursor}, in this order. Looks at each row once, however the page comes in pieces:
 * in_seen is how far the last call has come, in_left the rows that it has not seen. */
static enum err take_page(struct conn *c, struct work *w, const uint8_t *data,
                          struct msgpack_cursor *m)
{
    struct msgpack_token token;
    struct slice name;
    uint32_t pairs;
    enum err e = ERR_OK;

    if (c->in_seen > 0) {
        m->at = data + c->in_seen;
    } else {
        e = msgpack_read_map(m, &pairs);
        if (!e)
            e = msgpack_read_text(m, &name);
        if (!e)
            e = slice_equal(name, slice_text("rows")) ? msgpack_read_array(m, &c->in_left)
                                                      : ERR_BAD_REQUEST;
        if (!e)
            w->page_rows = c->in_left;
    }
    for (; !e && c->in_left > 0; c->in_left -= !e) {
        e = msgpack_skip(m, MSGPACK_DEPTH_MAX, NULL);
        if (!e)
            c->in_seen = (size_t)(m->at - data);
    }
    if (!e)
        e = msgpack_read_text(m, &name);
    if (!e)
        e = msgpack_read(m, &token);
    if (e)
        return e;
    w->finished = token.type == MSGPACK_NIL;
    w->cursor = token.uint;
    w->got_rows += w->page_rows;
    c->in_seen = 0;
    return ERR_OK;
}

/* CONFLICT, or TXN_FAILED behind it: is it in the error's name? */
static bool is_conflict(struct slice error)
{
    return memmem(error.data, error.size, "CONFLICT", 8) != NULL;
}

static void take_error(struct conn *c, struct work *w, struct slice error)
{
    if (is_conflict(error)) {
        w->refused = true;
    } else if (!w->failed && !w->refused) {
        peer_complain(c->peer, error.data, error.size);
        w->failed = true;
    }
}

static void take_result(struct work *w, unsigned step, struct slice result)
{
    w->missing |= (w->kind == OP_INDEX_GET || w->kind == OP_ADD) && result.size == 1;
    if (w->kind == OP_GET || step == 1 || step == 2) {
        w->missing |= result.size == 1;
        w->got_rows++;
        if (result.size > RECORD_VALUE_BYTES)
            w->counter[step == 2] = record_counter(
                result.data + result.size - RECORD_VALUE_BYTES, RECORD_VALUE_BYTES);
    }
}

static long holdfast_decode(struct conn *c, const uint8_t *data, size_t size, unsigned *slot)
{
    struct msgpack_cursor m = msgpack_open(slice_make(data, size));
    struct slice error, result = SLICE_NONE;
    struct work *w;
    uint32_t count;
    uint64_t type, id;
    enum err e = msgpack_read_array(&m, &count);

    if (!e)
        e = msgpack_read_uint(&m, &type);
    if (!e)
        e = msgpack_read_uint(&m, &id);
    if (!e)
        e = msgpack_skip(&m, MSGPACK_DEPTH_MAX, &error);
    if (e == ERR_END)
        return 0;
    if (e || count != 4 || type != 1 || id / HOLDFAST_STEPS >= c->slot_count)
        return -1;
    w = &c->slots[id / HOLDFAST_STEPS].work;
    if (error.size == 1 &&
        (w->kind == OP_SCAN || w->kind == OP_FULL || w->kind == OP_INDEX_SCAN))
        e = take_page(c, w, data, &m);
    else
        e = msgpack_skip(&m, MSGPACK_DEPTH_MAX, &result);
    if (e)
        return e == ERR_END ? 0 : -1;
    *slot = (unsigned)(id / HOLDFAST_STEPS);
    if (error.size != 1)
        take_error(c, w, error);
    else
        take_result(w, (unsigned)(id % HOLDFAST_STEPS), result);
    return (long)(m.at - data);
}

/* ---- the server ---- */

static bool holdfast_greet(struct peer *p, struct conn *c)
{
    (void)p;
    (void)c;
    return true;
}

/* One request on a connection of its own, and its answer awaited. */
static bool holdfast_ask(struct peer *p, const char *method, const char *store, double seconds)
{
    struct buffer out = {0};
    struct request r = request_begin(&out, 0, method, store ? 2 : 0);
    uint8_t in[4096];
    size_t size = 0;
    int fd = tcp_connect(p->port, seconds, p->pid);
    struct slice whole = SLICE_NONE;
    bool ok;

    if (store) {
        *r.at++ = 0;
        put_text(&r, store);
    }
    request_end(&r);
    ok = fd >= 0 && write_all(fd, out.data, out.size);
    while (ok && slice_is_none(whole)) {
        ssize_t n = read(fd, in + size, sizeof in - size);
        struct msgpack_cursor m;

        ok = n > 0;
        size += ok ? (size_t)n : 0;
        m = msgpack_open(slice_make(in, size));
        if (msgpack_skip(&m, MSGPACK_DEPTH_MAX, &whole))
            whole = SLICE_NONE;
    }
    if (fd >= 0)
        close(fd);
    free(out.data);
    return ok && (whole.data[3] == 0xc0 || memmem(whole.data, whole.size, "EXISTS", 6));
}

static bool holdfast_start(struct peer *p)
{
    char listen[64], cache[64], stage[64], staged[64], durability[16], program[512];
    char *argv[] = {program,        "--data",       "data",         "--listen", listen,
                    "--cache-size", cache,          "--stage-size", stage,      "--staged-max",
                    staged,         "--durability", durability,     NULL};
    uint64_t cache_bytes = p->cache_bytes ? p->cache_bytes : UINT64_C(256) << 20;
    uint64_t stage_bytes = p->stage_bytes ? p->stage_bytes : UINT64_C(64) << 20;
    bool ok;

    if (!realpath(holdfast_program(), program))
        return false;
    if (!p->port)
        p->port = tcp_free_port();
    snprintf(listen, sizeof listen, "127.0.0.1:%d", p->port);
    snprintf(cache, sizeof cache, "%llu", (unsigned long long)cache_bytes);
    snprintf(stage, sizeof stage, "%llu", (unsigned long long)stage_bytes);
    snprintf(staged, sizeof staged, "%llu", (unsigned long long)(8 * stage_bytes));
    snprintf(durability, sizeof durability, "%s", p->variant ? p->variant : "sync");
    if (!directory_make(p->directory, NULL))
        return false;
    p->pid = process_start(argv, p->directory, NULL);
    ok = p->pid > 0 && holdfast_ask(p, "create_store", "b", 300);
    if (!ok)
        fprintf(stderr, "bench: %s does not start; see %s/log\n", p->name, p->directory);
    return ok;
}

static void holdfast_stop(struct peer *p, bool kill)
{
    process_end(p->pid, kill ? SIGKILL : SIGTERM);
    p->pid = 0;
}

/* A synced commit has all commits before it on the disk. */
static void holdfast_settle(struct peer *p)
{
    holdfast_ask(p, "create_store", "settled", 5);
    holdfast_ask(p, "drop_store", "settled", 5);
}

static void holdfast_compact(struct peer *p)
{
    holdfast_ask(p, "amalgamate", NULL, 5);
}

/* ---- an old transaction ---- */

struct held {
    int fd;
    bool is_reader;
    uint64_t random;
    uint8_t seen[RECORD_VALUE_BYTES];
};

/* Send what out has and wait for as many answers; the last one's bytes are left in in. */
static bool held_ask(struct held *h, struct buffer *out, unsigned answers, uint8_t *in,
                     size_t room, struct slice *last)
{
    size_t size = 0;
    bool ok = write_all(h->fd, out->data, out->size);

    out->size = 0;
    while (ok) {
        struct msgpack_cursor m = msgpack_open(slice_make(in, size));
        unsigned seen = 0;
        ssize_t n;

        while (seen < answers && msgpack_skip(&m, MSGPACK_DEPTH_MAX, last) == ERR_OK)
            seen++;
        if (seen == answers)
            return true;
        n = read(h->fd, in + size, room - size);
        ok = n > 0;
        size += ok ? (size_t)n : 0;
    }
    return false;
}

static void send_create_index(struct buffer *out, unsigned indexes, const char *number)
{
    struct request r = request_begin(out, 0, "create_index", 4);

    *r.at++ = 0;
    put_indexed_store(&r, indexes);
    put_text(&r, number);
    r.at += msgpack_put_map_head(r.at, 1);
    put_option(&r, "key", number);
    request_end(&r);
}

/* The stores with indexes, and a counter. */
static bool holdfast_prepare(struct peer *p)
{
    static const char *const stores[] = {"x0", "x1", "x4", "x9", "counter"};
    static const char *const numbers[] = {"n2", "n3", "n4", "n5"};
    struct held h = {.fd = tcp_connect(p->port, 5, p->pid)};
    struct buffer out = {0};
    uint8_t in[4096];
    struct slice last = SLICE_NONE;
    struct request r;
    bool ok = h.fd >= 0;

    for (unsigned i = 0; i < 5; i++) {
        r = request_begin(&out, i, "create_store", 2);
        *r.at++ = 0;
        put_text(&r, stores[i]);
        request_end(&r);
    }
    ok = ok && held_ask(&h, &out, 5, in, sizeof in, &last);
    send_create_index(&out, INDEXED_BY_FIRST, "n1");
    ok = ok && held_ask(&h, &out, 1, in, sizeof in, &last);
    send_create_index(&out, 1, "n2");
    ok = ok && held_ask(&h, &out, 1, in, sizeof in, &last);
    for (unsigned i = 0; i < 4; i++) {
        send_create_index(&out, 4, numbers[i]);
        ok = ok && held_ask(&h, &out, 1, in, sizeof in, &last);
    }
    r = request_begin(&out, 0, "put", 4);
    *r.at++ = 0;
    put_text(&r, "counter");
    r.at += msgpack_put_map_head(r.at, 1);
    put_text(&r, "n");
    *r.at++ = 0;
    *r.at++ = 1;
    request_end(&r);
    ok = ok && held_ask(&h, &out, 1, in, sizeof in, &last) && last.data[3] == 0xc0;
    free(out.data);
    if (h.fd >= 0)
        close(h.fd);
    return ok;
}

/* The record that a reader has read, as it came. */
static bool held_read(struct held *h, uint8_t record[RECORD_VALUE_BYTES])
{
    struct buffer out = {0};
    uint8_t in[4096];
    struct slice last;
    bool ok;

    send_get(&out, 0, 1, 0);
    ok = held_ask(h, &out, 1, in, sizeof in, &last) && last.size > RECORD_VALUE_BYTES;
    if (ok)
        memcpy(record, last.data + last.size - RECORD_VALUE_BYTES, RECORD_VALUE_BYTES);
    free(out.data);
    return ok;
}

static void *holdfast_hold(struct peer *p, enum hold_kind kind)
{
    struct held *h = calloc(1, sizeof *h);
    struct buffer out = {0};
    struct request r = request_begin(&out, 0, "begin", 2);
    uint8_t in[4096];
    struct slice last;
    bool ok;

    h->random = 99;
    h->is_reader = kind == HOLD_READER;
    h->fd = tcp_connect(p->port, 5, p->pid);
    *r.at++ = 1;
    r.at += msgpack_put_map_head(r.at, h->is_reader);
    if (h->is_reader) {
        put_text(&r, "read_only");
        *r.at++ = 0xc3; /* true */
    }
    request_end(&r);
    ok = h->fd >= 0 && held_ask(h, &out, 1, in, sizeof in, &last) && held_read(h, h->seen);
    if (!h->is_reader) { /* a key of its own */
        send_put(&out, 0, 1, UINT64_C(999999999999), 1, &h->random);
        ok = ok && held_ask(h, &out, 1, in, sizeof in, &last) && last.data[3] == 0xc0;
    }
    free(out.data);
    if (ok)
        return h;
    free(h);
    return NULL;
}

static void holdfast_release(struct peer *p, void *held, char *end, size_t size)
{
    struct held *h = held;
    struct buffer out = {0};
    uint8_t in[4096], seen[RECORD_VALUE_BYTES];
    struct slice last = SLICE_NONE;
    bool is_same = held_read(h, seen) && memcmp(seen, h->seen, sizeof seen) == 0;

    (void)p;
    send_txn(&out, 0, "commit", 1);
    if (!held_ask(h, &out, 1, in, sizeof in, &last))
        snprintf(end, size, "FAILED: connection lost");
    else if (last.data[3] != 0xc0)
        snprintf(end, size, "%s", is_conflict(last) ? "conflict" : "FAILED: another error");
    else if (!is_same)
        snprintf(end, size, "FAILED: it changed");
    else
        snprintf(end, size, "%s", h->is_reader ? "read the same" : "committed");
    close(h->fd);
    free(out.data);
    free(h);
}

const struct driver driver_holdfast = {
    .name = "holdfast",
    .available = holdfast_available,
    .start = holdfast_start,
    .prepare = holdfast_prepare,
    .stop = holdfast_stop,
    .settle = holdfast_settle,
    .compact = holdfast_compact,
    .hold = holdfast_hold,
    .release = holdfast_release,
    .holds = BENCH_HOLDS_WRITER | BENCH_HOLDS_READER,
    .greet = holdfast_greet,
    .encode = holdfast_encode,
    .decode = holdfast_decode,
    .load_depth = 4,
    .load_batch = 100,
    .is_scanning = true,
};
