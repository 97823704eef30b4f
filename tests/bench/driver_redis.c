/* Redis over RESP2. Replies come in the order of requests. A transaction is WATCH and
 * GETs, then MULTI, SETs and EXEC; as one call a Lua script takes the new values and
 * gives back the old ones. */
#include "tests/bench/client.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REDIS_SHA_BYTES 40

static const char redis_script[] =
    "local a = redis.call('GET', KEYS[1]) local z = redis.call('GET', KEYS[2]) "
    "redis.call('SET', KEYS[1], ARGV[1]) redis.call('SET', KEYS[2], ARGV[2]) return {a, z}";
/* The records from a number on, at most ARGV[3] of them, by the sorted set of the numbers. */
static const char redis_index_script[] =
    "return redis.call('MGET', unpack(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[2], "
    "'LIMIT', 0, ARGV[3])))";

static bool redis_available(void)
{
    return access("/usr/bin/redis-server", X_OK) == 0;
}

/* ---- writing ---- */

static void put_head(struct buffer *out, unsigned count, const char *command)
{
    uint8_t *at = buffer_room(out, 64);

    buffer_grew(out, (size_t)snprintf((char *)at, 64, "*%u\r\n$%zu\r\n%s\r\n", count,
                                      strlen(command), command));
}

static void put_key(struct buffer *out, uint64_t number)
{
    uint8_t *at = buffer_room(out, RECORD_KEY_BYTES + 7);

    memcpy(at, "$16\r\n", 5);
    record_key((char *)at + 5, number);
    memcpy(at + 5 + RECORD_KEY_BYTES, "\r\n", 2);
    buffer_grew(out, RECORD_KEY_BYTES + 7);
}

static void send_key(struct buffer *out, const char *command, uint64_t number)
{
    put_head(out, 2, command);
    put_key(out, number);
}

static void put_value(struct buffer *out, uint32_t counter, uint64_t *random)
{
    uint8_t *at = buffer_room(out, RECORD_VALUE_BYTES + 8);

    memcpy(at, "$100\r\n", 6);
    record_value(at + 6, counter, random);
    memcpy(at + 6 + RECORD_VALUE_BYTES, "\r\n", 2);
    buffer_grew(out, RECORD_VALUE_BYTES + 8);
}

static void send_set(struct buffer *out, uint64_t number, uint32_t counter, uint64_t *random)
{
    put_head(out, 3, "SET");
    put_key(out, number);
    put_value(out, counter, random);
}

static void send_watch(struct buffer *out, const struct work *w)
{
    put_head(out, 3, "WATCH");
    put_key(out, w->key[0]);
    put_key(out, w->key[1]);
}

static unsigned send_exec(struct buffer *out, struct work *w)
{
    put_head(out, 1, "MULTI");
    send_set(out, w->write_key[0], w->counter[0] + 1, &w->random);
    send_set(out, w->write_key[1], w->counter[1] + 1, &w->random);
    put_head(out, 1, "EXEC");
    return 4; /* OK, QUEUED, QUEUED, and what EXEC says */
}

static void send_script(struct buffer *out, struct work *w, const char *sha)
{
    put_head(out, 7, "EVALSHA");
    buffer_text(out, "$40\r\n");
    buffer_put(out, sha, REDIS_SHA_BYTES);
    buffer_text(out, "\r\n$1\r\n2\r\n");
    put_key(out, w->key[0]);
    put_key(out, w->key[1]);
    put_value(out, 1, &w->random);
    put_value(out, 1, &w->random);
}

/* A key of the store with so many indexes. */
static void put_indexed_key(struct buffer *out, const struct work *w)
{
    uint8_t *at = buffer_room(out, RECORD_KEY_BYTES + 9);

    memcpy(at, "$18\r\n", 5);
    at[5] = 'x';
    at[6] = (uint8_t)('0' + w->indexes);
    record_key((char *)at + 7, w->key[0]);
    memcpy(at + 7 + RECORD_KEY_BYTES, "\r\n", 2);
    buffer_grew(out, RECORD_KEY_BYTES + 9);
}

static void put_number(struct buffer *out, uint64_t number)
{
    char text[32];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    buffer_grew(out, (size_t)snprintf((char *)buffer_room(out, 64), 64, "$%zu\r\n%s\r\n",
                                      strlen(text), text));
}

static void put_set(struct buffer *out, unsigned indexes, unsigned which)
{
    buffer_grew(out, (size_t)snprintf((char *)buffer_room(out, 16), 16, "$3\r\nz%u%u\r\n",
                                      indexes, which));
}

