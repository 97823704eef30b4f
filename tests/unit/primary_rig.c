/* primary_rig.c - the model, and the loop that the primary needs. */
#include "tests/unit/primary_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* check writes a line to a file for each ck_assert: too slow for each record. */
#define EXPECT(fact)             \
    do {                         \
        if (!(fact))             \
            ck_abort_msg(#fact); \
    } while (0)

/* ---- bytes ---- */

static void *rig_keep(struct rig *rig, size_t size)
{
    if (rig->memory_count == rig->memory_room) {
        rig->memory_room = rig->memory_room ? 2 * rig->memory_room : 256;
        rig->memory = realloc(rig->memory, rig->memory_room * sizeof *rig->memory);
    }
    return rig->memory[rig->memory_count++] = malloc(size ? size : 1);
}

struct slice rig_bytes(struct rig *rig, const void *bytes, size_t size)
{
    void *copy = rig_keep(rig, size);

    memcpy(copy, bytes, size);
    return slice_make(copy, size);
}

struct slice rig_noise(struct rig *rig, uint64_t seed, size_t size)
{
    uint8_t *bytes = rig_keep(rig, size);
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = i % 64 < 32 ? (uint8_t)state : (uint8_t)i;
    }
    return slice_make(bytes, size);
}

struct slice rig_key_number(struct rig *rig, uint64_t n)
{
    char text[32];
    int size = snprintf(text, sizeof text, "k%015llu", (unsigned long long)n);

    return rig_bytes(rig, text, (size_t)size);
}

/* ---- life ---- */

void rig_init(struct rig *rig, uint64_t seed, uint32_t page_bytes, uint64_t cache_bytes)
{
    memset(rig, 0, sizeof *rig);
    rig->sim = sim_new(seed);
    rig->os = sim_table(rig->sim);
    rig->options.page_bytes = page_bytes;
    rig->options.cache_bytes = cache_bytes;
    failure_init(&rig->failure);
}

enum err rig_open(struct rig *rig)
{
    failure_clear(&rig->failure);
    return primary_open(rig->os, &rig->options, &rig->p, &rig->failure);
}

void rig_close(struct rig *rig)
{
    sim_run_until_idle(rig->sim);
    primary_close(rig->p, false);
    rig->p = NULL;
}

void rig_crash_and_open(struct rig *rig)
{
    enum err e;

    sim_crash(rig->sim);
    primary_close(rig->p, true);
    rig->p = NULL;
    ck_assert_uint_eq(sim_alloc_outstanding(rig->sim), 0);
    e = rig_open(rig);
    ck_assert_msg(e == ERR_OK, "%s %s %s@%llu", err_name(e), rig->failure.text,
                  rig->failure.file, (unsigned long long)rig->failure.offset);
}

void rig_fini(struct rig *rig)
{
    if (rig->p)
        rig_close(rig);
    ck_assert_uint_eq(sim_alloc_outstanding(rig->sim), 0);
    ck_assert_uint_eq(sim_open_files(rig->sim), 0);
    sim_free(rig->sim);
    failure_clear(&rig->failure);
    rig_model_fini(&rig->model);
    for (size_t i = 0; i < rig->memory_count; i++)
        free(rig->memory[i]);
    free(rig->memory);
}

/* ---- batches and models ---- */

void rig_batch_add(struct rig_batch *batch, uint32_t store, struct slice key,
                   struct slice value)
{
    if (batch->count == batch->room) {
        batch->room = batch->room ? 2 * batch->room : 64;
        batch->items = realloc(batch->items, batch->room * sizeof *batch->items);
    }
    batch->items[batch->count++] = (struct rig_record){store, key, value};
}

static int record_order(const struct rig_record *a, uint32_t store, struct slice key)
{
    if (a->store != store)
        return a->store < store ? -1 : 1;
    return slice_compare(a->key, key);
}

static int record_compare(const void *a, const void *b)
{
    const struct rig_record *y = b;

    return record_order(a, y->store, y->key);
}

void rig_batch_sort(struct rig_batch *batch)
{
    size_t kept = 0;

    if (batch->count)
        qsort(batch->items, batch->count, sizeof *batch->items, record_compare);
    for (size_t i = 0; i < batch->count; i++)
        if (kept == 0 || record_compare(&batch->items[kept - 1], &batch->items[i]) != 0)
            batch->items[kept++] = batch->items[i];
    batch->count = kept;
}

void rig_batch_fini(struct rig_batch *batch)
{
    free(batch->items);
    memset(batch, 0, sizeof *batch);
}

static bool is_dropped(uint32_t store, const uint32_t *dropped, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (dropped[i] == store)
            return true;
    return false;
}

void rig_model_apply(struct rig *rig, struct rig_model *model, const struct rig_batch *batch,
                     const uint32_t *dropped, size_t dropped_count)
{
    size_t room = model->count + batch->count + 1;
    struct rig_record *items = malloc(room * sizeof *items);
    size_t count = 0, i = 0, j = 0;

    while (i < model->count || j < batch->count) {
        struct rig_record next;
        int order = i == model->count ? 1 : -1;

        if (i < model->count && j < batch->count)
            order = record_compare(&model->items[i], &batch->items[j]);
        if (order <= 0)
            next = model->items[i++];
        if (order >= 0)
            next = batch->items[j++];
        if (next.value.data && !is_dropped(next.store, dropped, dropped_count))
            items[count++] = next;
    }
    free(model->items);
    model->items = items;
    model->count = count;
    model->room = room;
}

