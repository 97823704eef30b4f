/* Tarantool over IPROTO, written by hand. 2.6 has no streams: a transaction reads both
 * records, then one procedure compares both with what was read and replaces them, or
 * one procedure does it all. Replies name their request (sync). */
#include "tests/bench/client.h"

#include "proto/msgpack.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IPROTO_SELECT = 1, IPROTO_REPLACE = 3, IPROTO_UPDATE = 4, IPROTO_CALL = 10 };
enum {
    IPROTO_CODE = 0x00, IPROTO_SYNC = 0x01, IPROTO_SPACE = 0x10, IPROTO_INDEX = 0x11,
    IPROTO_LIMIT = 0x12, IPROTO_OFFSET = 0x13, IPROTO_ITERATOR = 0x14, IPROTO_KEY = 0x20,
    IPROTO_TUPLE = 0x21, IPROTO_FUNCTION = 0x22, IPROTO_DATA = 0x30,
};
enum { ITERATOR_EQ = 0, ITERATOR_ALL = 2, ITERATOR_GE = 5, ITERATOR_GT = 6 };

#define TARANTOOL_SPACE 512
#define TARANTOOL_INDEXED 600 /* and the number of indexes */
#define TARANTOOL_COUNTER 700
#define TARANTOOL_STEPS 4
#define TARANTOOL_MESSAGE_BYTES 512
#define TARANTOOL_GREETING_BYTES 128

static const char tarantool_script[] =
    "box.cfg{listen = '127.0.0.1:%d', wal_mode = '%s', memtx_memory = 6 * 1024^3,\n"
    "  readahead = 262144, net_msg_max = 4096, checkpoint_interval = 0, log_level = 3}\n"
    "box.once('b', function()\n"
    "  local s = box.schema.space.create('b', {id = 512})\n"
    "  s:create_index('pk', {type = 'tree', parts = {1, 'string'}})\n"
    "  box.schema.user.grant('guest', 'super')\n"
    "  for _, n in ipairs{0, 1, 4, 9} do\n"
    "    local x = box.schema.space.create('x' .. n, {id = 600 + n})\n"
    "    x:create_index('pk', {type = 'tree', parts = {1, 'string'}})\n"
    "    for i = 1, (n == 9 and 1 or n) do\n"
    "      x:create_index('i' .. i, {type = 'tree', unique = false,\n"
    "        parts = {n == 9 and 2 or i + 2, 'unsigned'}})\n"
    "    end\n"
    "  end\n"
    "  local c = box.schema.space.create('counter', {id = 700})\n"
    "  c:create_index('pk', {type = 'tree', parts = {1, 'unsigned'}})\n"
    "  c:insert{1, 0}\n"
    "end)\n"
    "local s = box.space.b\n"
    "function cas(k1, o1, k2, o2, w1, v1, w2, v2)\n"
    "  if string.sub(s:get(k1)[2], 1, 8) ~= o1 or string.sub(s:get(k2)[2], 1, 8) ~= o2 then\n"
    "    return false end\n"
    "  box.begin() s:replace{w1, v1} s:replace{w2, v2} box.commit() return true\n"
    "end\n"
    "function both(k1, k2, v1, v2)\n"
    "  box.begin()\n"
    "  local a, z = s:get(k1)[2], s:get(k2)[2]\n"
    "  s:replace{k1, v1} s:replace{k2, v2} box.commit() return a, z\n"
    "end\n"
    "function ready() return true end\n";

static bool tarantool_available(void)
{
    return access("/usr/bin/tarantool", X_OK) == 0;
}

/* ---- writing ---- */

struct request {
    struct buffer *out;
    uint8_t *head, *at;
};

/* The length comes first, in five bytes that are filled in at the end. */
static struct request request_begin(struct buffer *out, unsigned code, unsigned sync,
                                    unsigned fields)
{
    struct request r = {out, buffer_room(out, TARANTOOL_MESSAGE_BYTES), NULL};

    r.at = r.head + 5;
    r.at += msgpack_put_map_head(r.at, 2);
    *r.at++ = IPROTO_CODE;
    *r.at++ = (uint8_t)code;
    *r.at++ = IPROTO_SYNC;
    r.at += msgpack_put_uint(r.at, sync);
    r.at += msgpack_put_map_head(r.at, fields);
    return r;
}

static void request_end(struct request *r)
{
    uint32_t size = (uint32_t)(r->at - r->head) - 5;

    r->head[0] = 0xce;
    for (unsigned i = 0; i < 4; i++)
        r->head[1 + i] = (uint8_t)(size >> (24 - 8 * i));
    buffer_grew(r->out, size + 5);
}

