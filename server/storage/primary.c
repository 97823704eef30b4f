/* primary.c - opening, closing and describing the primary.
 *
 * A new file is made whole under another name, synced, and renamed, so a crash
 * while it is made leaves nothing that looks like a primary. At each open both
 * slots are written again with the newest root: then only one root needs its
 * extents, a torn slot is healed, and the numbers that roots of the former life
 * may have had are reserved, so that no birth is used twice. The slot that
 * did not name the newest root is written first. */
#include "server/base/assert.h"
#include "server/storage/primary_internal.h"

#define PRIMARY_FILE_NEW "primary.new"

void primary_slot_of(const struct primary *p, const struct root *r, uint64_t number_limit,
                     struct slot *slot)
{
    ASSERT(r->facts.number < number_limit);
    ASSERT(r->catalogue_height || r->count == 0);
    memset(slot, 0, sizeof *slot);
    slot->page_bytes = p->page_bytes;
    memcpy(slot->uuid, p->uuid, sizeof slot->uuid);
    slot->facts = r->facts;
    slot->number_limit = number_limit;
    slot->units = r->units;
    slot->trees = (uint32_t)r->count;
    slot->height = r->catalogue_height;
    slot->catalogue = r->catalogue;
}

enum err primary_write_slots(struct primary *p, const struct slot *slot, bool *touched)
{
    ASSERT(p->slot_first < SLOT_COUNT);
    ASSERT(slot->number_limit >= p->number_limit); /* what was reserved stays so */
    *touched = false;
    for (unsigned i = 0; i < SLOT_COUNT; i++) {
        unsigned place = (p->slot_first + i) % SLOT_COUNT;
        bool sync_failed;
        enum err e = slot_write(p->os, p->file, slot, place, &sync_failed);

        *touched = true;
        if (e) {
            /* The other slot is whole: this one must be the first next time too. */
            p->slot_first = place;
            p->failed = p->failed || sync_failed;
            return sync_failed ? ERR_LOG_FAILED : e;
        }
    }
    return ERR_OK;
}

enum err primary_reserve_numbers(struct primary *p, uint64_t number)
{
    uint64_t limit = number + PRIMARY_NUMBERS_AHEAD;
    struct slot slot;
    bool touched;
    enum err e;

    ASSERT(number >= p->number_limit);
    primary_slot_of(p, p->durable, limit, &slot);
    e = primary_write_slots(p, &slot, &touched);
    if (!e)
        p->number_limit = limit;
    ASSERT(number < p->number_limit);
    return e;
}

/* ---- held roots ---- */

void primary_roots_add(struct primary *p, struct root *r)
{
    ASSERT(!list_is_linked(&r->in_roots) && r->memory);
    ASSERT(list_is_empty(&p->roots) ||
           root_facts(LIST_ENTRY(p->roots.previous, struct root, in_roots))->number <
               root_facts(r)->number); /* ascending */
    r->primary = p;
    list_push_back(&p->roots, &r->in_roots);
    p->root_count++;
    p->roots_bytes += r->memory;
}

static void primary_roots_remove(struct primary *p, struct root *r)
{
    ASSERT(p->root_count && p->roots_bytes >= r->memory);
    list_remove(&r->in_roots);
    p->root_count--;
    p->roots_bytes -= r->memory;
}

uint64_t primary_roots_bytes(const struct primary *p)
{
    ASSERT(p->roots_bytes >= p->durable->memory);
    return p->roots_bytes - p->durable->memory;
}

const struct root *primary_oldest_root(const struct primary *p)
{
    const struct list_link *at = p->roots.next;

    ASSERT(p->root_count);
    if (at == &p->durable->in_roots)
        at = at->next;
    return at == &p->roots ? NULL : LIST_ENTRY(at, struct root, in_roots);
}

const struct root *primary_newer_root(const struct primary *p, const struct root *r)
{
    const struct list_link *at = r->in_roots.next;

    ASSERT(list_is_linked(&r->in_roots));
    if (at == &p->durable->in_roots)
        at = at->next;
    return at == &p->roots ? NULL : LIST_ENTRY(at, struct root, in_roots);
}

/* ---- space ---- */

enum err primary_held(struct primary *p, struct space_held *out)
{
    size_t i = 0;

