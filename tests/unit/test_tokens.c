/* Tokens of commits: the table against a model over forgetting, passes and restarts; fences; the
 * record's bytes; memory that is not there. */
#include "server/txn/outcome.h"
#include "server/txn/tokens.h"
#include "tests/unit/core_rig.h"

#include <string.h>

#define COMMITS 6000

static void on_wake(struct op *op)
{
    (void)op;
}

static struct slice token_of(uint64_t n, uint8_t room[TOKEN_BYTES])
{
    memset(room, 0x5a, TOKEN_BYTES);
    memcpy(room, &n, sizeof n);
    return slice_make(room, TOKEN_BYTES);
}

/* A commit of one record with token n; *commit as it answers. */
static enum err commit_with(struct core_rig *rig, uint64_t n, uint64_t *commit, bool *repeated)
{
    struct txn *t = core_begin(rig, "t", NULL);
    uint8_t room[TOKEN_BYTES];
    struct op op;
    enum err e;

    MUST_EQ(core_put(rig, t, "s", 1 + (unsigned)(n % 50), n), ERR_OK);
    op_init(&op, rig->db, on_wake);
    while ((e = txn_commit(&op, t, token_of(n, room), commit)) == ERR_WAIT)
        core_settle(rig);
    *repeated = op.is_repeated;
    op_fini(&op);
    return e;
}

static struct outcome ask(struct core_rig *rig, uint64_t n, uint64_t since)
{
    uint8_t room[TOKEN_BYTES];
    struct outcome out;
    struct op op;
    enum err e;

    op_init(&op, rig->db, on_wake);
    while ((e = db_outcome(&op, token_of(n, room), since, &out)) == ERR_WAIT)
        core_settle(rig);
    MUST_EQ(e, ERR_OK);
    op_fini(&op);
    return out;
}

/* Whatever is asked of n is as the model says, whose tokens are 0 to count-1 with those commits. */
static void check(struct core_rig *rig, const uint64_t *commits, uint64_t count, uint64_t kept)
{
    for (uint64_t n = 0; n < count; n += n % 97 == 0 && n + kept < count ? 61 : 1) {
        struct outcome o = ask(rig, n, 0);

        if (n + kept >= count) {
            MUST_EQ(o.state, OUTCOME_COMMITTED);
            MUST_EQ(o.commit, commits[n]);
        } else if (o.state !=
                   OUTCOME_UNKNOWN) { /* deleted a thousand at a time: it came back */
            MUST_EQ(o.state, OUTCOME_COMMITTED);
            MUST_EQ(o.commit, commits[n]);
        }
    }
}

START_TEST(tokens_are_found_until_they_are_forgotten_over_passes_and_restarts)
{
    static uint64_t commits[COMMITS];
    struct core_rig rig;
    bool repeated;
    uint64_t again, count = 0;

    core_open(&rig, 1);
    rig.options.tokens_max = 1500;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < COMMITS / 6; i++, count++) {
            MUST_EQ(commit_with(&rig, count, &commits[count], &repeated), ERR_OK);
            MUST(!repeated && commits[count]);
        }
        core_settle(&rig);
        check(&rig, commits, count, 1500);
        if (round % 3 == 1)
            core_amalgamate(&rig);
        if (round % 2)
            core_restart(&rig, round % 4 == 1);
        check(&rig, commits, count, 1500);
        MUST_EQ(commit_with(&rig, count - 1, &again, &repeated), ERR_OK);
        MUST(repeated);
        MUST_EQ(again, commits[count - 1]);
    }
    MUST_EQ(core_status(&rig).tokens, 1500);
    MUST(core_status(&rig).tokens_forgotten < 1100);
    MUST_EQ(ask(&rig, COMMITS, core_status(&rig).tokens_horizon - 1).state, OUTCOME_UNKNOWN);
    MUST_EQ(ask(&rig, COMMITS, core_status(&rig).tokens_horizon).state, OUTCOME_NOT_COMMITTED);
    core_amalgamate(&rig);
    MUST(core_status(&rig).primary.records < 2700); /* and 50 of the store, and a fence */
    core_close(&rig);
}
END_TEST

