/* path_rig.h - the paths through the core that tests walk while something fails: each is a few
 * commits or a job of the background on a small database, and after each commit it is known what
 * the database must hold.
 *
 * A path is run once without any failure, which keeps the states (path_learn), and then again and
 * again while an operation fails, or the power goes off, at another moment. What is there then is
 * the state after the last commit that was acknowledged, or after the one that was under way. */
#ifndef HOLDFAST_TESTS_UNIT_PATH_RIG_H
#define HOLDFAST_TESTS_UNIT_PATH_RIG_H

#include "server/txn/openers.h"
#include "tests/unit/core_rig.h"

#define PATH_KEYS 12
#define PATH_STORES 5
#define PATH_STATES 16 /* of one run */
#define PATH_LENGTH 5  /* paths one after the other in a run */

struct path_state {
    bool has_store[PATH_STORES], has_index[PATH_STORES];
    uint64_t values[PATH_STORES][PATH_KEYS]; /* a hash of the record; 0: none */
};

struct path_run {
    struct core_rig rig;
    bool learns;
    unsigned done; /* commits that were acknowledged */
    struct path_state states[PATH_STATES];
    unsigned state_count; /* before the first path, and after each commit */
    struct txn *txns[4]; /* open, that path_end rolls back; NULL: none */
    struct cursor *cursor;
    struct backup *backup;
    struct opener opener; /* of an upgrade */
    bool has_opener;
};

struct path {
    const char *name;
    /* Any error ends it; every commit that was acknowledged was counted (path_did). */
    enum err (*walk)(struct path_run *run);
};

extern const struct path paths[];
extern const unsigned path_count;

/* A database to begin with: pages on the disk, records in stages, an index. */
void path_open(struct path_run *run, uint64_t seed);
/* What the paths come to, one after the other, if nothing fails; run is used up. */
void path_learn(struct path_run *run, const struct path *const *of, unsigned count);
/* The same where something may fail. run has the states of path_learn. */
enum err path_walk(struct path_run *run, const struct path *const *of, unsigned count);
/* A lock of a store is asked for, granted and let go of. */
enum err path_lock(struct path_run *run);
/* Ends what a path has left open. */
void path_end(struct path_run *run);
/* What is there. Nothing may fail. */
void path_look(struct core_rig *rig, struct path_state *out);
/* Whether it is what was acknowledged, or with what was under way. */
bool path_is_right(const struct path_run *run, const struct path_state *state);
/* The data directory, which nobody has open, is as check_data wants it. */
void path_check_disk(struct core_rig *rig);

#endif
