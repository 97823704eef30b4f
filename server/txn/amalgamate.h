/* amalgamate.h - the passes: when one begins, what it makes.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_AMALGAMATE_H
#define HOLDFAST_TXN_AMALGAMATE_H

#include "server/base/failure.h"

struct db;

enum err amalgamate_init(struct db *db);
void amalgamate_fini(struct db *db, bool abandon);
void amalgamate_turn(struct db *db); /* start a pass if one is due */
/* When to look again whether one is, though nothing happens; UINT64_MAX: never. */
uint64_t amalgamate_next_ms(const struct db *db);

#endif
