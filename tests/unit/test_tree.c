/* test_tree.c - reading: waits, shared loads, cursors, and the cache's limit. */
#include "tests/unit/primary_rig.h"

#include <check.h>
#include <stdlib.h>

#define RECORDS 2000

static unsigned woken;
static unsigned ready_calls;

static void on_wake(struct wait *w)
{
    woken++;
}

static void on_ready(void *context)
{
    ready_calls++;
}

/* One store of RECORDS records, reopened so that nothing is cached; every read waits. */
static void tree_make(struct rig *rig, uint64_t seed, uint64_t cache_bytes)
{
    struct rig_batch batch = {0};

    rig_init(rig, seed, 4096, cache_bytes);
    ck_assert_int_eq(rig_open(rig), ERR_OK);
    for (unsigned i = 0; i < RECORDS; i++)
        rig_batch_add(&batch, 1, rig_key_number(rig, 2 * i), rig_noise(rig, i, 100));
    ck_assert_int_eq(rig_merge_simple(rig, &batch), ERR_OK);
    rig_batch_fini(&batch);
    rig_close(rig);
    ck_assert_int_eq(rig_open(rig), ERR_OK);
    sim_knobs(rig->sim)->wait_percent = 100;
    woken = ready_calls = 0;
}

static enum err get(struct rig *rig, unsigned i, struct wait *w, struct slice *value)
{
    return tree_get(primary_root(rig->p), 1, rig->model.items[i].key, w, value, &rig->failure);
}

START_TEST(a_wait_is_woken_once_and_not_inside_another_call)
{
    struct slice value;
    struct rig rig;
    struct wait w;
    unsigned rounds = 0;

    tree_make(&rig, 1, 1 << 20);
    wait_init(&w, on_wake);
    primary_on_ready(rig.p, on_ready, NULL);
    while (get(&rig, 7, &w, &value) == ERR_WAIT) {
        ck_assert_int_eq(get(&rig, 7, &w, &value), ERR_WAIT); /* asking again changes nothing */
        ck_assert_uint_eq(sim_jobs(rig.sim), 1);
        ck_assert(primary_is_busy(rig.p));
        ck_assert(!primary_wake(rig.p));
        sim_run_until_idle(rig.sim);
        ck_assert_uint_eq(woken, rounds);
        ck_assert_uint_eq(ready_calls, rounds + 1);
        ck_assert(primary_wake(rig.p));
        ck_assert(!primary_wake(rig.p));
        ck_assert_uint_eq(woken, ++rounds);
    }
    ck_assert_uint_ge(rounds, 2); /* a level each */
    ck_assert(slice_equal(value, rig.model.items[7].value));
    ck_assert(!primary_is_busy(rig.p));
    wait_release(rig.p, &w);
    rig_fini(&rig);
}
END_TEST

#define WAITS 20

START_TEST(many_waits_share_one_load_and_each_is_woken)
{
    struct primary_stats stats;
    struct wait waits[WAITS];
    struct slice value;
    struct rig rig;

    tree_make(&rig, 1, 1 << 20);
    for (unsigned i = 0; i < WAITS; i++) {
        wait_init(&waits[i], on_wake);
        ck_assert_int_eq(get(&rig, i % 5, &waits[i], &value), ERR_WAIT);
    }
    ck_assert_uint_eq(sim_jobs(rig.sim), 1);
    wait_release(rig.p, &waits[3]); /* one goes away meanwhile */
    sim_run_until_idle(rig.sim);
    wait_release(rig.p, &waits[4]); /* and one before it is told */
    primary_wake(rig.p);
    ck_assert_uint_eq(woken, WAITS - 2);
    primary_stats(rig.p, &stats);
    ck_assert_uint_eq(stats.pages_read, 1);
    for (unsigned i = 0; i < WAITS; i++)
        wait_release(rig.p, &waits[i]);
    rig_fini(&rig);
}
END_TEST

START_TEST(one_wait_may_wait_for_several_pages)
{
    struct slice value;
    struct rig rig;
    struct wait w;
    bool more = true;
    unsigned rounds = 0;

    tree_make(&rig, 1, 1 << 20);
    wait_init(&w, on_wake);
    while (more) {
        more = false;
        for (unsigned i = 0; i < RECORDS; i += 100)
            more |= get(&rig, i, &w, &value) == ERR_WAIT;
        if (!more)
            break;
        while (sim_step(rig.sim)) {
            bool any = primary_wake(rig.p);

            ck_assert_int_eq(any, sim_jobs(rig.sim) == 0); /* when all have come */
        }
        ck_assert_uint_eq(woken, ++rounds);
    }
    ck_assert_uint_le(rounds, 4);
    wait_release(rig.p, &w);
    rig_fini(&rig);
}
END_TEST

