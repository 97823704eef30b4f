/* libholdfast against a real server: `library ADDRESS SCENE`. Each scene is a function below;
 * a check that fails says its line and exits with 1. */
#include "client/lib/holdfast.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static struct hf_conn *conn;
static const char *address;

#define CHECK(what)                                                                            \
    do {                                                                                       \
        if (!(what)) {                                                                         \
            fprintf(stderr, "%s:%d: %s; the last error is %s: %s\n", __FILE__, __LINE__,       \
                    #what, hf_conn_error(conn)->name, hf_conn_error(conn)->message);           \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

/* Bytes of MessagePack that tests write out. */
#define PACKED(bytes) ((struct hf_bytes){bytes, sizeof(bytes) - 1})

static bool same(struct hf_bytes a, struct hf_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* ---- Indexes ---- */

#define EMAIL "\xa5" "email"
#define ANN "\x82" EMAIL "\xa3" "ann" "\xa3" "age" "\x1e"
#define BOB "\x82" EMAIL "\xa3" "bob" "\xa3" "age" "\x14"
#define EVE "\x82" EMAIL "\xa3" "eve" "\xa3" "age" "\x1e"

/* Three people under 1, 2, 3, with indexes of e-mail and age. */
static void people(const char *store)
{
    struct hf_index_options by_email = {.key = PACKED(EMAIL), .unique = true};
    struct hf_index_options by_age = {.key = PACKED("\xa3" "age"), .types = "number, text"};

    CHECK(hf_create_store(conn, NULL, store, NULL) == HF_OK);
    CHECK(hf_put(conn, NULL, store, PACKED(ANN), PACKED("\x01"), NULL) == HF_OK);
    CHECK(hf_put(conn, NULL, store, PACKED(BOB), PACKED("\x02"), NULL) == HF_OK);
    CHECK(hf_create_index(conn, NULL, store, "email", &by_email) == HF_OK);
    CHECK(hf_create_index(conn, NULL, store, "age", &by_age) == HF_OK);
    CHECK(hf_put(conn, NULL, store, PACKED(EVE), PACKED("\x03"), NULL) == HF_OK);
}

static void reads_by_index(void)
{
    struct hf_range thirty = {.eq = PACKED("\x1e")};
    struct hf_bytes found;
    uint64_t number;
    bool has;

    people("read");
    CHECK(hf_index_get(conn, NULL, "read", "email", PACKED("\xa3" "bob"), &found) == HF_OK);
    CHECK(same(found, PACKED(BOB)));
    CHECK(hf_index_get(conn, NULL, "read", "age", PACKED("\x1e"), &found) == HF_OK);
    CHECK(same(found, PACKED(ANN))); /* the least key of those that match */
    CHECK(hf_index_get(conn, NULL, "read", "email", PACKED("\xa3" "zed"), &found) == HF_OK);
    CHECK(!found.data);
    CHECK(hf_index_has(conn, NULL, "read", "email", PACKED("\xa3" "eve"), &has) == HF_OK && has);
    CHECK(hf_index_has(conn, NULL, "read", "email", PACKED("\x01"), &has) == HF_OK && !has);
    CHECK(hf_index_get_many(conn, NULL, "read", "age", PACKED("\x93\x14\x01\x1e"), &found) ==
          HF_OK);
    CHECK(same(found, PACKED("\x93" BOB "\xc0" ANN)));
    CHECK(hf_get_each(conn, NULL, "read", "age", PACKED("\x92\x14\x01"), &found) == HF_OK);
    CHECK(same(found, PACKED("\xdd\x00\x00\x00\x02\x91" BOB "\xc0")));
    CHECK(hf_get_each(conn, NULL, "read", NULL, PACKED("\x92\x80\x02"), &found) == HF_OK);
    CHECK(found.size > sizeof BOB + 50 && ((const char *)found.data)[5] == '\x92');
    CHECK(hf_get_each(conn, NULL, "nowhere", NULL, PACKED("\x90"), &found) == HF_NO_STORE);
    CHECK(hf_index_count(conn, NULL, "read", "age", NULL, &number) == HF_OK && number == 3);
    CHECK(hf_index_count(conn, NULL, "read", "age", &thirty, &number) == HF_OK && number == 2);
    CHECK(hf_index_size(conn, NULL, "read", "age", &thirty, &number) == HF_OK && number > 0);
    /* without an index it is the store */
    CHECK(hf_index_get(conn, NULL, "read", NULL, PACKED("\x02"), &found) == HF_OK);
    CHECK(same(found, PACKED(BOB)));
    CHECK(hf_index_count(conn, NULL, "read", NULL, NULL, &number) == HF_OK && number == 3);
    CHECK(hf_index_get(conn, NULL, "read", "no", PACKED("\x02"), &found) == HF_NO_INDEX);
}

static void scans_by_index(void)
{
    struct hf_scan_options options = {.index = "age", .page = 1};
    struct hf_cursor *cursor;
    struct hf_row row;

    people("scan");
    CHECK(hf_cursor_open(conn, NULL, "scan", NULL, &options, &cursor) == HF_OK);
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.index_key, PACKED("\x14")));
    CHECK(same(row.key, PACKED("\x02")) && same(row.value, PACKED(BOB)));
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.key, PACKED("\x01")));
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.key, PACKED("\x03")));
    CHECK(hf_cursor_next(cursor, &row) == HF_END);
    hf_cursor_close(cursor);

    options.unique = options.keys_only = options.reverse = true;
    CHECK(hf_cursor_open(conn, NULL, "scan", NULL, &options, &cursor) == HF_OK);
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.index_key, PACKED("\x1e")));
    CHECK(same(row.key, PACKED("\x01")) && !row.value.data);
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.index_key, PACKED("\x14")));
    CHECK(hf_cursor_next(cursor, &row) == HF_END);
    hf_cursor_close(cursor);

    options = (struct hf_scan_options){.index = "age", .values_only = true};
    CHECK(hf_cursor_open(conn, NULL, "scan", NULL, &options, &cursor) == HF_OK);
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.value, PACKED(BOB)));
    CHECK(!row.key.data && !row.index_key.data);
    hf_cursor_close(cursor);
}

