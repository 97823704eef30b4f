/* Stages against lists: what each commit put, seen from every snapshot, sought both ways,
 * pruned, and a write-set that becomes a stage whole. */
#include "server/storage/stage.h"
#include "tests/unit/core_rig.h"

#include <stdlib.h>
#include <string.h>

#define KEYS 40
#define STORES 3
#define COMMITS 60

struct version {
    uint64_t commit;
    unsigned value; /* 0: deleted; 1: none; above: that many bytes */
};

struct fixture {
    struct sim *sim;
    struct stage *stage;
    struct version newest[STORES][KEYS][COMMITS + 1];
    unsigned counts[STORES][KEYS];
    struct stamp *stamps[COMMITS + 1];
    uint64_t held[8]; /* snapshots that are open */
    unsigned held_count;
};

static struct slice key_of(unsigned key, uint8_t room[8])
{
    /* keys that share their beginnings, and are beginnings of nothing */
    size_t size = 1 + key % 4;

    memset(room, 0x41, size);
    room[size++] = (uint8_t)(0x80 + key);
    return slice_make(room, size);
}

/* The order of the keys is that of their bytes. */
static int key_order(const void *a, const void *b)
{
    uint8_t x[8], y[8];

    return slice_compare(key_of(*(const unsigned *)a, x), key_of(*(const unsigned *)b, y));
}

/* Some write-sets are copied before they are linked, if there is memory. Their own is freed
 * and overwritten afterwards, so whatever still lay there would show. */
static struct stamp *absorb(struct fixture *f, struct stage *write_set, struct stamp *stamp)
{
    struct stamp *copy;

    if (sim_chance(f->sim, 30))
        sim_fail_from(f->sim, SIM_FAULT_ALLOC, 1);
    copy = stage_absorb(f->stage, write_set, stamp);
    sim_fail_clear(f->sim);
    MUST_EQ(copy != stamp, write_set->is_absorbed);
    MUST(slice_equal(copy->label, slice_make("\0who", 4)));
    MUST_EQ(copy->records, stamp->records);
    return copy;
}

static void commit_random(struct fixture *f, uint64_t commit)
{
    struct os *os = sim_table(f->sim);
    struct stage_spares spares = {0};
    struct stage write_set;
    struct stamp *stamp;
    uint8_t value[64], room[8];

    write_set_init(&write_set, os, NULL);
    stamp = arena_alloc(&write_set.arena, sizeof *stamp + 4);
    memset(stamp, 0, sizeof *stamp);
    stamp->version = 1000 + commit;
    stamp_set_label(stamp, slice_make("\0who", 4));
    for (unsigned n = 1 + (unsigned)sim_random(f->sim, 8); n > 0; n--) {
        unsigned store = (unsigned)sim_random(f->sim, STORES);
        unsigned key = (unsigned)sim_random(f->sim, KEYS);
        unsigned size = sim_chance(f->sim, 30) ? 0 : 2 + (unsigned)sim_random(f->sim, 60);
        unsigned *count = &f->counts[store][key];
        struct version *v = f->newest[store][key];
        bool fresh, again = *count && v[*count - 1].commit == commit;

        memset(value, (int)size, sizeof value);
        MUST(write_set_put(&write_set, stamp, store, key_of(key, room),
                           size ? slice_make(value, size) : SLICE_NONE, &fresh) != NULL);
        MUST_EQ(fresh, !again);
        if (!again)
            (*count)++;
        v[*count - 1] = (struct version){commit, size};
    }
    MUST_EQ(stage_spares_fill(&spares, os, STORES), ERR_OK);
    stamp->commit = commit;
    if (sim_chance(f->sim, 50))
        stamp = absorb(f, &write_set, stamp);
    f->stamps[commit] = stamp;
    stage_link(f->stage, &write_set, stamp, &spares);
    stage_spares_free(&spares, os);
    write_set_fini(&write_set);
}

/* Of the newest snapshot before a commit. */
static uint64_t reader_before(const struct fixture *f, uint64_t commit)
{
    uint64_t reader = 0;

    for (unsigned i = 0; i < f->held_count; i++) {
        if (f->held[i] < commit && f->held[i] > reader)
            reader = f->held[i];
    }
    return reader;
}

/* What a snapshot sees of a key is what the list says. */
static void check_key(const struct fixture *f, unsigned store, unsigned key, uint64_t at)
{
    const struct version *v = NULL;
    uint8_t room[8];
    struct record *r = stage_find(f->stage, store, key_of(key, room));

    MUST_EQ(r != NULL, f->counts[store][key] > 0);
    for (unsigned i = 0; i < f->counts[store][key]; i++) {
        if (f->newest[store][key][i].commit <= at)
            v = &f->newest[store][key][i];
    }
    r = r ? record_visible(r, at) : NULL;
    MUST_EQ(r != NULL, v != NULL);
    if (!r)
        return;
    MUST_EQ(r->stamp->commit, v->commit);
    MUST_EQ(record_is_delete(r), v->value == 0);
    MUST_EQ(record_value(r).size, v->value);
    for (size_t i = 0; i < v->value; i++)
        MUST_EQ(record_value(r).data[i], v->value);
}

