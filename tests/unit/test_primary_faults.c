/* test_primary_faults.c - whatever goes wrong under the primary, the root that stands is
 * the old or the new one, whole, and damage is named by file and offset. */
#include "server/base/bytes.h"
#include "tests/unit/primary_rig.h"

#include <check.h>
#include <stdlib.h>
#include <xxhash.h>

/* A life that is the same for the same seed: some records in three stores. */
static void life_begin(struct rig *rig, uint64_t seed)
{
    struct rig_batch batch = {0};

    rig_init(rig, seed, 4096, 256 << 10);
    ck_assert_int_eq(rig_open(rig), ERR_OK);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 150; i++)
            rig_batch_add(&batch, 1 + i % 3, rig_key_number(rig, sim_random(rig->sim, 400)),
                          rig_noise(rig, sim_random(rig->sim, 1u << 30),
                                    sim_chance(rig->sim, 3) ? 9000 : 120));
        rig_batch_sort(&batch);
        ck_assert_int_eq(rig_merge_simple(rig, &batch), ERR_OK);
        rig_batch_fini(&batch);
    }
}

static void changes_make(struct rig *rig, struct rig_batch *batch)
{
    for (unsigned i = 0; i < 120; i++)
        rig_batch_add(batch, 1 + (uint32_t)sim_random(rig->sim, 4),
                      rig_key_number(rig, sim_random(rig->sim, 400)),
                      sim_chance(rig->sim, 30) ? SLICE_NONE
                                               : rig_noise(rig, sim_random(rig->sim, 1u << 30),
                                                           sim_random(rig->sim, 200)));
    rig_batch_sort(batch);
}

/* Which of the two the durable root is; the rig's model becomes that. */
static bool settle_on(struct rig *rig, const struct rig_model *old, const struct rig_model *new,
                      uint64_t commit_old)
{
    uint64_t commit = root_facts(primary_root(rig->p))->commit;
    bool is_new = commit == commit_old + 1;

    ck_assert(is_new || commit == commit_old);
    rig_model_fini(&rig->model);
    rig->model = rig_model_copy(is_new ? new : old);
    rig->commit = commit;
    return is_new;
}

/* The power goes off at every operation of a merge, one after the other. */
START_TEST(a_crash_at_any_operation_leaves_the_old_root_or_the_new)
{
    bool seen_old = false, seen_new = false;

    for (uint64_t n = 0;; n++) {
        struct rig_batch batch = {0};
        struct rig_model old, new;
        uint64_t commit;
        struct rig rig;
        bool over;
        enum err e;

        life_begin(&rig, 500 + (uint64_t)_i * 1000 + n);
        changes_make(&rig, &batch);
        old = rig_model_copy(&rig.model);
        new = rig_model_copy(&rig.model);
        rig_model_apply(&rig, &new, &batch, NULL, 0);
        commit = rig.commit;
        sim_power_off_after(rig.sim, n);
        e = rig_merge_simple(&rig, &batch);
        over = !sim_is_off(rig.sim);
        rig_crash_and_open(&rig);
        if (settle_on(&rig, &old, &new, commit)) {
            seen_new = true;
        } else {
            seen_old = true;
            ck_assert_int_ne(e, ERR_OK); /* what was said to be durable is */
        }
        rig_check(&rig, 5);
        ck_assert_int_eq(rig_merge_simple(&rig, &batch), ERR_OK);
        rig_check(&rig, 5);
        rig_batch_fini(&batch);
        rig_model_fini(&old);
        rig_model_fini(&new);
        rig_fini(&rig);
        if (over)
            break;
        ck_assert_uint_lt(n, 1000);
    }
    ck_assert(seen_old && seen_new);
}
END_TEST

