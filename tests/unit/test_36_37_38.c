/* Three transactions write one key: 36 begins first, then 37, then 38. Every order in which
 * the three can begin, write and end, each ending both ways, with an amalgamation (after
 * which what can be freed is) in every place, and a rotation before or after it; and a
 * power cut in every place. Who loses, to whom, and what is held on whose behalf, is
 * compared with lists. */
#include "tests/unit/core_rig.h"

#include <stdlib.h>
#include <string.h>

#define TXNS 3
#define STEPS (3 * TXNS) /* begin, write, end of each */

struct written { /* the model: the newest commit of a key */
    uint64_t commit, version, value;
    const char *label;
};

struct player {
    struct txn *txn;
    uint64_t version, snapshot, value;
    bool is_over, has_written, is_doomed;
    uint64_t winner_version, winner_commit;
    const char *winner_label;
};

struct game {
    struct core_rig rig;
    struct txn_options options;
    struct player players[TXNS];
    struct written newest[64];
    unsigned key;
    uint64_t last_commit, merged, next_value, floor_bytes;
    uint64_t orders, lost;
};

static const char *const labels[TXNS] = {"36", "37", "38"};

static void player_lose(struct player *p, uint64_t version, uint64_t commit, const char *label)
{
    p->is_doomed = true;
    p->winner_version = version;
    p->winner_commit = commit;
    p->winner_label = label;
}

static void check_lost(struct game *g, const struct player *p, enum err e)
{
    const struct failure *f = &g->rig.op.failure;

    MUST_EQ(e, ERR_CONFLICT);
    MUST_EQ(f->winner_version, p->winner_version);
    MUST_EQ(f->winner_commit, p->winner_commit);
    MUST(slice_equal(text_label_of(&f->winner_label), slice_text(p->winner_label)));
    MUST(slice_equal(text_name_of(&f->store), slice_text("s")));
    g->lost++;
}

static void play_begin(struct game *g, unsigned i)
{
    struct player *p = &g->players[i];

    p->txn = core_begin(&g->rig, labels[i], &g->options);
    p->version = txn_version(p->txn);
    p->snapshot = txn_snapshot(p->txn);
    MUST_EQ(p->snapshot, g->last_commit);
    for (unsigned o = 0; o < i; o++)
        MUST(p->version > g->players[o].version);
}

static void play_write(struct game *g, unsigned i)
{
    struct player *p = &g->players[i];
    const struct written *w = &g->newest[g->key];
    enum err e;

    p->value = ++g->next_value;
    e = core_put(&g->rig, p->txn, "s", g->key, p->value);
    if (!p->is_doomed && w->commit > p->snapshot)
        player_lose(p, w->version, w->commit, w->label);
    for (unsigned o = TXNS; o-- > i + 1;) {
        const struct player *greater = &g->players[o];

        if (!p->is_doomed && g->options.greatest_version && greater->txn &&
            greater->has_written && !greater->is_doomed && !greater->is_over &&
            e == ERR_CONFLICT && g->rig.op.failure.winner_version == greater->version)
            player_lose(p, greater->version, 0, labels[o]);
    }
    if (p->is_doomed) {
        check_lost(g, p, e);
        return;
    }
    MUST_EQ(e, ERR_OK);
    for (unsigned o = i + 1; o < TXNS; o++)
        MUST(!g->options.greatest_version || g->players[o].is_over || g->players[o].is_doomed ||
             !g->players[o].has_written);
    p->has_written = true;
}

static void play_commit(struct game *g, unsigned i)
{
    struct player *p = &g->players[i];
    struct written *w = &g->newest[g->key];
    uint64_t commit;
    enum err e = core_commit(&g->rig, p->txn, &commit);

    p->is_over = true;
    if (p->is_doomed) {
        check_lost(g, p, e);
        return;
    }
    MUST_EQ(e, ERR_OK);
    MUST(commit > g->last_commit);
    *w = (struct written){commit, p->version, p->value, labels[i]};
    g->last_commit = commit;
    for (unsigned o = 0; o < TXNS; o++) {
        struct player *other = &g->players[o];

        if (other->txn && !other->is_over && !other->is_doomed && other->has_written)
            player_lose(other, p->version, commit, labels[i]);
    }
}

/* ---- what is held ---- */

struct hold_check {
    struct game *g;
    unsigned seen;
};

