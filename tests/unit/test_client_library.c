/* libholdfast against a small server of our own: pipelining, losses, replies of any shape. */
#include "client/lib/frame.h"
#include "proto/error.h"
#include "tests/integration/fake_rig.h"

#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>

/* ---- Basics ---- */

START_TEST(codes_are_those_of_the_protocol)
{
    ck_assert_int_eq(HF_BAD_REQUEST, err_code(ERR_BAD_REQUEST));
    ck_assert_int_eq(HF_BAD_KEY, err_code(ERR_BAD_KEY));
    ck_assert_int_eq(HF_NO_STORE, err_code(ERR_NO_STORE));
    ck_assert_int_eq(HF_NO_INDEX, err_code(ERR_NO_INDEX));
    ck_assert_int_eq(HF_NO_TXN, err_code(ERR_NO_TXN));
    ck_assert_int_eq(HF_NO_CURSOR, err_code(ERR_NO_CURSOR));
    ck_assert_int_eq(HF_EXISTS, err_code(ERR_EXISTS));
    ck_assert_int_eq(HF_NOT_UNIQUE, err_code(ERR_NOT_UNIQUE));
    ck_assert_int_eq(HF_READ_ONLY, err_code(ERR_READ_ONLY));
    ck_assert_int_eq(HF_TXN_FAILED, err_code(ERR_TXN_FAILED));
    ck_assert_int_eq(HF_TOKEN_FENCED, err_code(ERR_TOKEN_FENCED));
    ck_assert_int_eq(HF_BAD_VALUE, err_code(ERR_BAD_VALUE));
    ck_assert_int_eq(HF_CONFLICT, err_code(ERR_CONFLICT));
    ck_assert_int_eq(HF_TOO_LARGE, err_code(ERR_TOO_LARGE));
    ck_assert_int_eq(HF_TXN_EXPIRED, err_code(ERR_TXN_EXPIRED));
    ck_assert_int_eq(HF_TXN_KILLED, err_code(ERR_TXN_KILLED));
    ck_assert_int_eq(HF_OVERLOADED, err_code(ERR_OVERLOADED));
    ck_assert_int_eq(HF_DEADLINE, err_code(ERR_DEADLINE));
    ck_assert_int_eq(HF_SHUTDOWN, err_code(ERR_SHUTDOWN));
    ck_assert_int_eq(HF_LOG_FAILED, err_code(ERR_LOG_FAILED));
    ck_assert_int_eq(HF_NO_SPACE, err_code(ERR_NO_SPACE));
    ck_assert_int_eq(HF_CORRUPT, err_code(ERR_CORRUPT));
    for (int e = 0; e < ERR_COUNT; e++)
        ck_assert(err_code((enum err)e) < 8000 || err_code((enum err)e) > 8999);
}
END_TEST

START_TEST(records_are_put_got_and_deleted)
{
    struct fake_options fake = {.unix_socket = _i & 1, .trickle = _i & 2};
    struct hf_bytes got, stored, found;
    bool there;
    uint64_t count;
    struct rig rig;

    rig_open(&rig, &fake, NULL);
    rig_ok(&rig, hf_ping(rig.c));
    rig_ok(&rig, hf_create_store(rig.c, NULL, "s", NULL));
    rig_ok(&rig, hf_put(rig.c, NULL, "s", rig_number(&rig.value, 5), rig_number(&rig.key, 1),
                        &stored));
    ck_assert(rig_same(stored, hf_pack_bytes(&rig.key)));
    rig_ok(&rig, hf_get(rig.c, NULL, "s", rig_number(&rig.key, 1), &got));
    ck_assert(rig_same(got, hf_pack_bytes(&rig.value)));
    rig_ok(&rig, hf_get(rig.c, NULL, "s", rig_number(&rig.key, 2), &found));
    ck_assert_ptr_null(found.data);
    rig_ok(&rig, hf_has(rig.c, NULL, "s", rig_number(&rig.key, 1), &there));
    ck_assert(there);
    ck_assert_int_eq(
        hf_insert(rig.c, NULL, "s", rig_number(&rig.value, 5), rig_number(&rig.key, 1), NULL),
        HF_EXISTS);
    ck_assert_str_eq(hf_conn_error(rig.c)->name, "EXISTS");
    ck_assert_str_eq(hf_conn_error(rig.c)->class_name, "request");
    /* the server here keeps the changes as the record, and answers its key */
    rig_ok(&rig, hf_update(rig.c, NULL, "s", rig_number(&rig.key, 1),
                           (struct hf_bytes){"\x91\x93\xa3"
                                             "add\xa1n\x01",
                                             9},
                           &(struct hf_update_options){.upsert = true}, &got));
    ck_assert(rig_same(got, hf_pack_bytes(&rig.key)));
    rig_ok(&rig, hf_get(rig.c, NULL, "s", rig_number(&rig.key, 1), &got));
    ck_assert(rig_same(got, (struct hf_bytes){"\x91\x93\xa3"
                                              "add\xa1n\x01",
                                              9}));
    rig_ok(&rig, hf_delete(rig.c, NULL, "s", rig_number(&rig.key, 1), &there));
    ck_assert(there);
    rig_ok(&rig, hf_delete(rig.c, NULL, "s", rig_number(&rig.key, 1), &there));
    ck_assert(!there);
    rig_ok(&rig, hf_count(rig.c, NULL, "s", NULL, &count));
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(hf_count(rig.c, NULL, "nowhere", NULL, &count), HF_NO_STORE);
    rig_close(&rig);
}
END_TEST

