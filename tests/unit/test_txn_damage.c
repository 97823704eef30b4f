/* A page of one store rots: that store takes no more writes, and everything else goes on. */
#include "server/storage/page.h"
#include "server/txn/db_struct.h"
#include "tests/unit/core_rig.h"
#include "tests/unit/notation.h"

#include <stdlib.h>

#define KEYS 1500u

struct rot {
    struct core_rig rig;
    uint64_t at;  /* the unit that has rotted */
    bool is_branch;
    unsigned key; /* of "a", on the page that rotted; the page has its neighbours, too */
};

static unsigned count_damaged(struct core_rig *rig, const char *store, unsigned *key)
{
    unsigned damaged = 0;
    uint64_t value;

    for (unsigned k = 0; k < KEYS; k += 3) {
        enum err e = core_get(rig, NULL, store, k, &value);

        MUST(e == ERR_OK || e == ERR_CORRUPT);
        if (e == ERR_CORRUPT) {
            MUST(strcmp(rig->op.failure.file, PRIMARY_FILE) == 0 && rig->op.failure.offset);
            damaged++;
            *key = k;
        } else {
            MUST_EQ(value, k + 1);
        }
    }
    return damaged;
}

/* Two stores on the disk, a few pages each; then one page of "a" rots: a leaf, or a branch. */
static void rot_begin(struct rot *rot, uint64_t seed, bool branch)
{
    struct core_rig *rig = &rot->rig;
    uint64_t size;
    uint8_t before[512];

    core_open(rig, seed);
    rot->is_branch = branch;
    rig->options.cache_bytes = 4096;
    MUST_EQ(core_create(rig, NULL, "a", NULL), ERR_OK);
    MUST_EQ(core_create(rig, NULL, "b", NULL), ERR_OK);
    for (unsigned k = 0; k < KEYS; k++) {
        core_set(rig, "a", k, k + 1);
        core_set(rig, "b", k, k + 1);
    }
    core_amalgamate(rig);
    core_restart(rig, false);
    MUST(sim_file_size(rig->sim, PRIMARY_FILE, &size));
    for (rot->at = 8192; rot->at < size; rot->at += 512) {
        unsigned bad, other;

        core_settle(rig);
        MUST(sim_file_read(rig->sim, PRIMARY_FILE, rot->at, before, 512));
        MUST(sim_rot(rig->sim, PRIMARY_FILE, rot->at, 512));
        bad = count_damaged(rig, "a", &rot->key);
        if (bad && count_damaged(rig, "b", &other) == 0 && (bad > KEYS / 4) == branch)
            break;
        MUST(sim_file_write(rig->sim, PRIMARY_FILE, rot->at, before, 512));
        core_restart(rig, false);
    }
    MUST(rot->at < size);
    /* as if it had just happened, and nobody had read there yet */
    core_restart(rig, false);
    rig->damaged = branch ? rig->damaged : 0;
}

static void must_be_damaged(struct core_rig *rig, enum err e)
{
    MUST_EQ(e, ERR_CORRUPT);
    MUST(strcmp(rig->op.failure.file, PRIMARY_FILE) == 0);
    MUST(rig->op.failure.offset >= 8192);
}

static void each_damage(void *context, const struct db_damage_status *s)
{
    unsigned *count = context;

    ++*count;
    MUST(slice_equal(s->name, slice_text("a")) && s->offset >= 8192);
    MUST(strcmp(s->file, PRIMARY_FILE) == 0);
}

static void check_status(struct core_rig *rig, unsigned damaged)
{
    unsigned count = 0;

    db_each_damage(rig->db, each_damage, &count);
    MUST_EQ(count, damaged);
}

/* "b" is read, written, merged and counted; of "a" only what the page held is missing. */
static void others_go_on(struct rot *rot, uint64_t *round)
{
    struct core_rig *rig = &rot->rig;
    uint64_t before = core_status(rig).amalgamations, count;
    unsigned bad = 0;

    ++*round;
    core_set(rig, "b", 7, 1000 + *round);
    core_amalgamate(rig);
    MUST(core_status(rig).amalgamations > before);
    MUST_EQ(core_status(rig).stages, 1);
    MUST_EQ(core_value(rig, "b", 7), 1000 + *round);
    MUST_EQ(core_count(rig, NULL, "b", 0, KEYS, &count), ERR_OK);
    MUST_EQ(count, KEYS);
    for (unsigned k = 100; k < KEYS; k += 50)
        bad += core_get(rig, NULL, "a", k, &count) == ERR_CORRUPT;
    MUST(rot->is_branch || bad < KEYS / 50 - 2);
}

