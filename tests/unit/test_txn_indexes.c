/* Indexes in the core: lives of random writes over stages, merges, savepoints, rollbacks and
 * restarts, after each of which every index is compared with its records in both directions. */
#include "server/txn/savepoints.h"
#include "server/txn/entries.h"
#include "server/txn/estimate.h"
#include "server/txn/index_read.h"
#include "server/txn/index_row.h"
#include "server/txn/record_many.h"
#include "tests/unit/core_rig.h"
#include "tests/unit/notation.h"

#include <stdlib.h>
#include <string.h>

#define KEYS 40

static struct dice dice;

static void op_wake_none(struct op *op)
{
    (void)op;
}

static enum err create(struct core_rig *rig, struct txn *t, const char *name,
                       const char *options)
{
    struct buffer b = packed(options);
    enum err e = core_create_index(rig, t, "s", name, buffer_slice(&b));

    buffer_fini(&b);
    return e;
}

static void check(struct core_rig *rig)
{
    struct failure f;

    failure_init(&f);
    if (db_check_indexes(rig->db, &f) != ERR_OK)
        ck_abort_msg("%s", f.text);
}

/* A record is [number, bytes]: index "low" is not unique, "own" is. */
static void define(struct core_rig *rig, struct txn *t)
{
    core_drop_index(rig, t, "s", "low");
    core_drop_index(rig, t, "s", "own");
    MUST_EQ(create(rig, t, "low", "{\"key\": [[0]]}"), ERR_OK);
    MUST_EQ(create(rig, t, "own", "{\"key\": [[0]], \"unique\": T}"), ERR_OK);
    MUST_EQ(create(rig, t, "part", "{\"key\": [[1], [0]], \"where\": {0: {\"$gt\": 30}}}"),
            ERR_OK);
}

static enum err write_some(struct core_rig *rig, struct txn *t)
{
    unsigned key = 1 + (unsigned)dice_below(&dice, KEYS);
    uint64_t value = 1 + dice_below(&dice, 2 * KEYS);
    uint64_t deleted;

    switch (dice_below(&dice, 8)) {
    case 0: return core_delete(rig, t, "s", key, NULL);
    case 1: return core_insert(rig, t, "s", key, value);
    case 2:
        return dice_below(&dice, 8) ? ERR_OK
                                    : core_delete_range(rig, t, "s", key, key + 5, &deleted);
    default: return core_put(rig, t, "s", key, value);
    }
}

/* Set a savepoint, or go back to the last one. */
static void save_some(struct core_rig *rig, struct txn *t, bool *is_set)
{
    struct op op;

    if (dice_below(&dice, 4))
        return;
    op_init(&op, rig->db, op_wake_none);
    if (*is_set && dice_below(&dice, 2)) {
        MUST_EQ(txn_rollback_to(&op, t, slice_text("s")), ERR_OK);
    } else {
        MUST_EQ(txn_savepoint(&op, t, slice_text("s")), ERR_OK);
        *is_set = true;
    }
    op_fini(&op);
}

/* A transaction of some writes, of which some are refused and taken back. */
static void transact(struct core_rig *rig)
{
    struct txn *t = core_begin(rig, "life", NULL);
    unsigned writes = 1 + (unsigned)dice_below(&dice, 12);
    enum err e = ERR_OK;
    bool is_set = false;

    for (unsigned i = 0; i < writes && e != ERR_CONFLICT; i++) {
        save_some(rig, t, &is_set);
        e = write_some(rig, t);
    }
    if (dice_below(&dice, 5) == 0)
        core_rollback(rig, t);
    else
        MUST(core_commit(rig, t, NULL) == ERR_OK);
}

