/* test_merge.c - merges at their edges: sizes, empty trees, many stores, held and
 * intermediate roots, and what becomes of the space. */
#include "tests/unit/primary_rig.h"

#include <check.h>
#include <stdlib.h>

#define JOINED_BYTES 120 /* a record of 116 bytes and its share of half empty pages */

static void must_merge(struct rig *rig, struct rig_batch *batch, const struct rig_merge *how,
                       struct root **out)
{
    enum err e = rig_merge(rig, batch, how, out);

    ck_assert_msg(e == ERR_OK, "%s %s", err_name(e), rig->failure.text);
    rig_batch_fini(batch);
}

static void merge_simple(struct rig *rig, struct rig_batch *batch)
{
    struct rig_merge how = {0};

    must_merge(rig, batch, &how, NULL);
}

static void put_numbers(struct rig *rig, struct rig_batch *batch, uint32_t store,
                        uint64_t first, uint64_t count, uint64_t step, size_t size)
{
    for (uint64_t i = 0; i < count; i++)
        rig_batch_add(batch, store, rig_key_number(rig, first + i * step),
                      rig_noise(rig, sim_random(rig->sim, UINT32_MAX), size));
}

static void delete_all(struct rig *rig, struct rig_batch *batch)
{
    for (size_t i = 0; i < rig->model.count; i++)
        rig_batch_add(batch, rig->model.items[i].store, rig->model.items[i].key, SLICE_NONE);
}

static struct primary_stats stats_of(struct rig *rig)
{
    struct primary_stats stats;

    primary_stats(rig->p, &stats);
    return stats;
}

/* What is stored is what came, at every size at which something changes its form. */
START_TEST(keys_and_values_of_every_size_at_an_edge_are_kept)
{
    static const size_t values[] = {
        0,    1,    2,     127,   128,   4095,  4096,  4097,   8173,           8191,
        8192, 8193, 16383, 16384, 65535, 65536, 65537, 300000, (1u << 20) - 1, 1u << 20};
    static const size_t keys[] = {1, 2, 127, 128, 255, 4095, 4096};
    struct rig_batch batch = {0};
    struct rig rig;

    rig_init(&rig, 7 + (uint64_t)_i, 4096u << _i, 1 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            uint8_t bytes[4096];

            if (values[v] > 70000 && k % 3)
                continue;
            memset(bytes, 0xff, sizeof bytes);
            bytes[keys[k] - 1] = (uint8_t)v;
            rig_batch_add(&batch, 1, rig_bytes(&rig, bytes, keys[k]),
                          rig_noise(&rig, v, values[v]));
        }
    }
    rig_batch_sort(&batch);
    merge_simple(&rig, &batch);
    rig_check(&rig, 50);
    for (size_t i = 0; i < rig.model.count; i += 3) /* and again, merged into what is there */
        rig_batch_add(&batch, 1, rig.model.items[i].key,
                      rig_noise(&rig, i, values[i % (sizeof values / sizeof *values)]));
    merge_simple(&rig, &batch);
    rig_check(&rig, 50);
    rig_crash_and_open(&rig);
    rig_check(&rig, 50);
    rig_fini(&rig);
}
END_TEST

