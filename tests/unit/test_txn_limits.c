/* What ends a transaction that nobody has beaten: its age, its rest, an operator, what is
 * held for it; and memory that fails at every moment of a commit. */
#include "server/txn/usage.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned doomed_calls;

static void on_doomed(struct txn *t, void *context)
{
    (void)context;
    MUST(txn_failure(t) != NULL);
    doomed_calls++;
}

/* _i: timeout, idle, kill, as an operator sees it. */
START_TEST(a_transaction_that_was_ended_is_told_so_and_commits_nothing)
{
    static const enum err told[] = {ERR_TXN_EXPIRED, ERR_TXN_EXPIRED, ERR_TXN_KILLED};
    struct core_rig rig;
    struct txn_options options = {.on_doomed = on_doomed};
    struct txn *t, *other;
    uint64_t n, version;
    struct failure f;

    failure_init(&f);
    doomed_calls = 0;
    core_open(&rig, 8);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    if (_i == 0)
        options.timeout_ms = 5000;
    if (_i == 1)
        options.idle_ms = 4000;
    t = core_begin(&rig, "ended", &options);
    version = txn_version(t);
    MUST_EQ(core_put(&rig, t, "a", 1, 1), ERR_OK);
    sim_advance_ms(rig.sim, 3000);
    core_settle(&rig);
    MUST_EQ(core_put(&rig, t, "a", 2, 1), ERR_OK);
    sim_advance_ms(rig.sim, _i == 1 ? 3000 : 1000);
    core_settle(&rig);
    MUST(txn_failure(t) == NULL);
    MUST_EQ(core_get(&rig, t, "a", 1, &n), ERR_OK);
    sim_advance_ms(rig.sim, 4000);
    core_settle(&rig);
    if (_i == 2) {
        MUST(txn_failure(t) == NULL);
        MUST_EQ(db_kill(rig.db, version, &f), ERR_OK);
        MUST_EQ(db_kill(rig.db, version, &f), ERR_OK);
        MUST_EQ(db_kill(rig.db, version + 1, &f), ERR_NO_TXN);
    }
    MUST(txn_failure(t) != NULL);
    MUST_EQ(doomed_calls, 1);
    /* its writes stand in nobody's way, and it is not revived */
    other = core_begin(&rig, "other", NULL);
    MUST_EQ(core_put(&rig, other, "a", 1, 7), ERR_OK);
    MUST_EQ(core_commit(&rig, other, NULL), ERR_OK);
    MUST_EQ(core_get(&rig, t, "a", 1, &n), told[_i]);
    MUST_EQ(core_put(&rig, t, "a", 3, 1), told[_i]);
    MUST_EQ(core_commit(&rig, t, NULL), told[_i]);
    MUST_EQ(core_value(&rig, "a", 1), 7);
    MUST_EQ(core_value(&rig, "a", 2), 0);
    MUST_EQ(core_status(&rig).expired, _i < 2);
    MUST_EQ(core_status(&rig).killed, _i == 2);
    MUST_EQ(core_status(&rig).open_txns, 0);
    failure_clear(&f);
    core_close(&rig);
}
END_TEST

START_TEST(a_transaction_may_write_so_much_and_stays_open_beyond)
{
    struct core_rig rig;
    struct txn *t;
    unsigned written = 0;
    enum err e;

    core_open(&rig, 9);
    rig.options.txn_bytes_max = 20000;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    t = core_begin(&rig, "much", NULL);
    while ((e = core_put(&rig, t, "a", written, 1)) == ERR_OK)
        written++;
    MUST_EQ(e, ERR_TOO_LARGE);
    MUST(strstr(rig.op.failure.text, "transaction-max") != NULL);
    MUST(written > 20 && written < 2000);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    MUST_EQ(core_value(&rig, "a", 0), 1);
    MUST_EQ(core_value(&rig, "a", written - 1), 1);
    MUST_EQ(core_value(&rig, "a", written), 0);
    core_close(&rig);
}
END_TEST

