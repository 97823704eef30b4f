/* test_apply.c - a database that takes the commits of another one while it is read: after each
 * shipment it has what the other one has, indexes too, and whoever reads keeps what he saw. */
#include "server/storage/wal_scan.h"
#include "server/txn/apply.h"
#include "server/txn/commit.h"
#include "server/txn/db_struct.h"
#include "tests/unit/core_rig.h"
#include "tests/unit/notation.h"

#include <stdlib.h>
#include <string.h>

#define KEYS 24
#define STORES 3
#define READERS 4
#define ABSENT UINT64_MAX /* the store is */

static const char *const names[STORES] = {"a", "b", "c"};

struct content {
    uint64_t of[STORES][KEYS];
};

struct follower {
    struct core_rig leader, rig;
    uint64_t position; /* in the leader's log, up to which it has all */
    struct recovery recovery;
    enum err result;
    struct txn *readers[READERS];
    struct content seen[READERS];
};

static struct dice dice;

static void content_read(struct core_rig *rig, struct txn *t, struct content *out)
{
    for (unsigned s = 0; s < STORES; s++) {
        for (unsigned k = 0; k < KEYS; k++) {
            enum err e = core_get(rig, t, names[s], k + 1, &out->of[s][k]);

            MUST(e == ERR_OK || e == ERR_NO_STORE);
            if (e)
                out->of[s][k] = ABSENT;
        }
    }
}

static enum err on_piece(void *context, uint64_t number, bool first, bool last,
                         struct slice bytes, struct failure *f)
{
    struct follower *w = context;

    if (!w->result)
        w->result = recovery_piece(&w->recovery, number, first, last, bytes, f);
    return w->result;
}

/* All that is durable on the leader comes over, and becomes durable here. */
static void ship(struct follower *w)
{
    struct wal_replay replay = {.context = w, .piece = on_piece};
    struct findings findings;
    struct wal_scan scan;
    struct failure f;

    failure_init(&f);
    core_settle(&w->leader);
    findings_init(&findings, sim_table(w->leader.sim));
    wal_scan_begin(&scan, w->leader.db->wal, w->position, &replay, &findings);
    MUST_EQ(apply_begin(&w->recovery, w->rig.db, &f), ERR_OK);
    w->result = ERR_OK;
    while (wal_scan_run(&scan, 1 << 20) == ERR_WAIT) {
    }
    w->position = scan.place;
    wal_scan_fini(&scan);
    MUST_EQ(findings_all(&findings), 0);
    findings_fini(&findings);
    MUST_EQ(apply_end(&w->recovery, w->result, &f), ERR_OK);
    MUST_EQ(w->rig.db->numbers.last_commit, w->leader.db->numbers.last_commit);
    core_settle(&w->rig);
}

static void compare(struct follower *w)
{
    struct content theirs, ours;

    content_read(&w->leader, NULL, &theirs);
    content_read(&w->rig, NULL, &ours);
    MUST(memcmp(&theirs, &ours, sizeof ours) == 0);
    for (unsigned i = 0; i < READERS; i++) {
        if (!w->readers[i])
            continue;
        content_read(&w->rig, w->readers[i], &ours);
        MUST(memcmp(&w->seen[i], &ours, sizeof ours) == 0);
    }
}

static void change_reader(struct follower *w, unsigned i)
{
    static const struct txn_options read_only = {.read_only = true};

    if (w->readers[i]) {
        core_rollback(&w->rig, w->readers[i]);
        w->readers[i] = NULL;
        return;
    }
    w->readers[i] = core_begin(&w->rig, "reader", &read_only);
    content_read(&w->rig, w->readers[i], &w->seen[i]);
}

static void create_index(struct core_rig *rig, const char *store)
{
    struct buffer b = packed("{\"key\": [[0]]}");

    core_create_index(rig, NULL, store, "low", buffer_slice(&b));
    buffer_fini(&b);
}

static void write_some(struct core_rig *rig)
{
    const char *store = names[dice_below(&dice, STORES)];
    unsigned key = 1 + (unsigned)dice_below(&dice, KEYS);
    uint64_t deleted;
    bool existed;

    switch (dice_below(&dice, 16)) {
    case 0: core_create(rig, NULL, store, NULL); break;
    case 1: core_drop(rig, NULL, store); break;
    case 2: core_clear(rig, NULL, store); break;
    case 3: create_index(rig, store); break;
    case 4: core_drop_index(rig, NULL, store, "low"); break;
    case 5: core_delete_range(rig, NULL, store, key, key + 5, &deleted); break;
    case 6:
    case 7: core_delete(rig, NULL, store, key, &existed); break;
    default: core_put(rig, NULL, store, key, 1 + dice_below(&dice, 1000)); break;
    }
}