START_TEST(a_tree_of_which_all_is_deleted_vanishes)
{
    struct rig_batch batch = {0};
    struct tree_facts facts;
    struct rig rig;

    rig_init(&rig, (uint64_t)_i, 4096, 1 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    put_numbers(&rig, &batch, 1, 0, 3000, 1, 50);
    put_numbers(&rig, &batch, 2, 0, 1, 1, 50);
    merge_simple(&rig, &batch);
    rig_check(&rig, 10);
    delete_all(&rig, &batch);
    merge_simple(&rig, &batch);
    rig_check(&rig, 0);
    ck_assert(!root_tree_facts(primary_root(rig.p), 1, &facts));
    ck_assert_uint_eq(stats_of(&rig).trees, 0);
    ck_assert_uint_eq(stats_of(&rig).used_bytes, 8192);
    delete_all(&rig, &batch); /* of nothing */
    merge_simple(&rig, &batch);
    ck_assert_uint_eq(stats_of(&rig).file_bytes, 8192); /* all of it went back */
    rig_check(&rig, 0);
    rig_fini(&rig);
}
END_TEST

/* Deletes until one record is left, from every side; the tree gets lower again. */
START_TEST(a_tree_shrinks_to_one_record_at_any_place)
{
    struct rig rig;

    for (unsigned keep = 0; keep < 3; keep++) {
        struct rig_batch batch = {0};

        rig_init(&rig, keep, 4096, 1 << 20);
        ck_assert_int_eq(rig_open(&rig), ERR_OK);
        put_numbers(&rig, &batch, 1, 0, 4000, 1, 60);
        merge_simple(&rig, &batch);
        for (size_t i = 0; i < 4000; i++)
            if (i != (size_t[]){0, 1999, 3999}[keep])
                rig_batch_add(&batch, 1, rig.model.items[i].key, SLICE_NONE);
        merge_simple(&rig, &batch);
        rig_check(&rig, 20);
        ck_assert_uint_le(stats_of(&rig).used_bytes, 8192 + 3 * 512);
        rig_fini(&rig);
    }
}
END_TEST

START_TEST(separators_stay_right_when_the_records_beside_them_go)
{
    struct rig rig;

    rig_init(&rig, (uint64_t)_i, 4096, 1 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    for (unsigned round = 0; round < 30; round++) {
        struct rig_batch batch = {0};
        unsigned start = (unsigned)sim_random(rig.sim, 3000);
        unsigned count = (unsigned)sim_random(rig.sim, 400);

        for (unsigned i = start; i < start + count; i++)
            rig_batch_add(&batch, 1, rig_key_number(&rig, i),
                          round % 2 ? SLICE_NONE
                                    : rig_noise(&rig, i, sim_random(rig.sim, 120)));
        merge_simple(&rig, &batch);
        rig_check(&rig, 30);
    }
    rig_fini(&rig);
}
END_TEST

/* In a high tree, runs of changes here and there: subtrees of every height are taken over, and
 * the edges of the tree grow and shrink. */
START_TEST(high_trees_are_put_together_from_subtrees_of_every_height)
{
    struct rig_batch batch = {0};
    struct rig rig;

    rig_init(&rig, 40 + (uint64_t)_i, 512, 1 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    put_numbers(&rig, &batch, 1, 100000, 6000, 10, 60);
    merge_simple(&rig, &batch);
    for (unsigned round = 0; round < 60; round++) {
        uint64_t first = sim_chance(rig.sim, 30)   ? 160000 - sim_random(rig.sim, 3000)
                         : sim_chance(rig.sim, 30) ? 100000 + sim_random(rig.sim, 3000)
                                                   : 100000 + sim_random(rig.sim, 60000);
        unsigned count = 1 + (unsigned)sim_random(rig.sim, round % 5 ? 8 : 900);
        bool deletes = sim_chance(rig.sim, 60);

        if (sim_chance(rig.sim, 20))
            put_numbers(&rig, &batch, 1, 160000 + round * 1000, count, 1, 60);
        else
            for (unsigned i = 0; i < count; i++)
                rig_batch_add(&batch, 1, rig_key_number(&rig, first - first % 10 + 10 * i),
                              deletes ? SLICE_NONE : rig_noise(&rig, i, 60));
        if (sim_chance(rig.sim, 40)) { /* the right edge is cut off somewhere */
            uint64_t cut = rig.model.count - sim_random(rig.sim, rig.model.count / 10 + 1);

            for (size_t i = cut; i < rig.model.count; i++)
                rig_batch_add(&batch, 1, rig.model.items[i].key, SLICE_NONE);
        }
        rig_batch_sort(&batch);
        merge_simple(&rig, &batch);
        rig_check(&rig, 10);
    }
    rig_fini(&rig);
}
END_TEST

/* Leaves that lose a record now and then take a neighbour in before they are nearly empty. */
START_TEST(pages_that_lose_their_records_are_joined)
{
    struct rig_batch batch = {0};
    struct rig rig;

    rig_init(&rig, 5, 4096, 1 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    put_numbers(&rig, &batch, 1, 0, 3000, 1, 100);
    merge_simple(&rig, &batch);
    while (rig.model.count > 150) {
        for (unsigned i = 0; i < 5; i++)
            rig_batch_add(&batch, 1, rig.model.items[sim_random(rig.sim, rig.model.count)].key,
                          SLICE_NONE);
        rig_batch_sort(&batch);
        merge_simple(&rig, &batch);
    }
    rig_check(&rig, 50);
    ck_assert_uint_le(stats_of(&rig).used_bytes - 8192, 150 * JOINED_BYTES);
    rig_fini(&rig);
}
END_TEST

START_TEST(stores_are_dropped_and_counters_kept)
{
    static const uint32_t dropped[] = {2, 3, 9, 77};
    static const struct merge_counter first[] = {{1, 10}, {3, 30}, {4, 40}, {50, 500}};
    static const struct merge_counter second[] = {{1, 5}, {2, 99}, {4, 41}, {60, 1}};
    struct rig_batch batch = {0};
    struct rig_merge how = {.counters = first, .counter_count = 4};
    struct tree_facts facts;
    struct rig rig;

    rig_init(&rig, 3, 4096, 1 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    for (uint32_t store = 1; store < 12; store++)
        put_numbers(&rig, &batch, store, 0, store * 100, 1, 40);
    must_merge(&rig, &batch, &how, NULL);
    rig_check(&rig, 5);
    ck_assert(root_tree_facts(primary_root(rig.p), 50, &facts));
    ck_assert_uint_eq(facts.counter, 500);
    ck_assert_uint_eq(facts.records, 0);

    how = (struct rig_merge){
        .counters = second, .counter_count = 4, .dropped = dropped, .dropped_count = 4};
    put_numbers(&rig, &batch, 3, 50, 10, 1, 40); /* to a store that ends: it is not kept */
    put_numbers(&rig, &batch, 4, 50, 10, 1, 40);
    put_numbers(&rig, &batch, 77, 50, 10, 1, 40);
    must_merge(&rig, &batch, &how, NULL);
    rig_check(&rig, 5);
    ck_assert(!root_tree_facts(primary_root(rig.p), 2, &facts));
    ck_assert(!root_tree_facts(primary_root(rig.p), 3, &facts));
    ck_assert(!root_tree_facts(primary_root(rig.p), 77, &facts));
    ck_assert(root_tree_facts(primary_root(rig.p), 1, &facts));
    ck_assert_uint_eq(facts.counter, 10); /* never falls */
    ck_assert(root_tree_facts(primary_root(rig.p), 4, &facts));
    ck_assert_uint_eq(facts.counter, 41);
    delete_all(&rig, &batch);
    merge_simple(&rig, &batch);
    rig_crash_and_open(&rig);
    rig_check(&rig, 0);
    ck_assert(
        root_tree_facts(primary_root(rig.p), 4, &facts)); /* without records it lives on */
    ck_assert_uint_eq(facts.counter, 41);
    ck_assert_uint_eq(stats_of(&rig).trees, 4); /* 1, 4, 50, 60 */
    rig_fini(&rig);
}
END_TEST

START_TEST(a_thousand_stores_live_in_one_root)
{
    struct rig_batch batch = {0};
    struct rig rig;

    rig_init(&rig, 5, 4096, 1 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    for (uint32_t store = 0; store < 1000; store++)
        put_numbers(&rig, &batch, store * 3, 0, 1 + sim_random(rig.sim, 5), 1, 30);
    merge_simple(&rig, &batch);
    rig_check(&rig, 1);
    for (uint32_t store = 0; store < 1500; store += 7)
        put_numbers(&rig, &batch, store, 3, 2, 1, 30);
    merge_simple(&rig, &batch);
    rig_crash_and_open(&rig);
    rig_check(&rig, 1);
    rig_fini(&rig);
}
END_TEST

/* One change in a large tree writes a path, not a tree. */
START_TEST(what_no_change_falls_into_is_taken_over_unread)
{
    struct rig_batch batch = {0};
    struct primary_stats before, after;
    struct rig rig;

    rig_init(&rig, 5, 4096, 1 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    put_numbers(&rig, &batch, 1, 0, 20000, 1, 100);
    put_numbers(&rig, &batch, 2, 0, 20000, 1, 100);
    merge_simple(&rig, &batch);
    before = stats_of(&rig);
    put_numbers(&rig, &batch, 1, 10000, 1, 1, 100);
    merge_simple(&rig, &batch);
    after = stats_of(&rig);
    ck_assert_uint_le(after.pages_written - before.pages_written, 4 + 4);
    rig_check(&rig, 20);
    before = stats_of(&rig);
    merge_simple(&rig, &batch); /* no change at all: only the slots */
    after = stats_of(&rig);
    ck_assert_uint_eq(after.pages_written, before.pages_written);
    rig_check(&rig, 20);
    rig_fini(&rig);
}
END_TEST

/* A little at a time, in order, in reverse and everywhere: pages stay well filled. */
START_TEST(pages_stay_filled_whatever_the_order_of_the_passes)
{
    struct rig rig;
    uint64_t packed;

    rig_init(&rig, 5, 4096, 1 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    for (unsigned round = 0; round < 60; round++) {
        struct rig_batch batch = {0};

        for (unsigned i = 0; i < 100; i++) {
            uint64_t n = _i == 0   ? round * 100 + i
                         : _i == 1 ? 6000 - round * 100 + i
                                   : sim_random(rig.sim, 1000000);

            rig_batch_add(&batch, 1, rig_key_number(&rig, n), rig_noise(&rig, n, 100));
        }
        rig_batch_sort(&batch);
        merge_simple(&rig, &batch);
    }
    rig_check(&rig, 100);
    packed = stats_of(&rig).used_bytes - 8192;
    /* 116 bytes of which about 60 do not pack, and half of a page's last unit. */
    ck_assert_uint_le(packed / stats_of(&rig).records, 125);
    rig_fini(&rig);
}
END_TEST

#define HELD 10

START_TEST(held_roots_read_the_same_while_later_merges_reuse_space)
{
    struct root *held[HELD] = {0};
    struct rig_model models[HELD] = {0};
    struct rig rig;

    rig_init(&rig, 70 + (uint64_t)_i, 4096, 64 << 10);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    for (unsigned round = 0; round < 40; round++) {
        struct rig_batch batch = {0};
        struct rig_merge how = {0};
        unsigned slot = (unsigned)sim_random(rig.sim, HELD);
        struct root *root;

        for (unsigned i = 0; i < 200; i++)
            rig_batch_add(
                &batch, 1 + (uint32_t)sim_random(rig.sim, 2),
                rig_key_number(&rig, sim_random(rig.sim, 1500)),
                sim_chance(rig.sim, 30)
                    ? SLICE_NONE
                    : rig_noise(&rig, sim_random(rig.sim, 1u << 30), sim_random(rig.sim, 300)));
        rig_batch_sort(&batch);
        must_merge(&rig, &batch, &how, &root);
        if (held[slot]) {
            rig_check_root(&rig, held[slot], &models[slot], 5);
            root_unref(held[slot]);
            rig_model_fini(&models[slot]);
        }
        held[slot] = root;
        models[slot] = rig_model_copy(&rig.model);
        rig_check(&rig, 5);
    }
    for (unsigned slot = 0; slot < HELD; slot++) {
        if (!held[slot])
            continue;
        rig_check_root(&rig, held[slot], &models[slot], 5);
        root_unref(held[slot]);
        rig_model_fini(&models[slot]);
    }
    for (unsigned i = 0; i < 2; i++) {
        struct rig_batch batch = {0};

        put_numbers(&rig, &batch, 1, 0, 1, 1, 10);
        merge_simple(&rig, &batch);
    }
    /* Nobody holds anything old: only what the last pass replaced may wait. */
    ck_assert_uint_le(stats_of(&rig).held_bytes, 16 * 4096);
    rig_check(&rig, 5);
    rig_fini(&rig);
}
END_TEST

/* A life with intermediate roots: gone on from, left aside, held and given back at random. */
START_TEST(intermediate_roots_are_gone_on_from_or_left_aside)
{
    struct root *held[HELD] = {0};
    struct rig_model models[HELD] = {0};
    struct root *tip = NULL; /* an intermediate root to go on from */
    struct rig_model durable;
    uint64_t durable_commit = 0;
    struct rig rig;

    rig_init(&rig, 300 + (uint64_t)_i, 4096, 64 << 10);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    durable = rig_model_copy(&rig.model);
    for (unsigned round = 0; round < 60; round++) {
        struct rig_batch batch = {0};
        struct rig_merge how = {.intermediate = sim_chance(rig.sim, 50)};
        unsigned slot = (unsigned)sim_random(rig.sim, HELD);
        struct root *root;

        if (tip && sim_chance(rig.sim, 30)) { /* left aside */
            root_unref(tip);
            tip = NULL;
            rig_model_fini(&rig.model);
            rig.model = rig_model_copy(&durable);
        }
        how.from = tip;
        for (unsigned i = 0; i < 60; i++)
            rig_batch_add(
                &batch, 1, rig_key_number(&rig, sim_random(rig.sim, 1500)),
                sim_chance(rig.sim, 30)
                    ? SLICE_NONE
                    : rig_noise(&rig, sim_random(rig.sim, 1u << 30), sim_random(rig.sim, 300)));
        rig_batch_sort(&batch);
        if (sim_chance(rig.sim, 15)) { /* a merge that fails changes nothing */
            sim_fail_write_at(rig.sim, 1);
            ck_assert_int_eq(rig_merge(&rig, &batch, &how, &root), ERR_IO);
            sim_fail_clear(rig.sim);
        }
        must_merge(&rig, &batch, &how, &root);
        if (tip)
            root_unref(tip);
        tip = NULL;
        if (how.intermediate) {
            tip = root_ref(root);
        } else {
            rig_model_fini(&durable);
            durable = rig_model_copy(&rig.model);
            durable_commit = rig.commit;
        }
        if (held[slot]) {
            rig_check_root(&rig, held[slot], &models[slot], 5);
            root_unref(held[slot]);
            rig_model_fini(&models[slot]);
        }
        held[slot] = root;
        models[slot] = rig_model_copy(&rig.model);
        ck_assert_int_eq(primary_check(rig.p, &rig.failure), ERR_OK);
        rig_check_root(&rig, primary_root(rig.p), &durable, 3);
    }
    for (unsigned slot = 0; slot < HELD; slot++) {
        if (!held[slot])
            continue;
        rig_check_root(&rig, held[slot], &models[slot], 5);
        root_unref(held[slot]);
        rig_model_fini(&models[slot]);
    }
    if (tip)
        root_unref(tip);
    /* After a crash only what was durable is there. */
    rig_model_fini(&rig.model);
    rig.model = durable;
    rig_crash_and_open(&rig);
    ck_assert_uint_eq(root_facts(primary_root(rig.p))->commit, durable_commit);
    rig_check(&rig, 20);
    rig_fini(&rig);
}
END_TEST

START_TEST(the_file_settles_and_shrinks)
{
    struct rig_batch batch = {0};
    struct primary_stats stats;
    uint64_t full;
    struct rig rig;

    rig_init(&rig, 5, 8192, 1 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    for (unsigned pass = 0; pass < 6; pass++) {
        put_numbers(&rig, &batch, 1, 0, 10000, 1, 100);
        merge_simple(&rig, &batch);
        stats = stats_of(&rig);
        ck_assert_uint_le(stats.file_bytes, stats.used_bytes * 5 / 2);
    }
    full = stats.file_bytes;
    for (unsigned pass = 0; pass < 3; pass++) {
        put_numbers(&rig, &batch, 1, 77, 1, 1, 100);
        merge_simple(&rig, &batch);
    }
    rig_check(&rig, 10);
    stats = stats_of(&rig);
    ck_assert_uint_lt(stats.file_bytes, full);
    for (unsigned i = 100; i < 10000; i++)
        rig_batch_add(&batch, 1, rig_key_number(&rig, i), SLICE_NONE);
    merge_simple(&rig, &batch);
    for (unsigned pass = 0; pass < 4; pass++) {
        put_numbers(&rig, &batch, 1, 0, 100, 1, 100);
        merge_simple(&rig, &batch);
    }
    stats = stats_of(&rig);
    ck_assert_uint_le(stats.file_bytes, 128 << 10); /* copies lie 64 KiB apart */
    rig_check(&rig, 10);
    rig_fini(&rig);
}
END_TEST

/* However small the pieces, the work is the same. */
START_TEST(a_merge_can_stop_anywhere)
{
    struct rig rig;

    rig_init(&rig, 5, 4096, 1 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    rig.bytes_max = 1;
    for (unsigned round = 0; round < 6; round++) {
        struct rig_batch batch = {0};
        static const uint32_t dropped[] = {3};
        struct rig_merge how = {.dropped = dropped, .dropped_count = round == 4};

        put_numbers(&rig, &batch, 1, round * 17, 700, 2, 80);
        if (round < 4)
            put_numbers(&rig, &batch, 3, round * 31, 700, 3, 80);
        must_merge(&rig, &batch, &how, NULL);
        rig_check(&rig, 10);
    }
    rig_fini(&rig);
}
END_TEST

/* What the cache held before a pass it holds after it. */
START_TEST(the_cache_gets_the_successors_of_what_it_held)
{
    struct rig_batch batch = {0};
    struct primary_stats before, after;
    struct rig rig;

    rig_init(&rig, 5, 4096, 16 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    put_numbers(&rig, &batch, 1, 0, 5000, 1, 100);
    merge_simple(&rig, &batch);
    rig_check_root(&rig, primary_root(rig.p), &rig.model, 0);
    put_numbers(&rig, &batch, 1, 0, 5000, 1, 100);
    merge_simple(&rig, &batch);
    before = stats_of(&rig);
    rig_check_root(&rig, primary_root(rig.p), &rig.model, 100);
    after = stats_of(&rig);
    ck_assert_uint_eq(after.cache_misses, before.cache_misses);
    rig_fini(&rig);
}
END_TEST

/* A pass over what nobody asked for does not drive out what somebody did. */
START_TEST(the_cache_gets_no_leaves_that_nobody_asked_for)
{
    struct rig_batch batch = {0};
    struct rig rig;

    rig_init(&rig, 5, 4096, 16 << 20);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    put_numbers(&rig, &batch, 1, 0, 5000, 1, 100);
    merge_simple(&rig, &batch);
    put_numbers(&rig, &batch, 1, 0, 5000, 1, 100);
    merge_simple(&rig, &batch);
    ck_assert_uint_le(stats_of(&rig).cache_bytes, 64 << 10);
    rig_fini(&rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("merge");
    TCase *tc = tcase_create("merge");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, keys_and_values_of_every_size_at_an_edge_are_kept, 0, 3);
    tcase_add_loop_test(tc, a_tree_of_which_all_is_deleted_vanishes, 0, 2);
    tcase_add_test(tc, a_tree_shrinks_to_one_record_at_any_place);
    tcase_add_loop_test(tc, separators_stay_right_when_the_records_beside_them_go, 0, 4);
    tcase_add_loop_test(tc, high_trees_are_put_together_from_subtrees_of_every_height, 0, 12);
    tcase_add_test(tc, pages_that_lose_their_records_are_joined);
    tcase_add_test(tc, stores_are_dropped_and_counters_kept);
    tcase_add_test(tc, a_thousand_stores_live_in_one_root);
    tcase_add_test(tc, what_no_change_falls_into_is_taken_over_unread);
    tcase_add_loop_test(tc, pages_stay_filled_whatever_the_order_of_the_passes, 0, 3);
    tcase_add_loop_test(tc, held_roots_read_the_same_while_later_merges_reuse_space, 0, 4);
    tcase_add_loop_test(tc, intermediate_roots_are_gone_on_from_or_left_aside, 0, 8);
    tcase_add_test(tc, the_file_settles_and_shrinks);
    tcase_add_test(tc, a_merge_can_stop_anywhere);
    tcase_add_test(tc, the_cache_gets_the_successors_of_what_it_held);
    tcase_add_test(tc, the_cache_gets_no_leaves_that_nobody_asked_for);
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
