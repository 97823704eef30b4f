#include "server/txn/pass.h"

#include "server/base/assert.h"
#include "server/txn/damage.h"
#include "server/txn/generator.h"
#include "server/txn/numbers.h"

#include <stdlib.h>

static int number_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static int counter_order(const void *a, const void *b)
{
    const struct pass_counter *x = a, *y = b;

    return (x->store > y->store) - (x->store < y->store);
}

void pass_free_lists(struct pass *p)
{
    struct os *os = p->os;

    ASSERT(p->store_count <= p->store_room && p->dropped_count <= p->dropped_room);
    ASSERT(p->counter_count <= p->counter_room);
    os_free(os, p->stores, p->store_room * sizeof *p->stores);
    os_free(os, p->dropped, p->dropped_room * sizeof *p->dropped);
    os_free(os, p->counters, p->counter_room * sizeof *p->counters);
    os_free(os, p->counting, p->counter_room * sizeof *p->counting);
    os_free(os, p->damaged, p->damaged_room * sizeof *p->damaged);
    p->damaged = NULL;
    p->damaged_count = p->damaged_room = 0;
    p->stores = p->dropped = NULL;
    p->counters = NULL;
    p->counting = NULL;
    p->store_room = p->dropped_room = p->counter_room = 0;
    p->store_count = p->dropped_count = p->counter_count = 0;
    p->is_listed = false;
}

/* ---- on the loop: what the catalogue says ---- */

static enum err pass_list_dropped(struct pass *p, uint64_t limit)
{
    const struct list_link *ended = &p->catalogue->ended, *at;
    size_t count = 0;

    ASSERT(!p->dropped && p->dropped_count == 0);
    for (at = ended->next; at != ended; at = at->next, count++) {
        if (LIST_ENTRY(at, struct shelf, in_ended)->ended > limit)
            break;
    }
    p->dropped_room = count + 1;
    p->dropped = os_alloc(p->os, p->dropped_room * sizeof *p->dropped);
    if (!p->dropped)
        return ERR_NOMEM;
    for (at = ended->next; p->dropped_count < count; at = at->next)
        p->dropped[p->dropped_count++] = LIST_ENTRY(at, struct shelf, in_ended)->number;
    ASSERT(p->dropped_count < p->dropped_room);
    return ERR_OK;
}

/* Stores whose counter has moved since the last root, also those that have ended after this
 * pass: the end may be lost. How far it has moved as of the limit, the stages tell. */
static enum err pass_list_counting(struct pass *p, uint64_t limit)
{
    struct catalogue *c = p->catalogue;
    size_t count = 0;

    ASSERT(!p->counters && !p->counting);
    p->counter_room = 1;
    LIST_EACH (link, &c->counting) {
        p->counter_room++;
        (void)link;
    }
    p->counters = os_alloc(p->os, p->counter_room * sizeof *p->counters);
    p->counting = os_alloc(p->os, p->counter_room * sizeof *p->counting);
    if (!p->counters || !p->counting)
        return ERR_NOMEM;
    p->counters[0] = (struct merge_counter){CATALOGUE_STORE, c->last_number};
    LIST_EACH (link, &c->counting) {
        const struct shelf *shelf = LIST_ENTRY(link, struct shelf, in_counting);

        if (shelf->ended && shelf->ended <= limit)
            continue;
        p->counting[count++] = (struct pass_counter){
            shelf->number, shelf->descending, shelf->base_commit <= limit ? shelf->base : 0};
    }
    p->counter_count = 1 + count;
    ASSERT(p->counter_count <= p->counter_room);
    return ERR_OK;
}

enum err pass_prepare(struct pass *p, uint64_t limit)
{
    enum err e = pass_list_dropped(p, limit);

    ASSERT(p->stage_count > 0 && p->stage_count <= PASS_STAGES_MAX && !p->is_listed);
    return e ? e : pass_list_counting(p, limit);
}

/* ---- on the merge lane: what the stages say ---- */

static enum err pass_list_stores(struct pass *p)
{
    size_t count = 0, kept = 0;

