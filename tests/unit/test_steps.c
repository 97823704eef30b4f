/* test_steps.c - what one call or turn may take of work for conflicts, however many readers,
 * writers or losers there are. Steps are counted by the core, so nothing here depends on time. */
#include "server/txn/indexes.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE 2000u
/* A call: its slice, and the removal of one loser's writes or the last look-ups of a key. */
#define CALL_STEPS_MAX (2 * SLICE)
#define TURN_STEPS_MAX (4 * SLICE + CALL_STEPS_MAX)

struct steps {
    struct core_rig *rig;
    uint64_t at, most, sum;
};

static void steps_begin(struct steps *s, struct core_rig *rig)
{
    *s = (struct steps){rig, core_status(rig).steps, 0, 0};
}

static void steps_note(struct steps *s)
{
    uint64_t now = core_status(s->rig).steps;

    s->sum += now - s->at;
    s->most = now - s->at > s->most ? now - s->at : s->most;
    s->at = now;
}

static void open_rig(struct core_rig *rig, bool large)
{
    core_open(rig, 3);
    rig->options.open_txns_max = 20000;
    rig->options.link_bytes_max = large ? 64 << 10 : UINT64_C(64) << 20;
    core_restart(rig, false);
    MUST_EQ(core_create(rig, NULL, "s", NULL), ERR_OK);
    MUST_EQ(core_create(rig, NULL, "t", NULL), ERR_OK);
    core_settle(rig);
}

static struct txn *begin(struct core_rig *rig, bool serializable)
{
    struct txn_options options = {.serializable = serializable};

    return core_begin(rig, "player", &options);
}

static struct txn *put_many(struct core_rig *rig, const char *store, unsigned from,
                            unsigned count)
{
    struct txn *t = begin(rig, false);

    for (unsigned i = 0; i < count; i++)
        MUST_EQ(core_put(rig, t, store, from + i, 1), ERR_OK);
    return t;
}

/* Commit in one call, then turn until all are told; counts both. own: records that the call
 * takes out of the table of open writes: of a commit up to link-max. */
static void commit_counted(struct steps *s, struct txn *t, uint64_t own)
{
    uint64_t number;
    unsigned turns = 0;

    steps_note(s);
    s->sum = s->most = 0;
    MUST_EQ(core_commit(s->rig, t, &number), ERR_OK);
    steps_note(s);
    MUST(s->most <= CALL_STEPS_MAX + 2 * own);
    s->most = 0;
    do {
        uint64_t before = s->sum;

        db_turn(s->rig->db);
        steps_note(s);
        if (s->sum == before)
            break;
    } while (turns++ < 100000);
    MUST(s->most <= TURN_STEPS_MAX);
}

static uint64_t cost_beside(unsigned readers, unsigned points, bool large)
{
    struct txn **open = calloc(readers + 1, sizeof *open);
    struct core_rig rig;
    struct steps s;
    struct txn *winner;

    open_rig(&rig, large);
    open[readers] = begin(&rig, false); /* somebody who may lose */
    MUST_EQ(core_put(&rig, open[readers], "t", 7, 1), ERR_OK);
    for (unsigned i = 0; i < readers; i++) {
        open[i] = begin(&rig, true);
        for (unsigned k = 0; k < points; k++) {
            uint64_t value;

            MUST_EQ(core_get(&rig, open[i], "s", 10000000 + i * points + k, &value), ERR_OK);
        }
    }
    steps_begin(&s, &rig);
    winner = put_many(&rig, "s", 0, 20000);
    steps_note(&s);
    s.sum = 0;
    steps_note(&s);
    commit_counted(&s, winner, large ? 0 : 20000);
    for (unsigned i = 0; i <= readers; i++)
        core_rollback(&rig, open[i]);
    free(open);
    core_close(&rig);
    return s.sum;
}