/* Crash after crash in one life, opening included, with intermediate roots between. */
START_TEST(a_life_of_crashes_loses_no_durable_root)
{
    struct rig_model old, new;
    struct rig rig;

    life_begin(&rig, 9000 + (uint64_t)_i);
    for (unsigned round = 0; round < 40; round++) {
        struct rig_batch batch = {0};
        struct root *tip = NULL;
        struct rig_merge how = {.intermediate = true};
        uint64_t commit = rig.commit;
        enum err e;

        old = rig_model_copy(&rig.model);
        if (sim_chance(rig.sim, 40)) {
            changes_make(&rig, &batch);
            ck_assert_int_eq(rig_merge(&rig, &batch, &how, &tip), ERR_OK);
            rig_batch_fini(&batch);
            rig.commit = commit; /* so that the next has the number that is expected */
        }
        how = (struct rig_merge){.from = tip};
        changes_make(&rig, &batch);
        new = rig_model_copy(&rig.model);
        rig_model_apply(&rig, &new, &batch, NULL, 0);
        sim_power_off_after(rig.sim, sim_random(rig.sim, 20));
        e = rig_merge(&rig, &batch, &how, NULL);
        rig_batch_fini(&batch);
        sim_crash(rig.sim);
        primary_close(rig.p, true);
        rig.p = NULL;
        for (unsigned tries = 0; !rig.p; tries++) { /* opening may die too */
            sim_power_off_after(rig.sim, tries < 3 ? sim_random(rig.sim, 6) : SIM_LIMIT_NONE);
            if (rig_open(&rig) != ERR_OK) {
                ck_assert(sim_is_off(rig.sim));
                sim_crash(rig.sim);
            }
        }
        sim_power_off_after(rig.sim, SIM_LIMIT_NONE);
        if (sim_is_off(rig.sim))
            rig_crash_and_open(&rig);
        if (!settle_on(&rig, &old, &new, commit))
            ck_assert_int_ne(e, ERR_OK);
        rig_check(&rig, 2);
        rig_model_fini(&old);
        rig_model_fini(&new);
    }
    rig_fini(&rig);
}
END_TEST

START_TEST(a_crash_while_the_file_is_made_leaves_a_new_one_to_be_made)
{
    for (uint64_t n = 0;; n++) {
        struct rig rig;
        enum err e;

        rig_init(&rig, 40 + n, 4096, 1 << 20);
        sim_power_off_after(rig.sim, n);
        e = rig_open(&rig);
        if (!sim_is_off(rig.sim)) {
            ck_assert_int_eq(e, ERR_OK);
            rig_fini(&rig);
            break;
        }
        if (e)
            ck_assert_ptr_null(rig.p);
        rig_crash_and_open(&rig);
        rig_check(&rig, 0);
        ck_assert_uint_eq(root_facts(primary_root(rig.p))->commit, 0);
        rig_fini(&rig);
        ck_assert_uint_lt(n, 100);
    }
}
END_TEST

/* Fail the n-th of something in a merge. The old root stands, or, only for what does not
 * matter, the new one; then all works again; and a crash finds the one or the other. */
static bool fault_in_merge(struct rig *rig, enum sim_fault fault, uint64_t n)
{
    struct rig_batch batch = {0}, more = {0};
    struct rig_model old, new;
    uint64_t commit = rig->commit;
    bool fired, crash = n % 2 == 0;
    enum err e;

    changes_make(rig, &batch);
    changes_make(rig, &more);
    old = rig_model_copy(&rig->model);
    new = rig_model_copy(&rig->model);
    rig_model_apply(rig, &new, &batch, NULL, 0);
    sim_fail_at(rig->sim, fault, n);
    e = rig_merge_simple(rig, &batch);
    fired = sim_fault_fired(rig->sim, fault) > 0;
    sim_fail_clear(rig->sim);
    if (!fired || fault == SIM_FAULT_ALLOC)
        ck_assert(e == ERR_OK || (fired && e == ERR_NOMEM));
    else if (fault == SIM_FAULT_SYNC)
        ck_assert_int_eq(e, ERR_LOG_FAILED);
    else
        ck_assert_int_eq(e, fault == SIM_FAULT_SPACE ? ERR_NO_SPACE : ERR_IO);
    rig_check(rig, 3);         /* the model followed only if it was OK */
    if (e == ERR_LOG_FAILED) { /* final */
        ck_assert_int_eq(rig_merge_simple(rig, &more), ERR_LOG_FAILED);
        crash = true;
    }
    if (!crash) {
        ck_assert_int_eq(rig_merge_simple(rig, &more), ERR_OK);
        rig_check(rig, 3);
        ck_assert_int_eq(rig_merge_simple(rig, &batch), ERR_OK);
    }
    rig_crash_and_open(rig);
    if (crash && settle_on(rig, &old, &new, commit) == false)
        ck_assert_int_ne(e, ERR_OK);
    rig_check(rig, 3);
    ck_assert_int_eq(rig_merge_simple(rig, &more), ERR_OK);
    rig_check(rig, 3);
    rig_batch_fini(&batch);
    rig_batch_fini(&more);
    rig_model_fini(&old);
    rig_model_fini(&new);
    return fired;
}