/* Write in one transaction of a client after the other until one is refused; the error. */
static enum err write_all_it_can(struct core_rig *rig, struct txn **t, unsigned count,
                                 unsigned *key)
{
    for (unsigned i = 0; i < 100000; i++) {
        enum err e = core_put(rig, t[i % count], "a", (*key)++, 1);

        if (e)
            return e;
        MUST(core_status(rig).writes_bytes <= rig->options.writes_total_max);
    }
    return ERR_OK;
}

/* _i: in one transaction, which is then too large, or in several. */
START_TEST(a_client_may_write_no_more_than_it_leaves_free)
{
    enum { MAX = 2 << 20, HOGS = 4 };
    struct core_rig rig;
    struct usage hog = {0}, innocent = {0};
    struct txn_options hogs = {.usage = &hog}, innocents = {.usage = &innocent};
    struct txn *t[HOGS], *other;
    unsigned count = _i ? HOGS : 1, key = 0, ended = 0;

    core_open(&rig, 12);
    rig.options.writes_total_max = MAX;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    for (unsigned i = 0; i < count; i++)
        t[i] = core_begin(&rig, "hog", &hogs);
    other = core_begin(&rig, "innocent", &innocents);
    MUST_EQ(write_all_it_can(&rig, t, count, &key), _i ? ERR_OVERLOADED : ERR_TOO_LARGE);
    MUST(strstr(rig.op.failure.text, "writes-total") != NULL);
    /* the one that was refused has let go of all; the others go on */
    for (unsigned i = 0; i < count; i++)
        ended += txn_failure(t[i]) != NULL;
    MUST_EQ(ended, 1);
    MUST_EQ(hog.writes, core_status(&rig).writes_bytes);
    MUST(hog.writes <= MAX / 2);
    for (unsigned i = 0; i < 2000; i++)
        MUST_EQ(core_put(&rig, other, "a", 1000000 + i, 1), ERR_OK);
    MUST(innocent.writes > 100000 && innocent.reads == 0);
    MUST_EQ(core_commit(&rig, other, NULL), ERR_OK);
    MUST_EQ(innocent.writes, 0);
    for (unsigned i = 0; i < count; i++) {
        if (txn_failure(t[i]))
            core_rollback(&rig, t[i]);
        else
            MUST_EQ(core_commit(&rig, t[i], NULL), ERR_OK);
    }
    MUST_EQ(hog.writes, 0);
    MUST_EQ(core_status(&rig).writes_bytes, 0);
    core_close(&rig);
}
END_TEST

/* Each connection may hold what it leaves free, so many of them could hold all but a little; but
 * together they have no more than the share of one client. */
START_TEST(the_connections_of_a_client_share_its_part)
{
    enum { MAX = 2 << 20, CONNECTIONS = 16 };
    struct core_rig rig;
    struct usage client = {0}, connections[CONNECTIONS], innocent = {0};
    struct txn_options options[CONNECTIONS], innocents = {.usage = &innocent};
    struct txn *t[CONNECTIONS], *other;
    unsigned key = 0;
    uint64_t sum = 0;

    core_open(&rig, 13);
    rig.options.writes_total_max = MAX;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        connections[i] = (struct usage){.client = &client};
        options[i] = (struct txn_options){.usage = &connections[i]};
        t[i] = core_begin(&rig, "hog", &options[i]);
    }
    MUST_EQ(write_all_it_can(&rig, t, CONNECTIONS, &key), ERR_OVERLOADED);
    MUST(strstr(rig.op.failure.text, "client-share of writes-total") != NULL);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        sum += connections[i].writes;
    MUST_EQ(client.writes, sum);
    MUST(client.writes > MAX / 2 && client.writes <= MAX / 4 * 3);
    other = core_begin(&rig, "innocent", &innocents);
    for (unsigned i = 0; i < 500; i++)
        MUST_EQ(core_put(&rig, other, "a", 1000000 + i, 1), ERR_OK);
    MUST_EQ(core_commit(&rig, other, NULL), ERR_OK);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        txn_rollback(t[i]);
    MUST_EQ(client.writes, 0);
    core_close(&rig);
}
END_TEST