static void cursors_go_to_a_key(void)
{
    struct hf_scan_options options = {
        .index = "age", .page = 1, .keys_only = true, .keep = true};
    struct hf_seek_options seek = {.key = PACKED("\x1e")};
    struct hf_cursor *cursor;
    struct hf_row row;

    people("seek");
    CHECK(hf_cursor_open(conn, NULL, "seek", NULL, &options, &cursor) == HF_OK);
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.key, PACKED("\x02")));
    CHECK(hf_cursor_seek(cursor, &seek) == HF_OK);
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.key, PACKED("\x01")));
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.key, PACKED("\x03")));
    CHECK(hf_cursor_next(cursor, &row) == HF_END);
    seek.record_key = PACKED("\x03");
    seek.reverse = true;
    CHECK(hf_cursor_seek(cursor, &seek) == HF_OK); /* back from its end */
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.key, PACKED("\x03")));
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.key, PACKED("\x01")));
    seek = (struct hf_seek_options){.key = PACKED("\x00"), .skip = 1};
    CHECK(hf_cursor_seek(cursor, &seek) == HF_OK);
    CHECK(hf_cursor_next(cursor, &row) == HF_OK && same(row.key, PACKED("\x01")));
    seek.key = PACKED("\x80"); /* a map */
    CHECK(hf_cursor_seek(cursor, &seek) == HF_BAD_REQUEST);
    CHECK(hf_cursor_next(cursor, &row) == HF_BAD_REQUEST);
    hf_cursor_close(cursor);
    options.keep = false;
    CHECK(hf_cursor_open(conn, NULL, "seek", NULL, &options, &cursor) == HF_OK);
    while (hf_cursor_next(cursor, &row) == HF_OK)
        continue;
    CHECK(hf_cursor_seek(cursor, &seek) == HF_NO_CURSOR);
    hf_cursor_close(cursor);
}

