/* index_build.h - indexes that are made in the background, while others write.
 *
 * An index that is created with `online` begins as BUILDING. From then on every write keeps it as
 * if it were ready; a builder walks the store and adds the entries of what was there before, a
 * slice in a turn, each slice a commit of its own over the newest snapshot, taken and committed in
 * one call, so that nobody comes between. When all of it is in a durable root, a last commit makes
 * the index READY, or FAILED if the records violate it. Nobody reads it before.
 *
 * Neither the entries nor how far the builder has come are in the log: both are rows of the index's
 * own tree, written in the same commits, so a root has either of a slice or none. After a crash the
 * builder goes on from the last slice that a root has; writes that are replayed keep the
 * index meanwhile as they did before.
 *
 *     LOADING -> WALKING -> MERGING -> ENDING
 *                   '-- violated ---------^
 *
 * Nobody conflicts with the builder, but for who has put an index key of a unique index that a
 * record has which the builder meets: that one would violate it, and loses.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_INDEX_BUILD_H
#define HOLDFAST_TXN_INDEX_BUILD_H

#include <stdint.h>

struct db;

struct index_build;

/* NULL: out of memory. */
struct index_build *index_build_new(struct db *db);
/* Give up what it is at; it goes on after the next start. */
void index_build_stop(struct index_build *b);
void index_build_free(struct index_build *b);
/* Work for this turn. */
void index_build_turn(struct index_build *b);
/* When time must have passed before it can go on, ms; UINT64_MAX: it need not. */
uint64_t index_build_next_ms(const struct index_build *b);

#endif