START_TEST(a_small_transaction_may_write_when_others_have_taken_all)
{
    enum { HOGS = 40 };
    struct core_rig rig;
    struct usage hog[HOGS] = {{0}}, innocent = {0};
    struct txn_options innocents = {.usage = &innocent};
    struct txn *t[HOGS], *other;
    unsigned key = 0;

    core_open(&rig, 13);
    rig.options.writes_total_max = 256 << 10;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    other = core_begin(&rig, "innocent", &innocents);
    for (unsigned i = 0; i < HOGS; i++) {
        struct txn_options hogs = {.usage = &hog[i]};

        t[i] = core_begin(&rig, "hog", &hogs);
        while (hog[i].writes < USAGE_SMALL_BYTES / 2)
            MUST_EQ(core_put(&rig, t[i], "a", key++, 1), ERR_OK);
    }
    for (unsigned i = 0; i < 50; i++)
        MUST_EQ(core_put(&rig, other, "a", 1000000 + i, 1), ERR_OK);
    MUST_EQ(core_commit(&rig, other, NULL), ERR_OK);
    core_set(&rig, "a", 2000000, 1);
    for (unsigned i = 0; i < HOGS; i++)
        core_rollback(&rig, t[i]);
    core_close(&rig);
}
END_TEST

/* What is counted is what is taken, whatever ends it. */
START_TEST(writes_and_reads_are_counted_to_their_client_until_they_end)
{
    struct core_rig rig;
    struct usage usage = {0};
    struct txn_options options = {.serializable = true, .usage = &usage};
    struct txn *t;
    struct failure f;
    uint64_t n;

    failure_init(&f);
    core_open(&rig, 14);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    t = core_begin(&rig, "one", &options);
    for (unsigned i = 0; i < 500; i++)
        MUST_EQ(core_get(&rig, t, "a", i, &n), ERR_OK);
    MUST(usage.reads > 10000 && usage.writes == 0);
    MUST_EQ(core_count(&rig, t, "a", 1000, 2000, &n), ERR_OK);
    MUST_EQ(usage.reads, core_status(&rig).reads_bytes);
    for (unsigned i = 0; i < 500; i++)
        MUST_EQ(core_put(&rig, t, "a", i, 1), ERR_OK);
    MUST_EQ(core_delete_range(&rig, t, "a", 0, 100, &n), ERR_OK);
    MUST_EQ(usage.writes, core_status(&rig).writes_bytes);
    MUST(db_check(rig.db));
    if (_i == 0)
        MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    if (_i == 1)
        core_rollback(&rig, t);
    if (_i == 2)
        MUST_EQ(db_kill(rig.db, txn_version(t), &f), ERR_OK);
    if (_i == 3) { /* it loses */
        core_set(&rig, "a", 7, 7);
        MUST(txn_failure(t) != NULL);
    }
    MUST(usage.reads == 0 && usage.writes == 0);
    if (_i >= 2)
        core_rollback(&rig, t);
    MUST_EQ(core_status(&rig).writes_bytes, 0);
    core_close(&rig);
}
END_TEST

START_TEST(beyond_what_may_be_held_the_oldest_writer_goes)
{
    struct core_rig rig;
    struct txn *oldest, *next;
    uint64_t n;

    core_open(&rig, 10);
    rig.options.held_bytes_max = 1;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    oldest = core_begin(&rig, "oldest", NULL);
    core_set(&rig, "a", 1, 1);
    next = core_begin(&rig, "next", NULL);
    core_amalgamate(&rig);
    MUST_EQ(core_get(&rig, oldest, "a", 1, &n), ERR_TXN_EXPIRED);
    MUST(strstr(rig.op.failure.text, "held-max") != NULL);
    core_rollback(&rig, oldest);
    MUST_EQ(core_get(&rig, next, "a", 1, &n), ERR_OK);
    MUST_EQ(n, 1);
    MUST_EQ(core_status(&rig).ledgers, 0);
    MUST_EQ(core_commit(&rig, next, NULL), ERR_OK);
    core_close(&rig);
}
END_TEST

