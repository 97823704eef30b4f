/* Ledgers against a sorted list: finding, ranges, walking, and memory that fails. */
#include "server/store/ledger.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORES 4 /* numbers 1 to 7, odd; the even ones have nothing */
#define ENTRIES_MAX 4000

struct entry {
    uint32_t store;
    size_t key_size;
    uint8_t key[24];
    uint64_t commit, version;
    bool interval;
    char label[LEDGER_LABEL_BYTES];
};

struct fixture {
    struct sim *sim;
    struct ledger *ledger;
    struct entry *entries; /* sorted */
    size_t count;
};

static int entry_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->store != y->store)
        return x->store < y->store ? -1 : 1;
    return slice_compare(slice_make(x->key, x->key_size), slice_make(y->key, y->key_size));
}

/* Keys of few different bytes, so that they share their beginnings, and some long ones. */
static void key_choose(struct sim *sim, struct entry *e)
{
    e->store = 1 + 2 * (uint32_t)sim_random(sim, STORES);
    e->key_size = 1 + sim_random(sim, sim_chance(sim, 20) ? 24 : 6);
    for (size_t i = 0; i < e->key_size; i++)
        e->key[i] = "\x00\x01\x7f\xff\x10"[sim_random(sim, 5)];
}

static void fixture_fill(struct fixture *f, uint64_t seed)
{
    size_t wanted, kept = 0;

    f->sim = sim_new(seed);
    wanted = sim_random(f->sim, seed % 3 ? ENTRIES_MAX : 20);
    f->entries = calloc(wanted + 1, sizeof *f->entries);
    for (size_t i = 0; i < wanted; i++) {
        struct entry *e = &f->entries[i];

        key_choose(f->sim, e);
        e->commit = 500 + sim_random(f->sim, 100000);
        e->version = sim_random(f->sim, UINT64_C(1) << 40);
        e->interval = sim_chance(f->sim, 30);
        if (sim_chance(f->sim, 60))
            snprintf(e->label, sizeof e->label, "label %llu",
                     (unsigned long long)sim_random(f->sim, sim_chance(f->sim, 50) ? 4 : 1000));
    }
    qsort(f->entries, wanted, sizeof *f->entries, entry_order);
    for (size_t i = 0; i < wanted; i++) {
        if (!kept || entry_order(&f->entries[kept - 1], &f->entries[i]) != 0)
            f->entries[kept++] = f->entries[i];
    }
    f->count = kept;
}

static enum err fixture_build(struct fixture *f)
{
    enum err e = ERR_OK;

    f->ledger = ledger_new(sim_table(f->sim), 600, UINT64_C(1) << 39);
    if (!f->ledger)
        return ERR_NOMEM;
    for (size_t i = 0; i < f->count && !e; i++) {
        const struct entry *x = &f->entries[i];
        struct ledger_entry entry = {x->commit, x->version, x->label, x->interval};

        e = ledger_add(f->ledger, x->store, slice_make(x->key, x->key_size), &entry);
    }
    return e;
}

static void fixture_free(struct fixture *f)
{
    if (f->ledger)
        ledger_free(f->ledger);
    MUST_EQ(sim_alloc_outstanding(f->sim), 0);
    free(f->entries);
    sim_free(f->sim);
}

/* labels: whether all of them must be there (without memory a label may be left out). */
static void must_be(const struct entry *x, const struct ledger_entry *found, bool labels)
{
    MUST_EQ(found->commit, x->commit);
    MUST_EQ(found->version, x->version);
    MUST_EQ(found->interval, x->interval);
    MUST(strcmp(found->label, x->label) == 0 || (!labels && !found->label[0]));
}

START_TEST(every_key_is_found_and_no_other)
{
    struct fixture f = {0};
    struct ledger_entry found;

    fixture_fill(&f, (uint64_t)_i);
    MUST_EQ(fixture_build(&f), ERR_OK);
    MUST_EQ(f.ledger->keys, f.count);
    for (size_t i = 0; i < f.count; i++) {
        const struct entry *x = &f.entries[i];

        MUST(ledger_find(f.ledger, x->store, slice_make(x->key, x->key_size), &found));
        must_be(x, &found, true);
        MUST(!ledger_find(f.ledger, x->store + 1, slice_make(x->key, x->key_size), &found));
    }
    for (unsigned i = 0; i < 2000; i++) {
        struct entry any;
        struct slice key;

        key_choose(f.sim, &any);
        any.store = (uint32_t)sim_random(f.sim, 10);
        key = slice_make(any.key, any.key_size);
        MUST_EQ(ledger_find(f.ledger, any.store, key, &found),
                bsearch(&any, f.entries, f.count, sizeof any, entry_order) != NULL);
    }
    fixture_free(&f);
}
END_TEST