/* Two at once, of which one may lose. */
static void meet(struct core_rig *rig)
{
    struct txn *a = core_begin(rig, "a", NULL), *b = core_begin(rig, "b", NULL);
    enum err e;

    for (unsigned i = 0; i < 4; i++) {
        write_some(rig, a);
        write_some(rig, b);
    }
    e = core_commit(rig, a, NULL);
    MUST(e == ERR_OK);
    e = core_commit(rig, b, NULL);
    MUST(e == ERR_OK || e == ERR_CONFLICT);
}

static void redefine(struct core_rig *rig)
{
    struct txn *t = core_begin(rig, "schema", NULL);
    enum err e;

    write_some(rig, t);
    switch (dice_below(&dice, 6)) {
    case 0: core_clear(rig, t, "s"); break;
    case 1: core_rename_index(rig, t, "s", "low", "other"); break;
    case 2: core_rename_index(rig, t, "s", "other", "low"); break;
    case 3: core_drop_index(rig, t, "s", "own"); break;
    case 4: create(rig, t, "own", "{\"key\": [[0]], \"unique\": T}"); break;
    default:
        core_drop_index(rig, t, "s", "low");
        create(rig, t, "low", "{\"key\": [[0]]}");
        break;
    }
    write_some(rig, t);
    e = dice_below(&dice, 4) ? core_commit(rig, t, NULL) : (core_rollback(rig, t), ERR_OK);
    MUST(e == ERR_OK);
}

static void live(struct core_rig *rig, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        switch (dice_below(&dice, 24)) {
        case 0: core_rotate(rig); break;
        case 1: core_amalgamate(rig); break;
        case 2:
            core_settle(rig);
            core_restart(rig, dice_below(&dice, 2) == 0);
            break;
        case 3:
        case 4: redefine(rig); break;
        case 5:
        case 6:
        case 7: meet(rig); break;
        case 8:
        case 9:
        case 10: write_some(rig, NULL); break;
        default: transact(rig); break;
        }
        check(rig);
    }
}

START_TEST(every_entry_is_of_a_record_and_every_record_has_its_entries)
{
    struct core_rig rig;

    dice = (struct dice){(uint64_t)_i + 1};
    core_open(&rig, (uint64_t)_i);
    if (_i % 3 == 0) { /* large write-sets, and small stages */
        rig.options.link_bytes_max = 1024;
        core_restart(&rig, false);
    }
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    if (_i % 2)
        define(&rig, NULL);
    live(&rig, 30);
    if (_i % 2 == 0)
        core_clear(&rig, NULL, "s");
    if (_i % 2 == 0)
        define(&rig, NULL);
    live(&rig, 60);
    core_settle(&rig);
    core_restart(&rig, true);
    check(&rig);
    core_amalgamate(&rig);
    check(&rig);
    core_restart(&rig, false);
    check(&rig);
    core_close(&rig);
}
END_TEST

/* _i: 0 in the open stage, 1 over a sealed one, 2 merged, 3 some of each. */
START_TEST(an_index_created_over_records_is_made_again_by_replay)
{
    struct core_rig rig;
    struct txn *t;

    core_open(&rig, 7);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    for (unsigned key = 1; key <= 30; key++) {
        core_set(&rig, "s", key, 100 + key);
        if (key == 10 && (_i == 2 || _i == 3))
            core_amalgamate(&rig);
        if (key == 20 && _i)
            core_rotate(&rig);
    }
    if (_i == 2)
        core_amalgamate(&rig);
    t = core_begin(&rig, "index", NULL);
    MUST_EQ(core_put(&rig, t, "s", 5, 131), ERR_OK);
    define(&rig, t);
    MUST_EQ(core_put(&rig, t, "s", 6, 105), ERR_OK);
    MUST_EQ(core_delete(&rig, t, "s", 7, NULL), ERR_OK);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    MUST_EQ(core_put(&rig, NULL, "s", 8, 107), ERR_OK);
    core_settle(&rig);
    check(&rig);
    core_restart(&rig, true);
    check(&rig);
    MUST_EQ(core_insert(&rig, NULL, "s", 50, 131), ERR_NOT_UNIQUE);
    MUST_EQ(core_insert(&rig, NULL, "s", 50, 106), ERR_OK);
    check(&rig);
    core_amalgamate(&rig);
    check(&rig);
    core_close(&rig);
}
END_TEST