static void put_key(struct request *r, uint64_t number)
{
    r->at += msgpack_put_text_head(r->at, RECORD_KEY_BYTES);
    record_key((char *)r->at, number);
    r->at += RECORD_KEY_BYTES;
}

static void put_value(struct request *r, uint32_t counter, uint64_t *random)
{
    r->at += msgpack_put_text_head(r->at, RECORD_VALUE_BYTES);
    record_value(r->at, counter, random);
    r->at += RECORD_VALUE_BYTES;
}

static void put_field(struct request *r, unsigned field, uint64_t number)
{
    *r->at++ = (uint8_t)field;
    r->at += msgpack_put_uint(r->at, number);
}

static void send_select(struct buffer *out, unsigned sync, const struct work *w, uint64_t key)
{
    struct request r = request_begin(out, IPROTO_SELECT, sync, 6);
    bool is_scan = w->kind == OP_SCAN, is_full = w->kind == OP_FULL;

    put_field(&r, IPROTO_SPACE, TARANTOOL_SPACE);
    put_field(&r, IPROTO_INDEX, 0);
    put_field(&r, IPROTO_LIMIT, is_scan ? w->rows : is_full ? 1000 : 1);
    put_field(&r, IPROTO_OFFSET, 0);
    put_field(&r, IPROTO_ITERATOR,
              is_scan        ? ITERATOR_GE
              : !is_full     ? ITERATOR_EQ
              : w->trip == 0 ? ITERATOR_ALL
                             : ITERATOR_GT);
    *r.at++ = IPROTO_KEY;
    r.at += msgpack_put_array_head(r.at, is_full && w->trip == 0 ? 0 : 1);
    if (is_full && w->trip > 0)
        put_key(&r, record_number(w->last));
    else if (!is_full)
        put_key(&r, key);
    request_end(&r);
}

static void send_replace(struct buffer *out, unsigned sync, uint64_t key, uint32_t counter,
                         uint64_t *random)
{
    struct request r = request_begin(out, IPROTO_REPLACE, sync, 2);

    put_field(&r, IPROTO_SPACE, TARANTOOL_SPACE);
    *r.at++ = IPROTO_TUPLE;
    r.at += msgpack_put_array_head(r.at, 2);
    put_key(&r, key);
    put_value(&r, counter, random);
    request_end(&r);
}

/* A tuple of the key, the numbers and the value. */
static void send_index_put(struct buffer *out, unsigned sync, struct work *w)
{
    struct request r = request_begin(out, IPROTO_REPLACE, sync, 2);
    uint64_t numbers[BENCH_NUMBERS];

    work_numbers(w, numbers);
    put_field(&r, IPROTO_SPACE, TARANTOOL_INDEXED + w->indexes);
    *r.at++ = IPROTO_TUPLE;
    r.at += msgpack_put_array_head(r.at, BENCH_NUMBERS + 2);
    put_key(&r, w->key[0]);
    for (unsigned i = 0; i < BENCH_NUMBERS; i++)
        r.at += msgpack_put_uint(r.at, numbers[i]);
    put_value(&r, 1, &w->random);
    request_end(&r);
}

static void send_index_read(struct buffer *out, unsigned sync, const struct work *w)
{
    struct request r = request_begin(out, IPROTO_SELECT, sync, 6);
    bool is_scan = w->kind == OP_INDEX_SCAN;

    put_field(&r, IPROTO_SPACE, TARANTOOL_INDEXED + INDEXED_BY_FIRST);
    put_field(&r, IPROTO_INDEX, 1);
    put_field(&r, IPROTO_LIMIT, is_scan ? w->rows : 1);
    put_field(&r, IPROTO_OFFSET, 0);
    put_field(&r, IPROTO_ITERATOR, is_scan ? ITERATOR_GE : ITERATOR_EQ);
    *r.at++ = IPROTO_KEY;
    r.at += msgpack_put_array_head(r.at, 1);
    r.at += msgpack_put_uint(r.at, w->key[0]);
    request_end(&r);
}

/* [["+", the second field, 1]] */
static void send_add(struct buffer *out, unsigned sync)
{
    struct request r = request_begin(out, IPROTO_UPDATE, sync, 4);

    put_field(&r, IPROTO_SPACE, TARANTOOL_COUNTER);
    put_field(&r, IPROTO_INDEX, 0);
    *r.at++ = IPROTO_KEY;
    r.at += msgpack_put_array_head(r.at, 1);
    *r.at++ = 1;
    *r.at++ = IPROTO_TUPLE;
    r.at += msgpack_put_array_head(r.at, 1);
    r.at += msgpack_put_array_head(r.at, 3);
    r.at += msgpack_put_text(r.at, slice_text("+"));
    *r.at++ = 1;
    *r.at++ = 1;
    request_end(&r);
}

