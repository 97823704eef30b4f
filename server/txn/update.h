/* update.h - changes to a document: what `update` does to a record.
 *
 * A list of changes, each one of
 *
 *     ["set", path, value]    ["add", path, number]    ["append", path, value]
 *     ["unset", path]         ["min", path, value]     ["commit", path]
 *                             ["max", path, value]
 *
 * is made to a document in its order, in memory that the caller sized. A path is a text (one
 * field, taken whole) or a list of steps: texts for fields of maps, numbers from 0 for places
 * in arrays; [] is the document itself. docs/protocol.md, "update", says what each change does.
 *
 * Numbers are exact: a result that no number of MessagePack holds is an error, and so is a sum
 * of a float and an integer that no double holds.
 *
 * "commit" leaves nine bytes (a 64-bit 0) where the commit will put its number in; u.commits
 * says where they are.
 *
 * Threads: any; keeps no state, allocates nothing. Cost: the document's size for each change,
 * bounded by work_max. */
#ifndef HOLDFAST_TXN_UPDATE_H
#define HOLDFAST_TXN_UPDATE_H

#include "server/txn/update_read.h"

#define UPDATE_COMMITS_MAX 16 /* numbers of commits in one document that are still to come */
#define UPDATE_COMMIT_BYTES 9 /* a head and a 64-bit number */

/* A document that is being changed. */
struct update {
    uint8_t *bytes;    /* the document: caller's memory, */
    size_t room;       /* bytes of it */
    size_t size;       /* 0: there is no document yet */
    size_t bytes_max;  /* limit of the document (value-size) */
    uint64_t work_max; /* limit of bytes that are gone through (update-work); the first change
                          is always made */
    unsigned commit_count;
    uint32_t commits[UPDATE_COMMITS_MAX]; /* offsets of the nine bytes of each number */
};

/* Make the changes, which update_measure has passed. ERR_BAD_VALUE: a type, a place or a number
 * that does not fit; ERR_TOO_LARGE: bytes_max or work_max is met, or over
 * UPDATE_COMMITS_MAX. The document is of no use after an error. */
enum err update_apply(struct update *u, struct slice changes, struct failure *f);

/* Put a value (MessagePack) at a path of names, of which the document has no last one yet; maps
 * on the way are made. False: something on the way is not a map. Takes
 * update_put_room bytes more at most. */
bool update_put(struct update *u, const struct update_path *path, struct slice value);

/* Put the number of the commit in, wherever it is to come. */
void update_fill_commits(struct update *u, uint64_t commit);

/* Whether a number of a commit lies on the path, or in what the path leads to. */
bool update_commit_is_at(const struct update *u, const struct update_path *path);

#endif