    ASSERT(!p->stores);
    for (size_t i = 0; i < p->stage_count; i++)
        count += stage_store_count(p->stages[i]);
    p->store_room = count + 1;
    p->stores = os_alloc(p->os, p->store_room * sizeof *p->stores);
    if (!p->stores)
        return ERR_NOMEM;
    for (size_t i = 0, at = 0; i < p->stage_count; i++) {
        stage_store_numbers(p->stages[i], p->stores + at);
        at += stage_store_count(p->stages[i]);
    }
    qsort(p->stores, count, sizeof *p->stores, number_order);
    for (size_t i = 0; i < count; i++) {
        if (!kept || p->stores[kept - 1] != p->stores[i])
            p->stores[kept++] = p->stores[i];
    }
    p->store_count = kept;
    ASSERT(p->store_count < p->store_room);
    return ERR_OK;
}

static uint64_t pass_used(const struct pass *p, const struct pass_counter *of)
{
    uint64_t used = of->base;

    ASSERT(of->store != CATALOGUE_STORE);
    for (size_t i = 0; i < p->stage_count; i++) {
        const struct stage_store *st = stage_store_of(p->stages[i], of->store);
        uint64_t here = st ? generator_used_in(st, of->descending) : 0;

        used = here > used ? here : used;
    }
    return used;
}

enum err pass_list_damaged(struct pass *p)
{
    const struct damage *d = p->damage;

    ASSERT(d->count <= d->room && (p->damaged || !p->damaged_room));
    os_free(p->os, p->damaged, p->damaged_room * sizeof *p->damaged);
    p->damaged = NULL;
    p->damaged_room = p->damaged_count = d->count;
    if (!d->count)
        return ERR_OK;
    p->damaged = os_alloc(p->os, d->count * sizeof *p->damaged);
    if (!p->damaged) {
        p->damaged_room = p->damaged_count = 0;
        return ERR_NOMEM;
    }
    memcpy(p->damaged, d->items, d->count * sizeof *p->damaged);
    return ERR_OK;
}

/* Before anything is read; it takes as long as there are stores. */
static enum err pass_list(struct pass *p)
{
    size_t counting = p->counter_count - 1;
    enum err e;

    ASSERT(p->counter_count > 0);
    if (p->is_listed)
        return ERR_OK;
    e = pass_list_stores(p);
    if (e)
        return e;
    qsort(p->dropped, p->dropped_count, sizeof *p->dropped, number_order);
    qsort(p->counting, counting, sizeof *p->counting, counter_order);
    for (size_t i = 0; i < counting; i++)
        p->counters[1 + i] =
            (struct merge_counter){p->counting[i].store, pass_used(p, &p->counting[i])};
    p->is_listed = true;
    return ERR_OK;
}

/* ---- walking ---- */

void pass_rewind(struct pass *p, uint64_t floor, uint64_t limit)
{
    ASSERT(floor < limit);
    p->floor = floor;
    p->limit = limit;
    p->store_at = 0;
    p->store_is_open = false;
    for (size_t i = 0; i < p->stage_count; i++)
        p->whole[i] = p->stages[i]->first_commit > floor && p->stages[i]->last_commit <= limit;
}

static void pass_open_store(struct pass *p)
{
    ASSERT(p->store_at < p->store_count && !p->store_is_open);
    for (size_t i = 0; i < p->stage_count; i++) {
        const struct stage *s = p->stages[i];
        bool has_any = s->last_commit > p->floor && s->first_commit <= p->limit;
        struct stage_store *st = has_any ? stage_store_of(s, p->stores[p->store_at]) : NULL;

        p->feeds[i] = st ? st->first : NULL;
    }
    p->store_is_open = true;
}