START_TEST(entries_are_not_in_the_log)
{
    struct core_rig rig;
    uint64_t without, with;

    core_open(&rig, 8);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    MUST_EQ(core_create(&rig, NULL, "plain", NULL), ERR_OK);
    define(&rig, NULL);
    core_settle(&rig);
    without = core_status(&rig).log.position;
    core_set(&rig, "plain", 1, 77);
    core_settle(&rig);
    with = core_status(&rig).log.position;
    without = with - without;
    core_set(&rig, "s", 1, 77);
    core_settle(&rig);
    MUST_EQ(core_status(&rig).log.position - with, without);
    core_close(&rig);
}
END_TEST

/* Whichever allocation fails, a record and its entries are written together or not at all. */
START_TEST(a_write_that_lacks_memory_changes_no_index)
{
    struct core_rig rig;
    struct txn *t;
    enum err e;

    core_open(&rig, 9);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    define(&rig, NULL);
    for (unsigned key = 1; key <= 20; key++)
        core_set(&rig, "s", key, 30 + key);
    t = core_begin(&rig, "poor", NULL);
    MUST_EQ(core_put(&rig, t, "s", 1, 99), ERR_OK);
    sim_fail_alloc_at(rig.sim, (uint64_t)_i);
    e = core_put(&rig, t, "s", 2, 98);
    if (!e)
        e = core_put(&rig, t, "s", 3, 97);
    sim_fail_alloc_at(rig.sim, UINT64_MAX);
    MUST(e == ERR_OK || e == ERR_NOMEM);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    check(&rig);
    core_close(&rig);
}
END_TEST

/* An index that could not be made leaves its transaction as it was: it does not lose to those who
 * write in the store. */
START_TEST(an_index_that_could_not_be_made_dooms_nobody)
{
    struct core_rig rig;
    struct txn *t;

    core_open(&rig, 10);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    core_set(&rig, "s", 1, 7);
    core_set(&rig, "s", 2, 7);
    t = core_begin(&rig, "index", NULL);
    MUST_EQ(create(&rig, t, "own", "{\"key\": [[0]], \"unique\": T}"), ERR_NOT_UNIQUE);
    core_set(&rig, "s", 3, 8);
    MUST_EQ(core_put(&rig, t, "s", 4, 9), ERR_OK);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    check(&rig);
    core_close(&rig);
}
END_TEST

/* docs/formats.md: what a store's row has for each of its indexes. */
START_TEST(the_row_of_an_index_is_as_documented)
{
    static const struct {
        enum index_state state;
        const char *bytes;
        size_t size;
    } golden[] = {
        {INDEX_READY, "\x93\xa1i\x05\x81\xa3key\xa1k", 11},
        {INDEX_BUILDING, "\x94\xa1i\x05\x81\xa3key\xa1k\x01", 12},
        {INDEX_FAILED, "\x94\xa1i\x05\x81\xa3key\xa1k\x94\xa3ONE\xa3why\x07\xc0", 22},
    };
    static uint8_t why[INDEX_WHY_BYTES_MAX];
    struct index_why is = {slice_text("ONE"), slice_text("why"), slice_text("\x07"), SLICE_NONE};
    uint8_t room[256];

    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct index_row row = {.name = slice_text("i"),
                                .number = 5,
                                .definition = slice_text("\x81\xa3key\xa1k"),
                                .state = golden[i].state,
                                .why = slice_make(why, index_why_write(&is, why, sizeof why))};
        struct index_row back;
        struct msgpack_cursor c;

        MUST_EQ(index_row_write(&row, room, sizeof room), golden[i].size);
        MUST(memcmp(room, golden[i].bytes, golden[i].size) == 0);
        c = msgpack_open(slice_make(room, golden[i].size));
        MUST_EQ(index_row_read(&c, &back), ERR_OK);
        MUST(back.state == row.state && slice_equal(back.definition, row.definition));
    }
    MUST(slice_equal(index_progress_key(), slice_text("\x01")));
}
END_TEST

