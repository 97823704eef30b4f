/* recovery_index.h - the entries of indexes made again while the log is replayed.
 *
 * The log has records only. What a commit did to the indexes of a store follows from each record
 * and the one that it replaced: that is in a stage below, in the root, or among the commits
 * replayed into the open stage, which cannot be searched yet; so their records, of stores with
 * indexes only, are in a table here. An index that a commit has created is made over all that the
 * commits before it have left, which is put in order first.
 *
 * Threads: loop, while nobody writes. Blocks. */
#ifndef HOLDFAST_TXN_RECOVERY_INDEX_H
#define HOLDFAST_TXN_RECOVERY_INDEX_H

#include "server/storage/chains.h"
#include "server/storage/stage.h"
#include "server/storage/wait.h"
#include "server/txn/op.h"

struct recovery_index {
    struct db *db;
    bool is_open;           /* seen is there */
    struct chains seen;     /* the newest record of each key in the open stage */
    struct stage changes;   /* a write-set: of the commit at hand */
    struct stamp made;      /* its stamp */
    struct wait wait;
    struct op op; /* of the walk over a store */
};

void recovery_index_init(struct recovery_index *r, struct db *db);
void recovery_index_fini(struct recovery_index *r);

/* Whether the commit, whose definitions are those of the catalogue now, has created an index over
 * records: then the stage must be put in order before recovery_index_commit. */
bool recovery_index_builds(const struct recovery_index *r, const struct stamp *stamp);
/* Put what the commit does to indexes behind its records, in the open stage's memory. */
enum err recovery_index_commit(struct recovery_index *r, struct stamp *stamp,
                               struct failure *f);
/* The commit is in the open stage. */
void recovery_index_note(struct recovery_index *r, struct stamp *stamp);
/* The open stage is about to be put in order, and can be searched from then on. */
void recovery_index_settle(struct recovery_index *r);

#endif
