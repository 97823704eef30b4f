/* test_salvage_names.c - random histories of names in the data file and in the WAL, definitions
 * that rot, and a salvage: every store has one name then, and those that the WAL names have that of
 * its end. */
#include "server/storage/page.h"
#include "server/txn/salvage.h"
#include "tests/sim/totals.h"
#include "tests/unit/path_rig.h"

#include <stdio.h>

#define UNIT_BYTES 512u
#define PRIMARY_BEGIN 8192u /* behind the slots */
#define NAMES 6
#define STORES_MAX 200
#define KEY 1 /* its value is which store it is */

static const char *const names[NAMES] = {"a", "b", "c", "d", "lost-2", "lost-3"};

struct names {
    unsigned of[NAMES];    /* the store of that name; 0: none */
    bool said[STORES_MAX]; /* the WAL has a definition of it */
};

static struct core_rig rig;
static struct names now;
static unsigned made; /* stores, ever */
static unsigned long long seed;

static uint64_t chance(uint64_t n)
{
    return sim_random(rig.sim, n);
}

/* One change in t, and what is there then. */
static void change(struct txn *t, struct names *n)
{
    unsigned at = (unsigned)chance(NAMES), to = (unsigned)chance(NAMES);
    unsigned store = n->of[at];

    if (!store || chance(12) == 0) {
        bool is_there = !store || chance(2);

        if (!store)
            MUST_EQ(core_create(&rig, t, names[at], NULL), ERR_OK);
        else if (is_there)
            MUST_EQ(core_clear(&rig, t, names[at]), ERR_OK);
        else
            MUST_EQ(core_drop(&rig, t, names[at]), ERR_OK);
        n->of[at] = is_there ? ++made : 0;
        MUST(made < STORES_MAX);
        if (is_there)
            MUST_EQ(core_put(&rig, t, names[at], KEY, made), ERR_OK);
    } else if (!n->of[to]) {
        MUST_EQ(core_rename(&rig, t, names[at], names[to]), ERR_OK);
        n->of[to] = store;
        n->of[at] = 0;
    } else if (at != to && chance(3)) { /* they change names */
        MUST_EQ(core_rename(&rig, t, names[at], "x"), ERR_OK);
        MUST_EQ(core_rename(&rig, t, names[to], names[at]), ERR_OK);
        MUST_EQ(core_rename(&rig, t, "x", names[to]), ERR_OK);
        n->of[at] = n->of[to];
        n->of[to] = store;
    } else {
        MUST_EQ(core_put(&rig, t, names[at], KEY + 1, 7), ERR_OK);
    }
}

static void changes(unsigned commits)
{
    while (commits--) {
        struct names then = now;
        struct txn *t = core_begin(&rig, "names", NULL);

        for (uint64_t i = 1 + chance(3); i--;)
            change(t, &then);
        MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
        for (unsigned i = 0; i < NAMES; i++)
            then.said[then.of[i]] |= then.of[i] != now.of[i];
        now = then;
    }
}

/* Pages of definitions rot: all, or (newest) of the newest root. */
static void rot(bool newest)
{
    uint64_t size = 0, birth = 0;

    MUST(sim_file_size(rig.sim, PRIMARY_FILE, &size));
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint64_t at = PRIMARY_BEGIN; at + UNIT_BYTES <= size; at += UNIT_BYTES) {
            struct page_label label;
            uint8_t unit[UNIT_BYTES];

            MUST(sim_file_read(rig.sim, PRIMARY_FILE, at, unit, sizeof unit));
            if (!page_label_decode(&label, unit) || label.store || label.level)
                continue;
            if (!pass && label.ptr.birth > birth)
                birth = label.ptr.birth;
            if (pass && (!newest || label.ptr.birth == birth))
                MUST(sim_rot(rig.sim, PRIMARY_FILE, at + PAGE_LABEL_BYTES, 4));
        }
    }
}

static void nothing(void *context, const char *text)
{
    (void)context;
    (void)text;
}

struct found {
    char names[64][32];
    unsigned count;
};

static void find(void *context, const struct store_info *info)
{
    struct found *f = context;

    MUST(f->count < 64 && info->name.size < 32);
    memcpy(f->names[f->count], info->name.data, info->name.size);
    f->names[f->count++][info->name.size] = 0;
}

/* What a server finds that opens the new directory. */
static void look(struct sim *to)
{
    struct core_rig out = {.sim = to, .options = rig.options};
    unsigned seen[STORES_MAX] = {0};
    struct found found = {.count = 0};
    uint64_t calls = 0;

    MUST_EQ(core_try_open(&out), ERR_OK);
    MUST_EQ(core_list(&out, NULL, find, &found, &calls), ERR_OK);
    for (unsigned i = 0; i < found.count; i++) {
        uint64_t store = core_value(&out, found.names[i], KEY);

        MUST(store < STORES_MAX);
        seen[store] += store > 0;
    }
    for (unsigned i = 1; i <= made; i++)
        if (seen[i] > 1)
            ck_abort_msg("seed %llu: store %u has %u names", seed, i, seen[i]);
    for (unsigned i = 0; i < NAMES; i++) {
        unsigned store = now.of[i];

        if (store && !seen[store])
            ck_abort_msg("seed %llu: store %u (%s) has no name", seed, store, names[i]);
        if (store && now.said[store] && core_value(&out, names[i], KEY) != store)
            ck_abort_msg("seed %llu: store %u is not %s any more", seed, store, names[i]);
    }
    core_settle(&out);
    core_end_op(&out);
    sim_kill(to);
    db_free(out.db, true);
    path_check_disk(&out);
}

/* _i: 0: all pages of definitions rot, and older ones; 1: those of the newest root. */
START_TEST(every_store_has_one_name)
{
    uint64_t first = totals_seed(1), count = totals_seconds() > 0 ? 2000 : 30;

    for (seed = first; seed < first + count; seed++) {
        struct sim *to = sim_new(seed);
        struct salvage s = {.to = sim_table(to), .lost = nothing};
        struct failure f;

        memset(&rig, 0, sizeof rig);
        memset(&now, 0, sizeof now);
        made = 0;
        core_open(&rig, seed);
        changes(6);
        core_amalgamate(&rig);
        changes((unsigned)chance(3));
        core_amalgamate(&rig);
        memset(now.said, 0, sizeof now.said);
        changes(1 + (unsigned)chance(8));
        MUST_EQ(core_acknowledge(&rig), ERR_OK);
        core_end_op(&rig);
        sim_kill(rig.sim);
        db_free(rig.db, true);
        rot(_i == 1);
        failure_init(&f);
        s.from = sim_table(rig.sim);
        if (salvage_run(&s, &f) != ERR_OK)
            ck_abort_msg("seed %llu: %s", seed, f.text);
        look(to);
        failure_clear(&f);
        sim_free(to);
        sim_free(rig.sim);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("salvage_names");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_set_timeout(all, 0);
    tcase_add_loop_test(all, every_store_has_one_name, 0, 2);
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