START_TEST(damage_stops_its_own_store_only)
{
    bool branch = _i >= 2;
    struct rot rot;
    struct core_rig *rig = &rot.rig;
    uint64_t round = 0, value, count;
    struct txn *t;
    bool existed;

    rot_begin(&rot, 50 + (uint64_t)_i, branch);
    t = core_begin(rig, "early", NULL);
    if (!branch) { /* of a leaf nobody knows yet */
        MUST_EQ(core_put(rig, t, "a", rot.key, 77), ERR_OK);
        MUST_EQ(core_put(rig, t, "a", KEYS + 5, 78), ERR_OK);
        core_set(rig, "a", KEYS + 6, 79);
        core_rotate(rig);
        MUST_EQ(core_commit(rig, t, NULL), ERR_OK);
    } else {
        must_be_damaged(rig, core_put(rig, t, "a", rot.key, 77));
        core_rollback(rig, t);
    }
    others_go_on(&rot, &round);
    MUST(rig->damaged > 0);
    check_status(rig, 1);
    must_be_damaged(rig, core_put(rig, NULL, "a", 1, 5));
    must_be_damaged(rig, core_put(rig, NULL, "a", KEYS + 9, 5));
    for (unsigned i = 0; i < 3; i++) {
        if (!branch) { /* what was committed is read from beside the damaged tree */
            MUST_EQ(core_value(rig, "a", rot.key), 77);
            MUST_EQ(core_value(rig, "a", KEYS + 5), 78);
            MUST_EQ(core_value(rig, "a", KEYS + 6), 79);
            MUST_EQ(core_count(rig, NULL, "a", KEYS, KEYS + 9, &count), ERR_OK);
            MUST_EQ(count, 2);
            must_be_damaged(rig, core_count(rig, NULL, "a", 0, KEYS, &count));
            must_be_damaged(rig, core_delete(rig, NULL, "a", KEYS + 5, &existed));
        }
        others_go_on(&rot, &round);
        core_restart(rig, i == 1);
        check_status(rig, 1);
        must_be_damaged(rig, core_put(rig, NULL, "a", 1, 5));
    }
    if (_i % 2)
        MUST_EQ(core_clear(rig, NULL, "a"), ERR_OK);
    else
        MUST_EQ(core_drop(rig, NULL, "a"), ERR_OK);
    core_amalgamate(rig);
    check_status(rig, 0);
    core_restart(rig, true);
    check_status(rig, 0);
    if (_i % 2 == 0)
        MUST_EQ(core_create(rig, NULL, "a", NULL), ERR_OK);
    core_set(rig, "a", 1, 6);
    core_amalgamate(rig);
    MUST_EQ(core_value(rig, "a", 1), 6);
    MUST_EQ(core_get(rig, NULL, "a", rot.key, &value), ERR_OK);
    MUST_EQ(value, 0);
    core_close(rig);
}
END_TEST

/* A transaction that has written in the store before the damage was met commits all the same: its
 * writes have been answered. So several passes may come to the side tree. */