START_TEST(a_result_may_be_a_parameter_of_the_next_call)
{
    struct hf_bytes got;
    struct rig rig;

    rig_open(&rig, NULL, NULL);
    rig_fill(&rig, "s", 5);
    rig_ok(&rig, hf_get(rig.c, NULL, "s", rig_number(&rig.key, 4), &got));
    rig_ok(&rig, hf_put(rig.c, NULL, "s", got, got, NULL)); /* 40: 40 */
    rig_ok(&rig, hf_get(rig.c, NULL, "s", rig_number(&rig.key, 40), &got));
    ck_assert(rig_same(got, hf_pack_bytes(&rig.key)));
    rig_close(&rig);
}
END_TEST

START_TEST(addresses_that_lead_nowhere_say_so)
{
    static const struct {
        const char *address;
        int code;
        const char *text;
    } cases[] = {
        {"127.0.0.1:1", HF_CONNECTION,
         "cannot connect to 127.0.0.1:1: Connection refused; is holdfastd running?"},
        {"unix:/nowhere/at/all", HF_CONNECTION,
         "cannot connect to unix:/nowhere/at/all: No such file or directory; is holdfastd "
         "running?"},
        {"127.0.0.1:", HF_MISUSE, "127.0.0.1: is not an address"},
        {"[::1", HF_MISUSE, "[::1 is not an address"},
        {"[::1]x", HF_MISUSE, "is not an address"},
        {":4653", HF_MISUSE, "is not an address"},
        {"unix:", HF_MISUSE, "the path of a unix socket"},
        {"127.0.0.1:notaport", HF_CONNECTION, "cannot connect to 127.0.0.1:notaport"},
        {"[::1]:1", HF_CONNECTION, "cannot connect to [::1]:1"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hf_error error;

        ck_assert_ptr_null(hf_open(cases[i].address, NULL, &error));
        ck_assert_msg(error.code == cases[i].code && strstr(error.message, cases[i].text),
                      "%s: %d %s", cases[i].address, error.code, error.message);
    }
    ck_assert_ptr_null(hf_open("127.0.0.1:1", NULL, NULL));
}
END_TEST

/* ---- Pipelining ---- */

/* Whatever the order of the answers, each finds its request. */
START_TEST(answers_find_their_requests_in_any_order)
{
    struct fake_options fake = {.reverse = true, .trickle = _i == 1};
    struct hf_reply *replies[200];
    struct rig rig;

    rig_open(&rig, &fake, NULL);
    rig_fill(&rig, "s", 100);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 200; i++) {
            rig_begin_get(&rig, i % 100);
            rig_ok(&rig, hf_call_end(rig.c, &replies[i]));
        }
        ck_assert_uint_eq(hf_in_flight(rig.c), 200);
        for (unsigned i = 0; i < 200; i++) {
            unsigned k = round == 1 ? 199 - i : i;

            rig_ok(&rig, hf_wait(replies[k]));
            ck_assert(
                rig_same(hf_reply_result(replies[k]), rig_number(&rig.value, k % 100 * 10)));
        }
        for (unsigned i = 0; i < 200; i++)
            hf_reply_free(replies[i]);
        ck_assert_uint_eq(hf_in_flight(rig.c), 0);
    }
    rig_close(&rig);
}
END_TEST

