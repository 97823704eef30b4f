#include "server/txn/savepoints.h"

#include "server/base/assert.h"
#include "server/base/text.h"
#include "server/txn/db_options.h"
#include "server/txn/savepoint.h"
#include "server/txn/statement.h"
#include "server/txn/txn.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"
#include "server/txn/usage.h"

enum err txn_savepoint(struct op *op, struct txn *t, struct slice name)
{
    uint64_t max = t->all->options->savepoints_max;
    struct named_savepoint *s;
    enum err e = txn_check(op, t);

    if (e)
        return e;
    if (t->named_count >= max)
        return failure_set_limit(&op->failure, "savepoints", max, t->named_count + 1,
                                 "the transaction has %llu savepoints, which is the limit "
                                 "(savepoints)",
                                 (unsigned long long)t->named_count);
    s = os_alloc(t->all->os, sizeof *s + name.size);
    if (!s)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a savepoint");
    savepoint_set(t, &s->savepoint);
    s->name_size = name.size;
    memcpy(s->name, name.data, name.size);
    s->before = t->named;
    t->named = s;
    t->named_count++;
    t->named_bytes += sizeof *s + name.size;
    ASSERT(t->named_count <= max && t->write_set.savepoints > 0);
    usage_note(t);
    return ERR_OK;
}

static enum err named_find(struct op *op, struct txn *t, struct slice name,
                           struct named_savepoint **out)
{
    enum err e = txn_check(op, t);
    struct named_savepoint *s = e ? NULL : t->named;

    while (s && !slice_equal(slice_make(s->name, s->name_size), name))
        s = s->before;
    *out = s;
    ASSERT(!s || t->snapshot); /* T-3 */
    if (e || s)
        return e;
    return failure_set(&op->failure, ERR_NO_SAVEPOINT,
                       "the transaction has no savepoint \"%s\"", text_show(name));
}

enum err txn_rollback_to(struct op *op, struct txn *t, struct slice name)
{
    struct named_savepoint *s;
    enum err e = named_find(op, t, name, &s);

    if (e)
        return e;
    while (t->named != s)
        savepoint_end_named(t);
    ASSERT(t->named == s); /* it stays, to go back to again */
    statement_take_back(t, &s->savepoint);
    usage_note(t);
    return ERR_OK;
}

enum err txn_release_savepoint(struct op *op, struct txn *t, struct slice name)
{
    struct named_savepoint *s, *before;
    enum err e = named_find(op, t, name, &s);

    if (e)
        return e;
    before = s->before;
    while (t->named != before)
        savepoint_end_named(t);
    ASSERT(!t->named_count == !t->named);
    usage_note(t);
    return ERR_OK;
}
