/* The index of a stage's list, judged by a sorted array. */
#include "server/storage/stage.h"
#include "tests/sim/sim_os.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS_MAX 20000
#define RUN_KEYS 30000 /* of which runs are taken */

struct rig {
    struct sim *sim;
    struct stage write_set;
    struct stamp stamp;
    char keys[KEYS_MAX][24];
    size_t count;
};

static struct slice rig_key(struct rig *r, unsigned shape, uint64_t n, char room[24])
{
    int size;

    if (shape == 0)
        size = snprintf(room, 24, "k%015llu", (unsigned long long)n);
    else if (shape == 1)
        size =
            snprintf(room, 24, "%llx", (unsigned long long)(n * UINT64_C(0x9e3779b97f4a7c15)));
    else
        size = snprintf(room, 24, "%.*s", (int)(1 + n % 20), "aaaaaaaaaaaaaaaaaaaab");
    if (shape == 3)
        size = snprintf(room, 24, "%c%llu", (char)('a' + n % 3), (unsigned long long)n);
    (void)r;
    return slice_make(room, (size_t)size);
}

static int text_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void check_seeks(struct rig *r, const struct stage_store *st, struct slice key)
{
    size_t at = 0;
    struct record *found = stage_seek(st, key), *below = stage_seek_below(st, key);
    size_t low = 0, high = r->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (slice_compare(slice_text(r->keys[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    at = low;
    ck_assert((found != NULL) == (at < r->count));
    if (found)
        ck_assert(slice_equal(record_key(found), slice_text(r->keys[at])));
    ck_assert((below != NULL) == (at > 0));
    if (below)
        ck_assert(slice_equal(record_key(below), slice_text(r->keys[at - 1])));
}

static void run(unsigned shape, unsigned order, size_t count, bool no_memory)
{
    struct rig *r = calloc(1, sizeof *r);
    struct stage_store *st;
    struct record *at;
    char room[24];

    r->sim = sim_new(shape * 10 + order + 1);
    write_set_init(&r->write_set, sim_table(r->sim), NULL);
    for (size_t i = 0; i < count; i++) {
        uint64_t n = order == 0 ? i : order == 1 ? count - i : sim_random(r->sim, count * 4);
        struct slice key = rig_key(r, shape, n, room);
        bool fresh;

        if (no_memory && sim_chance(r->sim, 2))
            sim_fail_alloc_at(r->sim, 1);
        if (!write_set_put(&r->write_set, &r->stamp, 7, key, slice_text("v"), &fresh))
            continue; /* the record itself had no memory: it is not there */
        if (fresh) {
            memcpy(r->keys[r->count], key.data, key.size);
            r->keys[r->count++][key.size] = '\0';
        }
    }
    sim_fail_clear(r->sim);
    qsort(r->keys, r->count, sizeof r->keys[0], text_order);
    st = stage_store_of(&r->write_set, 7);
    at = st->first;
    for (size_t i = 0; i < r->count; i++, at = record_following(at)) {
        ck_assert_ptr_nonnull(at);
        ck_assert(slice_equal(record_key(at), slice_text(r->keys[i])));
        ck_assert_ptr_eq(stage_find(&r->write_set, 7, slice_text(r->keys[i])), at);
    }
    ck_assert_ptr_null(at);
    for (unsigned i = 0; i < 2000; i++)
        check_seeks(r, st, rig_key(r, shape, sim_random(r->sim, count * 5), room));
    check_seeks(r, st, slice_text(""));
    check_seeks(r, st, slice_text("zzzz"));
    at = stage_seek_below(st, SLICE_NONE);
    ck_assert(slice_equal(record_key(at), slice_text(r->keys[r->count - 1])));
    write_set_fini(&r->write_set);
    ck_assert_uint_eq(sim_alloc_outstanding(r->sim), 0);
    sim_free(r->sim);
    free(r);
}

START_TEST(every_key_is_found_and_every_bound_is_met)
{
    for (unsigned order = 0; order < 3; order++) {
        for (size_t count = 1; count <= KEYS_MAX; count = count * 3 + 5)
            run((unsigned)_i, order, count, false);
    }
}
END_TEST

START_TEST(records_without_memory_for_the_index_are_found_all_the_same)
{
    run((unsigned)_i, 2, 6000, true);
    run((unsigned)_i, 0, 6000, true);
}
END_TEST

/* A write-set of some runs of keys that ascend, or come in any order. */
static void commit_runs(struct rig *r, struct stage *s, uint64_t commit, unsigned shape,
                        bool no_memory)
{
    struct os *os = sim_table(r->sim);
    struct stage_spares spares = {0};
    struct stamp *stamp = arena_alloc(&r->write_set.arena, sizeof *stamp);
    char room[24];

    memset(stamp, 0, sizeof *stamp);
    for (uint64_t runs = 1 + sim_random(r->sim, 3); runs > 0; runs--) {
        uint64_t n = sim_random(r->sim, RUN_KEYS), step = 1 + sim_random(r->sim, 3);
        bool ascends = !sim_chance(r->sim, 20);

        for (uint64_t i = 1 + sim_random(r->sim, 120); i > 0; i--) {
            struct slice key = rig_key(r, shape, n, room);
            bool fresh;

            ck_assert_ptr_nonnull(
                write_set_put(&r->write_set, stamp, 7, key, slice_text("v"), &fresh));
            if (fresh && !stage_find(s, 7, key)) {
                memcpy(r->keys[r->count], key.data, key.size);
                r->keys[r->count++][key.size] = '\0';
            }
            n = ascends ? n + step : sim_random(r->sim, RUN_KEYS);
        }
    }
    ck_assert_int_eq(stage_spares_fill(&spares, os, 1), ERR_OK);
    stamp->commit = commit;
    if (no_memory && sim_chance(r->sim, 10))
        sim_fail_from(r->sim, SIM_FAULT_ALLOC, 1);
    stage_link(s, &r->write_set, stamp, &spares);
    sim_fail_clear(r->sim);
    stage_spares_free(&spares, os);
    write_set_fini(&r->write_set);
    write_set_init(&r->write_set, os, NULL);
}

/* Runs of keys land behind, between and upon what is there, and each where it belongs. */
static void link_runs(unsigned shape, bool no_memory)
{
    struct rig *r = calloc(1, sizeof *r);
    uint64_t commit = 0;
    struct stage *s;
    struct record *at;

    r->sim = sim_new(shape + 100);
    s = stage_new(sim_table(r->sim), 1);
    write_set_init(&r->write_set, sim_table(r->sim), NULL);
    while (r->count < KEYS_MAX - 360 && commit < 400) {
        commit_runs(r, s, ++commit, shape, no_memory);
        if (commit % 40 == 0)
            ck_assert(stage_check(s));
    }
    ck_assert(stage_check(s));
    qsort(r->keys, r->count, sizeof r->keys[0], text_order);
    at = stage_store_of(s, 7)->first;
    for (size_t i = 0; i < r->count; i++, at = record_following(at))
        ck_assert(at && slice_equal(record_key(at), slice_text(r->keys[i])));
    ck_assert_ptr_null(at);
    for (unsigned i = 0; i < 2000; i++) {
        char room[24];

        check_seeks(r, stage_store_of(s, 7),
                    rig_key(r, shape, sim_random(r->sim, RUN_KEYS), room));
    }
    write_set_fini(&r->write_set);
    stage_free(s);
    ck_assert_uint_eq(sim_alloc_outstanding(r->sim), 0);
    sim_free(r->sim);
    free(r);
}

START_TEST(runs_are_linked_where_each_key_belongs)
{
    link_runs((unsigned)_i, false);
    link_runs((unsigned)_i, true);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stage_index");
    TCase *cases = tcase_create("index");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, every_key_is_found_and_every_bound_is_met, 0, 4);
    tcase_add_loop_test(cases, records_without_memory_for_the_index_are_found_all_the_same, 0,
                        4);
    tcase_add_loop_test(cases, runs_are_linked_where_each_key_belongs, 0, 4);
    suite_add_tcase(suite, cases);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