struct counter {
    struct rig *rig;
    unsigned answers, errors;
    uint64_t bytes;
    unsigned more; /* requests to begin from inside the callback */
};

static void count_answer(void *ctx, struct hf_reply *reply)
{
    struct counter *counter = ctx;

    counter->answers++;
    counter->errors += hf_reply_error(reply)->code != HF_OK;
    counter->bytes += hf_reply_result(reply).size;
    if (counter->more == 0)
        return;
    counter->more--;
    ck_assert_int_eq(hf_ping(counter->rig->c), HF_MISUSE);
    ck_assert_int_eq(hf_poll(counter->rig->c, 0), HF_MISUSE);
    ck_assert_int_eq(hf_flush(counter->rig->c), HF_MISUSE);
    hf_call_begin(counter->rig->c, "ping", 0);
    ck_assert_int_eq(hf_call_end_callback(counter->rig->c, count_answer, counter), HF_OK);
}

/* The server stops reading while we do not read, and both sides' buffers are small beside
 * what is sent: 64 MiB each way. */
START_TEST(full_buffers_on_both_sides_do_not_stop_us)
{
    struct fake_options fake = {.padding = 64 << 10};
    struct rig rig;
    struct counter counter = {.rig = &rig};
    char *padding = calloc(1, 64 << 10);

    rig_open(&rig, &fake, NULL);
    memset(padding, 'y', (64 << 10) - 1);
    for (unsigned i = 0; i < 1000; i++) {
        hf_pack_text(hf_call_begin(rig.c, "ping", 1), padding);
        rig_ok(&rig, hf_call_end_callback(rig.c, count_answer, &counter));
    }
    rig_ok(&rig, hf_flush(rig.c));
    rig_ok(&rig, hf_wait_all(rig.c));
    ck_assert_uint_eq(counter.answers, 1000);
    ck_assert_uint_eq(counter.errors, 0);
    ck_assert_uint_gt(counter.bytes, 1000ull * (64 << 10));
    free(padding);
    rig_close(&rig);
}
END_TEST

START_TEST(the_bound_on_requests_in_flight_holds)
{
    struct hf_open_options options = {.in_flight_max = 7};
    struct rig rig;
    struct counter counter = {.rig = &rig};

    rig_open(&rig, NULL, &options);
    for (unsigned i = 0; i < 500; i++) {
        hf_call_begin(rig.c, "ping", 0);
        rig_ok(&rig, hf_call_end_callback(rig.c, count_answer, &counter));
        ck_assert_uint_le(hf_in_flight(rig.c), 7);
    }
    rig_ok(&rig, hf_wait_all(rig.c));
    ck_assert_uint_eq(counter.answers, 500);
    rig_close(&rig);
}
END_TEST

START_TEST(a_callback_may_begin_requests_but_not_wait)
{
    struct rig rig;
    struct counter counter = {.rig = &rig, .more = 50};

    rig_open(&rig, NULL, NULL);
    hf_call_begin(rig.c, "ping", 0);
    rig_ok(&rig, hf_call_end_callback(rig.c, count_answer, &counter));
    rig_ok(&rig, hf_wait_all(rig.c));
    ck_assert_uint_eq(counter.answers, 51);
    rig_close(&rig);
}
END_TEST

START_TEST(a_freed_future_is_answered_into_the_void)
{
    struct hf_reply *reply;
    struct rig rig;

    rig_open(&rig, NULL, NULL);
    for (int i = 0; i < 10; i++) {
        hf_call_begin(rig.c, "ping", 0);
        rig_ok(&rig, hf_call_end(rig.c, &reply));
        hf_reply_free(reply);
    }
    ck_assert_uint_eq(hf_in_flight(rig.c), 10);
    rig_ok(&rig, hf_ping(rig.c));
    ck_assert_uint_eq(hf_in_flight(rig.c), 0);
    rig_close(&rig);
}
END_TEST

