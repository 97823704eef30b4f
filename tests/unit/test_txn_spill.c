/* Ledgers on disk: writes that wait for a page of one, disks that fail under them, space that
 * comes back, and a writer open across many writes of others within a small memory. */
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEYS 400

struct fixture {
    struct core_rig rig;
    struct txn *old;
    uint64_t winner; /* the commit that wrote key 7 */
};

static void write_all(struct fixture *f, uint64_t value)
{
    struct txn *t = core_begin(&f->rig, "others", NULL);

    for (unsigned key = 0; key < KEYS; key++)
        MUST_EQ(core_put(&f->rig, t, "s", key, value), ERR_OK);
    MUST_EQ(core_commit(&f->rig, t, &f->winner), ERR_OK);
}

/* An old writer, and what it may lose to in a ledger on disk. */
static void fixture_open(struct fixture *f, uint64_t seed)
{
    memset(f, 0, sizeof *f);
    core_open(&f->rig, seed);
    f->rig.options.held_memory_max = 0;
    f->rig.options.cache_bytes = 1;
    core_restart(&f->rig, false);
    MUST_EQ(core_create(&f->rig, NULL, "s", NULL), ERR_OK);
    core_amalgamate(&f->rig);
    f->old = core_begin(&f->rig, "old", NULL);
    write_all(f, 1);
    core_amalgamate(&f->rig);
    MUST_EQ(core_status(&f->rig).ledgers, 1);
    MUST(core_status(&f->rig).ledger_disk_bytes > 0);
}

static void fixture_close(struct fixture *f)
{
    if (f->old)
        core_rollback(&f->rig, f->old);
    core_set(&f->rig, "s", 1, 9);
    core_amalgamate(&f->rig);
    core_set(&f->rig, "s", 1, 10); /* what one pass lets go the next one gives back */
    core_amalgamate(&f->rig);
    MUST_EQ(core_status(&f->rig).ledgers, 0);
    MUST_EQ(core_status(&f->rig).ledger_bytes + core_status(&f->rig).ledger_disk_bytes, 0);
    core_close(&f->rig);
}

static void must_lose(struct fixture *f, unsigned key)
{
    MUST_EQ(core_put(&f->rig, f->old, "s", key, 2), ERR_CONFLICT);
    MUST_EQ(f->rig.op.failure.winner_commit, f->winner);
    MUST(slice_equal(text_label_of(&f->rig.op.failure.winner_label), slice_text("others")));
}

/* ---- waiting ---- */

struct waiter {
    struct op op;
    bool is_woken;
    uint8_t key_room[KEY_PLAIN_BYTES_MAX];
};

static void waiter_wake(struct op *op)
{
    ((struct waiter *)(void *)((char *)op - offsetof(struct waiter, op)))->is_woken = true;
}

static enum err waiter_put(struct fixture *f, struct waiter *w)
{
    static const uint8_t value[] = {0x91, 0x01}, key[] = {7};
    struct slice out;

    w->is_woken = false;
    return record_put(&w->op, f->old, slice_text("s"), slice_make(value, sizeof value),
                      slice_make(key, sizeof key), false, w->key_room, &out);
}

enum { WAIT_ON, WAIT_GIVEN_UP, WAIT_KILLED, WAIT_PASSED_OVER, WAIT_CRASH, WAIT_DROPPED, WAITS };

/* A write waits for a page of the ledger; meanwhile _i happens. */
START_TEST(a_write_that_waits_for_a_ledger_ends_as_it_should)
{
    struct fixture f;
    struct waiter w = {0};
    enum err told = _i == WAIT_KILLED ? ERR_TXN_KILLED : ERR_CONFLICT;
    struct failure why;

    failure_init(&why);
    fixture_open(&f, 30 + (uint64_t)_i);
    sim_knobs(f.rig.sim)->wait_percent = 100;
    op_init(&w.op, f.rig.db, waiter_wake);
    sim_stall_lane(f.rig.sim, OS_LANE_READ, true);
    MUST_EQ(waiter_put(&f, &w), ERR_WAIT);
    db_turn(f.rig.db);
    MUST(!w.is_woken);
    if (_i == WAIT_KILLED)
        MUST_EQ(db_kill(f.rig.db, txn_version(f.old), &why), ERR_OK);
    if (_i == WAIT_CRASH || _i == WAIT_GIVEN_UP) {
        op_fini(&w.op);
        core_rollback(&f.rig, f.old);
        f.old = NULL;
    }
    if (_i == WAIT_PASSED_OVER) { /* its ledger is merged into another, and its space is free */
        for (unsigned pass = 0; pass < 4; pass++) {
            write_all(&f, 3 + pass);
            core_amalgamate(&f.rig);
        }
        MUST_EQ(core_status(&f.rig).ledgers, 1);
    }
    sim_stall_lane(f.rig.sim, OS_LANE_READ, false);
    if (_i == WAIT_DROPPED)
        MUST_EQ(core_drop(&f.rig, NULL, "s"), ERR_OK);
    if (_i == WAIT_CRASH) {
        core_restart(&f.rig, true);
        MUST_EQ(core_value(&f.rig, "s", 7), 1);
        core_close(&f.rig);
        return;
    }
    if (_i != WAIT_GIVEN_UP) {
        enum err e = ERR_WAIT;

        for (unsigned i = 0; e == ERR_WAIT; i++) {
            MUST(i < 100);
            core_settle(&f.rig);
            MUST(w.is_woken);
            e = waiter_put(&f, &w);
        }
        MUST_EQ(e, told);
        MUST_EQ(w.op.failure.error, told);
        if (told == ERR_CONFLICT && _i != WAIT_DROPPED)
            MUST_EQ(w.op.failure.winner_commit, f.winner);
        op_fini(&w.op);
    }
    if (_i == WAIT_DROPPED)
        MUST_EQ(core_create(&f.rig, NULL, "s", NULL), ERR_OK);
    failure_clear(&why);
    fixture_close(&f);
}
END_TEST

