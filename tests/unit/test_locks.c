/* test_locks.c - the table of locks beside the rule itself: a lock waits while an earlier one,
 * granted or waiting, overlaps in a name and one of the two is exclusive. */
#include "server/txn/locks.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES 6
#define LOCKS 24
#define TURNS 20000

struct held { /* a lock, and what the rule needs to know of it */
    struct lock lock;
    bool is_in, is_whole;
    uint64_t number;
    unsigned modes[NAMES]; /* 0: not named, 1: shared, 2: exclusive */
};

struct rig {
    struct sim *sim;
    struct lock_turns turns;
    struct locks locks;
    struct held held[LOCKS];
    uint64_t arrived, now_ms;
};

static unsigned dice(struct rig *rig, unsigned below)
{
    return (unsigned)sim_random(rig->sim, below);
}

static struct slice name_of(unsigned n, char text[16])
{
    snprintf(text, 16, "store %u", n);
    return slice_text(text);
}

static bool clashes(const struct held *a, const struct held *b)
{
    if (a->is_whole || b->is_whole)
        return true;
    for (unsigned n = 0; n < NAMES; n++) {
        if (a->modes[n] && b->modes[n] && (a->modes[n] == 2 || b->modes[n] == 2))
            return true;
    }
    return false;
}

static bool must_wait(const struct rig *rig, const struct held *h)
{
    for (unsigned i = 0; i < LOCKS; i++) {
        const struct held *other = &rig->held[i];

        if (other->is_in && other->number < h->number && clashes(other, h))
            return true;
    }
    return false;
}

static bool is_wanted(const struct rig *rig, const struct held *h)
{
    for (unsigned i = 0; i < LOCKS; i++) {
        const struct held *other = &rig->held[i];

        if (other->is_in && other->number > h->number && clashes(other, h))
            return true;
    }
    return false;
}

static const struct held *holder_of(const struct rig *rig, unsigned name,
                                    const struct held *own)
{
    for (unsigned i = 0; i < LOCKS; i++) {
        const struct held *h = &rig->held[i];

        if (h->is_in && h != own && h->lock.state == LOCK_GRANTED &&
            (h->is_whole || h->modes[name] == 2))
            return h;
    }
    return NULL;
}

static bool is_ahead(const struct rig *rig, unsigned name)
{
    for (unsigned i = 0; i < LOCKS; i++) {
        const struct held *h = &rig->held[i];

        if (h->is_in && (h->is_whole || h->modes[name] == 2))
            return true;
    }
    return false;
}

static void check(struct rig *rig)
{
    size_t waiting = 0;

    MUST(locks_check(&rig->locks, &waiting));
    MUST_EQ(waiting, rig->turns.waiting_count);
    for (unsigned i = 0; i < LOCKS; i++) {
        struct held *h = &rig->held[i];

        MUST(h->is_in == (h->lock.state != LOCK_OUT));
        if (!h->is_in)
            continue;
        MUST(must_wait(rig, h) == (h->lock.state == LOCK_WAITING));
        if (h->lock.state != LOCK_WAITING)
            MUST(is_wanted(rig, h) == (lock_wanted_ms(&h->lock) != UINT64_MAX));
    }
    for (unsigned n = 0; n < NAMES; n++) {
        char text[16];
        const struct held *holder = holder_of(rig, n, NULL);
        struct lock *found;

        if (!rig->locks.exclusive) {
            MUST(!holder && !is_ahead(rig, n));
            continue;
        }
        found = locks_against(&rig->locks, name_of(n, text), NULL);
        MUST(found == (holder ? &holder->lock : NULL));
        MUST(!holder || !locks_against(&rig->locks, name_of(n, text), &holder->lock));
        MUST(is_ahead(rig, n) == (locks_ahead(&rig->locks, name_of(n, text), NULL) != NULL));
    }
}

