#include "server/txn/savepoint.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/db_struct.h"
#include "server/txn/txn_struct.h"
#include "server/txn/written.h"

void savepoint_set(struct txn *t, struct savepoint *s)
{
    ASSERT(t->snapshot && !t->statement.is_undoing); /* T-3 */
    write_set_mark(&t->write_set, t->stamp, &s->writes);
    s->stores = t->stores;
    s->schemas = t->schemas.previous;
}

void savepoint_release(struct txn *t)
{
    write_set_unmark(&t->write_set);
}

static void savepoint_record_goes(void *context, struct record *r)
{
    written_remove_intent(context, r);
}

static void savepoint_forget_schemas(struct txn *t, const struct list_link *kept)
{
    while (t->schemas.previous != kept) {
        struct schema *s = LIST_ENTRY(t->schemas.previous, struct schema, in_queue);

        ASSERT(&s->in_queue != &t->schemas);
        cursors_end_schema(t, s);
        catalogue_discard(&t->db->catalogue, s);
    }
}

bool savepoint_rollback(struct txn *t, const struct savepoint *s, unsigned steps)
{
    cursors_rest(t); /* they find their place again by key */
    if (!write_set_undo(&t->write_set, t->stamp, &s->writes, steps, savepoint_record_goes, t))
        return false;
    written_forget_stores_since(t, s->stores);
    savepoint_forget_schemas(t, s->schemas);
    return true;
}