/* ---- in the background ---- */

struct states { /* of indexes, as `stores` tells */
    unsigned of[3];
    uint64_t built;
};

static void note_states(void *context, const struct store_info *info)
{
    struct states *s = context;

    for (unsigned i = 0; i < info->index_count; i++) {
        s->of[store_info_index(info, i).state]++;
        s->built += store_info_index(info, i).built;
    }
}

static struct states states(struct core_rig *rig)
{
    struct states s = {0};
    uint64_t calls = 0;

    MUST_EQ(core_list(rig, NULL, note_states, &s, &calls), ERR_OK);
    return s;
}

static void wait_for_builds(struct core_rig *rig)
{
    core_settle(rig);
    for (unsigned i = 0; i < 1000 && states(rig).of[INDEX_BUILDING]; i++)
        core_rest(rig, 50);
    MUST_EQ(states(rig).of[INDEX_BUILDING], 0);
}

/* A life in which indexes are built while others write, merge, crash and change definitions. */
START_TEST(an_index_built_online_is_as_one_built_at_rest)
{
    struct core_rig rig;

    dice = (struct dice){(uint64_t)_i + 1000};
    core_open(&rig, (uint64_t)_i);
    if (_i % 3 == 0)
        rig.options.link_bytes_max = 1024;
    rig.options.slice_steps = _i % 2 ? 3 : 2000; /* and so of each slice of a build */
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    for (unsigned key = 1; key <= KEYS; key++)
        core_set(&rig, "s", key, 1 + dice_below(&dice, _i % 4 ? 1000 : 100000));
    for (unsigned round = 0; round < 6; round++) {
        create(&rig, NULL, "low", "{\"key\": [[0]], \"online\": T}");
        create(&rig, NULL, "own", "{\"key\": [[0]], \"unique\": T, \"online\": T}");
        create(&rig, NULL, "part",
               "{\"key\": [[1], [0]], \"where\": {0: {\"$gt\": 30}}, \"online\": T}");
        live(&rig, 12);
        if (dice_below(&dice, 2))
            wait_for_builds(&rig);
        check(&rig);
        if (dice_below(&dice, 2))
            core_drop_index(&rig, NULL, "s", "part");
        core_drop_index(&rig, NULL, "s", "own");
        if (dice_below(&dice, 2))
            core_drop_index(&rig, NULL, "s", "low");
    }
    create(&rig, NULL, "low", "{\"key\": [[0]], \"online\": T}");
    core_settle(&rig);
    core_restart(&rig, true);
    wait_for_builds(&rig);
    check(&rig);
    core_restart(&rig, true);
    check(&rig);
    MUST_EQ(states(&rig).of[INDEX_BUILDING], 0);
    core_close(&rig);
}
END_TEST

/* Nobody reads it before it is ready; what violates it ends it, and is named. */
START_TEST(a_build_that_meets_a_violation_fails_and_says_so)
{
    struct core_rig rig;
    struct states s;

    core_open(&rig, 11);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    core_set(&rig, "s", 1, 7);
    core_set(&rig, "s", 2, 7);
    MUST_EQ(create(&rig, NULL, "own", "{\"key\": [[0]], \"unique\": T, \"online\": T}"),
            ERR_OK);
    wait_for_builds(&rig);
    s = states(&rig);
    MUST(s.of[INDEX_FAILED] == 1 && s.of[INDEX_READY] == 0);
    MUST_EQ(core_put(&rig, NULL, "s", 3, 7), ERR_OK); /* nobody keeps it any more */
    core_restart(&rig, true);
    MUST_EQ(states(&rig).of[INDEX_FAILED], 1);
    MUST_EQ(core_drop_index(&rig, NULL, "s", "own"), ERR_OK);
    core_close(&rig);
}
END_TEST