START_TEST(a_range_finds_something_newer_exactly_where_there_is_something)
{
    struct fixture f = {0};

    fixture_fill(&f, (uint64_t)_i);
    MUST_EQ(fixture_build(&f), ERR_OK);
    for (unsigned round = 0; round < 600; round++) {
        struct entry from, to, *expected = NULL;
        struct ledger_entry found;
        uint8_t room[KEY_BYTES_MAX];
        struct slice key, low, high;
        uint64_t after = 400 + sim_random(f.sim, 102000);

        if (f.count && sim_chance(f.sim, 50)) {
            from = f.entries[sim_random(f.sim, f.count)]; /* exactly at a key */
            to = f.entries[sim_random(f.sim, f.count)];
        } else {
            key_choose(f.sim, &from);
            key_choose(f.sim, &to);
        }
        low = slice_make(from.key, sim_chance(f.sim, 10) ? 0 : from.key_size);
        high = slice_make(to.key, sim_chance(f.sim, 10) ? 0 : to.key_size);
        for (size_t i = 0; i < f.count && !expected; i++) {
            struct entry *x = &f.entries[i];
            struct slice k = slice_make(x->key, x->key_size);

            if (x->store == from.store && slice_compare(k, low) >= 0 &&
                (!high.size || slice_compare(k, high) < 0) && x->commit > after)
                expected = x;
        }
        MUST_EQ(
            ledger_find_in_range(f.ledger, from.store, low, high, after, &found, room, &key),
            expected != NULL);
        if (expected) {
            must_be(expected, &found, true);
            MUST(slice_equal(key, slice_make(expected->key, expected->key_size)));
        }
    }
    fixture_free(&f);
}
END_TEST

static void walk(struct fixture *f, bool labels)
{
    struct ledger_cursor *c = malloc(sizeof *c);
    size_t at = 0;

    for (ledger_cursor_init(c, f->ledger); c->valid; ledger_cursor_next(c), at++) {
        const struct entry *x = &f->entries[at];

        MUST(at < f->count);
        MUST_EQ(c->store, x->store);
        MUST(slice_equal(slice_make(c->key, c->key_size), slice_make(x->key, x->key_size)));
        must_be(x, &c->entry, labels);
    }
    MUST_EQ(at, f->count);
    free(c);
}

START_TEST(a_cursor_walks_all_of_it_in_order)
{
    struct fixture f = {0};

    fixture_fill(&f, (uint64_t)_i);
    MUST_EQ(fixture_build(&f), ERR_OK);
    walk(&f, true);
    MUST(f.count < 1000 || f.ledger->bytes / f.count < 64);
    fixture_free(&f);
}
END_TEST

START_TEST(whichever_allocation_fails_it_says_so_or_leaves_out_a_label)
{
    for (uint64_t n = 1;; n++) {
        struct fixture f = {0};
        bool fired;
        enum err e;

        fixture_fill(&f, (uint64_t)_i);
        sim_fail_alloc_at(f.sim, n);
        e = fixture_build(&f);
        fired = sim_fault_fired(f.sim, SIM_FAULT_ALLOC) > 0;
        sim_fail_clear(f.sim);
        MUST(e == ERR_OK || (fired && e == ERR_NOMEM));
        if (!e)
            walk(&f, !fired);
        fixture_free(&f);
        if (!fired)
            break;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ledger");
    TCase *tc = tcase_create("ledger");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, every_key_is_found_and_no_other, 0, 30);
    tcase_add_loop_test(tc, a_range_finds_something_newer_exactly_where_there_is_something, 0,
                        12);
    tcase_add_loop_test(tc, a_cursor_walks_all_of_it_in_order, 0, 30);
    tcase_add_loop_test(tc, whichever_allocation_fails_it_says_so_or_leaves_out_a_label, 0, 3);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