static void indexes_are_made_and_dropped(void)
{
    struct hf_index_options some = {
        .key = PACKED("\x91\x82\xa4" "path\xa4" "tags\xa5" "order\xa4" "desc"),
        .multi = true,
        .where = PACKED("\x81\xa3" "age\x81\xa4$gte\x12"),
        .types = "text"};
    struct hf_index_options unique_age = {.key = PACKED("\xa3" "age"), .unique = true};
    struct hf_bytes found;
    struct hf_txn *t;
    bool has;

    people("made");
    CHECK(hf_put(conn, NULL, "made", PACKED("\x82\xa3" "age\x12\xa4" "tags\x92\xa1x\x05"),
                 PACKED("\x04"), NULL) == HF_OK);
    CHECK(hf_create_index(conn, NULL, "made", "age", &unique_age) == HF_EXISTS);
    CHECK(hf_create_index(conn, NULL, "made", "unique", &unique_age) == HF_NOT_UNIQUE);
    CHECK(hf_conn_error(conn)->details.size > 0);
    CHECK(hf_create_index(conn, NULL, "made", "some", &some) == HF_OK);
    CHECK(hf_index_has(conn, NULL, "made", "some", PACKED("\xa1x"), &has) == HF_OK && has);
    CHECK(hf_index_has(conn, NULL, "made", "some", PACKED("\x05"), &has) == HF_OK && !has);
    CHECK(hf_insert(conn, NULL, "made", PACKED(ANN), PACKED("\x09"), NULL) == HF_NOT_UNIQUE);
    CHECK(hf_txn_begin(conn, NULL, &t) == HF_OK);
    CHECK(hf_rename_index(conn, t, "made", "some", "other") == HF_OK);
    CHECK(hf_index_has(conn, t, "made", "other", PACKED("\xa1x"), &has) == HF_OK && has);
    CHECK(hf_txn_rollback(t) == HF_OK);
    CHECK(hf_drop_index(conn, NULL, "made", "some") == HF_OK);
    CHECK(hf_drop_index(conn, NULL, "made", "some") == HF_NO_INDEX);
    CHECK(hf_rename_index(conn, NULL, "made", "age", "email") == HF_EXISTS);
    CHECK(hf_stores(conn, NULL, &found) == HF_OK && found.size > 0);
}

/* ---- Changing and reading records without another library ---- */

static void values_are_packed_and_read(void)
{
    struct hf_pack key = {0}, value = {0}, changes = {0};
    struct hf_update_options upsert = {.upsert = true};
    struct hf_bytes found, name;
    struct hf_walk stores;
    bool listed = false;
    int age = 0;

    CHECK(hf_create_store(conn, NULL, "values", NULL) == HF_OK);
    CHECK(hf_packf(&key, "s", "ann") == HF_OK);
    CHECK(hf_packf(&value, "{'name': s, 'age': i}", "Ann", 30) == HF_OK);
    CHECK(hf_put(conn, NULL, "values", hf_pack_bytes(&value), hf_pack_bytes(&key), NULL) ==
          HF_OK);
    CHECK(hf_packf(&changes, "[['add', 'age', i], ['set', ['at', 'city'], s]]", 1, "Rome") ==
          HF_OK);
    CHECK(hf_update(conn, NULL, "values", hf_pack_bytes(&key), hf_pack_bytes(&changes), &upsert,
                    &found) == HF_OK);
    CHECK(hf_unpackf(found, "{'name': s, 'age': i, 'at': {'city': 'Rome'}}", &name, &age) ==
          HF_OK);
    CHECK(age == 31 && name.size == 3);
    CHECK(hf_stores(conn, NULL, &found) == HF_OK);
    stores = hf_walk(found);
    while (hf_walk_next(&stores, NULL, &found))
        listed = listed || hf_text_is(hf_field(found, "name"), "values");
    CHECK(listed);
    hf_pack_fini(&key);
    hf_pack_fini(&value);
    hf_pack_fini(&changes);
}

/* ---- Savepoints ---- */

