/* TLS below the sockets: what a client can do with its library that a scripting language does not
 * offer. The numbers are those of docs/security.md. */
#include "tests/unit/tls_rig.h"

#include <check.h>
#include <openssl/err.h>

static void write_text(struct tls_rig *rig, const char *text)
{
    ck_assert(tls_rig_client_write(rig, slice_text(text)));
}

static void open_rig(struct tls_rig *rig, bool min_12, bool only_12)
{
    tls_rig_open(rig, min_12, only_12);
    tls_rig_settle(rig);
    ck_assert(transport_is_open(&rig->server) && !rig->client_failed);
}

static bool reads(const struct tls_rig *rig, const char *text)
{
    return slice_equal(slice_make(rig->plain.data, rig->plain.used), slice_text(text));
}

START_TEST(what_is_written_is_read)
{
    struct tls_rig rig;
    struct net_buffer answer = NET_BUFFER_EMPTY;

    open_rig(&rig, _i, _i);
    ck_assert_int_eq(SSL_version(rig.client), _i ? TLS1_2_VERSION : TLS1_3_VERSION);
    write_text(&rig, "hello");
    tls_rig_settle(&rig);
    ck_assert(reads(&rig, "hello") && rig.result == TLS_WAITS);
    for (unsigned i = 0; i < 40000; i++)
        net_buffer_append(&answer, "answer", 6);
    ck_assert(transport_seal(&rig.server, slice_make(answer.data, answer.used)));
    tls_rig_settle(&rig);
    ck_assert_uint_eq(rig.got.size, 240000);
    SSL_shutdown(rig.client);
    tls_rig_settle(&rig);
    ck_assert_int_eq(rig.result, TLS_ENDED);
    net_buffer_fini(&answer);
    tls_rig_close(&rig);
}
END_TEST

/* 4: of the curves that a client offers one must be among ours, and strong. */
START_TEST(attack_4_curves)
{
    static const struct {
        const char *groups;
        bool goes;
    } cases[] = {{"X25519", true}, {"P-256", true},      {"P-384", true},
                 {"P-521", false}, {"ffdhe2048", false}, {"P-521:P-256", true}};
    struct tls_rig rig;

    tls_rig_open(&rig, false, false);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert(SSL_CTX_set1_groups_list(rig.client_context, cases[i].groups));
        tls_rig_connect(&rig, NULL);
        tls_rig_settle(&rig);
        ck_assert_int_eq(transport_is_open(&rig.server), cases[i].goes);
        ck_assert_int_eq(rig.result, cases[i].goes ? TLS_WAITS : TLS_BROKEN);
    }
    tls_rig_close(&rig);
}
END_TEST

/* 7: a client may change its keys now and then, and not without end; asking for ours counts too. */
START_TEST(attack_7_many_key_updates_end_the_connection)
{
    int kind = _i ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
    struct tls_rig rig;

    open_rig(&rig, false, false);
    for (unsigned i = 0; i < TLS_KEY_UPDATES_MAX; i++) {
        ck_assert(SSL_key_update(rig.client, kind));
        write_text(&rig, "x");
        tls_rig_settle(&rig);
        ck_assert_int_eq(rig.result, TLS_WAITS);
        ck_assert_uint_eq(rig.plain.used, i + 1);
    }
    ck_assert(SSL_key_update(rig.client, kind));
    write_text(&rig, "behind it");
    tls_rig_settle(&rig);
    ck_assert_int_eq(rig.result, TLS_BROKEN);
    ck_assert_str_eq(rig.why, "too many key updates");
    tls_rig_close(&rig);
}
END_TEST

START_TEST(attack_7_who_sends_much_may_change_keys_often)
{
    static uint8_t much[100000];
    struct tls_rig rig;

    open_rig(&rig, false, false);
    for (unsigned i = 0; i < 4 * TLS_KEY_UPDATES_MAX; i++) {
        ck_assert(SSL_key_update(rig.client, SSL_KEY_UPDATE_NOT_REQUESTED));
        ck_assert(tls_rig_client_write(&rig, slice_make(much, sizeof much)));
        tls_rig_settle(&rig);
        ck_assert_int_eq(rig.result, TLS_WAITS);
    }
    ck_assert_uint_eq(rig.plain.used, 4 * TLS_KEY_UPDATES_MAX * sizeof much);
    tls_rig_close(&rig);
}
END_TEST

