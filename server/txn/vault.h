/* vault.h - rows that the server keeps for itself: users, the secret of its logins, quotas.
 *
 * They are records of a hidden store, VAULT_STORE, which no client can name, so they survive what
 * any commit survives: in the log, then in a stage, then in the tree. There are few of them, and
 * all are in memory here, found by hashing. What they mean is the business of whoever keeps them
 * (server/net/users.h, quotas.h).
 *
 * Where the tree of this store cannot be read at a start, the start fails: a database that has
 * forgotten its users would be open to everybody.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_VAULT_H
#define HOLDFAST_TXN_VAULT_H

#include "proto/slice.h"
#include "server/base/list.h"
#include "server/storage/hash_table.h"

#define VAULT_STORE ((uint32_t)INT32_MAX - 1) /* below that of the tokens */
#define VAULT_KEY_BYTES_MAX 256
/* The first byte of a row's key is its kind. */
#define VAULT_SECRET 's'
#define VAULT_USER 'u'
#define VAULT_QUOTA 'q' /* quotas.h */
#define VAULT_VALUE_BYTES_MAX 65536

struct vault_row {
    struct hash_link in_rows;
    struct list_link in_all;
    size_t key_size, value_size;
    uint8_t bytes[]; /* the key, then the value */
};

struct vault {
    struct os *os;
    uint64_t seed;
    struct hash_table rows;
    struct list_link all; /* vault_row.in_all */
};

/* ERR_NOMEM. */
enum err vault_init(struct vault *v, struct os *os, uint64_t seed);
void vault_fini(struct vault *v);

/* A record that is found at a start; value none: it was deleted. ERR_CORRUPT, ERR_NOMEM. */
enum err vault_load(struct vault *v, struct slice key, struct slice value);

static inline struct slice vault_row_key(const struct vault_row *r)
{
    return slice_make(r->bytes, r->key_size);
}
static inline struct slice vault_row_value(const struct vault_row *r)
{
    return slice_make(r->bytes + r->key_size, r->value_size);
}

/* The row of a key, NULL: there is none. */
struct vault_row *vault_find(struct vault *v, struct slice key);
/* NULL: out of memory. It is in no vault yet. */
struct vault_row *vault_row_new(struct vault *v, struct slice key, struct slice value);
/* r takes the place of what was there; NULL: nothing does. */
void vault_replace(struct vault *v, struct slice key, struct vault_row *r);

#endif
