/* Pages that rot: damage stops its own store, and what must still be merged into that goes
 * into its side tree. Every unit of the file is tried, beside a model. */
#include "tests/unit/primary_rig.h"

#include <check.h>
#include <stdlib.h>

#define STORES 4u /* 1 to 3 are there from the beginning */
#define KEYS 300u

/* check writes a line to a file for each ck_assert: too slow for each record. */
#define MUST(fact) ((fact) ? (void)0 : ck_abort_msg("not so: %s", #fact))

static unsigned damage_met,
    lost_met; /* by merges of all tests, so that they show what they do */

struct rot {
    struct rig rig;
    struct tree_damage damaged[STORES + 1]; /* ascending; what the merges have met */
    size_t damaged_count;
    struct rig_model hurt;  /* records that could not be read when the page had rotted, and that
                               were not written since */
    bool is_hurt[STORES + 2];
};

static void changes_add(struct rot *rot, struct rig_batch *batch, unsigned count)
{
    struct rig *rig = &rot->rig;

    for (unsigned i = 0; i < count; i++) {
        uint32_t store = 1 + (uint32_t)sim_random(rig->sim, STORES);

        rig_batch_add(batch, store, rig_key_number(rig, sim_random(rig->sim, KEYS)),
                      sim_chance(rig->sim, 30)
                          ? SLICE_NONE
                          : rig_noise(rig, sim_random(rig->sim, 1u << 30),
                                      sim_chance(rig->sim, 4) ? 9000 : 1 + i % 200));
    }
    rig_batch_sort(batch);
}

static void rot_begin(struct rot *rot, uint64_t seed)
{
    struct rig_batch batch = {0};

    memset(rot, 0, sizeof *rot);
    rig_init(&rot->rig, seed, 1024, 64 << 10);
    ck_assert_int_eq(rig_open(&rot->rig), ERR_OK);
    for (unsigned i = 0; i < 2 * KEYS; i++)
        rig_batch_add(&batch, 1 + i % 3, rig_key_number(&rot->rig, i / 2),
                      rig_noise(&rot->rig, i, i % 50 ? 60 : 3000));
    rig_batch_sort(&batch);
    ck_assert_int_eq(rig_merge_simple(&rot->rig, &batch), ERR_OK);
    rig_batch_fini(&batch);
}

static void rot_fini(struct rot *rot)
{
    rig_model_fini(&rot->hurt);
    rig_fini(&rot->rig);
}

static bool is_in(const struct rig_model *model, uint32_t store, struct slice key)
{
    for (size_t i = 0; i < model->count; i++)
        if (model->items[i].store == store && slice_equal(model->items[i].key, key))
            return true;
    return false;
}

static enum err read_one(struct rot *rot, uint32_t store, struct slice key,
                         struct slice expected)
{
    struct rig *rig = &rot->rig;
    struct slice value;
    struct wait w;
    enum err e;

    rig_wait_init(&w);
    e = rig_get(rig, primary_root(rig->p), store, key, &w, &value);
    if (e == ERR_CORRUPT) {
        MUST(strcmp(rig->failure.file, PRIMARY_FILE) == 0 && rig->failure.offset >= 8192);
    } else if (slice_is_none(expected)) {
        MUST(e == ERR_NOT_FOUND);
    } else {
        MUST(e == ERR_OK && slice_equal(value, expected));
    }
    wait_release(rig->p, &w);
    return e;
}

/* Which records the rot has taken. */
static void rot_look(struct rot *rot)
{
    struct rig *rig = &rot->rig;
    struct rig_batch hurt = {0};

    memset(rot->is_hurt, 0, sizeof rot->is_hurt);
    for (size_t i = 0; i < rig->model.count; i++) {
        const struct rig_record *r = &rig->model.items[i];

        if (read_one(rot, r->store, r->key, r->value) == ERR_CORRUPT) {
            rig_batch_add(&hurt, r->store, r->key, r->value);
            rot->is_hurt[r->store] = true;
        }
    }
    rig_model_fini(&rot->hurt);
    rig_model_apply(rig, &rot->hurt, &hurt, NULL, 0);
    rig_batch_fini(&hurt);
}

static void damage_keep(struct rot *rot, const struct tree_damage *damage)
{
    size_t i = 0;

    while (i < rot->damaged_count && rot->damaged[i].store < damage->store)
        i++;
    if (i < rot->damaged_count && rot->damaged[i].store == damage->store) {
        MUST(damage->is_lost && !rot->damaged[i].is_lost);
        lost_met++;
        rot->damaged[i].is_lost = true;
        return;
    }
    memmove(rot->damaged + i + 1, rot->damaged + i,
            (rot->damaged_count - i) * sizeof *rot->damaged);
    rot->damaged[i] = *damage;
    damage_met++;
    lost_met += damage->is_lost;
    rot->damaged_count++;
}

