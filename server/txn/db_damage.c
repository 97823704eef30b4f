/* Stores that are damaged on the disk: noted, and said. */
#include "server/txn/db_damage.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/damage.h"
#include "server/txn/db_struct.h"
#include "server/txn/pulse.h"

enum err db_note_damage(struct db *db, const struct tree_damage *damage)
{
    const struct schema *s;
    enum err e = damage_note(&db->damage, damage);

    ASSERT(damage->store < PRIMARY_STORES_END);
    if (e == ERR_EXISTS)
        return ERR_OK;
    if (e)
        return e;
    s = catalogue_by_number(&db->catalogue, damage->store);
    PULSE_TELL(&db->pulse, store_damaged, .file = PRIMARY_FILE, .offset = damage->offset,
               .store = damage->store, .name = s ? schema_name(s) : slice_text(""),
               .database = s ? database_name(schema_database(s)) : slice_text(""),
               .text = damage->is_lost ? "nothing of it can be read; clear or drop it"
                                       : "export what can be read, then clear or drop it");
    return ERR_OK;
}
