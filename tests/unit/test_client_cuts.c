/* An exchange cut behind every byte, in either direction: whatever libholdfast then says of
 * it is judged by what the server did. Said to be done, it was done; said to be surely not
 * applied, it was not; and what can change nothing is never said to be in doubt. */
#include "tests/integration/fake_rig.h"

#include <check.h>
#include <stdlib.h>

/* The request [t, rest...] of method, with t as these bytes. */
static int call_with(struct hf_conn *c, const char *method, const char *t, size_t t_size,
                     const char *rest, size_t rest_size)
{
    struct hf_pack *p = hf_call_begin(c, method, (uint32_t)rest[0]);
    struct hf_reply *reply;
    int e;

    hf_pack_raw(p, (struct hf_bytes){t, t_size});
    hf_pack_raw(p, (struct hf_bytes){rest + 1, rest_size - 1});
    e = hf_call_end(c, &reply);
    if (e)
        return e;
    e = hf_wait(reply);
    hf_reply_free(reply);
    return e;
}

#define CALL(c, method, t, rest) call_with(c, method, t, sizeof(t) - 1, rest, sizeof(rest) - 1)

/* Every form of 0 that MessagePack has, and nil: each is autocommit. */
static const struct {
    const char *bytes;
    size_t size;
} zeros[] = {
    {"\x00", 1},
    {"\xc0", 1},
    {"\xcc\x00", 2},
    {"\xcd\x00\x00", 3},
    {"\xce\x00\x00\x00\x00", 5},
    {"\xcf\x00\x00\x00\x00\x00\x00\x00\x00", 9},
    {"\xd0\x00", 2},
    {"\xd1\x00\x00", 3},
    {"\xd2\x00\x00\x00\x00", 5},
    {"\xd3\x00\x00\x00\x00\x00\x00\x00\x00", 9},
};

#define ZEROS (int)(sizeof zeros / sizeof zeros[0])
#define PUT_REST "\x04\xa1s\x07\x09" /* four parameters: t, store, value, key */

static int put_of_zero(struct hf_conn *c, int which)
{
    return call_with(c, "put", zeros[which].bytes, zeros[which].size, PUT_REST,
                     sizeof PUT_REST - 1);
}

static int put(struct hf_conn *c)
{
    return CALL(c, "put", "\x00", PUT_REST);
}

static int insert(struct hf_conn *c)
{
    return CALL(c, "insert", "\xc0", PUT_REST);
}

static int update(struct hf_conn *c)
{
    return CALL(c, "update", "\x00", "\x04\xa1s\x01\x63");
}

static int update_of_long_zero(struct hf_conn *c)
{
    return CALL(c, "update", "\xcc\x00", "\x04\xa1s\x01\x64");
}

static int delete (struct hf_conn *c)
{
    return CALL(c, "delete", "\x00", "\x03\xa1s\x01");
}

static int delete_range(struct hf_conn *c)
{
    return CALL(c, "delete_range", "\x00", "\x03\xa1s\x80");
}

static int create_store(struct hf_conn *c)
{
    return hf_create_store(c, NULL, "new", NULL);
}

static int drop_store(struct hf_conn *c)
{
    return hf_drop_store(c, NULL, "s");
}

static int clear_store(struct hf_conn *c)
{
    return hf_clear_store(c, NULL, "s");
}

static int rename_store(struct hf_conn *c)
{
    return hf_rename_store(c, NULL, "s", "t");
}

static int run(struct hf_conn *c)
{
    static const char ops[] = "\x91\x92\xa3put\x93\xa1s\x07\x09";
    struct hf_bytes result;

    return hf_run(c, (struct hf_bytes){ops, sizeof ops - 1}, NULL, &result);
}

/* Several round trips; only the last can leave a doubt. */
static int transaction_of(struct hf_conn *c, bool no_wait)
{
    struct hf_begin_options options = {.no_wait = no_wait};
    struct hf_bytes key = {"\x09", 1}, value = {"\x07", 1};
    struct hf_txn *t;
    int e = hf_txn_begin(c, &options, &t);

    if (e)
        return e;
    e = hf_put(c, t, "s", value, key, NULL);
    if (e == HF_OK)
        return hf_txn_commit(t, NULL, NULL);
    ck_assert(!hf_conn_error(c)->maybe_committed);
    hf_txn_rollback(t);
    return e;
}

static int transaction(struct hf_conn *c)
{
    return transaction_of(c, false);
}

static int transaction_begun_without_waiting(struct hf_conn *c)
{
    return transaction_of(c, true);
}

/* The whole transaction leaves in one write. */
static int pipelined(struct hf_conn *c)
{
    struct hf_reply *begin, *put_reply, *commit;
    int e;

    hf_pack_uint(hf_call_begin(c, "begin", 1), 5);
    ck_assert_int_eq(hf_call_end(c, &begin), HF_OK);
    hf_pack_raw(hf_call_begin(c, "put", 4), (struct hf_bytes){"\x05\xa1s\x07\x09", 5});
    ck_assert_int_eq(hf_call_end(c, &put_reply), HF_OK);
    hf_pack_uint(hf_call_begin(c, "commit", 1), 5);
    ck_assert_int_eq(hf_call_end(c, &commit), HF_OK);
    hf_wait(put_reply);
    ck_assert(!hf_reply_error(put_reply)->maybe_committed);
    e = hf_wait(commit);
    hf_reply_free(begin);
    hf_reply_free(put_reply);
    hf_reply_free(commit);
    return e;
}

static int get(struct hf_conn *c)
{
    return CALL(c, "get", "\x00", "\x03\xa1s\x01");
}