/* While it is built, what others write keeps it, and takes nothing from another's entry. */
START_TEST(writes_keep_an_index_that_is_being_built)
{
    struct core_rig rig;
    struct txn *t;

    core_open(&rig, 12);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    core_set(&rig, "s", 1, 7);
    core_amalgamate(&rig);
    t = core_begin(&rig, "during", NULL);
    MUST_EQ(create(&rig, t, "own", "{\"key\": [[0]], \"unique\": T, \"online\": T}"), ERR_OK);
    MUST_EQ(core_put(&rig, t, "s", 2, 7), ERR_OK); /* the builder has not met 1 yet */
    MUST_EQ(core_put(&rig, t, "s", 1, 8), ERR_OK); /* what it leaves is 2's by now */
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    if (_i) {
        core_settle(&rig);
        core_restart(&rig, true);
    }
    wait_for_builds(&rig);
    MUST_EQ(states(&rig).of[INDEX_READY], 1);
    check(&rig);
    MUST_EQ(core_put(&rig, NULL, "s", 3, 7), ERR_NOT_UNIQUE);
    MUST_EQ(core_put(&rig, NULL, "s", 3, 8), ERR_NOT_UNIQUE);
    core_close(&rig);
}
END_TEST

/* The builder has passed by the record that takes a key, and has not met the one that leaves it. */
START_TEST(a_record_behind_the_builder_keeps_the_key_that_one_ahead_leaves)
{
    struct core_rig rig;
    struct txn *t;

    core_open(&rig, 13);
    rig.options.slice_steps = 3; /* a record in each slice */
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    for (unsigned key = 10; key < 200; key++)
        core_set(&rig, "s", key, 1000 + key);
    core_set(&rig, "s", 200, 7);
    core_settle(&rig);
    MUST_EQ(create(&rig, NULL, "own", "{\"key\": [[0]], \"unique\": T, \"online\": T}"),
            ERR_OK);
    for (unsigned i = 0; i < 6; i++)
        db_turn(rig.db);
    t = core_begin(&rig, "behind", NULL);
    MUST_EQ(core_put(&rig, t, "s", 1, 7), ERR_OK);
    MUST_EQ(core_put(&rig, t, "s", 200, 8), ERR_OK);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    if (_i) { /* the log has it, and the root nothing of the build */
        for (unsigned i = 0; i < 3; i++)
            db_turn(rig.db);
        core_settle(&rig);
        core_restart(&rig, true);
    }
    wait_for_builds(&rig);
    MUST_EQ(states(&rig).of[INDEX_READY], 1);
    check(&rig);
    MUST_EQ(core_insert(&rig, NULL, "s", 300, 7), ERR_NOT_UNIQUE);
    core_close(&rig);
}
END_TEST

/* Records 1 to 200, of which the last has the value of the first; the builder of a unique index
 * will make one entry in a turn. */
static void begin_slow_build(struct core_rig *rig, uint64_t last)
{
    core_open(rig, 14);
    rig->options.slice_steps = 3;
    rig->options.link_bytes_max = 4096; /* beyond that a transaction is large */
    core_restart(rig, false);
    MUST_EQ(core_create(rig, NULL, "s", NULL), ERR_OK);
    for (unsigned key = 1; key < 200; key++)
        core_set(rig, "s", key, key);
    core_set(rig, "s", 200, last);
    core_settle(rig);
    MUST_EQ(create(rig, NULL, "own", "{\"key\": [[0]], \"unique\": T, \"online\": T}"), ERR_OK);
}

