/* The anomalies of Hermitage (and of Fekete and others), at both levels, with the data
 * in each of the places where it can be: fresh in a stage, over several stages,
 * amalgamated, and known only to a ledger, in memory or on disk, because the stages are
 * gone. The table at the end says which may happen; docs/isolation.md says it to users. */
#include "tests/unit/core_rig.h"

#include <stdio.h>

enum place { FRESH, STAGES, AMALGAMATED, LEDGERS, DISK, PLACES };

struct play {
    struct core_rig rig;
    enum place place;
    bool serializable[3]; /* of transactions 0 to 2 */
    struct txn *txns[3];
    bool has_lost[3];
    unsigned ledgers_seen;
};

static bool is_in_ledgers(const struct play *p)
{
    return p->place == LEDGERS || p->place == DISK;
}

/* Move what is committed to where this play wants it. */
static void shift(struct play *p)
{
    core_settle(&p->rig);
    if (p->place == STAGES)
        core_rotate(&p->rig);
    if (is_in_ledgers(p))
        sim_advance_ms(p->rig.sim, 1000); /* old snapshots move to roots of their own */
    if (is_in_ledgers(p) || p->place == AMALGAMATED)
        core_amalgamate(&p->rig);
    if (is_in_ledgers(p)) {
        struct db_status status = core_status(&p->rig);

        MUST_EQ(status.stages, 1);
        MUST_EQ(status.ledger_disk_bytes != 0, p->place == DISK && status.ledgers > 0);
        p->ledgers_seen += status.ledgers > 0;
    }
}

static void begin(struct play *p, unsigned i)
{
    struct txn_options options = {.serializable = p->serializable[i]};

    if (is_in_ledgers(p))
        core_set(&p->rig, "other", 1, i); /* so that the next pass makes a root for this one */
    p->txns[i] = core_begin(&p->rig, "player", &options);
    p->has_lost[i] = false;
}

static void begin_read_only(struct play *p, unsigned i)
{
    struct txn_options options = {.serializable = p->serializable[i], .read_only = true};

    p->txns[i] = core_begin(&p->rig, "reader", &options);
    p->has_lost[i] = false;
}

static enum err note(struct play *p, unsigned i, enum err e)
{
    MUST(e == ERR_OK || e == ERR_CONFLICT || e == ERR_EXISTS);
    MUST(!p->has_lost[i] || e == ERR_CONFLICT);
    p->has_lost[i] |= e == ERR_CONFLICT;
    return e;
}

static uint64_t get(struct play *p, unsigned i, unsigned key)
{
    uint64_t value;

    note(p, i, core_get(&p->rig, p->txns[i], "s", key, &value));
    return value;
}

static void put(struct play *p, unsigned i, unsigned key, uint64_t value)
{
    note(p, i, core_put(&p->rig, p->txns[i], "s", key, value));
}

static bool insert(struct play *p, unsigned i, unsigned key, uint64_t value)
{
    return note(p, i, core_insert(&p->rig, p->txns[i], "s", key, value)) == ERR_OK;
}

static void take_away(struct play *p, unsigned i, unsigned key)
{
    note(p, i, core_delete(&p->rig, p->txns[i], "s", key, NULL));
}

static uint64_t count(struct play *p, unsigned i, unsigned from, unsigned to)
{
    uint64_t n = 0;

    note(p, i, core_count(&p->rig, p->txns[i], "s", from, to, &n));
    return n;
}

/* The rows of a predicate, "value is a multiple of": how many there are in from..to. */
static unsigned multiples(struct play *p, unsigned i, unsigned of, unsigned from, unsigned to)
{
    struct cursor_options options = {.limit = UINT64_MAX};
    unsigned keys[16], rows = 0, found = 0;
    uint64_t values[16];

    note(p, i, core_scan(&p->rig, p->txns[i], "s", from, to, &options, keys, values, &rows));
    for (unsigned r = 0; r < rows; r++)
        found += values[r] % of == 0;
    return found;
}

