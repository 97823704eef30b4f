/* Users: their rows over restarts, crashes and passes, and in bytes; what patterns and grants mean;
 * and the guard by which the core does not find what a user may not see. */
#include "server/net/users.h"
#include "server/txn/guard.h"
#include "server/txn/vault_rows.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define VERIFIER                                                                             \
    "SCRAM-SHA-256$4096:AAECAwQFBgc=$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:"           \
    "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="

static void on_wake(struct op *op)
{
    (void)op;
}

static void put_settings(struct net_buffer *b, bool admin, unsigned grants)
{
    net_buffer_clear(b, SIZE_MAX);
    put_map(b, 4);
    put_word(b, "verifier");
    put_word(b, VERIFIER);
    put_word(b, "admin");
    put_bool(b, admin);
    put_word(b, "uid");
    put_uint(b, 7);
    put_word(b, "grants");
    put_array(b, grants);
    for (unsigned i = 0; i < grants; i++) {
        char store[16];

        snprintf(store, sizeof store, "s%u", i);
        put_array(b, 3);
        put_word(b, "main");
        put_word(b, store);
        put_array(b, 2);
        put_word(b, "read");
        put_word(b, "write");
    }
}

static enum err put_user(struct core_rig *rig, struct users *u, const char *name, bool admin,
                         unsigned grants, bool *cut)
{
    struct net_buffer settings = {.used = 0};
    struct user_facts facts = {.has_uid = false};
    struct failure f;
    struct user *user;
    struct op op;
    enum err e;

    failure_init(&f);
    put_settings(&settings, admin, grants);
    MUST_EQ(user_facts_read(&facts, slice_make(settings.data, settings.used), "test", &f),
            ERR_OK);
    net_buffer_fini(&settings);
    op_init(&op, rig->db, on_wake);
    do
        e = users_put(u, &op, slice_text(name), &facts, &user, cut);
    while (e == ERR_WAIT && (core_settle(rig), true));
    user_facts_fini(&facts);
    op_fini(&op);
    return e;
}

static void drop_user(struct core_rig *rig, struct users *u, const char *name)
{
    struct op op;

    op_init(&op, rig->db, on_wake);
    MUST_EQ(users_drop(u, &op, users_find(u, slice_text(name))), ERR_OK);
    op_fini(&op);
}

static void load(struct core_rig *rig, struct users *u)
{
    struct failure f;

    failure_init(&f);
    MUST_EQ(users_init(u, sim_table(rig->sim)), ERR_OK);
    MUST_EQ(users_load(u, rig->db, &f), ERR_OK);
}

/* What a model says is what was loaded. */
static void is_as(struct users *u, const unsigned grants[26])
{
    size_t count = 0;

    for (unsigned i = 0; i < 26; i++) {
        char name[2] = {(char)('a' + i)};
        const struct user *user = users_find(u, slice_text(name));

        MUST((user != NULL) == (grants[i] > 0));
        count += user != NULL;
        if (!user)
            continue;
        MUST_EQ(user->facts.rights.count, grants[i] - 1);
        MUST(user->facts.has_verifier && user->facts.has_uid && user->facts.uid == 7);
        MUST_EQ(user->facts.verifier.server_key[31], 0x3f);
    }
    MUST_EQ(u->count, count);
}

/* Users come and go, between passes, crashes and clean ends. */
START_TEST(users_survive_what_commits_survive)
{
    unsigned grants[26] = {0}; /* one more than it has; 0: there is none */
    struct core_rig rig;
    struct users u;
    uint8_t secret[SCRAM_KEY_BYTES];

    core_open(&rig, (uint64_t)_i + 1);
    load(&rig, &u);
    for (unsigned step = 0; step < 120; step++) {
        unsigned i = (unsigned)sim_random(rig.sim, 26), n = (unsigned)sim_random(rig.sim, 40);
        char name[2] = {(char)('a' + i)};
        struct op op;
        bool cut;

        if (step == 0) {
            op_init(&op, rig.db, on_wake);
            MUST_EQ(users_keep_secret(&u, &op), ERR_OK);
            op_fini(&op);
            memcpy(secret, u.secret, sizeof secret);
        }
        if (grants[i] && n < 10) {
            drop_user(&rig, &u, name);
            grants[i] = 0;
        } else {
            MUST_EQ(put_user(&rig, &u, name, false, n, &cut), ERR_OK);
            MUST(cut == (grants[i] && n < grants[i] - 1));
            grants[i] = n + 1;
        }
        is_as(&u, grants);
        if (step % 7 == 3)
            core_amalgamate(&rig);
        if (step % 10 == 9) {
            core_settle(&rig);
            users_fini(&u);
            core_restart(&rig, step % 20 == 9);
            load(&rig, &u);
            is_as(&u, grants);
            MUST(u.has_secret && memcmp(u.secret, secret, sizeof secret) == 0);
        }
    }
    users_fini(&u);
    core_close(&rig);
}
END_TEST