START_TEST(whichever_operation_fails_the_old_root_stands)
{
    static const enum sim_fault faults[] = {SIM_FAULT_READ, SIM_FAULT_WRITE, SIM_FAULT_SYNC,
                                            SIM_FAULT_SPACE, SIM_FAULT_ALLOC};

    for (uint64_t n = 1;; n++) {
        struct rig rig;
        bool fired;

        life_begin(&rig, 70 + n);
        fired = fault_in_merge(&rig, faults[_i], n);
        rig_fini(&rig);
        if (!fired)
            break;
        ck_assert_uint_lt(n, 2000);
    }
}
END_TEST

/* Failure after failure, so that both slots have seen some, and then a crash. */
START_TEST(failing_slots_never_leave_both_bad)
{
    struct rig rig;

    life_begin(&rig, 300 + (uint64_t)_i);
    for (unsigned round = 0; round < 30; round++) {
        struct rig_batch batch = {0};
        struct rig_model old = rig_model_copy(&rig.model);
        struct rig_model new[4] = {{0}};
        unsigned tries = 0;
        bool known = false;
        uint64_t commit;

        do {
            rig_batch_fini(&batch);
            changes_make(&rig, &batch);
            new[tries] = rig_model_copy(&rig.model);
            rig_model_apply(&rig, &new[tries], &batch, NULL, 0);
            sim_fail_at(rig.sim, sim_chance(rig.sim, 50) ? SIM_FAULT_WRITE : SIM_FAULT_SPACE,
                        1 + sim_random(rig.sim, 8));
            rig.commit = root_facts(primary_root(rig.p))->commit + tries;
            tries++;
        } while (rig_merge_simple(&rig, &batch) != ERR_OK && tries < 4);
        sim_fail_clear(rig.sim);
        ck_assert_int_eq(primary_check(rig.p, &rig.failure), ERR_OK);
        commit = root_facts(primary_root(rig.p))->commit;
        rig_crash_and_open(&rig);
        /* One of those that may have reached a slot. */
        rig.commit = root_facts(primary_root(rig.p))->commit;
        ck_assert_uint_ge(rig.commit, commit);
        for (unsigned i = 0; i <= tries && !known; i++) {
            const struct rig_model *model = i == tries ? &old : &new[i];
            struct primary_stats stats;

            primary_stats(rig.p, &stats);
            if (stats.records != model->count)
                continue;
            rig_model_fini(&rig.model);
            rig.model = rig_model_copy(model);
            known = true;
            for (size_t k = 0; k < model->count && known; k++) {
                struct slice value;
                struct wait w;

                rig_wait_init(&w);
                known = rig_get(&rig, primary_root(rig.p), model->items[k].store,
                                model->items[k].key, &w, &value) == ERR_OK &&
                        slice_equal(value, model->items[k].value);
                wait_release(rig.p, &w);
            }
        }
        ck_assert(known);
        rig_check(&rig, 2);
        rig_batch_fini(&batch);
        rig_model_fini(&old);
        for (unsigned i = 0; i < 4; i++)
            rig_model_fini(&new[i]);
    }
    rig_fini(&rig);
}
END_TEST