/* 20,000 records beside 50 readers of 10,000 keys, or 1,000 readers of one. */
START_TEST(readers_of_other_keys_make_a_commit_little_dearer)
{
    uint64_t alone = cost_beside(0, 0, _i);

    MUST(alone <= 20000 * 5 + SLICE);
    MUST(cost_beside(50, 10000, _i) <= alone + 20000 * 4); /* a look-up, not a walk, for each */
    MUST(cost_beside(1000, 1, _i) <= alone + 20000 * 4);
}
END_TEST

/* One record, 10,000 who have read it (bit 0: as a range) or written it (bit 1). */
START_TEST(many_losers_are_told_in_slices_and_none_commits)
{
    enum { LOSERS = 10000 };
    struct txn **losers = calloc(LOSERS, sizeof *losers), *winner;
    struct core_rig rig;
    struct steps s;
    unsigned told = 0;

    open_rig(&rig, false);
    for (unsigned i = 0; i < LOSERS; i++) {
        uint64_t n;

        losers[i] = begin(&rig, true);
        if (_i & 2)
            MUST_EQ(core_put(&rig, losers[i], "s", 5, 2), ERR_OK);
        else if (_i & 1)
            MUST_EQ(core_count(&rig, losers[i], "s", 0, 10, &n), ERR_OK);
        else
            MUST_EQ(core_get(&rig, losers[i], "s", 5, &n), ERR_OK);
        MUST_EQ(core_put(&rig, losers[i], "t", i, 2), ERR_OK);
    }
    winner = put_many(&rig, "s", 5, 1);
    steps_begin(&s, &rig);
    MUST_EQ(core_commit(&rig, winner, NULL), ERR_OK);
    steps_note(&s);
    MUST(s.most <= CALL_STEPS_MAX);
    for (unsigned i = 0; i < LOSERS; i++)
        told += txn_failure(losers[i]) != NULL;
    MUST(told > 0 && told < LOSERS);
    /* whoever is not told finds out at its commit */
    MUST_EQ(core_commit(&rig, losers[LOSERS - 1], NULL), ERR_CONFLICT);
    MUST_EQ(core_commit(&rig, losers[LOSERS / 2], NULL), ERR_CONFLICT);
    steps_note(&s);
    s.most = 0;
    for (unsigned turn = 0; turn < 100; turn++) {
        db_turn(rig.db);
        steps_note(&s);
    }
    MUST(s.most <= TURN_STEPS_MAX);
    for (unsigned i = 0; i < LOSERS - 1; i++) {
        if (i != LOSERS / 2)
            MUST(txn_failure(losers[i]) != NULL);
        if (i != LOSERS / 2)
            core_rollback(&rig, losers[i]);
    }
    free(losers);
    core_close(&rig);
}
END_TEST

/* A million records beside 10,000 writers of one; each hundredth of them loses. */
START_TEST(a_very_large_winner_is_told_in_slices)
{
    enum { WRITERS = 10000, RECORDS = 1000000 };
    struct txn **writers = calloc(WRITERS, sizeof *writers), *winner;
    struct core_rig rig;
    struct steps s;

    open_rig(&rig, true);
    for (unsigned i = 0; i < WRITERS; i++)
        writers[i] = put_many(&rig, "s", i % 100 ? 2000000 + i : i, 1);
    winner = put_many(&rig, "s", 0, RECORDS);
    steps_begin(&s, &rig);
    MUST_EQ(core_commit(&rig, winner, NULL), ERR_OK);
    steps_note(&s);
    MUST(s.most <= CALL_STEPS_MAX);
    /* the others go on: a small one is asked for its own keys */
    MUST_EQ(core_commit(&rig, writers[WRITERS - 1], NULL), ERR_OK);
    MUST_EQ(core_commit(&rig, writers[WRITERS - 100], NULL), ERR_CONFLICT);
    steps_note(&s);
    MUST(s.most <= CALL_STEPS_MAX);
    for (unsigned turns = 0; turns < 2000; turns++) {
        db_turn(rig.db);
        steps_note(&s);
    }
    MUST(s.most <= TURN_STEPS_MAX);
    for (unsigned i = 0; i < WRITERS - 1; i++) {
        if (i == WRITERS - 100)
            continue;
        MUST((txn_failure(writers[i]) != NULL) == (i % 100 == 0));
        core_rollback(&rig, writers[i]);
    }
    free(writers);
    core_close(&rig);
}
END_TEST

