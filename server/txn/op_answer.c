/* What a call of a request lends, and how it refuses. */
#include "proto/msgpack.h"
#include "server/base/assert.h"
#include "server/base/text.h"
#include "server/txn/catalogue.h"
#include "server/txn/db_struct.h"
#include "server/txn/op.h"

void op_release(struct op *op)
{
    ASSERT(op->db);
    wait_release(op->db->primary, &op->wait);
}

void op_use_database(struct op *op, struct database *d)
{
    ASSERT(!op->own && !op->at); /* it has not begun, or has ended */
    if (d)
        database_ref(d);
    if (op->database)
        database_unref(&op->db->catalogue.databases, op->database);
    op->database = d;
}

struct txns *op_txns(const struct op *op)
{
    ASSERT(op->db);
    return &op->db->txns;
}

struct database *op_database(const struct op *op)
{
    ASSERT(op->database || op->db->catalogue.databases.main);
    return op->database ? op->database : op->db->catalogue.databases.main;
}

struct op_pages op_pages(const struct op *op)
{
    struct primary_stats stats;

    ASSERT(op->db->primary);
    primary_stats(op->db->primary, &stats);
    return (struct op_pages){stats.cache_hits + stats.cache_misses, stats.cache_misses};
}

bool op_is_durable(const struct op *op, uint64_t commit)
{
    ASSERT(commit <= op->db->numbers.last_commit); /* V-1 */
    return commit <= op->db->numbers.durable;
}

enum err op_yield(struct op *op)
{
    ASSERT(op->db && op->wake);
    wait_yield(op->db->primary, &op->wait);
    return ERR_WAIT;
}

void op_refuse_key(struct op *op, enum err e, const struct schema *s, const char *what,
                   const char *why)
{
    ASSERT(e && s->entry);
    if (e == ERR_TOO_LARGE) /* met while it is encoded: how large it would be is not known */
        failure_set_limit(&op->failure, "key-size", op->db->options.key_bytes_max,
                          KEY_BYTES_MAX + 1, "%s: a key has more than %u bytes (key-size)",
                          what, KEY_BYTES_MAX);
    else
        failure_set(&op->failure, e, "%s: %s", what, why);
    failure_set_store(&op->failure, e, schema_name(s));
    if (s->of)
        failure_set_index(&op->failure, e, s->index);
}

void op_refuse_range(struct op *op, enum err e, const struct schema *s, struct slice range,
                     const char *why)
{
    struct slice name = e == ERR_BAD_REQUEST ? key_range_unknown(range) : SLICE_NONE;

    if (!slice_is_none(name))
        failure_set(&op->failure, e, "invalid range: unknown field \"%s\"; a range takes %s",
                    text_show(name), KEY_RANGE_FIELDS);
    op_refuse_key(op, e, s, "invalid range", why);
}

void op_show_key(struct op *op, enum err e, struct slice key)
{
    ASSERT(e);
    if (slice_is_none(key) || key.size > KEY_PLAIN_BYTES_MAX)
        return;
    if (msgpack_check_document(key, MSGPACK_DEPTH_MAX, NULL) == ERR_OK)
        failure_set_key(&op->failure, e, key);
}
