/* test_record_update.c - `update` of records: one step by itself, whatever it had to wait for;
 * a read and a write in a transaction; the number of the commit. */
#include "server/txn/savepoint.h"
#include "tests/unit/core_rig.h"
#include "tests/unit/notation.h"

#include <string.h>

#define MANY 400 /* records: some pages */
#define CLIENTS 64

/* [["add", [0], 1]] of the rig's records, which are [number, padding] */
#define ADD_ONE "\x91\x93\xa3" "add\x91\x00\x01"
/* [["set", [], {}], ["commit", "at"]] and [["commit", "b"], ["append", "l", 1]] */
#define NEW_AT "\x92\x93\xa3set\x90\x80\x92\xa6" "commit\xa2" "at"
#define MORE "\x92\x92\xa6" "commit\xa1" "b\x93\xa6" "append\xa1l\x01"
#define CHANGES(text) slice_make(text, sizeof(text) - 1)

struct client {
    struct op op;
    bool is_woken, is_done;
};

static void on_wake(struct op *op)
{
    ((struct client *)(void *)((char *)op - offsetof(struct client, op)))->is_woken = true;
}

static struct record_changes changes_of(unsigned key, struct slice changes, uint8_t room[16])
{
    return (struct record_changes){
        .store = slice_text("s"),
        .key = slice_make(room, msgpack_put_uint(room, key)),
        .changes = changes,
        .upsert = true,
    };
}

static enum err update(struct client *c, struct txn *t, unsigned key, struct slice changes,
                       struct slice *value)
{
    uint8_t room[16];
    struct record_changes asked = changes_of(key, changes, room);

    return record_update(&c->op, t, &asked, value);
}

/* The committed record; c.op lends it. */
static struct slice read_record(struct core_rig *rig, struct client *c, unsigned key)
{
    uint8_t room[16];
    struct slice value;
    enum err e;

    core_settle(rig);
    op_init(&c->op, rig->db, on_wake);
    while ((e = record_get(&c->op, NULL, slice_text("s"),
                           slice_make(room, msgpack_put_uint(room, key)), &value)) == ERR_WAIT)
        core_settle(rig);
    MUST_EQ(e, ERR_OK);
    MUST(!slice_is_none(value));
    return value;
}

/* The number in a record of the rig. */
static void check_first(struct core_rig *rig, unsigned key, uint64_t expected)
{
    struct client c = {.is_woken = false};
    struct msgpack_cursor at = msgpack_open(read_record(rig, &c, key));
    uint32_t count;
    uint64_t n = 0;

    MUST(!msgpack_read_array(&at, &count) && !msgpack_read_uint(&at, &n));
    MUST_EQ(n, expected);
    op_fini(&c.op);
}

/* MANY records of "s" in the primary, of which no page is in memory. */
static void open_cold(struct core_rig *rig)
{
    core_open(rig, 1);
    MUST_EQ(core_create(rig, NULL, "s", NULL), ERR_OK);
    for (unsigned key = 0; key < MANY; key++)
        core_set(rig, "s", key, 1000);
    core_amalgamate(rig);
    core_restart(rig, false);
    sim_knobs(rig->sim)->wait_percent = 100; /* nor in the memory of the system */
}

/* Whoever must wait for a page has an old snapshot when it comes; others commit meanwhile. */
START_TEST(an_update_that_had_to_wait_meets_nobody)
{
    static struct client clients[CLIENTS];
    unsigned waited = 0, done = 0;
    struct core_rig rig;
    uint64_t conflicts;

    open_cold(&rig);
    conflicts = core_status(&rig).conflicts;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct slice value;

        op_init(&clients[i].op, rig.db, on_wake);
        clients[i].is_woken = clients[i].is_done = false;
        waited += update(&clients[i], NULL, 7, CHANGES(ADD_ONE), &value) == ERR_WAIT;
    }
    MUST_EQ(waited, CLIENTS);
    MUST_EQ(core_put(&rig, NULL, "s", 7, 2000), ERR_OK); /* it reads nothing, and waits not */
    for (unsigned turn = 0; turn < 10000 && done < CLIENTS; turn++) {
        db_turn(rig.db);
        db_tick(rig.db);
        sim_step(rig.sim);
        for (unsigned i = 0; i < CLIENTS; i++) {
            struct client *c = &clients[i];
            struct slice value;
            enum err e;

            if (c->is_done || !c->is_woken)
                continue;
            c->is_woken = false;
            e = update(c, NULL, 7, CHANGES(ADD_ONE), &value);
            if (e == ERR_WAIT)
                continue;
            MUST_EQ(e, ERR_OK);
            MUST_EQ(c->op.losses, 0);
            c->is_done = true;
            done++;
            op_fini(&c->op);
        }
    }
    MUST_EQ(done, CLIENTS);
    check_first(&rig, 7, 2000 + CLIENTS);
    MUST_EQ(core_status(&rig).conflicts, conflicts);
    core_close(&rig);
}
END_TEST

