/* plan_write.h - insert, upsert, update, delete become plans: what is read, and what is written of
 * each row.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_PLAN_WRITE_H
#define HOLDFAST_QUERY_PLAN_WRITE_H

#include "server/query/bind.h"

void plan_write(struct binder *b);

#endif
