/* quota_struct.h - what a database may hold, and what of it is used; embedded in struct database.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_QUOTA_STRUCT_H
#define HOLDFAST_TXN_QUOTA_STRUCT_H

#include <stdbool.h>
#include <stdint.h>

#define QUOTA_NONE UINT64_MAX           /* no limit */
#define QUOTA_MAX (UINT64_C(1) << 53)   /* the greatest limit that can be set */
#define QUOTA_UNKNOWN (UINT64_C(1) << 60) /* bytes of commits that nobody has counted */
#define QUOTA_STAGED_MAX 4

struct quota_limits {
    uint64_t bytes;  /* of keys and values, of records and of entries of indexes */
    uint64_t stores;
    uint64_t txns;   /* open at a time, begun by `begin` or `upgrade` */
};

/* What commits have put that no root has yet. */
struct quota_staged {
    uint64_t stage; /* the number of the stage that takes them */
    uint64_t upto;  /* the last of these commits */
    uint64_t bytes;
};

struct quota {
    struct quota_limits max; /* QUOTA_NONE each: there is none */
    uint64_t open;     /* bytes that open transactions have put: the sum of txn.quota_bytes */
    uint64_t creating; /* stores that open transactions have created */
    uint64_t txns;     /* open ones */
    /* Of a quota of bytes alone: */
    uint64_t rooted;  /* bytes in the trees of its stores and indexes, */
    uint64_t root;    /* as of that commit's root and */
    uint64_t changes; /* so many changes of definitions */
    bool is_summed;
    unsigned staged_count;
    struct quota_staged staged[QUOTA_STAGED_MAX]; /* oldest first */
};

static inline bool quota_limits_any(const struct quota_limits *l)
{
    return l->bytes != QUOTA_NONE || l->stores != QUOTA_NONE || l->txns != QUOTA_NONE;
}

static inline void quota_struct_init(struct quota *q)
{
    *q = (struct quota){.max = {QUOTA_NONE, QUOTA_NONE, QUOTA_NONE}};
}

#endif