/* One that is given up while it waits has changed nothing, and leaves nothing. */
START_TEST(an_update_that_is_given_up_changes_nothing)
{
    struct client c = {.is_woken = false};
    struct core_rig rig;
    struct slice value;

    open_cold(&rig);
    op_init(&c.op, rig.db, on_wake);
    MUST_EQ(update(&c, NULL, 7, CHANGES(ADD_ONE), &value), ERR_WAIT);
    op_fini(&c.op);
    check_first(&rig, 7, 1000);
    core_close(&rig);
}
END_TEST

static uint64_t number_at(struct slice document, const char *field)
{
    struct msgpack_cursor c = msgpack_open(document);
    uint32_t pairs;
    struct slice name;
    uint64_t n = 0;

    MUST(!msgpack_read_map(&c, &pairs));
    for (uint32_t i = 0; i < pairs; i++) {
        MUST(!msgpack_read_text(&c, &name));
        if (slice_equal(name, slice_text(field))) {
            MUST(!msgpack_read_uint(&c, &n));
            return n;
        }
        MUST(!msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL));
    }
    ck_abort_msg("no field %s", field);
}

static void check_numbers(struct core_rig *rig, unsigned key, uint64_t at, uint64_t b)
{
    struct client c = {.is_woken = false};
    struct slice value = read_record(rig, &c, key);

    MUST_EQ(number_at(value, "at"), at);
    if (b)
        MUST_EQ(number_at(value, "b"), b);
    op_fini(&c.op);
}

START_TEST(the_commit_fills_in_its_number_whatever_was_taken_back)
{
    struct client c = {.is_woken = false};
    struct savepoint savepoint;
    uint64_t commit, later;
    struct core_rig rig;
    struct slice value;
    struct txn *t;

    core_open(&rig, 1);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    op_init(&c.op, rig.db, on_wake);
    t = core_begin(&rig, "t", NULL);
    MUST_EQ(update(&c, t, 1, CHANGES(NEW_AT), &value), ERR_OK);
    MUST_EQ(number_at(value, "at"), 0); /* until then */
    MUST_EQ(update(&c, t, 2, CHANGES(NEW_AT), &value), ERR_OK);
    MUST_EQ(update(&c, t, 3, CHANGES(NEW_AT), &value), ERR_OK);
    savepoint_set(t, &savepoint);
    MUST_EQ(update(&c, t, 1, CHANGES(MORE), &value), ERR_OK);
    MUST_EQ(core_put(&rig, t, "s", 2, 5), ERR_OK);
    MUST_EQ(core_delete(&rig, t, "s", 3, NULL), ERR_OK);
    MUST(savepoint_rollback(t, &savepoint, 100));
    savepoint_release(t);
    MUST_EQ(update(&c, t, 3, CHANGES(MORE), &value), ERR_OK);
    op_fini(&c.op);
    MUST_EQ(core_commit(&rig, t, &commit), ERR_OK);
    check_numbers(&rig, 1, commit, 0);
    check_numbers(&rig, 2, commit, 0);
    check_numbers(&rig, 3, commit, commit);
    op_init(&c.op, rig.db, on_wake);
    MUST_EQ(update(&c, NULL, 1, CHANGES(MORE), &value), ERR_OK);
    later = number_at(value, "b");
    MUST(later > commit);
    MUST_EQ(later, c.op.committed);
    MUST_EQ(number_at(value, "at"), commit);
    op_fini(&c.op);
    core_settle(&rig);
    core_restart(&rig, true);
    check_numbers(&rig, 1, commit, later);
    core_amalgamate(&rig);
    check_numbers(&rig, 1, commit, later);
    check_numbers(&rig, 3, commit, commit);
    core_close(&rig);
}
END_TEST