/* both: two keys, two values; cas: keys read with what was read, keys to write, values */
static void send_call(struct buffer *out, unsigned sync, const char *function, struct work *w)
{
    struct request r = request_begin(out, IPROTO_CALL, sync, 2);
    bool is_cas = function[0] == 'c';
    char old[16];

    *r.at++ = IPROTO_FUNCTION;
    r.at += msgpack_put_text(r.at, slice_text(function));
    *r.at++ = IPROTO_TUPLE;
    r.at += msgpack_put_array_head(r.at, is_cas ? 8 : 4);
    for (unsigned i = 0; i < 2; i++) {
        put_key(&r, w->key[i]);
        snprintf(old, sizeof old, "%08u", (unsigned)w->counter[i]);
        if (is_cas)
            r.at += msgpack_put_text(r.at, slice_text(old));
    }
    for (unsigned i = 0; i < 2; i++) {
        if (is_cas)
            put_key(&r, w->write_key[i]);
        put_value(&r, w->counter[i] + 1, &w->random);
    }
    request_end(&r);
}

static unsigned encode_txn(struct buffer *out, unsigned sync, struct work *w)
{
    unsigned reads = w->shape == TXN_SIX ? 2 : 1; /* trips that read */

    if (w->shape == TXN_ONE) {
        if (w->trip == 0)
            send_call(out, sync, "both", w);
        return w->trip == 0;
    }
    if (w->trip < reads && reads == 2) {
        send_select(out, sync + 1 + w->trip, w, w->key[w->trip]);
        return 1;
    }
    if (w->trip < reads) {
        send_select(out, sync + 1, w, w->key[0]);
        send_select(out, sync + 2, w, w->key[1]);
        return 2;
    }
    if (w->trip > reads)
        return 0;
    send_call(out, sync, "cas", w);
    return 1;
}

static unsigned tarantool_encode(struct conn *c, unsigned slot, struct work *w)
{
    unsigned sync = slot * TARANTOOL_STEPS;

    if (w->kind == OP_TXN)
        return encode_txn(&c->out, sync, w);
    if (w->kind == OP_FULL ? w->finished || w->failed
                           : w->trip >= (w->kind == OP_MODIFY ? 2 : 1))
        return 0;
    if (w->kind == OP_LOAD) {
        for (unsigned i = 0; i < w->batch; i++)
            send_replace(&c->out, sync, w->load_keys[i], 0, &w->random);
        return w->batch;
    }
    if (w->kind == OP_INDEX_PUT)
        send_index_put(&c->out, sync, w);
    else if (w->kind == OP_INDEX_GET || w->kind == OP_INDEX_SCAN)
        send_index_read(&c->out, sync + 1, w);
    else if (w->kind == OP_ADD)
        send_add(&c->out, sync);
    else if (w->kind == OP_PUT || (w->kind == OP_MODIFY && w->trip == 1))
        send_replace(&c->out, sync, w->key[0], w->counter[0] + 1, &w->random);
    else
        send_select(&c->out, sync + 1, w, w->key[0]);
    return 1;
}

/* ---- reading ---- */

static void take_tuples(struct work *w, struct msgpack_cursor *m, unsigned step)
{
    uint32_t tuples, fields;
    struct slice key, value;

    if (msgpack_read_array(m, &tuples))
        return;
    if (w->kind == OP_FULL)
        w->finished = tuples < 1000;
    w->missing |= tuples == 0 && w->kind != OP_FULL;
    if (w->kind == OP_INDEX_GET || w->kind == OP_INDEX_SCAN) {
        w->got_rows += tuples;
        return;
    }
    for (uint32_t i = 0; i < tuples; i++) {
        if (msgpack_read_array(m, &fields) || fields != 2 || msgpack_read_text(m, &key) ||
            msgpack_read_text(m, &value))
            return;
        w->got_rows++;
        if (w->kind == OP_FULL && i + 1 == tuples)
            memcpy(w->last, key.data, RECORD_KEY_BYTES);
        if (w->kind == OP_TXN || w->kind == OP_MODIFY || w->kind == OP_GET)
            w->counter[step == 2] = record_counter(value.data, value.size);
    }
}

static void take_body(struct conn *c, struct work *w, unsigned step, uint64_t code,
                      struct slice body)
{
    struct msgpack_cursor m = msgpack_open(body);
    uint64_t field;
    uint32_t pairs;