static void check_walks(const struct fixture *f, unsigned store)
{
    unsigned keys[KEYS], count = 0, at;
    struct stage_store *st = stage_store_of(f->stage, store);
    struct record *r = st ? stage_seek(st, slice_text("")) : NULL;
    uint8_t room[8];

    for (unsigned key = 0; key < KEYS; key++) {
        if (f->counts[store][key])
            keys[count++] = key;
    }
    qsort(keys, count, sizeof *keys, key_order);
    for (at = 0; r; r = record_following(r), at++) {
        MUST(at < count);
        MUST(slice_equal(record_key(r), key_of(keys[at], room)));
    }
    MUST_EQ(at, count);
    if (!st)
        return;
    MUST_EQ(st->records, count);
    for (r = stage_seek_below(st, SLICE_NONE); r; r = stage_seek_below(st, record_key(r)))
        MUST(slice_equal(record_key(r), key_of(keys[--at], room)));
    MUST_EQ(at, 0);
    for (unsigned key = 0; key < KEYS; key++) {
        struct slice bound = key_of(key, room);
        unsigned below = 0;
        uint8_t other[8];

        while (below < count && slice_compare(key_of(keys[below], other), bound) < 0)
            below++;
        r = stage_seek(st, bound);
        MUST_EQ(r != NULL, below < count);
        if (r)
            MUST(slice_equal(record_key(r), key_of(keys[below], other)));
        r = stage_seek_below(st, bound);
        MUST_EQ(r != NULL, below > 0);
        if (r)
            MUST(slice_equal(record_key(r), key_of(keys[below - 1], other)));
    }
}

static struct fixture *fixture_new(uint64_t seed)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->sim = sim_new(seed);
    f->stage = stage_new(sim_table(f->sim), 1);
    MUST(f->stage != NULL);
    return f;
}

static void fixture_free(struct fixture *f)
{
    stage_free(f->stage);
    MUST_EQ(sim_alloc_outstanding(f->sim), 0);
    sim_free(f->sim);
    free(f);
}

static size_t longest_chain(const struct stage *s)
{
    size_t longest = 0;

    for (size_t b = 0; b <= s->bucket_mask; b++) {
        size_t size = 0;

        for (const struct stage_store *st = s->buckets[b]; st; st = st->chain)
            size++;
        longest = size > longest ? size : longest;
    }
    return longest;
}

static void nothing_is_kept(void *context, struct record *r)
{
    (void)context;
    (void)r;
}

/* Every step-th number up to stores is there, in the list and in the table, and no other. */
static void check_many_stores(const struct stage *s, unsigned stores, unsigned step)
{
    uint32_t *numbers = calloc(stores, sizeof *numbers);
    size_t count = 0;

    MUST(stage_store_count(s) <= stores);
    stage_store_numbers(s, numbers);
    for (unsigned i = 0; i < stores; i++) {
        const struct stage_store *st = stage_store_of(s, i);

        MUST_EQ(st != NULL, i % step == 0);
        MUST(!st || st->store == i);
        count += st != NULL;
    }
    MUST_EQ(stage_store_count(s), count);
    for (size_t i = 0; i < count; i++)
        MUST(numbers[i] % step == 0);
    free(numbers);
}

/* A record in each of 20,000 stores: looking one up costs no more than in a few. Bit 0: the
 * write-set becomes a stage; bit 1: two of three are taken back; bit 2: there is no memory for
 * more buckets when it is linked. */
START_TEST(many_stores_cost_each_the_same)
{
    enum { MANY = 20000 };
    struct fixture *f = fixture_new(1);
    struct stamp stamp = {.commit = 1};
    struct stage_spares spares = {NULL, 0};
    struct stage write_set;
    struct write_mark mark;
    unsigned step = _i & 2 ? 3 : 1;
    bool fresh;

    write_set_init(&write_set, sim_table(f->sim), NULL);
    for (uint32_t i = 0; i < MANY; i += 3)
        MUST(write_set_put(&write_set, &stamp, i, slice_text("k"), slice_text("v"), &fresh));
    write_set_mark(&write_set, &stamp, &mark);
    for (uint32_t i = 0; i < MANY; i++)
        MUST(write_set_put(&write_set, &stamp, i, slice_text("k"), slice_text("w"), &fresh));
    MUST(longest_chain(&write_set) <= STAGE_FEW_STORES);
    while ((_i & 2) && !write_set_undo(&write_set, &stamp, &mark, 1000, nothing_is_kept, NULL))
        continue;
    write_set_unmark(&write_set);
    check_many_stores(&write_set, MANY, step);
    if (_i & 4)
        sim_fail_from(f->sim, SIM_FAULT_ALLOC, 1);
    if (_i & 1)
        stage_adopt(f->stage, &write_set, &stamp, &spares);
    else
        stage_link(f->stage, &write_set, &stamp, &spares);
    sim_fail_clear(f->sim);
    check_many_stores(f->stage, MANY, step);
    MUST_EQ(stage_store_count(&write_set), 0);
    MUST(_i & 4 || longest_chain(f->stage) <= STAGE_FEW_STORES);
    write_set_fini(&write_set);
    fixture_free(f);
}
END_TEST

