/* test_index_build.c - what a work in the background takes of the time: building an index, and a
 * check. */
#include "server/txn/check.h"
#include "server/txn/db_struct.h"
#include "tests/unit/core_rig.h"
#include "tests/unit/notation.h"

#include <stdlib.h>

#define KEYS 40
#define SLOW_SLICE_NS 200000

/* A turn of a rig whose clock stands while it works: what a slice of the build takes is said
 * here. */
static bool turn_with_slow_slice(struct core_rig *rig)
{
    uint64_t before = rig->db->builds.built;
    bool is_slice;

    db_note_clients(rig->db);
    db_tick(rig->db);
    db_turn(rig->db);
    is_slice = rig->db->builds.number && rig->db->builds.built > before;
    if (is_slice)
        pace_spend(&rig->db->builds.pace, SLOW_SLICE_NS);
    return is_slice;
}

/* Clients ask in each turn: a build takes its share of the time that passes, and the rest is
 * theirs. */
START_TEST(a_build_leaves_time_to_clients)
{
    struct core_rig rig;
    unsigned slices = 0, ms = 0;
    struct buffer options;
    struct failure f;

    core_open(&rig, 1);
    rig.options.build_share = 10;
    rig.options.slice_steps = 4; /* two records in a slice */
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    for (unsigned key = 1; key <= KEYS; key++)
        core_set(&rig, "s", key, key);
    core_rest(&rig, 200);
    rig.db->builds.pace.credit = -SLOW_SLICE_NS * 100;
    rig.db->builds.pace.looked_ns = os_now_ns(rig.db->os);
    db_note_clients(rig.db);
    options = packed("{\"key\": [[0]], \"online\": T}");
    MUST_EQ(core_create_index(&rig, NULL, "s", "low", buffer_slice(&options)), ERR_OK);
    buffer_fini(&options);
    for (unsigned i = 0; i < 100; i++)
        slices += turn_with_slow_slice(&rig);
    MUST_EQ(slices, 0); /* no time has passed */
    MUST(db_next_pass_ms(rig.db) != UINT64_MAX);
    while (rig.db->builds.built < KEYS && ms < 10000) {
        sim_advance_ms(rig.sim, 1);
        ms++;
        for (unsigned i = 0; i < 4; i++)
            slices += turn_with_slow_slice(&rig);
        MUST(slices * SLOW_SLICE_NS <= ms * 100000u + 2 * SLOW_SLICE_NS);
    }
    MUST(slices >= KEYS / 2 && ms < 10000);
    core_rest(&rig, 1000);
    MUST_EQ(rig.built, 1);
    failure_init(&f);
    MUST_EQ(db_check_indexes(rig.db, &f), ERR_OK);
    core_close(&rig);
}
END_TEST

static void check_is_done(struct online_check *c, enum err e)
{
    MUST_EQ(e, ERR_OK);
    c->done = NULL;
}

/* A check looks at rows likewise. */
START_TEST(a_check_leaves_time_to_clients)
{
    struct core_rig rig;
    struct online_check check = {.done = check_is_done};
    struct online_check_status status;
    unsigned slices = 0, ms = 0;
    struct failure f;

    core_open(&rig, 1);
    rig.options.build_share = 10;
    rig.options.slice_steps = 4; /* two steps in a slice */
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    for (unsigned key = 1; key <= KEYS; key++)
        core_set(&rig, "s", key, key);
    core_amalgamate(&rig);
    failure_init(&f);
    MUST_EQ(online_check_begin(rig.db, &check, &f), ERR_OK);
    do { /* the log and the pages are looked through by jobs */
        db_note_clients(rig.db);
        rig.db->check_pace.credit = -SLOW_SLICE_NS * 100;
        rig.db->check_pace.looked_ns = os_now_ns(rig.db->os);
        core_settle(&rig);
        online_check_status(rig.db, &status);
    } while (strcmp(status.phase, "rows") != 0 && ++ms < 1000);
    MUST_EQ(status.counts.records, 0);
    MUST(db_next_pass_ms(rig.db) != UINT64_MAX);
    for (ms = 0; check.done && ms < 10000; ms++) {
        sim_advance_ms(rig.sim, 1);
        for (unsigned i = 0; i < 4 && check.done; i++) {
            uint64_t before = status.counts.records;

            db_note_clients(rig.db);
            db_turn(rig.db);
            if (check.done)
                online_check_status(rig.db, &status);
            if (!check.done || status.counts.records == before)
                continue;
            slices++;
            pace_spend(&rig.db->check_pace, SLOW_SLICE_NS);
        }
        MUST(slices * SLOW_SLICE_NS <= ms * 100000u + 2 * SLOW_SLICE_NS);
    }
    MUST(slices >= KEYS / 2 - 1 && ms < 10000);
    MUST_EQ(online_check_counts(&check)->records, KEYS);
    online_check_end(&check);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("index_build");
    TCase *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, a_build_leaves_time_to_clients);
    tcase_add_test(tcase, a_check_leaves_time_to_clients);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