    ASSERT(!list_is_empty(&p->roots));
    memset(out, 0, sizeof *out);
    out->count = p->root_count;
    out->numbers = os_alloc(p->os, 2 * out->count * sizeof *out->numbers);
    if (!out->numbers)
        return ERR_NOMEM;
    out->only = out->numbers + out->count;
    memset(out->only, 0, out->count * sizeof *out->only);
    LIST_EACH (link, &p->roots) {
        out->numbers[i++] = LIST_ENTRY(link, struct root, in_roots)->facts.number;
        ASSERT(i < 2 || out->numbers[i - 2] < out->numbers[i - 1]);
    }
    ASSERT(i == out->count);
    return ERR_OK;
}

void primary_held_fini(struct primary *p, struct space_held *held)
{
    ASSERT(!held->numbers || held->only == held->numbers + held->count);
    os_free(p->os, held->numbers, 2 * held->count * sizeof *held->numbers);
}

void primary_note_only(struct primary *p, const struct space_held *held)
{
    size_t i = 0;

    LIST_EACH (link, &p->roots) { /* ascending; some of those that were held are gone */
        struct root *r = LIST_ENTRY(link, struct root, in_roots);

        while (i < held->count && held->numbers[i] < r->facts.number)
            i++;
        r->only_units =
            i < held->count && held->numbers[i] == r->facts.number ? held->only[i] : 0;
    }
    ASSERT(i <= held->count);
}

uint64_t root_only_bytes(const struct root *r)
{
    ASSERT(r->refs > 0);
    return r->only_units * PAGE_UNIT_BYTES;
}

void primary_take_let_go(struct primary *p)
{
    while (p->let_go) {
        struct space_batch *batch = p->let_go;

        p->let_go = batch->next;
        batch->next = p->released;
        p->released = batch;
    }
    ASSERT(!p->let_go);
}

void primary_give_back(struct primary *p)
{
    while (p->released) {
        struct space_batch *batch = p->released;

        p->released = batch->next;
        space_undo(&p->space, batch);
    }
    ASSERT(!p->released);
}

void primary_trim_file(struct primary *p, uint64_t *size)
{
    uint64_t end;

    extent_trim(&p->space.map);
    end = primary_end_bytes(p);
    ASSERT(end >= SLOT_UNITS * PAGE_UNIT_BYTES);
    if (p->os->ops->file_size(p->file, size) != ERR_OK) {
        *size = 0; /* failing is no harm */
        return;
    }
    if (*size > end && !p->failed && p->os->ops->file_truncate(p->file, end) == ERR_OK)
        *size = end;
}

/* ---- copies ---- */

void primary_bad_copy(struct primary *p, uint32_t store, uint64_t offset)
{
    if (store == ROOT_CATALOGUE)
        p->renews_catalogue = true;
    else
        p->renews_rows = true;
    if (p->on_bad_copy)
        p->on_bad_copy(p->on_bad_copy_context, offset);
    else
        p->bad_copy = offset;
}

static void on_bad_copy(void *primary, uint32_t store, uint64_t offset)
{
    primary_bad_copy(primary, store, offset);
}

void primary_on_bad_copy(struct primary *p, void (*bad)(void *context, uint64_t offset),
                         void *context)
{
    p->on_bad_copy = bad;
    p->on_bad_copy_context = context;
    if (p->bad_copy)
        bad(context, p->bad_copy);
    p->bad_copy = 0;
}

/* ---- making the file ---- */

static enum err file_fill(struct primary *p, const struct primary_options *options,
                          struct os_file *file)
{
    uint32_t page_bytes =
        options->page_bytes ? options->page_bytes : PRIMARY_PAGE_BYTES_DEFAULT;
    struct slot slot = {.page_bytes = page_bytes,
                        .facts = {.number = 1},
                        .number_limit = 1 + PRIMARY_NUMBERS_AHEAD};
    bool sync_failed;
    enum err e;

    ASSERT(slot.page_bytes > 0);
    p->os->ops->random(p->os, slot.uuid, sizeof slot.uuid);
    if (options->identity)
        memcpy(slot.uuid, options->identity, sizeof slot.uuid);
    e = p->os->ops->file_truncate(file, 0);
    for (unsigned i = 0; i < SLOT_COUNT && !e; i++)
        e = slot_write(p->os, file, &slot, i, &sync_failed);
    return e;
}

static enum err file_make(struct primary *p, const struct primary_options *options)
{
    const struct os_ops *ops = p->os->ops;
    struct os_file *file = NULL;
    enum err e;

