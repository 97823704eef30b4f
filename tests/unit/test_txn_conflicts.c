/* Who loses to whom where it is least obvious: ledgers that were merged, transactions too
 * large to be linked, stores without conflicts, more reads than are kept apart. */
#include "server/txn/reads.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ledgers over many passes ---- */

#define KEYS 60
#define ROUNDS 14
#define OLD 70

struct newest {
    uint64_t commit, version;
    char label[40];
};

struct old {
    struct txn *txn;
    uint64_t snapshot;
    bool serializable;
};

/* Writers of every age meet each key: they lose exactly where something newer was committed,
 * to the newest winner, by its label. */
static void old_meets(struct core_rig *rig, struct old *o, const struct newest *newest)
{
    unsigned key = (unsigned)sim_random(rig->sim, KEYS);
    enum err e = core_put(rig, o->txn, "s", key, 1);

    if (newest[key].commit <= o->snapshot) {
        MUST_EQ(e, ERR_OK);
        return;
    }
    MUST_EQ(e, ERR_CONFLICT);
    MUST_EQ(rig->op.failure.winner_commit, newest[key].commit);
    MUST_EQ(rig->op.failure.winner_version, newest[key].version);
    MUST(slice_equal(text_label_of(&rig->op.failure.winner_label),
                     slice_text(newest[key].label)));
}

/* The same for what a serializable one has read in a range. */
static void old_reads(struct core_rig *rig, struct old *o, const struct newest *newest)
{
    struct cursor_options options = {.limit = UINT64_MAX, .reverse = sim_chance(rig->sim, 50)};
    unsigned from = (unsigned)sim_random(rig->sim, KEYS), keys[KEYS], count;
    unsigned to = from + (unsigned)sim_random(rig->sim, 5);
    uint64_t values[KEYS];
    bool overwritten = false;
    enum err e;

    MUST_EQ(core_scan(rig, o->txn, "s", from, to, &options, keys, values, &count), ERR_OK);
    for (unsigned key = from; key < to && key < KEYS; key++)
        overwritten |= newest[key].commit > o->snapshot;
    e = core_put(rig, o->txn, "t", 1000 + (unsigned)sim_random(rig->sim, 1000000), 1);
    MUST_EQ(e, overwritten ? ERR_CONFLICT : ERR_OK);
    if (e)
        MUST_EQ(rig->op.failure.conflict, CONFLICT_READ);
}

START_TEST(old_writers_lose_to_the_newest_winner_in_merged_ledgers)
{
    struct core_rig rig;
    struct newest newest[KEYS] = {0};
    struct old old[OLD] = {0};
    unsigned ledgers = 0, passes = 0, spilled = 0;

    core_open(&rig, 100 + (uint64_t)_i);
    if (_i % 2) {
        rig.options.held_memory_max = _i % 4 == 1 ? 0 : 6000; /* some in memory, some on disk */
        rig.options.cache_bytes = 1;
        core_restart(&rig, false);
    }
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    MUST_EQ(core_create(&rig, NULL, "t", NULL), ERR_OK);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = round * OLD / ROUNDS; i < (round + 1) * OLD / ROUNDS; i++) {
            struct txn_options options = {.serializable = i & 1};

            old[i].serializable = i & 1;
            old[i].txn = core_begin(&rig, "old", &options);
            old[i].snapshot = txn_snapshot(old[i].txn);
        }
        for (uint64_t n = 1 + sim_random(rig.sim, 12); n > 0; n--) {
            unsigned key = (unsigned)sim_random(rig.sim, KEYS);
            struct txn *t;

            snprintf(newest[key].label, sizeof newest[key].label, "w%u-%llu", round,
                     (unsigned long long)n);
            t = core_begin(&rig, newest[key].label, NULL);
            newest[key].version = txn_version(t);
            if (sim_chance(rig.sim, 80))
                MUST_EQ(core_put(&rig, t, "s", key, round + 1), ERR_OK);
            else if (core_put(&rig, t, "s", key, 1) == ERR_OK)
                MUST_EQ(core_delete(&rig, t, "s", key, NULL), ERR_OK);
            MUST_EQ(core_commit(&rig, t, &newest[key].commit), ERR_OK);
        }
        if (sim_chance(rig.sim, 30))
            core_rotate(&rig);
        if (sim_chance(rig.sim, 80)) {
            sim_advance_ms(rig.sim, sim_chance(rig.sim, 70) ? 1000 : 0);
            core_amalgamate(&rig);
            passes++;
        }
        if (core_status(&rig).ledgers > ledgers)
            ledgers = (unsigned)core_status(&rig).ledgers;
        spilled += core_status(&rig).ledger_disk_bytes > 0;
    }
    for (unsigned i = 0; i < OLD; i++) {
        if (old[i].serializable)
            old_reads(&rig, &old[i], newest);
        else
            old_meets(&rig, &old[i], newest);
    }
    MUST(passes > 3 && ledgers > 0 && (spilled > 0) == (_i % 2 > 0));
    for (unsigned i = 0; i < OLD; i++)
        core_rollback(&rig, old[i].txn);
    core_amalgamate(&rig);
    MUST_EQ(core_status(&rig).ledgers + core_status(&rig).ledger_bytes, 0);
    MUST_EQ(core_status(&rig).ledger_disk_bytes, 0);
    MUST_EQ(core_status(&rig).stages, 1);
    core_close(&rig);
}
END_TEST

