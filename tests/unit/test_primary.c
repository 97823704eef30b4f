/* test_primary.c - the primary against a model: merges, reads, held roots, space. */
#include "tests/unit/primary_rig.h"

#include <check.h>
#include <stdlib.h>

#define VALUE_SIZES 12
static const size_t value_sizes[VALUE_SIZES] = {0,   1,    10,   100,  100,  100,
                                                100, 1000, 8191, 8192, 8193, 20000};

/* A key of a kind that the seed chooses: numbers, few letters, long ones, zeros and 0xff. */
static struct slice any_key(struct rig *rig, unsigned range)
{
    uint8_t bytes[4096];
    size_t size;

    switch (sim_random(rig->sim, 8)) {
    case 0:
        size = 1 + sim_random(rig->sim, 3);
        for (size_t i = 0; i < size; i++)
            bytes[i] = sim_chance(rig->sim, 50) ? 0 : 0xff;
        return rig_bytes(rig, bytes, size);
    case 1:
        size = 1 + sim_random(rig->sim, 40);
        memset(bytes, 'p', size);
        bytes[size - 1] = (uint8_t)sim_random(rig->sim, 256);
        return rig_bytes(rig, bytes, size);
    case 2:
        size = sim_chance(rig->sim, 10) ? 4096 - sim_random(rig->sim, 3) : 30;
        memset(bytes, 'q', size);
        bytes[size - 1 - sim_random(rig->sim, 3)] = (uint8_t)sim_random(rig->sim, 256);
        return rig_bytes(rig, bytes, size);
    default: return rig_key_number(rig, sim_random(rig->sim, range));
    }
}

static struct slice any_value(struct rig *rig)
{
    size_t size = value_sizes[sim_random(rig->sim, VALUE_SIZES)];

    return rig_noise(rig, sim_random(rig->sim, 1u << 30), size);
}

/* Changes at random; some of them delete what is there. */
static void batch_fill(struct rig *rig, struct rig_batch *batch, unsigned count,
                       unsigned stores, unsigned range, unsigned delete_percent)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t store = 1 + (uint32_t)sim_random(rig->sim, stores);
        struct slice key = any_key(rig, range);

        if (sim_chance(rig->sim, delete_percent)) {
            if (rig->model.count && sim_chance(rig->sim, 80)) {
                const struct rig_record *r =
                    &rig->model.items[sim_random(rig->sim, rig->model.count)];

                store = r->store;
                key = r->key;
            }
            rig_batch_add(batch, store, key, SLICE_NONE);
        } else {
            rig_batch_add(batch, store, key, any_value(rig));
        }
    }
    rig_batch_sort(batch);
}

static void merge_ok(struct rig *rig, struct rig_batch *batch)
{
    enum err e = rig_merge_simple(rig, batch);

    ck_assert_msg(e == ERR_OK, "%s %s", err_name(e), rig->failure.text);
    rig_batch_fini(batch);
}

START_TEST(random_merges_read_as_the_model)
{
    /* The smallest make the highest trees. */
    static const uint32_t page_bytes[] = {512, 1024, 4096, 8192, 16384};
    struct rig rig;

    rig_init(&rig, 100 + (uint64_t)_i, page_bytes[_i % 5], _i % 2 ? 1 << 20 : 64 << 10);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    rig_check(&rig, 0);
    for (unsigned round = 0; round < 12; round++) {
        struct rig_batch batch = {0};
        unsigned count = (unsigned)sim_random(rig.sim, round % 4 ? 60 : 1500);

        batch_fill(&rig, &batch, count, 4, round < 6 ? 3000 : 100000, round % 3 ? 20 : 60);
        merge_ok(&rig, &batch);
        rig_check(&rig, 20);
    }
    rig_fini(&rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("primary");
    TCase *tc = tcase_create("model");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, random_merges_read_as_the_model, 0, 20);
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
