/* tellings.h - commits whose losers are not all told, in the order of the commits.
 *
 * Invariants, cited by asserts:
 *   L-1 tellings stand in the order of their commits.
 *   L-2 a stage that holds a commit which is not told is not freed.
 *
 * Who tells is losers.h. Threads: loop only. */
#ifndef HOLDFAST_TXN_TELLINGS_H
#define HOLDFAST_TXN_TELLINGS_H

#include "server/base/list.h"
#include "server/os/os.h"
#include "server/storage/stage.h"

struct telling {             /* a commit whose losers are not all told */
    struct list_link in_all; /* tellings.all */
    struct stamp *stamp;     /* in a stage (L-2) */
    uint64_t commit;
    struct record *at;               /* the next of its records to look up; NULL: all are */
    struct list_link schema_writers; /* txn_store.in_entry */
};

struct tellings {
    struct list_link all;     /* L-1 */
    struct list_link waiting; /* op.in_waiting, until all are told */
};

void tellings_init(struct tellings *all);
/* Whoever is left is not told any more. */
void tellings_fini(struct tellings *all, struct os *os);
static inline bool tellings_are_over(const struct tellings *all)
{
    return list_is_empty(&all->all);
}

/* NULL: there is none. */
struct telling *tellings_first(const struct tellings *all);
struct telling *tellings_last(const struct tellings *all);
/* Keep a copy of g behind the others; its writers go over to that. false: out of memory. */
bool tellings_keep(struct tellings *all, struct os *os, struct telling *g);
/* Everybody is told. */
void telling_free(struct telling *g, struct os *os);

/* The least commit whose losers are not all told: its stage stays (L-2); UINT64_MAX: none. */
uint64_t tellings_oldest(const struct tellings *all);

#endif
