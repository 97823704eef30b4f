/* health.h - what is wrong with the database, and since when; and what its background work waits
 * for.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_HEALTH_H
#define HOLDFAST_TXN_HEALTH_H

#include <stdint.h>

struct db;

/* In a turn: note what has begun, or ended. */
void health_turn(struct db *db);
/* The worst that is wrong, in words, and for how long; "ok". */
const char *health_state(const struct db *db, uint64_t *for_ms);

/* Something that could be freed, or merged, and why it is not yet. */
struct db_wait {
    const char *what;  /* "amalgamation", "unstaging", "ledgers", "wal", "pages" */
    const char *why;
    uint64_t bytes;    /* that wait */
    uint64_t snapshot; /* of the oldest reader or writer that they wait for; 0: for none */
};
void db_each_wait(struct db *db, void (*each)(void *context, const struct db_wait *w),
                  void *context);

#endif