/* As a pass does: a merge that fails of a store's page is made again with that named. */
static void rot_merge(struct rot *rot, const struct rig_batch *batch, uint32_t dropped)
{
    struct rig *rig = &rot->rig;
    struct rig_batch gone = {0};
    enum err e;

    for (unsigned tries = 0;; tries++) {
        struct rig_merge how = {.damaged = rot->damaged,
                                .damaged_count = rot->damaged_count,
                                .dropped = &dropped,
                                .dropped_count = dropped != 0};

        e = rig_merge(rig, batch, &how, NULL);
        if (e != ERR_CORRUPT || !rig->has_damage)
            break;
        ck_assert_uint_lt(tries, 2 * STORES);
        ck_assert(rot->is_hurt[rig->damage.store]);
        damage_keep(rot, &rig->damage);
    }
    ck_assert_int_eq(e, ERR_OK);
    for (size_t i = 0; i < batch->count; i++)
        rig_batch_add(&gone, batch->items[i].store, batch->items[i].key, SLICE_NONE);
    rig_model_apply(rig, &rot->hurt, &gone, &dropped, dropped != 0);
    rig_batch_fini(&gone);
}

static struct slice model_value(const struct rig_model *model, uint32_t store, struct slice key)
{
    for (size_t i = 0; i < model->count; i++)
        if (model->items[i].store == store && slice_equal(model->items[i].key, key))
            return model->items[i].value;
    return SLICE_NONE;
}

/* Walk a store from one end: all its records in order, up to the first that has been hurt. */
static void rot_walk(struct rot *rot, uint32_t store, bool backwards)
{
    struct rig *rig = &rot->rig;
    const struct rig_model *model = &rig->model;
    struct tree_cursor c;
    struct wait w;
    enum err e;
    size_t i;

    rig_wait_init(&w);
    tree_cursor_init(&c, primary_root(rig->p), store);
    while ((e = tree_cursor_seek(&c, SLICE_NONE, backwards, &w, NULL)) == ERR_WAIT)
        rig_wait(rig, &w);
    i = backwards ? model->count : 0;
    for (;;) {
        while (backwards ? i > 0 && model->items[i - 1].store != store
                         : i < model->count && model->items[i].store != store)
            i = backwards ? i - 1 : i + 1;
        if (e == ERR_CORRUPT) {
            MUST(rot->is_hurt[store]);
            break;
        }
        MUST(e == ERR_OK);
        if (!c.valid) {
            MUST(i == (backwards ? 0 : model->count));
            break;
        }
        if (!slice_is_none(c.value)) {
            const struct rig_record *r = &model->items[backwards ? i - 1 : i];

            MUST(backwards ? i > 0 : i < model->count);
            MUST(slice_equal(c.key, r->key) && slice_equal(c.value, r->value));
            i = backwards ? i - 1 : i + 1;
        } else {
            MUST(rot->is_hurt[store] && !is_in(model, store, c.key));
        }
        while ((e = backwards ? tree_cursor_previous(&c, &w, NULL)
                              : tree_cursor_next(&c, &w, NULL)) == ERR_WAIT)
            rig_wait(rig, &w);
    }
    tree_cursor_fini(&c);
    wait_release(rig->p, &w);
}

/* All reads as nearly as damage lets them: what is hurt says so, all else is right. */
static void rot_check(struct rot *rot, bool is_known)
{
    struct rig *rig = &rot->rig;
    enum err e;

    for (uint32_t store = 1; store <= STORES; store++) {
        for (unsigned k = 0; k < KEYS; k++) {
            struct slice key = rig_key_number(rig, k);
            enum err got = read_one(rot, store, key, model_value(&rig->model, store, key));

            if (got == ERR_CORRUPT)
                MUST(rot->is_hurt[store]);
            if (is_in(&rot->hurt, store, key))
                MUST(got == ERR_CORRUPT);
            else if (!slice_is_none(model_value(&rig->model, store, key)))
                MUST(got == ERR_OK);
        }
        rot_walk(rot, store, false);
        rot_walk(rot, store, true);
    }
    failure_clear(&rig->failure);
    e = primary_check(rig->p, &rig->failure);
    if (is_known && rot->hurt.count)
        ck_assert_int_eq(e, ERR_CORRUPT);
    ck_assert_msg(e == ERR_OK || e == ERR_CORRUPT, "%s: %s @%llu", err_name(e),
                  rig->failure.text, (unsigned long long)rig->failure.offset);
}

