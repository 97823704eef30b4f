/* Ledgers in memory and on disk against a sorted list: finding, ranges, walking; memory, disks
 * and space that fail. */
#include "server/storage/ledger.h"
#include "tests/unit/core_rig.h"
#include "tests/unit/primary_rig.h"

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
    enum durability durability;
    struct text_label label;
};

struct fixture {
    struct rig rig;
    struct wait wait;
    struct failure failure; /* of the last find */
    bool on_disk;
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

/* Labels are any bytes of a client's, NUL among them, and of any size; some are the same. */
static void label_choose(struct sim *sim, struct text_label *label)
{
    uint8_t bytes[TEXT_LABEL_BYTES_MAX];
    size_t size = sim_chance(sim, 30) ? sizeof bytes : 1 + sim_random(sim, 3);

    memset(bytes, 'l', sizeof bytes);
    for (unsigned i = 0; i < 3; i++)
        bytes[sim_chance(sim, 50) ? i : sim_random(sim, size)] =
            (uint8_t) "\0ab\0"[sim_random(sim, 4)];
    text_label_set(label, slice_make(bytes, size));
}

static void fixture_fill(struct fixture *f, uint64_t seed)
{
    size_t wanted, kept = 0;

    rig_init(&f->rig, seed, 4096, 16384);
    MUST_EQ(rig_open(&f->rig), ERR_OK);
    rig_wait_init(&f->wait);
    failure_init(&f->failure);
    f->on_disk = seed % 2;
    wanted = sim_random(f->rig.sim, seed % 3 ? ENTRIES_MAX : 20);
    f->entries = calloc(wanted + 1, sizeof *f->entries);
    for (size_t i = 0; i < wanted; i++) {
        struct entry *e = &f->entries[i];

        key_choose(f->rig.sim, e);
        e->commit = 500 + sim_random(f->rig.sim, 100000);
        e->version = sim_random(f->rig.sim, UINT64_C(1) << 40);
        e->durability = sim_chance(f->rig.sim, 30) ? DURABILITY_INTERVAL : DURABILITY_SYNC;
        if (sim_chance(f->rig.sim, 60))
            label_choose(f->rig.sim, &e->label);
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

    f->ledger = ledger_new(f->rig.os, 600, UINT64_C(1) << 39);
    if (!f->ledger)
        return ERR_NOMEM;
    if (f->on_disk)
        e = ledger_spill(f->ledger, f->rig.p);
    for (size_t i = 0; i < f->count && !e; i++) {
        const struct entry *x = &f->entries[i];
        struct ledger_entry entry = {x->commit, x->version, text_label_of(&x->label),
                                     x->durability};

        e = ledger_add(f->ledger, x->store, slice_make(x->key, x->key_size), &entry);
    }
    if (!e)
        e = ledger_close(f->ledger);
    ledger_finish(f->ledger);
    MUST_EQ(f->ledger->spill != NULL, f->on_disk && !e);
    return e;
}

static void fixture_free(struct fixture *f)
{
    struct primary_stats stats;
    struct rig_batch nothing = {0};

    wait_release(f->rig.p, &f->wait);
    sim_run_until_idle(f->rig.sim);
    rig_check(&f->rig, 0);
    if (f->ledger)
        ledger_free(f->ledger);
    rig_check(&f->rig, 0);
    MUST_EQ(rig_merge_simple(&f->rig, &nothing), ERR_OK); /* gives back what was let go */
    primary_stats(f->rig.p, &stats);
    MUST_EQ(stats.held_bytes, 0);
    MUST_EQ(stats.file_bytes, stats.used_bytes);
    failure_clear(&f->failure);
    free(f->entries);
    rig_fini(&f->rig);
}

static enum err find(struct fixture *f, uint32_t store, struct slice key,
                     struct ledger_entry *out)
{
    enum err e;

    wait_release(f->rig.p, &f->wait);
    failure_clear(&f->failure);
    while ((e = ledger_find(f->ledger, store, key, &f->wait, out, &f->failure)) == ERR_WAIT)
        rig_wait(&f->rig, &f->wait);
    return e;
}

static enum err find_in_range(struct fixture *f, const struct ledger_range *range,
                              struct ledger_entry *out, uint8_t *room, struct slice *key)
{
    enum err e;

    wait_release(f->rig.p, &f->wait);
    failure_clear(&f->failure);
    while ((e = ledger_find_in_range(f->ledger, range, &f->wait, out, room, key,
                                     &f->failure)) == ERR_WAIT)
        rig_wait(&f->rig, &f->wait);
    return e;
}

/* labels: whether all of them must be there (without memory a label may be left out). */
static void must_be(const struct entry *x, const struct ledger_entry *found, bool labels)
{
    MUST_EQ(found->commit, x->commit);
    MUST_EQ(found->version, x->version);
    MUST_EQ(found->durability, x->durability);
    MUST(slice_equal(found->label, text_label_of(&x->label)) ||
         (!labels && !found->label.size));
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

        MUST_EQ(find(&f, x->store, slice_make(x->key, x->key_size), &found), ERR_OK);
        must_be(x, &found, true);
        MUST_EQ(find(&f, x->store + 1, slice_make(x->key, x->key_size), &found), ERR_NOT_FOUND);
    }
    for (unsigned i = 0; i < 2000; i++) {
        struct entry any;
        struct slice key;

        key_choose(f.rig.sim, &any);
        any.store = (uint32_t)sim_random(f.rig.sim, 10);
        key = slice_make(any.key, any.key_size);
        MUST_EQ(find(&f, any.store, key, &found) == ERR_OK,
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
        struct ledger_range range;
        struct slice key, low, high;
        uint64_t after = 400 + sim_random(f.rig.sim, 102000);

        if (f.count && sim_chance(f.rig.sim, 50)) {
            from = f.entries[sim_random(f.rig.sim, f.count)]; /* exactly at a key */
            to = f.entries[sim_random(f.rig.sim, f.count)];
        } else {
            key_choose(f.rig.sim, &from);
            key_choose(f.rig.sim, &to);
        }
        low = slice_make(from.key, sim_chance(f.rig.sim, 10) ? 0 : from.key_size);
        high = slice_make(to.key, sim_chance(f.rig.sim, 10) ? 0 : to.key_size);
        for (size_t i = 0; i < f.count && !expected; i++) {
            struct entry *x = &f.entries[i];
            struct slice k = slice_make(x->key, x->key_size);

            if (x->store == from.store && slice_compare(k, low) >= 0 &&
                (!high.size || slice_compare(k, high) < 0) && x->commit > after)
                expected = x;
        }
        range = (struct ledger_range){from.store, low, high, after};
        MUST_EQ(find_in_range(&f, &range, &found, room, &key),
                expected ? ERR_OK : ERR_NOT_FOUND);
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

    ledger_cursor_init(c, f->ledger);
    for (MUST_EQ(ledger_cursor_next(c), ERR_OK); c->valid; at++) {
        const struct entry *x = &f->entries[at];

        MUST(at < f->count);
        MUST_EQ(c->store, x->store);
        MUST(slice_equal(slice_make(c->key, c->key_size), slice_make(x->key, x->key_size)));
        must_be(x, &c->entry, labels);
        MUST_EQ(ledger_cursor_next(c), ERR_OK);
    }
    MUST_EQ(at, f->count);
    ledger_cursor_fini(c);
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
        sim_fail_alloc_at(f.rig.sim, n);
        e = fixture_build(&f);
        fired = sim_fault_fired(f.rig.sim, SIM_FAULT_ALLOC) > 0;
        sim_fail_clear(f.rig.sim);
        MUST(e == ERR_OK || (fired && e == ERR_NOMEM));
        if (!e)
            walk(&f, !fired);
        fixture_free(&f);
        if (!fired)
            break;
    }
}
END_TEST

/* ---- disks that fail ---- */

/* Whichever write fails, the ledger says so, and all space comes back; _i: an error, no room. */
START_TEST(whichever_write_fails_it_says_so_and_keeps_no_space)
{
    for (uint64_t n = 1;; n++) {
        enum sim_fault fault = _i ? SIM_FAULT_SPACE : SIM_FAULT_WRITE;
        struct fixture f = {0};
        bool fired;
        enum err e;

        fixture_fill(&f, 5);
        MUST(f.on_disk);
        sim_fail_at(f.rig.sim, fault, n);
        e = fixture_build(&f);
        fired = sim_fault_fired(f.rig.sim, fault) > 0;
        sim_fail_clear(f.rig.sim);
        MUST_EQ(e, fired ? _i ? ERR_NO_SPACE : ERR_IO : ERR_OK);
        fixture_free(&f);
        if (!fired)
            break;
        MUST(n < 1000);
    }
}
END_TEST

/* A page that rots is named with its place by whoever needs it, and by nobody else. */
START_TEST(a_page_that_rots_is_told_to_those_who_need_it)
{
    struct fixture f = {0};
    struct ledger_entry found;
    const struct page_ptr *rotten;
    struct ledger_cursor *c = malloc(sizeof *c);
    unsigned told = 0, right = 0;
    enum err e = ERR_OK;

    fixture_fill(&f, 5 + 6 * (uint64_t)_i);
    MUST_EQ(fixture_build(&f), ERR_OK);
    MUST(f.ledger->spill->page_count > 3);
    rotten = &f.ledger->spill->pages[sim_random(f.rig.sim, f.ledger->spill->page_count)].ptr;
    MUST(sim_rot(f.rig.sim, PRIMARY_FILE, rotten->offset * PAGE_UNIT_BYTES, rotten->packed));
    for (size_t i = 0; i < f.count; i++) {
        const struct entry *x = &f.entries[i];

        e = find(&f, x->store, slice_make(x->key, x->key_size), &found);
        if (e == ERR_OK) {
            must_be(x, &found, true);
            right++;
            continue;
        }
        MUST_EQ(e, ERR_CORRUPT);
        MUST(strcmp(f.failure.file, PRIMARY_FILE) == 0);
        MUST_EQ(f.failure.offset, rotten->offset * PAGE_UNIT_BYTES);
        told++;
    }
    MUST(told && right > told);
    ledger_cursor_init(c, f.ledger);
    do
        e = ledger_cursor_next(c);
    while (!e && c->valid);
    MUST_EQ(e, ERR_CORRUPT);
    ledger_cursor_fini(c);
    free(c);
    fixture_free(&f);
}
END_TEST

/* A read that fails is told once; the next attempt reads again. */
START_TEST(a_read_that_fails_is_told_and_tried_again)
{
    struct fixture f = {0};
    struct ledger_entry found;

    fixture_fill(&f, 5);
    MUST_EQ(fixture_build(&f), ERR_OK);
    for (uint64_t round = 0; round < 50; round++) {
        const struct entry *x = &f.entries[sim_random(f.rig.sim, f.count)];
        struct slice key = slice_make(x->key, x->key_size);
        enum err e;

        sim_fail_at(f.rig.sim, SIM_FAULT_READ, 1);
        e = find(&f, x->store, key, &found);
        MUST_EQ(e, sim_fault_fired(f.rig.sim, SIM_FAULT_READ) ? ERR_IO : ERR_OK);
        sim_fail_clear(f.rig.sim);
        MUST_EQ(find(&f, x->store, key, &found), ERR_OK);
        must_be(x, &found, true);
    }
    fixture_free(&f);
}
END_TEST

/* It is on disk, and the power goes off: what it had is free, and the file is sound. */
START_TEST(after_a_crash_its_space_is_free)
{
    struct fixture f = {0};

    fixture_fill(&f, 5);
    MUST_EQ(fixture_build(&f), ERR_OK);
    MUST(f.ledger->disk_bytes > 0);
    if (_i) { /* one is under way, too */
        struct ledger *other = ledger_new(f.rig.os, 1, 1);
        struct ledger_entry entry = {2, 2, SLICE_NONE, false};

        MUST_EQ(ledger_spill(other, f.rig.p), ERR_OK);
        MUST_EQ(ledger_add(other, 1, slice_text("k"), &entry), ERR_OK);
        ledger_free(other);
    }
    ledger_free(f.ledger);
    f.ledger = NULL;
    rig_crash_and_open(&f.rig);
    fixture_free(&f);
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
    tcase_add_loop_test(tc, whichever_allocation_fails_it_says_so_or_leaves_out_a_label, 0, 4);
    tcase_add_loop_test(tc, whichever_write_fails_it_says_so_and_keeps_no_space, 0, 2);
    tcase_add_loop_test(tc, a_page_that_rots_is_told_to_those_who_need_it, 0, 5);
    tcase_add_test(tc, a_read_that_fails_is_told_and_tried_again);
    tcase_add_loop_test(tc, after_a_crash_its_space_is_free, 0, 2);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
