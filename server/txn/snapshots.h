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
    struct stage *top; /* the newest stage that it reads; NULL: none. T-8 */
    uint32_t refs;
    uint32_t busy;      /* cursors that stand in its stages and root: it cannot move now */
    struct root *moved; /* the root that it moves to when it can; holds a reference */
    uint64_t taken_ms;
    bool is_expiring; /* whoever reads at it is about to be ended */
    struct list_link in_taken;  /* snapshots.taken */
    struct list_link in_commit; /* snapshots.by_commit */
    struct list_link
        versions; /* superseded definitions that no newer one sees (schema.in_queue) */
    struct list_link passed;   /* such ones of newer snapshots that have ended: it may see them */
    struct list_link in_heirs; /* snapshots.heirs, while there are any */
};

struct snapshots {
    struct list_link taken;     /* in the order in which they were */
    struct list_link by_commit; /* ascending; T-2 */
    struct list_link heirs;     /* those to which definitions were passed on */
    uint64_t steps;             /* snapshots looked at for what they see, ever */
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

/* Looks for snapshots by ascending commits, within one call: passes each at most twice. */
struct snapshot_finger {
    struct snapshots *all;
    struct list_link *at;
};
struct snapshot_finger snapshot_finger(struct snapshots *all);
/* The newest with a commit below to, which is no less than at the call before; NULL: none. */
struct snapshot *snapshot_below(struct snapshot_finger *f, uint64_t to);
/* For catalogue_reclaim; a finger. */
struct list_link *snapshot_versions(void *finger, uint64_t from, uint64_t to);
/* Asks for stages whether an open snapshot reads from them, within one call: passes each snapshot
 * once, however many stages there are. */
struct stage_readers {
    struct snapshots *all;
    struct list_link *at;
    uint64_t root_commit; /* the least of those passed that read from a stage */
};
struct stage_readers stage_readers(struct snapshots *all);
/* Of stages from the newest down. */
bool stage_has_reader(struct stage_readers *r, const struct stage *s);
/* Bytes of amalgamated stages that the snapshot still reads; oldest is the lowest of the stack. */
uint64_t snapshot_held_bytes(const struct snapshot *s, const struct stage *oldest);
/* Mark those that read from the stage, or keep the root: they are to be ended. */
void snapshots_expire_stage(struct snapshots *all, const struct stage *s);
void snapshots_expire_root(struct snapshots *all, const struct root *r);

#endif