/* A merge fails at its k-th write, perhaps of a slot; the power goes off at the n-th operation of
 * the next. Whichever root is found is whole. */
static void fail_then_crash(uint64_t seed, uint64_t k, uint64_t n, bool *failed, bool *off)
{
    struct rig_batch first = {0}, second = {0};
    struct rig_model models[3];
    uint64_t commit;
    struct rig rig;
    unsigned found;

    life_begin(&rig, seed);
    sim_knobs(rig.sim)->survive_percent = 50;
    commit = rig.commit;
    changes_make(&rig, &first);
    changes_make(&rig, &second);
    models[0] = rig_model_copy(&rig.model);
    models[1] = rig_model_copy(&rig.model);
    models[2] = rig_model_copy(&rig.model);
    rig_model_apply(&rig, &models[1], &first, NULL, 0);
    sim_fail_write_at(rig.sim, k);
    *failed = rig_merge_simple(&rig, &first) != ERR_OK;
    sim_fail_clear(rig.sim);
    if (*failed) {
        rig_model_apply(&rig, &models[2], &second, NULL, 0);
        rig.commit = commit + 1; /* so that the three can be told apart */
        sim_power_off_after(rig.sim, n);
        rig_merge_simple(&rig, &second);
        *off = sim_is_off(rig.sim);
        rig_crash_and_open(&rig);
        found = (unsigned)(root_facts(primary_root(rig.p))->commit - commit);
        ck_assert_uint_le(found, 2);
        rig_model_fini(&rig.model);
        rig.model = rig_model_copy(&models[found]);
        rig_check(&rig, 2);
    }
    rig_batch_fini(&first);
    rig_batch_fini(&second);
    for (unsigned i = 0; i < 3; i++)
        rig_model_fini(&models[i]);
    rig_fini(&rig);
}

START_TEST(a_crash_after_a_failed_merge_finds_a_whole_root)
{
    bool failed = true;
    uint64_t last = 0;

    for (uint64_t k = 1; failed; k++) {
        bool off = true;

        for (uint64_t n = 0; failed && off; n++)
            fail_then_crash(600 + (uint64_t)_i, k, n, &failed, &off);
        if (failed)
            last = k;
    }
    /* What the second slot got of a failed write, and what the next merge's first one gets,
     * decides chance: try it often. */
    for (uint64_t seed = 0; seed < 12; seed++) {
        bool off = true;

        failed = true;
        for (uint64_t n = 0; failed && off; n++)
            fail_then_crash(10000 + 100 * (uint64_t)_i + seed, last, n, &failed, &off);
    }
}
END_TEST

/* A lost write of one slot leaves the former root there; the newest wins. */
START_TEST(the_newest_slot_wins)
{
    struct rig_batch batch = {0};
    uint8_t bytes[4096];
    struct rig rig;

    life_begin(&rig, 84);
    ck_assert(sim_file_read(rig.sim, PRIMARY_FILE, 4096 * (uint64_t)_i, bytes, sizeof bytes));
    changes_make(&rig, &batch);
    ck_assert_int_eq(rig_merge_simple(&rig, &batch), ERR_OK);
    rig_batch_fini(&batch);
    ck_assert(sim_file_write(rig.sim, PRIMARY_FILE, 4096 * (uint64_t)_i, bytes, sizeof bytes));
    rig_crash_and_open(&rig);
    ck_assert_uint_eq(root_facts(primary_root(rig.p))->commit, rig.commit);
    rig_check(&rig, 3);
    rig_fini(&rig);
}
END_TEST