/* ---- large ones ---- */

#define LARGE 200 /* records, well over link_bytes_max */

static void write_many(struct core_rig *rig, struct txn *t, unsigned from, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        MUST_EQ(core_put(rig, t, "s", from + i, 7), ERR_OK);
}

static void open_large(struct core_rig *rig)
{
    core_open(rig, 5);
    rig->options.link_bytes_max = 4096;
    core_restart(rig, false);
    MUST_EQ(core_create(rig, NULL, "s", NULL), ERR_OK);
    MUST_EQ(core_create(rig, NULL, "t", NULL), ERR_OK);
    core_set(rig, "s", 1, 1);
}

/* Bit 0: the winner is large; bit 1: the loser is; bit 2: they write their common key
 * last; bit 3: amalgamate before the loser comes to its end. */
START_TEST(large_transactions_win_and_lose_like_others)
{
    struct core_rig rig;
    struct txn *winner, *loser, *other;
    uint64_t version, commit, told;
    unsigned first = _i & 4 ? 0 : 1;

    open_large(&rig);
    loser = core_begin(&rig, "loser", NULL);
    other = core_begin(&rig, "other", NULL);
    winner = core_begin(&rig, "winner", NULL);
    version = txn_version(winner);
    for (unsigned turn = 0; turn < 2; turn++) {
        if (turn != first) {
            write_many(&rig, winner, 1000, _i & 1 ? LARGE : 2);
            write_many(&rig, loser, 5000, _i & 2 ? LARGE : 2);
        } else {
            write_many(&rig, winner, 500, 1);
            write_many(&rig, loser, 500, 1);
        }
    }
    write_many(&rig, other, 9000, _i & 2 ? LARGE : 2);
    MUST_EQ(core_commit(&rig, winner, &commit), ERR_OK);
    if (_i & 8)
        core_amalgamate(&rig);
    MUST_EQ(core_commit(&rig, loser, &told), ERR_CONFLICT);
    MUST_EQ(rig.op.failure.winner_version, version);
    MUST_EQ(rig.op.failure.winner_commit, commit);
    MUST_EQ(core_put(&rig, other, "s", 500, 1), ERR_CONFLICT);
    MUST_EQ(rig.op.failure.winner_commit, commit);
    core_rollback(&rig, other);
    MUST_EQ(core_value(&rig, "s", 5000), 0);
    MUST_EQ(core_value(&rig, "s", 1000), 7);
    core_amalgamate(&rig);
    MUST_EQ(core_status(&rig).stages, 1);
    core_restart(&rig, _i & 1);
    MUST_EQ(core_value(&rig, "s", 1001), 7);
    core_close(&rig);
}
END_TEST

