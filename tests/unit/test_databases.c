/* Databases in the core: their rows, and lives of openers, upgrades and drops in any order. After
 * every step whoever waits has a reason to, the version is what the last commit says, and in the
 * end nobody is left. */
#include "server/txn/database.h"
#include "server/txn/database_list.h"
#include "server/txn/catalogue.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/db_struct.h"
#include "server/txn/lock_request.h"
#include "server/txn/lock_wait.h"
#include "server/txn/opening.h"
#include "server/txn/txn_struct.h"
#include "server/txn/upgrade.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>

/* ---- rows ---- */

static struct row_name row_of(const char *database, const char *store)
{
    return (struct row_name){slice_text(database), store ? slice_text(store) : SLICE_NONE};
}

static bool row_key_is(struct row_name of, const char *bytes, size_t size)
{
    uint8_t key[KEY_BYTES_MAX];

    return slice_equal(slice_make(key, catalogue_row_key(of, key)),
                       slice_make((const uint8_t *)bytes, size));
}

#define IS_KEY(of, bytes) MUST(row_key_is(of, bytes, sizeof bytes - 1))

START_TEST(rows_have_golden_bytes)
{
    static const char row[] = "\x81\xa7version\x07";
    uint8_t bytes[DATABASE_ROW_BYTES_MAX];
    uint64_t version;

    IS_KEY(row_of("main", "s"), "\x38s\x00\x01"); /* as before there were databases */
    IS_KEY(row_of("x", NULL), "\x3c\x38x\x00\x01\x00");
    IS_KEY(row_of("x", "s"), "\x3c\x38x\x00\x01\x38s\x00\x01\x00");
    IS_KEY(row_of("main", NULL), "\x3c\x38main\x00\x01\x00");
    IS_KEY(row_of("", "s"), "\x3c\x38\x00\x01\x38s\x00\x01\x00");
    MUST_EQ(database_row_write(7, bytes), sizeof row - 1);
    MUST_EQ(memcmp(bytes, row, sizeof row - 1), 0);
    MUST_EQ(database_row_read(slice_make(bytes, sizeof row - 1), &version), ERR_OK);
    MUST_EQ(version, 7);
    MUST(database_row_read(slice_make(bytes, sizeof row - 2), &version) != ERR_OK);
    MUST(database_row_read(slice_text("\x80"), &version) != ERR_OK);
}
END_TEST

START_TEST(keys_of_rows_come_back_and_stand_together)
{
    static const char *const names[] = {"", "a", "main", "mai", "mainx", "\xc3\xa9", "z"};
    uint8_t begin[KEY_BYTES_MAX], key[KEY_BYTES_MAX], room[KEY_PLAIN_BYTES_MAX];
    struct row_name none;

    for (size_t d = 0; d < sizeof names / sizeof *names; d++) {
        size_t size = catalogue_rows_begin(slice_text(names[d]), begin);

        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            for (size_t s = 0; s < sizeof names / sizeof *names; s++) {
                struct slice k =
                    slice_make(key, catalogue_row_key(row_of(names[n], names[s]), key));
                struct row_name of;

                MUST_EQ(slice_starts_with(k, slice_make(begin, size)), d == n);
                MUST_EQ(catalogue_row_name(k, room, &of), ERR_OK);
                MUST(slice_equal(of.database, slice_text(names[n])));
                MUST(slice_equal(of.name, slice_text(names[s])));
            }
        }
    }
    MUST_EQ(catalogue_row_name(slice_text("\x02"), room, &none), ERR_CORRUPT);
}
END_TEST

/* ---- files of before ---- */

START_TEST(stores_of_before_are_those_of_main)
{
    struct core_rig rig;
    struct catalogue *c;
    struct definition d = {.number = 5, .key = slice_text("\xc0")};
    uint8_t row[256], key[KEY_BYTES_MAX];
    struct failure f;

    core_open(&rig, 1);
    c = &rig.db->catalogue;
    failure_init(&f);
    MUST_EQ(c->databases.count, 0);
    MUST_EQ(catalogue_load(c, slice_make(key, catalogue_row_key(row_of("main", "old"), key)),
                           slice_make(row, catalogue_row_write(&d, row, sizeof row)), 1, 1,
                           SLICE_NONE, &f),
            ERR_OK);
    MUST_EQ(c->databases.count, 1); /* it has no row, and exists */
    MUST(!c->databases.main->is_marked && database_exists(c->databases.main));
    core_close(&rig);
}
END_TEST

