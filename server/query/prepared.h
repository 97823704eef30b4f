/* prepared.h - texts that were read and planned, kept for those who ask them again.
 *
 * A plan holds definitions of stores as it has found them, borrowed. So whoever is to use one that
 * is kept finds its stores by their names again, which is a read like any other, and takes it only
 * if they are the same. All that was kept goes at the first look after a change of definitions,
 * before anybody can take another definition at the same address for the one that is meant.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PREPARED_H
#define HOLDFAST_QUERY_PREPARED_H

#include "server/query/plan_cache.h"
#include "server/query/step.h"

struct database;

struct prepared { /* a text, its tree and its plan; not changed once it is shared */
    struct arena arena;
    struct slice text;
    struct ast_statement *statement;
    struct plan plan;
    uint32_t refs;
    bool is_planned;
    bool is_kept; /* in the cache: */
    const struct database *database; /* compared, never looked into */
    struct hash_link in_texts;
    struct list_link in_order;
};

/* What is kept of the text, with a reference; NULL: nothing. changes: of definitions, so far. */
struct prepared *plan_cache_find(struct plan_cache *c, const struct database *database,
                                 uint64_t changes, struct slice text);
/* Keep it; what was not used for longest goes. Nothing if it is too large for that. */
void plan_cache_keep(struct plan_cache *c, const struct database *database, struct prepared *p);

/* With a copy of the text, and one reference. NULL: no memory. */
struct prepared *prepared_new(struct os *os, struct slice text);
/* The last one frees it. NULL is nothing. */
void prepared_unref(struct prepared *p);

#endif