START_TEST(readers_of_what_a_large_transaction_writes_lose)
{
    struct core_rig rig;
    struct txn_options options = {.serializable = true};
    struct cursor_options all = {.limit = UINT64_MAX};
    struct txn *winner, *reader, *lucky;
    unsigned keys[16], count;
    uint64_t values[16], n;

    open_large(&rig);
    reader = core_begin(&rig, "reader", &options);
    lucky = core_begin(&rig, "lucky", &options);
    winner = core_begin(&rig, "winner", NULL);
    if (_i & 1)
        MUST_EQ(core_get(&rig, reader, "s", 1100, &n), ERR_OK);
    else
        MUST_EQ(core_scan(&rig, reader, "s", 1100, 1101, &all, keys, values, &count), ERR_OK);
    MUST_EQ(core_scan(&rig, lucky, "s", 3000, 4000, &all, keys, values, &count), ERR_OK);
    MUST_EQ(core_get(&rig, lucky, "s", 999, &n), ERR_OK);
    if (_i & 2)
        MUST_EQ(core_put(&rig, reader, "t", 1, 1), ERR_OK);
    MUST_EQ(core_put(&rig, lucky, "t", 2, 1), ERR_OK);
    write_many(&rig, winner, 1000, LARGE);
    MUST_EQ(core_commit(&rig, winner, NULL), ERR_OK);
    MUST_EQ(core_commit(&rig, lucky, NULL), ERR_OK);
    if (!(_i & 2))
        MUST_EQ(core_put(&rig, reader, "t", 1, 1), ERR_CONFLICT);
    MUST_EQ(core_commit(&rig, reader, NULL), ERR_CONFLICT);
    MUST_EQ(rig.op.failure.conflict, CONFLICT_READ);
    core_close(&rig);
}
END_TEST

START_TEST(greatest_version_meets_large_transactions_too)
{
    struct core_rig rig;
    struct txn_options options = {.greatest_version = true};
    struct txn *old, *newer;

    open_large(&rig);
    old = core_begin(&rig, "old", &options);
    newer = core_begin(&rig, "newer", NULL);
    write_many(&rig, newer, 1000, LARGE);
    MUST_EQ(core_put(&rig, old, "s", 1100, 1), ERR_CONFLICT);
    MUST_EQ(rig.op.failure.conflict, CONFLICT_GREATEST_VERSION);
    MUST_EQ(rig.op.failure.winner_version, txn_version(newer));
    core_rollback(&rig, old);
    core_rollback(&rig, newer);
    core_close(&rig);
}
END_TEST

/* ---- stores where the last writer wins ---- */

START_TEST(the_last_writer_wins_where_that_was_asked_for)
{
    struct core_rig rig;
    struct store_options loose = {.last_writer_wins = true};
    struct txn_options serializable = {.serializable = true};
    struct txn *first, *second, *reader;
    uint64_t n;

    open_large(&rig);
    MUST_EQ(core_create(&rig, NULL, "loose", &loose), ERR_OK);
    first = core_begin(&rig, "first", NULL);
    second = core_begin(&rig, "second", NULL);
    reader = core_begin(&rig, "reader", &serializable);
    MUST_EQ(core_get(&rig, reader, "loose", 1, &n), ERR_OK);
    MUST_EQ(core_put(&rig, reader, "t", 1, 1), ERR_OK);
    for (unsigned i = 0; i < (_i ? LARGE : 1); i++) {
        MUST_EQ(core_put(&rig, first, "loose", 1 + i, 10), ERR_OK);
        MUST_EQ(core_put(&rig, second, "loose", 1 + i, 20), ERR_OK);
    }
    MUST_EQ(core_commit(&rig, second, NULL), ERR_OK);
    core_amalgamate(&rig);
    MUST_EQ(core_put(&rig, first, "loose", 1, 10), ERR_OK); /* over what is newer, too */
    MUST_EQ(core_commit(&rig, first, NULL), ERR_OK);
    MUST_EQ(core_commit(&rig, reader, NULL), ERR_CONFLICT); /* a read is a read */
    MUST_EQ(core_value(&rig, "loose", 1), 10);
    core_amalgamate(&rig);
    core_restart(&rig, true);
    MUST_EQ(core_value(&rig, "loose", 1), 10);
    core_close(&rig);
}
END_TEST

/* ---- more reads than are kept apart ---- */

static void nobody_wakes(struct op *op)
{
    (void)op;
}

/* An insert or a delete of its own waits for a page, and another writes the record meanwhile.
 * False: the page was at hand, it did not wait. */