static void check_hold(void *context, const struct db_hold_status *h)
{
    struct hold_check *check = context;
    const struct player *p = NULL;

    for (unsigned i = 0; i < TXNS; i++) {
        if (check->g->players[i].txn && check->g->players[i].version == h->version)
            p = &check->g->players[i];
    }
    MUST(p != NULL);
    check->seen++;
    MUST(slice_equal(h->label, slice_text(labels[p - check->g->players])));
    MUST_EQ(h->doomed, p->is_doomed);
    MUST_EQ(h->snapshot, p->is_doomed ? 0 : p->snapshot);
    MUST_EQ(h->bytes != 0, p->has_written && !p->is_doomed);
    if (p->is_doomed || p->snapshot >= check->g->merged)
        MUST_EQ(h->held, 0);
    else
        MUST(h->held > 0);
}

static void check_holds(struct game *g)
{
    struct hold_check check = {g, 0};
    struct db_status status;
    struct list_walk walk = {.walks = NULL};
    unsigned open = 0;
    bool is_held = false;

    core_settle(&g->rig);
    for (unsigned i = 0; i < TXNS; i++) {
        const struct player *p = &g->players[i];

        open += p->txn && !p->is_over;
        is_held |= p->txn && !p->is_over && !p->is_doomed && p->snapshot < g->merged;
    }
    while (db_each_hold(g->rig.db, &walk, check_hold, &check) == ERR_WAIT)
        continue;
    MUST_EQ(check.seen, open);
    status = core_status(&g->rig);
    MUST_EQ(status.open_txns, open);
    if (!is_held)
        MUST_EQ(status.ledgers + status.ledger_bytes + status.ledger_keys, 0);
}

/* ---- orders ---- */

static void game_open(struct game *g, uint64_t seed)
{
    memset(g, 0, sizeof *g);
    core_open(&g->rig, seed);
    g->rig.options.cache_bytes = 65536;
    core_restart(&g->rig, false);
    MUST_EQ(core_create(&g->rig, NULL, "s", NULL), ERR_OK);
    g->last_commit = g->rig.op.committed;
    core_amalgamate(&g->rig);
    g->merged = core_status(&g->rig).primary.commit;
    g->floor_bytes = core_status(&g->rig).stage_bytes;
}

static void game_amalgamate(struct game *g)
{
    core_amalgamate(&g->rig);
    g->merged = core_status(&g->rig).primary.commit;
    check_holds(g);
}

static void game_step(struct game *g, unsigned txn, unsigned outcomes)
{
    struct player *p = &g->players[txn];

    if (!p->txn) {
        play_begin(g, txn);
    } else if (!p->value) {
        play_write(g, txn);
    } else if (outcomes & 1u << txn) {
        play_commit(g, txn);
    } else {
        core_rollback(&g->rig, p->txn);
        p->is_over = true;
    }
}

/* All has ended: nothing is held, and the key is what the last winner made it. */
static void game_end(struct game *g)
{
    struct db_status status;
    const struct written *w = &g->newest[g->key];
    uint64_t value;

    g->orders++;
    check_holds(g);
    status = core_status(&g->rig);
    MUST_EQ(status.ledgers + status.ledger_bytes, 0);
    MUST_EQ(core_get(&g->rig, NULL, "s", g->key, &value), ERR_OK);
    MUST_EQ(value, w->value);
    if (status.stages > 12)
        game_amalgamate(g);
    if (status.stages > 12) {
        status = core_status(&g->rig);
        MUST_EQ(status.stages, 1);
        MUST_EQ(status.stage_bytes, g->floor_bytes);
    }
    g->key = (g->key + 1) % 64;
    memset(g->players, 0, sizeof g->players);
}

/* steps: whose turn it is; the rotation comes before step rotate, likewise the other. */
static void game_play(struct game *g, const uint8_t *steps, unsigned outcomes, unsigned rotate,
                      unsigned amalgamate)
{
    for (unsigned at = 0; at <= STEPS; at++) {
        if (at == rotate)
            core_rotate(&g->rig);
        if (at == amalgamate)
            game_amalgamate(g);
        if (at < STEPS)
            game_step(g, steps[at], outcomes);
    }
    game_end(g);
}