START_TEST(a_large_commit_waits_for_those_before_it_and_then_wins_or_loses)
{
    struct core_rig rig;
    struct txn *a, *b, *c, *bystander;

    open_rig(&rig, _i);
    bystander = put_many(&rig, "t", 0, 1);
    a = put_many(&rig, "s", 0, 20000);
    b = put_many(&rig, "s", 19999, 20000);
    c = put_many(&rig, "s", 50000, 20000);
    MUST_EQ(core_commit(&rig, a, NULL), ERR_OK);
    MUST_EQ(core_commit(&rig, b, NULL), ERR_CONFLICT);
    MUST_EQ(core_commit(&rig, c, NULL), ERR_OK);
    MUST_EQ(core_commit(&rig, bystander, NULL), ERR_OK);
    core_close(&rig);
}
END_TEST

/* What ends is let go of at once, and freed bit by bit: its end looks at no record. */
START_TEST(the_end_of_a_large_transaction_is_short)
{
    struct core_rig rig;
    struct steps s;
    struct txn *t;
    uint64_t n;

    open_rig(&rig, true);
    t = put_many(&rig, "s", 0, 1000000);
    steps_begin(&s, &rig);
    core_rollback(&rig, t);
    steps_note(&s);
    MUST(s.most <= CALL_STEPS_MAX);
    MUST(core_status(&rig).garbage_bytes > 1000000 * 50);
    t = begin(&rig, true);
    for (unsigned i = 0; i < 50000; i++)
        MUST_EQ(core_get(&rig, t, "s", 2 * i, &n), ERR_OK);
    MUST(core_status(&rig).reads_bytes > 50000 * 50);
    steps_note(&s);
    s.most = 0;
    core_rollback(&rig, t);
    MUST_EQ(core_status(&rig).reads_ended_bytes, core_status(&rig).reads_bytes);
    MUST(core_status(&rig).reads_ended_bytes > 0);
    steps_note(&s);
    for (unsigned turn = 0; turn < 100; turn++) {
        db_turn(rig.db);
        steps_note(&s);
    }
    MUST(s.most <= 3 * 4000);
    MUST_EQ(core_status(&rig).reads_bytes, 0);
    MUST_EQ(core_status(&rig).reads_ended_bytes, 0);
    while (core_status(&rig).garbage_bytes)
        db_turn(rig.db);
    core_close(&rig);
}
END_TEST

static void turn_until_quiet(struct steps *s)
{
    for (unsigned turn = 0; turn < 100; turn++) {
        db_turn(s->rig->db);
        steps_note(s);
        MUST(turn % 10 || db_check(s->rig->db));
    }
}

/* One of 20,000 records, or 1,024 of 50 whose connection has been closed; one is doomed. What they
 * have written dooms nobody from then on, and loses to nobody. */
START_TEST(those_who_end_leave_in_slices_and_are_met_by_nobody)
{
    unsigned count = _i ? 1024 : 1, each = _i ? 50 : 20000;
    struct txn **ending = calloc(count, sizeof *ending), *older, *greater;
    struct txn_options greatest = {.greatest_version = true};
    struct core_rig rig;
    struct steps s;

    open_rig(&rig, false);
    older = put_many(&rig, "t", 0, 1);
    greater = core_begin(&rig, "greatest", &greatest);
    for (unsigned i = 0; i < count; i++)
        ending[i] = put_many(&rig, "s", i * each, each);
    db_turn(rig.db);
    steps_begin(&s, &rig);
    for (unsigned i = 0; i < count; i++)
        core_rollback(&rig, ending[i]);
    steps_note(&s);
    MUST(s.most <= CALL_STEPS_MAX);
    MUST(db_check(rig.db));
    MUST_EQ(core_status(&rig).open_txns, 2);
    for (unsigned i = 0; i < 20000; i += 1999) {
        MUST_EQ(core_put(&rig, greater, "s", i, 2), ERR_OK);
        MUST_EQ(core_put(&rig, older, "s", i + 1, 2), ERR_OK);
    }
    MUST_EQ(core_commit(&rig, older, NULL), ERR_OK);
    MUST_EQ(core_commit(&rig, greater, NULL), ERR_OK);
    MUST_EQ(core_drop(&rig, NULL, "s"), ERR_OK); /* in which those who leave have written */
    steps_note(&s);
    s.most = 0;
    turn_until_quiet(&s);
    MUST(s.most <= TURN_STEPS_MAX);
    free(ending);
    core_close(&rig);
}
END_TEST