    ASSERT(!p->file);
    e = os_file_open(p->os, PRIMARY_FILE_NEW, OS_READ | OS_WRITE | OS_CREATE, &file);
    if (e)
        return e;
    e = file_fill(p, options, file);
    ops->file_close(file);
    if (!e)
        e = ops->file_rename(p->os, PRIMARY_FILE_NEW, PRIMARY_FILE);
    if (!e)
        e = ops->dir_sync(p->os, "");
    return e;
}

static enum err file_find(struct primary *p, const struct primary_options *options,
                          struct failure *f)
{
    enum err e = os_file_open(p->os, PRIMARY_FILE, OS_READ | OS_WRITE, &p->file);

    if (e == ERR_NOT_FOUND && options->is_read_only)
        return failure_set_at(f, e, PRIMARY_FILE, 0, "the data file does not exist");
    if (e == ERR_NOT_FOUND) {
        e = file_make(p, options);
        if (!e)
            e = os_file_open(p->os, PRIMARY_FILE, OS_READ | OS_WRITE, &p->file);
    }
    if (e)
        return failure_set_at(f, e, PRIMARY_FILE, 0,
                              "the data file could not be opened or created");
    e = p->os->ops->file_lock(p->file);
    if (e == ERR_LOCKED)
        return failure_set_at(f, e, PRIMARY_FILE, 0,
                              "the data file is in use by another server");
    if (e)
        return failure_set_at(f, e, PRIMARY_FILE, 0, "the data file cannot be locked");
    return ERR_OK;
}

/* ---- opening ---- */

/* Write both slots again, now that all is known to be well. */
static enum err slots_renew(struct primary *p, uint64_t number_limit, struct failure *f)
{
    struct slot slot;
    bool touched;
    enum err e;

    ASSERT(p->durable->facts.number < number_limit);
    ASSERT(p->number_next < p->number_limit || !p->number_limit);
    p->number_next = number_limit;
    p->number_limit = number_limit + PRIMARY_NUMBERS_AHEAD;
    primary_slot_of(p, p->durable, p->number_limit, &slot);
    e = primary_write_slots(p, &slot, &touched);
    if (e)
        return failure_set_at(f, e, PRIMARY_FILE, 0, "the meta pages could not be written");
    return ERR_OK;
}

static enum err primary_load(struct primary *p, const struct primary_options *options,
                             struct failure *f)
{
    struct slot slot;
    unsigned place = 0;
    enum err e;

    e = slot_read_newest(p->os, p->file, &slot, &place, f);
    if (e)
        return e;
    p->page_bytes = slot.page_bytes;
    memcpy(p->uuid, slot.uuid, sizeof p->uuid);
    p->slot_first = (place + 1) % SLOT_COUNT;
    ASSERT(p->slot_first < SLOT_COUNT);
    e = primary_load_root(p, &slot, &p->durable, f);
    if (e)
        return e;
    ASSERT(p->durable->refs == 1);
    primary_roots_add(p, p->durable);
    if (!options->is_read_only)
        e = slots_renew(p, slot.number_limit, f);
    if (e)
        return e;
    e = p->os->ops->file_size(p->file, &p->last.file_bytes);
    if (e)
        return failure_set_at(f, e, PRIMARY_FILE, 0,
                              "the size of the data file could not be read");
    e = cache_init(&p->cache, p->os, p->file, options->cache_bytes, p->page_bytes);
    if (e)
        return failure_set(f, e, "%s", err_message(e));
    p->cache.on_bad_copy = on_bad_copy;
    p->cache.on_bad_copy_context = p;
    primary_note_space(p);
    p->space.map.given_low = 0; /* what a former life left free may lie anywhere */
    p->space.map.given_high = p->space.map.end;
    p->needs_reclaim = p->last.free_bytes > 0;
    return ERR_OK;
}

enum err primary_open(struct os *os, const struct primary_options *options,
                      struct primary **out, struct failure *f)
{
    struct primary *p = os_alloc(os, sizeof *p);
    enum err e;

    *out = NULL;
    if (!p)
        return failure_set(f, ERR_NOMEM, "%s", err_message(ERR_NOMEM));
    memset(p, 0, sizeof *p);
    p->os = os;
    list_init(&p->roots);
    list_init(&p->spills);
    e = space_init(&p->space, os);
    if (e)
        failure_set(f, e, "%s", err_message(e));
    if (!e)
        e = file_find(p, options, f);
    if (!e)
        e = primary_load(p, options, f);
    if (e) {
        primary_close(p, true);
        return e;
    }
    *out = p;
    return ERR_OK;
}

