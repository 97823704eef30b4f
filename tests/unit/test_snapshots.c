/* test_snapshots.c - which open snapshot reads what, beside a count of commits one by one. */
#include "server/txn/snapshots.h"
#include "tests/unit/core_rig.h"

#include <stdlib.h>
#include <string.h>

#define OPEN_MAX 12
#define COMMITS 40
#define TURNS 2000
#define STAGES 4

struct rig {
    struct sim *sim;
    struct snapshots all;
    struct snapshot *open[OPEN_MAX]; /* NULL: none */
    struct stage stages[STAGES];     /* without records: from which commit to which */
};

static uint64_t below(struct rig *rig, uint64_t limit)
{
    return sim_random(rig->sim, limit);
}

static void rig_open(struct rig *rig, uint64_t seed)
{
    uint64_t commit = 1;

    memset(rig, 0, sizeof *rig);
    rig->sim = sim_new(seed);
    snapshots_init(&rig->all);
    for (unsigned i = 0; i < STAGES; i++) {
        struct stage *s = &rig->stages[i];

        s->first_commit = commit;
        s->last_commit = commit + below(rig, COMMITS / STAGES);
        s->arena.bytes = 1u << i;
        s->state = STAGE_AMALGAMATED;
        s->above = i + 1 < STAGES ? s + 1 : NULL;
        s->below = i ? s - 1 : NULL;
        commit = s->last_commit + 1;
    }
}

static bool has_commit(const struct rig *rig, uint64_t commit)
{
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        if (rig->open[i] && rig->open[i]->commit == commit)
            return true;
    }
    return false;
}

static void take(struct rig *rig, unsigned i)
{
    uint64_t commit = 1 + below(rig, COMMITS);
    struct snapshot *s;

    if (has_commit(rig, commit))
        return; /* it would be shared */
    s = snapshots_alloc(&rig->all, sim_table(rig->sim));
    memset(s, 0, sizeof *s);
    s->commit = commit;
    s->root_commit = below(rig, commit + 1);
    s->refs = 1;
    list_init(&s->versions);
    snapshots_add(&rig->all, s);
    rig->open[i] = s;
}

static void let_go(struct rig *rig, unsigned i)
{
    struct snapshot *s = rig->open[i];

    s->refs = 0;
    list_remove(&s->in_taken);
    list_remove(&s->in_commit);
    snapshots_dealloc(&rig->all, sim_table(rig->sim), s);
    rig->open[i] = NULL;
}

static void rig_close(struct rig *rig)
{
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        if (rig->open[i])
            let_go(rig, i);
    }
    snapshots_fini(&rig->all, sim_table(rig->sim));
    MUST_EQ(sim_alloc_outstanding(rig->sim), 0);
    sim_free(rig->sim);
}

/* A commit of the stage that the snapshot sees and its root has not. */
static bool reads(const struct snapshot *s, const struct stage *stage)
{
    for (uint64_t c = stage->first_commit; c <= stage->last_commit; c++) {
        if (c <= s->commit && c > s->root_commit)
            return true;
    }
    return false;
}

/* Every stage is asked for, from the newest down, and each snapshot is passed once. */
static void check_stages(struct rig *rig)
{
    struct stage_readers readers = stage_readers(&rig->all);
    uint64_t steps = rig->all.steps;

    for (unsigned k = STAGES; k-- > 0;) {
        const struct stage *stage = &rig->stages[k];
        bool any = false;

        for (unsigned i = 0; i < OPEN_MAX; i++)
            any = any || (rig->open[i] && reads(rig->open[i], stage));
        MUST(stage_has_reader(&readers, stage) == any);
    }
    MUST(rig->all.steps - steps <= OPEN_MAX);
}

static void check_expiring(struct rig *rig, const struct stage *stage)
{
    snapshots_expire_stage(&rig->all, stage);
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        struct snapshot *s = rig->open[i];

        MUST(!s || s->is_expiring == reads(s, stage));
        if (s)
            s->is_expiring = false;
    }
}

static void check_held(struct rig *rig)
{
    for (unsigned i = 0; i < OPEN_MAX; i++) {
        uint64_t held = 0;

        for (unsigned k = 0; rig->open[i] && k < STAGES; k++)
            held += reads(rig->open[i], &rig->stages[k]) ? rig->stages[k].arena.bytes : 0;
        if (rig->open[i])
            MUST_EQ(snapshot_held_bytes(rig->open[i], &rig->stages[0]), held);
    }
}

static void check_commits(struct rig *rig, struct snapshot_finger *finger, uint64_t from,
                          uint64_t to)
{
    struct snapshot *newest = NULL;

    for (unsigned i = 0; i < OPEN_MAX; i++) {
        struct snapshot *s = rig->open[i];

        if (s && s->commit >= from && s->commit < to && (!newest || s->commit > newest->commit))
            newest = s;
    }
    MUST(snapshot_versions(finger, from, to) == (newest ? &newest->versions : NULL));
}

START_TEST(who_reads_a_stage_is_known)
{
    struct rig rig;

    rig_open(&rig, (uint64_t)_i + 1);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        unsigned i = (unsigned)below(&rig, OPEN_MAX);
        uint64_t from = below(&rig, COMMITS + 2);
        struct snapshot_finger finger;

        if (rig.open[i])
            let_go(&rig, i);
        else
            take(&rig, i);
        check_stages(&rig);
        check_expiring(&rig, &rig.stages[below(&rig, STAGES)]);
        finger = snapshot_finger(&rig.all);
        for (uint64_t to = from; to < from + COMMITS; to += 1 + below(&rig, COMMITS))
            check_commits(&rig, &finger, from, to);
        check_held(&rig);
    }
    rig_close(&rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("snapshots");
    TCase *tc = tcase_create("snapshots");

    tcase_add_loop_test(tc, who_reads_a_stage_is_known, 0, 10);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