/* It has written in many stores, and made them. */
START_TEST(the_end_of_one_with_many_stores_is_short)
{
    enum { STORES = 10000 };
    struct core_rig rig;
    struct steps s;
    struct txn *t;

    open_rig(&rig, false);
    t = begin(&rig, false);
    for (unsigned i = 0; i < STORES; i++) {
        char name[16];

        snprintf(name, sizeof name, "s%u", i);
        MUST_EQ(core_create(&rig, t, name, NULL), ERR_OK);
        MUST_EQ(core_put(&rig, t, name, 1, 1), ERR_OK);
    }
    db_turn(rig.db);
    steps_begin(&s, &rig);
    core_rollback(&rig, t);
    steps_note(&s);
    MUST(s.most <= CALL_STEPS_MAX);
    MUST_EQ(core_create(&rig, NULL, "s7", NULL), ERR_OK);
    turn_until_quiet(&s);
    MUST(s.most <= TURN_STEPS_MAX);
    MUST_EQ(core_status(&rig).definitions, 3 + 1);
    core_close(&rig);
}
END_TEST

static void begin_many_readers(struct core_rig *rig, struct txn **readers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        core_set(rig, "t", 1, i + 1); /* each at a commit of its own */
        readers[i] = begin(rig, false);
    }
}

static void end_all(struct core_rig *rig, struct txn **readers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        core_rollback(rig, readers[i]);
    core_settle(rig);
}

/* 2,000 versions, 2,000 snapshots: who still reads them is looked for once. */
START_TEST(versions_are_pruned_beside_many_snapshots)
{
    enum { READERS = 2000, RECORDS = 2000 };
    struct txn **readers = calloc(READERS, sizeof *readers), *first;
    struct core_rig rig;
    struct steps s;
    uint64_t value;

    open_rig(&rig, false);
    MUST_EQ(core_commit(&rig, put_many(&rig, "s", 0, RECORDS), NULL), ERR_OK);
    core_settle(&rig);
    first = begin(&rig, false);
    core_set(&rig, "s", 7, 2);
    MUST_EQ(core_commit(&rig, put_many(&rig, "s", 0, RECORDS), NULL), ERR_OK);
    begin_many_readers(&rig, readers, READERS);
    steps_begin(&s, &rig);
    core_settle(&rig);
    steps_note(&s);
    MUST(s.sum < 20 * READERS);
    MUST_EQ(core_get(&rig, first, "s", 7, &value), ERR_OK);
    MUST_EQ(value, 1);
    core_rollback(&rig, first);
    end_all(&rig, readers, READERS);
    free(readers);
    core_close(&rig);
}
END_TEST

static void never_woken(struct op *op)
{
    (void)op;
}

/* 20 stages that a scan in the middle of a page still reads, beside 2,000 newer snapshots: the end
 * of one of those asks for no stage, the end of the scan asks for all at once. */