static void says(const struct core_rig *rig, const char *limit, uint64_t max)
{
    const struct failure *f = &rig->op.failure;

    MUST(f->limit && f->limit_max == max && f->limit_size > max);
    ck_assert_str_eq(f->limit, limit);
    MUST(strstr(f->text, limit) != NULL);
}

/* Each ends the one that has set it, and nobody else. */
START_TEST(limits_that_a_transaction_sets_are_its_own)
{
    struct txn_options writes = {.write_bytes = 20000}, held = {.held_bytes = 5000};
    struct txn_options reads = {.read_bytes = 20000, .serializable = true};
    struct txn_options plain = {.serializable = true};
    struct core_rig rig;
    struct txn *t, *other;
    enum err e = ERR_OK;
    uint64_t n;

    core_open(&rig, 12);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    t = core_begin(&rig, "writer", &writes);
    other = core_begin(&rig, "other", &plain);
    for (unsigned i = 0; !e && i < 2000; i++) {
        MUST_EQ(core_put(&rig, other, "a", 10000 + i, 1), ERR_OK);
        e = core_put(&rig, t, "a", i, 1);
    }
    MUST_EQ(e, ERR_TOO_LARGE);
    says(&rig, "write_bytes", 20000);
    core_rollback(&rig, t);
    t = core_begin(&rig, "reader", &reads);
    e = ERR_OK;
    for (unsigned i = 0; !e && i < 2000; i++) {
        MUST_EQ(core_get(&rig, other, "a", i, &n), ERR_OK);
        e = core_get(&rig, t, "a", i, &n);
    }
    MUST_EQ(e, ERR_TOO_LARGE);
    says(&rig, "read_bytes", 20000);
    core_rollback(&rig, t);
    t = core_begin(&rig, "old", &held);
    for (unsigned i = 0; i < 1000; i++)
        core_set(&rig, "a", 20000 + i, 1);
    core_amalgamate(&rig);
    MUST_EQ(core_get(&rig, t, "a", 1, &n), ERR_OK); /* nobody has looked yet */
    sim_advance_ms(rig.sim, 1500);
    db_tick(rig.db);
    MUST_EQ(core_get(&rig, t, "a", 1, &n), ERR_TXN_EXPIRED);
    says(&rig, "held_bytes", 5000);
    core_rollback(&rig, t);
    MUST_EQ(core_get(&rig, other, "a", 10001, &n), ERR_OK);
    core_rollback(&rig, other);
    core_close(&rig);
}
END_TEST

static void scan_wake(struct op *op)
{
    (void)op;
}

/* However many writers are old, and however many of them began together. */
START_TEST(many_old_writers_stay_within_what_may_be_held)
{
    enum { WRITERS = 40, ROUNDS = 12 };

    struct core_rig rig;
    struct txn *old[WRITERS];
    uint64_t limit = 60000;
    unsigned alive = 0;

    core_open(&rig, 11);
    rig.options.held_bytes_max = limit;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    for (unsigned i = 0; i < WRITERS; i++) {
        old[i] = core_begin(&rig, "old", NULL);
        if (_i && i % 8 == 7)
            core_set(&rig, "a", 1, i + 1);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct txn *t = core_begin(&rig, "load", NULL);

        for (unsigned key = 0; key < 500; key++)
            MUST_EQ(core_put(&rig, t, "a", round * 500 + key, round + 1), ERR_OK);
        MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
        core_amalgamate(&rig);
        MUST(core_status(&rig).ledger_bytes + core_status(&rig).ledger_disk_bytes <= limit);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        alive += txn_failure(old[i]) == NULL;
        core_rollback(&rig, old[i]);
    }
    MUST(alive < WRITERS);
    core_close(&rig);
}
END_TEST