/* It does not see the entry that the builder has made meanwhile. _i: it ends in a crash. */
START_TEST(an_old_writer_takes_no_key_from_a_record_behind_the_builder)
{
    struct core_rig rig;
    struct txn *t;

    begin_slow_build(&rig, 1);
    t = core_begin(&rig, "old", NULL);
    for (unsigned i = 0; i < 12; i++)
        db_turn(rig.db);
    MUST_EQ(core_delete(&rig, t, "s", 200, NULL),
            ERR_OK); /* the builder has met 1, and not 200 */
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    if (_i) {
        core_settle(&rig);
        core_restart(&rig, true);
    }
    wait_for_builds(&rig);
    MUST_EQ(states(&rig).of[INDEX_READY], 1);
    check(&rig);
    MUST_EQ(core_insert(&rig, NULL, "s", 300, 1), ERR_NOT_UNIQUE);
    core_close(&rig);
}
END_TEST

/* Nor can it put a key that a record has which the builder has met since. _i: the record of that
 * key is its own by then. */
START_TEST(an_old_writer_puts_no_key_of_a_record_behind_the_builder)
{
    struct core_rig rig;
    struct txn *t;

    begin_slow_build(&rig, 200);
    t = core_begin(&rig, "old", NULL);
    for (unsigned i = 0; i < 12; i++)
        db_turn(rig.db);
    if (_i)
        MUST_EQ(core_put(&rig, t, "s", 1, 1000), ERR_OK);
    MUST_EQ(core_put(&rig, t, "s", 300, 1), ERR_CONFLICT);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_CONFLICT);
    wait_for_builds(&rig);
    MUST_EQ(states(&rig).of[INDEX_READY], 1);
    check(&rig);
    core_close(&rig);
}
END_TEST

/* _i: what t does to records that the builder then meets. */
START_TEST(who_takes_an_entry_away_loses_to_no_builder)
{
    struct core_rig rig;
    struct txn *t;

    begin_slow_build(&rig, 200);
    t = core_begin(&rig, "leaves", NULL);
    switch (_i) {
    case 0: MUST_EQ(core_delete(&rig, t, "s", 100, NULL), ERR_OK); break;
    case 1: MUST_EQ(core_put(&rig, t, "s", 100, 1000), ERR_OK); break;
    case 2: /* another has the key */
        MUST_EQ(core_delete(&rig, t, "s", 100, NULL), ERR_OK);
        MUST_EQ(core_put(&rig, t, "s", 300, 100), ERR_OK);
        break;
    case 3: /* the same has it again */
        MUST_EQ(core_delete(&rig, t, "s", 100, NULL), ERR_OK);
        MUST_EQ(core_put(&rig, t, "s", 100, 100), ERR_OK);
        break;
    default: /* more than is linked */
        for (unsigned key = 20; key < 180; key++)
            MUST_EQ(core_put(&rig, t, "s", key, 1000 + key), ERR_OK);
    }
    for (unsigned i = 0; i < 1000 && states(&rig).built < 185; i++) {
        sim_run_until_idle(rig.sim);
        db_turn(rig.db);
    }
    MUST(states(&rig).built >= 185 && states(&rig).of[INDEX_BUILDING] == 1);
    MUST(txn_failure(t) == NULL);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    wait_for_builds(&rig);
    MUST_EQ(states(&rig).of[INDEX_READY], 1);
    check(&rig);
    core_close(&rig);
}
END_TEST

/* Two of one value, of which the builder has met none: t takes the key from the second; the first
 * needs it. */
START_TEST(who_takes_the_entry_of_another_away_loses_to_the_builder)
{
    struct core_rig rig;
    struct txn *t;

    begin_slow_build(&rig, 50);
    t = core_begin(&rig, "leaves", NULL);
    MUST_EQ(core_delete(&rig, t, "s", 200, NULL), ERR_OK);
    if (_i) /* and writes the first, which keeps it */
        MUST_EQ(core_put(&rig, t, "s", 50, 50), ERR_OK);
    for (unsigned i = 0; i < 100 && !txn_failure(t); i++)
        db_turn(rig.db);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_CONFLICT);
    MUST_EQ(rig.op.failure.conflict, CONFLICT_UNIQUE); /* not to the end of the build */
    MUST_EQ(core_delete(&rig, NULL, "s", 200, NULL), ERR_OK);
    wait_for_builds(&rig);
    check(&rig);
    core_close(&rig);
}
END_TEST