static void savepoints_take_writes_back(void)
{
    struct hf_begin_options go_on = {.on_error_continue = true};
    struct hf_bytes found;
    struct hf_txn *t;

    CHECK(hf_create_store(conn, NULL, "points", NULL) == HF_OK);
    CHECK(hf_txn_begin(conn, &go_on, &t) == HF_OK);
    CHECK(hf_put(conn, t, "points", PACKED("\x01"), PACKED("\x01"), NULL) == HF_OK);
    CHECK(hf_savepoint(t, "a") == HF_OK);
    CHECK(hf_put(conn, t, "points", PACKED("\x02"), PACKED("\x01"), NULL) == HF_OK);
    CHECK(hf_rollback_to(t, "b") == HF_NO_SAVEPOINT);
    CHECK(hf_rollback_to(t, "a") == HF_OK);
    CHECK(hf_get(conn, t, "points", PACKED("\x01"), &found) == HF_OK);
    CHECK(same(found, PACKED("\x01")));
    CHECK(hf_release(t, "a") == HF_OK && hf_release(t, "a") == HF_NO_SAVEPOINT);
    CHECK(hf_txn_commit(t, NULL, NULL) == HF_OK);
}

/* ---- Limits of a transaction's own ---- */

static void a_transaction_has_limits_of_its_own(void)
{
    struct hf_begin_options small = {.write_bytes = 1, .held_bytes = 100};
    struct hf_begin_options few = {.read_bytes = 100, .serializable = true};
    const struct hf_error *e;
    struct hf_bytes found;
    struct hf_txn *t;

    CHECK(hf_create_store(conn, NULL, "limited", NULL) == HF_OK);
    CHECK(hf_txn_begin(conn, &small, &t) == HF_OK);
    CHECK(hf_put(conn, t, "limited", PACKED("\x01"), PACKED("\x01"), NULL) == HF_TOO_LARGE);
    e = hf_conn_error(conn);
    CHECK(e && strstr(e->message, "write_bytes"));
    CHECK(hf_txn_rollback(t) == HF_OK);
    CHECK(hf_txn_begin(conn, &few, &t) == HF_OK);
    CHECK(hf_get(conn, t, "limited", PACKED("\x01"), &found) == HF_TOO_LARGE);
    e = hf_conn_error(conn);
    CHECK(e && strstr(e->message, "read_bytes"));
    CHECK(hf_txn_rollback(t) == HF_OK);
}

/* ---- Lost answers ---- */

/* Read the counter, add 1, write it back. */
static int add_one(struct hf_conn *c, struct hf_txn *t, void *ctx)
{
    struct hf_pack value = {0};
    struct hf_bytes found;
    int64_t n = 0;
    int e = hf_get(c, t, "pool", PACKED("\x01"), &found);

    if (e == HF_OK && found.data)
        e = hf_read_int(found, &n);
    if (e == HF_OK)
        e = hf_packf(&value, "I", n + 1);
    if (e == HF_OK)
        e = hf_put(c, t, "pool", hf_pack_bytes(&value), PACKED("\x01"), NULL);
    hf_pack_fini(&value);
    return e;
}

#define LOST_ROUNDS 20

/* The address is that of a proxy which cuts connections at commits: before the server has them, or
 * before their answers are back. */
static void lost_answers_are_no_question(void)
{
    struct hf_transact_options options = {.attempts_max = 100, .delay_max_ms = 5};

    for (int i = 0; i < LOST_ROUNDS; i++) {
        uint64_t commit = 0;

        CHECK(hf_transact(conn, &options, add_one, NULL, &commit) == HF_OK && commit > 0);
    }
}

static void a_token_tells_what_became_of_a_commit(void)
{
    const uint8_t token[16] = "a token of mine", other[16] = "and another one";
    enum hf_outcome outcome;
    struct hf_txn *t;
    uint64_t commit, asked = 0, snapshot;

    CHECK(hf_create_store(conn, NULL, "tokens", NULL) == HF_OK);
    CHECK(hf_txn_begin(conn, NULL, &t) == HF_OK);
    snapshot = hf_txn_snapshot(t);
    CHECK(hf_put(conn, t, "tokens", PACKED("\x01"), PACKED("\x01"), NULL) == HF_OK);
    CHECK(hf_txn_commit(t, token, &commit) == HF_OK);
    CHECK(hf_outcome(conn, token, snapshot, &outcome, &asked) == HF_OK);
    CHECK(outcome == HF_OUTCOME_COMMITTED && asked == commit);
    CHECK(hf_outcome(conn, other, snapshot, &outcome, NULL) == HF_OK);
    CHECK(outcome == HF_OUTCOME_NOT_COMMITTED);
    CHECK(hf_txn_begin(conn, NULL, &t) == HF_OK);
    CHECK(hf_put(conn, t, "tokens", PACKED("\x02"), PACKED("\x01"), NULL) == HF_OK);
    CHECK(hf_txn_commit(t, other, NULL) == HF_TOKEN_FENCED);
}

