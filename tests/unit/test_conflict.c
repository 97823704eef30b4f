/* test_conflict.c - who has won a key or a range, in stages that no database keeps, judged by a
 * list of all that was committed. */
#include "server/txn/conflict.h"

#include "server/txn/snapshots.h"
#include "server/txn/stage_stack.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"
#include "tests/unit/core_rig.h"

#include <stdlib.h>
#include <string.h>

#define STAGES 5
#define COMMITS 30
#define KEYS 12
#define STORE 7
#define LOOKS 2000

struct rig {
    struct sim *sim;
    struct txns all; /* what it stands on: the stages; and its count of steps */
    struct stage_stack stages;
    struct snapshot snapshot;
    struct txn txn;
    uint64_t newest[COMMITS + 1]
                   [KEYS]; /* as of a commit: the last that wrote the key; 0: none */
};

static struct slice key_of(unsigned number, uint8_t room[1])
{
    room[0] = (uint8_t)('a' + number);
    return slice_make(room, 1);
}

/* Each key at most once, of some keys. */
static void commit(struct rig *rig, struct stage *s, uint64_t number)
{
    struct stamp *stamp = arena_alloc(&s->arena, sizeof *stamp);
    unsigned first = (unsigned)sim_random(rig->sim, KEYS);

    MUST(stamp);
    memset(stamp, 0, sizeof *stamp);
    stamp->commit = number;
    stamp->version = 100 + number;
    memcpy(rig->newest[number], rig->newest[number - 1], sizeof rig->newest[number]);
    for (unsigned k = first; k < KEYS; k += 1 + (unsigned)sim_random(rig->sim, KEYS)) {
        uint8_t room[1];
        struct slice value = sim_chance(rig->sim, 30) ? SLICE_NONE : slice_text("v");

        MUST(stage_append(s, stamp, STORE, key_of(k, room), value));
        rig->newest[number][k] = number;
    }
    MUST_EQ(stage_fill(s, stamp), ERR_OK);
}

static void rig_open(struct rig *rig, uint64_t seed)
{
    uint64_t number = 0;

    memset(rig, 0, sizeof *rig);
    rig->sim = sim_new(seed);
    for (unsigned i = 0; i < STAGES; i++) {
        struct stage *s = stage_new(sim_table(rig->sim), i + 1);

        MUST(s);
        for (unsigned left = COMMITS / STAGES; left > 0; left--)
            commit(rig, s, ++number);
        MUST_EQ(stage_settle(s), ERR_OK);
        s->below = rig->stages.newest;
        if (s->below)
            s->below->above = s;
        rig->stages.newest = s;
    }
    rig->all.stages = &rig->stages;
    rig->txn.all = &rig->all;
    rig->txn.snapshot = &rig->snapshot;
}

static void rig_close(struct rig *rig)
{
    for (struct stage *s = rig->stages.newest, *below; s; s = below) {
        below = s->below;
        stage_free(s);
    }
    sim_free(rig->sim);
}

static void look_for_key(struct rig *rig)
{
    unsigned k = (unsigned)sim_random(rig->sim, KEYS);
    uint64_t won = rig->newest[COMMITS][k];
    uint8_t room[1];
    struct winner winner;
    enum err e = conflict_find_staged(&rig->txn, STORE, key_of(k, room), &winner);

    MUST_EQ(e, won > rig->snapshot.commit ? ERR_OK : ERR_NOT_FOUND);
    MUST(e || (winner.commit == won && winner.version == 100 + won));
    MUST_EQ(conflict_find_staged(&rig->txn, STORE + 64, key_of(k, room), &winner),
            ERR_NOT_FOUND);
}

/* In as many parts as it takes. */
static void look_through_range(struct rig *rig)
{
    unsigned low = (unsigned)sim_random(rig->sim, KEYS);
    unsigned high = low + 1 + (unsigned)sim_random(rig->sim, KEYS - low);
    uint8_t from[1], to[1];
    struct conflict_range range = {STORE, key_of(low, from), key_of(high, to)};
    struct conflict_walk walk = {.stage = 0};
    struct conflict_found found;
    uint64_t greatest = 0;
    unsigned parts = 0;
    enum err e;

    if (high == KEYS && sim_chance(rig->sim, 50))
        range.to = SLICE_NONE;
    for (unsigned k = low; k < high; k++) {
        if (rig->newest[COMMITS][k] > greatest)
            greatest = rig->newest[COMMITS][k];
    }
    do {
        e = conflict_find_staged_in_range(&rig->txn, &range, &walk,
                                          rig->all.steps + 1 + sim_random(rig->sim, 4), &found);
        MUST(++parts <= STAGES * (KEYS + 1));
    } while (e == ERR_WAIT);
    MUST_EQ(e, greatest > rig->snapshot.commit ? ERR_OK : ERR_NOT_FOUND);
    if (e == ERR_OK) {
        unsigned k = (unsigned)(found.key.data[0] - 'a');

        MUST(k >= low && k < high);
        MUST(found.winner.commit > rig->snapshot.commit);
        MUST(found.winner.commit <= rig->newest[COMMITS][k]);
    }
}

START_TEST(whoever_committed_behind_the_snapshot_is_found)
{
    struct rig rig;

    rig_open(&rig, (uint64_t)_i + 1);
    for (unsigned i = 0; i < LOOKS; i++) {
        rig.snapshot.commit = sim_random(rig.sim, COMMITS + 1);
        look_for_key(&rig);
        look_through_range(&rig);
    }
    rig_close(&rig);
}
END_TEST

START_TEST(a_conflict_says_of_what_kind_it_is)
{
    struct schema of = {.number = STORE}, index = {.number = STORE + 1, .of = &of};

    MUST_EQ(conflict_kind_of(STORE, &of), CONFLICT_WRITE);
    MUST_EQ(conflict_kind_of(STORE, NULL), CONFLICT_WRITE);
    MUST_EQ(conflict_kind_of(STORE + 1, &index), CONFLICT_UNIQUE);
    MUST_EQ(conflict_kind_of(CATALOGUE_STORE, NULL), CONFLICT_SCHEMA);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("conflict");
    TCase *tc = tcase_create("conflict");

    tcase_add_loop_test(tc, whoever_committed_behind_the_snapshot_is_found, 0, 10);
    tcase_add_test(tc, a_conflict_says_of_what_kind_it_is);
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
