/* Which databases have a quota, and how it is kept. */
#include "server/txn/quotas.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/db_struct.h"
#include "server/txn/quota.h"
#include "server/txn/txn_struct.h"
#include "server/txn/vault_rows.h"

#include <assert.h>

#define ROW_VERSION 1
#define ROW_BYTES_MAX 80
static_assert(DATABASE_NAME_BYTES_MAX < VAULT_KEY_BYTES_MAX, "a key is the kind and a name");

/* ---- what is set ---- */

static bool limit_is_good(uint64_t n)
{
    return n == QUOTA_NONE || n <= QUOTA_MAX;
}

static size_t limit_write(uint8_t *to, const char *name, uint64_t n)
{
    size_t size = msgpack_put_text(to, slice_text(name));

    ASSERT(limit_is_good(n) || n == ROW_VERSION);
    return size +
           (n == QUOTA_NONE ? msgpack_put_nil(to + size) : msgpack_put_uint(to + size, n));
}

static size_t row_write(const struct quota_limits *l, uint8_t *to)
{
    size_t size = msgpack_put_map_head(to, 4);

    ASSERT(quota_limits_any(l)); /* else the row goes */
    size += limit_write(to + size, "v", ROW_VERSION);
    size += limit_write(to + size, "bytes", l->bytes);
    size += limit_write(to + size, "stores", l->stores);
    size += limit_write(to + size, "transactions", l->txns);
    ASSERT(size <= ROW_BYTES_MAX);
    return size;
}

static bool limit_read(struct msgpack_cursor *at, const char *expected, uint64_t *n)
{
    enum msgpack_type type;
    struct slice name;

    if (msgpack_read_text(at, &name) || !slice_equal(name, slice_text(expected)) ||
        msgpack_peek(at, &type))
        return false;
    *n = QUOTA_NONE;
    if (type == MSGPACK_NIL)
        return msgpack_skip(at, 1, NULL) == ERR_OK;
    ASSERT(at->at <= at->end);
    return msgpack_read_uint(at, n) == ERR_OK && *n <= QUOTA_MAX;
}

static enum err row_read(struct slice row, struct quota_limits *l)
{
    struct msgpack_cursor at;
    uint32_t pairs;
    enum err e = vault_value_open(row, ROW_VERSION, &at, &pairs);

    if (e)
        return e;
    return pairs == 3 && limit_read(&at, "bytes", &l->bytes) &&
                   limit_read(&at, "stores", &l->stores) &&
                   limit_read(&at, "transactions", &l->txns) && quota_limits_any(l)
               ? ERR_OK
               : ERR_CORRUPT;
}

/* What was committed before there was a quota of bytes is counted by merging it. */
static void count_from_here(struct db *db, struct quota *q)
{
    const struct stage *s = db->stages.newest;

    ASSERT(q->max.bytes != QUOTA_NONE);
    q->staged_count = 0;
    q->is_summed = false;
    while (s && !s->first_commit)
        s = s->below;
    if (s && s->last_commit > root_facts(primary_root(db->primary))->commit)
        q->staged[q->staged_count++] =
            (struct quota_staged){s->number, s->last_commit, QUOTA_UNKNOWN};
}

/* d has a reference for as long as it has a quota; one is given to this. */
static void database_limit(struct db *db, struct database *d, const struct quota_limits *limits)
{
    struct quota *q = &d->quota;
    bool had = quota_limits_any(&q->max), counted = q->max.bytes != QUOTA_NONE;

    ASSERT(d->refs > 0);
    q->max = *limits;
    if (limits->bytes != QUOTA_NONE && !counted)
        count_from_here(db, q);
    LIST_EACH (link, &db->txns.open) {
        struct txn *t = LIST_ENTRY(link, struct txn, in_open);

        if (t->database == d)
            quota_note(t);
    }
    db->quota_count = db->quota_count + quota_limits_any(limits) - had;
    if (had || !quota_limits_any(limits))
        database_unref(&db->catalogue.databases, d);
    if (had && !quota_limits_any(limits))
        database_unref(&db->catalogue.databases, d);
}

