/* test_index_build.c - what an index that is built in the background takes of the time. */
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

int main(void)
{
    Suite *suite = suite_create("index_build");
    TCase *tcase = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, a_build_leaves_time_to_clients);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
