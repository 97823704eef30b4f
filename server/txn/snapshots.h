/* snapshots.h - the snapshots that are open, each shared by all who began at one moment.
 *
 * Knows stages and commits; knows no database. snapshot.h takes snapshots, and lets them go.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_SNAPSHOTS_H
#define HOLDFAST_TXN_SNAPSHOTS_H

#include "server/os/os.h"
#include "server/txn/view.h"

struct snapshot { /* shared by all that began at the same moment */
    uint64_t commit;
    uint64_t root_commit;
    struct root *root; /* holds a reference */
    struct stage *top;
    uint32_t refs;
    uint32_t busy;      /* cursors that stand in its stages and root: it cannot move now */
    struct root *moved; /* the root that it moves to when it can; holds a reference */
    uint64_t taken_ms;
    struct list_link in_taken;  /* snapshots.taken */
    struct list_link in_commit; /* snapshots.by_commit */
    struct list_link
        versions; /* superseded definitions that no newer one sees (schema.in_queue) */
};

struct snapshots {
    struct list_link taken;     /* in the order in which they were */
    struct list_link by_commit; /* ascending; T-2 */
    struct list_link pool;      /* ended ones, to be used again; by in_taken */
    unsigned pool_count;
};

void snapshots_init(struct snapshots *all);
/* Memory for one, and its end. NULL: there is none. */
struct snapshot *snapshots_alloc(struct snapshots *all, struct os *os);
void snapshots_dealloc(struct snapshots *all, struct os *os, struct snapshot *s);
void snapshots_fini(struct snapshots *all, struct os *os);
/* It has its commit, and is open from now on. */
void snapshots_add(struct snapshots *all, struct snapshot *s);

struct snapshot *snapshot_ref(struct snapshot *s);
/* A cursor stands in what the snapshot reads. */
void snapshot_enter(struct snapshot *s);
struct view view_of(const struct snapshot *s, struct stage *own);

bool snapshot_sees(void *snapshots, uint64_t from, uint64_t to); /* for stage_prune */
/* For catalogue_reclaim. */
struct list_link *snapshot_versions(void *snapshots, uint64_t from, uint64_t to);
/* Whether an open snapshot reads from the stage. */
bool snapshot_needs_stage(const struct snapshots *all, const struct stage *s);
/* Bytes of amalgamated stages that the snapshot still reads; oldest is the lowest of the stack. */
uint64_t snapshot_held_bytes(const struct snapshot *s, const struct stage *oldest);
/* The oldest snapshot that reads from the stage; NULL: none does. */
struct snapshot *snapshot_oldest_in(const struct snapshots *all, const struct stage *s);

#endif