START_TEST(whichever_allocation_fails_opening_leaks_nothing)
{
    struct rig rig;
    uint64_t n;

    life_begin(&rig, 5);
    rig_close(&rig);
    for (n = 1;; n++) {
        enum err e;

        sim_fail_alloc_at(rig.sim, n);
        e = rig_open(&rig);
        if (sim_fault_fired(rig.sim, SIM_FAULT_ALLOC) == 0) {
            ck_assert_int_eq(e, ERR_OK);
            break;
        }
        sim_fail_clear(rig.sim);
        if (e == ERR_OK) {
            rig_close(&rig);
        } else {
            ck_assert_int_eq(e, ERR_NOMEM);
            ck_assert_int_eq(rig.failure.error, ERR_NOMEM);
        }
        ck_assert_uint_eq(sim_alloc_outstanding(rig.sim), 0);
        ck_assert_uint_eq(sim_open_files(rig.sim), 0);
    }
    sim_fail_clear(rig.sim);
    ck_assert_uint_gt(n, 5);
    rig_check(&rig, 3);
    rig_fini(&rig);
}
END_TEST

START_TEST(whichever_allocation_or_read_fails_readers_say_so_and_then_go_on)
{
    struct rig rig;
    unsigned fired = 0;

    life_begin(&rig, 6);
    for (unsigned n = 1; n < 300; n++) {
        const struct rig_record *r = &rig.model.items[sim_random(rig.sim, rig.model.count)];
        enum sim_fault fault = n % 2 ? SIM_FAULT_ALLOC : SIM_FAULT_READ;
        struct slice value;
        struct wait w;
        enum err e;

        if (n % 40 == 1) { /* with an empty cache */
            rig_close(&rig);
            ck_assert_int_eq(rig_open(&rig), ERR_OK);
        }
        rig_wait_init(&w);
        sim_fail_at(rig.sim, fault, 1 + n % 7);
        e = rig_get(&rig, primary_root(rig.p), r->store, r->key, &w, &value);
        fired += sim_fault_fired(rig.sim, fault) > 0;
        if (sim_fault_fired(rig.sim, fault) == 0)
            ck_assert_int_eq(e, ERR_OK);
        sim_fail_clear(rig.sim);
        if (e) {
            ck_assert_int_eq(e, n % 2 ? ERR_NOMEM : ERR_IO);
            ck_assert_int_eq(rig.failure.error, e);
            if (e == ERR_IO)
                ck_assert_str_eq(rig.failure.file, PRIMARY_FILE);
        }
        ck_assert_int_eq(rig_get(&rig, primary_root(rig.p), r->store, r->key, &w, &value),
                         ERR_OK);
        ck_assert(slice_equal(value, r->value));
        wait_release(rig.p, &w);
        wait_release(rig.p, &w); /* twice is no harm */
    }
    ck_assert_uint_gt(fired, 20);
    rig_check(&rig, 3);
    rig_fini(&rig);
}
END_TEST

/* Every record reads right or the damage is named; never wrong, never a crash. */
static unsigned read_all(struct rig *rig, const struct rig_model *model)
{
    unsigned damaged = 0;

    for (size_t i = 0; i < model->count; i++) {
        const struct rig_record *r = &model->items[i];
        struct slice value;
        struct wait w;
        enum err e;

        rig_wait_init(&w);
        e = rig_get(rig, primary_root(rig->p), r->store, r->key, &w, &value);
        if (e) {
            ck_assert_int_eq(e, ERR_CORRUPT);
            ck_assert_int_eq(rig->failure.error, ERR_CORRUPT);
            ck_assert_str_eq(rig->failure.file, PRIMARY_FILE);
            ck_assert_uint_ge(rig->failure.offset, 8192);
            damaged++;
        } else {
            ck_assert(slice_equal(value, r->value));
        }
        wait_release(rig->p, &w);
    }
    return damaged;
}

