/* salvage.h - what can be read of a damaged data directory, written into a new one.
 *
 * The records of every store are read from the newest root, past damage (tree_rescue.h), and merged
 * into a new data file of the same identity, so that the log goes on behind it: its segments are
 * copied, up to damage. Indexes are not copied: they are made anew in the background when the new
 * directory is first served. Where the tree of trees, or both meta pages, are lost, the tops of the
 * trees are found by the labels of pages: of each tree the youngest page of the highest level.
 *
 * The old directory is not written to. Threads: one; blocks. */
#ifndef HOLDFAST_TXN_SALVAGE_H
#define HOLDFAST_TXN_SALVAGE_H

#include "server/txn/salvage_job.h"

/* ERR_OK: to has all that could be read; losses says how much was lost. ERR_LOCKED, ERR_NOT_FOUND,
 * ERR_FORMAT, ERR_CORRUPT (nothing could be read), ERR_IO, ERR_NO_SPACE, ERR_NOMEM. */
enum err salvage_run(struct salvage *s, struct failure *f);

#endif