/* The greatest key of a range, 0: none; read in reverse with a limit. */
static unsigned greatest(struct play *p, unsigned i, unsigned from, unsigned to)
{
    struct cursor_options options = {.limit = 1, .reverse = true};
    unsigned keys[2], rows = 0;
    uint64_t values[2];

    note(p, i, core_scan(&p->rig, p->txns[i], "s", from, to, &options, keys, values, &rows));
    return rows ? keys[0] : 0;
}

/* true: it has committed. */
static bool commit(struct play *p, unsigned i)
{
    enum err e = note(p, i, core_commit(&p->rig, p->txns[i], NULL));

    p->txns[i] = NULL;
    shift(p);
    return e == ERR_OK;
}

static void roll_back(struct play *p, unsigned i)
{
    core_rollback(&p->rig, p->txns[i]);
    p->txns[i] = NULL;
    shift(p);
}

static uint64_t now(struct play *p, unsigned key)
{
    return core_value(&p->rig, "s", key);
}

/* ---- the anomalies; each says whether it has happened. Keys 1 and 2 hold 10 and 20. ---- */

static bool g0_dirty_write(struct play *p)
{
    begin(p, 0);
    begin(p, 1);
    put(p, 0, 1, 11);
    put(p, 1, 1, 12);
    put(p, 0, 2, 21);
    commit(p, 0);
    put(p, 1, 2, 22);
    commit(p, 1);
    return now(p, 1) % 10 != now(p, 2) % 10;
}

static bool g1a_aborted_read(struct play *p)
{
    bool seen;

    begin(p, 0);
    begin(p, 1);
    put(p, 0, 1, 101);
    take_away(p, 0, 2);
    seen = get(p, 1, 1) != 10 || get(p, 1, 2) != 20;
    roll_back(p, 0);
    seen |= get(p, 1, 1) != 10 || multiples(p, 1, 10, 0, 9) != 2;
    commit(p, 1);
    return seen || now(p, 1) != 10 || now(p, 2) != 20;
}

static bool g1b_intermediate_read(struct play *p)
{
    bool seen;

    begin(p, 0);
    begin(p, 1);
    put(p, 0, 1, 101);
    seen = get(p, 1, 1) == 101;
    put(p, 0, 1, 11);
    commit(p, 0);
    begin(p, 2);
    seen |= get(p, 1, 1) == 101 || get(p, 2, 1) == 101;
    commit(p, 1);
    commit(p, 2);
    return seen;
}

static bool g1c_circular_flow(struct play *p)
{
    bool seen;

    begin(p, 0);
    begin(p, 1);
    put(p, 0, 1, 11);
    put(p, 1, 2, 22);
    seen = get(p, 0, 2) == 22;
    seen |= get(p, 1, 1) == 11;
    seen &= commit(p, 0);
    seen &= commit(p, 1);
    return seen;
}

static bool otv_observed_vanishes(struct play *p)
{
    uint64_t one, two, one_again, two_again;

    begin(p, 0);
    begin(p, 1);
    put(p, 0, 1, 11);
    put(p, 0, 2, 19);
    put(p, 1, 1, 12);
    commit(p, 0);
    begin(p, 2);
    one = get(p, 2, 1);
    put(p, 1, 2, 18);
    two = get(p, 2, 2);
    commit(p, 1);
    two_again = get(p, 2, 2);
    one_again = get(p, 2, 1);
    commit(p, 2);
    return one != one_again || two != two_again || one + two != 30;
}

static bool pmp_predicate_read(struct play *p)
{
    unsigned before, after;

    begin(p, 0);
    begin(p, 1);
    before = multiples(p, 0, 3, 0, 100);
    insert(p, 1, 3, 30);
    commit(p, 1);
    after = multiples(p, 0, 3, 0, 100);
    commit(p, 0);
    return before != after;
}

static bool pmp_predicate_write(struct play *p)
{
    bool found;

    begin(p, 0);
    begin(p, 1);
    put(p, 0, 1, get(p, 0, 1) + 10);
    put(p, 0, 2, get(p, 0, 2) + 10);
    found = multiples(p, 1, 20, 0, 9) == 1; /* key 2 */
    commit(p, 0);
    take_away(p, 1, 2);
    return commit(p, 1) && found && now(p, 2) == 0 && now(p, 1) == 20;
}