/* ---- many keys at once ---- */

struct asked_keys {
    struct slice keys[RECORD_MANY_MAX];
    uint8_t room[RECORD_MANY_MAX][MSGPACK_HEAD_MAX];
    unsigned count;
};

static void ask_key(struct asked_keys *a, uint64_t key)
{
    uint8_t *room = a->room[a->count];

    a->keys[a->count++] = slice_make(room, msgpack_put_uint(room, key));
}

/* Each is what a get of it answers. true: some were there. */
static bool compare_with_gets(struct core_rig *rig, struct txn *t, const char *index,
                              const struct asked_keys *a)
{
    struct source source = {slice_text("s"), slice_text(index)};
    uint8_t copies[RECORD_MANY_MAX][64];
    struct slice values[RECORD_MANY_MAX], value;
    unsigned done = 0, there = 0;

    MUST_EQ(
        CORE_CALL(rig, index_get_many(&rig->op, t, &source, a->keys, a->count, values, &done)),
        ERR_OK);
    MUST_EQ(done, a->count);
    for (unsigned i = 0; i < a->count; i++) {
        if (slice_is_none(values[i]))
            continue;
        MUST(values[i].size <= sizeof copies[i]);
        memcpy(copies[i], values[i].data, values[i].size);
        values[i].data = copies[i];
    }
    for (unsigned i = 0; i < a->count; i++) {
        MUST_EQ(CORE_CALL(rig, index_get(&rig->op, t, &source, a->keys[i], &value)), ERR_OK);
        MUST_EQ(slice_is_none(value), slice_is_none(values[i]));
        MUST(slice_is_none(value) || slice_equal(value, values[i]));
        there += !slice_is_none(value);
    }
    return there > 0;
}

/* Over tree and stages, with own writes, in any order, some twice. _i: seed. */
START_TEST(keys_of_an_index_at_once_answer_what_each_alone_would)
{
    struct txn_options serializable = {.serializable = true};
    struct core_rig rig;
    unsigned found = 0;

    dice = (struct dice){(uint64_t)_i + 2000};
    core_open(&rig, (uint64_t)_i);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    define(&rig, NULL);
    for (unsigned round = 0; round < 20; round++) {
        struct txn *t = core_begin(&rig, "many", round % 2 ? &serializable : NULL);
        bool is_ended = false;

        for (unsigned i = 0; i < 12 && !is_ended; i++) {
            enum err e = write_some(&rig, t);

            is_ended = e && e != ERR_EXISTS && e != ERR_OK && txn_failure(t);
        }
        for (unsigned pass = 0; pass < 4 && !txn_failure(t); pass++) {
            struct asked_keys a = {.count = 0};
            unsigned count = 1 + (unsigned)dice_below(&dice, RECORD_MANY_MAX);

            while (a.count < count)
                ask_key(&a, dice_below(&dice, 2 * KEYS + 4));
            found += compare_with_gets(&rig, t, pass % 2 ? "own" : "low", &a);
        }
        if (txn_failure(t) || core_commit(&rig, t, NULL) != ERR_OK)
            core_rollback(&rig, t);
        if (dice_below(&dice, 3) == 0)
            core_amalgamate(&rig);
    }
    MUST(found > 10);
    check(&rig);
    core_close(&rig);
}
END_TEST

#define MANY_RECORDS 3000

/* Neighbours in an index and in the store are in few pages, and each of these is asked for once; of
 * those that lie far apart, and are not in memory, several are waited for together. */