static enum err check_count(struct op *op, const struct database *d)
{
    const struct db *db = op->db;

    if (quota_limits_any(&d->quota.max) || db->quota_count < db->options.databases_max)
        return ERR_OK;
    ASSERT(d->refs > 0);
    return failure_set(&op->failure, ERR_OVERLOADED,
                       "set_quota: %llu databases have a quota, which is the limit (databases)",
                       (unsigned long long)db->quota_count);
}

enum err quotas_set(struct op *op, struct slice name, const struct quota_limits *limits)
{
    struct db *db = op->db;
    uint8_t room[VAULT_KEY_BYTES_MAX], row[ROW_BYTES_MAX];
    struct database *d;
    enum err e;

    ASSERT(limit_is_good(limits->bytes) && limit_is_good(limits->stores) &&
           limit_is_good(limits->txns));
    failure_clear(&op->failure);
    d = database_use(&db->catalogue.databases, name);
    if (!d)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a quota");
    e = quota_limits_any(limits) ? check_count(op, d) : ERR_OK;
    if (!e && (quota_limits_any(limits) || quota_limits_any(&d->quota.max)))
        e = db_vault_put(op, vault_key(VAULT_QUOTA, name, room),
                         quota_limits_any(limits) ? slice_make(row, row_write(limits, row))
                                                  : SLICE_NONE);
    ASSERT(e != ERR_WAIT || op->wake);
    if (e)
        database_unref(&db->catalogue.databases, d);
    else
        database_limit(db, d, limits);
    return e;
}

struct quota_limits quotas_of(struct db *db, struct slice name)
{
    const struct database *d = database_find(&db->catalogue.databases, name);

    ASSERT(!d || !quota_limits_any(&d->quota.max) ||
           d->refs > 0); /* a quota holds a reference */
    return d ? d->quota.max : (struct quota_limits){QUOTA_NONE, QUOTA_NONE, QUOTA_NONE};
}

static enum err take_row(void *context, struct slice name, struct slice value)
{
    struct db *db = context;
    struct quota_limits limits;
    struct database *d;
    enum err e = name.size > DATABASE_NAME_BYTES_MAX ? ERR_CORRUPT : row_read(value, &limits);

    ASSERT(list_is_empty(&db->txns.open)); /* at the start */
    if (e)
        return e;
    d = database_use(&db->catalogue.databases, name);
    if (!d)
        return ERR_NOMEM;
    database_limit(db, d, &limits);
    return ERR_OK;
}

enum err quotas_load(struct db *db, struct failure *f)
{
    enum err e;

    ASSERT(!db->quota_count);
    e = db_vault_load(db, VAULT_QUOTA, "the quota of database", take_row, db, f);
    ASSERT(e || db->quota_count <= db->vault.rows.count);
    return e;
}

/* ---- for tests ---- */

static bool database_check(const struct db *db, const struct database *d)
{
    struct quota sum = {.open = 0};

    ASSERT(d->refs > 0); /* an open transaction has one */
    LIST_EACH (link, &db->txns.open) {
        const struct txn *t = LIST_ENTRY(link, struct txn, in_open);

        if (t->database != d)
            continue;
        sum.open += t->quota_bytes;
        sum.txns += !t->is_autocommit;
        LIST_EACH (draft, &t->schemas)
            sum.creating += LIST_ENTRY(draft, struct schema, in_queue)->creates;
    }
    /* drafts of those that have ended are discarded by and by */
    return sum.open == d->quota.open && sum.txns == d->quota.txns &&
           sum.creating <= d->quota.creating;
}

bool quotas_check(const struct db *db)
{
    LIST_EACH (link, &db->txns.open)
        if (!database_check(db, LIST_ENTRY(link, struct txn, in_open)->database))
            return false;
    return true;
}
