/* Savepoints in a write-set against copies of what it held: whatever is written, replaced and
 * taken back, in parts or at once, with memory or without, the write-set is what it was. */
#include "server/storage/stage.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORES 3
#define DEPTH 4

struct state {
    unsigned *values; /* of each key; 0: not written, 1: deleted, else so many bytes and more */
    uint64_t bytes, records;
};

struct fixture {
    struct sim *sim;
    struct stage write_set;
    struct stage_store room;
    struct stamp stamp;
    unsigned keys; /* of each store */
    struct state now, marked[DEPTH];
    struct write_mark marks[DEPTH];
    unsigned depth;
    uint64_t gone;
};

static size_t state_size(const struct fixture *f)
{
    return STORES * f->keys * sizeof(unsigned);
}

static struct slice key_of(unsigned key, char room[16])
{
    return slice_make(room, (size_t)snprintf(room, 16, "key-%07u", key * 7919u % 1000003u));
}

static void fixture_open(struct fixture *f, uint64_t seed, unsigned keys)
{
    memset(f, 0, sizeof *f);
    f->sim = sim_new(seed);
    f->keys = keys;
    f->now.values = calloc(1, state_size(f));
    for (unsigned d = 0; d < DEPTH; d++)
        f->marked[d].values = calloc(1, state_size(f));
    write_set_init(&f->write_set, sim_table(f->sim), &f->room);
}

static void fixture_close(struct fixture *f)
{
    write_set_fini(&f->write_set);
    MUST_EQ(sim_alloc_outstanding(f->sim), 0);
    sim_free(f->sim);
    free(f->now.values);
    for (unsigned d = 0; d < DEPTH; d++)
        free(f->marked[d].values);
}

static void write_one(struct fixture *f)
{
    uint8_t bytes[64];
    unsigned store = (unsigned)sim_random(f->sim, STORES);
    unsigned key = (unsigned)sim_random(f->sim, f->keys), *value;
    unsigned size = sim_chance(f->sim, 20) ? 1 : 2 + (unsigned)sim_random(f->sim, 60);
    char room[16];
    bool fresh;

    value = &f->now.values[store * f->keys + key];
    memset(bytes, (int)size, sizeof bytes);
    if (sim_chance(f->sim, 3))
        sim_fail_from(f->sim, SIM_FAULT_ALLOC, 1 + sim_random(f->sim, 2));
    if (write_set_put(&f->write_set, &f->stamp, store + 5, key_of(key, room),
                      size == 1 ? SLICE_NONE : slice_make(bytes, size - 2), &fresh)) {
        MUST_EQ(fresh, *value == 0);
        if (fresh)
            f->now.bytes += 11;
        else
            f->now.bytes -= *value == 1 ? 0 : *value - 2;
        f->now.bytes += size == 1 ? 0 : size - 2;
        f->now.records += fresh;
        *value = size;
    }
    sim_fail_clear(f->sim);
}

/* The records of a store in order, as many as the model has, each found by its key. */
static uint64_t check_store(const struct fixture *f, unsigned store)
{
    const struct stage_store *st = stage_store_of(&f->write_set, store + 5);
    const struct record *before = NULL;
    uint64_t count = 0;

    for (unsigned key = 0; key < f->keys; key++) {
        unsigned value = f->now.values[store * f->keys + key];
        char room[16];
        struct record *r = stage_find(&f->write_set, store + 5, key_of(key, room));

        MUST_EQ(r != NULL, value != 0);
        if (!r)
            continue;
        MUST_EQ(record_is_delete(r), value == 1);
        MUST_EQ(r->value_size, value == 1 ? 0 : value - 2);
        for (uint32_t i = 0; i < r->value_size; i++)
            MUST_EQ(r->value[i], value);
    }
    for (struct record *r = st ? st->first : NULL; r; r = record_following(r), count++) {
        MUST(!before || slice_compare(record_key(before), record_key(r)) < 0);
        MUST(stage_seek(st, record_key(r)) == r);
        MUST(stage_seek_below(st, record_key(r)) == before);
        before = r;
    }
    MUST(!st || (st->records == count && count));
    return count;
}