/* A transaction that waits for its own request's page is in use, however long that takes. */
START_TEST(waiting_for_the_server_is_not_idle)
{
    struct txn_options options = {.idle_ms = 1000};
    struct core_rig rig;
    uint8_t room_of_key[16];
    struct slice value, key;
    struct txn *t;
    struct op op;
    enum err e;

    core_open(&rig, 12);
    rig.options.cache_bytes = 1;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    for (unsigned i = 0; i < 500; i++)
        core_set(&rig, "a", i, 7);
    core_amalgamate(&rig);
    core_restart(&rig, false);
    t = core_begin(&rig, "waits", &options);
    sim_knobs(rig.sim)->wait_percent = 100; /* no page is in the memory of the system */
    for (int lane = 0; lane < OS_LANE_COUNT; lane++)
        sim_stall_lane(rig.sim, (enum os_lane)lane, true);
    op_init(&op, rig.db, scan_wake);
    key = slice_make(room_of_key, msgpack_put_uint(room_of_key, 250));
    MUST_EQ(record_get(&op, t, slice_text("a"), key, &value), ERR_WAIT);
    core_rest(&rig, 5000);
    MUST(!txn_failure(t));
    for (int lane = 0; lane < OS_LANE_COUNT; lane++)
        sim_stall_lane(rig.sim, (enum os_lane)lane, false);
    while ((e = record_get(&op, t, slice_text("a"), key, &value)) == ERR_WAIT)
        core_settle(&rig);
    MUST_EQ(e, ERR_OK);
    op_fini(&op);
    core_rest(&rig, 900);
    MUST(!txn_failure(t));
    core_rest(&rig, 500);
    MUST(txn_failure(t) != NULL);
    core_rollback(&rig, t);
    core_close(&rig);
}
END_TEST

/* ---- many readers ---- */

#define READERS_MAX 400
#define READERS_WITH_ROOTS 256 /* of one pass */

struct readers {
    struct core_rig rig;
    struct txn *txns[READERS_MAX];
    unsigned count;
    struct op op; /* of a scan without a transaction, which is the youngest reader */
    struct cursor *cursor;
};

static enum err scan_next(struct readers *r)
{
    struct cursor_row row;
    enum err e;

    while ((e = cursor_next(&r->op, r->cursor, &row)) == ERR_WAIT)
        core_settle(&r->rig);
    return e;
}

/* Readers of commit after commit of one stage, and then a pass. */
static void readers_open(struct readers *r, unsigned count, uint64_t held_max)
{
    struct txn_options options = {.read_only = true};
    struct cursor_options all = {.limit = UINT64_MAX};
    uint8_t range[64];

    memset(r, 0, sizeof *r);
    r->count = count;
    core_open(&r->rig, 13);
    r->rig.options.held_bytes_max = held_max;
    core_restart(&r->rig, false);
    MUST_EQ(core_create(&r->rig, NULL, "a", NULL), ERR_OK);
    core_amalgamate(&r->rig);
    for (unsigned i = 0; i < count; i++) {
        core_set(&r->rig, "a", 1, i + 1);
        core_set(&r->rig, "a", 2 + i, 1);
        core_settle(&r->rig);
        r->txns[i] = core_begin(&r->rig, "reader", &options);
    }
    op_init(&r->op, r->rig.db, scan_wake);
    MUST_EQ(cursor_open(&r->op, NULL, slice_text("a"), core_range(0, 1000, range), &all,
                        &r->cursor),
            ERR_OK);
    MUST_EQ(scan_next(r), ERR_OK);
    cursor_rest(r->cursor);
    core_set(&r->rig, "a", 1, 100000);
    core_settle(&r->rig);
    sim_advance_ms(r->rig.sim, 1000);
    core_amalgamate(&r->rig);
}

static void reader_must_read(struct readers *r, unsigned i)
{
    uint64_t n;

    MUST_EQ(core_get(&r->rig, r->txns[i], "a", 1, &n), ERR_OK);
    MUST_EQ(n, i + 1);
    MUST_EQ(core_count(&r->rig, r->txns[i], "a", 0, 10000, &n), ERR_OK);
    MUST_EQ(n, i + 2);
}

static void readers_close(struct readers *r)
{
    cursor_close(r->cursor);
    op_fini(&r->op);
    for (unsigned i = 0; i < r->count; i++)
        core_rollback(&r->rig, r->txns[i]);
    core_settle(&r->rig);
    MUST_EQ(core_status(&r->rig).stages, 1);
    core_close(&r->rig);
}

