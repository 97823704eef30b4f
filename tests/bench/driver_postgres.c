/* PostgreSQL over its protocol, version 3: prepared statements, binary parameters and
 * results. What goes out before a Sync is one trip, and is answered by one ReadyForQuery. */
#include "tests/bench/client.h"

#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POSTGRES_USER "postgres"
#define POSTGRES_PAGE_ROWS 10000

#define ON_CONFLICT                                                                            \
    " ON CONFLICT (k) DO UPDATE SET n1 = excluded.n1, n2 = excluded.n2, n3 = excluded.n3, "    \
    "n4 = excluded.n4, n5 = excluded.n5, v = excluded.v"
#define INDEXED(name)                                                                          \
    "CREATE TABLE IF NOT EXISTS " name                                                         \
    " (k bytea PRIMARY KEY, n1 int8, n2 int8, n3 int8, n4 int8, n5 int8, v bytea);"            \
    "ALTER TABLE " name " ALTER v SET STORAGE PLAIN;"
#define INDEX(name, column)                                                                    \
    "CREATE INDEX IF NOT EXISTS " name column " ON " name " (" column ");"

static const char *const statements[][2] = {
    {"g", "SELECT v FROM b WHERE k = $1"},
    {"p", "INSERT INTO b VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = excluded.v"},
    {"u", "UPDATE b SET v = $2 WHERE k = $1"},
    {"s", "SELECT k, v FROM b WHERE k >= $1 ORDER BY k LIMIT $2::int4"},
    {"n", "SELECT k, v FROM b WHERE k > $1 ORDER BY k LIMIT $2::int4"},
    {"x", "SELECT a, z FROM read_write($1, $2, $3, $4)"},
    {"0", "INSERT INTO x0 VALUES ($1, $2, $3, $4, $5, $6, $7)" ON_CONFLICT},
    {"1", "INSERT INTO x1 VALUES ($1, $2, $3, $4, $5, $6, $7)" ON_CONFLICT},
    {"4", "INSERT INTO x4 VALUES ($1, $2, $3, $4, $5, $6, $7)" ON_CONFLICT},
    {"9", "INSERT INTO x9 VALUES ($1, $2, $3, $4, $5, $6, $7)" ON_CONFLICT},
    {"i", "SELECT k, v FROM x9 WHERE n1 = $1"},
    {"I", "SELECT k, v FROM x9 WHERE n1 >= $1 ORDER BY n1 LIMIT $2::int4"},
    {"a", "UPDATE counter SET n = n + 1 WHERE k = 1 RETURNING n"},
    {"t", "BEGIN ISOLATION LEVEL REPEATABLE READ"},
    {"T", "BEGIN ISOLATION LEVEL SERIALIZABLE"},
    {"c", "COMMIT"},
    {"r", "ROLLBACK"},
};

static const char setup[] =
    "SET client_min_messages = error;"
    "CREATE TABLE IF NOT EXISTS b (k bytea PRIMARY KEY, v bytea);"
    "ALTER TABLE b ALTER v SET STORAGE PLAIN;" INDEXED("x0") INDEXED("x1") INDEXED("x4")
        INDEXED("x9") INDEX("x1", "n2") INDEX("x4", "n2") INDEX("x4", "n3") INDEX("x4", "n4")
            INDEX("x4", "n5") INDEX(
                "x9", "n1") "CREATE TABLE IF NOT EXISTS counter (k int4 PRIMARY KEY, n int8);"
                            "INSERT INTO counter VALUES (1, 0) ON CONFLICT DO NOTHING;"
                            "CREATE OR REPLACE FUNCTION read_write(k1 bytea, k2 bytea, v1 "
                            "bytea, v2 bytea,"
                            "  OUT a bytea, OUT z bytea) LANGUAGE plpgsql AS $f$"
                            "  BEGIN SELECT v INTO a FROM b WHERE k = k1; SELECT v INTO z FROM "
                            "b WHERE k = k2;"
                            "  UPDATE b SET v = v1 WHERE k = k1; UPDATE b SET v = v2 WHERE k = "
                            "k2; END $f$";

/* The directory of the newest version's programs; false: there is none. */
static bool postgres_programs(char room[256])
{
    glob_t found;
    bool ok = glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) == 0;

    if (ok) {
        snprintf(room, 256, "%s", found.gl_pathv[found.gl_pathc - 1]);
        *strrchr(room, '/') = 0;
    }
    globfree(&found);
    return ok;
}

