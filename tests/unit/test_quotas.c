/* Quotas of bytes in the core: what is refused is exactly what does not fit, whatever is in stages,
 * in the tree, in open transactions, deleted or replaced. Keys of autocommit writes and of each
 * transaction are their own, so nobody conflicts. */
#include "server/txn/db_struct.h"
#include "server/txn/vault_rows.h"
#include "tests/unit/core_rig.h"

#define WRITERS 3 /* autocommit, and two transactions */
#define KEYS 8u   /* of each */
#define NOTHING SIZE_MAX

struct life {
    struct core_rig rig;
    struct quota_limits limits;
    uint64_t key_bytes;
    size_t is[WRITERS][KEYS];  /* bytes of the value that is committed; NOTHING: none is */
    size_t set[WRITERS][KEYS]; /* of transactions, which have written it; 0: deleted, */
    bool has_set[WRITERS][KEYS];
    struct txn *txn[WRITERS]; /* the first is none */
    unsigned refused, taken;
};

static uint64_t committed(const struct life *l)
{
    uint64_t bytes = 0;

    for (unsigned w = 0; w < WRITERS; w++)
        for (unsigned k = 0; k < KEYS; k++)
            bytes += l->is[w][k] == NOTHING ? 0 : l->key_bytes + l->is[w][k];
    return bytes;
}

static uint64_t in_flight(const struct life *l)
{
    uint64_t bytes = 0;

    for (unsigned w = 1; w < WRITERS; w++)
        for (unsigned k = 0; k < KEYS; k++)
            bytes += l->has_set[w][k] ? l->key_bytes + l->set[w][k] : 0;
    return bytes;
}

static unsigned draw(struct life *l, unsigned below)
{
    return (unsigned)(sim_random(l->rig.sim, below));
}

static void put(struct life *l, unsigned w, unsigned k)
{
    size_t bytes = 20 + draw(l, 600);
    bool fits = committed(l) + in_flight(l) + l->key_bytes + bytes <= l->limits.bytes;
    enum err e = core_put_large(&l->rig, l->txn[w], "s", 1 + w * KEYS + k, bytes);

    MUST_EQ(e, fits ? ERR_OK : ERR_QUOTA_EXCEEDED);
    l->refused += !fits;
    l->taken += fits;
    if (!fits)
        return;
    if (l->txn[w]) {
        l->set[w][k] = bytes;
        l->has_set[w][k] = true;
    } else {
        l->is[w][k] = bytes;
    }
}

static void take_out(struct life *l, unsigned w, unsigned k)
{
    bool existed;

    MUST_EQ(core_delete(&l->rig, l->txn[w], "s", 1 + w * KEYS + k, &existed), ERR_OK);
    if (!l->txn[w]) {
        l->is[w][k] = NOTHING;
    } else if (existed) {
        l->set[w][k] = 0;
        l->has_set[w][k] = true;
    }
}

static void end(struct life *l, unsigned w, bool commits)
{
    uint64_t commit;

    if (commits)
        MUST_EQ(core_commit(&l->rig, l->txn[w], &commit), ERR_OK);
    else
        core_rollback(&l->rig, l->txn[w]);
    l->txn[w] = NULL;
    for (unsigned k = 0; k < KEYS; k++) {
        if (l->has_set[w][k] && commits)
            l->is[w][k] = l->set[w][k] ? l->set[w][k] : NOTHING;
        l->has_set[w][k] = false;
    }
}

static void begin_or_end(struct life *l, unsigned w)
{
    if (!w)
        return;
    if (l->txn[w])
        end(l, w, draw(l, 3) > 0);
    else
        l->txn[w] = core_begin(&l->rig, "t", &(struct txn_options){.version = 0});
}

static void restart(struct life *l)
{
    for (unsigned w = 1; w < WRITERS; w++)
        if (l->txn[w])
            end(l, w, true);
    core_settle(&l->rig);
    core_restart(&l->rig, draw(l, 2));
}

static void change_quota(struct life *l)
{
    l->limits.bytes = draw(l, 4) ? 2000 + draw(l, 8000) : QUOTA_NONE;
    core_set_quota(&l->rig, &l->limits);
}

static void check(struct life *l)
{
    struct quota_limits kept = quotas_of(l->rig.db, slice_text("main"));

    MUST_EQ(kept.bytes, l->limits.bytes);
    MUST(db_check(l->rig.db));
    core_amalgamate(&l->rig);
    MUST_EQ(core_bytes(&l->rig), committed(l));
}