START_TEST(stages_are_freed_beside_many_snapshots)
{
    enum { READERS = 2000, STAGES = 20 };
    struct txn **readers = calloc(READERS, sizeof *readers);
    struct cursor_options all = {.limit = UINT64_MAX};
    struct core_rig rig;
    struct steps s;
    struct cursor *cursor;
    struct cursor_row row;
    struct op op;
    uint8_t range[64];

    open_rig(&rig, false);
    core_amalgamate(&rig);
    for (unsigned i = 0; i < STAGES; i++) {
        core_set(&rig, "s", i, 1);
        core_settle(&rig);
        core_rotate(&rig);
    }
    op_init(&op, rig.db, never_woken);
    MUST_EQ(cursor_open(&op, NULL, slice_text("s"), core_range(0, 1000, range), &all, &cursor),
            ERR_OK);
    MUST_EQ(cursor_next(&op, cursor, &row), ERR_OK);
    sim_advance_ms(rig.sim, 1000);
    core_amalgamate(&rig);
    begin_many_readers(&rig, readers, READERS);
    core_settle(&rig);
    MUST_EQ(core_status(&rig).stages, STAGES + 1);
    steps_begin(&s, &rig);
    for (unsigned i = 0; i < READERS / 2; i++) {
        core_rollback(&rig, readers[i]);
        core_settle(&rig);
    }
    steps_note(&s);
    MUST(s.sum < 2 * READERS);
    cursor_close(cursor);
    core_settle(&rig);
    steps_note(&s);
    MUST(s.sum < 4 * READERS);
    MUST_EQ(core_status(&rig).stages, 1);
    op_fini(&op);
    end_all(&rig, readers + READERS / 2, READERS / 2);
    free(readers);
    core_close(&rig);
}
END_TEST

static void name_of(unsigned i, char name[16])
{
    snprintf(name, 16, "many%u", i);
}

static struct txn *change_stores(struct core_rig *rig, unsigned from, unsigned to, bool drop)
{
    struct txn *t = begin(rig, false);
    char name[16];

    for (unsigned i = from; i < to; i++) {
        name_of(i, name);
        MUST_EQ(drop ? core_drop(rig, t, name) : core_create(rig, t, name, NULL), ERR_OK);
    }
    MUST_EQ(core_commit(rig, t, NULL), ERR_OK);
    core_settle(rig);
    return begin(rig, false);
}

/* 1,000 definitions that older readers see, beside 1,000 newer ones: who sees them after the last
 * reader is not looked for, and they are freed with the last one. */
START_TEST(definitions_are_freed_beside_many_snapshots)
{
    enum { READERS = 1000, STORES = 1000 };
    struct txn **readers = calloc(READERS, sizeof *readers), *half, *whole, *gone;
    struct core_rig rig;
    struct steps s;
    uint64_t value, definitions;

    open_rig(&rig, false);
    definitions = core_status(&rig).definitions;
    half = change_stores(&rig, 0, STORES / 2, false);
    whole = change_stores(&rig, STORES / 2, STORES, false);
    gone = change_stores(&rig, 0, STORES, true);
    begin_many_readers(&rig, readers, READERS);
    core_settle(&rig);
    MUST(core_status(&rig).definitions >= definitions + STORES);
    steps_begin(&s, &rig);
    core_rollback(&rig, whole);
    core_settle(&rig);
    steps_note(&s);
    MUST(s.sum < 5 * STORES);
    MUST_EQ(core_status(&rig).definitions, definitions + STORES); /* a half, and its drops */
    MUST_EQ(core_get(&rig, half, "many7", 1, &value), ERR_OK);
    MUST_EQ(core_get(&rig, gone, "many7", 1, &value), ERR_NO_STORE);
    core_rollback(&rig, half);
    core_settle(&rig);
    steps_note(&s);
    MUST(s.sum < 10 * STORES);
    MUST_EQ(core_status(&rig).definitions, definitions);
    core_rollback(&rig, gone);
    end_all(&rig, readers, READERS);
    free(readers);
    core_close(&rig);
}
END_TEST

/* [[0 .. ELEMENTS), size bytes]: a value with many entries, or a long one. */
#define ELEMENTS 300