/* ---- Events ---- */

static void on_push(void *ctx, struct hf_bytes method, struct hf_bytes params)
{
    struct hf_bytes name = HF_NONE;
    unsigned *seen = ctx, t = 0;

    CHECK(method.size == 7 && memcmp(method.data, "$doomed", 7) == 0);
    CHECK(hf_unpackf(params, "[u, {'name': s}]", &t, &name) == HF_OK && t > 0);
    CHECK(name.size == 8 && memcmp(name.data, "CONFLICT", 8) == 0);
    (*seen)++;
}

static void a_loss_is_pushed_and_checked(void)
{
    struct hf_txn *t;
    unsigned seen = 0;

    CHECK(hf_create_store(conn, NULL, "pushed", NULL) == HF_OK);
    hf_on_pushed(conn, on_push, &seen);
    CHECK(hf_subscribe(conn, "doomed, shutdown") == HF_OK);
    CHECK(hf_subscribe(conn, "nonsense") == HF_BAD_REQUEST);
    CHECK(hf_txn_begin(conn, NULL, &t) == HF_OK);
    CHECK(hf_put(conn, t, "pushed", PACKED("\x01"), PACKED("\x01"), NULL) == HF_OK);
    CHECK(hf_txn_check(t) == HF_OK && seen == 0);
    CHECK(hf_put(conn, NULL, "pushed", PACKED("\x02"), PACKED("\x01"), NULL) == HF_OK);
    while (seen == 0)
        CHECK(hf_poll(conn, -1) == HF_OK);
    CHECK(hf_txn_check(t) == HF_CONFLICT);
    CHECK(hf_txn_commit(t, NULL, NULL) == HF_CONFLICT && seen == 1);
    CHECK(hf_subscribe(conn, NULL) == HF_OK);
}

/* ---- The pool ---- */

#define POOL_THREADS 6
#define POOL_ROUNDS 20

struct adder {
    struct hf_pool *pool;
    int e; /* of the first round that failed */
};

static void *adder_run(void *ctx)
{
    struct hf_transact_options options = {.attempts_max = 1000, .delay_max_ms = 20};
    struct adder *a = ctx;

    for (int i = 0; i < POOL_ROUNDS && !a->e; i++)
        a->e = hf_pool_transact(a->pool, &options, add_one, NULL, NULL, NULL);
    return NULL;
}

static void threads_share_a_pool(void)
{
    struct hf_pool_options options = {.connections_max = 3, .wait_ms = -1};
    struct hf_error error;
    struct hf_pool *pool = hf_pool_open(address, &options, &error);
    struct adder adders[POOL_THREADS];
    pthread_t threads[POOL_THREADS];
    struct hf_bytes found;
    int64_t n = 0;

    CHECK(pool);
    CHECK(hf_create_store(conn, NULL, "pool", NULL) == HF_OK);
    for (int i = 0; i < POOL_THREADS; i++) {
        adders[i] = (struct adder){pool, HF_OK};
        CHECK(pthread_create(&threads[i], NULL, adder_run, &adders[i]) == 0);
    }
    for (int i = 0; i < POOL_THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(adders[i].e == HF_OK);
    }
    hf_pool_close(pool);
    CHECK(hf_get(conn, NULL, "pool", PACKED("\x01"), &found) == HF_OK);
    CHECK(hf_read_int(found, &n) == HF_OK && n == POOL_THREADS * POOL_ROUNDS);
}