START_TEST(readers_of_many_commits_of_one_stage_get_roots_of_their_own)
{
    struct readers r;

    readers_open(&r, 200, 1);
    MUST_EQ(core_status(&r.rig).stages, 1);
    MUST_EQ(core_status(&r.rig).expired, 0);
    for (unsigned i = 0; i < r.count; i++)
        reader_must_read(&r, i);
    MUST_EQ(scan_next(&r), ERR_OK);
    readers_close(&r);
}
END_TEST

/* _i: there is room for the stage that the others read from, or not. */
START_TEST(more_readers_than_that_keep_their_stage_within_what_may_be_held)
{
    struct readers r;
    uint64_t n;

    readers_open(&r, READERS_MAX, _i ? UINT64_C(1) << 30 : 1);
    MUST_EQ(core_status(&r.rig).stages, _i ? 2 : 1);
    MUST_EQ(core_status(&r.rig).expired, _i ? 0 : READERS_MAX - READERS_WITH_ROOTS);
    for (unsigned i = 0; i < r.count; i++) {
        if (_i || i < READERS_WITH_ROOTS) {
            reader_must_read(&r, i);
            continue;
        }
        MUST_EQ(core_get(&r.rig, r.txns[i], "a", 1, &n), ERR_TXN_EXPIRED);
        MUST(strstr(r.rig.op.failure.text, "held-max") != NULL);
    }
    MUST_EQ(scan_next(&r), _i ? ERR_OK : ERR_TXN_EXPIRED);
    MUST(_i || strstr(r.op.failure.text, "held-max") != NULL);
    readers_close(&r);
}
END_TEST

/* ---- the memory of roots ---- */

#define ROOT_STORES 50
#define ROOT_READERS 12

/* A root of ROOT_STORES stores, which is the durable one and the only one. */
static void roots_open(struct core_rig *rig, unsigned roots_max)
{
    char name[8];

    core_open(rig, 14);
    rig->options.roots_bytes_max = roots_max * root_memory(ROOT_STORES + 1) + 1000;
    core_restart(rig, false);
    for (unsigned i = 0; i < ROOT_STORES; i++) {
        snprintf(name, sizeof name, "s%u", i);
        MUST_EQ(core_create(rig, NULL, name, NULL), ERR_OK);
        core_set(rig, name, 1, 1);
    }
    core_amalgamate(rig);
    MUST_EQ(core_status(rig).primary.roots_held, 1);
    MUST_EQ(core_status(rig).primary.roots_bytes, 0);
}

/* The readers of commit after commit; _i: a pass after each, or one after all. */
START_TEST(roots_that_old_readers_keep_stay_within_their_memory)
{
    enum { ROOTS = 4 };

    struct txn_options options = {.read_only = true};
    struct core_rig rig;
    struct txn *txns[ROOT_READERS];
    unsigned alive = 0;
    uint64_t n;

    roots_open(&rig, ROOTS);
    for (unsigned i = 0; i < ROOT_READERS; i++) {
        core_set(&rig, "s0", 2, i + 1);
        core_settle(&rig);
        txns[i] = core_begin(&rig, "reader", &options);
        sim_advance_ms(rig.sim, 1000);
        if (_i)
            core_amalgamate(&rig);
        MUST(core_status(&rig).primary.roots_bytes <= rig.options.roots_bytes_max);
    }
    core_set(&rig, "s0", 2, 1000);
    core_amalgamate(&rig);
    MUST(core_status(&rig).primary.roots_bytes <= rig.options.roots_bytes_max);
    for (unsigned i = 0; i < ROOT_READERS; i++) {
        enum err e = core_get(&rig, txns[i], "s0", 2, &n);

        if (_i && i < ROOT_READERS - ROOTS) { /* the oldest have gone, each with its root */
            MUST_EQ(e, ERR_TXN_EXPIRED);
            MUST(strstr(rig.op.failure.text, "roots-memory") != NULL);
            continue;
        }
        MUST_EQ(e, ERR_OK); /* the others have a root, or read from their stage */
        MUST_EQ(n, i + 1);
        alive++;
    }
    MUST_EQ(alive, _i ? ROOTS : ROOT_READERS);
    MUST_EQ(core_status(&rig).primary.roots_held, 1 + (_i ? ROOTS : ROOTS - 1));
    MUST_EQ(core_value(&rig, "s0", 2), 1000);
    for (unsigned i = 0; i < ROOT_READERS; i++)
        core_rollback(&rig, txns[i]);
    core_settle(&rig);
    MUST_EQ(core_status(&rig).primary.roots_held, 1);
    core_close(&rig);
}
END_TEST

