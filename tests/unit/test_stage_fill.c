/* A stage filled from the log, judged by one that took the same commits one by one. */
#include "server/storage/stage.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <string.h>

#define STORES 3
#define SHAPES 5
#define MORE 300 /* commits that come after the settling */

struct pair {
    struct sim *sim;
    struct os *os;
    struct stage *filled, *linked;
    uint64_t commit;
    unsigned shape, order;
    uint64_t keys; /* how many there are to choose from */
};

static struct slice pair_key(const struct pair *p, uint64_t n, char room[64])
{
    unsigned long long number = n;
    int size;

    switch (p->shape) {
    case 0: size = snprintf(room, 64, "k%015llu", number); break;
    case 1: size = snprintf(room, 64, "%llx", number * 0x9e3779b97f4a7c15ull); break;
    case 2: /* beginnings of each other */
        size = snprintf(room, 64, "%.*s", (int)(1 + n % 30), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        break;
    case 3: /* more is shared than the index keeps */
        size = snprintf(room, 64, "a beginning that is longer than a node's %llu", number);
        break;
    default: size = snprintf(room, 64, "x"); /* one key */
    }
    return slice_make(room, (size_t)size);
}

static uint64_t pair_number(struct pair *p)
{
    switch (p->order) {
    case 0: return p->commit;
    case 1: return UINT64_C(1) << 40 | (p->keys * 8 - p->commit);
    default: return sim_random(p->sim, p->keys);
    }
}

static struct stamp *stamp_make(struct arena *arena, uint64_t commit)
{
    struct stamp *stamp = arena_alloc(arena, sizeof *stamp);

    if (!stamp)
        return NULL;
    memset(stamp, 0, sizeof *stamp);
    stamp->commit = commit;
    return stamp;
}

struct write { /* of one commit */
    uint32_t store;
    char key_room[64];
    struct slice key, value;
};

/* A key at most once a commit. */
static unsigned writes_choose(struct pair *p, struct write *to)
{
    unsigned count = 1 + (unsigned)sim_random(p->sim, 3), made = 0;

    for (unsigned i = 0; i < count; i++) {
        struct write *w = &to[made];
        bool again = false;

        w->store = 7 + (uint32_t)sim_random(p->sim, STORES) * 64; /* of one bucket */
        w->key = pair_key(p, pair_number(p), w->key_room);
        w->value = sim_chance(p->sim, 30) ? SLICE_NONE : slice_text("value");
        for (unsigned k = 0; k < made; k++)
            again = again || (to[k].store == w->store && slice_equal(to[k].key, w->key));
        made += !again;
    }
    return made;
}

static void link_writes(struct pair *p, struct stage *s, const struct write *writes,
                        unsigned count)
{
    struct stage_spares spares = {0};
    struct stage write_set;
    struct stamp *stamp;
    bool fresh;

    write_set_init(&write_set, p->os, NULL);
    stamp = stamp_make(&write_set.arena, p->commit);
    for (unsigned i = 0; i < count; i++)
        MUST(write_set_put(&write_set, stamp, writes[i].store, writes[i].key, writes[i].value,
                           &fresh));
    stage_link(s, &write_set, stamp, &spares);
    write_set_fini(&write_set);
}

static enum err fill_writes(struct pair *p, const struct write *writes, unsigned count)
{
    struct stamp *stamp = stamp_make(&p->filled->arena, p->commit);