static bool postgres_available(void)
{
    char room[256];

    return postgres_programs(room);
}

/* ---- writing ---- */

static void put_number(struct buffer *out, uint64_t n, unsigned bytes)
{
    uint8_t *at = buffer_room(out, bytes);

    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
    buffer_grew(out, bytes);
}

/* A message's type and room for its length; message_end fills it in. */
static size_t message_begin(struct buffer *out, char type)
{
    if (type)
        buffer_put(out, &type, 1);
    put_number(out, 0, 4);
    return out->size - 4;
}

static void message_end(struct buffer *out, size_t at)
{
    size_t size = out->size - at;

    for (unsigned i = 0; i < 4; i++)
        out->data[at + i] = (uint8_t)(size >> (24 - 8 * i));
}

static void put_text(struct buffer *out, const char *text)
{
    buffer_put(out, text, strlen(text) + 1);
}

static size_t bind_begin(struct buffer *out, const char *statement, unsigned parameters)
{
    size_t at = message_begin(out, 'B');

    put_text(out, "");
    put_text(out, statement);
    put_number(out, 1, 2);
    put_number(out, 1, 2);
    put_number(out, parameters, 2);
    return at;
}

static void bind_end(struct buffer *out, size_t at)
{
    put_number(out, 1, 2);
    put_number(out, 1, 2);
    message_end(out, at);
    at = message_begin(out, 'E');
    put_text(out, "");
    put_number(out, 0, 4);
    message_end(out, at);
}

static void put_key(struct buffer *out, uint64_t number)
{
    put_number(out, RECORD_KEY_BYTES, 4);
    record_key((char *)buffer_room(out, RECORD_KEY_BYTES), number);
    buffer_grew(out, RECORD_KEY_BYTES);
}

static void put_value(struct buffer *out, uint32_t counter, uint64_t *random)
{
    put_number(out, RECORD_VALUE_BYTES, 4);
    record_value(buffer_room(out, RECORD_VALUE_BYTES), counter, random);
    buffer_grew(out, RECORD_VALUE_BYTES);
}

static void send_plain(struct buffer *out, const char *statement)
{
    bind_end(out, bind_begin(out, statement, 0));
}

static void send_get(struct buffer *out, uint64_t key)
{
    size_t at = bind_begin(out, "g", 1);

    put_key(out, key);
    bind_end(out, at);
}

static void send_put(struct buffer *out, const char *statement, uint64_t key, uint32_t counter,
                     uint64_t *random)
{
    size_t at = bind_begin(out, statement, 2);

    put_key(out, key);
    put_value(out, counter, random);
    bind_end(out, at);
}

static void send_scan(struct buffer *out, const struct work *w)
{
    bool goes_on = w->kind == OP_FULL && w->trip > 0;
    size_t at = bind_begin(out, goes_on ? "n" : "s", 2);

    put_key(out, goes_on ? record_number(w->last) : w->key[0]);
    put_number(out, 4, 4);
    put_number(out, w->kind == OP_SCAN ? w->rows : POSTGRES_PAGE_ROWS, 4);
    bind_end(out, at);
}

static void send_index_put(struct buffer *out, struct work *w)
{
    char statement[] = {(char)('0' + w->indexes), 0};
    size_t at = bind_begin(out, statement, BENCH_NUMBERS + 2);
    uint64_t numbers[BENCH_NUMBERS];

    work_numbers(w, numbers);
    put_key(out, w->key[0]);
    for (unsigned i = 0; i < BENCH_NUMBERS; i++) {
        put_number(out, 8, 4);
        put_number(out, numbers[i], 8);
    }
    put_value(out, 1, &w->random);
    bind_end(out, at);
}

static void send_index_read(struct buffer *out, const struct work *w)
{
    bool is_scan = w->kind == OP_INDEX_SCAN;
    size_t at = bind_begin(out, is_scan ? "I" : "i", is_scan ? 2 : 1);

    put_number(out, 8, 4);
    put_number(out, w->key[0], 8);
    if (is_scan) {
        put_number(out, 4, 4);
        put_number(out, w->rows, 4);
    }
    bind_end(out, at);
}

