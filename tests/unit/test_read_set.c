/* test_read_set.c - what readers have noted, beside a table of yes and no for every key. */
#include "server/txn/read_set.h"
#include "tests/sim/sim_os.h"

#include <check.h>
#include <stdlib.h>

#define MUST(fact) ((fact) ? (void)0 : ck_abort_msg("not so: %s", #fact))

#define STORES 3
#define KEYS 120
#define READERS 12

struct player {
    struct reads *reads; /* NULL: it is not there */
    uint64_t snapshot;
    bool has_read[STORES][KEYS];
};

struct rig {
    struct sim *sim;
    struct read_set set;
    struct player players[READERS];
};

static void rig_open(struct rig *rig, uint64_t seed, struct read_set_limits limits)
{
    memset(rig, 0, sizeof *rig);
    rig->sim = sim_new(seed);
    MUST(read_set_init(&rig->set, sim_table(rig->sim), seed, limits) == ERR_OK);
}

static void rig_close(struct rig *rig)
{
    read_set_fini(&rig->set);
    MUST(sim_alloc_outstanding(rig->sim) == 0);
    sim_free(rig->sim);
}

/* Keys of several sizes, in the order of their numbers; KEYS is behind all. */
static struct slice key_of(unsigned key, uint8_t room[64])
{
    size_t size = 2 + key % 5 * 9;

    memset(room, 0, 64);
    room[0] = (uint8_t)(key >> 8);
    room[1] = (uint8_t)key;
    return slice_make(room, size);
}

static struct read_key read_key_of(unsigned store, unsigned key, uint8_t room[64])
{
    return (struct read_key){store, key_of(key, room)};
}

static void add_point(struct rig *rig, struct player *p)
{
    unsigned store = (unsigned)sim_random(rig->sim, STORES);
    unsigned key = (unsigned)sim_random(rig->sim, KEYS);
    uint8_t room[64];

    if (read_set_add_point(p->reads, read_key_of(store, key, room)) == ERR_OK)
        p->has_read[store][key] = true;
}

static void add_range(struct rig *rig, struct player *p)
{
    unsigned store = (unsigned)sim_random(rig->sim, STORES);
    unsigned from = (unsigned)sim_random(rig->sim, KEYS);
    unsigned to = from + 1 + (unsigned)sim_random(rig->sim, 6);
    uint8_t from_room[64], to_room[64];
    struct slice end;

    if (sim_chance(rig->sim, 3)) {
        end = SLICE_NONE;
        to = KEYS;
    } else {
        end = key_of(to, to_room);
    }
    if (read_set_add_range(p->reads, store, key_of(from, from_room), end) != ERR_OK)
        return;
    for (unsigned key = from; key < to && key < KEYS; key++)
        p->has_read[store][key] = true;
}

static bool is_reader(const struct player *p, unsigned store, unsigned key, uint64_t commit)
{
    return p->reads && p->snapshot < commit && p->has_read[store][key];
}

/* exact: nobody may be found who has not read the key. */
static void look(struct rig *rig, bool exact)
{
    unsigned store = (unsigned)sim_random(rig->sim, STORES);
    unsigned key = (unsigned)sim_random(rig->sim, KEYS);
    uint64_t commit = sim_random(rig->sim, 20);
    uint8_t room[64];
    struct read_key at = read_key_of(store, key, room);
    struct player *found = read_set_find(&rig->set, at, commit);
    bool is_read = false;

    MUST(!found || (found->reads && found->snapshot < commit));
    MUST(!found || read_set_holds(found->reads, at));
    for (unsigned i = 0; i < READERS; i++) {
        struct player *p = &rig->players[i];

        is_read |= is_reader(p, store, key, commit);
        MUST(!p->reads || !p->has_read[store][key] || read_set_holds(p->reads, at));
        MUST(!exact || !p->reads || p->has_read[store][key] || !read_set_holds(p->reads, at));
    }
    MUST(found || !is_read);
    MUST(!exact || !found || is_reader(found, store, key, commit));
}