START_TEST(every_snapshot_sees_what_was_committed_up_to_it)
{
    struct fixture *f = fixture_new((uint64_t)_i + 1);

    for (uint64_t commit = 1; commit <= COMMITS; commit++)
        commit_random(f, commit);
    for (unsigned store = 0; store < STORES; store++) {
        check_walks(f, store);
        for (unsigned key = 0; key < KEYS; key++) {
            for (uint64_t at = 0; at <= COMMITS; at++)
                check_key(f, store, key, at);
        }
    }
    MUST_EQ(f->stage->first_commit, 1);
    MUST_EQ(f->stage->last_commit, COMMITS);
    fixture_free(f);
}
END_TEST

/* Commits become durable some time after they were linked; snapshots come and go. */
START_TEST(pruning_takes_what_nobody_sees_and_nothing_else)
{
    struct fixture *f = fixture_new((uint64_t)_i + 100);
    uint64_t durable = 0;

    for (uint64_t commit = 1; commit <= COMMITS; commit++) {
        commit_random(f, commit);
        if (f->held_count < 8 && sim_chance(f->sim, 40))
            f->held[f->held_count++] = commit;
        if (f->held_count && sim_chance(f->sim, 25)) {
            f->held_count--;
            f->held[sim_random(f->sim, f->held_count + 1)] = f->held[f->held_count];
        }
        while (durable < commit && sim_chance(f->sim, 60)) {
            durable++;
            stage_prune(f->stamps[durable], reader_before(f, durable));
        }
        for (unsigned store = 0; store < STORES; store++) {
            for (unsigned key = 0; key < KEYS; key++) {
                for (unsigned i = 0; i < f->held_count; i++)
                    check_key(f, store, key, f->held[i]);
                check_key(f, store, key, durable);
                check_key(f, store, key, commit);
            }
        }
    }
    f->held_count = 0;
    for (unsigned store = 0; store < STORES; store++)
        check_walks(f, store);
    fixture_free(f);
}
END_TEST

START_TEST(without_snapshots_only_the_newest_version_stays)
{
    struct fixture *f = fixture_new((uint64_t)_i + 200);

    for (uint64_t commit = 1; commit <= COMMITS; commit++) {
        commit_random(f, commit);
        MUST(stage_check(f->stage));
        stage_prune(f->stamps[commit], reader_before(f, commit));
        MUST(stage_check(f->stage));
    }
    for (unsigned store = 0; store < STORES; store++) {
        for (unsigned key = 0; key < KEYS; key++) {
            uint8_t room[8];
            struct record *r = stage_find(f->stage, store, key_of(key, room));

            MUST(!r || record_newest(r)->older == NULL);
            check_key(f, store, key, COMMITS);
        }
    }
    fixture_free(f);
}
END_TEST

/* One thing at a time is wrong in a stage that was whole, and right again behind it. */
START_TEST(a_check_of_a_stage_finds_what_is_wrong)
{
    struct fixture *f = fixture_new((uint64_t)_i + 300);
    struct stage *s = f->stage;
    struct stage_store *st;
    struct record *first;
    uint64_t commit, bytes;

    for (commit = 1; commit <= COMMITS; commit++)
        commit_random(f, commit);
    MUST(stage_check(s));
    bytes = s->value_bytes / 2;
    st = stage_store_of(s, 0);
    first = st->first;
    MUST(first && first->next);
#define WRONG(what, back) \
    do { \
        what; \
        MUST(!stage_check(s)); \
        back; \
        MUST(stage_check(s)); \
    } while (0)
    WRONG(st->records++, st->records--);                             /* S-4 */
    WRONG(st->first = first->next, st->first = first);               /* S-4 */
    WRONG(first->key[0] ^= 0xff, first->key[0] ^= 0xff);             /* S-4 */
    commit = record_newest(first)->stamp->commit;
    WRONG(record_newest(first)->stamp->commit = COMMITS + 1,         /* S-5 */
          record_newest(first)->stamp->commit = commit);
    WRONG(s->records -= COMMITS * STORES, s->records += COMMITS * STORES); /* S-6 */
    WRONG(s->value_bytes -= bytes, s->value_bytes += bytes);         /* S-6 */
    WRONG(s->store_count++, s->store_count--);                       /* S-7 */
    WRONG(st->store += 64, st->store -= 64);                         /* S-7 */
#undef WRONG
    fixture_free(f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stage");
    TCase *tc = tcase_create("stage");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, many_stores_cost_each_the_same, 0, 8);
    tcase_add_loop_test(tc, every_snapshot_sees_what_was_committed_up_to_it, 0, 20);
    tcase_add_loop_test(tc, pruning_takes_what_nobody_sees_and_nothing_else, 0, 20);
    tcase_add_loop_test(tc, without_snapshots_only_the_newest_version_stays, 0, 20);
    tcase_add_loop_test(tc, a_check_of_a_stage_finds_what_is_wrong, 0, 8);
    suite_add_tcase(suite, tc);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
