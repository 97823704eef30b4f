/* plan_cache.h - where texts are kept that were read and planned (prepared.h).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_CACHE_H
#define HOLDFAST_QUERY_PLAN_CACHE_H

#include "server/base/list.h"
#include "server/storage/hash_table.h"

struct plan_cache {
    struct os *os;
    uint64_t bytes_max; /* 0: nothing is kept */
    uint64_t seed;
    uint64_t bytes;   /* of what is kept */
    uint64_t changes; /* of definitions, when it was looked at last */
    uint64_t found, missed; /* ever */
    struct hash_table texts;
    struct list_link order; /* the one used last first */
};

/* ERR_NOMEM. */
enum err plan_cache_init(struct plan_cache *c, struct os *os, uint64_t bytes_max,
                         uint64_t seed);
/* Those that queries still use stay theirs. */
void plan_cache_fini(struct plan_cache *c);

#endif