static void step(struct rig *rig, bool exact)
{
    struct player *p = &rig->players[sim_random(rig->sim, READERS)];
    unsigned choice = (unsigned)sim_random(rig->sim, 100);

    if (!p->reads) {
        memset(p, 0, sizeof *p);
        p->snapshot = sim_random(rig->sim, 20);
        p->reads = read_set_open(&rig->set, p, p->snapshot);
    } else if (choice < 2) {
        read_set_end(p->reads);
        p->reads = NULL;
    } else if (choice < 45) {
        add_point(rig, p);
    } else if (choice < 75) {
        add_range(rig, p);
    } else if (choice < 80) {
        read_set_collect(&rig->set, sim_random(rig->sim, 10));
    } else {
        look(rig, exact);
    }
}

START_TEST(every_reader_of_a_key_is_found_and_nobody_else)
{
    struct read_set_limits limits = {UINT64_C(1) << 20, UINT64_C(1) << 30, UINT64_MAX};
    struct rig rig;

    rig_open(&rig, (uint64_t)_i, limits);
    for (unsigned i = 0; i < 3000; i++) {
        step(&rig, true);
        if (i % 50 == 0)
            MUST(read_set_check(&rig.set));
    }
    MUST(read_set_check(&rig.set));
    rig_close(&rig);
}
END_TEST

START_TEST(beyond_the_limit_nothing_is_dropped)
{
    struct read_set_limits limits = {_i % 2 ? 3000 : UINT64_C(1) << 20, 20000, UINT64_MAX};
    struct rig rig;

    rig_open(&rig, (uint64_t)_i, limits);
    for (unsigned i = 0; i < 3000; i++) {
        step(&rig, false);
        if (i % 50 == 0)
            MUST(read_set_check(&rig.set));
    }
    rig_close(&rig);
}
END_TEST

START_TEST(without_memory_what_was_noted_stays)
{
    struct read_set_limits limits = {_i % 2 ? 3000 : UINT64_C(1) << 20, 100000, UINT64_MAX};
    struct rig rig;

    rig_open(&rig, (uint64_t)_i, limits);
    for (unsigned i = 0; i < 2000; i++) {
        if (sim_chance(rig.sim, 30))
            sim_fail_at(rig.sim, SIM_FAULT_ALLOC, 1 + sim_random(rig.sim, 3));
        step(&rig, false);
        if (i % 50 == 0)
            MUST(read_set_check(&rig.set));
    }
    rig_close(&rig);
}
END_TEST

static struct slice long_key(uint64_t n, uint8_t room[180])
{
    memset(room, 'k', 180);
    for (unsigned i = 0; i < 8; i++)
        room[172 + i] = (uint8_t)(n >> (56 - 8 * i));
    return slice_make(room, 180);
}

/* A walk over many rows, each noted from where the last ended. */
START_TEST(a_scan_is_one_range_however_long)
{
    struct read_set_limits limits = {UINT64_C(16) << 20, UINT64_C(1) << 30, UINT64_MAX};
    uint8_t from[180], to[180];
    uint64_t bytes, steps;
    struct reads *r;
    struct rig rig;

    rig_open(&rig, 1, limits);
    r = read_set_open(&rig.set, NULL, 1);
    MUST(read_set_add_range(r, 1, slice_text(""), long_key(0, to)) == ERR_OK);
    bytes = rig.set.bytes;
    steps = read_set_steps(&rig.set);
    for (uint64_t n = 0; n < 100000; n++) {
        uint64_t low = _i ? 199999 - n : n, high = low + 1;

        if (_i && n == 0)
            MUST(read_set_add_range(r, 1, long_key(high, from), SLICE_NONE) == ERR_OK);
        MUST(read_set_add_range(r, 1, long_key(low, from), long_key(high, to)) == ERR_OK);
    }
    MUST(rig.set.bytes <= bytes + sizeof(struct read_range) + 1000);
    MUST(r->range_count == (_i ? 2 : 1));
    MUST(read_set_steps(&rig.set) - steps < 100000 * 12);
    read_set_end(r);
    rig_close(&rig);
}
END_TEST