START_TEST(a_request_that_is_packed_wrong_is_not_sent)
{
    struct hf_reply *reply;
    struct hf_open_options options = {.request_bytes_max = 1000};
    struct rig rig;
    char *long_text = calloc(1, 2000);

    rig_open(&rig, NULL, &options);
    hf_pack_uint(hf_call_begin(rig.c, "ping", 2), 1); /* one of two */
    ck_assert_int_eq(hf_call_end(rig.c, &reply), HF_MISUSE);
    hf_pack_array(hf_call_begin(rig.c, "ping", 1), 3); /* a head only */
    ck_assert_int_eq(hf_call_end(rig.c, &reply), HF_MISUSE);
    hf_pack_uint(hf_call_begin(rig.c, "ping", 0), 1); /* one too many */
    ck_assert_int_eq(hf_call_end(rig.c, &reply), HF_MISUSE);
    ck_assert_int_eq(hf_call_end(rig.c, &reply), HF_MISUSE); /* none begun */
    memset(long_text, 'x', 1999);
    hf_pack_text(hf_call_begin(rig.c, "ping", 1), long_text);
    ck_assert_int_eq(hf_call_end(rig.c, &reply), HF_TOO_LARGE);
    hf_pack_uint(hf_call_begin(rig.c, "ping", 1), 1);
    ck_assert_int_eq(hf_poll(rig.c, 0), HF_MISUSE);
    hf_call_cancel(rig.c);
    ck_assert_uint_eq(hf_in_flight(rig.c), 0);
    rig_ok(&rig, hf_ping(rig.c));
    fake_server_stop(rig.server);
    ck_assert_uint_eq(fake_server_calls(rig.server, "ping"), 1);
    free(long_text);
    rig_close(&rig);
}
END_TEST

/* ---- Losses ---- */

START_TEST(a_lost_connection_says_what_may_have_been_applied)
{
    struct fake_options fake = {.hang_up_after = 2};
    struct hf_reply *get, *put, *put_in_txn, *commit, *run;
    struct hf_pack *p;
    struct rig rig;

    rig_open(&rig, &fake, NULL);
    rig_ok(&rig, hf_ping(rig.c));
    rig_begin_get(&rig, 1);
    rig_ok(&rig, hf_call_end(rig.c, &get));
    p = hf_call_begin(rig.c, "put", 3);
    hf_pack_nil(p);
    hf_pack_text(p, "s");
    hf_pack_uint(p, 1);
    rig_ok(&rig, hf_call_end(rig.c, &put));
    p = hf_call_begin(rig.c, "put", 3);
    hf_pack_uint(p, 9);
    hf_pack_text(p, "s");
    hf_pack_uint(p, 1);
    rig_ok(&rig, hf_call_end(rig.c, &put_in_txn));
    hf_pack_uint(hf_call_begin(rig.c, "commit", 1), 9);
    rig_ok(&rig, hf_call_end(rig.c, &commit));
    hf_pack_array(hf_call_begin(rig.c, "run", 1), 0);
    rig_ok(&rig, hf_call_end(rig.c, &run));
    ck_assert_int_eq(hf_wait(run), HF_CONNECTION);
    ck_assert(!hf_reply_error(get)->maybe_committed && hf_reply_error(get)->retryable);
    ck_assert(hf_reply_error(put)->maybe_committed && !hf_reply_error(put)->retryable);
    ck_assert(!hf_reply_error(put_in_txn)->maybe_committed);
    ck_assert(hf_reply_error(commit)->maybe_committed);
    ck_assert(hf_reply_error(run)->maybe_committed);
    ck_assert_ptr_nonnull(
        strstr(hf_reply_error(run)->message, fake_server_address(rig.server)));
    /* What begins after the loss was never sent. */
    ck_assert_int_eq(hf_put(rig.c, NULL, "s", rig_number(&rig.key, 1), HF_NONE, NULL),
                     HF_CONNECTION);
    ck_assert(!hf_conn_error(rig.c)->maybe_committed);
    ck_assert_int_eq(hf_conn_fd(rig.c), -1);
    hf_reply_free(get);
    hf_reply_free(put);
    hf_reply_free(put_in_txn);
    hf_reply_free(commit);
    hf_reply_free(run);
    rig_close(&rig);
}
END_TEST

/* What the kernel never got cannot have been applied: a megabyte behind a server that
 * reads nothing of it. */