/* Updates alone, without any data, in as many records as fit: they are read as they come. */
START_TEST(attack_7_a_storm_of_updates_costs_no_more_than_the_limit)
{
    struct tls_rig rig;
    unsigned delivered = 0;

    open_rig(&rig, false, false);
    while (rig.result == TLS_WAITS && delivered < 1000) {
        ck_assert(SSL_key_update(rig.client, SSL_KEY_UPDATE_REQUESTED));
        ck_assert_int_eq(SSL_do_handshake(rig.client), 1);
        tls_rig_collect(&rig);
        tls_rig_deliver(&rig, SIZE_MAX); /* and the client reads no answer */
        delivered++;
    }
    ck_assert_uint_eq(delivered, TLS_KEY_UPDATES_MAX + 1);
    ck_assert_uint_lt(rig.server.out.used, 4096);
    tls_rig_close(&rig);
}
END_TEST

/* All in one piece: what is read at once is bounded, and then it is over. */
START_TEST(attack_7_a_storm_in_one_piece)
{
    struct tls_rig rig;

    open_rig(&rig, false, false);
    for (unsigned i = 0; i < 2000; i++) {
        ck_assert(SSL_key_update(rig.client, SSL_KEY_UPDATE_REQUESTED));
        ck_assert_int_eq(SSL_do_handshake(rig.client), 1);
    }
    tls_rig_collect(&rig);
    ck_assert_uint_gt(rig.to_server.size, 40000);
    tls_rig_deliver(&rig, SIZE_MAX);
    ck_assert_int_eq(rig.result, TLS_BROKEN);
    ck_assert_uint_gt(rig.server.in.used - rig.server.taken, 20000); /* was not looked at */
    ck_assert_uint_lt(rig.server.out.used, 65536);
    tls_rig_close(&rig);
}
END_TEST

START_TEST(attack_7_nothing_is_renegotiated)
{
    struct tls_rig rig;

    open_rig(&rig, true, true);
    write_text(&rig, "before");
    tls_rig_settle(&rig);
    ck_assert(SSL_renegotiate(rig.client));
    ERR_clear_error();
    SSL_do_handshake(rig.client);
    tls_rig_settle(&rig);
    ck_assert(rig.client_failed); /* it was told no_renegotiation */
    ck_assert(reads(&rig, "before"));
    tls_rig_close(&rig);
}
END_TEST

static SSL_SESSION *offered; /* to the next connection; a reference */

/* A client that knows some key beforehand, which this server does not. */
static int use_session(SSL *ssl, const EVP_MD *md, const uint8_t **id, size_t *id_size,
                       SSL_SESSION **session)
{
    static const uint8_t name[] = "a ticket";

    *id = name;
    *id_size = sizeof name - 1;
    SSL_SESSION_up_ref(offered);
    *session = offered;
    (void)md;
    (void)ssl;
    return 1;
}

static void make_session(struct tls_rig *rig)
{
    static const uint8_t key[32] = {7}, id[] = {0x13, 0x01}; /* TLS_AES_128_GCM_SHA256 */

    offered = SSL_SESSION_new();
    ck_assert(offered && SSL_SESSION_set1_master_key(offered, key, sizeof key));
    ck_assert(SSL_SESSION_set_cipher(offered, SSL_CIPHER_find(rig->client, id)));
    ck_assert(SSL_SESSION_set_protocol_version(offered, TLS1_3_VERSION));
    ck_assert(SSL_SESSION_set_max_early_data(offered, 16384));
}

/* 11: data before the handshake is done is never a message, whatever else becomes of it. */
START_TEST(attack_11_early_data_is_not_read)
{
    struct tls_rig rig;
    size_t n = 0;

    tls_rig_open(&rig, false, false);
    make_session(&rig);
    SSL_set_psk_use_session_callback(rig.client, use_session);
    ck_assert_int_eq(SSL_write_early_data(rig.client, "early", 5, &n), 1);
    ck_assert_uint_eq(n, 5);
    tls_rig_collect(&rig);
    ck_assert_uint_gt(rig.to_server.size, 5);
    tls_rig_settle(&rig);
    ck_assert_uint_eq(rig.plain.used, 0);
    ck_assert_int_ne(SSL_get_early_data_status(rig.client), SSL_EARLY_DATA_ACCEPTED);
    if (transport_is_open(&rig.server) && tls_rig_client_write(&rig, slice_text("late"))) {
        tls_rig_settle(&rig);
        ck_assert(reads(&rig, "late"));
    }
    SSL_SESSION_free(offered);
    tls_rig_close(&rig);
}
END_TEST