static void put_listing(struct core_rig *rig, unsigned key, unsigned size)
{
    uint8_t *value = malloc(ELEMENTS * 5 + size + 16), key_room[16];
    size_t used = msgpack_put_array_head(value, 2);
    struct slice stored, k = slice_make(key_room, msgpack_put_uint(key_room, key));
    uint8_t room[KEY_PLAIN_BYTES_MAX];
    enum err e;

    used += msgpack_put_array_head(value + used, ELEMENTS);
    for (unsigned i = 0; i < ELEMENTS; i++)
        used += msgpack_put_uint(value + used, i);
    used += msgpack_put_binary_head(value + used, size);
    memset(value + used, 7, size);
    used += size;
    op_fini(&rig->op);
    op_init(&rig->op, rig->db, rig->op.wake);
    while ((e = record_put(&rig->op, NULL, slice_text("s"), slice_make(value, used), k, false,
                           room, &stored)) == ERR_WAIT)
        core_settle(rig);
    MUST_EQ(e, ERR_OK);
    free(value);
}

static struct slice multi_of_first(uint8_t room[64])
{
    size_t size = msgpack_put_map_head(room, 2);

    size += msgpack_put_text(room + size, slice_text("key"));
    size += msgpack_put_array_head(room + size, 1); /* one part: */
    size += msgpack_put_array_head(room + size, 1); /* a path of one step */
    size += msgpack_put_uint(room + size, 0);
    size += msgpack_put_text(room + size, slice_text("multi"));
    size += msgpack_put_bool(room + size, true);
    return slice_make(room, size);
}

/* An index is made, and a range of its store deleted: a turn ends behind so many entries, and so
 * many KiB that were read for them, not behind so many records. _i: of long records. */
START_TEST(a_turn_of_an_index_ends_behind_so_many_entries)
{
    enum { RECORDS = 60 };
    struct core_rig rig;
    uint8_t room[64], range[64];
    struct op op;
    uint64_t work, deleted, most = 0, calls = 0;
    enum err e;

    open_rig(&rig, false);
    for (unsigned i = 0; i < RECORDS; i++)
        put_listing(&rig, i, _i ? 500000 : 0);
    core_settle(&rig);
    op_init(&op, rig.db, never_woken);
    for (unsigned round = 0; round < 2; round++) {
        do {
            work = core_status(&rig).entries_work;
            e = round ? record_delete_range(&op, NULL, slice_text("s"),
                                            core_range(0, 1000, range), UINT64_MAX, false,
                                            &deleted)
                      : index_create(&op, NULL, slice_text("s"), slice_text("i"),
                                     multi_of_first(room));
            work = core_status(&rig).entries_work - work;
            most = work > most ? work : most;
            calls++;
            if (e == ERR_WAIT)
                core_settle(&rig);
        } while (e == ERR_WAIT);
        MUST_EQ(e, ERR_OK);
        op_fini(&op);
        op_init(&op, rig.db, never_woken);
    }
    MUST_EQ(deleted, RECORDS);
    MUST(most <= SLICE + 2 * (ELEMENTS + 500)); /* and one record more */
    MUST(calls > 2 * RECORDS * ELEMENTS / SLICE);
    op_fini(&op);
    core_close(&rig);
}
END_TEST

struct listed {
    uint64_t last;
    unsigned count;
};

static void note_listed(void *context, const struct db_hold_status *h)
{
    struct listed *listed = context;

    MUST(h->version > listed->last); /* the oldest first, each once */
    listed->last = h->version;
    listed->count++;
}

/* Of 5,000 beside ten held stages; each slice those end where the walk stands. */
START_TEST(what_is_held_is_listed_in_slices)
{
    enum { OPEN = 5000 };
    struct txn **open = calloc(OPEN, sizeof *open);
    struct listed listed = {0, 0};
    struct list_walk walk = {.walks = NULL}, others[LIST_WALKS_MAX] = {{.walks = NULL}};
    struct core_rig rig;
    struct steps s;
    unsigned ended = 0, slices = 0;

    open_rig(&rig, false);
    for (unsigned i = 0; i < OPEN; i++) {
        open[i] = begin(&rig, false);
        if (i < 10) {
            core_set(&rig, "s", i, 1);
            core_amalgamate(&rig);
        }
    }
    steps_begin(&s, &rig);
    while (db_each_hold(rig.db, &walk, note_listed, &listed) == ERR_WAIT) {
        steps_note(&s);
        for (unsigned n = 0; n < 3; n++, ended++) {
            core_rollback(&rig, open[listed.count + ended]);
            open[listed.count + ended] = NULL;
        }
        slices++;
        steps_note(&s);
    }
    MUST(s.most <= CALL_STEPS_MAX);
    MUST(slices >= OPEN / SLICE);
    MUST_EQ(listed.count + ended, OPEN);
    for (unsigned i = 0; i < LIST_WALKS_MAX; i++)
        MUST_EQ(db_each_hold(rig.db, &others[i], note_listed, &(struct listed){0, 0}),
                ERR_WAIT);
    MUST_EQ(db_each_hold(rig.db, &walk, note_listed, &listed), ERR_WAIT); /* too many at once */
    MUST(!walk.walks);
    for (unsigned i = 0; i < LIST_WALKS_MAX; i++)
        list_walk_end(&others[i]);
    for (unsigned i = 0; i < OPEN; i++) {
        if (open[i])
            core_rollback(&rig, open[i]);
    }
    free(open);
    core_close(&rig);
}
END_TEST