/* A value that is written over takes no number, not even where it lay in the same memory. */
START_TEST(a_put_over_a_marked_record_is_kept_byte_for_byte)
{
    struct client c = {.is_woken = false};
    struct core_rig rig;
    struct slice value;
    struct txn *t;

    core_open(&rig, 1);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    t = core_begin(&rig, "t", NULL);
    MUST_EQ(core_put(&rig, t, "s", 1, 77), ERR_OK);
    op_init(&c.op, rig.db, on_wake);
    MUST_EQ(update(&c, t, 1, CHANGES("\x91\x92\xa6" "commit\x91\x00"), &value), ERR_OK);
    op_fini(&c.op);
    MUST_EQ(core_put(&rig, t, "s", 1, 78), ERR_OK);
    MUST_EQ(core_put(&rig, t, "s", 1, 79), ERR_OK);
    MUST_EQ(core_commit(&rig, t, NULL), ERR_OK);
    MUST_EQ(core_value(&rig, "s", 1), 79);
    core_close(&rig);
}
END_TEST

/* Whichever allocation fails, it happens wholly or not at all. */
/* A record with a key in an array is put, and not made by an update. _i: the place. */
START_TEST(a_key_in_an_array_is_not_made)
{
    struct buffer key = packed(_i ? "[[\"l\", 1]]" : "[[\"l\", 0]]");
    struct store_options options = {.key = buffer_slice(&key)};
    struct core_rig rig;
    struct client c = {.is_done = false};
    struct slice value;
    uint64_t count;

    core_open(&rig, 41);
    MUST_EQ(core_create(&rig, NULL, "s", &options), ERR_OK);
    core_settle(&rig);
    op_init(&c.op, rig.db, on_wake);
    MUST_EQ(update(&c, NULL, 7, CHANGES(MORE), &value), ERR_BAD_KEY);
    MUST(strstr(c.op.failure.text, "put the record"));
    op_fini(&c.op);
    MUST_EQ(core_count(&rig, NULL, "s", 0, 9, &count), ERR_OK);
    MUST_EQ(count, 0);
    buffer_fini(&key);
    core_close(&rig);
}
END_TEST

START_TEST(an_update_survives_failed_allocations)
{
    static const char large[] = "\x91\x93\xa3set\x91\x01\xc5\x10\x00";
    static uint8_t changes[sizeof large - 1 + 4096];

    memcpy(changes, large, sizeof large - 1);
    for (unsigned at = 0; at < 40; at++) {
        struct client c = {.is_woken = false};
        struct core_rig rig;
        struct slice value;
        struct txn *t;
        enum err e;

        core_open(&rig, 1);
        MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
        core_set(&rig, "s", 1, 5);
        t = core_begin(&rig, "t", NULL);
        op_init(&c.op, rig.db, on_wake);
        sim_fail_alloc_at(rig.sim, at / 2 + 1);
        e = update(&c, at & 1 ? t : NULL, 1, slice_make(changes, sizeof changes), &value);
        sim_fail_clear(rig.sim);
        MUST(e == ERR_OK || e == ERR_NOMEM);
        op_fini(&c.op);
        core_rollback(&rig, t);
        core_close(&rig);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("record_update");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_set_timeout(all, 60);
    tcase_add_test(all, an_update_that_had_to_wait_meets_nobody);
    tcase_add_test(all, an_update_that_is_given_up_changes_nothing);
    tcase_add_test(all, the_commit_fills_in_its_number_whatever_was_taken_back);
    tcase_add_test(all, a_put_over_a_marked_record_is_kept_byte_for_byte);
    tcase_add_loop_test(all, a_key_in_an_array_is_not_made, 0, 2);
    tcase_add_test(all, an_update_survives_failed_allocations);
    suite_add_tcase(s, all);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