/* Nothing of a connection is kept for the next one, by tickets or by numbers. */
START_TEST(attack_11_no_session_is_resumed)
{
    struct tls_rig rig;
    SSL_SESSION *session;
    struct slice first, second;
    uint8_t before[TLS_BINDING_BYTES] = {0};

    open_rig(&rig, _i, _i);
    first = tls_binding(rig.server.tls);
    if (first.size)
        memcpy(before, first.data, first.size);
    session = SSL_get1_session(rig.client);
    ck_assert(!SSL_SESSION_has_ticket(session));
    tls_rig_connect(&rig, session);
    tls_rig_settle(&rig);
    ck_assert(transport_is_open(&rig.server) && !SSL_session_reused(rig.client));
    second = tls_binding(rig.server.tls);
    ck_assert(!second.size || memcmp(before, second.data, second.size) != 0);
    SSL_SESSION_free(session);
    tls_rig_close(&rig);
}
END_TEST

/* 8: one byte at a time, at any place of the handshake and behind it. */
START_TEST(attack_8_bytes_that_come_one_by_one)
{
    struct tls_rig rig;

    tls_rig_open(&rig, false, false);
    for (unsigned i = 0; i < 3; i++) {
        tls_rig_client_step(&rig);
        while (rig.to_server.size)
            tls_rig_deliver(&rig, 1);
        tls_rig_answer(&rig);
    }
    ck_assert(transport_is_open(&rig.server));
    for (unsigned i = 0; i < 100; i++)
        write_text(&rig, "y");
    while (rig.to_server.size)
        tls_rig_deliver(&rig, 1);
    ck_assert_uint_eq(rig.plain.used, 100);
    tls_rig_close(&rig);
}
END_TEST

/* 6 and 15: a cut is a cut wherever it is, and what came whole before it is there. */
START_TEST(attack_15_a_cut_at_any_place_is_seen)
{
    struct tls_rig rig;
    size_t whole, at;

    open_rig(&rig, false, false);
    write_text(&rig, "first");
    whole = rig.to_server.size;
    write_text(&rig, "second");
    for (at = 0; at <= rig.to_server.size; at++) {
        struct tls_rig one;

        open_rig(&one, false, false);
        write_text(&one, "first");
        write_text(&one, "second");
        tls_rig_deliver(&one, at);
        one.server.eof = true;
        one.result = transport_read(&one.server, &one.plain, 1000, &one.why);
        ck_assert_int_eq(one.result, TLS_BROKEN);
        ck_assert(reads(&one, at < whole                ? ""
                              : at < rig.to_server.size ? "first"
                                                        : "firstsecond"));
        tls_rig_close(&one);
        at += at % 7; /* not every place: handshakes take long */
    }
    tls_rig_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(all, 0);
    tcase_add_loop_test(all, what_is_written_is_read, 0, 2);
    tcase_add_test(all, attack_4_curves);
    tcase_add_loop_test(all, attack_7_many_key_updates_end_the_connection, 0, 2);
    tcase_add_test(all, attack_7_who_sends_much_may_change_keys_often);
    tcase_add_test(all, attack_7_a_storm_of_updates_costs_no_more_than_the_limit);
    tcase_add_test(all, attack_7_a_storm_in_one_piece);
    tcase_add_test(all, attack_7_nothing_is_renegotiated);
    tcase_add_test(all, attack_8_bytes_that_come_one_by_one);
    tcase_add_test(all, attack_11_early_data_is_not_read);
    tcase_add_loop_test(all, attack_11_no_session_is_resumed, 0, 2);
    tcase_add_test(all, attack_15_a_cut_at_any_place_is_seen);
    suite_add_tcase(suite, all);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
