#include "server/txn/damage.h"

#include "server/base/assert.h"
#include "server/base/text.h"
#include "server/storage/scratch.h"

#include <string.h>

void damage_init(struct damage *d, struct os *os, struct catalogue *catalogue,
                 struct pulse *pulse)
{
    ASSERT(os && catalogue && pulse);
    memset(d, 0, sizeof *d);
    d->os = os;
    d->catalogue = catalogue;
    d->pulse = pulse;
}

void damage_fini(struct damage *d)
{
    ASSERT(d->count <= d->room);
    if (d->os)
        os_free(d->os, d->items, d->room * sizeof *d->items);
    d->items = NULL;
    d->count = d->room = 0;
}

/* The first at or above the store. */
static size_t damage_seek(const struct damage *d, uint32_t store)
{
    size_t i = 0;

    ASSERT(d->count <= d->room);
    while (i < d->count && d->items[i].store < store)
        i++;
    return i;
}

const struct tree_damage *damage_find(const struct damage *d, uint32_t store)
{
    size_t i = damage_seek(d, store);

    ASSERT(d->count <= d->room);
    return i < d->count && d->items[i].store == store ? &d->items[i] : NULL;
}

enum err damage_note(struct damage *d, const struct tree_damage *damage)
{
    size_t i = damage_seek(d, damage->store);

    ASSERT(damage->store < PRIMARY_STORES_END);
    if (i < d->count && d->items[i].store == damage->store) {
        if (!damage->is_lost || d->items[i].is_lost)
            return ERR_EXISTS;
        d->items[i].is_lost = true;
        return ERR_OK;
    }
    if (items_grow(d->os, (void **)&d->items, d->count, &d->room, sizeof *d->items) != ERR_OK)
        return ERR_NOMEM;
    memmove(d->items + i + 1, d->items + i, (d->count - i) * sizeof *d->items);
    d->items[i] = *damage;
    d->count++;
    ASSERT(i == 0 || d->items[i - 1].store < d->items[i].store);
    return ERR_OK;
}

bool damage_try(struct damage *d, const struct tree_damage *damage, enum err e)
{
    ASSERT(damage->store < PRIMARY_STORES_END);
    if (e == ERR_CORRUPT)
        return true;
    if (e != ERR_IO)
        return false;
    if (d->tries == 0 || d->tried.store != damage->store || d->tried.offset != damage->offset)
        d->tries = 0;
    d->tried = *damage;
    return ++d->tries >= DAMAGE_TRIES;
}

void damage_forget(struct damage *d, uint32_t store)
{
    size_t i = damage_seek(d, store);

    if (i == d->count || d->items[i].store != store)
        return;
    d->count--;
    memmove(d->items + i, d->items + i + 1, (d->count - i) * sizeof *d->items);
    ASSERT(i == d->count || d->items[i].store > store);
}

enum err damage_refuse(const struct tree_damage *damage, struct slice name, struct failure *f)
{
    ASSERT(damage->store < PRIMARY_STORES_END);
    if (damage->store == 0) /* CATALOGUE_STORE, of a floor above */
        return failure_set_at(f, ERR_CORRUPT, PRIMARY_FILE, damage->offset,
                              "the store definitions could not be read (%s, offset %llu), so "
                              "no store can be created or changed; restart the server, and "
                              "restore a backup if that does not help",
                              PRIMARY_FILE, (unsigned long long)damage->offset);
    return failure_set_at(f, ERR_CORRUPT, PRIMARY_FILE, damage->offset,
                          "store \"%s\" is damaged on the disk (%s, offset %llu) and takes no "
                          "writes; export what can be read, then clear or drop it",
                          text_show(name), PRIMARY_FILE, (unsigned long long)damage->offset);
}
