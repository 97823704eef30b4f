/* commit_marks.h - numbers of a commit inside of records, put in as soon as there is one.
 *
 * The change ["commit", path] of `update` leaves nine bytes in a record of the write-set. Where
 * they are is kept here, by the value's address, until the commit has a number; a value that has
 * been replaced since is filled as well, and nobody sees it. So no value of a write-set with
 * marks may be written over in place (stage.keeps_values).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_COMMIT_MARKS_H
#define HOLDFAST_TXN_COMMIT_MARKS_H

#include "server/os/os.h"
#include "server/txn/update.h"

struct commit_mark { /* of one value */
    struct commit_mark *next;
    const uint8_t *value;
    unsigned count;
    uint32_t offsets[UPDATE_COMMITS_MAX];
};

struct commit_marks {
    struct commit_mark *newest; /* owned */
    uint64_t count;
};

/* Marks as u has them, to be added when it is known where the value lies. NULL: no memory. */
struct commit_mark *commit_mark_new(struct os *os, const struct update *u);
void commit_mark_free(struct os *os, struct commit_mark *mark);
/* Takes mark. */
void commit_marks_add(struct commit_marks *m, struct commit_mark *mark, const uint8_t *value);

/* Forget those that were added after mark (NULL: all): nobody will see their values. */
void commit_marks_back(struct commit_marks *m, struct os *os, const struct commit_mark *mark);

/* What is marked in the value becomes u's, whose document is a copy of it. One step for each
 * mark: their number is bounded (update-commits). */
void commit_marks_find(const struct commit_marks *m, const uint8_t *value, struct update *u);

/* The commit has its number. */
void commit_marks_fill(const struct commit_marks *m, uint64_t commit);
void commit_marks_forget(struct commit_marks *m, struct os *os);

#endif