START_TEST(a_lost_or_misdirected_write_is_found)
{
    enum sim_fault fault = _i % 2 ? SIM_FAULT_LOSE : SIM_FAULT_MISPLACE;

    for (uint64_t n = 1;; n++) {
        struct rig_batch batch = {0};
        struct rig_model old, new;
        uint64_t commit;
        struct rig rig;
        bool fired;
        enum err e;

        life_begin(&rig, 4000 + n + (uint64_t)_i * 100);
        changes_make(&rig, &batch);
        old = rig_model_copy(&rig.model);
        commit = rig.commit;
        sim_fail_at(rig.sim, fault, n);
        e = rig_merge_simple(&rig, &batch);
        if (e) { /* the misdirected write hit what the merge had yet to read */
            ck_assert_int_eq(fault, SIM_FAULT_MISPLACE);
            ck_assert_int_eq(e, ERR_CORRUPT);
        }
        new = rig_model_copy(&rig.model);
        fired = sim_fault_fired(rig.sim, fault) > 0;
        sim_fail_clear(rig.sim);
        if (fired) {
            ck_assert_int_eq(primary_check(rig.p, &rig.failure), ERR_CORRUPT);
            ck_assert_str_eq(rig.failure.file, PRIMARY_FILE);
        }
        read_all(&rig, &new);
        sim_crash(rig.sim);
        primary_close(rig.p, true);
        rig.p = NULL;
        e = rig_open(&rig);
        if (e) {
            ck_assert_int_eq(e, ERR_CORRUPT);
            ck_assert_str_eq(rig.failure.file, PRIMARY_FILE);
        } else {
            settle_on(&rig, &old, &new, commit);
            read_all(&rig, &rig.model);
        }
        rig_batch_fini(&batch);
        rig_model_fini(&old);
        rig_model_fini(&new);
        rig_fini(&rig);
        if (!fired)
            break;
    }
}
END_TEST

/* Rot in every unit of the file, one after the other. */
START_TEST(rot_anywhere_is_named_by_file_and_offset)
{
    uint64_t size = 0;
    unsigned found = 0;
    struct rig rig;

    life_begin(&rig, 77);
    rig_close(&rig);
    ck_assert(sim_file_size(rig.sim, PRIMARY_FILE, &size));
    for (uint64_t at = 0; at < size; at += 512) {
        uint8_t before[512];
        enum err e;

        ck_assert(sim_file_read(rig.sim, PRIMARY_FILE, at, before, 512));
        ck_assert(sim_rot(rig.sim, PRIMARY_FILE, at, 512));
        e = rig_open(&rig);
        if (at < 8192) { /* the other slot is whole, and heals this one */
            ck_assert_int_eq(e, ERR_OK);
            rig_check(&rig, 0);
        } else if (e == ERR_OK) {
            unsigned damaged = read_all(&rig, &rig.model);

            failure_clear(&rig.failure);
            e = primary_check(rig.p, &rig.failure);
            ck_assert(e != ERR_OK || damaged == 0); /* of two copies one may be damaged */
        }
        if (e) {
            ck_assert_int_eq(e, ERR_CORRUPT);
            ck_assert_str_eq(rig.failure.file, PRIMARY_FILE);
            ck_assert_uint_le(rig.failure.offset, at);
            ck_assert_uint_gt(rig.failure.offset + 16384, at);
            found++;
        }
        if (rig.p)
            rig_close(&rig);
        if (at >= 8192)
            ck_assert(sim_file_write(rig.sim, PRIMARY_FILE, at, before, 512));
    }
    ck_assert_uint_gt(found, 30);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    rig_check(&rig, 3);
    rig_fini(&rig);
}
END_TEST

/* One store's branch is damaged: the others are read and written on, and what is damaged is
 * neither skipped nor written over. */