/* _i: bit 0, a pass takes it to the tree; bit 1, the power goes off. */
START_TEST(a_fence_holds_over_restarts)
{
    struct core_rig rig;
    uint64_t commit;
    bool repeated;

    core_open(&rig, 2);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    MUST_EQ(ask(&rig, 7, 0).state, OUTCOME_NOT_COMMITTED);
    core_settle(&rig);
    if (_i & 1)
        core_amalgamate(&rig);
    core_restart(&rig, _i & 2);
    MUST_EQ(ask(&rig, 7, 0).state, OUTCOME_NOT_COMMITTED);
    MUST_EQ(commit_with(&rig, 7, &commit, &repeated), ERR_TOKEN_FENCED);
    MUST_EQ(commit_with(&rig, 8, &commit, &repeated), ERR_OK);
    core_settle(&rig);
    MUST_EQ(core_value(&rig, "s", 8), 0);
    MUST_EQ(core_value(&rig, "s", 9), 8);
    core_close(&rig);
}
END_TEST

START_TEST(tokens_are_forgotten_when_their_time_is_over)
{
    struct core_rig rig;
    uint64_t commit;
    bool repeated;

    core_open(&rig, 3);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    MUST_EQ(commit_with(&rig, 7, &commit, &repeated), ERR_OK);
    core_settle(&rig);
    core_rest(&rig, 400000);
    core_restart(&rig, true); /* its age goes on */
    MUST_EQ(ask(&rig, 7, 0).state, OUTCOME_COMMITTED);
    core_rest(&rig, 250000);
    core_settle(&rig);
    MUST_EQ(ask(&rig, 7, commit - 1).state, OUTCOME_UNKNOWN);
    MUST_EQ(ask(&rig, 8, commit).state, OUTCOME_NOT_COMMITTED);
    core_close(&rig);
}
END_TEST

/* A commit that has no memory for its token has not happened. */
START_TEST(a_commit_without_memory_for_its_token_is_none)
{
    struct core_rig rig;
    uint64_t commit;
    unsigned failed = 0;
    bool repeated;

    core_open(&rig, 4);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    for (uint64_t n = 1; n < 700; n++) {
        struct txn *t = core_begin(&rig, "t", NULL);
        uint8_t room[TOKEN_BYTES];
        struct op op;
        enum err e;

        MUST_EQ(core_put(&rig, t, "s", 1, n), ERR_OK);
        op_init(&op, rig.db, on_wake);
        sim_fail_from(rig.sim, SIM_FAULT_ALLOC, 1);
        e = txn_commit(&op, t, token_of(n, room), &commit);
        sim_fail_clear(rig.sim);
        op_fini(&op);
        MUST(e == ERR_OK || e == ERR_NOMEM);
        failed += e != ERR_OK;
        core_settle(&rig);
        if (e)
            MUST(core_value(&rig, "s", 1) != n);
        if (e)
            MUST_EQ(commit_with(&rig, n, &commit, &repeated), ERR_OK);
        MUST_EQ(ask(&rig, n, 0).commit, commit);
    }
    MUST(failed > 0);
    core_close(&rig);
}
END_TEST

START_TEST(the_record_of_a_token_is_what_the_formats_say)
{
    static const uint8_t golden[TOKEN_VALUE_BYTES] = {
        2, 8, 7, 6, 5, 4, 3, 2, 1, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm',
        'n', 'o', 'p'};
    static const uint8_t horizon[TOKEN_VALUE_BYTES] = {3, 0x34, 0x12};
    struct commit_token token = {.is_fenced = true};
    uint8_t bytes[TOKEN_VALUE_BYTES];

    memcpy(token.bytes, "abcdefghijklmnop", TOKEN_BYTES);
    token_encode(&token, UINT64_C(0x0102030405060708), bytes);
    MUST(memcmp(bytes, golden, sizeof bytes) == 0);
    token_encode_horizon(0x1234, bytes);
    MUST(memcmp(bytes, horizon, sizeof bytes) == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokens");
    TCase *tc = tcase_create("tokens");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, tokens_are_found_until_they_are_forgotten_over_passes_and_restarts);
    tcase_add_loop_test(tc, a_fence_holds_over_restarts, 0, 4);
    tcase_add_test(tc, tokens_are_forgotten_when_their_time_is_over);
    tcase_add_test(tc, a_commit_without_memory_for_its_token_is_none);
    tcase_add_test(tc, the_record_of_a_token_is_what_the_formats_say);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