START_TEST(what_was_written_before_the_damage_was_met_is_merged_by_any_pass)
{
    struct rot rot;
    struct core_rig *rig = &rot.rig;
    struct txn *t[4], *old = NULL;
    uint64_t value, count;
    unsigned keys[8];
    uint64_t values[8];
    struct cursor_options options = {.limit = UINT64_MAX, .reverse = _i % 2};

    rot_begin(&rot, 60, false);
    for (unsigned i = 0; i < 4; i++) {
        t[i] = core_begin(rig, "early", NULL);
        MUST_EQ(core_put(rig, t[i], "a", KEYS + i, 50 + i), ERR_OK);
        if (i == 3)
            MUST_EQ(core_put(rig, t[i], "a", rot.key, 99), ERR_OK);
    }
    for (unsigned i = 0; i < 4; i++) {
        MUST_EQ(core_commit(rig, t[i], NULL), ERR_OK);
        if (i == 2)
            old = core_begin(rig, "old reader", NULL);
        core_amalgamate(rig);
        MUST_EQ(core_value(rig, "a", KEYS + i), 50 + i);
        if (i == 2)
            MUST_EQ(core_get(rig, old, "a", rot.key, &value), ERR_CORRUPT);
    }
    MUST_EQ(rig->damaged, 1);
    MUST_EQ(core_value(rig, "a", rot.key), 99);
    MUST_EQ(core_get(rig, old, "a", KEYS + 2, &value), ERR_OK);
    MUST_EQ(value, 52);
    MUST_EQ(core_get(rig, old, "a", KEYS + 3, &value), ERR_OK);
    MUST_EQ(value, 0); /* after its snapshot */
    MUST_EQ(core_get(rig, old, "a", rot.key, &value), ERR_CORRUPT);
    core_rollback(rig, old);
    core_restart(rig, _i >= 2);
    {
        unsigned got = 8;

        MUST_EQ(core_scan(rig, NULL, "a", KEYS - 1, KEYS + 9, &options, keys, values, &got),
                ERR_OK);
        MUST_EQ(got, 5);
        for (unsigned i = 0; i < 5; i++)
            MUST_EQ(keys[options.reverse ? 4 - i : i], KEYS - 1 + i);
    }
    MUST_EQ(core_count(rig, NULL, "a", KEYS - 1, KEYS + 9, &count), ERR_OK);
    MUST_EQ(count, 5);
    core_close(rig);
}
END_TEST

/* Every page of the tree, of whatever root. */
static unsigned rot_tree(struct core_rig *rig, uint32_t tree)
{
    uint8_t unit[512];
    uint64_t size;
    unsigned rotted = 0;

    MUST(sim_file_size(rig->sim, PRIMARY_FILE, &size));
    for (uint64_t at = 2 * 4096; at + sizeof unit <= size; at += sizeof unit) {
        struct page_label label;

        MUST(sim_file_read(rig->sim, PRIMARY_FILE, at, unit, sizeof unit));
        if (!page_label_decode(&label, unit) || label.store != tree)
            continue;
        MUST(sim_rot(rig->sim, PRIMARY_FILE, at, sizeof unit));
        rotted++;
    }
    return rotted;
}

/* Replay reads what the build of a unique index has made: where it cannot, that index is lost, and
 * the server starts. */
START_TEST(an_index_that_rots_while_it_is_built_does_not_stop_a_start)
{
    struct buffer options = packed("{\"key\": [[0]], \"unique\": T, \"online\": T}");
    struct core_rig rig;
    uint32_t index;
    unsigned turns = 0;

    core_open(&rig, 31);
    rig.options.slice_steps = 3; /* a record in each slice */
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    for (unsigned key = 1; key < 600; key++)
        core_set(&rig, "s", key, key);
    core_amalgamate(&rig);
    MUST_EQ(core_create_index(&rig, NULL, "s", "own", buffer_slice(&options)), ERR_OK);
    while (rig.db->builds.built < 20)
        MUST(turns++ < 1000), core_turn(&rig);
    index = rig.db->builds.number;
    MUST(index > 1);
    core_amalgamate(&rig);
    MUST(!rig.built);
    core_set(&rig, "s", 1, 1000); /* whose entry the root has */
    MUST_EQ(core_acknowledge(&rig), ERR_OK);
    MUST(rot_tree(&rig, index) > 0);
    core_end_op(&rig);
    core_restart(&rig, true);
    MUST_EQ(core_value(&rig, "s", 1), 1000);
    MUST_EQ(core_value(&rig, "s", 599), 599);
    core_rest(&rig, 1000);
    MUST(!rig.built); /* it has failed, or it waits to be dropped */
    MUST_EQ(core_drop_index(&rig, NULL, "s", "own"), ERR_OK);
    MUST_EQ(core_create_index(&rig, NULL, "s", "own", buffer_slice(&options)), ERR_OK);
    for (turns = 0; !rig.built; turns++)
        MUST(turns < 100000), core_turn(&rig);
    MUST_EQ(core_insert(&rig, NULL, "s", 700, 1000), ERR_NOT_UNIQUE);
    buffer_fini(&options);
    core_close(&rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("txn_damage");
    TCase *tc = tcase_create("damage");

    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, damage_stops_its_own_store_only, 0, 4);
    tcase_add_loop_test(tc, what_was_written_before_the_damage_was_met_is_merged_by_any_pass, 0,
                        4);
    tcase_add_test(tc, an_index_that_rots_while_it_is_built_does_not_stop_a_start);
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