/* Merge changes into all stores; then the damaged ones end, and nothing of the damage is left. */
static void rot_live(struct rot *rot)
{
    struct rig *rig = &rot->rig;
    struct rig_batch batch = {0};

    for (unsigned round = 0; round < 3; round++) {
        changes_add(rot, &batch, 120);
        rot_merge(rot, &batch, 0);
        rig_batch_fini(&batch);
        rot_check(rot, true);
        if (round == 1) {
            rig_crash_and_open(rig);
            rot_check(rot, true);
        }
    }
    for (uint32_t store = 1; store <= STORES; store++) {
        if (!rot->is_hurt[store])
            continue;
        rot_merge(rot, &batch, store);
        rot->is_hurt[store] = false;
        rot->damaged_count = 0;
    }
    rot_check(rot, false);
    rig_crash_and_open(rig);
    rig_check(rig, 5);
}

/* One unit after the other, while the database is closed. */
START_TEST(rot_anywhere_stops_its_own_store_only)
{
    unsigned hurt = 0;
    uint64_t size = 0, at;
    struct rot rot;

    rot_begin(&rot, 300);
    rig_close(&rot.rig);
    MUST(sim_file_size(rot.rig.sim, PRIMARY_FILE, &size));
    rot_fini(&rot);
    for (at = 8192 + 512 * (uint64_t)_i; at < size; at += 512 * 7) {
        rot_begin(&rot, 300);
        rig_close(&rot.rig);
        MUST(sim_rot(rot.rig.sim, PRIMARY_FILE, at, 512));
        if (rig_open(&rot.rig) == ERR_OK) {
            rot_look(&rot);
            hurt += rot.hurt.count > 0;
            rot_live(&rot);
        } else {
            ck_assert_str_eq(rot.rig.failure.file, PRIMARY_FILE);
        }
        rot_fini(&rot);
    }
    ck_assert_uint_gt(hurt, 5);
    ck_assert_uint_gt(damage_met, 5);
}
END_TEST

/* Again and again, in pages of any kind, while it is open: side trees rot too. */
START_TEST(rot_upon_rot_never_makes_a_wrong_answer)
{
    struct rig_batch batch = {0};
    struct rot rot;

    rot_begin(&rot, 400 + (uint64_t)_i);
    for (unsigned round = 0; round < 8; round++) {
        uint64_t size;
        enum err e;

        changes_add(&rot, &batch, 60);
        rot_merge(&rot, &batch, 0);
        rig_batch_fini(&batch);
        rig_close(&rot.rig);
        MUST(sim_file_size(rot.rig.sim, PRIMARY_FILE, &size));
        MUST(sim_rot(rot.rig.sim, PRIMARY_FILE,
                     8192 + sim_random(rot.rig.sim, (size - 8192) / 512) * 512, 512));
        e = rig_open(&rot.rig);
        if (e) {
            ck_assert_int_eq(e, ERR_CORRUPT); /* the catalogue */
            break;
        }
        rot_look(&rot);
        for (size_t i = 0; i < rot.damaged_count; i++)
            rot.is_hurt[rot.damaged[i].store] = true;
    }
    if (rot.rig.p)
        rot_check(&rot, false);
    rot_fini(&rot);
    ck_assert(_i < 39 || lost_met > 0);
}
END_TEST

static unsigned bad_copies;
static uint64_t bad_at;

static void on_bad_copy(void *context, uint64_t offset)
{
    (void)context;
    bad_copies++;
    bad_at = offset;
}

/* What all stores depend on is there twice: whichever unit of it rots, nothing is lost, it is said,
 * and the next merge writes both anew. */
