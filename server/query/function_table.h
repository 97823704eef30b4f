/* function_table.h - the functions that there are.
 *
 * Threads: any. */
#ifndef HOLDFAST_QUERY_FUNCTION_TABLE_H
#define HOLDFAST_QUERY_FUNCTION_TABLE_H

#include "server/query/function.h"

/* By its name, in any case. NULL: there is none; *near is the nearest name, or NULL. */
const struct query_function *query_function_find(struct slice name, const char **near);

/* The table from the beginning, for who lists it; NULL behind its end. */
const struct query_function *query_function_at(unsigned i);

#endif