/* Several writes in one commit. */
static void write_together(struct core_rig *rig)
{
    struct txn *t = core_begin(rig, "together", NULL);
    uint64_t commit;

    for (unsigned i = 0; i < 5; i++)
        core_put(rig, t, names[dice_below(&dice, STORES)],
                 1 + (unsigned)dice_below(&dice, KEYS), 1 + dice_below(&dice, 1000));
    if (core_commit(rig, t, &commit) == ERR_OK)
        MUST_EQ(core_acknowledge(rig), ERR_OK);
}

static void open_both(struct follower *w, unsigned seed)
{
    memset(w, 0, sizeof *w);
    dice = (struct dice){seed + 1};
    core_open(&w->leader, seed);
    core_open(&w->rig, seed + 1000);
}

static void close_both(struct follower *w)
{
    for (unsigned i = 0; i < READERS; i++) {
        if (w->readers[i])
            change_reader(w, i);
    }
    core_close(&w->rig);
    core_close(&w->leader);
}

START_TEST(what_is_applied_is_what_the_other_has_and_readers_keep_theirs)
{
    struct follower w;

    open_both(&w, (unsigned)_i);
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = (unsigned)dice_below(&dice, 12); i > 0; i--) {
            write_some(&w.leader);
            if (dice_below(&dice, 6) == 0)
                write_together(&w.leader);
        }
        ship(&w);
        commit_on_durable(w.rig.db, w.rig.db->numbers.last_commit);
        compare(&w);
        change_reader(&w, (unsigned)dice_below(&dice, READERS));
        if (dice_below(&dice, 5) == 0)
            core_amalgamate(&w.rig);
        if (dice_below(&dice, 8) == 0)
            core_amalgamate(&w.leader); /* its log begins anew behind what was shipped */
        compare(&w);
    }
    core_amalgamate(&w.rig);
    for (unsigned i = 0; i < READERS; i++) {
        if (w.readers[i])
            change_reader(&w, i);
    }
    core_restart(&w.rig, _i % 2);
    compare(&w);
    close_both(&w);
}
END_TEST

/* Before its bytes are durable here, nobody is told of a commit, and no root takes it. */
START_TEST(what_is_not_durable_is_neither_told_nor_merged)
{
    struct follower w;
    uint64_t commit, value;

    open_both(&w, 77);
    MUST_EQ(core_create(&w.leader, NULL, "a", NULL), ERR_OK);
    ship(&w);
    commit = w.rig.db->numbers.last_commit;
    commit_on_durable(w.rig.db, commit);
    core_set(&w.leader, "a", 1, 7);
    ship(&w);
    MUST_EQ(w.rig.db->numbers.durable, commit);
    MUST_EQ(core_get(&w.rig, NULL, "a", 1, &value), ERR_OK);
    MUST_EQ(value, 0);
    core_rotate(&w.rig);
    core_rest(&w.rig, 20000);
    MUST(root_facts(primary_root(w.rig.db->primary))->commit <= commit);
    commit_on_durable(w.rig.db, w.rig.db->numbers.last_commit);
    MUST_EQ(core_value(&w.rig, "a", 1), 7);
    core_amalgamate(&w.rig);
    MUST_EQ(root_facts(primary_root(w.rig.db->primary))->commit, w.rig.db->numbers.last_commit);
    MUST_EQ(core_value(&w.rig, "a", 1), 7);
    close_both(&w);
}
END_TEST

/* A commit that was shipped in part is forgotten, and comes again from its first piece. */
START_TEST(a_commit_that_comes_in_part_comes_again)
{
    struct follower w;
    struct failure f;
    uint8_t half[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0};

    open_both(&w, 78);
    MUST_EQ(core_create(&w.leader, NULL, "a", NULL), ERR_OK);
    core_set(&w.leader, "a", 1, 7);
    failure_init(&f);
    MUST_EQ(apply_begin(&w.recovery, w.rig.db, &f), ERR_OK);
    MUST_EQ(recovery_piece(&w.recovery, w.leader.db->numbers.last_commit, true, false,
                           slice_make(half, sizeof half), &f),
            ERR_OK);
    MUST_EQ(apply_end(&w.recovery, ERR_OK, &f), ERR_OK);
    ship(&w);
    commit_on_durable(w.rig.db, w.rig.db->numbers.last_commit);
    MUST_EQ(core_value(&w.rig, "a", 1), 7);
    close_both(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("apply");
    TCase *c = tcase_create("apply");
    SRunner *runner;
    int failed;

    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, what_is_applied_is_what_the_other_has_and_readers_keep_theirs, 0,
                        20);
    tcase_add_test(c, what_is_not_durable_is_neither_told_nor_merged);
    tcase_add_test(c, a_commit_that_comes_in_part_comes_again);
    suite_add_tcase(s, c);
    runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