/* ---- disks that fail ---- */

/* The disk does not take the ledger, for want of room or otherwise: it stays in memory, and
 * nobody has lost anything by it. */
START_TEST(a_ledger_that_the_disk_does_not_take_stays_in_memory)
{
    struct fixture f;

    fixture_open(&f, 40);
    write_all(&f, 2);
    sim_fail_only(f.rig.sim, PRIMARY_FILE);
    sim_fail_at(f.rig.sim, _i ? SIM_FAULT_SPACE : SIM_FAULT_WRITE, 1);
    core_amalgamate(&f.rig);
    MUST_EQ(sim_fault_fired(f.rig.sim, _i ? SIM_FAULT_SPACE : SIM_FAULT_WRITE), 1);
    sim_fail_clear(f.rig.sim);
    MUST_EQ(core_status(&f.rig).ledgers, 2); /* the one on disk stays where it is */
    MUST(core_status(&f.rig).ledger_bytes > 4096);
    must_lose(&f, 7);
    fixture_close(&f);
}
END_TEST

/* A ledger cannot be read: the write that needs it says so, and may be tried again. */
START_TEST(a_write_that_cannot_read_a_ledger_says_so_and_may_be_tried_again)
{
    struct fixture f;

    fixture_open(&f, 41);
    sim_fail_only(f.rig.sim, PRIMARY_FILE);
    sim_fail_at(f.rig.sim, SIM_FAULT_READ, 1);
    MUST_EQ(core_put(&f.rig, f.old, "s", 7, 2), ERR_IO);
    MUST_EQ(sim_fault_fired(f.rig.sim, SIM_FAULT_READ), 1);
    MUST(strcmp(f.rig.op.failure.file, PRIMARY_FILE) == 0);
    sim_fail_clear(f.rig.sim);
    MUST_EQ(core_put(&f.rig, f.old, "s", KEYS + 1, 2), ERR_OK);
    must_lose(&f, 7);
    fixture_close(&f);
}
END_TEST

/* Nor can a pass read it: it goes on without, and the ledger answers for itself. */
START_TEST(a_pass_that_cannot_read_a_ledger_leaves_it_where_it_is)
{
    struct fixture f;
    uint64_t first;

    fixture_open(&f, 42);
    first = f.winner;
    for (unsigned pass = 0; pass < 3; pass++) {
        core_set(&f.rig, "s", pass, 3);
        sim_fail_only(f.rig.sim, PRIMARY_FILE);
        if (pass == 0)
            write_all(&f, 2);
        if (pass == 0)
            sim_fail_at(f.rig.sim, SIM_FAULT_READ, 1);
        core_amalgamate(&f.rig);
        MUST(pass || sim_fault_fired(f.rig.sim, SIM_FAULT_READ) == 1);
        sim_fail_clear(f.rig.sim);
        MUST(core_status(&f.rig).ledgers >= 2);
    }
    MUST(f.winner > first);
    must_lose(&f, 7);
    fixture_close(&f);
}
END_TEST

/* ---- size ---- */

#define ROUNDS 60

