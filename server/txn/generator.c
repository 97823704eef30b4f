#include "server/txn/generator.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"

#include <string.h>

uint64_t generator_number(bool descending, struct slice key)
{
    uint64_t n = key_whole_number(key, descending);

    ASSERT(n == 0 || key.size > 0);
    return n < GENERATOR_MAX ? n : GENERATOR_MAX;
}

uint64_t generator_used_in(const struct stage_store *st, bool descending)
{
    uint8_t bound = key_number_bound(descending);
    struct slice at = slice_make(&bound, 1);
    const struct record *r = descending ? stage_seek(st, at) : stage_seek_below(st, at);

    ASSERT(st->records > 0);
    return r ? generator_number(descending, record_key(r)) : 0;
}

static struct generator_use *use_find(struct catalogue *c, const struct txn *t,
                                      const struct shelf *shelf)
{
    struct hash_link *link;

    if (!t || !c->uses.count)
        return NULL;
    link = hash_table_first(&c->uses, hash_pair((uintptr_t)t, (uintptr_t)shelf));
    for (; link; link = hash_table_next(&c->uses, link)) {
        struct generator_use *use = LIST_ENTRY(link, struct generator_use, in_uses);

        if (use->txn == t && use->shelf == shelf)
            return use;
    }
    return NULL;
}

uint64_t generator_next(struct catalogue *c, const struct txn *t, const struct shelf *shelf)
{
    const struct generator_use *use = use_find(c, t, shelf);
    const struct shelf *counts = shelf->origin ? shelf->origin : shelf;
    uint64_t used = shelf->used;

    ASSERT(!shelf->origin || !shelf->origin->origin); /* C-4 */
    if (counts->used > used)
        used = counts->used;
    if (use && use->used > used)
        used = use->used;
    if (!list_is_empty(&counts->uses)) {
        const struct generator_use *last =
            LIST_ENTRY(counts->uses.previous, struct generator_use, in_shelf);

        if (last->given > used)
            used = last->given;
    }
    ASSERT(used >= shelf->used);
    return used + 1;
}

struct generator_use *generator_use_of(struct catalogue *c, const struct txn *t,
                                       struct shelf *shelf, struct generator_use **uses,
                                       struct generator_use *room)
{
    struct generator_use *use = use_find(c, t, shelf);

    ASSERT(t && (*uses || room));
    if (use)
        return use;
    use = *uses ? os_alloc(c->os, sizeof *use) : room;
    if (!use)
        return NULL;
    memset(use, 0, sizeof *use);
    use->is_room = use == room;
    use->txn = t;
    use->shelf = shelf;
    use->given_in = shelf->origin ? shelf->origin : shelf;
    shelf->refs++;
    use->given_in->refs++;
    list_init(&use->in_shelf);
    hash_table_insert(&c->uses, &use->in_uses, hash_pair((uintptr_t)t, (uintptr_t)shelf));
    use->next = *uses;
    *uses = use;
    return use;
}

void generator_use_number(struct generator_use *use, uint64_t n, bool is_generated)
{
    ASSERT(use->shelf && use->txn);
    if (n > use->used)
        use->used = n;
    if (!is_generated)
        return;
    ASSERT(n > use->given && n > use->shelf->used);
    use->given = n;
    list_remove(&use->in_shelf); /* none was given a greater one: it is the last now */
    list_push_back(&use->given_in->uses, &use->in_shelf);
}

void generator_use_back(const struct generator_note *note)
{
    struct generator_use *use = note->use;
    struct list_link *uses = &use->given_in->uses;

    use->used = note->used;
    use->saved = note->saved;
    if (use->given == note->given || uses->previous != &use->in_shelf)
        return; /* the last of the list is what counts */
    list_remove(&use->in_shelf);
    use->given = note->given;
    if (!use->given)
        return;
    if (!list_is_empty(uses)) { /* the list ascends */
        uint64_t before = LIST_ENTRY(uses->previous, struct generator_use, in_shelf)->given;

        if (before > use->given)
            use->given = before;
    }
    list_push_back(uses, &use->in_shelf);
}

static void shelf_use(struct catalogue *c, struct shelf *shelf, uint64_t used, uint64_t commit)
{
    ASSERT(commit > 0);
    if (used <= shelf->used)
        return;
    shelf->used = used;
    shelf->used_commit = commit;
    list_remove(&shelf->in_counting);
    list_push_back(&c->counting, &shelf->in_counting);
}

void generator_end(struct catalogue *c, struct generator_use **uses, uint64_t commit,
                   enum durability durability)
{
    while (*uses) {
        struct generator_use *use = *uses;
        struct shelf *shelf = use->shelf, *given_in = use->given_in;

        *uses = use->next;
        ASSERT(shelf->refs > 0 && given_in->refs > 0);
        if (commit && use->used > shelf->used) {
            shelf_use(c, shelf, use->used, commit);
            shelf->used_durability = durability;
        }
        list_remove(&use->in_shelf);
        hash_table_remove(&c->uses, &use->in_uses);
        if (!use->is_room)
            os_free(c->os, use, sizeof *use);
        shelf_unref(c, shelf);
        shelf_unref(c, given_in);
    }
}

void generator_replay(struct catalogue *c, struct shelf *shelf, struct slice key,
                      uint64_t commit)
{
    ASSERT(shelf->generate);
    shelf_use(c, shelf, generator_number(shelf->descending, key), commit);
}
