/* hash_table.h - an intrusive hash table that grows and shrinks by one bucket at a time.
 *
 * The link lives in the element, so inserting cannot fail; without memory for more buckets the
 * table only becomes slower. Growing splits one bucket at each insertion (linear hashing), so no
 * insertion pays for all that came before it; shrinking merges at most four at each removal, and
 * keeps the buckets below 32 and four for each element. Elements with the same hash are found
 * newest first.
 *
 * Threads: one at a time. */
#ifndef HOLDFAST_STORAGE_HASH_TABLE_H
#define HOLDFAST_STORAGE_HASH_TABLE_H

#include "server/os/os.h"

struct hash_link {
    struct hash_link *next;
    struct hash_link *previous; /* NULL: it is the first of its bucket */
    uint64_t hash;
    bool is_in; /* a table */
};

struct hash_table {
    struct os *os;
    struct hash_link **buckets; /* owned */
    size_t room;                /* buckets allocated, a power of two */
    size_t split;               /* of the lower half, those that have been split */
    size_t count;               /* elements */
    uint64_t steps;             /* links looked at, ever: tests count them */
};

/* ERR_NOMEM. */
enum err hash_table_init(struct hash_table *t, struct os *os);
/* The elements are their owners'. */
void hash_table_fini(struct hash_table *t);
size_t hash_table_bytes(const struct hash_table *t);

void hash_table_insert(struct hash_table *t, struct hash_link *link, uint64_t hash);
/* Harmless if it is in no table. */
void hash_table_remove(struct hash_table *t, struct hash_link *link);

/* The newest element with that hash, NULL: none; and the next one after an element. */
struct hash_link *hash_table_first(struct hash_table *t, uint64_t hash);
struct hash_link *hash_table_next(struct hash_table *t, const struct hash_link *link);

/* Any element, for taking a table down; NULL: it is empty. *bucket is 0 at first; it is where
 * the search goes on. */
struct hash_link *hash_table_any(const struct hash_table *t, size_t *bucket);

/* Of a pair of numbers or addresses. */
static inline uint64_t hash_pair(uint64_t a, uint64_t b)
{
    uint64_t h = (a ^ (b * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xff51afd7ed558ccd);

    h ^= h >> 32;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ (h >> 29);
}

#endif
