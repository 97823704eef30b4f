#include "server/txn/database_mark.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/database_change.h"
#include "server/txn/db_options.h"
#include "server/txn/snapshots.h"
#include "server/txn/statement.h"
#include "server/txn/tracker.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"
#include "server/txn/write.h"

static enum err mark_write(struct op *op, struct txn *t, struct schema *as, struct slice value)
{
    uint8_t room[KEY_BYTES_MAX];

    enum err e = write_record(op, t, as, database_change_key(t, room), value);

    ASSERT(as->number == CATALOGUE_STORE);
    t->writes_database = t->writes_database || !e;
    return e;
}

static enum err mark_check_count(struct op *op, const struct txns *all)
{
    uint64_t count = all->catalogue->databases.count;

    if (count < all->options->databases_max)
        return ERR_OK;
    return failure_set(
        &op->failure, ERR_OVERLOADED,
        "%llu databases exist, which is the limit (databases); drop some or raise it",
        (unsigned long long)count);
}

enum err database_mark(struct op *op, struct txn *t)
{
    uint8_t room[KEY_BYTES_MAX], value[DATABASE_ROW_BYTES_MAX];
    const struct database *d = t->database;
    enum err e = ERR_OK;

    ASSERT(t->snapshot); /* T-3 */
    if (d->dropped > t->snapshot->commit) /* whatever t knows of it is of one that is gone */
        e = tracker_check_write(op, t, t->all->catalogue->self, database_change_key(t, room));
    if (e || d->is_marked || database_change_find(t))
        return e;
    if (!database_exists(d))
        e = mark_check_count(op, t->all);
    if (e)
        return e;
    statement_begin(op, t->is_autocommit ? NULL : t);
    return mark_write(op, t, t->all->catalogue->marks,
                      slice_make(value, database_row_write(0, value)));
}

enum err database_set_version(struct op *op, struct txn *t, uint64_t version)
{
    uint8_t value[DATABASE_ROW_BYTES_MAX];
    enum err e = database_exists(t->database) ? ERR_OK : mark_check_count(op, t->all);

    ASSERT(version > t->database->version);
    return e ? e
             : mark_write(op, t, t->all->catalogue->self,
                          slice_make(value, database_row_write(version, value)));
}

enum err database_delete(struct op *op, struct txn *t)
{
    ASSERT(t->snapshot); /* T-3 */
    return mark_write(op, t, t->all->catalogue->self, SLICE_NONE);
}