    if (code >= 0x8000) {
        peer_complain(c->peer, body.data, body.size);
        w->failed = true;
        return;
    }
    if (msgpack_read_map(&m, &pairs) || pairs < 1 || msgpack_read_uint(&m, &field) ||
        field != IPROTO_DATA)
        return;
    if (step > 0)
        take_tuples(w, &m, step);
    else if (w->kind == OP_TXN) /* [true] or [false], or what both has read */
        w->refused = body.data[body.size - 1] == 0xc2;
}

static long tarantool_decode(struct conn *c, const uint8_t *data, size_t size, unsigned *slot)
{
    struct msgpack_cursor m = msgpack_open(slice_make(data, size));
    uint64_t length, field, value, code = 0, sync = 0;
    uint32_t pairs;
    const uint8_t *end;

    if (msgpack_read_uint(&m, &length) || (size_t)(m.end - m.at) < length)
        return 0;
    end = m.at + length;
    m.end = end;
    if (msgpack_read_map(&m, &pairs))
        return -1;
    for (; pairs > 0; pairs--) {
        if (msgpack_read_uint(&m, &field) || msgpack_read_uint(&m, &value))
            return -1;
        if (field == IPROTO_CODE)
            code = value;
        else if (field == IPROTO_SYNC)
            sync = value;
    }
    if (sync / TARANTOOL_STEPS >= c->slot_count)
        return -1;
    *slot = (unsigned)(sync / TARANTOOL_STEPS);
    take_body(c, &c->slots[*slot].work, (unsigned)(sync % TARANTOOL_STEPS), code,
              slice_make(m.at, (size_t)(end - m.at)));
    return (long)(end - data);
}

/* ---- the server ---- */

static bool tarantool_greet(struct peer *p, struct conn *c)
{
    char greeting[TARANTOOL_GREETING_BYTES];

    (void)p;
    return read_all(c->fd, greeting, sizeof greeting);
}

static bool tarantool_call(struct peer *p, const char *function, double seconds)
{
    struct buffer out = {0};
    struct request r = request_begin(&out, IPROTO_CALL, 0, 2);
    uint8_t answer[4096];
    int fd = tcp_connect(p->port, seconds, p->pid);
    ssize_t n = -1;

    *r.at++ = IPROTO_FUNCTION;
    r.at += msgpack_put_text(r.at, slice_text(function));
    *r.at++ = IPROTO_TUPLE;
    r.at += msgpack_put_array_head(r.at, 0);
    request_end(&r);
    if (fd >= 0 && read_all(fd, answer, TARANTOOL_GREETING_BYTES) &&
        write_all(fd, out.data, out.size))
        n = read(fd, answer, sizeof answer);
    if (fd >= 0)
        close(fd);
    free(out.data);
    /* {code: 0, ...}: the code is a 32-bit number behind the length, the map's head and
     * its field; its high byte tells an error */
    return n > 12 && answer[7] == 0xce && answer[10] < 0x80;
}

static bool tarantool_start(struct peer *p)
{
    char path[512], *argv[] = {"/usr/bin/tarantool", "b.lua", NULL};
    uint64_t until = now_ns() + UINT64_C(60000000000);
    FILE *f;

    if (!p->port)
        p->port = tcp_free_port();
    if (!directory_make(p->directory, NULL))
        return false;
    snprintf(path, sizeof path, "%s/b.lua", p->directory);
    f = fopen(path, "w");
    if (!f)
        return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    fprintf(f, tarantool_script, p->port, p->variant);
#pragma GCC diagnostic pop
    fclose(f);
    p->pid = process_start(argv, p->directory, NULL);
    while (p->pid > 0 && !tarantool_call(p, "ready", 20)) {
        if (!process_is_alive(p->pid) || now_ns() > until)
            return false;
        usleep(1000);
    }
    return p->pid > 0;
}

static void tarantool_stop(struct peer *p, bool kill_it)
{
    process_end(p->pid, kill_it ? SIGKILL : SIGTERM);
    p->pid = 0;
}

static void tarantool_settle(struct peer *p)
{
    tarantool_call(p, "box.snapshot", 5);
}

const struct driver driver_tarantool = {
    .name = "tarantool",
    .available = tarantool_available,
    .start = tarantool_start,
    .stop = tarantool_stop,
    .settle = tarantool_settle,
    .greet = tarantool_greet,
    .encode = tarantool_encode,
    .decode = tarantool_decode,
    .load_depth = 2,
    .load_batch = 128,
    .is_scanning = true,
};