/* Ascending, some twice, some that are not there (odd). */
static unsigned wants_draw(struct rig *rig, struct tree_want *wants, unsigned *at,
                           unsigned most)
{
    unsigned count = 0;

    for (unsigned i = (unsigned)sim_random(rig->sim, 50); i < 2 * RECORDS && count < most;
         i += (unsigned)sim_random(rig->sim, 120)) {
        at[count] = i;
        wants[count++].key = rig_key_number(rig, i);
    }
    return count;
}

#define WANTS 64

/* _i: a large cache; one in which hardly anything stays; pages read on the loop. */
START_TEST(many_keys_are_read_in_one_pass_whose_misses_are_waited_for_together)
{
    struct tree_want wants[WANTS];
    unsigned at[WANTS], rounds;
    struct rig rig;
    struct wait w;
    enum err e;

    tree_make(&rig, 3, _i == 1 ? 32 << 10 : 1 << 20);
    if (_i == 2)
        sim_knobs(rig.sim)->wait_percent = 0;
    for (unsigned pass = 0; pass < 50; pass++) {
        unsigned count = wants_draw(&rig, wants, at, WANTS);

        wait_init(&w, on_wake);
        for (rounds = 0;; rounds++) {
            e = tree_get_many(primary_root(rig.p), 1, wants, count, &w, &rig.failure);
            if (e != ERR_WAIT)
                break;
            ck_assert_uint_le(sim_jobs(rig.sim), TREE_LOADS_MAX);
            while (!primary_wake(rig.p))
                ck_assert(sim_step(rig.sim));
        }
        ck_assert_int_eq(e, ERR_OK);
        /* the levels above, and then leaves by the load */
        ck_assert_uint_le(rounds, 3 + WANTS / TREE_LOADS_MAX);
        for (unsigned i = 0; i < count; i++) {
            bool is_there = at[i] % 2 == 0;

            ck_assert_int_eq(slice_is_none(wants[i].value), !is_there);
            ck_assert(!is_there ||
                      slice_equal(wants[i].value, rig.model.items[at[i] / 2].value));
        }
        wait_release(rig.p, &w);
        ck_assert(!primary_is_busy(rig.p));
    }
    rig_fini(&rig);
}
END_TEST

START_TEST(a_failed_load_answers_each_wait_once_and_is_tried_again)
{
    struct failure f[2];
    struct wait w[2];
    struct slice value;
    struct rig rig;
    uint64_t offset;
    enum err e;

    tree_make(&rig, 1, 1 << 20);
    for (unsigned i = 0; i < 2; i++) {
        failure_init(&f[i]);
        wait_init(&w[i], on_wake);
    }
    sim_fail_read_at(rig.sim, 1);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(get(&rig, 7, &w[i], &value), ERR_WAIT);
    sim_run_until_idle(rig.sim);
    primary_wake(rig.p);
    ck_assert_uint_eq(woken, 2);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(
            tree_get(primary_root(rig.p), 1, rig.model.items[7].key, &w[i], &value, &f[i]),
            ERR_IO);
        ck_assert_str_eq(f[i].file, PRIMARY_FILE);
    }
    offset = f[0].offset;
    ck_assert_uint_eq(offset, f[1].offset);
    ck_assert_uint_ge(offset, 8192);
    sim_fail_clear(rig.sim);
    for (unsigned i = 0; i < 2; i++) {
        while ((e = get(&rig, 7, &w[i], &value)) == ERR_WAIT) {
            sim_run_until_idle(rig.sim);
            primary_wake(rig.p);
        }
        ck_assert_int_eq(e, ERR_OK);
        ck_assert(slice_equal(value, rig.model.items[7].value));
        wait_release(rig.p, &w[i]);
    }
    rig_fini(&rig);
}
END_TEST

static void must_get(struct rig *rig, unsigned i, struct wait *w, struct slice *value)
{
    ck_assert_int_eq(rig_get(rig, primary_root(rig->p), 1, rig->model.items[i].key, w, value),
                     ERR_OK);
}