static bool p4_lost_update(struct play *p)
{
    begin(p, 0);
    begin(p, 1);
    put(p, 0, 1, get(p, 0, 1) + 1);
    get(p, 1, 1);
    commit(p, 0);
    put(p, 1, 1, get(p, 1, 1) + 1);
    return commit(p, 1);
}

static bool p4_lost_update_of_an_absence(struct play *p)
{
    bool first, second;

    begin(p, 0);
    begin(p, 1);
    first = insert(p, 0, 5, 50);
    commit(p, 0);
    second = insert(p, 1, 5, 51);
    return commit(p, 1) && first && second;
}

static bool p4_lost_delete(struct play *p)
{
    begin(p, 0);
    begin(p, 1);
    take_away(p, 0, 1);
    commit(p, 0);
    put(p, 1, 1, get(p, 1, 1) + 1);
    return commit(p, 1);
}

static bool g_single_read_skew(struct play *p)
{
    uint64_t one, two;

    begin(p, 0);
    one = get(p, 0, 1);
    begin(p, 1);
    put(p, 1, 1, 12);
    put(p, 1, 2, 18);
    commit(p, 1);
    two = get(p, 0, 2);
    commit(p, 0);
    return one + two != 30;
}

static bool g_single_predicate(struct play *p)
{
    unsigned before, after;

    begin(p, 0);
    before = multiples(p, 0, 5, 0, 100);
    begin(p, 1);
    put(p, 1, 1, 12);
    take_away(p, 1, 2);
    commit(p, 1);
    after = multiples(p, 0, 3, 0, 100);
    commit(p, 0);
    return before != 2 || after != 0;
}

static bool g_single_write(struct play *p)
{
    begin(p, 0);
    begin(p, 1);
    get(p, 0, 1);
    put(p, 1, 1, 12);
    put(p, 1, 2, 18);
    commit(p, 1);
    take_away(p, 0, 2);
    return commit(p, 0);
}

static bool g2_item_write_skew(struct play *p)
{
    bool first;

    begin(p, 0);
    begin(p, 1);
    get(p, 0, 1);
    get(p, 0, 2);
    get(p, 1, 1);
    get(p, 1, 2);
    put(p, 0, 1, 11);
    put(p, 1, 2, 21);
    first = commit(p, 0);
    return commit(p, 1) && first;
}

/* The other has committed before the read: it meets what is newer than its snapshot. */
static bool g2_item_read_late(struct play *p)
{
    bool first;

    begin(p, 0);
    begin(p, 1);
    get(p, 0, 2);
    put(p, 0, 1, 11);
    first = commit(p, 0);
    put(p, 1, 2, 21);
    get(p, 1, 1);
    return commit(p, 1) && first;
}

static bool g2_item_absences(struct play *p)
{
    bool first;

    begin(p, 0);
    begin(p, 1);
    get(p, 0, 3);
    get(p, 1, 4);
    put(p, 0, 4, 40);
    put(p, 1, 3, 30);
    first = commit(p, 0);
    return commit(p, 1) && first;
}

static bool g2_item_deletes_of_nothing(struct play *p)
{
    bool first;

    begin(p, 0);
    begin(p, 1);
    take_away(p, 0, 3);
    take_away(p, 1, 4);
    put(p, 0, 4, 40);
    put(p, 1, 3, 30);
    first = commit(p, 0);
    return commit(p, 1) && first;
}

static bool g2_item_failed_inserts(struct play *p)
{
    bool first;

    begin(p, 0);
    begin(p, 1);
    insert(p, 0, 1, 11);
    insert(p, 1, 2, 22);
    take_away(p, 0, 2);
    take_away(p, 1, 1);
    first = commit(p, 0);
    return commit(p, 1) && first;
}

static bool g2_phantoms(struct play *p)
{
    bool first;

    begin(p, 0);
    begin(p, 1);
    multiples(p, 0, 3, 0, 100);
    multiples(p, 1, 3, 0, 100);
    insert(p, 0, 3, 30);
    insert(p, 1, 4, 42);
    first = commit(p, 0);
    return commit(p, 1) && first;
}