static void step(struct life *l)
{
    unsigned w = draw(l, WRITERS), k = draw(l, KEYS);

    switch (draw(l, 40)) {
    case 0: core_rotate(&l->rig); break;
    case 1: core_amalgamate(&l->rig); break;
    case 2: restart(l); break;
    case 3: change_quota(l); break;
    case 4: check(l); break;
    case 5:
    case 6:
    case 7: begin_or_end(l, w); break;
    case 8:
    case 9:
    case 10:
    case 11: take_out(l, w, k); break;
    default: put(l, w, k);
    }
}

START_TEST(what_is_refused_is_what_does_not_fit)
{
    struct life l = {.limits = {QUOTA_NONE, QUOTA_NONE, QUOTA_NONE}};

    core_open(&l.rig, 500 + (uint64_t)_i);
    MUST_EQ(core_create(&l.rig, NULL, "s", &(struct store_options){.generate = false}), ERR_OK);
    MUST_EQ(core_put_large(&l.rig, NULL, "s", 1, 100), ERR_OK);
    core_amalgamate(&l.rig);
    l.key_bytes = core_bytes(&l.rig) - 100;
    memset(l.is, 0xff, sizeof l.is);
    l.is[0][0] = 100;
    change_quota(&l);
    for (unsigned i = 0; i < 1200; i++)
        step(&l);
    restart(&l);
    check(&l);
    MUST(l.refused > 50 && l.taken > 50);
    core_close(&l.rig);
}
END_TEST

/* A commit so large that it becomes a stage of its own is counted as others are. */
START_TEST(large_commits_count)
{
    struct core_rig rig;
    struct txn *t;
    uint64_t commit;

    core_open(&rig, 7);
    rig.options.link_bytes_max = 4096;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "s", &(struct store_options){.generate = false}), ERR_OK);
    core_set_quota(&rig, &(struct quota_limits){100000, QUOTA_NONE, QUOTA_NONE});
    t = core_begin(&rig, "t", &(struct txn_options){.version = 0});
    for (unsigned k = 0; k < 30; k++)
        MUST_EQ(core_put_large(&rig, t, "s", k, 3000), ERR_OK);
    MUST_EQ(core_put_large(&rig, t, "s", 30, 20000), ERR_QUOTA_EXCEEDED);
    MUST_EQ(core_commit(&rig, t, &commit), ERR_OK);
    MUST_EQ(core_put_large(&rig, NULL, "s", 31, 20000), ERR_QUOTA_EXCEEDED);
    MUST_EQ(core_put_large(&rig, NULL, "s", 31, 5000), ERR_OK);
    core_close(&rig);
}
END_TEST

/* Where merging fails, nobody waits for it: what surely does not fit is refused. */
START_TEST(nobody_waits_for_a_pass_that_fails)
{
    struct core_rig rig;
    bool existed;

    core_open(&rig, 8);
    MUST_EQ(core_create(&rig, NULL, "s", &(struct store_options){.generate = false}), ERR_OK);
    core_set_quota(&rig, &(struct quota_limits){5000, QUOTA_NONE, QUOTA_NONE});
    MUST_EQ(core_put_large(&rig, NULL, "s", 1, 4000), ERR_OK);
    MUST_EQ(core_delete(&rig, NULL, "s", 1, &existed), ERR_OK);
    core_settle(&rig);
    rig.db->passes.error = ERR_NO_SPACE;
    MUST_EQ(core_put_large(&rig, NULL, "s", 2, 4000), ERR_QUOTA_EXCEEDED);
    rig.db->passes.error = ERR_OK;
    MUST_EQ(core_put_large(&rig, NULL, "s", 2, 4000), ERR_OK);
    core_close(&rig);
}
END_TEST

START_TEST(rows_have_golden_bytes)
{
    static const char row[] = "\x84\xa1v\x01\xa5" "bytes\xce\x00\x01\x86\xa0\xa6stores\xc0\xac"
                              "transactions\x07";
    const struct vault_row *kept;
    struct core_rig rig;

    core_open(&rig, 9);
    core_set_quota(&rig, &(struct quota_limits){100000, QUOTA_NONE, 7});
    kept = db_vault_find(rig.db, slice_text("qmain"));
    MUST(kept);
    MUST(slice_equal(vault_row_value(kept), slice_make(row, sizeof row - 1)));
    core_set_quota(&rig, &(struct quota_limits){QUOTA_NONE, QUOTA_NONE, QUOTA_NONE});
    MUST(!db_vault_find(rig.db, slice_text("qmain")));
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quotas");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(all, 0);
    tcase_add_loop_test(all, what_is_refused_is_what_does_not_fit, 0, 4);
    tcase_add_test(all, rows_have_golden_bytes);
    tcase_add_test(all, large_commits_count);
    tcase_add_test(all, nobody_waits_for_a_pass_that_fails);
    suite_add_tcase(suite, all);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