START_TEST(the_cache_keeps_its_limit_and_what_is_pinned)
{
    struct primary_stats stats;
    struct slice first, value;
    struct wait keep, w;
    struct rig rig;

    tree_make(&rig, 1, 64 << 10);
    rig_wait_init(&keep);
    rig_wait_init(&w);
    must_get(&rig, 500, &keep, &first);
    for (unsigned round = 0; round < 3 * RECORDS; round++) {
        unsigned i = (unsigned)sim_random(rig.sim, RECORDS);

        must_get(&rig, i, &w, &value);
        ck_assert(slice_equal(value, rig.model.items[i].value));
        wait_release(rig.p, &w);
        ck_assert(
            slice_equal(first, rig.model.items[500].value)); /* borrowed as long as keep */
        primary_stats(rig.p, &stats);
        ck_assert_uint_le(stats.cache_bytes, stats.cache_limit + (32 << 10));
    }
    ck_assert_uint_gt(stats.cache_misses, RECORDS);
    wait_release(rig.p, &keep);
    rig_fini(&rig);
}
END_TEST

/* With room for hardly a page, every read gets on: what it waited for stays. */
START_TEST(a_cache_of_nothing_still_gets_on)
{
    struct rig rig;

    tree_make(&rig, 3, 1);
    rig_check(&rig, 30);
    rig_fini(&rig);
}
END_TEST

START_TEST(what_is_asked_for_often_stays_in_the_cache)
{
    struct primary_stats before, after;
    struct slice value;
    struct rig rig;
    struct wait w;

    tree_make(&rig, 1, 64 << 10);
    rig_wait_init(&w);
    for (unsigned round = 0; round < 2000; round++) {
        must_get(&rig, 5, &w, &value);
        wait_release(rig.p, &w);
        must_get(&rig, (unsigned)sim_random(rig.sim, RECORDS), &w, &value);
        wait_release(rig.p, &w);
    }
    primary_stats(rig.p, &before);
    must_get(&rig, 5, &w, &value);
    wait_release(rig.p, &w);
    primary_stats(rig.p, &after);
    ck_assert_uint_eq(before.cache_misses, after.cache_misses);
    rig_fini(&rig);
}
END_TEST

START_TEST(a_wait_that_yields_is_woken_at_the_next_turn)
{
    struct rig rig;
    struct wait w[2];

    tree_make(&rig, 1, 1 << 20);
    wait_init(&w[0], on_wake);
    wait_init(&w[1], on_wake);
    primary_on_ready(rig.p, on_ready, NULL);
    wait_yield(rig.p, &w[0]);
    wait_yield(rig.p, &w[0]);
    wait_yield(rig.p, &w[1]);
    ck_assert_uint_eq(ready_calls, 1);
    ck_assert_uint_eq(woken, 0);
    wait_release(rig.p, &w[1]);
    ck_assert(primary_wake(rig.p));
    ck_assert_uint_eq(woken, 1);
    ck_assert(!primary_wake(rig.p));
    wait_release(rig.p, &w[0]);
    rig_fini(&rig);
}
END_TEST

/* A random walk: any move from anywhere, checked against the index in the model. */
START_TEST(a_cursor_walks_both_ways_from_anywhere)
{
    struct tree_cursor c;
    struct rig rig;
    struct wait w;
    size_t at = 0;

    tree_make(&rig, 10 + (uint64_t)_i, 96 << 10);
    sim_knobs(rig.sim)->wait_percent = 40;
    rig_wait_init(&w);
    tree_cursor_init(&c, primary_root(rig.p), 1);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned kind = (unsigned)sim_random(rig.sim, 40);
        enum err e;

        if (!c.valid || kind == 0) {
            bool backwards = sim_chance(rig.sim, 50);

            at = sim_random(rig.sim, RECORDS - 1);
            while ((e = tree_cursor_seek(&c, rig.model.items[at + backwards].key, backwards, &w,
                                         &rig.failure)) == ERR_WAIT)
                rig_wait(&rig, &w);
        } else {
            bool backwards = round % 500 < 200;

            while ((e = backwards ? tree_cursor_previous(&c, &w, &rig.failure)
                                  : tree_cursor_next(&c, &w, &rig.failure)) == ERR_WAIT)
                rig_wait(&rig, &w);
            at += backwards ? (size_t)-1 : 1;
        }
        ck_assert_int_eq(e, ERR_OK);
        if (sim_chance(rig.sim, 30))
            wait_release(rig.p, &w); /* the cursor pins what it stands on by itself */
        ck_assert_int_eq(c.valid, at < RECORDS);
        if (c.valid) {
            ck_assert(slice_equal(c.key, rig.model.items[at].key));
            ck_assert(slice_equal(c.value, rig.model.items[at].value));
        }
    }
    tree_cursor_fini(&c);
    tree_cursor_fini(&c);
    wait_release(rig.p, &w);
    rig_fini(&rig);
}
END_TEST

