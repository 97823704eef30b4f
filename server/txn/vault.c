/* vault.c - see vault.h. */
#include "server/txn/vault.h"

#include "server/base/assert.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t key_hash(const struct vault *v, struct slice key)
{
    return XXH3_64bits_withSeed(key.data, key.size, v->seed);
}

enum err vault_init(struct vault *v, struct os *os, uint64_t seed)
{
    v->os = os;
    v->seed = seed;
    list_init(&v->all);
    return hash_table_init(&v->rows, os);
}

static void row_free(struct vault *v, struct vault_row *r)
{
    ASSERT(r->key_size);
    hash_table_remove(&v->rows, &r->in_rows);
    list_remove(&r->in_all);
    os_free(v->os, r, sizeof *r + r->key_size + r->value_size);
}

void vault_fini(struct vault *v)
{
    if (!v->os)
        return;
    while (!list_is_empty(&v->all))
        row_free(v, LIST_ENTRY(v->all.next, struct vault_row, in_all));
    ASSERT(!v->rows.count);
    hash_table_fini(&v->rows);
}

struct vault_row *vault_find(struct vault *v, struct slice key)
{
    struct hash_link *link = hash_table_first(&v->rows, key_hash(v, key));

    ASSERT(key.size);
    for (; link; link = hash_table_next(&v->rows, link)) {
        struct vault_row *r = LIST_ENTRY(link, struct vault_row, in_rows);

        if (slice_equal(vault_row_key(r), key))
            return r;
    }
    return NULL;
}

struct vault_row *vault_row_new(struct vault *v, struct slice key, struct slice value)
{
    struct vault_row *r = os_alloc(v->os, sizeof *r + key.size + value.size);

    ASSERT(key.size && key.size <= VAULT_KEY_BYTES_MAX && value.size <= VAULT_VALUE_BYTES_MAX);
    if (!r)
        return NULL;
    memset(r, 0, sizeof *r);
    list_init(&r->in_all);
    r->key_size = key.size;
    r->value_size = value.size;
    memcpy(r->bytes, key.data, key.size);
    memcpy(r->bytes + key.size, value.data, value.size);
    return r;
}

void vault_replace(struct vault *v, struct slice key, struct vault_row *r)
{
    struct vault_row *before = vault_find(v, key);

    ASSERT(!r || !list_is_linked(&r->in_all)); /* it is in no vault yet */
    if (before)
        row_free(v, before);
    if (!r)
        return;
    ASSERT(slice_equal(vault_row_key(r), key));
    hash_table_insert(&v->rows, &r->in_rows, key_hash(v, key));
    list_push_back(&v->all, &r->in_all);
}

static bool kind_is_known(uint8_t kind)
{
    return kind == VAULT_SECRET || kind == VAULT_USER || kind == VAULT_QUOTA;
}

enum err vault_load(struct vault *v, struct slice key, struct slice value)
{
    struct vault_row *r = NULL;

    if (!key.size || key.size > VAULT_KEY_BYTES_MAX || value.size > VAULT_VALUE_BYTES_MAX ||
        !kind_is_known(key.data[0]))
        return ERR_CORRUPT;
    if (!slice_is_none(value) && !(r = vault_row_new(v, key, value)))
        return ERR_NOMEM;
    ASSERT(slice_is_none(value) == !r);
    vault_replace(v, key, r);
    return ERR_OK;
}
