#include "server/txn/database_change.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/openers.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"

struct slice database_change_key(const struct txn *t, uint8_t room[KEY_BYTES_MAX])
{
    struct row_name of = {database_name(t->database), SLICE_NONE};

    return slice_make(room, catalogue_row_key(of, room));
}

struct record *database_change_find(const struct txn *t)
{
    uint8_t room[KEY_BYTES_MAX];

    return t->writes_database
               ? stage_find(&t->write_set, CATALOGUE_STORE, database_change_key(t, room))
               : NULL;
}

void database_change_commit(struct txn *t, const struct stamp *stamp)
{
    const struct record *r = database_change_find(t);
    struct database_row row = {.is_deleted = r && record_is_delete(r)};
    enum err e;

    ASSERT(stamp->commit > 0);
    if (!r)
        return;
    e = row.is_deleted ? ERR_OK : database_row_read(record_value(r), &row.version);
    ASSERT(!e); /* as it was written */
    database_publish(&t->all->catalogue->databases, t->database, &row, stamp->commit,
                     stamp->durability);
    if (t->claim)
        t->claim->has_committed = true;
}