START_TEST(seeks_at_the_ends_say_what_the_header_says)
{
    struct tree_cursor c;
    struct rig rig;
    struct wait w;
    struct slice none = SLICE_NONE, least = slice_make("", 0), most = slice_text("\xff\xff");
    uint64_t rank;

    tree_make(&rig, 1, 1 << 20);
    sim_knobs(rig.sim)->wait_percent = 0;
    rig_wait_init(&w);
    tree_cursor_init(&c, primary_root(rig.p), 1);
    ck_assert_int_eq(tree_cursor_seek(&c, least, false, &w, NULL), ERR_OK);
    ck_assert(c.valid && slice_equal(c.key, rig.model.items[0].key));
    ck_assert_int_eq(tree_cursor_seek(&c, least, true, &w, NULL), ERR_OK);
    ck_assert(!c.valid);
    ck_assert_int_eq(tree_cursor_seek(&c, most, true, &w, NULL), ERR_OK);
    ck_assert(c.valid && slice_equal(c.key, rig.model.items[RECORDS - 1].key));
    ck_assert_int_eq(tree_cursor_seek(&c, most, false, &w, NULL), ERR_OK);
    ck_assert(!c.valid);
    ck_assert_int_eq(tree_cursor_seek(&c, none, true, &w, NULL), ERR_OK);
    ck_assert(c.valid && slice_equal(c.key, rig.model.items[RECORDS - 1].key));
    ck_assert_int_eq(tree_rank(primary_root(rig.p), 1, none, &w, &rank, NULL), ERR_OK);
    ck_assert_uint_eq(rank, RECORDS);
    ck_assert_int_eq(tree_rank(primary_root(rig.p), 1, least, &w, &rank, NULL), ERR_OK);
    ck_assert_uint_eq(rank, 0);
    tree_cursor_fini(&c);
    tree_cursor_init(&c, primary_root(rig.p), 99); /* no such store */
    ck_assert_int_eq(tree_cursor_seek(&c, none, false, &w, NULL), ERR_OK);
    ck_assert(!c.valid);
    ck_assert_int_eq(tree_rank(primary_root(rig.p), 99, most, &w, &rank, NULL), ERR_OK);
    ck_assert_uint_eq(rank, 0);
    tree_cursor_fini(&c);
    wait_release(rig.p, &w);
    rig_fini(&rig);
}
END_TEST

/* A crash with loads, waits and cursors out leaks nothing. */
START_TEST(abandoning_with_loads_out_leaks_nothing)
{
    struct tree_cursor c;
    struct wait w[5];
    struct slice value;
    struct rig rig;

    tree_make(&rig, 1, 1 << 20);
    rig_wait_init(&w[0]);
    tree_cursor_init(&c, primary_root(rig.p), 1);
    while (tree_cursor_seek(&c, SLICE_NONE, false, &w[0], NULL) == ERR_WAIT)
        rig_wait(&rig, &w[0]);
    wait_release(rig.p, &w[0]);
    for (unsigned i = 0; i < 5; i++) {
        wait_init(&w[i], on_wake);
        ck_assert_int_eq(get(&rig, 400 * i + 200, &w[i], &value), ERR_WAIT);
    }
    sim_step(rig.sim);
    rig_crash_and_open(&rig);
    rig_check(&rig, 3);
    rig_fini(&rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tree");
    TCase *tc = tcase_create("tree");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_wait_is_woken_once_and_not_inside_another_call);
    tcase_add_test(tc, many_waits_share_one_load_and_each_is_woken);
    tcase_add_test(tc, one_wait_may_wait_for_several_pages);
    tcase_add_loop_test(tc, many_keys_are_read_in_one_pass_whose_misses_are_waited_for_together,
                        0, 3);
    tcase_add_test(tc, a_failed_load_answers_each_wait_once_and_is_tried_again);
    tcase_add_test(tc, the_cache_keeps_its_limit_and_what_is_pinned);
    tcase_add_test(tc, a_cache_of_nothing_still_gets_on);
    tcase_add_test(tc, what_is_asked_for_often_stays_in_the_cache);
    tcase_add_test(tc, a_wait_that_yields_is_woken_at_the_next_turn);
    tcase_add_loop_test(tc, a_cursor_walks_both_ways_from_anywhere, 0, 4);
    tcase_add_test(tc, seeks_at_the_ends_say_what_the_header_says);
    tcase_add_test(tc, abandoning_with_loads_out_leaks_nothing);
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
