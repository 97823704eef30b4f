/* prepared.c - see prepared.h. */
#include "server/query/prepared.h"

#include "server/base/assert.h"
#include "server/query/datum.h"

#define KEPT_PART_MAX 4 /* no text takes more than that part of the cache */

struct prepared *prepared_new(struct os *os, struct slice text)
{
    struct prepared *p = os_alloc(os, sizeof *p);
    uint8_t *to;

    if (!p)
        return NULL;
    memset(p, 0, sizeof *p);
    p->refs = 1;
    arena_init(&p->arena, os);
    p->plan.arena = &p->arena;
    to = arena_alloc(&p->arena, text.size + 1);
    if (!to) {
        prepared_unref(p);
        return NULL;
    }
    if (text.size)
        memcpy(to, text.data, text.size);
    p->text = slice_make(to, text.size);
    return p;
}

void prepared_unref(struct prepared *p)
{
    struct os *os;

    if (!p || --p->refs)
        return;
    ASSERT(!p->is_kept);
    os = p->arena.os;
    arena_free(&p->arena);
    os_free(os, p, sizeof *p);
}

static uint64_t bytes_of(const struct prepared *p)
{
    return sizeof *p + p->arena.bytes;
}

static void let_go(struct plan_cache *c, struct prepared *p)
{
    ASSERT(p->is_kept && c->bytes >= bytes_of(p));
    hash_table_remove(&c->texts, &p->in_texts);
    list_remove(&p->in_order);
    c->bytes -= bytes_of(p);
    p->is_kept = false;
    prepared_unref(p);
}

static void empty(struct plan_cache *c)
{
    while (!list_is_empty(&c->order))
        let_go(c, LIST_ENTRY(c->order.next, struct prepared, in_order));
    ASSERT(!c->bytes);
}

enum err plan_cache_init(struct plan_cache *c, struct os *os, uint64_t bytes_max, uint64_t seed)
{
    *c = (struct plan_cache){.os = os, .bytes_max = bytes_max, .seed = seed};
    list_init(&c->order);
    return hash_table_init(&c->texts, os);
}

void plan_cache_fini(struct plan_cache *c)
{
    if (!c->os)
        return;
    empty(c);
    hash_table_fini(&c->texts);
    c->os = NULL;
}

static uint64_t hash_of(const struct plan_cache *c, const struct database *database,
                        struct slice text)
{
    struct datum d = datum_text(text);

    return datum_hash(&d, hash_pair(c->seed, (uintptr_t)database));
}

struct prepared *plan_cache_find(struct plan_cache *c, const struct database *database,
                                 uint64_t changes, struct slice text)
{
    struct hash_link *link;

    if (c->changes != changes) {
        empty(c);
        c->changes = changes;
    }
    link = hash_table_first(&c->texts, hash_of(c, database, text));
    for (; link; link = hash_table_next(&c->texts, link)) {
        struct prepared *p = LIST_ENTRY(link, struct prepared, in_texts);

        if (p->database != database || !slice_equal(p->text, text))
            continue;
        list_remove(&p->in_order);
        list_push_front(&c->order, &p->in_order);
        p->refs++;
        c->found++;
        return p;
    }
    c->missed++;
    return NULL;
}

void plan_cache_keep(struct plan_cache *c, const struct database *database, struct prepared *p)
{
    ASSERT(p->is_planned && !p->is_kept);
    if (bytes_of(p) > c->bytes_max / KEPT_PART_MAX)
        return;
    while (c->bytes + bytes_of(p) > c->bytes_max)
        let_go(c, LIST_ENTRY(c->order.previous, struct prepared, in_order));
    p->database = database;
    p->is_kept = true;
    p->refs++;
    c->bytes += bytes_of(p);
    hash_table_insert(&c->texts, &p->in_texts, hash_of(c, database, p->text));
    list_push_front(&c->order, &p->in_order);
}