/* A query and its data at once: the server reads on in COPY mode by itself. */
static void send_copy(struct buffer *out, struct work *w)
{
    size_t at = message_begin(out, 'Q');

    put_text(out, "COPY b FROM STDIN (FORMAT binary)");
    message_end(out, at);
    at = message_begin(out, 'd');
    buffer_put(out, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
    for (unsigned i = 0; i < w->batch; i++) {
        put_number(out, 2, 2);
        put_key(out, w->load_keys[i]);
        put_value(out, 0, &w->random);
    }
    put_number(out, 0xffff, 2);
    message_end(out, at);
    message_end(out, message_begin(out, 'c'));
}

static void send_two_puts(struct buffer *out, struct work *w, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        send_put(out, "u", w->write_key[i], w->counter[i] + 1, &w->random);
}

static void send_both(struct buffer *out, struct work *w)
{
    size_t at = bind_begin(out, "x", 4);

    put_key(out, w->key[0]);
    put_key(out, w->key[1]);
    put_value(out, 1, &w->random);
    put_value(out, 1, &w->random);
    bind_end(out, at);
}

/* False: there is no such trip. w->finished: the failed transaction has been rolled back. */
static bool encode_txn(struct buffer *out, struct work *w)
{
    const char *begin = w->isolation == ISOLATION_SERIALIZABLE ? "T" : "t";

    if (w->refused || w->failed) {
        if (w->shape == TXN_ONE || w->finished)
            return false;
        w->finished = true;
        send_plain(out, "r");
        return true;
    }
    if (w->shape == TXN_ONE && w->trip == 0) {
        send_both(out, w);
        return true;
    }
    if (w->shape == TXN_ONE || w->trip >= (w->shape == TXN_SIX ? 6 : 2))
        return false;
    if (w->shape == TXN_TWO && w->trip == 0) {
        send_plain(out, begin);
        send_get(out, w->key[0]);
        send_get(out, w->key[1]);
    } else if (w->shape == TXN_TWO) {
        send_two_puts(out, w, 0, 2);
        send_plain(out, "c");
    } else if (w->trip == 0 || w->trip == 5) {
        send_plain(out, w->trip == 0 ? begin : "c");
    } else if (w->trip < 3) {
        send_get(out, w->key[w->trip - 1]);
    } else {
        send_two_puts(out, w, w->trip - 3, w->trip - 2);
    }
    return true;
}

static unsigned postgres_encode(struct conn *c, unsigned slot, struct work *w)
{
    struct buffer *out = &c->out;

    (void)slot;
    if (w->kind == OP_TXN) {
        if (!encode_txn(out, w))
            return 0;
    } else if (w->kind == OP_FULL ? w->finished || w->failed
                                  : w->trip >= (w->kind == OP_MODIFY ? 2 : 1)) {
        return 0;
    } else if (w->kind == OP_LOAD) {
        send_copy(out, w);
        return 1;
    } else if (w->kind == OP_INDEX_PUT) {
        send_index_put(out, w);
    } else if (w->kind == OP_INDEX_GET || w->kind == OP_INDEX_SCAN) {
        send_index_read(out, w);
    } else if (w->kind == OP_ADD) {
        send_plain(out, "a");
    } else if (w->kind == OP_GET || (w->kind == OP_MODIFY && w->trip == 0)) {
        send_get(out, w->key[0]);
    } else if (w->kind == OP_SCAN || w->kind == OP_FULL) {
        w->cursor = w->got_rows;
        send_scan(out, w);
    } else {
        send_put(out, "p", w->key[0], w->counter[0] + 1, &w->random);
    }
    message_end(out, message_begin(out, 'S'));
    return 1;
}

/* ---- reading ---- */

static uint32_t number_at(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

static void take_row(struct work *w, const uint8_t *data)
{
    const uint8_t *first = data + 6; /* behind the count of columns and the first's length */
    unsigned which = w->kind == OP_TXN && w->got_rows > 0;

    if (w->kind == OP_TXN && w->shape == TXN_ONE)
        return;
    w->got_rows++;
    if (w->kind == OP_FULL)
        memcpy(w->last, first, RECORD_KEY_BYTES);
    else if (w->kind == OP_GET || w->kind == OP_MODIFY || w->kind == OP_TXN)
        w->counter[which] = record_counter(first, number_at(data + 2));
}

/* Serialization failures and deadlocks are conflicts. */
static void take_error(struct conn *c, struct work *w, const uint8_t *data, size_t size)
{
    if (memmem(data, size, "C40001", 7) || memmem(data, size, "C40P01", 7)) {
        w->refused = true;
        return;
    }
    w->failed = true;
    peer_complain(c->peer, data, size);
}

/* Rows are taken only when the whole trip has come; until then c->in_seen is how far it
 * has been looked at. */
static long postgres_decode(struct conn *c, const uint8_t *data, size_t size, unsigned *slot)
{
    struct work *w = &c->slots[*slot].work;
    size_t at;

    for (at = c->in_seen;; at += number_at(data + at + 1) + 1) {
        c->in_seen = at;
        if (size - at < 5 || size - at < number_at(data + at + 1) + 1)
            return 0;
        if (data[at] == 'Z')
            break;
    }
    c->in_seen = 0;
    size = at + 6;
    for (at = 0; at < size; at += number_at(data + at + 1) + 1) {
        if (data[at] == 'D')
            take_row(w, data + at + 5);
        else if (data[at] == 'E')
            take_error(c, w, data + at + 5, number_at(data + at + 1) - 4);
    }
    if (w->kind == OP_FULL)
        w->finished = w->got_rows - w->cursor < POSTGRES_PAGE_ROWS;
    w->missing |=
        (w->kind == OP_GET || w->kind == OP_INDEX_GET || w->kind == OP_ADD) && w->got_rows == 0;
    return (long)size;
}

/* ---- the server ---- */

/* Read messages up to ReadyForQuery, on a blocking socket. */
static bool wait_ready(int fd)
{
    uint8_t head[5], body[8192];

    while (read_all(fd, head, sizeof head)) {
        size_t size = number_at(head + 1) - 4;

        if (size > sizeof body || !read_all(fd, body, size))
            return false;
        if (head[0] == 'E') {
            for (size_t i = 0; i < size; i++) /* its fields end with a 0 */
                body[i] = body[i] ? body[i] : ' ';
            fprintf(stderr, "bench: postgres: %.*s\n", (int)size, (char *)body);
            return false;
        }
        if (head[0] == 'Z')
            return true;
    }
    return false;
}

static bool send_and_wait(int fd, struct buffer *out)
{
    bool ok = write_all(fd, out->data, out->size) && wait_ready(fd);

    out->size = 0;
    return ok;
}

static bool log_in(int fd, struct buffer *out)
{
    size_t at = message_begin(out, 0);

    put_number(out, 196608, 4);
    buffer_put(out, "user\0bench\0database\0postgres\0\0", 30);
    message_end(out, at);
    return send_and_wait(fd, out);
}

static bool query(int fd, struct buffer *out, const char *text)
{
    size_t at = message_begin(out, 'Q');

    put_text(out, text);
    message_end(out, at);
    return send_and_wait(fd, out);
}

static bool postgres_greet(struct peer *p, struct conn *c)
{
    bool ok = log_in(c->fd, &c->out);

    (void)p;
    if (ok && c->spec->durability == UNSYNCED)
        ok = query(c->fd, &c->out, "SET synchronous_commit TO off");
    if (ok && c->spec->isolation == ISOLATION_SERIALIZABLE)
        ok = query(c->fd, &c->out, "SET default_transaction_isolation TO serializable");
    for (unsigned i = 0; ok && i < sizeof statements / sizeof *statements; i++) {
        size_t at = message_begin(&c->out, 'P');

        put_text(&c->out, statements[i][0]);
        put_text(&c->out, statements[i][1]);
        put_number(&c->out, 0, 2);
        message_end(&c->out, at);
        message_end(&c->out, message_begin(&c->out, 'S'));
        ok = send_and_wait(c->fd, &c->out);
    }
    return ok;
}

static bool postgres_ask(struct peer *p, const char *text, bool complain)
{
    struct buffer out = {0};
    int fd = tcp_connect(p->port, 30, p->pid);
    bool ok = fd >= 0;

    if (ok && !complain) { /* while it recovers it answers with an error */
        uint8_t head = 0;
        size_t at = message_begin(&out, 0);

        put_number(&out, 196608, 4);
        buffer_put(&out, "user\0bench\0database\0postgres\0\0", 30);
        message_end(&out, at);
        ok = write_all(fd, out.data, out.size) && read_all(fd, &head, 1) && head == 'R';
    } else {
        ok = ok && log_in(fd, &out) && query(fd, &out, text);
    }
    if (fd >= 0)
        close(fd);
    free(out.data);
    return ok;
}

static bool postgres_initialise(struct peer *p, const char *programs)
{
    char program[300], path[300];
    char *argv[] = {program, "-D", "data",      "-U",         "bench", "-A",
                    "trust", "-E", "SQL_ASCII", "--locale=C", "-N",    NULL};

    snprintf(path, sizeof path, "%s/data/PG_VERSION", p->directory);
    snprintf(program, sizeof program, "%s/initdb", programs);
    return access(path, R_OK) == 0 || process_run(argv, p->directory, POSTGRES_USER);
}

static bool postgres_start(struct peer *p)
{
    char programs[256], program[300], port[64], buffers[64];
    char *argv[] = {program,
                    "-D",
                    "data",
                    "-c",
                    port,
                    "-c",
                    buffers,
                    "-c",
                    "listen_addresses=127.0.0.1",
                    "-c",
                    "unix_socket_directories=",
                    "-c",
                    "max_wal_size=8GB",
                    "-c",
                    "checkpoint_timeout=30min",
                    "-c",
                    "max_connections=300",
                    NULL};

    if (!p->port)
        p->port = tcp_free_port();
    if (!postgres_programs(programs) || !directory_make(p->directory, POSTGRES_USER) ||
        !postgres_initialise(p, programs))
        return false;
    snprintf(program, sizeof program, "%s/postgres", programs);
    snprintf(port, sizeof port, "port=%d", p->port);
    snprintf(buffers, sizeof buffers, "shared_buffers=%lluMB",
             (unsigned long long)(p->cache_bytes ? p->cache_bytes >> 20 : 2048));
    p->pid = process_start(argv, p->directory, POSTGRES_USER);
    while (p->pid > 0 && !postgres_ask(p, NULL, false)) {
        if (!process_is_alive(p->pid))
            return false;
        usleep(1000);
    }
    return p->pid > 0 && postgres_ask(p, setup, true);
}

/* SIGQUIT ends all its processes at once, and leaves it to recover from its log. */
static void postgres_stop(struct peer *p, bool kill_it)
{
    process_end(p->pid, kill_it ? SIGQUIT : SIGINT);
    p->pid = 0;
}

static void postgres_settle(struct peer *p)
{
    postgres_ask(p, "CHECKPOINT", true);
}

/* What autovacuum would do a minute later, in the middle of somebody's measurement. */
static void postgres_compact(struct peer *p)
{
    postgres_ask(p, "VACUUM ANALYZE", true);
}

/* A synced commit takes what came before it along. */
static void postgres_flush(struct peer *p)
{
    postgres_ask(p, "SELECT txid_current()", true);
    postgres_ask(p, "CREATE TABLE IF NOT EXISTS flushed (x int)", true);
}

/* ---- an old transaction ---- */

struct held {
    int fd;
    bool is_reader;
    struct buffer out;
};

/* What a reader has read stays with the server, which compares it in the end: a division
 * by zero if it differs. */
static void *postgres_hold(struct peer *p, enum hold_kind kind)
{
    struct held *h = calloc(1, sizeof *h);

    h->is_reader = kind == HOLD_READER;
    h->fd = tcp_connect(p->port, 5, p->pid);
    if (h->fd >= 0 && log_in(h->fd, &h->out) &&
        query(h->fd, &h->out,
              "BEGIN ISOLATION LEVEL REPEATABLE READ;"
              "SELECT set_config('bench.seen', md5(v), true)"
              "  FROM b WHERE k = 'k000000000000000'") &&
        (h->is_reader || query(h->fd, &h->out, "INSERT INTO b VALUES ('z', 'z')")))
        return h;
    free(h);
    return NULL;
}

static void postgres_release(struct peer *p, void *held, char *end, size_t size)
{
    struct held *h = held;

    (void)p;
    if (!query(h->fd, &h->out,
               "SELECT 1 / (md5(v) = current_setting('bench.seen'))::int"
               "  FROM b WHERE k = 'k000000000000000'"))
        snprintf(end, size, "FAILED: it changed");
    else if (!query(h->fd, &h->out, "COMMIT"))
        snprintf(end, size, "refused");
    else
        snprintf(end, size, "%s", h->is_reader ? "read the same" : "committed");
    close(h->fd);
    free(h->out.data);
    free(h);
}

const struct driver driver_postgres = {
    .name = "postgres",
    .available = postgres_available,
    .start = postgres_start,
    .stop = postgres_stop,
    .settle = postgres_settle,
    .compact = postgres_compact,
    .flush = postgres_flush,
    .hold = postgres_hold,
    .release = postgres_release,
    .holds = BENCH_HOLDS_WRITER | BENCH_HOLDS_READER,
    .greet = postgres_greet,
    .encode = postgres_encode,
    .decode = postgres_decode,
    .load_depth = 1,
    .load_batch = BENCH_WORK_BATCH_MAX,
    .is_scanning = true,
};