/* The least key that the feeds stand on, going from store to store; NULL at the end. */
static struct record *pass_least(struct pass *p)
{
    ASSERT(p->is_listed && p->store_at <= p->store_count);
    for (; p->store_at < p->store_count; p->store_at++, p->store_is_open = false) {
        struct record *least = NULL;

        if (!p->store_is_open)
            pass_open_store(p);
        for (size_t i = 0; i < p->stage_count; i++) {
            struct record *r = p->feeds[i];

            if (r && (!least || slice_compare(record_key(r), record_key(least)) < 0))
                least = r;
        }
        if (least)
            return least;
    }
    return NULL;
}

/* The newest version of the next key in (floor, limit]; NULL at the end. */
static struct record *pass_step(struct pass *p)
{
    ASSERT(p->floor < p->limit);
    for (;;) {
        struct record *least = pass_least(p), *found = NULL;
        bool is_new = false;

        if (!least)
            return NULL;
        for (size_t i = 0; i < p->stage_count; i++) {
            struct record *r = p->feeds[i];

            if (!r || (r != least && !slice_equal(record_key(r), record_key(least))))
                continue;
            if (!found && p->whole[i]) {
                found = record_newest(r); /* without touching its stamp */
                is_new = true;
            } else if (!found) {
                found = record_visible(r, p->limit);
                is_new = found && found->stamp->commit > p->floor;
            }
            p->feeds[i] = record_following(r);
            __builtin_prefetch(p->feeds[i]);
        }
        if (is_new)
            return found;
    }
}

enum err pass_next(void *context, struct merge_change *out)
{
    struct pass *p = context;
    enum err e = pass_list(p);
    struct record *r = e ? NULL : pass_step(p);

    if (!r)
        return e ? e : ERR_END;
    out->store = r->store;
    out->key = record_key(r);
    out->value = record_value(r);
    ASSERT(r->store == p->stores[p->store_at]);
    return ERR_OK;
}

/* ---- the ledger ---- */

enum err pass_begin_ledger(struct pass *p, uint64_t floor, bool on_disk)
{
    struct stage *oldest = p->stages[p->stage_count - 1];
    enum err e = ERR_NOMEM;

    ASSERT(!p->ledger && !p->older_at && p->older_count <= PASS_LEDGERS_MAX);
    p->ledger_floor = floor;
    p->older_is_open = false;
    p->unreadable = NULL;
    p->older_at = os_alloc(p->os, PASS_LEDGERS_MAX * sizeof *p->older_at);
    for (size_t i = 0; i < p->older_count && p->older_at; i++)
        ledger_cursor_init(&p->older_at[i], p->older[i]);
    p->ledger = p->older_at ? ledger_new(p->os, floor, p->numbers->last_version) : NULL;
    if (p->ledger)
        e = on_disk ? ledger_spill(p->ledger, p->primary) : ERR_OK;
    if (e)
        return e;
    p->ledger->first_commit = oldest->first_commit;
    p->ledger->last_commit = p->stages[0]->last_commit;
    for (size_t i = 0; i < p->older_count; i++) {
        if (p->older[i]->first_commit < p->ledger->first_commit)
            p->ledger->first_commit = p->older[i]->first_commit;
    }
    ASSERT(p->ledger->first_commit <= p->ledger->last_commit);
    return ERR_OK;
}

static void pass_close_older(struct pass *p)
{
    if (!p->older_at)
        return;
    for (size_t i = 0; i < p->older_count; i++)
        ledger_cursor_fini(&p->older_at[i]);
    os_free(p->os, p->older_at, PASS_LEDGERS_MAX * sizeof *p->older_at);
    p->older_at = NULL;
    ASSERT(!p->older_at);
}

void pass_finish_ledger(struct pass *p)
{
    ASSERT(p->ledger);
    pass_close_older(p);
    ledger_finish(p->ledger);
}

void pass_drop_ledger(struct pass *p)
{
    pass_close_older(p);
    p->older_count = 0;
    if (p->ledger)
        ledger_free(p->ledger);
    p->ledger = NULL;
    ASSERT(!p->ledger && p->older_count == 0);
}

/* Move an older ledger on. */
static enum err pass_older_next(struct pass *p, size_t i)
{
    enum err e = ledger_cursor_next(&p->older_at[i]);