/* The record and its places in the sorted sets, as one. The value has the numbers in it too. */
static unsigned send_index_put(struct buffer *out, struct work *w)
{
    bool by_first = w->indexes == INDEXED_BY_FIRST;
    unsigned sets = by_first ? 1 : w->indexes;
    uint64_t numbers[BENCH_NUMBERS];
    uint8_t *at;

    work_numbers(w, numbers);
    if (sets > 0)
        put_head(out, 1, "MULTI");
    put_head(out, 3, "SET");
    put_indexed_key(out, w);
    at = buffer_room(out, RECORD_VALUE_BYTES + sizeof numbers + 8);
    memcpy(at, "$140\r\n", 6);
    record_value(at + 6, 1, &w->random);
    memcpy(at + 6 + RECORD_VALUE_BYTES, numbers, sizeof numbers);
    memcpy(at + 6 + RECORD_VALUE_BYTES + sizeof numbers, "\r\n", 2);
    buffer_grew(out, RECORD_VALUE_BYTES + sizeof numbers + 8);
    for (unsigned i = 0; i < sets; i++) {
        put_head(out, 4, "ZADD");
        put_set(out, w->indexes, i);
        put_number(out, numbers[by_first ? 0 : i + 1]);
        put_indexed_key(out, w);
    }
    if (sets > 0)
        put_head(out, 1, "EXEC");
    return sets > 0 ? sets + 3 : 1;
}

/* INDEX_GET, INDEX_SCAN */
static void send_index_read(struct buffer *out, const struct work *w, const char *sha)
{
    bool is_scan = w->kind == OP_INDEX_SCAN;

    put_head(out, 7, "EVALSHA");
    buffer_text(out, "$40\r\n");
    buffer_put(out, sha, REDIS_SHA_BYTES);
    buffer_text(out, "\r\n$1\r\n1\r\n");
    put_set(out, INDEXED_BY_FIRST, 0);
    put_number(out, w->key[0]);
    put_number(out, is_scan ? UINT64_C(1) << 50 : w->key[0]);
    put_number(out, is_scan ? w->rows : 1);
}

static unsigned encode_txn(struct conn *c, struct work *w)
{
    struct buffer *out = &c->out;
    unsigned trip = w->trip;

    if (w->shape == TXN_ONE) {
        if (trip == 0)
            send_script(out, w, c->peer->state);
        return trip == 0;
    }
    if (w->shape == TXN_TWO) {
        if (trip == 0) {
            send_watch(out, w);
            send_key(out, "GET", w->key[0]);
            send_key(out, "GET", w->key[1]);
            return 3;
        }
        return trip == 1 ? send_exec(out, w) : 0;
    }
    if (trip == 0)
        send_watch(out, w);
    else if (trip < 3)
        send_key(out, "GET", w->key[trip - 1]);
    else
        return trip == 3 ? send_exec(out, w) : 0;
    return 1;
}

static unsigned redis_encode(struct conn *c, unsigned slot, struct work *w)
{
    (void)slot;
    if (w->kind == OP_TXN)
        return encode_txn(c, w);
    if (w->trip >= (w->kind == OP_MODIFY ? 2 : 1))
        return 0;
    if (w->kind == OP_LOAD) {
        for (unsigned i = 0; i < w->batch; i++)
            send_set(&c->out, w->load_keys[i], 0, &w->random);
        return w->batch;
    }
    if (w->kind == OP_INDEX_PUT)
        return send_index_put(&c->out, w);
    if (w->kind == OP_INDEX_GET || w->kind == OP_INDEX_SCAN)
        send_index_read(&c->out, w, (char *)c->peer->state + REDIS_SHA_BYTES);
    else if (w->kind == OP_ADD)
        send_key(&c->out, "INCR", 0x636f756e7465);
    else if (w->kind == OP_GET || (w->kind == OP_MODIFY && w->trip == 0))
        send_key(&c->out, "GET", w->key[0]);
    else
        send_set(&c->out, w->key[0], w->counter[0] + 1, &w->random);
    return 1;
}

/* ---- reading ---- */

/* A line's length with its end, 0 while it is not whole. */
static size_t line_size(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);

    return end ? (size_t)(end - data) + 1 : 0;
}

/* The bytes of one reply other than an array; 0: not whole. */
static size_t plain_size(const uint8_t *data, size_t size)
{
    size_t whole = line_size(data, size);
    long count = whole && data[0] == '$' ? strtol((const char *)data + 1, NULL, 10) : -1;

    if (count >= 0)
        whole += (size_t)count + 2;
    return whole <= size ? whole : 0;
}

