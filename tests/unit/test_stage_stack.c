/* test_stage_stack.c - stages are pushed, grow, are sealed, merged and taken out in any order that
 * is allowed; after each step the stack hangs together, and its sums are those of a walk. */
#include "server/txn/stage_stack.h"
#include "tests/unit/core_rig.h"

#include <stdlib.h>
#include <string.h>

#define STEPS 4000

struct rig {
    struct sim *sim;
    struct stage_stack all;
    uint64_t commit, now_ms;
};

static void push(struct rig *rig)
{
    struct stage *s = stage_new(sim_table(rig->sim), ++rig->all.made);

    MUST(s != NULL);
    stage_stack_push(&rig->all, s);
}

static void rig_open(struct rig *rig, uint64_t seed)
{
    memset(rig, 0, sizeof *rig);
    rig->sim = sim_new(seed);
    stage_stack_init(&rig->all, sim_table(rig->sim));
    push(rig);
}

static void rig_close(struct rig *rig)
{
    stage_stack_fini(&rig->all, sim_table(rig->sim));
    MUST_EQ(sim_alloc_outstanding(rig->sim), 0);
    sim_free(rig->sim);
}

/* A commit lands in the open stage. */
static void grow(struct rig *rig, size_t bytes)
{
    struct stage *s = rig->all.newest;
    uint64_t before = s->arena.bytes;

    MUST(arena_alloc(&s->arena, bytes) != NULL);
    stage_stack_grown(&rig->all, before);
    s->last_commit = ++rig->commit;
    if (!s->first_commit)
        s->first_commit = s->last_commit;
}

static void rotate(struct rig *rig)
{
    if (!rig->all.newest->first_commit)
        return;
    stage_stack_seal(&rig->all, ++rig->now_ms);
    push(rig);
}

/* The oldest sealed ones are merged, as a pass does. */
static void merge(struct rig *rig, uint64_t count)
{
    struct stage *s = rig->all.oldest;

    while (s && s->state == STAGE_AMALGAMATED)
        s = s->above;
    for (; count && s && s->state == STAGE_SEALED; count--, s = s->above) {
        stage_move(s, STAGE_AMALGAMATING);
        MUST(stage_stack_check(&rig->all));
        stage_stack_amalgamated(&rig->all, s, ++rig->now_ms);
    }
}

/* Any amalgamated one goes, not only the oldest: somebody may still read that. */
static void let_go(struct rig *rig, uint64_t skip)
{
    struct stage *s = stage_stack_newest_amalgamated(&rig->all);

    for (; skip && s && s->below; skip--)
        s = s->below;
    if (!s)
        return;
    stage_stack_remove(&rig->all, s);
    stage_stack_discard(&rig->all, &s->arena);
    stage_free(s);
}

START_TEST(the_sums_are_those_of_a_walk_whatever_happens)
{
    struct rig rig;

    rig_open(&rig, (uint64_t)_i);
    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t r = sim_random(rig.sim, UINT32_MAX);

        switch (r % 8) {
        case 0: rotate(&rig); break;
        case 1: merge(&rig, 1 + r / 8 % 3); break;
        case 2: let_go(&rig, r / 8 % 4); break;
        case 3:
            MUST(stage_stack_spare(&rig.all, sim_table(rig.sim)) == ERR_OK);
            rig.all.spares_needed = r / 8 % 5;
            break;
        default: grow(&rig, 1 + r / 8 % 3000);
        }
        MUST(stage_stack_check(&rig.all));
    }
    rig_close(&rig);
}
END_TEST

START_TEST(what_waits_for_a_pass_has_waited_since_the_first_was_sealed)
{
    struct rig rig;

    rig_open(&rig, 1);
    grow(&rig, 10);
    rotate(&rig);
    MUST_EQ(rig.all.sealed_ms, 1);
    grow(&rig, 10);
    rotate(&rig);
    MUST_EQ(rig.all.sealed_ms, 1);
    MUST_EQ(rig.all.sealed_last_ms, 2);
    merge(&rig, 1);
    MUST_EQ(rig.all.sealed_ms, 3); /* what is left begins to wait */
    MUST_EQ(rig.all.sealed_count, 1);
    rig_close(&rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("stage_stack");
    TCase *tc = tcase_create("stage_stack");

    tcase_add_loop_test(tc, the_sums_are_those_of_a_walk_whatever_happens, 1, 9);
    tcase_add_test(tc, what_waits_for_a_pass_has_waited_since_the_first_was_sealed);
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