START_TEST(generators_go_on_behind_what_they_have_given_over_restarts)
{
    struct core_rig rig;
    struct store_options generate = {.generate = true};
    uint64_t last = 0;

    core_open(&rig, 11);
    MUST_EQ(core_create(&rig, NULL, "a", &generate), ERR_OK);
    for (unsigned round = 0; round < 12; round++) {
        uint8_t room[KEY_PLAIN_BYTES_MAX], value[2] = {0x91, 0x01};
        struct slice key;
        struct msgpack_cursor c;
        uint64_t n;
        enum err e;

        for (unsigned i = 0; i < 3; i++) {
            op_fini(&rig.op);
            op_init(&rig.op, rig.db, rig.op.wake);
            e = record_put(&rig.op, NULL, slice_text("a"), slice_make(value, 2), SLICE_NONE,
                           false, room, &key);
            MUST_EQ(e, ERR_OK);
            c = msgpack_open(key);
            MUST_EQ(msgpack_read_uint(&c, &n), ERR_OK);
            MUST(n > last);
            last = n;
        }
        core_settle(&rig);
        if (round % 3 == 1) {
            MUST_EQ(core_delete(&rig, NULL, "a", (unsigned)last, NULL), ERR_OK);
        }
        if (round % 4 == 3)
            MUST_EQ(core_clear(&rig, NULL, "a"), ERR_OK);
        core_settle(&rig);
        if (round % 2)
            core_amalgamate(&rig);
        core_restart(&rig, round % 3 == 0);
        MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_EXISTS);
    }
    core_close(&rig);
}
END_TEST

/* ---- memory that fails ---- */

#define FAULT_KEYS 12

/* One transaction over two stores with a definition, while the n-th allocation fails.
 * Returns its commit, 0: there is none. *fired: something did fail. */
static uint64_t commit_with_fault(struct core_rig *rig, uint64_t n, bool *fired)
{
    struct txn *t = core_begin(rig, "faulty", NULL);
    uint64_t commit = 0;
    enum err e = ERR_OK;

    sim_fail_alloc_at(rig->sim, n);
    for (unsigned key = 0; key < FAULT_KEYS && !e; key++)
        e = core_put(rig, t, "a", key, 1000 + n);
    if (!e)
        e = core_delete(rig, t, "a", 3, NULL);
    if (!e)
        e = core_clear(rig, t, "b");
    if (!e)
        e = core_put(rig, t, "b", 1, 1000 + n);
    if (!e)
        e = core_commit(rig, t, &commit);
    else
        core_rollback(rig, t);
    MUST(e == ERR_OK || e == ERR_NOMEM);
    core_settle(rig);
    *fired = sim_fault_fired(rig->sim, SIM_FAULT_ALLOC) > 0;
    sim_fail_clear(rig->sim);
    core_settle(rig);
    return commit;
}

START_TEST(whichever_allocation_fails_a_commit_happens_wholly_or_not_at_all)
{
    struct core_rig rig;
    bool fired = true;
    uint64_t was_n = 0;
    unsigned kept = 0;

    core_open(&rig, 12);
    rig.options.link_bytes_max = _i ? 512 : 1 << 20;
    core_restart(&rig, false);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    MUST_EQ(core_create(&rig, NULL, "b", NULL), ERR_OK);
    for (unsigned key = 0; key < FAULT_KEYS; key++)
        core_set(&rig, "a", key, 1);
    for (uint64_t n = 1; fired && n < 400; n++) {
        uint64_t commit = commit_with_fault(&rig, n, &fired), stands;

        if (commit)
            was_n = n;
        kept += commit != 0;
        stands = was_n ? 1000 + was_n : 1;
        if (n % 16 == 0) {
            core_amalgamate(&rig);
            core_restart(&rig, n % 32 == 0);
        }
        for (unsigned key = 0; key < FAULT_KEYS; key++) {
            uint64_t value = core_value(&rig, "a", key);

            MUST_EQ(value, key == 3 && was_n ? 0 : stands);
        }
        MUST_EQ(core_value(&rig, "b", 1), was_n ? stands : 0);
        if (was_n)
            core_set(&rig, "a", 3, stands); /* so that there is something to delete */
        if (was_n)
            MUST_EQ(core_delete(&rig, NULL, "a", 3, NULL), ERR_OK);
    }
    MUST(kept > 0 && !fired);
    core_close(&rig);
}
END_TEST