START_TEST(what_was_never_sent_is_surely_not_applied)
{
    struct fake_options fake = {.hang_up_after = 1};
    struct rig rig;
    struct hf_reply *replies[64];
    char *padding = calloc(1, 1 << 20);
    struct hf_pack *p;
    unsigned sure = 0, count = 0;

    rig_open(&rig, &fake, NULL);
    memset(padding, 'y', (1 << 20) - 1);
    while (count < 3) {
        p = hf_call_begin(rig.c, "put", 3);
        hf_pack_uint(p, 0);
        hf_pack_text(p, "s");
        hf_pack_text(p, padding);
        if (hf_call_end(rig.c, &replies[count]) != HF_OK)
            break;
        count++;
    }
    /* Up to here the queue took it without waiting; drop it before it is all sent. */
    for (int i = 0; i < 1000 && hf_conn_fd(rig.c) >= 0; i++)
        hf_poll(rig.c, 10);
    for (unsigned i = 0; i < count; i++) {
        ck_assert(hf_reply_is_done(replies[i]));
        sure += !hf_reply_error(replies[i])->maybe_committed;
        hf_reply_free(replies[i]);
    }
    /* The server hung up within the first request: whether the kernel had the others is
     * chance, but none is called done. */
    ck_assert_uint_le(sure, count);
    free(padding);
    rig_close(&rig);
}
END_TEST

START_TEST(after_a_loss_one_may_connect_again)
{
    struct fake_options fake = {.hang_up_after = 3, .hang_up_once = 1};
    struct hf_txn *t;
    struct hf_bytes got;
    struct rig rig;

    rig_open(&rig, &fake, NULL);
    rig_ok(&rig, hf_create_store(rig.c, NULL, "s", NULL));
    rig_ok(&rig, hf_txn_begin(rig.c, NULL, &t));
    ck_assert_int_eq(hf_ping(rig.c), HF_CONNECTION);
    rig_ok(&rig, hf_reconnect(rig.c));
    rig_ok(&rig, hf_ping(rig.c));
    ck_assert_int_eq(hf_get(rig.c, t, "s", rig_number(&rig.key, 1), &got), HF_NO_TXN);
    rig_ok(&rig, hf_txn_rollback(t));
    rig_ok(&rig, hf_txn_begin(rig.c, NULL, &t));
    rig_ok(&rig,
           hf_put(rig.c, t, "s", rig_number(&rig.value, 1), rig_number(&rig.key, 1), NULL));
    rig_ok(&rig, hf_txn_commit(t, NULL, NULL));
    rig_close(&rig);
}
END_TEST

START_TEST(no_answer_in_time_is_a_timeout_and_the_connection_lives)
{
    struct fake_options fake = {.silent_from = 1};
    struct hf_open_options options = {.timeout_ms = 10};
    struct rig rig;

    rig_open(&rig, &fake, &options);
    ck_assert_int_eq(hf_ping(rig.c), HF_TIMEOUT);
    ck_assert(hf_conn_error(rig.c)->retryable);
    ck_assert_int_eq(hf_put(rig.c, NULL, "s", rig_number(&rig.value, 1), HF_NONE, NULL),
                     HF_TIMEOUT);
    ck_assert(hf_conn_error(rig.c)->maybe_committed && !hf_conn_error(rig.c)->retryable);
    ck_assert_int_ge(hf_conn_fd(rig.c), 0);
    rig_close(&rig);
}
END_TEST

START_TEST(waiting_for_any_or_all_gives_a_silent_server_up)
{
    struct fake_options fake = {.silent_from = 1};
    struct hf_open_options options = {.timeout_ms = 10};
    struct hf_reply *ping, *put;
    struct rig rig;

    rig_open(&rig, &fake, &options);
    rig_ok(&rig, hf_wait_any(rig.c)); /* none is in flight */
    hf_call_begin(rig.c, "ping", 0);
    rig_ok(&rig, hf_call_end(rig.c, &ping));
    hf_pack_uint(hf_call_begin(rig.c, "commit", 1), 1);
    rig_ok(&rig, hf_call_end(rig.c, &put));
    ck_assert_int_eq(_i ? hf_wait_all(rig.c) : hf_wait_any(rig.c), HF_TIMEOUT);
    ck_assert_int_eq(hf_wait(ping), HF_TIMEOUT);
    ck_assert(!hf_reply_error(ping)->maybe_committed);
    ck_assert_int_eq(hf_wait(put), HF_TIMEOUT);
    ck_assert(hf_reply_error(put)->maybe_committed);
    ck_assert_int_lt(hf_conn_fd(rig.c), 0);
    ck_assert_int_eq(hf_wait_any(rig.c), HF_TIMEOUT);
    hf_reply_free(ping);
    hf_reply_free(put);
    rig_close(&rig);
}
END_TEST

