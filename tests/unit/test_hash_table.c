/* test_hash_table.c - a hash table beside an array of flags, while it grows, shrinks and is short
 * of memory. */
#include "server/storage/hash_table.h"
#include "tests/unit/core_rig.h"

#include <stdlib.h>
#include <string.h>

#define ELEMENTS 3000
#define TURNS 60000

struct element {
    struct hash_link link;
    uint64_t id;
};

struct rig {
    struct sim *sim;
    struct hash_table table;
    struct element elements[ELEMENTS];
};

static uint64_t hash_of(uint64_t id)
{
    return hash_pair(id / 3, 7); /* some have the same */
}

static struct element *find(struct rig *rig, uint64_t id)
{
    struct hash_link *link = hash_table_first(&rig->table, hash_of(id));

    for (; link; link = hash_table_next(&rig->table, link)) {
        struct element *e = LIST_ENTRY(link, struct element, link);

        if (e->id == id)
            return e;
    }
    return NULL;
}

static void toggle(struct rig *rig, unsigned i)
{
    struct element *e = &rig->elements[i];
    uint64_t steps = rig->table.steps;

    if (e->link.is_in)
        hash_table_remove(&rig->table, &e->link);
    else
        hash_table_insert(&rig->table, &e->link, hash_of(e->id));
    MUST(rig->table.steps - steps < 100); /* however many there are */
}

static void check(struct rig *rig, bool had_memory)
{
    size_t count = 0;

    for (unsigned i = 0; i < ELEMENTS; i++) {
        struct element *e = &rig->elements[i];

        MUST(find(rig, e->id) == (e->link.is_in ? e : NULL));
        count += e->link.is_in;
    }
    MUST_EQ(rig->table.count, count);
    if (had_memory)
        MUST(hash_table_bytes(&rig->table) <= 2 * (4 * count + 64) * sizeof(void *));
}

static void rig_open(struct rig *rig, uint64_t seed)
{
    memset(rig, 0, sizeof *rig);
    rig->sim = sim_new(seed);
    MUST_EQ(hash_table_init(&rig->table, sim_table(rig->sim)), ERR_OK);
    for (unsigned i = 0; i < ELEMENTS; i++)
        rig->elements[i].id = i;
}

/* All that is left, in any order, while the table shrinks under the search. */
static void rig_close(struct rig *rig)
{
    struct hash_link *link;
    size_t bucket = 0;

    while ((link = hash_table_any(&rig->table, &bucket)) != NULL)
        hash_table_remove(&rig->table, link);
    check(rig, true);
    MUST_EQ(hash_table_bytes(&rig->table), 64 * sizeof(void *));
    hash_table_fini(&rig->table);
    MUST_EQ(sim_alloc_outstanding(rig->sim), 0);
    sim_free(rig->sim);
}

/* Elements come until there are many, and go until there are few, again and again. */
START_TEST(a_table_holds_what_was_put_in_and_no_more_memory_than_that_needs)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig_open(rig, (uint64_t)_i + 1);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        unsigned i = (unsigned)sim_random(rig->sim, ELEMENTS);
        bool grows = turn / (TURNS / 6) % 2 == 0;

        if (rig->elements[i].link.is_in != grows || !sim_random(rig->sim, 20))
            toggle(rig, i);
        if (turn % 5000 == 0)
            check(rig, true);
    }
    rig_close(rig);
    free(rig);
}
END_TEST

/* Without memory for more buckets or fewer it is slower, or larger, and right. */
START_TEST(a_table_without_memory_for_its_buckets_holds_the_same)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig_open(rig, (uint64_t)_i + 100);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        unsigned i = (unsigned)sim_random(rig->sim, ELEMENTS);

        if (turn % 4000 == 0)
            sim_fail_from(rig->sim, SIM_FAULT_ALLOC, 1);
        if (turn % 4000 == 2000)
            sim_fail_clear(rig->sim);
        if (rig->elements[i].link.is_in != (turn / (TURNS / 6) % 2 == 0))
            toggle(rig, i);
        if (turn % 5000 == 0)
            check(rig, false);
    }
    sim_fail_clear(rig->sim);
    for (unsigned i = 0; i < ELEMENTS; i++) {
        if (!rig->elements[i].link.is_in)
            toggle(rig, i);
    }
    check(rig, false);
    rig_close(rig);
    free(rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hash table");
    TCase *tc = tcase_create("hash table");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, a_table_holds_what_was_put_in_and_no_more_memory_than_that_needs, 0,
                        5);
    tcase_add_loop_test(tc, a_table_without_memory_for_its_buckets_holds_the_same, 0, 3);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