START_TEST(a_damaged_branch_stops_only_who_reads_below_it)
{
    struct primary_stats stats = {0};
    struct rig_batch batch = {0};
    uint8_t before[512];
    uint64_t at = 8192;
    unsigned damaged;
    struct rig rig;

    life_begin(&rig, 81);
    rig_close(&rig);
    for (;; at += 512) {
        ck_assert(sim_file_read(rig.sim, PRIMARY_FILE, at, before, 512));
        ck_assert(sim_rot(rig.sim, PRIMARY_FILE, at, 512));
        if (rig_open(&rig) == ERR_OK) {
            primary_stats(rig.p, &stats);
            if (stats.damage_offset)
                break;
            rig_close(&rig);
        }
        ck_assert(sim_file_write(rig.sim, PRIMARY_FILE, at, before, 512));
    }
    ck_assert_uint_le(stats.damage_offset, at);
    damaged = read_all(&rig, &rig.model);
    ck_assert_uint_gt(damaged, 10);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 300; i++)
            rig_batch_add(&batch, 9, rig_key_number(&rig, i), rig_noise(&rig, i + round, 100));
        ck_assert_int_eq(rig_merge_simple(&rig, &batch), ERR_OK);
        rig_batch_fini(&batch);
        ck_assert_uint_eq(read_all(&rig, &rig.model), damaged);
    }
    rig_crash_and_open(&rig);
    ck_assert_uint_eq(read_all(&rig, &rig.model), damaged);
    rig_close(&rig);
    ck_assert(sim_file_write(rig.sim, PRIMARY_FILE, at, before, 512));
    ck_assert_int_eq(rig_open(&rig), ERR_OK); /* nothing of it was lost */
    rig_check(&rig, 3);
    rig_fini(&rig);
}
END_TEST

START_TEST(two_damaged_slots_or_a_short_file_are_refused)
{
    struct rig rig;

    life_begin(&rig, 78);
    rig_close(&rig);
    ck_assert(sim_rot(rig.sim, PRIMARY_FILE, 512 * (uint64_t)(_i % 8), 512));
    ck_assert(sim_rot(rig.sim, PRIMARY_FILE, 4096 + 512 * (uint64_t)(_i / 8), 512));
    ck_assert_int_eq(rig_open(&rig), ERR_CORRUPT);
    ck_assert_str_eq(rig.failure.file, PRIMARY_FILE);
    ck_assert_uint_eq(rig.failure.offset, 0);
    ck_assert(sim_file_truncate(rig.sim, PRIMARY_FILE, 100));
    ck_assert_int_eq(rig_open(&rig), ERR_CORRUPT);
    ck_assert(sim_file_truncate(rig.sim, PRIMARY_FILE, 0));
    ck_assert_int_eq(rig_open(&rig), ERR_CORRUPT);
    rig_fini(&rig);
}
END_TEST

/* A slot in the place of the other is none. */
START_TEST(slots_know_their_place)
{
    uint8_t bytes[4096];
    struct rig rig;

    life_begin(&rig, 79);
    rig_close(&rig);
    ck_assert(sim_file_read(rig.sim, PRIMARY_FILE, 0, bytes, sizeof bytes));
    ck_assert(sim_file_write(rig.sim, PRIMARY_FILE, 4096, bytes, sizeof bytes));
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    rig_close(&rig);
    ck_assert(sim_file_read(rig.sim, PRIMARY_FILE, 4096, bytes, sizeof bytes));
    ck_assert(sim_file_write(rig.sim, PRIMARY_FILE, 0, bytes, sizeof bytes));
    ck_assert(sim_rot(rig.sim, PRIMARY_FILE, 4096, 512));
    ck_assert_int_eq(rig_open(&rig), ERR_CORRUPT);
    rig_fini(&rig);
}
END_TEST

START_TEST(a_newer_format_is_refused_by_name)
{
    uint8_t bytes[4096];
    struct rig rig;

    life_begin(&rig, 82);
    rig_close(&rig);
    ck_assert(sim_file_read(rig.sim, PRIMARY_FILE, 4096, bytes, sizeof bytes));
    bytes_put_le32(bytes + 8, 3);
    bytes_put_le64(bytes + 4088, XXH3_64bits_withSeed(bytes, 4088, 2));
    ck_assert(sim_file_write(rig.sim, PRIMARY_FILE, 4096, bytes, sizeof bytes));
    ck_assert_int_eq(rig_open(&rig), ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(rig.failure.text, "format 3"));
    rig_fini(&rig);
}
END_TEST