/* The bytes of one reply; arrays hold no arrays here. 0: not whole. */
static size_t reply_size(const uint8_t *data, size_t size)
{
    size_t whole = plain_size(data, size);
    long count = whole && data[0] == '*' ? strtol((const char *)data + 1, NULL, 10) : 0;

    for (long i = 0; i < count; i++) {
        size_t next = whole < size ? plain_size(data + whole, size - whole) : 0;

        if (!next)
            return 0;
        whole += next;
    }
    return whole;
}

static long redis_decode(struct conn *c, const uint8_t *data, size_t size, unsigned *slot)
{
    struct work *w = &c->slots[*slot].work;
    size_t whole = reply_size(data, size);

    if (!whole)
        return 0;
    if (data[0] == '-') {
        peer_complain(c->peer, data, whole);
        w->failed = true;
    } else if (data[0] == '$' && data[1] == '-') {
        w->missing = true;
    } else if (data[0] == '$') {
        unsigned which = w->kind == OP_TXN && w->got_rows > 0;

        w->counter[which] = record_counter(data + 6, RECORD_VALUE_BYTES);
        w->got_rows++;
    } else if (data[0] == '*' && data[1] == '-') {
        w->refused = true;
    } else if (data[0] == '*' && w->kind != OP_INDEX_PUT) {
        w->got_rows += strtoul((const char *)data + 1, NULL, 10);
    }
    return (long)whole;
}

/* ---- the server ---- */

static bool redis_greet(struct peer *p, struct conn *c)
{
    (void)p;
    (void)c;
    return true;
}

/* Send a line, take the first bytes of its answer. */
static bool redis_ask(struct peer *p, const char *line, char *answer, size_t size,
                      double seconds)
{
    int fd = tcp_connect(p->port, seconds, p->pid);
    ssize_t n = -1;

    if (fd >= 0 && write_all(fd, line, strlen(line)))
        n = read(fd, answer, size - 1);
    if (fd >= 0)
        close(fd);
    answer[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* Load a script and keep its name at place; state has room for all. */
static bool redis_load_script(struct peer *p, const char *script, char *place)
{
    char line[1024], answer[128];

    snprintf(line, sizeof line, "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$%zu\r\n%s\r\n",
             strlen(script), script);
    if (!redis_ask(p, line, answer, sizeof answer, 5) || strncmp(answer, "$40\r\n", 5) != 0)
        return false;
    memcpy(place, answer + 5, REDIS_SHA_BYTES);
    return true;
}

static bool redis_load_scripts(struct peer *p)
{
    char *names = calloc(2, REDIS_SHA_BYTES);

    free(p->state);
    p->state = names;
    return redis_load_script(p, redis_script, names) &&
           redis_load_script(p, redis_index_script, names + REDIS_SHA_BYTES);
}

static bool redis_start(struct peer *p)
{
    bool off = strcmp(p->variant, "off") == 0;
    char port[16], answer[128];
    char *argv[] = {"/usr/bin/redis-server",
                    "--port",
                    port,
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--appendonly",
                    off ? "no" : "yes",
                    "--appendfsync",
                    off ? "no" : (char *)(uintptr_t)p->variant,
                    "--auto-aof-rewrite-percentage",
                    "0",
                    NULL};

    if (!p->port)
        p->port = tcp_free_port();
    snprintf(port, sizeof port, "%d", p->port);
    if (!directory_make(p->directory, NULL))
        return false;
    p->pid = process_start(argv, p->directory, NULL);
    do { /* while it reads its log it says LOADING */
        if (p->pid <= 0 || !process_is_alive(p->pid) ||
            !redis_ask(p, "PING\r\n", answer, sizeof answer, 20))
            return false;
    } while (strncmp(answer, "+PONG", 5) != 0 && usleep(1000) == 0);
    return redis_load_scripts(p);
}

static void redis_stop(struct peer *p, bool kill_it)
{
    process_end(p->pid, kill_it ? SIGKILL : SIGTERM);
    p->pid = 0;
}

/* Turning to `always` syncs what has gathered, at the next write. */
static void redis_settle(struct peer *p)
{
    char answer[128];

    if (strcmp(p->variant, "everysec") != 0)
        return;
    redis_ask(p, "CONFIG SET appendfsync always\r\n", answer, sizeof answer, 5);
    redis_ask(p, "SET settled 1\r\n", answer, sizeof answer, 5);
    redis_ask(p, "CONFIG SET appendfsync everysec\r\n", answer, sizeof answer, 5);
}

/* It writes its log before it answers. */
const struct driver driver_redis = {
    .name = "redis",
    .available = redis_available,
    .start = redis_start,
    .stop = redis_stop,
    .settle = redis_settle,
    .greet = redis_greet,
    .encode = redis_encode,
    .decode = redis_decode,
    .load_depth = 2,
    .load_batch = 128,
};