    for (unsigned i = 0; stamp && i < count; i++) {
        if (!stage_append(p->filled, stamp, writes[i].store, writes[i].key, writes[i].value))
            return ERR_NOMEM;
    }
    return stamp ? stage_fill(p->filled, stamp) : ERR_NOMEM;
}

static void compare_chains(struct record *a, struct record *b)
{
    MUST(slice_equal(record_key(a), record_key(b)));
    a = record_newest(a);
    b = record_newest(b);
    for (; a && b; a = a->older, b = b->older) {
        MUST_EQ(a->stamp->commit, b->stamp->commit);
        MUST_EQ(record_is_delete(a), record_is_delete(b));
        MUST(slice_equal(record_key(a), record_key(b)));
        MUST_EQ(a->value_size, b->value_size);
    }
    MUST(!a && !b);
}

static void compare_seeks(struct pair *p, const struct stage_store *a,
                          const struct stage_store *b)
{
    char room[64];

    for (unsigned i = 0; i < 500; i++) {
        struct slice key = pair_key(p, pair_number(p), room);
        struct record *x = stage_seek(a, key), *y = stage_seek(b, key);

        MUST_EQ(!x, !y);
        MUST(!x || slice_equal(record_key(x), record_key(y)));
        x = stage_seek_below(a, key);
        y = stage_seek_below(b, key);
        MUST_EQ(!x, !y);
        MUST(!x || slice_equal(record_key(x), record_key(y)));
    }
}

static void compare(struct pair *p)
{
    MUST_EQ(p->filled->records, p->linked->records);
    MUST_EQ(p->filled->value_bytes, p->linked->value_bytes);
    MUST_EQ(p->filled->first_commit, p->linked->first_commit);
    MUST_EQ(p->filled->last_commit, p->linked->last_commit);
    MUST_EQ(stage_store_count(p->filled), stage_store_count(p->linked));
    for (uint32_t store = 7; store < 7 + STORES * 64; store += 64) {
        struct stage_store *a = stage_store_of(p->filled, store);
        struct stage_store *b = stage_store_of(p->linked, store);
        struct record *x, *y;

        MUST_EQ(!a, !b);
        if (!a)
            continue;
        MUST_EQ(a->records, b->records);
        for (x = a->first, y = b->first; x && y; x = x->next, y = y->next) {
            compare_chains(x, y);
            MUST(stage_find(p->filled, store, record_key(x)) == x);
        }
        MUST(!x && !y);
        compare_seeks(p, a, b);
    }
}

static void pair_begin(struct pair *p, unsigned seed)
{
    memset(p, 0, sizeof *p);
    p->sim = sim_new(seed + 1);
    p->os = sim_table(p->sim);
    p->filled = stage_new(p->os, 1);
    p->linked = stage_new(p->os, 1);
}

static void pair_end(struct pair *p)
{
    stage_free(p->filled);
    stage_free(p->linked);
    MUST_EQ(sim_alloc_outstanding(p->sim), 0);
    sim_free(p->sim);
}

static void play(unsigned shape, unsigned order, uint64_t commits)
{
    struct write writes[3];
    struct pair p;

    pair_begin(&p, shape * 10 + order);
    p.shape = shape;
    p.order = order;
    p.keys = commits + MORE;
    while (p.commit++ < commits) {
        unsigned count = writes_choose(&p, writes);

        MUST_EQ(fill_writes(&p, writes, count), ERR_OK);
        link_writes(&p, p.linked, writes, count);
    }
    MUST_EQ(stage_settle(p.filled), ERR_OK);
    MUST_EQ(stage_settle(p.filled), ERR_OK); /* nothing is left to do */
    compare(&p);
    for (; p.commit < commits + MORE; p.commit++) {
        writes_choose(&p, writes);
        link_writes(&p, p.filled, writes, 1);
        link_writes(&p, p.linked, writes, 1);
    }
    compare(&p);
    pair_end(&p);
}

START_TEST(a_filled_stage_is_as_if_each_commit_had_been_linked)
{
    static const uint64_t commits[] = {1, 5, 15, 16, 17, 60, 700, 9000};

    for (unsigned order = 0; order < 3; order++) {
        for (unsigned i = 0; i < sizeof commits / sizeof *commits; i++)
            play((unsigned)_i, order, commits[i]);
    }
}
END_TEST

/* Whichever allocation fails, the stage can be freed and nothing is lost. */
START_TEST(a_stage_without_memory_to_settle_can_be_freed)
{
    struct write writes[3];
    uint64_t nth = 0;
    bool failed;

    do {
        enum err e = ERR_OK;
        struct pair p;

        pair_begin(&p, 99);
        p.order = 2;
        p.keys = 6000;
        sim_fail_alloc_at(p.sim, ++nth);
        while (!e && p.commit++ < 3000)
            e = fill_writes(&p, writes, writes_choose(&p, writes));
        if (!e)
            e = stage_settle(p.filled);
        sim_fail_clear(p.sim);
        failed = e != ERR_OK;
        if (failed)
            MUST_EQ(e, ERR_NOMEM);
        pair_end(&p);
    } while (failed);
    MUST(nth > 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stage_fill");
    TCase *cases = tcase_create("fill");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, a_filled_stage_is_as_if_each_commit_had_been_linked, 0, SHAPES);
    tcase_add_test(cases, a_stage_without_memory_to_settle_can_be_freed);
    suite_add_tcase(suite, cases);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