/* ---- apart ---- */

static enum err create_in(struct core_rig *rig, struct txn *t, const char *database,
                          const char *store)
{
    struct store_options options = {.key = SLICE_NONE};
    struct database *d;
    struct failure f;
    enum err e;

    failure_init(&f);
    MUST_EQ(db_use_database(rig->db, slice_text(database), &d, &f), ERR_OK);
    op_init(&rig->op, rig->db, rig->op.wake);
    op_use_database(&rig->op, d);
    if (t && t->database != d)
        ck_abort_msg("of another database");
    e = store_create(&rig->op, t, slice_text(store), &options);
    MUST(e != ERR_WAIT);
    op_fini(&rig->op);
    db_leave_database(rig->db, d);
    return e;
}

static struct txn *begin_in(struct core_rig *rig, const char *database)
{
    struct txn_options options = {.wait_ms = UINT64_MAX};
    struct database *d;
    struct failure f;
    struct txn *t;

    failure_init(&f);
    MUST_EQ(db_use_database(rig->db, slice_text(database), &d, &f), ERR_OK);
    op_init(&rig->op, rig->db, rig->op.wake);
    op_use_database(&rig->op, d);
    MUST_EQ(txn_begin(&rig->op, &options, &t), ERR_OK);
    op_fini(&rig->op);
    db_leave_database(rig->db, d);
    return t;
}

static void nobody_blocks(struct op *op)
{
    ck_abort_msg("blocked: %p", (void *)op);
}

static void drop_now(struct core_rig *rig, const char *database)
{
    struct database_drop drop = {
        .name = slice_text(database), .wait_ms = UINT64_MAX, .blocked = nobody_blocks};
    enum err e;

    op_init(&rig->op, rig->db, rig->op.wake);
    while ((e = database_drop(&rig->op, &drop)) == ERR_WAIT)
        core_settle(rig);
    MUST_EQ(e, ERR_OK);
    op_fini(&rig->op);
}

START_TEST(stores_of_one_name_are_apart)
{
    struct core_rig rig;

    core_open(&rig, 2);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    op_fini(&rig.op);
    rig.has_op = false;
    MUST_EQ(create_in(&rig, NULL, "x", "s"), ERR_OK);
    MUST_EQ(create_in(&rig, NULL, "y", "s"), ERR_OK);
    MUST_EQ(create_in(&rig, NULL, "y", "s"), ERR_EXISTS);
    MUST_EQ(core_status(&rig).databases, 3);
    core_settle(&rig);
    core_restart(&rig, true);
    MUST_EQ(core_status(&rig).databases, 3);
    MUST_EQ(create_in(&rig, NULL, "x", "s"), ERR_EXISTS);
    drop_now(&rig, "x");
    MUST_EQ(core_status(&rig).databases, 2);
    MUST_EQ(core_status(&rig).stores, 2);
    MUST_EQ(create_in(&rig, NULL, "x", "s"), ERR_OK);
    core_close(&rig);
}
END_TEST

START_TEST(two_make_a_database_and_neither_loses)
{
    struct core_rig rig;
    struct txn *a, *b;
    uint64_t commit;

    core_open(&rig, 3);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    op_fini(&rig.op);
    rig.has_op = false;
    a = begin_in(&rig, "x");
    b = begin_in(&rig, "x");
    MUST_EQ(create_in(&rig, a, "x", "p"), ERR_OK);
    MUST_EQ(create_in(&rig, b, "x", "q"), ERR_OK);
    MUST_EQ(core_commit(&rig, a, &commit), ERR_OK);
    MUST_EQ(core_commit(&rig, b, &commit), ERR_OK);
    MUST_EQ(core_status(&rig).databases, 2);
    op_fini(&rig.op);
    rig.has_op = false;
    a = begin_in(&rig, "x"); /* before it is dropped */
    drop_now(&rig, "x");
    MUST_EQ(create_in(&rig, a, "x", "r"), ERR_CONFLICT);
    txn_rollback(a);
    MUST_EQ(core_status(&rig).databases, 1);
    core_close(&rig);
}
END_TEST

/* ---- listing ---- */

enum { HIDDEN = 600 }; /* rows of databases that are not seen: more than a turn goes through */

struct listed {
    struct database_listing listing;
    unsigned count, max;
    char names[8][32];
    unsigned turns;
};

static bool is_listed(void *context, struct slice name)
{
    (void)context;
    return name.size < 6; /* the hidden ones have longer names */
}