START_TEST(keys_of_an_index_at_once_are_read_in_one_pass)
{
    const char *index = _i ? "own" : "low";
    struct source source = {slice_text("s"), slice_text(index)};
    struct asked_keys near = {.count = 0}, far = {.count = 0};
    struct slice values[RECORD_MANY_MAX];
    struct core_rig rig;
    unsigned done, waits = 0;
    uint64_t before;
    enum err e;

    core_open(&rig, 1);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    define(&rig, NULL);
    for (unsigned key = 1; key <= MANY_RECORDS; key++)
        core_set(&rig, "s", key, MANY_RECORDS - key);
    core_amalgamate(&rig);
    for (unsigned i = 0; i < RECORD_MANY_MAX; i++) {
        ask_key(&near, 1000 + (i * 37) % RECORD_MANY_MAX);
        ask_key(&far, (i * 37) % RECORD_MANY_MAX * (MANY_RECORDS / RECORD_MANY_MAX));
    }
    struct txn *t = core_begin(&rig, "many", NULL);

    compare_with_gets(&rig, t, index, &near);
    before = op_pages(&rig.op).asked;
    MUST_EQ(CORE_CALL(&rig, index_get_many(&rig.op, t, &source, near.keys, near.count, values,
                                           &done)),
            ERR_OK);
    before = op_pages(&rig.op).asked - before;
    ck_assert_uint_le(before, 24); /* 64 gets ask for 256 */
    core_end_op(&rig);
    core_rollback(&rig, t);
    core_restart(&rig, false);
    t = core_begin(&rig, "far", NULL);
    core_begin_op(&rig);
    for (;; waits++) {
        e = index_get_many(&rig.op, t, &source, far.keys, far.count, values, &done);
        if (e != ERR_WAIT)
            break;
        MUST_EQ(core_wait(&rig), ERR_WAIT);
    }
    MUST_EQ(e, ERR_OK);
    MUST_EQ(done, far.count);
    /* of each tree the levels above, and then leaves by the load */
    ck_assert_uint_le(waits, 2 * (2 + RECORD_MANY_MAX / TREE_LOADS_MAX));
    core_end_op(&rig);
    core_rollback(&rig, t);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("indexes");
    TCase *tcase = tcase_create("indexes");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 300);
    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, every_entry_is_of_a_record_and_every_record_has_its_entries, 0,
                        60);
    tcase_add_loop_test(tcase, an_index_created_over_records_is_made_again_by_replay, 0, 4);
    tcase_add_loop_test(tcase, keys_of_an_index_at_once_answer_what_each_alone_would, 0, 20);
    tcase_add_loop_test(tcase, keys_of_an_index_at_once_are_read_in_one_pass, 0, 2);
    tcase_add_test(tcase, entries_are_not_in_the_log);
    tcase_add_test(tcase, an_index_that_could_not_be_made_dooms_nobody);
    tcase_add_loop_test(tcase, an_index_built_online_is_as_one_built_at_rest, 0, 40);
    tcase_add_test(tcase, the_row_of_an_index_is_as_documented);
    tcase_add_test(tcase, a_build_that_meets_a_violation_fails_and_says_so);
    tcase_add_loop_test(tcase, writes_keep_an_index_that_is_being_built, 0, 2);
    tcase_add_loop_test(tcase, a_record_behind_the_builder_keeps_the_key_that_one_ahead_leaves,
                        0, 2);
    tcase_add_loop_test(tcase, an_old_writer_takes_no_key_from_a_record_behind_the_builder, 0,
                        2);
    tcase_add_loop_test(tcase, an_old_writer_puts_no_key_of_a_record_behind_the_builder, 0, 2);
    tcase_add_loop_test(tcase, who_takes_an_entry_away_loses_to_no_builder, 0, 5);
    tcase_add_loop_test(tcase, who_takes_the_entry_of_another_away_loses_to_the_builder, 0, 2);
    tcase_add_loop_test(tcase, a_write_that_lacks_memory_changes_no_index, 0, 12);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