/* Whatever comes instead of a reply ends the connection, and never us. */
START_TEST(replies_that_are_none_end_the_connection)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\xc1", 1},
        {"\x05", 1},
        {"\x94\x01\xcd\x7f\xff\xc0\xc0", 7}, /* a msgid never given out */
        {"\x94\x01\xa1x\xc0\xc0", 6},        /* a msgid that is text */
        {"\x93\x01\x00\xc0", 4},             /* too short an array */
        {"\x94\x00\x00\xa4ping\x90", 9},     /* a request */
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 28},
        {"\x94\x01\x00\xdd\xff\xff\xff\xff\xc0", 9}, /* a list of 4 billion: then the end */
        {"\xdb\xff\xff\xff\xff", 5},                 /* a text of 4 GiB */
    };
    struct fake_options fake = {.raw_reply = cases[_i].bytes, .raw_reply_size = cases[_i].size};
    struct rig rig;
    int e;

    rig_open(&rig, &fake, NULL);
    e = hf_ping(rig.c);
    ck_assert_msg(e == HF_PROTOCOL || e == HF_CONNECTION, "case %d: %d", _i, e);
    ck_assert_int_eq(hf_conn_fd(rig.c), -1);
    rig_close(&rig);
}
END_TEST

START_TEST(errors_of_any_shape_are_some_error)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        {"\x94\x01\x00\xa4oops\xc0", 9, "oops"},
        {"\x94\x01\x00\x80\xc0", 5, "cannot be read"},
        {"\x94\x01\x00\x07\xc0", 5, "cannot be read"},
        {"\x94\x01\x00\x81\xa4name\x05\xc0", 11, "cannot be read"},
        {"\x94\x01\x00\x81\xa7message\xa2hi\xc0", 16, "hi"},
        {"\x94\x01\x00\x81\xa4"
         "code\x00\xc0",
         11, "cannot be read"},
    };
    struct fake_options fake = {.raw_reply = cases[_i].bytes, .raw_reply_size = cases[_i].size};
    struct rig rig;

    rig_open(&rig, &fake, NULL);
    ck_assert_int_eq(hf_ping(rig.c), HF_PROTOCOL);
    ck_assert_msg(strstr(hf_conn_error(rig.c)->message, cases[_i].message), "%s",
                  hf_conn_error(rig.c)->message);
    ck_assert_int_eq(hf_conn_fd(rig.c), -1);
    rig_close(&rig);
}
END_TEST

static void see_push(void *ctx, struct hf_bytes method, struct hf_bytes params)
{
    ck_assert_uint_eq(method.size, 5);
    ck_assert_uint_eq(params.size, 2);
    (*(unsigned *)ctx)++;
}

START_TEST(what_the_server_pushes_is_handed_on)
{
    static const char bytes[] = "\x93\x02\xa5hello\x91\x07\x94\x01\x00\xc0\xc0";
    struct fake_options fake = {.raw_reply = bytes, .raw_reply_size = sizeof bytes - 1};
    unsigned seen = 0;
    struct rig rig;

    rig_open(&rig, &fake, NULL);
    hf_on_pushed(rig.c, see_push, &seen);
    rig_ok(&rig, hf_ping(rig.c));
    ck_assert_uint_eq(seen, 1);
    rig_close(&rig);
}
END_TEST

/* ---- What was found from outside ---- */

static void close_inside(void *ctx, struct hf_reply *reply)
{
    struct hf_conn *c = ctx;

    hf_reply_free(reply); /* not the caller's: nothing happens */
    hf_close(c);
    ck_assert_int_eq(hf_conn_fd(c), -1);
}

