/* intents.h - what open transactions have written and not committed, by store and key.
 *
 * A table threaded through the records of write-sets themselves, so that adding cannot fail.
 * Several writers of one key are side by side in it. Knows no transactions and no conflicts.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_INTENTS_H
#define HOLDFAST_TXN_INTENTS_H

#include "server/storage/chains.h"
#include "server/storage/stage.h"

struct intents {
    struct chains table; /* record.in_intents */
};

/* ERR_NOMEM. */
enum err intents_init(struct intents *intents, struct os *os, uint64_t seed);
void intents_fini(struct intents *intents);

/* The record of a write-set stays where it is until it is removed. */
void intents_add(struct intents *intents, struct record *r);
/* Nothing if it is not there. */
void intents_remove(struct intents *intents, struct record *r);

/* One that wrote the key, the latest first; NULL: nobody. Then the others. */
struct record *intents_find(struct intents *intents, uint32_t store, struct slice key);
struct record *intents_next(struct intents *intents, const struct record *r);

static inline bool intents_is_empty(const struct intents *intents)
{
    return intents->table.count == 0;
}

/* N-1 every record is in the bucket of its key, and in a write-set whose stamp has an owner.
 * Walks everything; false: it is not so. */
bool intents_check(const struct intents *intents);

#endif