struct rig_model rig_model_copy(const struct rig_model *model)
{
    struct rig_model copy = {malloc((model->count + 1) * sizeof *model->items), model->count,
                             model->count + 1};

    if (model->count)
        memcpy(copy.items, model->items, model->count * sizeof *model->items);
    return copy;
}

void rig_model_fini(struct rig_model *model)
{
    free(model->items);
    memset(model, 0, sizeof *model);
}

/* The first item of the model at or above (store, key). */
static size_t model_find(const struct rig_model *model, uint32_t store, struct slice key)
{
    size_t low = 0, high = model->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (record_order(&model->items[middle], store, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- merging ---- */

struct batch_input {
    const struct rig_batch *batch;
    size_t next;
};

static enum err batch_next(void *context, struct merge_change *out)
{
    struct batch_input *in = context;

    if (in->next == in->batch->count)
        return ERR_END;
    out->store = in->batch->items[in->next].store;
    out->key = in->batch->items[in->next].key;
    out->value = in->batch->items[in->next].value;
    in->next++;
    return ERR_OK;
}

enum err rig_merge(struct rig *rig, const struct rig_batch *batch, const struct rig_merge *how,
                   struct root **out)
{
    struct batch_input in = {batch, 0};
    struct merge_plan plan = {.from = how->from ? how->from : primary_root(rig->p),
                              .input = {&in, batch_next},
                              .facts = {.commit = rig->commit + 1,
                                        .log_position = 100 * (rig->commit + 1),
                                        .version_reserved = 7,
                                        .commit_reserved = 8},
                              .durable = !how->intermediate,
                              .dropped = how->dropped,
                              .dropped_count = how->dropped_count,
                              .counters = how->counters,
                              .counter_count = how->counter_count,
                              .damaged = how->damaged,
                              .damaged_count = how->damaged_count};
    struct merge *m;
    struct root *root;
    enum err e;

    failure_clear(&rig->failure);
    e = primary_merge_begin(rig->p, &plan, &m);
    if (e)
        return e;
    do {
        e = merge_run(m, rig->bytes_max ? rig->bytes_max : 1 + sim_random(rig->sim, 100000));
    } while (e == ERR_WAIT);
    if (sim_is_off(rig->sim))
        return e; /* nobody is there any more to end it */
    rig->has_damage = merge_found_damage(m, &rig->damage);
    ck_assert_int_eq(primary_merge_end(rig->p, m, &root, &rig->failure), e);
    if (e) {
        ck_assert_ptr_null(root);
        ck_assert_int_eq(rig->failure.error, e);
        return e;
    }
    rig->commit++;
    rig_model_apply(rig, &rig->model, batch, how->dropped, how->dropped_count);
    if (out)
        *out = root;
    else
        root_unref(root);
    return ERR_OK;
}

enum err rig_merge_simple(struct rig *rig, const struct rig_batch *batch)
{
    struct rig_merge how = {0};

    return rig_merge(rig, batch, &how, NULL);
}

/* ---- reading ---- */

static bool rig_woken;

static void rig_wake(struct wait *w)
{
    rig_woken = true;
}

void rig_wait_init(struct wait *w)
{
    wait_init(w, rig_wake);
}

void rig_wait(struct rig *rig, struct wait *w)
{
    rig_woken = false;
    for (;;) {
        primary_wake(rig->p);
        if (rig_woken)
            return;
        if (!sim_step(rig->sim))
            ck_abort_msg("a wait is never woken");
    }
}

enum err rig_get(struct rig *rig, struct root *r, uint32_t store, struct slice key,
                 struct wait *w, struct slice *value)
{
    enum err e;

    failure_clear(&rig->failure);
    while ((e = tree_get(r, store, key, w, value, &rig->failure)) == ERR_WAIT)
        rig_wait(rig, w);
    return e;
}

static void must(struct rig *rig, enum err e)
{
    if (e)
        ck_abort_msg("%s: %s %s@%llu", err_name(e), rig->failure.text, rig->failure.file,
                     (unsigned long long)rig->failure.offset);
}

static void seek(struct rig *rig, struct tree_cursor *c, struct slice key, bool backwards,
                 struct wait *w)
{
    enum err e;

    while ((e = tree_cursor_seek(c, key, backwards, w, &rig->failure)) == ERR_WAIT)
        rig_wait(rig, w);
    must(rig, e);
}

static void move(struct rig *rig, struct tree_cursor *c, bool backwards, struct wait *w)
{
    struct slice key = c->key;
    enum err e;

    while ((e = backwards ? tree_cursor_previous(c, w, &rig->failure)
                          : tree_cursor_next(c, w, &rig->failure)) == ERR_WAIT) {
        EXPECT(c->valid && slice_equal(c->key, key)); /* it stands where it stood */
        rig_wait(rig, w);
    }
    must(rig, e);
}

static void cursor_is_at(const struct tree_cursor *c, const struct rig_model *model,
                         uint32_t store, size_t i)
{
    if (i >= model->count || model->items[i].store != store) {
        EXPECT(!c->valid);
        return;
    }
    EXPECT(c->valid);
    EXPECT(slice_equal(c->key, model->items[i].key));
    EXPECT(slice_equal(c->value, model->items[i].value));
}

/* One store's records from first up to end, walked both ways. */
static void check_scan(struct rig *rig, struct root *r, const struct rig_model *model,
                       uint32_t store, size_t first, size_t end)
{
    struct tree_cursor c;
    struct wait w;

    rig_wait_init(&w);
    tree_cursor_init(&c, r, store);
    seek(rig, &c, SLICE_NONE, false, &w);
    for (size_t i = first; i < end; i++) {
        cursor_is_at(&c, model, store, i);
        wait_release(rig->p, &w);
        move(rig, &c, false, &w);
    }
    EXPECT(!c.valid);
    seek(rig, &c, SLICE_NONE, true, &w);
    for (size_t i = end; i > first; i--) {
        cursor_is_at(&c, model, store, i - 1);
        wait_release(rig->p, &w);
        move(rig, &c, true, &w);
    }
    EXPECT(!c.valid);
    tree_cursor_fini(&c);
    wait_release(rig->p, &w);
}

static struct slice probe_key(struct rig *rig, const struct rig_model *model, size_t first,
                              size_t end, uint8_t *to)
{
    struct slice key = model->items[first + sim_random(rig->sim, end - first)].key;
    size_t size = key.size;

    memcpy(to, key.data, size);
    switch (sim_random(rig->sim, 5)) {
    case 0: to[size++] = 0; break;
    case 1: size -= size > 1; break;
    case 2: to[sim_random(rig->sim, size)] ^= (uint8_t)(1 + sim_random(rig->sim, 255)); break;
    }
    return slice_make(to, size);
}

static void check_probe(struct rig *rig, struct root *r, const struct rig_model *model,
                        uint32_t store, size_t first, size_t end)
{
    uint8_t bytes[PRIMARY_TEST_KEY_BYTES];
    struct slice key = probe_key(rig, model, first, end, bytes);
    size_t i = model_find(model, store, key);
    bool there = i < end && slice_equal(model->items[i].key, key);
    struct tree_cursor c;
    struct slice value;
    struct wait w;
    uint64_t rank;
    enum err e;

    rig_wait_init(&w);
    e = rig_get(rig, r, store, key, &w, &value);
    EXPECT(e == (there ? ERR_OK : ERR_NOT_FOUND));
    if (there)
        EXPECT(slice_equal(value, model->items[i].value));
    while ((e = tree_rank(r, store, key, &w, &rank, &rig->failure)) == ERR_WAIT)
        rig_wait(rig, &w);
    must(rig, e);
    EXPECT(rank == i - first);
    tree_cursor_init(&c, r, store);
    seek(rig, &c, key, false, &w);
    cursor_is_at(&c, model, store, i);
    if (c.valid && sim_chance(rig->sim, 50)) {
        move(rig, &c, true, &w);
        cursor_is_at(&c, model, store, i == first ? SIZE_MAX : i - 1);
    }
    seek(rig, &c, key, true, &w);
    cursor_is_at(&c, model, store, i == first ? SIZE_MAX : i - 1);
    if (c.valid && sim_chance(rig->sim, 50)) {
        move(rig, &c, false, &w);
        cursor_is_at(&c, model, store, i);
    }
    tree_cursor_fini(&c);
    wait_release(rig->p, &w);
}

void rig_check_root(struct rig *rig, struct root *r, const struct rig_model *model,
                    unsigned probes)
{
    size_t first = 0;

    while (first < model->count) {
        uint32_t store = model->items[first].store;
        struct tree_facts facts;
        uint64_t bytes = 0;
        size_t end = first;

        for (; end < model->count && model->items[end].store == store; end++)
            bytes += model->items[end].key.size + model->items[end].value.size;
        EXPECT(root_tree_facts(r, store, &facts));
        EXPECT(facts.records == end - first);
        EXPECT(facts.bytes == bytes);
        check_scan(rig, r, model, store, first, end);
        for (unsigned i = 0; i < probes; i++)
            check_probe(rig, r, model, store, first, end);
        first = end;
    }
}

void rig_check(struct rig *rig, unsigned probes)
{
    struct primary_stats stats;
    enum err e;

    failure_clear(&rig->failure);
    e = primary_check(rig->p, &rig->failure);
    must(rig, e);
    primary_stats(rig->p, &stats);
    EXPECT(stats.used_bytes + stats.held_bytes + stats.free_bytes == stats.file_bytes);
    rig_check_root(rig, primary_root(rig->p), &rig->model, probes);
    primary_stats(rig->p, &stats);
    EXPECT(stats.records == rig->model.count);
}
