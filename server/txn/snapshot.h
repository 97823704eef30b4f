/* snapshot.h - snapshots, shared by all who began at the same moment, and views.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_SNAPSHOT_H
#define HOLDFAST_TXN_SNAPSHOT_H

#include "server/storage/primary.h"
#include "server/storage/stage.h"

struct db;

/* What is read: own writes first, then stages from top down, then the root. A value:
 * whoever keeps it beyond a turn holds the snapshot that it came from. */
struct view {
    uint64_t commit;      /* sees commits up to here */
    uint64_t root_commit; /* what the root holds already */
    struct stage *own;    /* write-set; NULL: none */
    struct stage *top;
    struct root *root;
};

struct snapshot { /* shared by all that began at the same moment */
    uint64_t commit;
    uint64_t root_commit;
    struct root *root; /* holds a reference */
    struct stage *top;
    uint32_t refs;
    uint32_t busy;      /* cursors that stand in its stages and root: it cannot move now */
    struct root *moved; /* the root that it moves to when it can; holds a reference */
    uint64_t taken_ms;
    struct list_link in_taken;  /* db.snapshots */
    struct list_link in_commit; /* db.snapshots_by_commit */
    struct list_link
        versions; /* superseded definitions that no newer one sees (schema.in_queue) */
};

/* NULL: no memory. */
struct snapshot *snapshot_take(struct db *db, uint64_t commit);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct db *db, struct snapshot *s);
void snapshot_pool_free(struct db *db);
bool snapshot_sees(void *db, uint64_t from, uint64_t to); /* for stage_prune */
/* For catalogue_reclaim. */
struct list_link *snapshot_versions(void *db, uint64_t from, uint64_t to);
/* Whether an open snapshot reads from the stage. */
bool snapshot_needs_stage(const struct db *db, const struct stage *s);
/* Bytes of amalgamated stages that the snapshot still reads. */
uint64_t snapshot_held_bytes(const struct db *db, const struct snapshot *s);
/* The oldest snapshot that reads from the stage; NULL: none does. */
struct snapshot *snapshot_oldest_in(const struct db *db, const struct stage *s);
/* Snapshots that see all that is in root, and no root as new, go over to it. */
void snapshots_move(struct db *db, struct root *root);
/* A cursor stands in what the snapshot reads, or has left it. */
void snapshot_enter(struct snapshot *s);
void snapshot_leave(struct db *db, struct snapshot *s);
struct view view_of(const struct snapshot *s, struct stage *own);
/* The view an autocommit read takes, without holding anything: valid for this turn only. */
struct view view_now(const struct db *db, uint64_t commit);
/* The record of a key that the view sees in write-set and stages (it may be a delete),
 * NULL: ask the root. */
struct record *view_find(const struct view *v, uint32_t store, struct slice key);
/* The next stage that the view reads below s (s NULL: the first). */
struct stage *view_next_stage(const struct view *v, struct stage *s);

#endif