static bool g2_phantoms_in_empty_ranges(struct play *p)
{
    bool first;

    begin(p, 0);
    begin(p, 1);
    multiples(p, 0, 1, 50, 60);
    multiples(p, 1, 1, 70, 80);
    insert(p, 0, 75, 1);
    insert(p, 1, 55, 1);
    first = commit(p, 0);
    return commit(p, 1) && first;
}

static bool g2_counts(struct play *p)
{
    bool first;

    begin(p, 0);
    begin(p, 1);
    put(p, 0, 60, 1 + count(p, 0, 0, 50));
    count(p, 1, 50, 99);
    put(p, 1, 6, 1);
    first = commit(p, 0);
    return commit(p, 1) && first;
}

static bool g2_greatest_keys(struct play *p)
{
    bool first;

    begin(p, 0);
    begin(p, 1);
    greatest(p, 0, 1, 9);
    greatest(p, 1, 50, 99);
    put(p, 0, 60, 1);
    put(p, 1, 3, 1); /* above the greatest that the other has seen */
    first = commit(p, 0);
    return commit(p, 1) && first;
}

static bool g2_deleted_ranges(struct play *p)
{
    uint64_t deleted;
    bool first;

    begin(p, 0);
    begin(p, 1);
    note(p, 0, core_delete_range(&p->rig, p->txns[0], "s", 1, 9, &deleted));
    count(p, 1, 50, 99);
    put(p, 0, 60, 1);
    put(p, 1, 3, 1);
    first = commit(p, 0);
    return commit(p, 1) && first;
}

/* Fekete, O'Neil, O'Neil 2004: only the one that reads sees that something is wrong. */
static bool read_only_anomaly(struct play *p)
{
    uint64_t one, two;
    bool old;

    begin(p, 0);
    old = get(p, 0, 1) == 10 && get(p, 0, 2) == 20;
    begin(p, 1);
    put(p, 1, 2, get(p, 1, 2) + 5);
    commit(p, 1);
    begin_read_only(p, 2);
    one = get(p, 2, 1);
    two = get(p, 2, 2);
    MUST(commit(p, 2)); /* it never fails */
    put(p, 0, 1, 0);
    return commit(p, 0) && old && one == 10 && two == 25;
}

static bool long_fork(struct play *p)
{
    uint64_t one, two;
    bool forward, back;

    begin(p, 0);
    begin(p, 1);
    put(p, 0, 1, 11);
    put(p, 1, 2, 21);
    commit(p, 0);
    begin(p, 2);
    one = get(p, 2, 1);
    two = get(p, 2, 2);
    forward = one == 11 && two == 20;
    commit(p, 1);
    back = get(p, 2, 1) == 10 || get(p, 2, 2) == 21;
    commit(p, 2);
    begin(p, 2);
    back |= get(p, 2, 1) != 11 || get(p, 2, 2) != 21;
    commit(p, 2);
    return !forward || back;
}

static bool stale_snapshot(struct play *p)
{
    begin(p, 0);
    put(p, 0, 1, 11);
    commit(p, 0);
    begin(p, 1);
    put(p, 0 + 1, 2, get(p, 1, 1));
    commit(p, 1);
    return now(p, 2) != 11;
}

/* ---- the table ---- */

static const struct anomaly {
    const char *name;
    bool (*happens)(struct play *p);
    bool snapshot_allows;
} anomalies[] = {
    {"G0: dirty write", g0_dirty_write, false},
    {"G1a: aborted read", g1a_aborted_read, false},
    {"G1b: intermediate read", g1b_intermediate_read, false},
    {"G1c: circular information flow", g1c_circular_flow, false},
    {"OTV: observed transaction vanishes", otv_observed_vanishes, false},
    {"PMP: predicate-many-preceders, reads", pmp_predicate_read, false},
    {"PMP: predicate-many-preceders, writes", pmp_predicate_write, false},
    {"P4: lost update", p4_lost_update, false},
    {"P4: both insert what is absent", p4_lost_update_of_an_absence, false},
    {"P4: lost delete", p4_lost_delete, false},
    {"G-single: read skew", g_single_read_skew, false},
    {"G-single: predicates", g_single_predicate, false},
    {"G-single: writes", g_single_write, false},
    {"long fork", long_fork, false},
    {"stale snapshot", stale_snapshot, false},
    {"G2-item: write skew", g2_item_write_skew, true},
    {"G2-item: read after the other's commit", g2_item_read_late, true},
    {"G2-item: absences", g2_item_absences, true},
    {"G2-item: deletes that found nothing", g2_item_deletes_of_nothing, true},
    {"G2-item: inserts that failed", g2_item_failed_inserts, true},
    {"G2: phantoms", g2_phantoms, true},
    {"G2: phantoms in empty ranges", g2_phantoms_in_empty_ranges, true},
    {"G2: counts", g2_counts, true},
    {"G2: greatest keys", g2_greatest_keys, true},
    {"G2: deleted ranges", g2_deleted_ranges, true},
    {"read-only anomaly", read_only_anomaly, true},
};
#define ANOMALIES (int)(sizeof anomalies / sizeof *anomalies)

