/* plan_scan.h - which records a scan reads, and in which order they come.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_SCAN_H
#define HOLDFAST_QUERY_PLAN_SCAN_H

#include "server/query/bind.h"

struct plan_claim { /* as a statement names it */
    struct slice name;
    uint32_t place;
    unsigned rights; /* that the statement needs on it (guard.h) */
};

/* The store of that name as the anchor sees it. ERR_NO_STORE, ERR_FORBIDDEN. */
void plan_find_store(struct binder *b, const struct plan_claim *claim, struct schema **out);

/* Note the ways to read the records of the scan for which the conditions hold. Each condition is
 * still to be tested: bounds never leave out a record for which all hold. */
void plan_scan_bounds(struct binder *b, struct step *scan, struct expr *const *conditions,
                      unsigned count);

#endif