START_TEST(one_copy_of_what_all_stores_need_may_rot)
{
    struct rig_batch batch = {0};
    unsigned met = 0;
    uint64_t size;
    struct rig rig;

    rig_init(&rig, 500, 1024, 64 << 10);
    MUST(rig_open(&rig) == ERR_OK);
    for (unsigned i = 0; i < 300; i++)
        rig_batch_add(&batch, i < 200 ? 0 : i, rig_key_number(&rig, i), rig_noise(&rig, i, 60));
    MUST(rig_merge_simple(&rig, &batch) == ERR_OK);
    rig_batch_fini(&batch);
    rig_close(&rig);
    MUST(sim_file_size(rig.sim, PRIMARY_FILE, &size));
    for (uint64_t at = 8192; at < size; at += 512) {
        uint8_t before[512];
        bool hurt = false;

        MUST(sim_file_read(rig.sim, PRIMARY_FILE, at, before, 512));
        MUST(sim_rot(rig.sim, PRIMARY_FILE, at, 512));
        bad_copies = 0;
        ck_assert_int_eq(rig_open(&rig), ERR_OK);
        primary_on_bad_copy(rig.p, on_bad_copy, NULL);
        for (size_t i = 0; i < rig.model.count; i++) {
            const struct rig_record *r = &rig.model.items[i];
            struct slice value;
            struct wait w;

            rig_wait_init(&w);
            hurt = rig_get(&rig, primary_root(rig.p), r->store, r->key, &w, &value) != ERR_OK ||
                   hurt;
            MUST(r->store != 0 || rig.failure.error == ERR_OK);
            wait_release(rig.p, &w);
        }
        MUST(!hurt || !bad_copies);
        if (bad_copies) {
            met++;
            MUST(bad_at / 1024 <= at / 512 && bad_at + 8192 > at);
            ck_assert_int_eq(primary_check(rig.p, &rig.failure), ERR_CORRUPT);
            if (_i == 1)
                rig_batch_add(&batch, 250, rig_key_number(&rig, at), SLICE_NONE);
            MUST(rig_merge_simple(&rig, &batch) == ERR_OK);
            rig_batch_fini(&batch);
            rig_check(&rig, 0);
            MUST(sim_file_size(rig.sim, PRIMARY_FILE, &size));
            rig_close(&rig);
        } else {
            rig_close(&rig);
            MUST(sim_file_write(rig.sim, PRIMARY_FILE, at, before, 512));
        }
    }
    ck_assert_uint_gt(met, 10);
    rig_fini(&rig);
}
END_TEST

/* Both copies of the tree of trees, while the database is open: what it says is known in memory,
 * so the merge after the one that has met it makes it anew. */
static void count_lost(void *context, const struct tree_damage *damage)
{
    ck_assert_uint_eq(damage->store, 12);
    *(unsigned *)context += damage->is_lost;
}

/* An index that is created where its store cannot be read has no tree; that it is lost is known to
 * the next start all the same. */
START_TEST(what_is_lost_stays_lost_without_a_tree)
{
    static const struct tree_damage lost = {.store = 12, .is_lost = true, .offset = 8192};
    struct rig_batch batch = {0};
    struct rig rig;

    rig_init(&rig, 700, 1024, 64 << 10);
    MUST(rig_open(&rig) == ERR_OK);
    for (unsigned i = 0; i < 3; i++) { /* named by the plan; known from the root before */
        struct rig_merge how = {.damaged = &lost, .damaged_count = i == 0};
        unsigned met = 0;

        rig_batch_add(&batch, 3, rig_key_number(&rig, i), rig_noise(&rig, i, 60));
        ck_assert_int_eq(rig_merge(&rig, &batch, &how, NULL), ERR_OK);
        rig_batch_fini(&batch);
        rig_crash_and_open(&rig);
        primary_each_damage(rig.p, count_lost, &met);
        ck_assert_uint_eq(met, 1);
    }
    rig_fini(&rig);
}
END_TEST

START_TEST(the_tree_of_trees_is_made_anew_from_memory)
{
    struct rig_batch batch = {0};
    uint8_t at[8];
    struct rig rig;

    rig_init(&rig, 600, 1024, 64 << 10);
    MUST(rig_open(&rig) == ERR_OK);
    for (unsigned i = 0; i < 20; i++)
        rig_batch_add(&batch, i, rig_key_number(&rig, i), rig_noise(&rig, i, 60));
    MUST(rig_merge_simple(&rig, &batch) == ERR_OK);
    rig_batch_fini(&batch);
    MUST(sim_file_read(rig.sim, PRIMARY_FILE, 104, at, sizeof at)); /* offset and copy, units */
    for (unsigned i = 0; i < 8; i += 4)
        MUST(sim_rot(rig.sim, PRIMARY_FILE, (at[i] | (uint64_t)at[i + 1] << 8) * 512, 512));
    rig_batch_add(&batch, 3, rig_key_number(&rig, 1), rig_noise(&rig, 1, 60));
    ck_assert_int_eq(rig_merge_simple(&rig, &batch), ERR_CORRUPT);
    MUST(!rig.has_damage);
    ck_assert_int_eq(rig_merge_simple(&rig, &batch), ERR_OK);
    rig_batch_fini(&batch);
    rig_check(&rig, 2);
    rig_crash_and_open(&rig);
    rig_check(&rig, 2);
    rig_fini(&rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("primary_damage");
    TCase *tc = tcase_create("damage");

    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, what_is_lost_stays_lost_without_a_tree);
    tcase_add_loop_test(tc, rot_anywhere_stops_its_own_store_only, 0, 7);
    tcase_add_loop_test(tc, rot_upon_rot_never_makes_a_wrong_answer, 0, 40);
    tcase_add_loop_test(tc, one_copy_of_what_all_stores_need_may_rot, 0, 2);
    tcase_add_test(tc, the_tree_of_trees_is_made_anew_from_memory);
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