static void play_open(struct play *p, enum place place)
{
    *p = (struct play){.place = place};
    core_open(&p->rig, 7);
    if (place == DISK) {
        p->rig.options.held_memory_max = 0;
        p->rig.options.cache_bytes = 1; /* each page must be waited for */
        core_restart(&p->rig, false);
    }
    MUST_EQ(core_create(&p->rig, NULL, "s", NULL), ERR_OK);
    MUST_EQ(core_create(&p->rig, NULL, "other", NULL), ERR_OK);
    core_set(&p->rig, "s", 1, 10);
    shift(p);
    core_set(&p->rig, "s", 2, 20);
    if (place != AMALGAMATED)
        shift(p); /* else it is amalgamated under the first ones' eyes */
}

static void play_close(struct play *p)
{
    for (unsigned i = 0; i < 3; i++) {
        if (p->txns[i])
            core_rollback(&p->rig, p->txns[i]);
    }
    core_amalgamate(&p->rig);
    MUST_EQ(core_status(&p->rig).ledgers, 0);
    MUST_EQ(core_status(&p->rig).stages, 1);
    core_close(&p->rig);
}

START_TEST(an_anomaly_happens_exactly_where_the_table_allows_it)
{
    const struct anomaly *a = &anomalies[_i];

    for (int level = 0; level < 2; level++) {
        for (enum place place = FRESH; place < PLACES; place++) {
            struct play p;
            bool happened;

            play_open(&p, place);
            for (unsigned i = 0; i < 3; i++)
                p.serializable[i] = level;
            happened = a->happens(&p);
            if (happened != (level == 0 && a->snapshot_allows))
                ck_abort_msg("%s, level %d, place %d: %s", a->name, level, place,
                             happened ? "it happens" : "it does not happen");
            play_close(&p);
        }
    }
}
END_TEST

/* Whoever is serializable is protected against those that are not; they are not. */
START_TEST(a_serializable_transaction_is_protected_against_snapshot_ones)
{
    for (enum place place = FRESH; place < PLACES; place++) {
        struct play p;
        bool first, second;

        play_open(&p, place);
        p.serializable[_i] = true;
        begin(&p, 0);
        begin(&p, 1);
        for (unsigned key = 1; key <= 2; key++) {
            get(&p, 0, key);
            get(&p, 1, key);
        }
        put(&p, 0, 1, 11);
        put(&p, 1, 2, 21);
        first = commit(&p, 0);
        second = commit(&p, 1);
        MUST(first);
        MUST_EQ(second, _i == 0); /* the second has read what the first overwrote */
        play_close(&p);
    }
}
END_TEST

START_TEST(what_an_old_writer_may_lose_to_is_in_a_ledger_alone)
{
    struct play p;

    play_open(&p, _i ? DISK : LEDGERS);
    MUST(!p4_lost_update(&p));
    MUST(p.ledgers_seen > 0);
    MUST(p.rig.intermediate > 0);
    play_close(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("isolation");
    TCase *tc = tcase_create("isolation");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, an_anomaly_happens_exactly_where_the_table_allows_it, 0, ANOMALIES);
    tcase_add_loop_test(tc, a_serializable_transaction_is_protected_against_snapshot_ones, 0,
                        2);
    tcase_add_loop_test(tc, what_an_old_writer_may_lose_to_is_in_a_ledger_alone, 0, 2);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
