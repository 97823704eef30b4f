/* What an open transaction has written: its keys among the intents, and its stores. Who is large
 * is in a list instead of the intents (T-4). */
#include "server/txn/written.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/intents.h"
#include "server/txn/stage_stack.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"

void written_remove_intents(struct txn *t)
{
    ASSERT(!list_is_linked(&t->in_large) == !t->is_large); /* T-4 */
    if (t->is_large || !t->stamp)
        return;
    for (struct record *r = t->stamp->first; r; r = r->log_next)
        intents_remove(&t->all->intents, r);
}

void written_remove_intent(struct txn *t, struct record *r)
{
    ASSERT(r->stamp->owner == t);
    if (!t->is_large)
        intents_remove(&t->all->intents, r); /* T-4 */
}

void written_become_large(struct txn *t)
{
    ASSERT(!t->is_large && !list_is_linked(&t->in_large)); /* T-4 */
    written_remove_intents(t);
    t->is_large = true;
    list_push_back(&t->all->large, &t->in_large);
}

/* ---- stores ---- */

#define STORE_OF(link) LIST_ENTRY(link, struct txn_store, in_written)

static uint64_t written_hash(const struct txn *t, uint32_t number)
{
    return hash_pair((uintptr_t)t, number);
}

static uint64_t written_hash_of(const struct chains *h, const struct chain_link *link)
{
    const struct txn_store *s = STORE_OF(link);

    ASSERT(s->txn && s->schema);
    (void)h;
    return written_hash(s->txn, s->schema->number);
}

enum err written_init(struct txns *all)
{
    ASSERT(!all->written_stores.count);
    return chains_init(&all->written_stores, all->os, 0, written_hash_of);
}

void written_fini(struct txns *all)
{
    chains_fini(&all->written_stores);
}

/* The store of a number that t has written, by any definition or by that one. */
static struct txn_store *written_find(const struct txn *t, uint32_t number,
                                      const struct schema *schema)
{
    struct txns *all = t->all;

    if (t->store_count <= TXN_FEW_STORES) {
        for (struct txn_store *s = t->stores; s; s = s->next) {
            if (schema ? s->schema == schema : s->schema->number == number)
                return s;
        }
        return NULL;
    }
    for (struct chain_link *l = chains_first(&all->written_stores, written_hash(t, number)); l;
         l = l->next) {
        struct txn_store *s = STORE_OF(l);

        all->steps++;
        if (s->txn == t && (schema ? s->schema == schema : s->schema->number == number))
            return s;
    }
    return NULL;
}

struct txn_store *written_store_of(const struct txn *t, uint32_t number)
{
    return written_find(t, number, NULL);
}

/* The first few stand in the list alone. */
static void written_enter(struct txn *t)
{
    struct chains *written = &t->all->written_stores;
    unsigned rest = t->store_count == TXN_FEW_STORES + 1 ? t->store_count : 1;

    ASSERT(t->stores && t->stores->txn == t);
    if (t->store_count <= TXN_FEW_STORES)
        return;
    for (struct txn_store *s = t->stores; rest > 0; s = s->next, rest--) {
        if (!chain_is_linked(&s->in_written))
            chains_add(written, &s->in_written, written_hash(t, s->schema->number));
    }
}

enum err written_note_store(struct txn *t, struct schema *schema)
{
    struct txn_store *s;

    ASSERT(t->snapshot && (!t->store_count == !t->stores)); /* T-3 */
    if (written_find(t, schema->number, schema))
        return ERR_OK;
    if (stage_stack_spare(t->all->stages, t->all->os) != ERR_OK)
        return ERR_NOMEM;
    s = t->stores ? arena_alloc(t->write_set.memory, sizeof *s) : &t->store_room;
    if (!s)
        return ERR_NOMEM;
    ASSERT(t->all->stages->spares.count >
           t->all->stages->spares_needed); /* its commit needs one */
    t->all->stages->spares_needed++;
    s->txn = t;
    s->schema = schema_ref(schema);
    s->next = t->stores;
    t->stores = s;
    t->store_count++;
    chain_link_init(&s->in_written);
    written_enter(t);
    list_push_back(&schema->entry->writers, &s->in_entry);
    return ERR_OK;
}

void written_forget_stores_since(struct txn *t, struct txn_store *since)
{
    ASSERT(!since || t->stores);
    for (; t->stores != since; t->stores = t->stores->next) {
        ASSERT(t->stores && t->all->stages->spares_needed);
        list_remove(&t->stores->in_entry);
        chains_remove(&t->all->written_stores, &t->stores->in_written);
        t->store_count--;
        schema_unref(t->all->catalogue, t->stores->schema);
        t->all->stages->spares_needed--;
    }
}

void written_forget_stores(struct txn *t)
{
    written_forget_stores_since(t, NULL);
    ASSERT(!t->store_count && !t->stores);
}
