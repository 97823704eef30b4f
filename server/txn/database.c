#include "server/txn/database.h"

#include "server/base/assert.h"

#include <string.h>
#include <xxhash.h>

#define DATABASE_OF(link) LIST_ENTRY(link, struct database, in_names)

static uint64_t name_hash(const struct databases *all, struct slice name)
{
    return XXH3_64bits_withSeed(name.data, name.size, all->seed);
}

static size_t database_bytes(const struct database *d)
{
    ASSERT(d->name_size <= DATABASE_NAME_BYTES_MAX);
    return sizeof *d + d->name_size;
}

struct database *database_find(struct databases *all, struct slice name)
{
    struct hash_link *link = hash_table_first(&all->names, name_hash(all, name));

    for (; link; link = hash_table_next(&all->names, link)) {
        if (slice_equal(database_name(DATABASE_OF(link)), name))
            return DATABASE_OF(link);
    }
    return NULL;
}

static struct database *database_make(struct databases *all, struct slice name)
{
    struct database *d = os_alloc(all->os, sizeof *d + name.size);

    ASSERT(name.size <= DATABASE_NAME_BYTES_MAX && !database_find(all, name));
    if (!d)
        return NULL;
    memset(d, 0, sizeof *d);
    list_init(&d->in_idle);
    locks_init(&d->locks, &all->turns);
    opening_struct_init(&d->opening);
    list_init(&d->entries);
    quota_struct_init(&d->quota);
    ASSERT(all->last_id < UINT64_MAX); /* none is used again */
    d->id = all->main ? ++all->last_id : 0;
    d->name_size = (uint16_t)name.size;
    if (name.size)
        memcpy(d->name, name.data, name.size);
    hash_table_insert(&all->names, &d->in_names, name_hash(all, name));
    all->bytes += database_bytes(d);
    return d;
}

static void database_free(struct databases *all, struct database *d)
{
    ASSERT(!d->refs && !list_is_linked(&d->in_idle) && list_is_empty(&d->entries));
    ASSERT(all->bytes >= database_bytes(d));
    hash_table_remove(&all->names, &d->in_names);
    all->bytes -= database_bytes(d);
    locks_fini(&d->locks);
    os_free(all->os, d, database_bytes(d));
}

struct database *database_ref(struct database *d)
{
    ASSERT(d->refs < UINT64_MAX);
    d->refs++;
    list_remove(&d->in_idle);
    return d;
}

struct database *database_use(struct databases *all, struct slice name)
{
    struct database *d = database_find(all, name);

    if (!d)
        d = database_make(all, name);
    ASSERT(!d || slice_equal(database_name(d), name));
    return d ? database_ref(d) : NULL;
}

void database_unref(struct databases *all, struct database *d)
{
    ASSERT(d->refs > 0 && !list_is_linked(&d->in_idle));
    if (--d->refs == 0 && !database_exists(d))
        list_push_back(&all->idle, &d->in_idle);
}

/* Whether it existed before a change; all->count follows. */
static void database_count(struct databases *all, const struct database *d, bool before)
{
    bool now = database_exists(d);

    ASSERT(d->refs > 0);
    ASSERT(all->count + now >= (uint64_t)before);
    all->count = all->count + now - before;
}

void database_publish(struct databases *all, struct database *d, const struct database_row *row,
                      uint64_t commit, enum durability durability)
{
    bool before = database_exists(d);

    ASSERT(commit >= d->changed && d->refs > 0);
    d->is_marked = !row->is_deleted;
    d->version = row->is_deleted ? 0 : row->version;
    d->changed = commit;
    d->durability = durability;
    if (row->is_deleted)
        d->dropped = commit;
    database_count(all, d, before);
}

void database_add_store(struct databases *all, struct database *d)
{
    bool before = database_exists(d);

    ASSERT(d->stores < UINT32_MAX);
    d->stores++;
    database_count(all, d, before);
}

void database_remove_store(struct databases *all, struct database *d)
{
    bool before = database_exists(d);

    ASSERT(d->stores > 0);
    d->stores--;
    database_count(all, d, before);
}

/* The first that nobody uses; they have ended in the order of commits, or never existed. */
static struct database *idle_first(const struct databases *all, uint64_t durable)
{
    struct database *d;

    if (list_is_empty(&all->idle))
        return NULL;
    d = LIST_ENTRY(all->idle.next, struct database, in_idle);
    ASSERT(!d->refs && !database_exists(d));
    return d->changed <= durable ? d : NULL;
}

bool databases_have_garbage(const struct databases *all, uint64_t durable)
{
    ASSERT(all->main);
    return idle_first(all, durable) != NULL;
}

bool databases_reclaim(struct databases *all, uint64_t durable)
{
    struct database *d = idle_first(all, durable);

    if (!d)
        return false;
    ASSERT(d != all->main);
    list_remove(&d->in_idle);
    database_free(all, d);
    return true;
}

void databases_check(const struct databases *all, uint64_t stores)
{
    uint64_t count = 0, bytes = 0;

    for (size_t b = 0; b < all->names.room; b++) {
        for (const struct hash_link *l = all->names.buckets[b]; l; l = l->next) {
            const struct database *d = DATABASE_OF(l);

            count += database_exists(d);
            bytes += database_bytes(d);
            ASSERT(stores >= d->stores);
            stores -= d->stores;
            ASSERT(list_is_linked(&d->in_idle) == (!d->refs && !database_exists(d)));
        }
    }
    ASSERT(!stores && count == all->count && bytes == all->bytes);
}

enum err databases_init(struct databases *d, struct os *os, uint64_t seed)
{
    enum err e;

    memset(d, 0, sizeof *d);
    d->os = os;
    d->seed = seed;
    list_init(&d->idle);
    lock_turns_init(&d->turns, os, seed);
    e = hash_table_init(&d->names, os);
    if (e)
        return e;
    d->main = database_make(d, slice_text(DATABASE_MAIN));
    if (!d->main)
        return ERR_NOMEM;
    ASSERT(d->main->id == 0);
    database_ref(d->main);
    return ERR_OK;
}

void databases_fini(struct databases *d)
{
    struct hash_link *link;
    size_t bucket = 0;

    if (!d->os)
        return;
    while ((link = hash_table_any(&d->names, &bucket)) != NULL) {
        struct database *gone = DATABASE_OF(link);

        gone->refs = 0;
        list_remove(&gone->in_idle);
        database_free(d, gone);
    }
    hash_table_fini(&d->names);
    memset(d, 0, sizeof *d);
}