static bool request_meets_another(uint64_t seed, bool last_writer_wins, bool is_delete)
{
    const struct store_options options = {.last_writer_wins = last_writer_wins};
    uint8_t key_room[16], value_room[16], *out = malloc(KEY_PLAIN_BYTES_MAX);
    struct slice key = slice_make(key_room, msgpack_put_uint(key_room, 7)), key_out;
    struct slice value = slice_make(value_room, msgpack_put_uint(value_room, 2));
    bool existed = true, other_existed = true, waited = false;
    struct core_rig rig;
    struct op op;
    enum err e;

    core_open(&rig, seed);
    MUST_EQ(core_create(&rig, NULL, "s", &options), ERR_OK);
    for (unsigned i = is_delete ? 7 : 8; i < 2000; i++) /* more than one leaf */
        core_set(&rig, "s", i, 1);
    core_amalgamate(&rig);
    core_restart(&rig, false);
    op_init(&op, rig.db, nobody_wakes);
    do {
        e = is_delete ? record_delete(&op, NULL, slice_text("s"), key, &existed)
                      : record_put(&op, NULL, slice_text("s"), value, key, true, out, &key_out);
        if (e == ERR_WAIT && !waited && is_delete)
            MUST_EQ(core_delete(&rig, NULL, "s", 7, &other_existed), ERR_OK);
        if (e == ERR_WAIT && !waited && !is_delete)
            core_set(&rig, "s", 7, 3);
        waited |= e == ERR_WAIT;
        core_settle(&rig);
    } while (e == ERR_WAIT);
    MUST_EQ(e, is_delete || !waited ? ERR_OK : ERR_EXISTS);
    MUST(!is_delete || (other_existed && existed == !waited));
    if (is_delete || waited) /* else it is the bare number that was put */
        MUST_EQ(core_value(&rig, "s", 7), is_delete ? 0 : 3);
    op_fini(&op);
    free(out);
    core_close(&rig);
    return waited;
}

/* The answer is true of the moment of its commit. Bit 0: the last writer wins; bit 1: a delete. */
START_TEST(what_a_request_of_its_own_has_found_is_still_so_when_it_writes)
{
    for (uint64_t seed = 1; !request_meets_another(seed, _i & 1, _i & 2); seed++)
        MUST(seed < 50);
}
END_TEST

START_TEST(reads_beyond_the_limit_are_merged_and_never_forgotten)
{
    static const unsigned chosen[] = {0, 1, 150, 299, 300, 2000, 2999};
    unsigned reads = 3000; /* of which some hundred fit */
    struct core_rig rig;
    struct txn_options options = {.serializable = true};
    struct cursor_options all = {.limit = UINT64_MAX};
    unsigned keys[4], count;
    uint64_t values[4], n;
    struct txn *t;

    open_large(&rig);
    rig.options.reads_bytes_max = 64 << 10;
    core_restart(&rig, false);
    t = core_begin(&rig, "reads much", &options);
    for (unsigned i = 0; i < reads; i++) {
        unsigned at = 10 * i;

        if (_i & 1)
            MUST_EQ(core_get(&rig, t, "s", at, &n), ERR_OK);
        else
            MUST_EQ(core_scan(&rig, t, "s", at, at + 2, &all, keys, values, &count), ERR_OK);
    }
    MUST_EQ(core_put(&rig, t, "t", 1, 1), ERR_OK);
    core_set(&rig, "s", 10 * reads + 5, 1); /* behind all of them: nobody has read that */
    MUST(txn_failure(t) == NULL);
    core_set(&rig, "s", 10 * chosen[_i / 2], 1);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_CONFLICT);
    MUST_EQ(rig.op.failure.conflict, CONFLICT_READ);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("txn conflicts");
    TCase *tc = tcase_create("conflicts");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, old_writers_lose_to_the_newest_winner_in_merged_ledgers, 0, 24);
    tcase_add_loop_test(tc, large_transactions_win_and_lose_like_others, 0, 16);
    tcase_add_loop_test(tc, readers_of_what_a_large_transaction_writes_lose, 0, 4);
    tcase_add_test(tc, greatest_version_meets_large_transactions_too);
    tcase_add_loop_test(tc, the_last_writer_wins_where_that_was_asked_for, 0, 2);
    tcase_add_loop_test(tc, what_a_request_of_its_own_has_found_is_still_so_when_it_writes, 0,
                        4);
    tcase_add_loop_test(tc, reads_beyond_the_limit_are_merged_and_never_forgotten, 0, 14);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