static void enter(struct rig *rig, struct held *h)
{
    struct lock_ask asks[NAMES * 2];
    char texts[NAMES][16];
    unsigned count = 0;
    enum err e;

    memset(h->modes, 0, sizeof h->modes);
    h->is_whole = dice(rig, 20) == 0;
    for (unsigned n = 0; n < NAMES && !h->is_whole; n++) {
        if (dice(rig, 3))
            continue;
        h->modes[n] = 1 + dice(rig, 2);
        asks[count++] = (struct lock_ask){name_of(n, texts[n]), h->modes[n] == 2};
        if (dice(rig, 4) == 0) /* twice */
            asks[count++] = (struct lock_ask){name_of(n, texts[n]), false};
    }
    rig->now_ms += dice(rig, 3);
    if (dice(rig, 10) == 0)
        sim_fail_from(rig->sim, SIM_FAULT_ALLOC, 1 + dice(rig, 4));
    e = lock_enter(&rig->locks, &h->lock, asks, count, h->is_whole, rig->now_ms);
    sim_fail_clear(rig->sim);
    MUST(e == ERR_OK || e == ERR_NOMEM);
    h->is_in = e == ERR_OK;
    h->number = ++rig->arrived;
}

/* Due ones are granted in the order of their arrival. */
static void grant(struct rig *rig)
{
    uint64_t last = 0;
    struct lock *due;

    while ((due = locks_due(&rig->turns)) != NULL) {
        struct held *h = LIST_ENTRY(due, struct held, lock);

        MUST(h->number > last && !must_wait(rig, h));
        last = h->number;
        lock_grant(due);
    }
}

/* However they come and go, and whatever memory is there. */
START_TEST(a_lock_waits_exactly_while_an_earlier_one_clashes)
{
    struct rig *rig = calloc(1, sizeof *rig);

    rig->sim = sim_new((uint64_t)_i + 1);
    lock_turns_init(&rig->turns, sim_table(rig->sim), 7);
    locks_init(&rig->locks, &rig->turns);
    for (unsigned i = 0; i < LOCKS; i++)
        lock_init(&rig->held[i].lock);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        struct held *h = &rig->held[dice(rig, LOCKS)];

        if (!h->is_in) {
            enter(rig, h);
        } else {
            lock_leave(&h->lock);
            h->is_in = false;
        }
        check(rig);
        if (dice(rig, 3))
            grant(rig);
    }
    for (unsigned i = 0; i < LOCKS; i++)
        lock_leave(&rig->held[i].lock);
    MUST(rig->locks.names.count == 0 && rig->locks.exclusive == 0);
    locks_fini(&rig->locks);
    MUST_EQ(sim_alloc_outstanding(rig->sim), 0);
    sim_free(rig->sim);
    free(rig);
}
END_TEST

/* Nobody is looked at who need not be: a lock costs its own names, however many wait. */
START_TEST(a_lock_costs_its_own_names)
{
    static struct held held[2000];
    struct lock_ask ask = {slice_text("s"), true}, other = {slice_text("other"), true};
    struct sim *sim = sim_new(1);
    struct held one;
    struct lock_turns turns;
    struct locks l;
    uint64_t steps;

    lock_turns_init(&turns, sim_table(sim), 7);
    locks_init(&l, &turns);
    for (unsigned i = 0; i < 2000; i++) {
        lock_init(&held[i].lock);
        steps = turns.steps;
        MUST_EQ(lock_enter(&l, &held[i].lock, &ask, 1, false, 0), ERR_OK);
        MUST(turns.steps - steps <= 2);
    }
    lock_init(&one.lock);
    MUST_EQ(lock_enter(&l, &one.lock, &other, 1, false, 0), ERR_OK);
    MUST(one.lock.state == LOCK_DUE);
    lock_leave(&one.lock);
    for (unsigned i = 0; i < 2000; i++) {
        steps = turns.steps;
        lock_leave(&held[i].lock);
        MUST(turns.steps - steps <= 8);
    }
    locks_fini(&l);
    sim_free(sim);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("locks");
    TCase *tc = tcase_create("locks");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, a_lock_waits_exactly_while_an_earlier_one_clashes, 0, 4);
    tcase_add_test(tc, a_lock_costs_its_own_names);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