/* Whether the callback tells an answer or a loss, what called it still works on c. */
START_TEST(a_close_inside_a_callback_ends_the_connection_and_frees_later)
{
    struct fake_options fake = {.hang_up_after = _i ? 1 : 0};
    struct hf_txn *t = NULL;
    struct rig rig;
    struct counter counter = {.rig = &rig};

    rig_open(&rig, &fake, NULL);
    if (!_i)
        rig_ok(&rig, hf_txn_begin(rig.c, NULL, &t));
    hf_call_begin(rig.c, "ping", 0);
    rig_ok(&rig, hf_call_end_callback(rig.c, close_inside, rig.c));
    hf_call_begin(rig.c, "ping", 0);
    rig_ok(&rig, hf_call_end_callback(rig.c, count_answer, &counter));
    ck_assert_int_eq(hf_wait_all(rig.c), HF_CONNECTION);
    ck_assert_uint_eq(counter.answers, 1);
    ck_assert_uint_eq(counter.errors, 1);
    ck_assert_int_eq(hf_txn_rollback(t), HF_OK);
    rig_close(&rig);
}
END_TEST

START_TEST(a_flush_gives_a_deaf_server_up)
{
    struct fake_options fake = {.unix_socket = true, .deaf = true};
    struct hf_open_options options = {.timeout_ms = 10};
    char *padding = calloc(1, 3 << 20);
    struct rig rig;
    struct counter counter = {.rig = &rig};

    rig_open(&rig, &fake, &options);
    hf_pack_binary(hf_call_begin(rig.c, "ping", 1), (struct hf_bytes){padding, 3 << 20});
    rig_ok(&rig, hf_call_end_callback(rig.c, count_answer, &counter));
    ck_assert_int_eq(hf_flush(rig.c), HF_TIMEOUT);
    ck_assert_uint_eq(counter.errors, 1);
    ck_assert_int_eq(hf_conn_fd(rig.c), -1);
    free(padding);
    rig_close(&rig);
}
END_TEST

/* Any number of the parameters that a method has, with a map of options or without. */
START_TEST(hf_call_takes_the_deadline_beside_what_is_given)
{
    static const struct {
        const char *method, *params;
        size_t size;
        int code;
        unsigned deadlines;
    } cases[] = {
        {"ping", "\x90", 1, HF_OK, 1},
        {"create_store", "\x92\x00\xa1s", 4, HF_OK, 1},
        {"create_store", "\x93\x00\xa1t\x81\xa8generate\xc3", 15, HF_OK, 1},
        {"put", "\x93\x00\xa1t\x05", 5, HF_OK, 1},
        {"put", "\x94\x00\xa1s\x05\x01", 6, HF_OK, 1},
        {"put", "\x95\x00\xa1s\x05\x02\xc0", 7, HF_OK, 1},
        {"ping", "\x91\x81\xab" "deadline_ms\x64", 15, HF_OK, 1},
        {"update", "\x94\x00\xa1s\x01\x05", 6, HF_OK, 1},
        {"unheard_of", "\x90", 1, HF_BAD_REQUEST, 0},
    };
    struct hf_open_options options = {.timeout_ms = 60000};
    unsigned deadlines = 0;
    struct hf_bytes result;
    struct rig rig;

    rig_open(&rig, NULL, &options);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hf_bytes params = {cases[i].params, cases[i].size};
        int e = hf_call(rig.c, cases[i].method, params, &result);

        ck_assert_msg(e == cases[i].code, "case %zu: %d %s", i, e,
                      hf_conn_error(rig.c)->message);
        deadlines += cases[i].deadlines;
    }
    fake_server_stop(rig.server);
    ck_assert_uint_eq(fake_server_deadlines(rig.server), deadlines);
    rig_close(&rig);
}
END_TEST