/* The server ends every connection but this one. */
static unsigned end_other_clients(void)
{
    struct hf_bytes clients, client, params;
    struct hf_pack request = {0};
    struct hf_walk walk;
    uint64_t ids[16];
    unsigned count = 0, ended = 0;

    CHECK(hf_call(conn, "clients", PACKED("\x90"), &clients) == HF_OK);
    walk = hf_walk(clients);
    while (hf_walk_next(&walk, NULL, &client) && count < 16)
        CHECK(hf_read_uint(hf_field(client, "id"), &ids[count++]) == HF_OK);
    for (unsigned i = 1; i < count; i++) {
        hf_pack_reset(&request);
        CHECK(hf_packf(&request, "[{'client': U}]", ids[i]) == HF_OK);
        params = hf_pack_bytes(&request);
        CHECK(hf_call(conn, "kill", params, &client) == HF_OK);
        ended++;
    }
    hf_pack_fini(&request);
    return ended;
}

static void a_pool_waits_and_revives(void)
{
    struct hf_pool_options options = {.connections_max = 2, .wait_ms = 20};
    struct hf_error error;
    struct hf_pool *pool = hf_pool_open(address, &options, &error);
    struct pollfd closed = {.events = POLLIN};
    struct hf_conn *one, *two;
    struct hf_txn *t;

    CHECK(pool);
    one = hf_pool_take(pool, &error);
    two = hf_pool_take(pool, &error);
    CHECK(one && two && one != two);
    CHECK(!hf_pool_take(pool, &error) && error.code == HF_TIMEOUT);
    CHECK(strstr(error.message, "all 2 connections"));
    /* a transaction that is left open ends with its connection */
    CHECK(hf_txn_begin(two, NULL, &t) == HF_OK);
    hf_pool_give(pool, two);
    hf_pool_give(pool, one);
    two = hf_pool_take(pool, &error);
    CHECK(two == one && hf_ping(two) == HF_OK);
    closed.fd = hf_conn_fd(two);
    hf_pool_give(pool, two);
    /* the server hangs up on the one that is free */
    CHECK(end_other_clients() >= 1);
    CHECK(poll(&closed, 1, 60000) == 1);
    one = hf_pool_take(pool, &error);
    CHECK(one && hf_ping(one) == HF_OK);
    hf_pool_give(pool, one);
    hf_pool_give(pool, NULL);
    hf_pool_close(pool);
    hf_pool_close(NULL);
    CHECK(!hf_pool_open("127.0.0.1:1", NULL, &error) && error.code == HF_CONNECTION);
}

/* ---- Databases ---- */

static uint64_t records_of(struct hf_conn *c, const char *store)
{
    uint64_t count = UINT64_MAX;

    return hf_count(c, NULL, store, NULL, &count) == HF_OK ? count : UINT64_MAX;
}

static void a_connection_belongs_to_a_database(void)
{
    struct hf_open_options options = {.database = "lib one"};
    struct hf_error error;
    struct hf_conn *c = hf_open(address, &options, &error);
    struct hf_bytes list;
    struct hf_txn *t;

    CHECK(c && hf_create_store(c, NULL, "in one", NULL) == HF_OK);
    CHECK(hf_put(c, NULL, "in one", PACKED("\x05"), PACKED("\x01"), NULL) == HF_OK);
    CHECK(records_of(conn, "in one") == UINT64_MAX);
    CHECK(hf_databases(conn, &list) == HF_OK && list.size > 20);
    CHECK(hf_reconnect(c) == HF_OK && records_of(c, "in one") == 1);
    CHECK(hf_txn_begin(c, NULL, &t) == HF_OK);
    CHECK(hf_use_database(c, "lib two") == HF_BAD_REQUEST);
    CHECK(hf_txn_rollback(t) == HF_OK);
    CHECK(hf_use_database(c, "lib two") == HF_OK && records_of(c, "in one") == UINT64_MAX);
    CHECK(hf_reconnect(c) == HF_OK && records_of(c, "in one") == UINT64_MAX);
    CHECK(hf_use_database(c, "lib one") == HF_OK && records_of(c, "in one") == 1);
    hf_close(c);
    options.database = "not \xff UTF-8";
    CHECK(!hf_open(address, &options, &error) && error.code == HF_BAD_REQUEST);
}