/* Rule 4: whatever a crash takes, the number of a root is never given again. */
START_TEST(numbers_of_roots_are_never_used_twice)
{
    uint64_t greatest = 0;
    struct rig rig;

    life_begin(&rig, 83);
    for (unsigned round = 0; round < 20; round++) {
        struct rig_batch batch = {0};
        struct rig_merge how = {.intermediate = sim_chance(rig.sim, 60)};
        uint64_t commit = rig.commit, number;
        struct rig_model old = rig_model_copy(&rig.model);
        struct root *root;

        changes_make(&rig, &batch);
        ck_assert_int_eq(rig_merge(&rig, &batch, &how, &root), ERR_OK);
        number = root_facts(root)->number;
        ck_assert_uint_gt(number, greatest);
        greatest = number;
        if (how.intermediate) { /* forgotten by a crash */
            rig_model_fini(&rig.model);
            rig.model = rig_model_copy(&old);
            rig.commit = commit;
            rig_crash_and_open(&rig);
        } else {
            root_unref(root);
        }
        rig_check(&rig, 1);
        rig_model_fini(&old);
        rig_batch_fini(&batch);
    }
    rig_fini(&rig);
}
END_TEST

START_TEST(a_full_disk_stops_merges_but_not_readers_and_clears_up)
{
    struct rig_batch batch = {0};
    uint64_t used;
    struct rig rig;

    life_begin(&rig, 80);
    used = sim_disk_used(rig.sim);
    for (unsigned i = 0; i < 3000; i++)
        rig_batch_add(&batch, 2, rig_key_number(&rig, i), rig_noise(&rig, i, 200));
    for (uint64_t room = 0; room < 3; room++) {
        sim_set_disk_limit(rig.sim, used + room * 40000);
        ck_assert_int_eq(rig_merge_simple(&rig, &batch), ERR_NO_SPACE);
        ck_assert_int_eq(rig.failure.error, ERR_NO_SPACE);
        rig_check(&rig, 3);
        /* what it took it gave back, but for a hole before a copy that it wrote into */
        ck_assert_uint_le(sim_disk_used(rig.sim), used + (64 << 10));
    }
    sim_set_disk_limit(rig.sim, SIM_LIMIT_NONE);
    ck_assert_int_eq(rig_merge_simple(&rig, &batch), ERR_OK);
    rig_check(&rig, 3);
    rig_batch_fini(&batch);
    rig_fini(&rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("primary_faults");
    TCase *tc = tcase_create("faults");

    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, a_crash_at_any_operation_leaves_the_old_root_or_the_new, 0, 6);
    tcase_add_loop_test(tc, a_life_of_crashes_loses_no_durable_root, 0, 10);
    tcase_add_test(tc, a_crash_while_the_file_is_made_leaves_a_new_one_to_be_made);
    tcase_add_loop_test(tc, whichever_operation_fails_the_old_root_stands, 0, 5);
    tcase_add_loop_test(tc, failing_slots_never_leave_both_bad, 0, 6);
    tcase_add_loop_test(tc, a_crash_after_a_failed_merge_finds_a_whole_root, 0, 4);
    tcase_add_loop_test(tc, the_newest_slot_wins, 0, 2);
    tcase_add_test(tc, whichever_allocation_fails_opening_leaks_nothing);
    tcase_add_test(tc, whichever_allocation_or_read_fails_readers_say_so_and_then_go_on);
    tcase_add_loop_test(tc, a_lost_or_misdirected_write_is_found, 0, 4);
    tcase_add_test(tc, rot_anywhere_is_named_by_file_and_offset);
    tcase_add_test(tc, a_damaged_branch_stops_only_who_reads_below_it);
    tcase_add_loop_test(tc, two_damaged_slots_or_a_short_file_are_refused, 0, 64);
    tcase_add_test(tc, slots_know_their_place);
    tcase_add_test(tc, a_newer_format_is_refused_by_name);
    tcase_add_test(tc, numbers_of_roots_are_never_used_twice);
    tcase_add_test(tc, a_full_disk_stops_merges_but_not_readers_and_clears_up);
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