/* The next order of the steps in which 36 begins before 37 before 38; false: that was all. */
static bool steps_next(uint8_t steps[STEPS])
{
    for (;;) {
        unsigned i = STEPS - 1, j = STEPS - 1;
        uint8_t swap;
        int first[TXNS] = {-1, -1, -1};

        while (i > 0 && steps[i - 1] >= steps[i])
            i--;
        if (i == 0)
            return false;
        while (steps[j] <= steps[i - 1])
            j--;
        swap = steps[i - 1];
        steps[i - 1] = steps[j];
        steps[j] = swap;
        for (unsigned a = i, b = STEPS - 1; a < b; a++, b--) {
            swap = steps[a];
            steps[a] = steps[b];
            steps[b] = swap;
        }
        for (int at = STEPS - 1; at >= 0; at--)
            first[steps[at]] = at;
        if (first[0] < first[1] && first[1] < first[2])
            return true;
    }
}

static const uint8_t steps_first[STEPS] = {0, 0, 0, 1, 1, 1, 2, 2, 2};

static void play_all(bool greatest)
{
    struct game *g = malloc(sizeof *g);
    uint8_t steps[STEPS];
    uint64_t floor = 0;

    game_open(g, 36 + greatest);
    g->options.greatest_version = greatest;
    memcpy(steps, steps_first, sizeof steps);
    do {
        for (unsigned outcomes = 0; outcomes < 8; outcomes++) {
            for (unsigned amalgamate = 0; amalgamate <= STEPS; amalgamate++)
                game_play(g, steps, outcomes, (unsigned)(g->orders / 7) % (STEPS + 1),
                          amalgamate);
        }
        if (g->orders < 2000)
            floor = sim_alloc_outstanding(g->rig.sim);
    } while (steps_next(steps));
    MUST_EQ(g->orders, UINT64_C(280) * 8 * (STEPS + 1));
    MUST(g->lost > g->orders / 4);
    game_amalgamate(g);
    MUST(sim_alloc_outstanding(g->rig.sim) <= floor + 2 * g->rig.options.cache_bytes);
    core_close(&g->rig);
    free(g);
}

START_TEST(first_committers_win_in_every_order)
{
    play_all(false);
}
END_TEST

START_TEST(greatest_versions_win_in_every_order)
{
    play_all(true);
}
END_TEST

/* ---- restarts ---- */

/* The power goes off before step cut: transactions are gone, told commits are not, and what
 * begins afterwards is judged as ever. */
static void game_cut(struct game *g, const uint8_t *steps, unsigned outcomes, unsigned cut)
{
    uint64_t before[TXNS] = {0}, greatest = 0;

    for (unsigned at = 0; at < cut; at++)
        game_step(g, steps[at], outcomes);
    core_settle(&g->rig);
    for (unsigned i = 0; i < TXNS; i++) {
        before[i] = g->players[i].version;
        greatest = before[i] > greatest ? before[i] : greatest;
        if (g->players[i].txn && !g->players[i].is_over)
            core_rollback(&g->rig, g->players[i].txn);
    }
    core_restart(&g->rig, true);
    memset(g->players, 0, sizeof g->players);
    MUST(core_status(&g->rig).last_commit >= g->last_commit);
    g->last_commit = core_status(&g->rig).last_commit; /* numbers are never used again */
    for (unsigned i = 0; i < TXNS; i++) {
        for (unsigned turn = 0; turn < 3; turn++) {
            game_step(g, i, 7);
            if (turn == 0)
                MUST(g->players[i].version > greatest);
        }
    }
    game_end(g);
}

START_TEST(a_power_cut_in_any_place_ends_the_open_and_keeps_the_told)
{
    struct game *g = malloc(sizeof *g);
    uint8_t steps[STEPS], last[STEPS];

    game_open(g, 38);
    for (unsigned cut = 0; cut <= STEPS; cut++) {
        memcpy(steps, steps_first, sizeof steps);
        memset(last, 9, sizeof last);
        do {
            if (memcmp(steps, last, cut) == 0 && last[0] != 9)
                continue; /* the same up to the cut */
            memcpy(last, steps, sizeof steps);
            game_cut(g, steps, 1 + (unsigned)(g->orders % 7), cut);
        } while (steps_next(steps));
    }
    core_close(&g->rig);
    free(g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("36, 37, 38");
    TCase *tc = tcase_create("orders");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, first_committers_win_in_every_order);
    tcase_add_test(tc, greatest_versions_win_in_every_order);
    tcase_add_test(tc, a_power_cut_in_any_place_ends_the_open_and_keeps_the_told);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
