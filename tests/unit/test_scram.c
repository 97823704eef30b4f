/* SCRAM-SHA-256: the example of RFC 7677, both sides against each other, and everything that may be
 * wrong with a message. */
#include "proto/scram.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define PASSWORD slice_text("pencil")

static struct slice text_of(const struct scram_text *t)
{
    return slice_make(t->text, t->size);
}

static void says(const struct scram_text *t, const char *expected)
{
    ck_assert_uint_eq(t->size, strlen(expected));
    ck_assert_mem_eq(t->text, expected, t->size);
}

/* RFC 7677, section 3. Its nonces are given: the server's is longer than ours, so they are put
 * where they belong by hand. */
START_TEST(the_example_of_the_standard)
{
    static const uint8_t salt[] = {0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e,
                                   0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81};
    struct scram_verifier v;
    struct scram_keys keys = {.is_known = false};
    struct scram_text to;
    struct scram s;
    uint8_t random[18] = {0};

    ck_assert(scram_verifier_make(PASSWORD, slice_make(salt, sizeof salt), 4096, &v));
    ck_assert(scram_write_client_first(&s, slice_text("user"), SCRAM_UNBOUND, random, &to));
    memcpy(s.nonce, "rOprNGfwEbeRWgbNEkqO", 20);
    s.nonce_size = 20;
    s.bare.size =
        (size_t)snprintf(s.bare.text, sizeof s.bare.text, "n=user,r=rOprNGfwEbeRWgbNEkqO");
    ck_assert_ptr_null(scram_write_client_final(
        &s,
        slice_text("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                   "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
        PASSWORD, SLICE_NONE, &keys, &to));
    says(&to, "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
              "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    ck_assert(scram_read_server_final(
        &s, slice_text("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
    ck_assert(!scram_read_server_final(
        &s, slice_text("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=")));
    ck_assert(!scram_read_server_final(&s, slice_text("e=other-error")));
    /* The server's side of the same. */
    ck_assert(scram_read_client_first(&s, slice_text("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")));
    s.first.size = (size_t)snprintf(s.first.text, sizeof s.first.text, "%s",
                                    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    memcpy(s.nonce, "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", 50);
    s.nonce_size = 50;
    ck_assert(scram_read_client_final(
        &s, &v,
        slice_text("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                   "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
        SLICE_NONE, &to));
    says(&to, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}
END_TEST

/* Both sides of one login. */
struct pair {
    struct scram client, server;
    struct scram_keys keys;
    struct scram_verifier v;
    struct scram_text first, final, answer;
};

static const char bound_bytes[] = "0123456789abcdef0123456789abcdef";

static void begin(struct pair *p, const char *name, enum scram_binding binding)
{
    static uint8_t random[18];
    uint8_t salt[SCRAM_SALT_BYTES] = {1, 2, 3};

    memset(p, 0, sizeof *p);
    random[0]++;
    ck_assert(scram_verifier_make(PASSWORD, slice_make(salt, sizeof salt), 4096, &p->v));
    ck_assert(
        scram_write_client_first(&p->client, slice_text(name), binding, random, &p->first));
    ck_assert(scram_read_client_first(&p->server, text_of(&p->first)));
    ck_assert_int_eq(p->server.binding, binding);
    ck_assert(slice_equal(slice_make(p->server.name, p->server.name_size), slice_text(name)));
    random[1]++;
    ck_assert(scram_write_server_first(&p->server, &p->v, random));
}

static void reply(struct pair *p, struct slice password, struct slice bound)
{
    ck_assert_ptr_null(scram_write_client_final(&p->client, text_of(&p->server.first), password,
                                                bound, &p->keys, &p->final));
}

static bool end(struct pair *p, struct slice bound)
{
    return scram_read_client_final(&p->server, &p->v, text_of(&p->final), bound, &p->answer);
}

START_TEST(both_sides_understand_each_other)
{
    static const char *const names[] = {"ann", "a,b=c", "=2C", ",,,===", "\xc3\xa4nn"};
    struct slice bound = slice_make(bound_bytes, 32);
    struct pair p;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int binding = SCRAM_UNBOUND; binding <= SCRAM_EXPORTER; binding++) {
            begin(&p, names[i], (enum scram_binding)binding);
            reply(&p, PASSWORD, binding == SCRAM_EXPORTER ? bound : SLICE_NONE);
            ck_assert(end(&p, bound));
            ck_assert(scram_read_server_final(&p.client, text_of(&p.answer)));
        }
    }
}
END_TEST

/* 17, 24: a wrong password, the binding of another connection, none where one was promised. */
START_TEST(whoever_does_not_know_it_does_not_get_in)
{
    struct slice bound = slice_make(bound_bytes, 32), other = slice_make(bound_bytes + 1, 31);
    struct pair p;

    begin(&p, "ann", SCRAM_UNBOUND);
    reply(&p, slice_text("pencil "), SLICE_NONE);
    ck_assert(!end(&p, SLICE_NONE));
    begin(&p, "ann", SCRAM_EXPORTER);
    reply(&p, PASSWORD, bound);
    ck_assert(!end(&p, other));
    ck_assert(!end(&p, SLICE_NONE));
    ck_assert(end(&p, bound));
}
END_TEST

/* 19, 20, 21: what was right once is not right again, and no byte of it may be another one. */
START_TEST(no_byte_of_the_last_message_may_differ)
{
    struct pair p, again;

    begin(&p, "ann", SCRAM_UNBOUND);
    reply(&p, PASSWORD, SLICE_NONE);
    ck_assert(end(&p, SLICE_NONE));
    begin(&again, "ann", SCRAM_UNBOUND);
    ck_assert(!scram_read_client_final(&again.server, &again.v, text_of(&p.final), SLICE_NONE,
                                       &again.answer));
    reply(&again, PASSWORD, SLICE_NONE);
    for (size_t i = 0; i < again.final.size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            again.final.text[i] = (char)(again.final.text[i] ^ 1 << bit);
            ck_assert(!end(&again, SLICE_NONE));
            again.final.text[i] = (char)(again.final.text[i] ^ 1 << bit);
        }
    }
    for (size_t size = 0; size < again.final.size; size++) {
        struct slice cut = slice_make(again.final.text, size);

        ck_assert(
            !scram_read_client_final(&again.server, &again.v, cut, SLICE_NONE, &again.answer));
    }
    again.final.text[again.final.size++] = ',';
    ck_assert(!end(&again, SLICE_NONE)); /* nor may there be one more */
    again.final.size--;
    ck_assert(end(&again, SLICE_NONE));
}
END_TEST

/* 25, 27 and what else is no first message. */
START_TEST(bad_first_messages_are_refused)
{
    static const char *const bad[] = {
        "",
        "n,,",
        "n,,n=ann",
        "n,,n=ann,r=",
        "n,,m=x,n=ann,r=abc",
        "n,a=root,n=ann,r=abc",
        "x,,n=ann,r=abc",
        "p=tls-unique,,n=ann,r=abc",
        "n,,r=abc,n=ann",
        "n,,n=,r=abc",
        "n,,n=a=b,r=abc",
        "n,,n=a=2,r=abc",
        "n,,n=a=2c,r=abc",
        "n,,n=ann,r=a b",
        "n,,n=ann,r=a\x7f",
        "n,,n=\xff,r=abc",
        "n,,n=a\nb,r=abc",
        "n,,n=a\xe2\x80\xae b,r=abc", /* right to left from here */
        "n,,n= ann,r=abc",
    };
    char large[3000];
    struct scram s;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!scram_read_client_first(&s, slice_text(bad[i])), "%s", bad[i]);
    ck_assert(!scram_read_client_first(&s, slice_make("n,,n=a\0b,r=abc", 14)));
    snprintf(large, sizeof large, "n,,n=%0256d,r=abc", 1);
    ck_assert(!scram_read_client_first(&s, slice_text(large)));
    snprintf(large, sizeof large, "n,,n=ann,r=%0129d", 1);
    ck_assert(!scram_read_client_first(&s, slice_text(large)));
    snprintf(large, sizeof large, "n,,n=ann,r=abc,x=%02000d", 1);
    ck_assert(!scram_read_client_first(&s, slice_text(large)));
    ck_assert(scram_read_client_first(&s, slice_text("n,,n=ann,r=abc,x=later")));
}
END_TEST

/* 22 and what else a client does not take from a server. */
START_TEST(a_client_does_not_believe_everything)
{
    static const struct {
        const char *format, *why;
    } bad[] = {
        {"r=%.*sx,s=QUFBQQ==,i=4095", "it asks for fewer than 4096 iterations"},
        {"r=%.*sx,s=QUFBQQ==,i=1", "it asks for fewer than 4096 iterations"},
        {"r=%.*sx,s=QUFBQQ==,i=10000001", "it asks for too many iterations"},
        {"r=%.*sx,s=QUFBQQ==,i=999999999", "its first message is malformed"},
        {"r=%.*s,s=QUFBQQ==,i=4096", "its nonce does not extend ours"},
        {"r=x%.*s,s=QUFBQQ==,i=4096", "its nonce does not extend ours"},
        {"m=1,r=%.*sx,s=QUFBQQ==,i=4096", "its first message is malformed"},
        {"r=%.*sx,s=,i=4096", "its first message is malformed"},
        {"r=%.*sx,s=QUFBQ,i=4096", "its first message is malformed"},
        {"r=%.*sx,i=4096", "its first message is malformed"},
    };
    struct scram_keys keys = {.is_known = false};
    struct scram_text to;
    struct pair p;
    char text[300];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *why;

        begin(&p, "ann", SCRAM_UNBOUND);
        snprintf(text, sizeof text, bad[i].format, (int)p.client.nonce_size, p.client.nonce);
        why = scram_write_client_final(&p.client, slice_text(text), PASSWORD, SLICE_NONE, &keys,
                                       &to);
        ck_assert_msg(why && strcmp(why, bad[i].why) == 0, "%s: %s", text, why);
    }
}
END_TEST

START_TEST(verifiers_are_read_as_they_are_written)
{
    static const char *const bad[] = {
        "", "SCRAM-SHA-256",
        "SCRAM-SHA-256$4096:QUFBQUFBQUFBQUE=", "SCRAM-SHA-1$4096:QUFBQUFBQUFBQUE=$x:y",
        "SCRAM-SHA-256$4095:QUFBQUFBQUFBQUE=$x:y"};
    struct scram_verifier v, again;
    uint8_t salt[SCRAM_SALT_BYTES_MAX];
    char text[SCRAM_VERIFIER_BYTES_MAX];

    memset(salt, 0xa5, sizeof salt);
    for (size_t size = 8; size <= sizeof salt; size++) {
        ck_assert(scram_verifier_make(PASSWORD, slice_make(salt, size), 4096, &v));
        scram_verifier_write(&v, text);
        ck_assert(scram_verifier_read(slice_text(text), &again));
        ck_assert_uint_eq(again.salt_size, size);
        ck_assert_mem_eq(again.stored_key, v.stored_key, sizeof v.stored_key);
        ck_assert_mem_eq(again.server_key, v.server_key, sizeof v.server_key);
        for (size_t cut = 0; cut < strlen(text); cut++)
            ck_assert(!scram_verifier_read(slice_make(text, cut), &again));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert(!scram_verifier_read(slice_text(bad[i]), &v));
}
END_TEST

/* 18: the same for the same name and secret, another one for another, and nobody's. */
START_TEST(a_user_that_does_not_exist_looks_like_one)
{
    uint8_t secret[SCRAM_KEY_BYTES] = {7};
    struct scram_verifier a, b;
    uint64_t made = 0;

    scram_verifier_mock(secret, slice_text("bob"), &made, &a);
    scram_verifier_mock(secret, slice_text("bob"), &made, &b);
    ck_assert_mem_eq(&a, &b, sizeof a);
    ck_assert_uint_eq(a.salt_size, SCRAM_SALT_BYTES);
    ck_assert_uint_eq(a.iterations, SCRAM_ITERATIONS);
    scram_verifier_mock(secret, slice_text("bop"), &made, &b);
    ck_assert(memcmp(a.salt, b.salt, a.salt_size) != 0);
    secret[1]++;
    scram_verifier_mock(secret, slice_text("bob"), &made, &b);
    ck_assert(memcmp(a.salt, b.salt, a.salt_size) != 0);
    ck_assert(memcmp(a.stored_key, b.stored_key, SCRAM_KEY_BYTES) != 0);
    ck_assert_uint_eq(made, 4 * 4);
}
END_TEST

/* 26 */
START_TEST(passwords_that_are_none)
{
    char *large = malloc(1 << 20);

    memset(large, 'x', 1 << 20);
    ck_assert_ptr_null(scram_password_fault(slice_make(large, 1024)));
    ck_assert_ptr_nonnull(scram_password_fault(slice_make(large, 1025)));
    ck_assert_ptr_nonnull(scram_password_fault(slice_make(large, 1 << 20)));
    ck_assert_ptr_nonnull(scram_password_fault(slice_text("")));
    ck_assert_ptr_nonnull(scram_password_fault(slice_make("a\0b", 3)));
    ck_assert_ptr_nonnull(scram_password_fault(slice_text("a\xff")));
    ck_assert_ptr_nonnull(scram_password_fault(slice_text("a\x7f")));
    ck_assert_ptr_null(scram_password_fault(slice_text("p\xc3\xa4ss w\xc3\xb6rd")));
    free(large);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scram");
    TCase *tc = tcase_create("scram");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, the_example_of_the_standard);
    tcase_add_test(tc, both_sides_understand_each_other);
    tcase_add_test(tc, whoever_does_not_know_it_does_not_get_in);
    tcase_add_test(tc, no_byte_of_the_last_message_may_differ);
    tcase_add_test(tc, bad_first_messages_are_refused);
    tcase_add_test(tc, a_client_does_not_believe_everything);
    tcase_add_test(tc, verifiers_are_read_as_they_are_written);
    tcase_add_test(tc, a_user_that_does_not_exist_looks_like_one);
    tcase_add_test(tc, passwords_that_are_none);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