START_TEST(the_bytes_of_a_row)
{
    static const uint8_t golden[] =
        "\x85\xa1v\x01\xa8verifier\xd9\x79" VERIFIER
        "\xa5"
        "admin\xc3\xa3uid\x07\xa6grants\x91\x93\xa4main\xa2s0\x92\xa4read\xa5write";
    struct core_rig rig;
    struct users u;
    const struct vault_row *row;
    bool cut;

    core_open(&rig, 1);
    load(&rig, &u);
    MUST_EQ(put_user(&rig, &u, "ann", true, 1, &cut), ERR_OK);
    row = db_vault_find(rig.db, slice_text("uann"));
    MUST(row != NULL);
    MUST(slice_equal(vault_row_value(row), slice_make(golden, sizeof golden - 1)));
    users_fini(&u);
    core_settle(&rig);
    core_close(&rig);
}
END_TEST

static void put_row(struct core_rig *rig, const char *key, struct slice value)
{
    struct op op;
    enum err e;

    op_init(&op, rig->db, on_wake);
    while ((e = db_vault_put(&op, slice_text(key), value)) == ERR_WAIT)
        core_settle(rig);
    MUST_EQ(e, ERR_OK);
    op_fini(&op);
}

START_TEST(rows_of_a_newer_version_are_refused_by_name)
{
    struct core_rig rig;
    struct failure f;
    struct users u;

    core_open(&rig, 1);
    failure_init(&f);
    put_row(&rig, "uann", slice_text("\x82\xa1v\x02\xa3new\xc0"));
    MUST_EQ(users_init(&u, sim_table(rig.sim)), ERR_OK);
    MUST_EQ(users_load(&u, rig.db, &f), ERR_FORMAT);
    MUST(strstr(f.text, "user \"ann\"") && strstr(f.text, "newer version"));
    failure_clear(&f);
    users_fini(&u);
    put_row(&rig, "uann", SLICE_NONE);
    put_row(&rig, "qmain", slice_text("\x81\xa1v\x02"));
    core_settle(&rig);
    core_end_op(&rig);
    sim_kill(rig.sim);
    db_free(rig.db, true);
    MUST_EQ(core_try_open(&rig), ERR_FORMAT);
    sim_free(rig.sim);
}
END_TEST

/* Each is put into the vault as it is. */
START_TEST(rows_that_are_corrupt_are_refused_by_name)
{
    static const char *rows[] = {"\x80", "\xc1", "\x81\xa1w\x01", "\x82\xa1v\x01\xa3new\xc0",
                                 "\x82\xa1v\x01\xa5quota"};
    static const char *keys[] = {"qmain", "xmain"}; /* of a quota, and of no kind at all */
    struct core_rig rig;
    struct failure f;
    struct users u;

    core_open(&rig, 1);
    failure_init(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_row(&rig, "uann", slice_text(rows[i]));
        MUST_EQ(users_init(&u, sim_table(rig.sim)), ERR_OK);
        MUST_EQ(users_load(&u, rig.db, &f), ERR_CORRUPT);
        MUST(strcmp(f.text, "the row of user \"ann\" is corrupt") == 0);
        failure_clear(&f);
        users_fini(&u);
    }
    put_row(&rig, "uann", SLICE_NONE);
    put_row(&rig, "s", slice_text("short"));
    MUST_EQ(users_init(&u, sim_table(rig.sim)), ERR_OK);
    MUST_EQ(users_load(&u, rig.db, &f), ERR_CORRUPT);
    failure_clear(&f);
    users_fini(&u);
    put_row(&rig, keys[_i], slice_text("\x82\xa1v\x01\xa5quota"));
    core_settle(&rig);
    core_end_op(&rig);
    sim_kill(rig.sim);
    db_free(rig.db, true);
    MUST_EQ(core_try_open(&rig), ERR_CORRUPT);
    sim_free(rig.sim);
}
END_TEST

