/* Records at the ends of what the options of size allow, through all that they go through: the
 * log, a crash, a pass, the disk, and back. */
#include "tests/unit/core_rig.h"

#include <stdlib.h>

#define MIB (UINT64_C(1) << 20)
#define VALUE_BYTES_MAX (16 * MIB) /* of the option value-size */

static const size_t sizes[] = {
    6,       4096,    MIB - 100, MIB + 1,      5 * MIB + 7,         6 * MIB - 40,
    6 * MIB, 8 * MIB, 9 * MIB,   12 * MIB + 3, VALUE_BYTES_MAX - 1, VALUE_BYTES_MAX,
};
#define SIZES (unsigned)(sizeof sizes / sizeof sizes[0])

/* _i: a bit for each option that stands at its other end. */
static void sizes_open(struct core_rig *rig, int i)
{
    core_open(rig, 90 + (uint64_t)i);
    rig->options.value_bytes_max = VALUE_BYTES_MAX;
    rig->options.stage_bytes = i & 1 ? 64 * MIB * 1024 : 64 << 10;
    rig->options.link_bytes_max = i & 2 ? 1024 * MIB : 4 << 10;
    rig->options.cache_bytes = i & 1 ? 256 * MIB : MIB;
    rig->options.log_in_flight = i & 1 ? 8 : 1;
    core_restart(rig, false);
    MUST_EQ(core_create(rig, NULL, "a", NULL), ERR_OK);
}

static void check_all(struct core_rig *rig, unsigned key)
{
    for (unsigned i = 0; i < SIZES; i++)
        if (!core_has_large(rig, "a", key + i, sizes[i]))
            ck_abort_msg("key %u of %zu bytes: %s", key + i, sizes[i], rig->op.failure.text);
}

START_TEST(a_record_of_any_size_that_is_allowed_is_kept)
{
    struct core_rig rig;
    struct txn *t;

    sizes_open(&rig, _i);
    for (unsigned i = 0; i < SIZES; i++)
        MUST_EQ(core_put_large(&rig, NULL, "a", i, sizes[i]), ERR_OK);
    MUST_EQ(core_put_large(&rig, NULL, "a", 50, VALUE_BYTES_MAX + 1), ERR_TOO_LARGE);
    check_all(&rig, 0);
    core_restart(&rig, true);
    check_all(&rig, 0);
    core_amalgamate(&rig);
    check_all(&rig, 0);
    t = core_begin(&rig, "all at once", NULL); /* small ones behind large ones, too */
    for (unsigned i = SIZES; i-- > 0;)
        MUST_EQ(core_put_large(&rig, t, "a", 100 + i, sizes[i]), ERR_OK);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    core_settle(&rig);
    core_restart(&rig, true);
    check_all(&rig, 0);
    check_all(&rig, 100);
    core_amalgamate(&rig);
    core_restart(&rig, false);
    check_all(&rig, 0);
    check_all(&rig, 100);
    core_close(&rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("txn_sizes");
    TCase *tc = tcase_create("sizes");

    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, a_record_of_any_size_that_is_allowed_is_kept, 0, 4);
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