static int put_in_transaction(struct hf_conn *c)
{
    return CALL(c, "put", "\xcd\x00\x07", PUT_REST);
}

static int scan(struct hf_conn *c)
{
    struct hf_cursor *cursor;
    struct hf_row row;
    int e = hf_cursor_open(c, NULL, "s", NULL, NULL, &cursor);

    while (e == HF_OK)
        e = hf_cursor_next(cursor, &row);
    if (e == HF_END)
        hf_cursor_close(cursor);
    else if (hf_conn_fd(c) < 0 && cursor)
        hf_cursor_close(cursor);
    return e == HF_END ? HF_OK : e;
}

static const struct op {
    const char *name;
    int (*call)(struct hf_conn *c);
    bool writes; /* it changes the state by itself */
} ops[] = {
    {"put", put, true},
    {"insert", insert, true},
    {"update", update, true},
    {"update, t as cc 00", update_of_long_zero, true},
    {"delete", delete, true},
    {"delete_range", delete_range, true},
    {"create_store", create_store, true},
    {"drop_store", drop_store, true},
    {"clear_store", clear_store, true},
    {"rename_store", rename_store, true},
    {"run", run, true},
    {"transaction", transaction, true},
    {"transaction, no_wait", transaction_begun_without_waiting, true},
    {"pipelined", pipelined, true},
    {"get", get, false},
    {"put in a transaction", put_in_transaction, false},
    {"scan", scan, false},
};

#define OPS (int)(sizeof ops / sizeof ops[0])

struct outcome {
    int code;
    bool maybe, retryable;
    uint64_t digest; /* of what the server has then */
};

/* Do op over the second connection to a server, which is cut. */
static struct outcome exchange(const struct op *op, int zero, struct fake_cut cut)
{
    struct fake_options fake = {.cut = cut};
    struct outcome outcome = {0};
    struct hf_conn *c;
    struct rig rig;

    rig_open(&rig, &fake, NULL);
    rig_fill(&rig, "s", 5);
    hf_close(rig.c);
    rig.c = NULL;
    c = hf_open(fake_server_address(rig.server), NULL, NULL);
    ck_assert_ptr_nonnull(c);
    if (op || zero >= 0)
        outcome.code = op ? op->call(c) : put_of_zero(c, zero);
    outcome.maybe = hf_conn_error(c)->maybe_committed;
    outcome.retryable = hf_conn_error(c)->retryable;
    hf_close(c);
    fake_server_stop(rig.server);
    outcome.digest = fake_server_digest(rig.server);
    rig_close(&rig);
    return outcome;
}

/* Cut behind 0, 1, 2 ... bytes until nothing is cut any more. */
static void judge(const struct op *op, int zero, const char *name, bool writes, bool out)
{
    const struct fake_cut none = {0};
    uint64_t before = exchange(NULL, -1, none).digest, done = exchange(op, zero, none).digest;
    unsigned doubts = 0;
    size_t k;

    ck_assert(writes == (before != done));
    for (k = 0; k < 2000; k++) {
        struct outcome o = exchange(op, zero, (struct fake_cut){2, out, k});

        ck_assert_msg(o.digest == before || o.digest == done, "%s: half of it", name);
        if (o.code != HF_CONNECTION) {
            ck_assert_msg(o.digest == done, "%s, cut at %zu: not done", name, k);
            break;
        }
        ck_assert_msg(o.maybe || o.digest == before,
                      "%s, cut at byte %zu %s the client: done, and said to be not", name, k,
                      out ? "to" : "from");
        ck_assert_msg(!o.maybe || writes, "%s, cut at %zu: no doubt is possible", name, k);
        ck_assert(o.maybe != o.retryable);
        doubts += o.maybe;
    }
    ck_assert_uint_ge(k, 5);
    ck_assert_uint_lt(k, 2000);
    ck_assert(!writes || doubts > 0);
}

START_TEST(a_cut_exchange_is_told_rightly)
{
    judge(&ops[_i / 2], -1, ops[_i / 2].name, ops[_i / 2].writes, _i % 2);
}
END_TEST

START_TEST(a_put_is_autocommit_in_every_form_of_zero)
{
    judge(NULL, _i / 2, "put", true, _i % 2);
}
END_TEST

/* What the kernel took only in part cannot have been applied: the request is larger than the
 * buffers of a unix socket, and its server reads little of it. */
START_TEST(a_request_sent_in_part_is_surely_not_applied)
{
    struct fake_options fake = {.unix_socket = true, .cut = {1, false, (size_t)_i * 1000}};
    char *padding = calloc(1, 15 << 20);
    struct hf_bytes key = {"\x01", 1};
    struct hf_pack value = {0};
    struct rig rig;

    rig_open(&rig, &fake, NULL);
    hf_pack_binary(&value, (struct hf_bytes){padding, 15 << 20});
    ck_assert_int_eq(hf_put(rig.c, NULL, "s", hf_pack_bytes(&value), key, NULL), HF_CONNECTION);
    ck_assert(!hf_conn_error(rig.c)->maybe_committed);
    ck_assert(hf_conn_error(rig.c)->retryable);
    free(padding);
    hf_pack_fini(&value);
    rig_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_cuts");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_cut_exchange_is_told_rightly, 0, 2 * OPS);
    tcase_add_loop_test(tc, a_put_is_autocommit_in_every_form_of_zero, 0, 2 * ZEROS);
    tcase_add_loop_test(tc, a_request_sent_in_part_is_surely_not_applied, 0, 3);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