/* Whatever others write, memory stays within the limit, and each verdict is exact. */
START_TEST(an_old_writer_costs_a_known_number_of_bytes)
{
    struct core_rig rig;
    struct txn *old[2];
    uint64_t limit = 65536, most = 0, on_disk = 0, winner = 0;

    core_open(&rig, 43);
    rig.options.held_memory_max = limit;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    for (unsigned i = 0; i < 2; i++)
        old[i] = core_begin(&rig, "old", NULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct txn *t = core_begin(&rig, "others", NULL);

        for (unsigned n = 0; n < 1000; n++)
            MUST_EQ(core_put(&rig, t, "s", 2 * (round * 500 + n), 1), ERR_OK);
        MUST_EQ(core_commit(&rig, t, &winner), ERR_OK);
        core_amalgamate(&rig);
        if (core_status(&rig).ledger_bytes > most)
            most = core_status(&rig).ledger_bytes;
        if (core_status(&rig).ledger_disk_bytes > on_disk)
            on_disk = core_status(&rig).ledger_disk_bytes;
        MUST(core_status(&rig).ledgers < 8);
    }
    MUST(most <= limit && on_disk > 2 * limit);
    MUST_EQ(core_put(&rig, old[0], "s", 1, 5), ERR_OK);
    MUST_EQ(core_put(&rig, old[0], "s", 2 * (ROUNDS * 500 + 150) + 1, 5), ERR_OK);
    MUST_EQ(core_commit(&rig, old[0], NULL), ERR_OK);
    MUST_EQ(core_put(&rig, old[1], "s", 2 * (ROUNDS * 500 + 50), 5), ERR_CONFLICT);
    MUST_EQ(rig.op.failure.winner_commit, winner);
    core_rollback(&rig, old[1]);
    core_amalgamate(&rig);
    core_set(&rig, "s", 1, 6);
    core_amalgamate(&rig);
    MUST_EQ(core_status(&rig).ledgers, 0);
    MUST(core_status(&rig).primary.held_bytes < 4 * 4096); /* what the last pass replaced */
    core_close(&rig);
}
END_TEST

/* ---- cost ---- */

static unsigned setting(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);

    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

/* Others write every even key, in an order of chance. */
static void others_write(struct core_rig *rig, unsigned keys)
{
    unsigned *order = malloc(keys * sizeof *order);

    for (unsigned i = 0; i < keys; i++) {
        unsigned j = (unsigned)sim_random(rig->sim, i + 1);

        order[i] = order[j];
        order[j] = i;
    }
    for (unsigned i = 0; i < keys;) {
        struct txn *t = core_begin(rig, "others", NULL);

        do
            MUST_EQ(core_put(rig, t, "s", 2 * order[i], 1), ERR_OK);
        while (++i < keys && i % 1000);
        MUST_EQ(core_commit(rig, t, NULL), ERR_OK);
        if (i % 200000 == 0)
            core_amalgamate(rig);
    }
    core_amalgamate(rig);
    free(order);
}

/* CPU time of a write of some odd key, ns; the transaction ends. */
static double write_cost(struct core_rig *rig, struct txn *t, unsigned keys)
{
    unsigned writes = keys < 100000 ? keys : 100000;
    clock_t begun = clock();

    for (unsigned i = 0; i < writes; i++)
        MUST_EQ(core_put(rig, t, "s", 2 * (unsigned)sim_random(rig->sim, keys) + 1, 1), ERR_OK);
    core_rollback(rig, t);
    return (double)(clock() - begun) / CLOCKS_PER_SEC * 1e9 / writes;
}

/* What an old writer costs, and what a write costs it; OLD_KEYS and OLD_ROUNDS make it
 * larger. _i: its ledgers in memory; on disk; on disk with hardly a cache. */
START_TEST(what_an_old_writer_costs_is_known)
{
    static const char *const homes[] = {"in memory", "on disk", "on disk, hardly a cache"};
    unsigned keys = setting("OLD_KEYS", 20000), rounds = setting("OLD_ROUNDS", 2);
    struct core_rig rig;
    struct db_status status;
    struct txn *old;
    double young;

    core_open(&rig, 44);
    sim_knobs(rig.sim)->wait_percent = 0;
    rig.options.page_bytes = 8192;
    rig.options.held_memory_max = _i ? 0 : UINT64_C(1) << 30;
    rig.options.cache_bytes = _i < 2 ? UINT64_C(256) << 20 : 1 << 20;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    old = core_begin(&rig, "old", NULL);
    for (unsigned round = 0; round < rounds; round++)
        others_write(&rig, keys);
    status = core_status(&rig);
    MUST_EQ(status.ledger_disk_bytes > 0, _i > 0);
    MUST(status.ledger_bytes + status.ledger_disk_bytes < 24 * status.ledger_keys + 65536);
    write_cost(&rig, core_begin(&rig, "warm", NULL), keys);
    young = write_cost(&rig, core_begin(&rig, "young", NULL), keys);
    printf(
        "%u writes of %u keys by others, ledgers %s: %.1f bytes a key in memory, %.1f on disk; "
        "a write costs a young transaction %.0f ns, the old one %.0f ns\n",
        keys * rounds, keys, homes[_i],
        (double)status.ledger_bytes / (double)status.ledger_keys,
        (double)status.ledger_disk_bytes / (double)status.ledger_keys, young,
        write_cost(&rig, old, keys));
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("txn spill");
    TCase *tc = tcase_create("spill");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, a_write_that_waits_for_a_ledger_ends_as_it_should, 0, WAITS);
    tcase_add_loop_test(tc, a_ledger_that_the_disk_does_not_take_stays_in_memory, 0, 2);
    tcase_add_test(tc, a_write_that_cannot_read_a_ledger_says_so_and_may_be_tried_again);
    tcase_add_test(tc, a_pass_that_cannot_read_a_ledger_leaves_it_where_it_is);
    tcase_add_test(tc, an_old_writer_costs_a_known_number_of_bytes);
    tcase_add_loop_test(tc, what_an_old_writer_costs_is_known, 0, 3);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
