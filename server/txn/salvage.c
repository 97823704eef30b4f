#include "server/txn/salvage.h"

#include "server/base/assert.h"
#include "server/storage/primary.h"
#include "server/storage/slot.h"
#include "server/storage/wal.h"
#include "server/txn/salvage_run.h"
#include "server/txn/tokens.h"

#include <stdio.h>
#include <stdlib.h>

#define MERGE_BYTES (16u << 20) /* a call of the merge */
#define CACHE_BYTES (4u << 20)

/* ---- opening ---- */

static void slot_take(struct salvage_run *r)
{
    r->has_slot = true;
    memcpy(r->identity, r->slot.uuid, sizeof r->identity);
    r->log_position = r->slot.facts.log_position;
    ASSERT(r->slot.page_bytes);
}

/* Whether the tree of trees that the slot names is there. */
static bool slot_has_pages(struct salvage_run *r)
{
    struct page_scratch scratch = {.bad_copy = 0};
    struct page *page = NULL;
    const char *why;
    enum err e = r->slot.height
                     ? page_read(r->s->from, r->file, &r->slot.catalogue, ROOT_CATALOGUE,
                                 r->slot.height - 1, false, &scratch, &page, &why)
                     : ERR_CORRUPT;

    page_free(r->s->from, page);
    page_scratch_fini(r->s->from, &scratch);
    ASSERT(e || r->slot.height);
    return e == ERR_OK;
}

/* Both meta pages are damaged: what one says is believed if pages and log bear it out. */
static void slots_guess(struct salvage_run *r)
{
    for (unsigned i = 0; i < SLOT_COUNT && !r->has_slot; i++) {
        uint8_t bytes[SLOT_BYTES];
        size_t got = 0;

        if (r->s->from->ops->file_read(r->file, (uint64_t)i * SLOT_BYTES, bytes, sizeof bytes,
                                       &got) != ERR_OK ||
            got < sizeof bytes || !slot_decode_unchecked(&r->slot, bytes) || !slot_has_pages(r))
            continue;
        slot_take(r);
        r->has_slot = salvage_wal_fits(r);
    }
    if (r->has_slot) {
        salvage_lose(r, "one of the meta pages agrees with the pages and the WAL, and is used");
        return;
    }
    memset(&r->slot, 0, sizeof r->slot);
    r->slot.page_bytes = PRIMARY_PAGE_BYTES_DEFAULT;
    r->slot.facts =
        (struct root_facts){.commit = 1, .version_reserved = 1, .commit_reserved = 1};
    r->log_position = UINT64_MAX;
    r->s->from->ops->random(r->s->from, r->identity, sizeof r->identity);
    salvage_lose(r, "without a meta page the WAL cannot be used: all commits that had not been "
                    "amalgamated are lost");
    ASSERT(!r->has_slot);
}

static enum err slots_read(struct salvage_run *r)
{
    struct failure why;
    unsigned place = 0;
    enum err e;

    failure_init(&why);
    e = slot_read_newest(r->s->from, r->file, &r->slot, &place, &why);
    if (e == ERR_CORRUPT || e == ERR_IO) {
        salvage_lose(r, "%s, offset %llu: %s", why.file, (unsigned long long)why.offset,
                     why.text);
        slots_guess(r);
        e = ERR_OK;
    } else if (e) {
        failure_copy(r->f, &why);
    } else {
        slot_take(r);
    }
    failure_clear(&why);
    ASSERT(e || r->slot.page_bytes);
    return e;
}

/* ---- the stream: definitions, stores by number, tokens ---- */

static int by_key(const void *a, const void *b)
{
    return slice_compare(((const struct salvage_store *)a)->key,
                         ((const struct salvage_store *)b)->key);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = ((const struct salvage_store *)a)->number;
    uint32_t y = ((const struct salvage_store *)b)->number;

    return x < y ? -1 : x > y;
}

static uint32_t stream_store(const struct salvage_run *r)
{
    ASSERT(r->store <= r->store_count);
    return r->store < r->store_count ? r->stores[r->store].number : TOKENS_STORE;
}

static void stream_open(struct salvage_run *r)
{
    uint32_t number = stream_store(r);
    /* Tokens tell of commits, which begin anew without a meta page. */
    bool is_copied = number && (number != TOKENS_STORE || r->has_slot);
    const struct tree_info *info = is_copied ? salvage_tree(r, number) : NULL;
    struct tree_info none = {.store = number};

    ASSERT(!r->has_tree);
    tree_rescue_init(&r->tree, r->s->from, r->file, info ? info : &none);
    r->tree.lost = salvage_tell_loss;
    r->tree.context = r;
    r->has_tree = true;
    if (salvage_tree(r, number + PRIMARY_STORES_END))
        salvage_lose(r,
                     "store number %lu was already known to be damaged: changes kept beside it "
                     "since then are not copied",
                     (unsigned long)number);
}

static enum err stream_next(void *context, struct merge_change *out)
{
    struct salvage_run *r = context;

    if (r->row < r->store_count) {
        const struct salvage_store *n = &r->stores[r->row++];

        *out = (struct merge_change){PRIMARY_STORE_TWICE, n->key, n->row};
        ASSERT(n->key.size > 0 && n->row.size > 0);
        if (r->row == r->store_count)
            qsort(r->stores, r->store_count, sizeof *r->stores, by_number);
        return ERR_OK;
    }
    while (!r->result && r->store <= r->store_count) {
        enum err e;

        if (!r->has_tree)
            stream_open(r);
        e = tree_rescue_next(&r->tree, &out->key, &out->value);
        out->store = r->tree.store;
        if (!e) {
            r->s->records += out->store != TOKENS_STORE;
            return ERR_OK;
        }
        tree_rescue_fini(&r->tree);
        r->has_tree = false;
        r->store++;
        r->result = e == ERR_END ? ERR_OK : e;
    }
    ASSERT(r->result || r->store > r->store_count);
    return ERR_END;
}

