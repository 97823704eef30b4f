/* Whether the catalogue keeps its invariants; walks all of it, for tests. */
#include "server/base/assert.h"
#include "server/txn/catalogue_internal.h"

/* Returns the bytes of its indexes. */
static uint64_t schema_check_indexes(const struct schema *s)
{
    uint64_t bytes = s->index_room * sizeof *s->indexes;

    ASSERT(s->index_count <= s->index_room);
    for (unsigned i = 0; i < s->index_count; i++) {
        const struct schema *index = s->indexes[i];

        ASSERT(index->of == s && index->entry == s->entry);
        ASSERT(index->shelf && index->shelf->number == index->number);
        ASSERT(s->superseded || index->shelf->live > 0); /* C-2 */
        bytes += index->size;
    }
    return bytes;
}

static uint64_t entry_check(const struct catalogue_entry *e, uint64_t *bytes, uint64_t *stores)
{
    uint64_t versions = 0;

    ASSERT(e->database && e->database->refs > 0);

    for (const struct schema *s = e->newest; s; s = s->older) {
        ASSERT(s->entry == e && s->refs > 0 && s->commit);
        ASSERT(!s->older || (s->older->newer == s && s->older->commit <= s->commit)); /* C-1 */
        ASSERT((s == e->newest) == !s->superseded);
        ASSERT(s->is_dropped || (s->shelf && s->shelf->number == s->number));
        versions++;
        *bytes += s->size + schema_check_indexes(s);
    }
    if (e->newest && !e->newest->is_dropped) {
        ++*stores;
        ASSERT(e->newest->shelf->live > 0 && !e->newest->shelf->ended); /* C-2 */
    }
    ASSERT(e->refs >= versions);
    *bytes += entry_bytes(e);
    return versions;
}

void catalogue_check(const struct catalogue *c)
{
    uint64_t bytes = c->numbers.count * sizeof(struct shelf) + c->self->size;
    uint64_t versions = 1, stores = 0, before = 0;

    for (size_t b = 0; b < c->names.room; b++) {
        for (const struct hash_link *l = c->names.buckets[b]; l; l = l->next)
            versions += entry_check(ENTRY_OF(l), &bytes, &stores);
    }
    ASSERT(stores == c->stores);
    databases_check(&c->databases, stores);
    ASSERT(versions <= c->versions && bytes <= c->bytes); /* those with other owners besides */
    for (const struct list_link *l = c->waiting.next; l != &c->waiting; l = l->next) {
        const struct schema *s = VERSION_OF(l);
        uint64_t commit = s->superseded ? s->superseded : s->commit;

        ASSERT(commit >= before); /* C-3 */
        before = commit;
    }
    ASSERT(list_is_empty(&c->ending));
}