/* However many points there are, adding one moves no more than the elements of one bucket, and
 * finding one does not look at many. */
START_TEST(no_point_pays_for_all_others)
{
    struct read_set_limits limits = {UINT64_C(1) << 30, UINT64_C(1) << 40, UINT64_MAX};
    uint64_t most = 0, all = 0;
    struct reads *readers[10];
    struct rig rig;

    rig_open(&rig, 1, limits);
    for (unsigned i = 0; i < 10; i++)
        readers[i] = read_set_open(&rig.set, &rig, 1);
    for (unsigned i = 0; i < 300000; i++) {
        uint64_t steps = read_set_steps(&rig.set);
        uint8_t key[8];

        memcpy(key, &(uint64_t){i}, 8);
        MUST(read_set_add_point(readers[i % 10], (struct read_key){7, slice_make(key, 8)}) ==
             ERR_OK);
        steps = read_set_steps(&rig.set) - steps;
        most = steps > most ? steps : most;
    }
    MUST(most < 40);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t steps = read_set_steps(&rig.set);
        uint8_t key[8];

        memcpy(key, &(uint64_t){i * 31 + 300000 * (i % 2)}, 8);
        read_set_find(&rig.set, (struct read_key){7, slice_make(key, 8)}, 2);
        all += read_set_steps(&rig.set) - steps;
    }
    MUST(all < 10000 * 4);
    for (unsigned i = 0; i < 10; i++)
        read_set_end(readers[i]);
    MUST(!read_set_find(&rig.set, (struct read_key){7, slice_make("\0\0\0\0\0\0\0\0", 8)}, 2));
    for (unsigned turns = 0; read_set_collect(&rig.set, 1000); turns++) {
        uint64_t steps = read_set_steps(&rig.set);

        MUST(turns < 400);
        read_set_collect(&rig.set, 1000);
        MUST(read_set_steps(&rig.set) - steps < 4000);
    }
    MUST(rig.set.points.buckets < 300000);
    rig_close(&rig);
}
END_TEST

START_TEST(bytes_stay_within_the_limits)
{
    struct read_set_limits limits = {UINT64_C(64) << 10, UINT64_C(256) << 10, UINT64_MAX};
    struct reads *readers[8];
    struct rig rig;

    rig_open(&rig, (uint64_t)_i, limits);
    for (unsigned i = 0; i < 8; i++)
        readers[i] = read_set_open(&rig.set, &rig, 1);
    for (uint64_t n = 0; n < 40000; n++) {
        struct reads *r = readers[n % 8];
        uint8_t key[180], end[180];
        uint64_t at = sim_random(rig.sim, 1000000);

        if (sim_chance(rig.sim, 50))
            MUST(read_set_add_point(r, (struct read_key){1, long_key(at, key)}) == ERR_OK);
        else
            MUST(read_set_add_range(r, 1, long_key(at, key), long_key(at + 2, end)) == ERR_OK);
        MUST(r->bytes <= limits.reader_bytes_max);
        MUST(rig.set.bytes <= limits.bytes_max + 8 * READ_SET_SMALL_BYTES);
        MUST(read_set_find(&rig.set, (struct read_key){1, long_key(at, key)}, 2));
    }
    MUST(read_set_check(&rig.set));
    for (unsigned i = 0; i < 8; i++)
        read_set_end(readers[i]);
    rig_close(&rig);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("read_set");
    TCase *tc = tcase_create("read_set");

    tcase_add_loop_test(tc, every_reader_of_a_key_is_found_and_nobody_else, 0, 20);
    tcase_add_loop_test(tc, beyond_the_limit_nothing_is_dropped, 0, 20);
    tcase_add_loop_test(tc, without_memory_what_was_noted_stays, 0, 20);
    tcase_add_loop_test(tc, a_scan_is_one_range_however_long, 0, 2);
    tcase_add_test(tc, no_point_pays_for_all_others);
    tcase_add_loop_test(tc, bytes_stay_within_the_limits, 0, 4);
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
