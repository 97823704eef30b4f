/* db_fail.h - the end of the log.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DB_FAIL_H
#define HOLDFAST_TXN_DB_FAIL_H

#include "server/base/failure.h"

struct db;

/* The log, or what counts as it, has failed: final. */
void db_fail(struct db *db, enum err e, const char *text);

#endif
