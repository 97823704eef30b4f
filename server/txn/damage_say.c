/* Stores that are damaged on the disk: noted, and said. */
#include "server/txn/damage_say.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/damage.h"
#include "server/txn/pulse.h"

enum err damage_say(struct damage *d, const struct tree_damage *damage)
{
    const struct schema *s;
    enum err e = damage_note(d, damage);

    ASSERT(damage->store < PRIMARY_STORES_END);
    if (e == ERR_EXISTS)
        return ERR_OK;
    if (e)
        return e;
    s = catalogue_by_number(d->catalogue, damage->store);
    PULSE_TELL(d->pulse, store_damaged, .file = PRIMARY_FILE, .offset = damage->offset,
               .store = damage->store, .name = s ? schema_name(s) : slice_text(""),
               .database = s ? database_name(schema_database(s)) : slice_text(""),
               .text = damage->is_lost ? "none of it can be read; clear or drop it"
                                       : "export what can be read, then clear or drop it");
    return ERR_OK;
}

size_t damage_say_findings(struct damage *d, const struct findings *found, size_t noted)
{
    ASSERT(noted <= found->count);
    for (; noted < found->count; noted++) {
        const struct finding *n = &found->items[noted];
        struct tree_damage damage = {.store = n->store, .offset = n->offset};

        if (n->is_repaired || n->store >= PRIMARY_STORES_END ||
            n->store == PRIMARY_STORE_TWICE || !catalogue_by_number(d->catalogue, n->store))
            continue; /* it has ended, or all stores need it and it is there twice */
        damage_say(d, &damage);
    }
    return noted;
}