START_TEST(silence_is_probed)
{
    socklen_t size = sizeof(int);
    struct rig rig;
    int on = 0;

    rig_open(&rig, NULL, NULL);
    ck_assert_int_eq(getsockopt(hf_conn_fd(rig.c), SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
    ck_assert_int_ne(on, 0);
    rig_close(&rig);
}
END_TEST

/* It was answered without an error, so it was done; but what else comes is not trusted. */
START_TEST(an_unexpected_result_ends_the_connection)
{
    static const char bytes[] = "\x94\x01\x00\xc0\x05";
    struct fake_options fake = {.raw_reply = bytes, .raw_reply_size = sizeof bytes - 1};
    bool there;
    struct rig rig;

    rig_open(&rig, &fake, NULL);
    ck_assert_int_eq(hf_delete(rig.c, NULL, "s", rig_number(&rig.key, 1), &there), HF_PROTOCOL);
    ck_assert(hf_conn_error(rig.c)->maybe_committed);
    ck_assert_int_eq(hf_conn_fd(rig.c), -1);
    rig_close(&rig);
}
END_TEST

/* ---- Frames ---- */

/* A value cut anywhere is found whole when its last byte is there, and not before,
 * however it is fed; at any depth. */
START_TEST(frames_are_whole_when_their_last_byte_is_there)
{
    struct hf_pack p;
    struct frame_scan scan;
    char padding[300];

    hf_pack_init(&p);
    memset(padding, 'z', sizeof padding);
    for (int i = 0; i < 1000; i++)
        hf_pack_array(&p, 1);
    hf_pack_map(&p, 20);
    for (int i = 0; i < 20; i++) {
        hf_pack_binary(&p, (struct hf_bytes){padding, (size_t)i * 14});
        hf_pack_ext(&p, 7, (struct hf_bytes){padding, (size_t)i});
    }
    frame_scan_init(&scan);
    for (size_t size = 0; size < p.size; size += 1 + size % 3) {
        struct frame_scan fresh;

        ck_assert_int_eq(frame_scan_feed(&scan, slice_make(p.data, size)), FRAME_MORE);
        frame_scan_init(&fresh);
        ck_assert_int_eq(frame_scan_feed(&fresh, slice_make(p.data, size)), FRAME_MORE);
    }
    ck_assert_int_eq(frame_scan_feed(&scan, slice_make(p.data, p.size)), FRAME_WHOLE);
    ck_assert_uint_eq(scan.offset, p.size);
    ck_assert_uint_eq(hf_value_size(hf_pack_bytes(&p)), p.size);
    hf_pack_fini(&p);
}
END_TEST

/* A code that the server sends and the header does not know does not compile here. Answers
 * between the server's modules (from 9900 on) are no codes of the library. */
START_TEST(the_header_knows_every_error_of_the_server)
{
    enum { HF_WAIT, HF_NOT_FOUND };
    static const struct {
        const char *name;
        int code, ours;
    } codes[] = {
#define X(name, code, class_name, retryable, message) {#name, code, HF_##name},
        ERR_LIST(X)
#undef X
    };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        ck_assert_msg(codes[i].code >= 9900 || codes[i].ours == codes[i].code, "%s",
                      codes[i].name);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_library");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_header_knows_every_error_of_the_server);
    tcase_add_test(tc, codes_are_those_of_the_protocol);
    tcase_add_loop_test(tc, records_are_put_got_and_deleted, 0, 4);
    tcase_add_test(tc, a_result_may_be_a_parameter_of_the_next_call);
    tcase_add_test(tc, addresses_that_lead_nowhere_say_so);
    tcase_add_loop_test(tc, answers_find_their_requests_in_any_order, 0, 2);
    tcase_add_test(tc, full_buffers_on_both_sides_do_not_stop_us);
    tcase_add_test(tc, the_bound_on_requests_in_flight_holds);
    tcase_add_test(tc, a_callback_may_begin_requests_but_not_wait);
    tcase_add_test(tc, a_freed_future_is_answered_into_the_void);
    tcase_add_test(tc, a_request_that_is_packed_wrong_is_not_sent);
    tcase_add_test(tc, a_lost_connection_says_what_may_have_been_applied);
    tcase_add_test(tc, what_was_never_sent_is_surely_not_applied);
    tcase_add_test(tc, after_a_loss_one_may_connect_again);
    tcase_add_test(tc, no_answer_in_time_is_a_timeout_and_the_connection_lives);
    tcase_add_loop_test(tc, waiting_for_any_or_all_gives_a_silent_server_up, 0, 2);
    tcase_add_loop_test(tc, replies_that_are_none_end_the_connection, 0, 9);
    tcase_add_loop_test(tc, errors_of_any_shape_are_some_error, 0, 6);
    tcase_add_loop_test(tc, a_close_inside_a_callback_ends_the_connection_and_frees_later, 0,
                        2);
    tcase_add_test(tc, a_flush_gives_a_deaf_server_up);
    tcase_add_test(tc, hf_call_takes_the_deadline_beside_what_is_given);
    tcase_add_test(tc, silence_is_probed);
    tcase_add_test(tc, an_unexpected_result_ends_the_connection);
    tcase_add_test(tc, what_the_server_pushes_is_handed_on);
    tcase_add_test(tc, frames_are_whole_when_their_last_byte_is_there);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
