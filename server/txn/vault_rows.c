/* vault_rows.c - see vault_rows.h. */
#include "server/txn/vault_rows.h"

#include "server/base/assert.h"
#include "server/txn/db_struct.h"
#include "server/txn/txn_internal.h"
#include "server/txn/write.h"

const struct vault_row *db_vault_find(struct db *db, struct slice key)
{
    ASSERT(key.size <= VAULT_KEY_BYTES_MAX);
    return vault_find(&db->vault, key);
}

struct slice vault_key(uint8_t kind, struct slice name, uint8_t room[VAULT_KEY_BYTES_MAX])
{
    ASSERT(name.size < VAULT_KEY_BYTES_MAX);
    room[0] = kind;
    if (name.size)
        memcpy(room + 1, name.data, name.size);
    return slice_make(room, 1 + name.size);
}

enum err vault_value_open(struct slice value, uint64_t version_max, struct msgpack_cursor *at,
                          uint32_t *pairs)
{
    struct slice name;
    uint64_t version;

    ASSERT(version_max > 0);
    *at = msgpack_open(value);
    if (msgpack_read_map(at, pairs) || !*pairs || msgpack_read_text(at, &name) ||
        !slice_equal(name, slice_text("v")) || msgpack_read_uint(at, &version) || !version)
        return ERR_CORRUPT;
    --*pairs;
    return version > version_max ? ERR_FORMAT : ERR_OK;
}

static enum err fail_to_load(enum err e, const char *noun, struct slice name, struct failure *f)
{
    ASSERT(e != ERR_WAIT);
    if (e == ERR_FORMAT)
        return failure_set(f, e,
                           "%s \"%s\" was written by a newer version of the server; use that "
                           "version",
                           noun, text_show(name));
    if (e == ERR_CORRUPT)
        return failure_set(f, e, "the row of %s \"%s\" is corrupt", noun, text_show(name));
    return failure_set(f, e, "out of memory for the row of %s \"%s\"", noun, text_show(name));
}

enum err db_vault_load(struct db *db, uint8_t kind, const char *noun, vault_take_row *take,
                       void *context, struct failure *f)
{
    LIST_EACH (link, &db->vault.all) {
        const struct vault_row *row = LIST_ENTRY(link, struct vault_row, in_all);
        struct slice key = vault_row_key(row), name = slice_make(key.data + 1, key.size - 1);
        enum err e = key.data[0] == kind ? take(context, name, vault_row_value(row)) : ERR_OK;

        ASSERT(key.size <= VAULT_KEY_BYTES_MAX); /* as vault_key makes it */
        if (e)
            return fail_to_load(e, noun, name, f);
    }
    return ERR_OK;
}

static enum err vault_commit(struct op *op, struct slice key, struct slice value)
{
    struct txn *t;
    uint64_t commit;
    enum err e = txn_begin_own(op, false, &t);

    if (e)
        return e;
    ASSERT(t->is_autocommit);
    e = write_hidden(op, t, VAULT_STORE, key, value);
    if (!e)
        e = txn_commit(op, t, SLICE_NONE, &commit);
    else
        txn_rollback(t);
    if (e == ERR_WAIT) { /* those who lose to others are being told: another time */
        txn_rollback(t);
        e = op_yield(op);
    }
    return e;
}

enum err db_vault_put(struct op *op, struct slice key, struct slice value)
{
    struct vault *v = &op->db->vault;
    struct vault_row *r = NULL;
    enum err e;

    ASSERT(key.size && key.size <= VAULT_KEY_BYTES_MAX && value.size <= VAULT_VALUE_BYTES_MAX);
    failure_clear(&op->failure);
    op->durability = DURABILITY_SYNC;
    if (!slice_is_none(value) && !(r = vault_row_new(v, key, value)))
        return failure_set(&op->failure, ERR_NOMEM, "out of memory");
    e = vault_commit(op, key, value);
    if (!e)
        vault_replace(v, key, r);
    else if (r)
        os_free(v->os, r, sizeof *r + r->key_size + r->value_size);
    return e;
}