/* As a plain recursion says. */
static bool matches(const char *pattern, const char *text)
{
    if (*pattern == '*')
        return matches(pattern + 1, text) || (*text && matches(pattern, text + 1));
    if (*pattern == '\\' && pattern[1])
        pattern++;
    return *pattern ? *pattern == *text && matches(pattern + 1, text + 1) : !*text;
}

START_TEST(patterns_mean_what_a_plain_recursion_says)
{
    static const char letters[] = "ab*\\";
    unsigned seed = 1;

    for (unsigned run = 0; run < 200000; run++) {
        char pattern[8], text[8];
        unsigned p = 0, t = 0;

        for (unsigned n = rand_r(&seed) % 7; p < n; p++)
            pattern[p] = letters[rand_r(&seed) % 4];
        for (unsigned n = rand_r(&seed) % 7; t < n; t++)
            text[t] = letters[rand_r(&seed) % 4];
        pattern[p] = text[t] = '\0';
        if (matches(pattern, text) !=
            pattern_matches(slice_make(pattern, p), slice_make(text, t)))
            ck_abort_msg("\"%s\" and \"%s\"", pattern, text);
    }
}
END_TEST

struct eyes {
    struct guard guard;
    unsigned rights; /* on everything that begins with "a" */
};

static unsigned rights_of_eyes(const struct guard *g, const struct op *op, struct slice store)
{
    return store.size && store.data[0] == 'a' ? LIST_ENTRY(g, struct eyes, guard)->rights : 0;
}

static void count_store(void *context, const struct store_info *info)
{
    MUST(info->name.data[0] == 'a');
    ++*(unsigned *)context;
}

static void same_failure(struct op *op, enum err e, const char *text)
{
    MUST_EQ(e, ERR_NO_STORE);
    ck_assert_str_eq(op->failure.text, text);
}

START_TEST(what_may_not_be_seen_is_not_found)
{
    struct eyes eyes = {.guard.rights = rights_of_eyes, .rights = GUARD_READ};
    uint8_t key[1] = {5};
    struct slice k = slice_make(key, 1), value;
    struct core_rig rig;
    unsigned count = 0;
    struct op op;
    bool existed;

    core_open(&rig, 1);
    MUST_EQ(core_create(&rig, NULL, "hidden", NULL), ERR_OK);
    MUST_EQ(core_create(&rig, NULL, "able", NULL), ERR_OK);
    MUST_EQ(core_put(&rig, NULL, "hidden", 5, 1), ERR_OK);
    MUST_EQ(core_put(&rig, NULL, "able", 5, 1), ERR_OK);
    core_settle(&rig);
    op_init(&op, rig.db, on_wake);
    op.guard = &eyes.guard;
    same_failure(&op, record_get(&op, NULL, slice_text("hidden"), k, &value),
                 "store \"hidden\" does not exist");
    same_failure(&op, record_get(&op, NULL, slice_text("hidde"), k, &value),
                 "store \"hidde\" does not exist");
    same_failure(&op, record_get(&op, NULL, slice_text("abl"), k, &value),
                 "store \"abl\" does not exist; did you mean \"able\"?");
    same_failure(&op, record_delete(&op, NULL, slice_text("hidden"), k, &existed),
                 "store \"hidden\" does not exist");
    same_failure(&op, store_drop(&op, NULL, slice_text("hidden")),
                 "store \"hidden\" does not exist");
    MUST_EQ(stores_list(&op, NULL, NULL, count_store, &count), ERR_OK);
    MUST_EQ(count, 1);
    op_fini(&op);
    op_init(&op, rig.db, on_wake);
    op.guard = &eyes.guard;
    MUST_EQ(guard_check(&op, slice_text("able"), GUARD_READ), ERR_OK);
    MUST_EQ(guard_check(&op, slice_text("hidden"), GUARD_READ), ERR_OK); /* not found later */
    MUST_EQ(guard_check(&op, slice_text("able"), GUARD_READ | GUARD_WRITE), ERR_FORBIDDEN);
    MUST_EQ(guard_check_new(&op, slice_text("hidden")), ERR_FORBIDDEN);
    op_fini(&op);
    core_settle(&rig);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("users");
    TCase *tc = tcase_create("users");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, users_survive_what_commits_survive, 0, 6);
    tcase_add_test(tc, the_bytes_of_a_row);
    tcase_add_test(tc, rows_of_a_newer_version_are_refused_by_name);
    tcase_add_loop_test(tc, rows_that_are_corrupt_are_refused_by_name, 0, 2);
    tcase_add_test(tc, patterns_mean_what_a_plain_recursion_says);
    tcase_add_test(tc, what_may_not_be_seen_is_not_found);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
