/* What a store costs among 1,000 and among 100,000: made, found, listed, cleared, renamed,
 * dropped, restarted. Steps and allocations are counted, so nothing here depends on time. */
#include "server/txn/catalogue.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>

enum { FEW = 1000, MANY = 100000, SAMPLE = 500 };

struct cost { /* of one store, in hundredths */
    uint64_t steps, allocations;
};

struct costs {
    struct cost made, found, listed, cleared, renamed, dropped, restarted;
    uint64_t bytes;
};

struct count {
    struct core_rig *rig;
    uint64_t steps, allocations;
};

static struct count count_begin(struct core_rig *rig)
{
    return (struct count){rig, core_status(rig).catalogue_steps, sim_alloc_calls(rig->sim)};
}

static struct cost count_end(const struct count *c, uint64_t of)
{
    return (struct cost){(core_status(c->rig).catalogue_steps - c->steps) * 100 / of,
                         (sim_alloc_calls(c->rig->sim) - c->allocations) * 100 / of};
}

static const char *name_of(unsigned i, const char *prefix)
{
    static char name[32];

    snprintf(name, sizeof name, "%s%06u", prefix, i);
    return name;
}

/* Those of the sample, spread over all. */
static unsigned sample(unsigned i, unsigned stores)
{
    return i * (stores / SAMPLE);
}

static struct cost make_all(struct core_rig *rig, unsigned stores)
{
    struct count c = count_begin(rig);

    for (unsigned i = 0; i < stores; i++) {
        MUST_EQ(core_create(rig, NULL, name_of(i, "s"), NULL), ERR_OK);
        if (i % 1000 == 999)
            db_turn(rig->db);
    }
    return count_end(&c, stores);
}

static struct cost find_some(struct core_rig *rig, unsigned stores)
{
    struct count c = count_begin(rig);
    uint64_t value;

    for (unsigned i = 0; i < SAMPLE; i++)
        MUST_EQ(core_get(rig, NULL, name_of(sample(i, stores), "s"), 1, &value), ERR_OK);
    return count_end(&c, SAMPLE);
}

static void list_one(void *context, const struct store_info *info)
{
    unsigned *at = context;

    MUST(slice_equal(info->name, slice_text(name_of((*at)++, "s"))));
}

static struct cost list_all(struct core_rig *rig, unsigned stores)
{
    struct count c = count_begin(rig);
    uint64_t calls = 0;
    unsigned at = 0;

    MUST_EQ(core_list(rig, NULL, list_one, &at, &calls), ERR_OK);
    MUST_EQ(at, stores);
    MUST(calls >= stores / STORES_A_TURN); /* others could run meanwhile */
    return count_end(&c, stores);
}

static struct cost change_some(struct core_rig *rig, unsigned stores, char how)
{
    struct count c = count_begin(rig);

    for (unsigned i = 0; i < SAMPLE; i++) {
        unsigned at = sample(i, stores);
        char old[32];

        snprintf(old, sizeof old, "%s", name_of(at, how == 'd' ? "r" : "s"));
        if (how == 'c')
            MUST_EQ(core_clear(rig, NULL, old), ERR_OK);
        else if (how == 'r')
            MUST_EQ(core_rename(rig, NULL, old, name_of(at, "r")), ERR_OK);
        else
            MUST_EQ(core_drop(rig, NULL, old), ERR_OK);
    }
    core_settle(rig); /* what they have superseded goes */
    return count_end(&c, SAMPLE);
}

static struct cost restart_all(struct core_rig *rig, unsigned stores)
{
    struct count c;

    core_amalgamate(rig);
    core_restart(rig, false); /* once from the primary */
    c = (struct count){rig, 0, sim_alloc_calls(rig->sim)};
    core_restart(rig, false);
    MUST_EQ(core_status(rig).stores, stores);
    return count_end(&c, stores);
}

static struct costs costs_of(unsigned stores)
{
    struct core_rig rig;
    struct costs k;

    core_open(&rig, 1);
    k.made = make_all(&rig, stores);
    for (unsigned i = 0; i < SAMPLE; i++)
        MUST_EQ(core_put(&rig, NULL, name_of(sample(i, stores), "s"), 1, 1), ERR_OK);
    core_settle(&rig);
    k.bytes = core_status(&rig).catalogue_bytes / stores;
    k.found = find_some(&rig, stores);
    k.listed = list_all(&rig, stores);
    k.cleared = change_some(&rig, stores, 'c');
    k.restarted = restart_all(&rig, stores);
    k.renamed = change_some(&rig, stores, 'r');
    k.dropped = change_some(&rig, stores, 'd');
    MUST_EQ(core_status(&rig).stores, stores - SAMPLE);
    core_close(&rig);
    return k;
}