static void note_database(void *context, const struct database_info *info)
{
    struct listed *l = context;

    MUST(l->count < 8 && info->name.size < 6 && !l->listing.has_next);
    memset(l->names[l->count], 0, sizeof l->names[0]);
    memcpy(l->names[l->count++], info->name.data, info->name.size);
    l->listing.is_full = l->count == l->max;
}

/* The arguments are made anew at each turn, as the server does. */
static void list_page(struct core_rig *rig, struct slice from, unsigned max, struct listed *l)
{
    enum err e;

    memset(l, 0, sizeof *l);
    l->max = max;
    op_init(&rig->op, rig->db, rig->op.wake);
    do {
        l->turns++;
        l->listing = (struct database_listing){
            .context = l, .sees = is_listed, .each = note_database, .from = from};
        e = databases_list(&rig->op, &l->listing);
        core_settle(rig);
    } while (e == ERR_WAIT);
    MUST_EQ(e, ERR_OK);
    op_fini(&rig->op);
}

/* Every page, from every name, of every length; over turns, and with rows that are not shown. */
START_TEST(pages_of_databases_are_parts_of_the_list)
{
    static const char *const names[] = {"", "h", "mai", "main", "main0", "z"};
    enum { COUNT = sizeof names / sizeof *names };
    struct core_rig rig;
    struct listed l;

    core_open(&rig, 4);
    MUST_EQ(core_create(&rig, NULL, "s", NULL), ERR_OK);
    op_fini(&rig.op);
    rig.has_op = false;
    for (unsigned i = 0; i < COUNT; i++) {
        MUST_EQ(create_in(&rig, NULL, names[i], "t"), ERR_OK);
        MUST_EQ(create_in(&rig, NULL, names[i], "u"), ERR_OK);
    }
    for (unsigned i = 0; i < HIDDEN; i++) { /* before "main", and behind it */
        char name[32];

        snprintf(name, sizeof name, "%s%04u", i % 2 ? "hidden" : "p-hidden", i);
        MUST_EQ(create_in(&rig, NULL, name, "s"), ERR_OK);
    }
    MUST_EQ(core_create(&rig, NULL, "last", NULL), ERR_OK);
    core_settle(&rig);
    MUST(core_may_tell(&rig)); /* a list has what somebody has been told of */
    op_fini(&rig.op);
    rig.has_op = false;
    for (unsigned from = 0; from < COUNT; from++) {
        for (unsigned max = 1; max <= COUNT; max++) {
            unsigned left = COUNT - from, count = max < left ? max : left;

            list_page(&rig, from ? slice_text(names[from]) : SLICE_NONE, max, &l);
            MUST_EQ(l.count, count);
            for (unsigned i = 0; i < count; i++)
                ck_assert_str_eq(l.names[i], names[from + i]);
            MUST_EQ(l.listing.has_next, from + count < COUNT);
            if (l.listing.has_next)
                MUST(slice_equal(slice_make(l.listing.next, l.listing.next_size),
                                 slice_text(names[from + count])));
        }
    }
    list_page(&rig, slice_text("h"), 1, &l);
    MUST(l.turns > 1); /* on the way to the next name */
    core_close(&rig);
}
END_TEST

/* ---- lives ---- */

enum { ACTORS = 6, STEPS = 6000 };
enum doing { NOTHING, ATTACH, UPGRADE, DROP };

struct life;

struct actor {
    struct life *life;
    struct op op;
    struct opener opener; /* in use while it has a database */
    enum doing doing;
    bool is_woken, is_asked, was_blocked;
    struct txn *txn; /* its upgrade's */
    uint64_t to;
    struct attach attach;
    struct upgrade upgrade;
    struct database_drop drop;
    struct txn_options options;
    uint64_t asked_ms, wait_ms;
};

struct life {
    struct core_rig rig;
    struct actor actors[ACTORS];
    struct txn *lock; /* of somebody who never attaches, and has a store for himself */
    uint64_t version; /* committed */
    unsigned upgrades, drops, refused, timeouts, locks_waited, killed;
};

static struct actor *actor_of(struct op *op)
{
    return LIST_ENTRY(op, struct actor, op);
}

static void actor_wake(struct op *op)
{
    actor_of(op)->is_woken = true;
}

static void actor_blocked(struct op *op)
{
    struct actor *a = actor_of(op);

    MUST(!a->was_blocked); /* once */
    a->was_blocked = true;
    MUST(claim_others(op->claim) > 0);
}