    ASSERT(i < p->older_count && p->older_at);
    if (e == ERR_CORRUPT || e == ERR_IO)
        p->unreadable = p->older[i];
    return e;
}

static enum err pass_open_older(struct pass *p)
{
    enum err e = ERR_OK;

    ASSERT(p->older_count == 0 || p->older_at);
    if (p->older_is_open)
        return ERR_OK;
    for (size_t i = 0; i < p->older_count && !e; i++)
        e = pass_older_next(p, i);
    p->older_is_open = true;
    return e;
}

/* The least key of the older ledgers that is below (store, key), or the least of all where limit
 * is NULL; the newest ledger's entry of it. */
static struct ledger_cursor *pass_older_least(struct pass *p, const struct record *limit)
{
    struct ledger_cursor *least = NULL;

    ASSERT(p->older_count == 0 || p->older_is_open);
    for (size_t i = 0; i < p->older_count; i++) {
        struct ledger_cursor *c = &p->older_at[i];
        int order;

        if (!c->valid)
            continue;
        if (least) {
            order = c->store != least->store
                        ? (c->store > least->store) - (c->store < least->store)
                        : slice_compare(slice_make(c->key, c->key_size),
                                        slice_make(least->key, least->key_size));
            if (order >= 0)
                continue;
        }
        least = c;
    }
    if (!least || !limit)
        return least;
    if (least->store != limit->store)
        return least->store < limit->store ? least : NULL;
    return slice_compare(slice_make(least->key, least->key_size), record_key(limit)) <= 0
               ? least
               : NULL;
}

/* Move every older ledger on that stands on this key. */
static enum err pass_older_skip(struct pass *p, uint32_t store, struct slice key)
{
    uint8_t copy[KEY_BYTES_MAX];
    enum err e = ERR_OK;

    ASSERT(key.size <= KEY_BYTES_MAX);
    memcpy(copy, key.data, key.size); /* key may be a cursor's own */
    for (size_t i = 0; i < p->older_count && !e; i++) {
        struct ledger_cursor *c = &p->older_at[i];

        if (c->valid && c->store == store &&
            slice_equal(slice_make(c->key, c->key_size), slice_make(copy, key.size)))
            e = pass_older_next(p, i);
    }
    return e;
}

/* Put all of the older ledgers below limit; what the stages have as well is theirs. */
static enum err pass_add_older(struct pass *p, const struct record *limit)
{
    struct ledger_cursor *c;
    enum err e = ERR_OK;

    ASSERT(p->ledger);
    while (!e && (c = pass_older_least(p, limit)) != NULL) {
        struct slice key = slice_make(c->key, c->key_size);
        bool is_same = limit && c->store == limit->store && slice_equal(key, record_key(limit));

        if (!is_same && c->entry.commit > p->ledger_floor)
            e = ledger_add(p->ledger, c->store, key, &c->entry);
        if (!e && p->ledger->bytes > p->ledger_bytes_max)
            e = ERR_TOO_LARGE;
        if (!e)
            e = pass_older_skip(p, c->store, key);
    }
    return e;
}

enum err pass_build_ledger(struct pass *p, uint64_t keys_max)
{
    enum err e = pass_list(p);

    ASSERT(p->ledger && keys_max > 0);
    if (!e)
        e = pass_open_older(p);
    for (uint64_t keys = 0; keys < keys_max && !e; keys++) {
        struct record *r = pass_step(p);
        struct ledger_entry entry;

        e = pass_add_older(p, r);
        if (e)
            return e;
        if (!r)
            return ledger_close(p->ledger);
        if (r->stamp->commit <= p->ledger_floor)
            continue;
        entry = (struct ledger_entry){r->stamp->commit, r->stamp->version, r->stamp->label,
                                      r->stamp->durability};
        e = ledger_add(p->ledger, r->store, record_key(r), &entry);
        if (!e && p->ledger->bytes > p->ledger_bytes_max)
            e = ERR_TOO_LARGE;
    }
    return e ? e : ERR_WAIT;
}