/* A count of many staged records, while somebody commits in another store. */
START_TEST(a_count_looks_through_its_range_once)
{
    struct core_rig rig;
    struct steps s;
    struct txn *t;
    uint64_t n;

    open_rig(&rig, false);
    MUST_EQ(core_commit(&rig, put_many(&rig, "s", 0, 100000), NULL), ERR_OK);
    core_settle(&rig);
    t = begin(&rig, true);
    core_set(&rig, "t", 1, 1); /* the open stage is newer than the snapshot now */
    steps_begin(&s, &rig);
    MUST_EQ(core_count(&rig, t, "s", 0, 1000000, &n), ERR_OK);
    MUST_EQ(n, 100000);
    steps_note(&s);
    MUST(s.most < 100000 + 5000);
    core_rollback(&rig, t);
    core_close(&rig);
}
END_TEST

/* What was committed since lies behind the first slice of the range. */
START_TEST(a_range_is_looked_through_to_its_end)
{
    struct core_rig rig;
    struct txn *t;
    uint64_t n;

    open_rig(&rig, false);
    MUST_EQ(core_commit(&rig, put_many(&rig, "s", 0, 20000), NULL), ERR_OK);
    core_settle(&rig);
    t = begin(&rig, true);
    if (_i < 2)
        core_set(&rig, "s", _i ? 19999 : 9000, 2);
    MUST_EQ(core_count(&rig, t, "s", 0, 1000000, &n), ERR_OK);
    MUST_EQ(n, 20000);
    if (_i == 2)
        core_set(&rig, "s", 9000, 2);
    MUST_EQ(core_put(&rig, t, "t", 1, 1), _i == 3 ? ERR_OK : ERR_CONFLICT);
    core_rollback(&rig, t);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("steps");
    TCase *tc = tcase_create("steps");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, readers_of_other_keys_make_a_commit_little_dearer, 0, 2);
    tcase_add_loop_test(tc, many_losers_are_told_in_slices_and_none_commits, 0, 4);
    tcase_add_test(tc, a_very_large_winner_is_told_in_slices);
    tcase_add_loop_test(tc, a_large_commit_waits_for_those_before_it_and_then_wins_or_loses, 0,
                        2);
    tcase_add_test(tc, the_end_of_a_large_transaction_is_short);
    tcase_add_loop_test(tc, those_who_end_leave_in_slices_and_are_met_by_nobody, 0, 2);
    tcase_add_test(tc, the_end_of_one_with_many_stores_is_short);
    tcase_add_test(tc, what_is_held_is_listed_in_slices);
    tcase_add_test(tc, versions_are_pruned_beside_many_snapshots);
    tcase_add_test(tc, stages_are_freed_beside_many_snapshots);
    tcase_add_test(tc, definitions_are_freed_beside_many_snapshots);
    tcase_add_loop_test(tc, a_turn_of_an_index_ends_behind_so_many_entries, 0, 2);
    tcase_add_test(tc, a_count_looks_through_its_range_once);
    tcase_add_loop_test(tc, a_range_is_looked_through_to_its_end, 0, 4);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