static void actor_tell(struct opener *o, enum opener_event event)
{
    struct actor *a = LIST_ENTRY(o, struct actor, opener);

    if (event == OPENER_ASKED) {
        MUST(o->is_attached && o->is_asked);
        a->is_asked = true;
    }
}

static bool is_opener(const struct actor *a)
{
    return a->opener.database != NULL;
}

static struct database *life_database(struct life *l)
{
    struct database *d;
    struct failure f;

    failure_init(&f);
    MUST_EQ(db_use_database(l->rig.db, slice_text("x"), &d, &f), ERR_OK);
    return d;
}

/* It has been answered. */
static void actor_answered(struct life *l, struct actor *a, enum err e)
{
    struct database *d = life_database(l);

    l->refused += e != ERR_OK;
    if (e == ERR_LOCK_TIMEOUT) {
        l->timeouts++;
        MUST(l->rig.db->pulse.now_ms - a->asked_ms >= a->wait_ms);
        MUST(a->op.failure.limit && a->op.failure.limit_max <= a->op.failure.limit_size);
    }
    switch (a->doing) {
    case ATTACH:
        MUST(e == ERR_OK || e == ERR_BAD_VERSION || e == ERR_CANCELLED ||
             e == ERR_BAD_REQUEST || e == ERR_LOCK_TIMEOUT);
        MUST(e != ERR_BAD_VERSION ||
             (a->attach.version < l->version && a->op.failure.version == l->version));
        MUST(e || a->attach.found == l->version);
        MUST(e || a->opener.is_attached || a->attach.may_upgrade);
        break;
    case UPGRADE:
        MUST(!e == (a->txn != NULL));
        MUST(e || d->opening.attached_count == a->opener.is_attached); /* alone */
        break;
    case DROP:
        MUST(e || a->drop.version == l->version);
        MUST(e || (!database_exists(d) && !d->opening.attached_count));
        l->version = e ? l->version : 0;
        l->drops += !e;
        break;
    default: MUST(false);
    }
    db_leave_database(l->rig.db, d);
    a->doing = NOTHING;
    op_fini(&a->op);
}

static void actor_call(struct life *l, struct actor *a)
{
    enum err e;

    a->is_woken = false;
    switch (a->doing) {
    case ATTACH: e = opening_attach(&a->op, &a->opener, &a->attach); break;
    case UPGRADE: e = upgrade_begin(&a->op, &a->upgrade, &a->txn); break;
    default: e = database_drop(&a->op, &a->drop);
    }
    if (e != ERR_WAIT)
        actor_answered(l, a, e);
}

static void actor_ask(struct life *l, struct actor *a, enum doing doing)
{
    MUST(a->doing == NOTHING);
    op_init(&a->op, l->rig.db, actor_wake);
    if (is_opener(a))
        op_use_database(&a->op, a->opener.database);
    a->doing = doing;
    a->asked_ms = l->rig.db->pulse.now_ms;
    a->was_blocked = false;
    actor_call(l, a);
}

static void actor_detach(struct actor *a)
{
    struct txn *t = a->txn;

    opening_end(&a->opener);
    a->is_asked = false;
    MUST(!t || t->failure.error);
    if (t)
        txn_rollback(t);
    a->txn = NULL;
}

/* How long the next request waits. */
static uint64_t actor_wait(struct life *l, struct actor *a)
{
    uint64_t some = sim_chance(l->rig.sim, 20) ? 0 : sim_random(l->rig.sim, 60000);

    a->wait_ms = sim_chance(l->rig.sim, 70) ? UINT64_MAX : some;
    return a->wait_ms;
}

static void actor_attach(struct life *l, struct actor *a)
{
    uint64_t wait_ms = actor_wait(l, a);

    if (!is_opener(a)) {
        opening_begin(&a->opener, l->rig.db, life_database(l));
        a->opener.tell = actor_tell;
    }
    a->attach = (struct attach){.has_version = sim_chance(l->rig.sim, 70),
                                .wait_ms = wait_ms,
                                .version = l->version + sim_random(l->rig.sim, 3)};
    if (a->attach.has_version && a->attach.version > 0)
        a->attach.version--;
    actor_ask(l, a, ATTACH);
}