void primary_identity(const struct primary *p, uint8_t *to)
{
    ASSERT(p->durable);
    memcpy(to, p->uuid, PRIMARY_IDENTITY_BYTES);
}

void primary_close(struct primary *p, bool abandon)
{
    struct os *os = p ? p->os : NULL;

    if (!p)
        return;
    ASSERT(abandon || (!p->merge && !p->reclaim));
    ASSERT(!p->spill_writer && list_is_empty(&p->spills));
    primary_take_let_go(p);
    primary_give_back(p);
    if (p->merge)
        merge_free(p, p->merge);
    if (p->reclaim)
        reclaim_free(p, p->reclaim);
    cache_fini(&p->cache, abandon);
    while (!list_is_empty(&p->roots)) {
        struct root *r = LIST_ENTRY(list_first(&p->roots), struct root, in_roots);

        ASSERT(abandon || (r == p->durable && r->refs == 1));
        primary_roots_remove(p, r);
        root_free(p->os, r);
    }
    ASSERT(!p->root_count && !p->roots_bytes);
    space_fini(&p->space);
    scratch_fini(os, &p->found);
    if (p->file)
        p->os->ops->file_close(p->file);
    os_free(p->os, p, sizeof *p);
}

struct root *primary_root(struct primary *p)
{
    ASSERT(p->durable && p->durable->refs > 0);
    return p->durable;
}

void root_unref(struct root *r)
{
    struct primary *p = r->primary;

    ASSERT(r->refs > 0);
    if (--r->refs > 0)
        return;
    ASSERT(list_is_linked(&r->in_roots));
    p->needs_reclaim = true;
    primary_roots_remove(p, r);
    root_free(p->os, r);
}

/* ---- describing ---- */

static bool found_has(const struct primary *p, uint32_t store)
{
    const struct tree_damage *found = (const struct tree_damage *)(const void *)p->found.data;

    for (size_t i = 0; i < p->found_count; i++)
        if (found[i].store == store)
            return true;
    return false;
}

bool primary_is_damaged(const struct primary *p, uint32_t store)
{
    store &= ~PRIMARY_STORES_END;
    return root_find_side(p->durable, store) || found_has(p, store);
}

void primary_each_damage(const struct primary *p,
                         void (*each)(void *context, const struct tree_damage *damage),
                         void *context)
{
    const struct tree_damage *found = (const struct tree_damage *)(const void *)p->found.data;
    const struct root *r = p->durable;

    for (size_t i = r->count - r->side_count; i < r->count; i++) {
        struct tree_damage damage = side_damage(&r->infos[i]);

        each(context, &damage);
    }
    for (size_t i = 0; i < p->found_count; i++)
        if (!root_find_side(r, found[i].store))
            each(context, &found[i]);
}

void primary_note_space(struct primary *p)
{
    uint64_t used = (p->durable->units + SLOT_UNITS) * PAGE_UNIT_BYTES;
    uint64_t taken = (uint64_t)p->space.map.used * PAGE_UNIT_BYTES;

    ASSERT(!p->merge && !p->reclaim && !p->spill_writer);
    p->last.used_bytes = used;
    p->last.held_bytes = taken - used;
    p->last.free_bytes = p->last.file_bytes > taken ? p->last.file_bytes - taken : 0;
}

void primary_stats(const struct primary *p, struct primary_stats *out)
{
    ASSERT(p->durable->refs > 0);
    *out = p->last;
    out->cache_bytes = p->cache.bytes;
    out->cache_limit = p->cache.limit;
    out->cache_hits = p->cache.hits;
    out->cache_misses = p->cache.misses;
    out->pages_read = p->cache.pages_read;
    out->leaked_bytes = p->leaked_units * PAGE_UNIT_BYTES;
    out->records = p->durable->records;
    out->trees = p->durable->count - p->durable->side_count;
    out->roots_held = p->root_count;
}

bool primary_is_busy(const struct primary *p)
{
    ASSERT((p->merge != NULL) + (p->reclaim != NULL) + (p->spill_writer != NULL) <= 1);
    return p->merge || p->reclaim || p->spill_writer || p->cache.load_count > 0;
}

void primary_read_blocking(struct primary *p, bool on)
{
    ASSERT(p->cache.os);
    p->cache.blocking = on;
}
