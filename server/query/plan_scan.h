/* plan_scan.h - which records a scan reads, and in which order they come.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_SCAN_H
#define HOLDFAST_QUERY_PLAN_SCAN_H

#include "server/query/bind.h"

/* The store of that name as the anchor sees it. */
void plan_find_store(struct binder *b, struct slice name, uint32_t place, struct schema **out);

/* Have the scan read only what conditions leave, as far as the key of its store or of an index has
 * an order for it. Each condition is still to be tested: bounds never leave out a record for
 * which all hold. */
void plan_scan_bounds(struct binder *b, struct step *scan, struct expr *const *conditions,
                      unsigned count);

/* Whether rows of the tree come in the order of the keys; its scan may be turned round for it. */
bool plan_scan_is_ordered(struct step *tree, const struct step_key *keys, unsigned count);

/* Whether the least (AGGREGATE_MIN) or greatest (AGGREGATE_MAX) value of e is that of the first
 * record, whose scan is turned round for it if need be. */
bool plan_scan_finds_end(struct step *scan, const struct expr *e, enum aggregate_kind kind);

#endif