/* Each upgrade puts another store in the place of the one before. */
static void actor_work(struct life *l, struct actor *a)
{
    struct store_options options = {.key = SLICE_NONE};
    char name[32];
    struct op op;

    op_init(&op, l->rig.db, actor_wake);
    op_use_database(&op, a->txn->database);
    if (l->version) {
        snprintf(name, sizeof name, "v%llu", (unsigned long long)l->version);
        MUST_EQ(store_drop(&op, a->txn, slice_text(name)), ERR_OK);
    }
    snprintf(name, sizeof name, "v%llu", (unsigned long long)a->to);
    MUST_EQ(store_create(&op, a->txn, slice_text(name), &options), ERR_OK);
    op_fini(&op);
}

static void actor_end_txn(struct life *l, struct actor *a, bool commits)
{
    struct txn *t = a->txn;
    uint64_t commit;
    struct op op;
    enum err e = ERR_OK;

    a->txn = NULL;
    if (!commits) {
        txn_rollback(t);
        MUST(!a->opener.is_attached);
        return;
    }
    op_init(&op, l->rig.db, actor_wake);
    op_use_database(&op, t->database);
    while ((e = txn_commit(&op, t, SLICE_NONE, &commit)) == ERR_WAIT)
        db_turn(l->rig.db);
    op_fini(&op);
    MUST_EQ(e, ERR_OK); /* who has the database locked never loses */
    l->version = a->to;
    l->upgrades++;
    MUST(a->opener.is_attached);
}

static void actor_upgrade(struct life *l, struct actor *a)
{
    a->to = l->version + 1 + sim_random(l->rig.sim, 2);
    a->upgrade = (struct upgrade){.opener = is_opener(a) ? &a->opener : NULL,
                                  .to = a->to,
                                  .options = &a->options,
                                  .blocked = actor_blocked};
    a->options.wait_ms = actor_wait(l, a);
    actor_ask(l, a, UPGRADE);
}

/* One of the things that it can do now. */
static void actor_act(struct life *l, struct actor *a)
{
    uint64_t dice = sim_random(l->rig.sim, 10);

    if (a->is_asked && dice < 2) {
        a->is_asked = false;
        opener_answer(&a->opener);
    } else if (a->txn && a->doing == NOTHING && dice < 8) {
        if (!a->txn->failure.error && dice < 6)
            actor_work(l, a);
        actor_end_txn(l, a, !a->txn->failure.error && dice < 6);
    } else if (a->doing != NOTHING && dice < 1) {
        op_fini(&a->op); /* given up */
        a->doing = NOTHING;
    } else if (is_opener(a) && (dice < 4 || !opener_is_open(&a->opener))) {
        if (a->doing == NOTHING || a->doing != DROP || !a->opener.claim)
            actor_detach(a);
    } else if (a->doing == NOTHING && !a->txn && dice < 7) {
        actor_attach(l, a);
    } else if (a->doing == NOTHING && !a->txn && dice < 9) {
        actor_upgrade(l, a);
    } else if (a->doing == NOTHING && !a->txn) {
        a->drop = (struct database_drop){
            .name = slice_text("x"), .wait_ms = actor_wait(l, a), .blocked = actor_blocked};
        actor_ask(l, a, DROP);
    }
}

/* Somebody takes a lock if it is to be had, or lets go of it; what waits for it may be killed. */
static void life_lock(struct life *l)
{
    struct txn_options options = {.lock = slice_text("\x81\xa9" "exclusive\x91\xa2v1")};
    struct actor *a = &l->actors[sim_random(l->rig.sim, ACTORS)];
    struct database *d;
    struct failure f;
    struct op op;
    enum err e;

    failure_init(&f);
    if (a->doing != NOTHING && lock_wait_is_on(&a->op)) {
        l->locks_waited++;
        if (sim_chance(l->rig.sim, 30)) {
            MUST_EQ(db_kill(l->rig.db, a->op.lock->lock.version, &f), ERR_OK);
            l->killed++;
        }
        return;
    }
    if (l->lock) {
        if (sim_chance(l->rig.sim, 30)) {
            txn_rollback(l->lock);
            l->lock = NULL;
        }
        return;
    }
    d = life_database(l);
    op_init(&op, l->rig.db, actor_wake);
    op_use_database(&op, d);
    e = lock_begin(&op, &options, &l->lock);
    MUST(e == ERR_OK || e == ERR_LOCK_TIMEOUT);
    op_fini(&op);
    db_leave_database(l->rig.db, d);
}