/* ---- the new data file ---- */

/* Counters of generators, as the tree of trees has them. Returns how many. */
static size_t counters_of(const struct salvage_run *r, struct merge_counter *to)
{
    size_t count = 0;

    for (size_t i = 0; i < r->tree_count; i++) {
        const struct tree_info *n = &r->trees[i];

        if (n->counter && n->store < PRIMARY_STORES_END)
            to[count++] = (struct merge_counter){n->store, n->counter};
    }
    ASSERT(count <= r->tree_count);
    return count;
}

static enum err merge_all(struct salvage_run *r, struct primary *p,
                          const struct merge_counter *counters, size_t count)
{
    struct merge_plan plan = {.from = primary_root(p),
                              .input = {r, stream_next},
                              .facts = r->slot.facts,
                              .durable = true,
                              .counters = counters,
                              .counter_count = count};
    struct merge *m = NULL;
    struct root *root = NULL;
    enum err e, ended;

    plan.facts.log_position = r->log_position == UINT64_MAX ? 0 : r->log_position;
    ASSERT(plan.facts.commit > 0);
    if (r->store_count)
        qsort(r->stores, r->store_count, sizeof *r->stores, by_key);
    e = primary_merge_begin(p, &plan, &m);
    if (e)
        return failure_set(r->f, e, "%s", err_message(e));
    do {
        e = merge_run(m, MERGE_BYTES);
        if (r->s->progress)
            r->s->progress(r->s->context, "records", r->s->records, 0);
    } while (e == ERR_WAIT);
    ended = primary_merge_end(p, m, &root, r->f);
    if (root)
        root_unref(root);
    return e ? e : ended ? ended : r->result;
}

static enum err primary_write(struct salvage_run *r)
{
    struct primary_options options = {
        .page_bytes = r->slot.page_bytes, .cache_bytes = CACHE_BYTES, .identity = r->identity};
    size_t room = (r->tree_count + 1) * sizeof(struct merge_counter);
    struct merge_counter *counters = os_alloc(r->s->from, room);
    struct primary *p = NULL;
    enum err e = counters ? primary_open(r->s->to, &options, &p, r->f) : ERR_NOMEM;

    if (!e)
        e = merge_all(r, p, counters, counters_of(r, counters));
    if (p)
        primary_close(p, true);
    os_free(r->s->from, counters, counters ? room : 0);
    ASSERT(e || !r->has_tree);
    return e;
}

/* ---- all of it ---- */

static enum err salvage_all(struct salvage_run *r)
{
    enum err e = slots_read(r);

    if (!e)
        e = salvage_find_trees(r);
    if (!e)
        e = salvage_find_stores(r);
    if (!e && r->lacks_stores)
        e = salvage_adopt_orphans(r);
    if (!e && r->lacks_trees)
        salvage_lose(r, "the tree of trees is rebuilt from the labels of pages: generators "
                        "continue after the keys that are found");
    if (!e)
        e = primary_write(r);
    if (!e)
        e = salvage_wal_copy(r);
    ASSERT(r->store_count <= r->store_room);
    for (size_t i = 0; i < r->store_count; i++)
        r->s->stores += r->stores[i].number > 0;
    return e;
}

static void names_count(void *context, const char *name)
{
    ASSERT(name[0]);
    ++*(unsigned *)context;
}

enum err salvage_run(struct salvage *s, struct failure *f)
{
    struct salvage_run r = {.s = s, .f = f};
    struct os_file *lock = NULL;
    unsigned names = 0;
    enum err e = s->from->ops->dir_lock(s->from, &lock);

    s->stores = s->records = s->losses = s->wal_bytes = 0;
    if (e)
        return failure_set(f, e, "the data directory is in use by another server");
    e = s->to->ops->dir_list(s->to, "", names_count, &names);
    if (!e && names)
        e = failure_set(f, ERR_LOCKED, "the new directory must be empty");
    if (!e) {
        e = os_file_open(s->from, PRIMARY_FILE, OS_READ, &r.file);
        if (e)
            failure_set_at(f, e, PRIMARY_FILE, 0, "the data file cannot be opened");
    }
    if (!e)
        e = salvage_all(&r);
    if (e && !f->error)
        failure_set(f, e, "%s", err_message(e));
    if (r.has_tree)
        tree_rescue_fini(&r.tree);
    for (size_t i = 0; i < r.store_count; i++) {
        os_free(s->from, (void *)(uintptr_t)r.stores[i].key.data, r.stores[i].key.size + 1);
        if (r.stores[i].row.data)
            os_free(s->from, (void *)(uintptr_t)r.stores[i].row.data, r.stores[i].row.size + 1);
    }
    ASSERT(r.store_count <= r.store_room && r.tree_count <= r.tree_room);
    salvage_wal_rows_fini(&r);
    os_free(s->from, r.stores, r.store_room * sizeof *r.stores);
    os_free(s->from, r.trees, r.tree_room * sizeof *r.trees);
    if (r.file)
        s->from->ops->file_close(r.file);
    if (lock)
        s->from->ops->file_close(lock);
    return e;
}