struct asked { /* what a connection has been pushed */
    struct hf_conn *conn;
    unsigned versionchange;
};

/* An opener that is asked leaves at once: requests in a callback are not waited for. */
static void leave_when_asked(void *ctx, struct hf_bytes method, struct hf_bytes params)
{
    static const char name[] = "$versionchange";
    struct asked *asked = ctx;

    (void)params;
    asked->versionchange += method.size >= sizeof name - 1 &&
                            memcmp((const char *)method.data + method.size - (sizeof name - 1),
                                   name, sizeof name - 1) == 0;
}

static void openers_upgrade_and_leave(void)
{
    struct hf_open_options options = {.database = "lib opened"};
    struct hf_error error;
    struct asked asked = {hf_open(address, &options, &error), 0};
    struct hf_conn *c = hf_open(address, &options, &error);
    struct hf_begin_options soon = {.wait_ms = 50}, at_once = {.try_lock = true};
    struct hf_attached found;
    struct hf_txn *t;
    uint64_t version;

    CHECK(c && asked.conn);
    hf_on_pushed(asked.conn, leave_when_asked, &asked);
    CHECK(hf_attach(c, 1, 0, &found) == HF_OK && found.version == 0 && found.may_upgrade);
    CHECK(hf_upgrade(c, 1, 3, NULL, &t) == HF_OK && hf_txn_version(t) > 0);
    CHECK(hf_create_store(c, t, "s", NULL) == HF_OK);
    CHECK(hf_txn_commit(t, NULL, NULL) == HF_OK);
    CHECK(hf_attach(asked.conn, 1, 3, &found) == HF_OK && !found.may_upgrade);
    CHECK(hf_attach(asked.conn, 2, 2, &found) == HF_BAD_VERSION);
    CHECK(hf_upgrade(c, 1, 4, &soon, &t) == HF_LOCK_TIMEOUT);
    CHECK(hf_ping(asked.conn) == HF_OK && asked.versionchange == 1);
    CHECK(hf_versionchange_seen(asked.conn, 1) == HF_OK && hf_detach(asked.conn, 1) == HF_OK);
    CHECK(hf_upgrade(c, 1, 4, &at_once, &t) == HF_OK);
    CHECK(hf_txn_rollback(t) == HF_OK);
    CHECK(hf_drop_database(c, "lib opened", &version) == HF_OK && version == 3);
    CHECK(hf_drop_database(c, "lib opened", &version) == HF_OK && version == 0);
    hf_close(c);
    hf_close(asked.conn);
}

static void a_pool_is_of_a_database(void)
{
    struct hf_pool_options options = {.open = {.database = "lib pool"}};
    struct hf_error error;
    struct hf_pool *pool = hf_pool_open(address, &options, &error);
    struct hf_conn *one, *two;

    options.open.database = NULL;
    CHECK(pool);
    one = hf_pool_take(pool, &error);
    two = hf_pool_take(pool, &error);
    CHECK(one && two && hf_create_store(one, NULL, "in pool", NULL) == HF_OK);
    CHECK(records_of(two, "in pool") == 0 && records_of(conn, "in pool") == UINT64_MAX);
    hf_pool_give(pool, one);
    hf_pool_give(pool, two);
    hf_pool_close(pool);
}

/* ---- Locks ---- */

static void locks_are_asked_for_at_begin(void)
{
    static const char *const names[] = {"locked", "unmade", NULL};
    struct hf_begin_options exclusive = {.lock_exclusive = names};
    struct hf_begin_options shared = {.lock_shared = names, .read_only = true, .wait_ms = 20};
    struct hf_begin_options all = {.lock_database = true, .try_lock = true};
    struct hf_conn *other = hf_open(address, NULL, NULL);
    struct hf_txn *t, *late;

    CHECK(hf_create_store(conn, NULL, "locked", NULL) == HF_OK);
    CHECK(hf_txn_begin(conn, &exclusive, &t) == HF_OK);
    CHECK(hf_txn_begin(other, &shared, &late) == HF_LOCK_TIMEOUT && !late);
    CHECK(hf_conn_error(other)->retryable);
    CHECK(hf_txn_begin(other, &all, &late) == HF_LOCK_TIMEOUT);
    CHECK(hf_put(conn, t, "locked", PACKED("\x01"), PACKED("\x01"), NULL) == HF_OK);
    CHECK(hf_txn_commit(t, NULL, NULL) == HF_OK);
    CHECK(hf_txn_begin(other, &shared, &late) == HF_OK && hf_txn_rollback(late) == HF_OK);
    CHECK(hf_txn_begin(other, &all, &late) == HF_OK && hf_txn_rollback(late) == HF_OK);
    hf_close(other);
}

