#include "server/txn/intents.h"

#include "server/base/assert.h"

#include <xxhash.h>

static struct record *record_of(const struct chain_link *link)
{
    return link ? LIST_ENTRY(link, struct record, in_intents) : NULL;
}

static uint64_t key_hash(const struct chains *table, uint32_t store, struct slice key)
{
    ASSERT(key.size > 0);
    return XXH3_64bits_withSeed(key.data, key.size, table->seed + store);
}

static uint64_t intent_hash_of(const struct chains *table, const struct chain_link *link)
{
    const struct record *r = record_of(link);

    ASSERT(r->stamp->owner); /* N-1 */
    return key_hash(table, r->store, record_key(r));
}

enum err intents_init(struct intents *intents, struct os *os, uint64_t seed)
{
    return chains_init(&intents->table, os, seed, intent_hash_of);
}

void intents_fini(struct intents *intents)
{
    chains_fini(&intents->table);
}

void intents_add(struct intents *intents, struct record *r)
{
    ASSERT(!chain_is_linked(&r->in_intents)); /* T-4: once */
    ASSERT(r->stamp->owner && !r->stamp->commit);
    ASSERT(r->key_size > 0);
    chains_add(&intents->table, &r->in_intents,
               key_hash(&intents->table, r->store, record_key(r)));
}

void intents_remove(struct intents *intents, struct record *r)
{
    ASSERT(!chain_is_linked(&r->in_intents) || intents->table.count > 0);
    chains_remove(&intents->table, &r->in_intents);
}

static struct record *intents_walk(struct intents *intents, struct chain_link *link,
                                   uint32_t store, struct slice key)
{
    for (; link; link = link->next) {
        struct record *r = record_of(link);
        ASSERT(r->stamp->owner);

        intents->table.steps++;
        if (r->store == store && slice_equal(record_key(r), key))
            return r;
    }
    return NULL;
}

struct record *intents_find(struct intents *intents, uint32_t store, struct slice key)
{
    struct chains *table = &intents->table;

    ASSERT(key.size > 0);
    table->steps++;
    return intents_walk(intents, chains_first(table, key_hash(table, store, key)), store, key);
}

struct record *intents_next(struct intents *intents, const struct record *r)
{
    ASSERT(chain_is_linked(&r->in_intents));
    ASSERT(r->stamp->owner && !r->stamp->commit); /* N-1 */
    return intents_walk(intents, r->in_intents.next, r->store, record_key(r));
}

bool intents_check(const struct intents *intents)
{
    const struct chains *table = &intents->table;

    for (size_t b = 0; b < table->buckets; b++) {
        for (const struct chain_link *link = chains_first(table, b); link; link = link->next) {
            if (!record_of(link)->stamp->owner) /* N-1 */
                return false;
        }
    }
    return chains_is_sane(table);
}