static void check(const struct fixture *f)
{
    uint64_t count = 0, listed = 0;
    const struct record *last = NULL;

    for (unsigned store = 0; store < STORES; store++)
        count += check_store(f, store);
    for (const struct record *r = f->stamp.first; r; r = r->log_next, listed++)
        last = r;
    MUST(f->stamp.last == last);
    MUST_EQ(listed, count);
    MUST_EQ(f->stamp.records, count);
    MUST_EQ(f->write_set.records, count);
    MUST_EQ(f->now.records, count);
    MUST_EQ(f->write_set.value_bytes, f->now.bytes);
}

static void state_copy(struct fixture *f, struct state *to, const struct state *from)
{
    memcpy(to->values, from->values, state_size(f));
    to->bytes = from->bytes;
    to->records = from->records;
}

static void on_gone(void *context, struct record *r)
{
    struct fixture *f = context;

    MUST(r->stamp == &f->stamp);
    f->gone++;
}

static void take_back(struct fixture *f)
{
    unsigned d = f->depth - 1, steps = 1 + (unsigned)sim_random(f->sim, 50);
    uint64_t before = f->now.records, at_once = sim_chance(f->sim, 50);

    f->gone = 0;
    while (!write_set_undo(&f->write_set, &f->stamp, &f->marks[d], at_once ? UINT32_MAX : steps,
                           on_gone, f))
        MUST(!at_once);
    state_copy(f, &f->now, &f->marked[d]);
    MUST_EQ(f->gone, before - f->now.records);
    check(f);
}

START_TEST(what_is_taken_back_was_never_written)
{
    static const unsigned keys[] = {3, 20, 400, 6000};
    struct fixture f;
    unsigned undone = 0;

    fixture_open(&f, 1 + (uint64_t)_i, keys[_i % 4]);
    for (unsigned round = 0; round < 60; round++) {
        for (uint64_t n = sim_random(f.sim, 2 * f.keys); n > 0; n--)
            write_one(&f);
        if (f.depth < DEPTH && sim_chance(f.sim, 60)) {
            write_set_mark(&f.write_set, f.stamp.first ? &f.stamp : NULL, &f.marks[f.depth]);
            state_copy(&f, &f.marked[f.depth++], &f.now);
        } else if (f.depth && sim_chance(f.sim, 70)) {
            take_back(&f);
            undone++;
        }
        if (f.depth && sim_chance(f.sim, 30)) {
            write_set_unmark(&f.write_set);
            f.depth--;
        }
        if (f.keys < 1000)
            check(&f);
    }
    check(&f);
    MUST(undone > 5);
    while (f.depth-- > 0)
        write_set_unmark(&f.write_set);
    MUST(!f.write_set.undo);
    fixture_close(&f);
}
END_TEST

/* The steps that it takes do not grow with what stays. */
START_TEST(taking_back_takes_a_step_for_each_change)
{
    struct fixture f;
    unsigned steps = 0;

    fixture_open(&f, 7, 6000);
    for (unsigned n = 0; n < 30000; n++)
        write_one(&f);
    write_set_mark(&f.write_set, &f.stamp, &f.marks[0]);
    state_copy(&f, &f.marked[0], &f.now);
    for (unsigned n = 0; n < 100; n++)
        write_one(&f);
    while (!write_set_undo(&f.write_set, &f.stamp, &f.marks[0], 1, on_gone, &f))
        steps++;
    MUST(steps > 50 && steps <= 100);
    state_copy(&f, &f.now, &f.marked[0]);
    check(&f);
    fixture_close(&f);
}
END_TEST

/* A stage takes no store without a record. */
START_TEST(a_record_without_memory_leaves_no_empty_store)
{
    struct fixture f;
    uint8_t bytes[40000] = {0};
    bool fresh;

    for (uint64_t n = 1; n < 4; n++) {
        fixture_open(&f, n, 1);
        sim_fail_alloc_at(f.sim, n);
        if (!write_set_put(&f.write_set, &f.stamp, 5, slice_text("k"),
                           slice_make(bytes, sizeof bytes), &fresh))
            MUST(!stage_store_of(&f.write_set, 5));
        sim_fail_clear(f.sim);
        fixture_close(&f);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("write_set");
    TCase *tc = tcase_create("savepoints");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, what_is_taken_back_was_never_written, 0, 12);
    tcase_add_test(tc, a_record_without_memory_leaves_no_empty_store);
    tcase_add_test(tc, taking_back_takes_a_step_for_each_change);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