/* Half as much again, and a step: what hashing by chance may differ by. */
static bool is_no_more(const char *what, struct cost few, struct cost many)
{
    if (getenv("PRINT_COSTS"))
        printf("%-10s %6.2f %6.2f steps %6.2f %6.2f allocations\n", what, few.steps / 100.0,
               many.steps / 100.0, few.allocations / 100.0, many.allocations / 100.0);
    return many.steps <= few.steps * 3 / 2 + 100 &&
           many.allocations <= few.allocations * 3 / 2 + 100;
}

START_TEST(a_store_costs_the_same_among_few_and_among_many)
{
    struct costs few = costs_of(FEW), many = costs_of(MANY);

    MUST(is_no_more("made", few.made, many.made));
    MUST(is_no_more("found", few.found, many.found));
    MUST(is_no_more("listed", few.listed, many.listed));
    MUST(is_no_more("cleared", few.cleared, many.cleared));
    MUST(is_no_more("renamed", few.renamed, many.renamed));
    MUST(is_no_more("dropped", few.dropped, many.dropped));
    MUST(is_no_more("restarted", few.restarted, many.restarted));
    MUST(many.bytes <= few.bytes + 100);
    if (getenv("PRINT_COSTS"))
        printf("bytes %llu %llu\n", (unsigned long long)few.bytes,
               (unsigned long long)many.bytes);
}
END_TEST

/* What a mass drop leaves: no more memory than there was before the stores came. */
START_TEST(stores_that_were_dropped_leave_no_memory_behind)
{
    struct core_rig rig;
    uint64_t before, most;

    core_open(&rig, 3);
    make_all(&rig, 100);
    core_amalgamate(&rig);
    before = core_status(&rig).catalogue_bytes;
    for (unsigned i = 100; i < 30000; i++)
        MUST_EQ(core_create(&rig, NULL, name_of(i, "s"), NULL), ERR_OK);
    core_settle(&rig);
    most = core_status(&rig).catalogue_bytes;
    for (unsigned i = 100; i < 30000; i++)
        MUST_EQ(core_drop(&rig, NULL, name_of(i, "s")), ERR_OK);
    core_amalgamate(&rig);
    for (unsigned i = 0; i < 30000 / CATALOGUE_RECLAIM_STEPS + 1; i++)
        core_settle(&rig); /* numbers go in slices */
    MUST(most > 100 * before);
    MUST(core_status(&rig).catalogue_bytes <= before * 3 / 2); /* the tables may be sparse */
    MUST_EQ(core_status(&rig).stores, 100);
    core_close(&rig);
}
END_TEST

/* One transaction that writes in all of the stores, twice, and commits or (an odd number) is
 * rolled back. */
static struct cost written_by_one(unsigned stores)
{
    struct core_rig rig;
    uint64_t before;
    struct cost each;
    struct txn *t;

    core_open(&rig, 2);
    make_all(&rig, stores);
    core_settle(&rig);
    before = core_status(&rig).steps;
    t = core_begin(&rig, "writes", NULL);
    for (unsigned i = 0; i < 2 * stores; i++)
        MUST_EQ(core_put(&rig, t, name_of(i % stores, "s"), i, 1), ERR_OK);
    each = (struct cost){(core_status(&rig).steps - before) * 100 / (2 * stores), 0};
    if (stores % 2)
        core_rollback(&rig, t);
    else
        MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    core_settle(&rig);
    core_close(&rig);
    return each;
}

START_TEST(a_transaction_that_writes_in_many_stores_walks_none_of_them)
{
    MUST(written_by_one(20).steps <= 500);
    MUST(written_by_one(5001).steps <= 500);
    MUST(written_by_one(50000).steps <= 500);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("txn catalogue");
    TCase *tc = tcase_create("catalogue");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, a_store_costs_the_same_among_few_and_among_many);
    tcase_add_test(tc, stores_that_were_dropped_leave_no_memory_behind);
    tcase_add_test(tc, a_transaction_that_writes_in_many_stores_walks_none_of_them);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
