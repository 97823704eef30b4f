/* plan_fields.h - which fields of their records the scans of a plan are to find.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_FIELDS_H
#define HOLDFAST_QUERY_PLAN_FIELDS_H

#include "server/query/bind.h"

/* When all of the plan is made: each path into a record of a scan reads the slot of its first
 * field, which the scan fills; the record itself is kept only where it is asked for as a whole. */
void plan_fields(struct binder *b);

#endif