static void life_settle(struct life *l)
{
    bool turns = sim_chance(l->rig.sim, 50); /* else those who were woken before come first */

    for (bool again = true; again; turns = true) {
        if (turns)
            db_turn(l->rig.db);
        again = sim_step(l->rig.sim) || !turns;
        for (unsigned i = 0; i < ACTORS; i++) {
            struct actor *a = &l->actors[i];

            if (!a->is_woken)
                continue;
            again = true;
            if (a->doing != NOTHING)
                actor_call(l, a);
            a->is_woken = false;
        }
    }
}

/* No lost wake-up: whoever waits has a reason to. */
static void life_check(struct life *l)
{
    struct database *d = life_database(l);

    MUST(db_check(l->rig.db));
    MUST_EQ(d->version, l->version);
    MUST_EQ(d->stores, l->version != 0);
    MUST_EQ(l->rig.db->catalogue.databases.count, l->version != 0);
    for (unsigned i = 0; i < ACTORS; i++) {
        const struct actor *a = &l->actors[i];
        const struct claim *claim = a->doing != NOTHING ? a->op.claim : NULL;

        if (a->doing == NOTHING)
            continue;
        MUST(claim && claim->state != CLAIM_ENDED);
        if (claim_is_in_front(claim))
            MUST(claim->state == CLAIM_ASKING ? d->opening.asked_count > 0
                 : claim->state == CLAIM_LOCKING
                     ? l->lock && !l->lock->failure.error
                     : claim->state == CLAIM_BLOCKED && claim_others(claim));
    }
    db_leave_database(l->rig.db, d);
}

static void life_end_all(struct life *l)
{
    if (l->lock)
        txn_rollback(l->lock);
    l->lock = NULL;
    for (unsigned i = 0; i < ACTORS; i++) {
        struct actor *a = &l->actors[i];

        if (a->doing != NOTHING)
            op_fini(&a->op);
        a->doing = NOTHING;
        if (is_opener(a))
            actor_detach(a);
        memset(&a->opener, 0, sizeof a->opener);
    }
    life_settle(l);
    MUST(list_is_empty(&l->rig.db->openings.claims));
    life_check(l);
}

static void live(uint64_t seed)
{
    static struct life l;

    memset(&l, 0, sizeof l);
    core_open(&l.rig, seed);
    for (unsigned step = 0; step < STEPS; step++) {
        actor_act(&l, &l.actors[sim_random(l.rig.sim, ACTORS)]);
        if (sim_chance(l.rig.sim, 30)) { /* who has been woken comes later, or is woken again */
            db_turn(l.rig.db);
            continue;
        }
        if (sim_chance(l.rig.sim, 10))
            life_lock(&l);
        life_settle(&l);
        life_check(&l);
        if (sim_chance(l.rig.sim, 1)) { /* time for who does not use its turn or answer */
            sim_advance_ms(l.rig.sim, 40000);
            db_tick(l.rig.db);
            for (unsigned i = 0; i < ACTORS; i++)
                l.actors[i].is_asked = l.actors[i].is_asked && l.actors[i].opener.is_asked;
            life_settle(&l);
        }
        if (sim_random(l.rig.sim, 200) == 0) {
            life_end_all(&l);
            core_restart(&l.rig, sim_chance(l.rig.sim, 50));
            life_check(&l); /* of before, or of after: what was committed */
        }
    }
    MUST(l.upgrades > 10 && l.drops > 0 && l.refused > 10);
    MUST(l.timeouts > 5 && l.locks_waited > 5 && l.killed > 0);
    life_end_all(&l);
    core_close(&l.rig);
}

START_TEST(lives_of_openers_lose_no_wakeup_and_leave_nobody)
{
    live(100 + (uint64_t)_i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("databases");
    TCase *rows = tcase_create("rows"), *lives = tcase_create("lives");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(rows, rows_have_golden_bytes);
    tcase_add_test(rows, keys_of_rows_come_back_and_stand_together);
    tcase_add_test(rows, stores_of_before_are_those_of_main);
    tcase_add_test(rows, stores_of_one_name_are_apart);
    tcase_add_test(rows, two_make_a_database_and_neither_loses);
    tcase_add_test(rows, pages_of_databases_are_parts_of_the_list);
    suite_add_tcase(suite, rows);
    tcase_set_timeout(lives, 0);
    tcase_add_loop_test(lives, lives_of_openers_lose_no_wakeup_and_leave_nobody, 0, 5);
    suite_add_tcase(suite, lives);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