/* An operator who must make room can: what frees space has a part of the log for itself. */
START_TEST(on_a_full_disk_what_frees_space_still_works)
{
    struct core_rig rig;
    unsigned key = 0;
    enum err e;

    core_open(&rig, 31);
    MUST_EQ(core_create(&rig, NULL, "a", NULL), ERR_OK);
    MUST_EQ(core_create(&rig, NULL, "b", NULL), ERR_OK);
    MUST_EQ(core_create(&rig, NULL, "c", NULL), ERR_OK);
    core_set(&rig, "b", 1, 1);
    core_set(&rig, "c", 1, 1);
    core_settle(&rig);
    sim_set_disk_limit(rig.sim, sim_disk_used(rig.sim));
    do
        e = core_put(&rig, NULL, "a", key++, 1);
    while (e == ERR_OK);
    MUST_EQ(e, ERR_NO_SPACE);
    MUST_EQ(core_delete(&rig, NULL, "a", 0, NULL), ERR_OK);
    MUST_EQ(core_clear(&rig, NULL, "b"), ERR_OK);
    MUST_EQ(core_drop(&rig, NULL, "c"), ERR_OK);
    MUST_EQ(core_put(&rig, NULL, "b", 2, 1), ERR_NO_SPACE);
    core_settle(&rig);
    sim_set_disk_limit(rig.sim, SIM_LIMIT_NONE);
    core_restart(&rig, true);
    MUST_EQ(core_value(&rig, "a", 0), 0);
    MUST_EQ(core_value(&rig, "a", 1), 1);
    MUST_EQ(core_value(&rig, "b", 1), 0);
    MUST_EQ(core_drop(&rig, NULL, "c"), ERR_NO_STORE);
    core_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("txn limits");
    TCase *tc = tcase_create("limits");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, a_transaction_that_was_ended_is_told_so_and_commits_nothing, 0, 3);
    tcase_add_test(tc, on_a_full_disk_what_frees_space_still_works);
    tcase_add_test(tc, a_transaction_may_write_so_much_and_stays_open_beyond);
    tcase_add_loop_test(tc, a_client_may_write_no_more_than_it_leaves_free, 0, 2);
    tcase_add_test(tc, the_connections_of_a_client_share_its_part);
    tcase_add_test(tc, a_small_transaction_may_write_when_others_have_taken_all);
    tcase_add_loop_test(tc, writes_and_reads_are_counted_to_their_client_until_they_end, 0, 4);
    tcase_add_test(tc, beyond_what_may_be_held_the_oldest_writer_goes);
    tcase_add_test(tc, limits_that_a_transaction_sets_are_its_own);
    tcase_add_loop_test(tc, many_old_writers_stay_within_what_may_be_held, 0, 2);
    tcase_add_test(tc, waiting_for_the_server_is_not_idle);
    tcase_add_test(tc, readers_of_many_commits_of_one_stage_get_roots_of_their_own);
    tcase_add_loop_test(tc, more_readers_than_that_keep_their_stage_within_what_may_be_held, 0,
                        2);
    tcase_add_loop_test(tc, roots_that_old_readers_keep_stay_within_their_memory, 0, 2);
    tcase_add_test(tc, generators_go_on_behind_what_they_have_given_over_restarts);
    tcase_add_loop_test(tc, whichever_allocation_fails_a_commit_happens_wholly_or_not_at_all, 0,
                        2);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