struct loser {
    struct hf_conn *other; /* that always commits first */
    unsigned tries, losses;
};

static int lose_to_other(struct hf_conn *c, struct hf_txn *t, void *ctx)
{
    struct loser *l = ctx;
    struct hf_txn *rival;
    int e = hf_put(c, t, "contended", PACKED("\x01"), PACKED("\x01"), NULL);

    l->tries++;
    if (e)
        return e;
    CHECK(hf_txn_begin(l->other, NULL, &rival) == HF_OK);
    if (hf_put(l->other, rival, "contended", PACKED("\x02"), PACKED("\x01"), NULL) == HF_OK &&
        hf_txn_commit(rival, NULL, NULL) == HF_OK)
        l->losses++;
    else
        hf_txn_rollback(rival);
    return HF_OK;
}

static void a_loser_locks_what_it_wrote(void)
{
    struct hf_transact_options options = {.attempts_max = 20, .delay_max_ms = 1};
    struct loser l = {.other = hf_open(address, NULL, NULL)};

    CHECK(hf_create_store(conn, NULL, "contended", NULL) == HF_OK);
    CHECK(hf_transact(conn, &options, lose_to_other, &l, NULL) == HF_OK);
    CHECK(l.tries == 5 && l.losses == 4);
    l.tries = l.losses = 0;
    options.retry_losses = 2;
    CHECK(hf_transact(conn, &options, lose_to_other, &l, NULL) == HF_OK);
    CHECK(l.tries == 3 && l.losses == 2);
    hf_close(l.other);
}

/* ---- The scenes ---- */

static const struct {
    const char *name;
    void (*run)(void);
} scenes[] = {
    {"reads_by_index", reads_by_index},
    {"scans_by_index", scans_by_index},
    {"cursors_go_to_a_key", cursors_go_to_a_key},
    {"indexes_are_made_and_dropped", indexes_are_made_and_dropped},
    {"values_are_packed_and_read", values_are_packed_and_read},
    {"savepoints_take_writes_back", savepoints_take_writes_back},
    {"a_transaction_has_limits_of_its_own", a_transaction_has_limits_of_its_own},
    {"a_token_tells_what_became_of_a_commit", a_token_tells_what_became_of_a_commit},
    {"lost_answers_are_no_question", lost_answers_are_no_question},
    {"a_loss_is_pushed_and_checked", a_loss_is_pushed_and_checked},
    {"threads_share_a_pool", threads_share_a_pool},
    {"a_pool_waits_and_revives", a_pool_waits_and_revives},
    {"a_connection_belongs_to_a_database", a_connection_belongs_to_a_database},
    {"a_pool_is_of_a_database", a_pool_is_of_a_database},
    {"openers_upgrade_and_leave", openers_upgrade_and_leave},
    {"locks_are_asked_for_at_begin", locks_are_asked_for_at_begin},
    {"a_loser_locks_what_it_wrote", a_loser_locks_what_it_wrote},
};

int main(int argc, char **argv)
{
    struct hf_error error;
    unsigned run = 0;

    address = argc > 1 ? argv[1] : NULL;
    conn = hf_open(address, NULL, &error);
    if (!conn) {
        fprintf(stderr, "%s\n", error.message);
        return 2;
    }
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        if (argc > 2 && strcmp(argv[2], scenes[i].name) != 0)
            continue;
        scenes[i].run();
        run++;
    }
    hf_close(conn);
    return run ? 0 : 2;
}
