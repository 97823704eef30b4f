/* space.h - which extents may be used again, and when.
 *
 * A root sees an extent if the extent was born with it or before, and was not
 * yet replaced. So an extent that root F replaced and that was born with root B
 * is needed by the held roots r with B <= r < F, and free once there is none.
 * Extents wait in batches, one for each merge that replaced some.
 *
 * Two things disturb this simple line. A root that was made for a snapshot only
 * (no slot names it) may be left aside when the next merge starts from the root
 * before it: then what it replaced is in use still, and what it made is in use
 * by nobody but those who hold it. So what such merges made is remembered until
 * a durable root follows. And a merge whose slots could not be written may be
 * found by the next start all the same: until a later one has written both
 * slots, its number counts as held ("limbo").
 *
 * Invariants: U-1 a unit is marked used in the map from its allocation until no
 * held root, slot or limbo root reaches it. U-2 an extent is in at most one
 * batch of kind REPLACED or ORPHAN. U-3 what made lists is marked used. U-4 waiting_units is
 * the sum over waiting. U-5 an extent is freed after it was born.
 *
 * Threads: the loop, or the merge lane while a merge is under way. */
#ifndef HOLDFAST_STORAGE_SPACE_H
#define HOLDFAST_STORAGE_SPACE_H

#include "server/storage/extent.h"

struct space_extent {
    uint32_t offset; /* units */
    uint32_t units;
    uint64_t birth;
};

struct space_list {
    struct space_extent *items; /* owned */
    size_t count;
    size_t room;
};

enum space_kind {
    SPACE_REPLACED, /* a merge put others in their place */
    SPACE_ORPHAN,   /* made by a merge that was left aside or whose slots failed */
};

struct space_batch {
    struct space_batch *next;
    enum space_kind kind;
    uint64_t number;   /* of the root that was made */
    uint64_t freed_at; /* roots from here on do not see them */
    struct space_list list;
};

struct space {
    struct os *os;
    struct extent_map map;
    struct space_batch *waiting; /* owned; extents that wait to be free */
    struct space_batch *made; /* owned; what merges without slots made since the durable root */
    uint64_t waiting_units;   /* in waiting */
    bool in_limbo;            /* slots may name roots from limbo_low to limbo_high */
    uint64_t limbo_low, limbo_high;
};

enum err space_init(struct space *s, struct os *os);
void space_fini(struct space *s);

/* ERR_NOMEM. */
enum err space_list_push(struct os *os, struct space_list *list, struct space_extent extent);

/* NULL: out of memory. */
struct space_batch *space_batch_new(struct os *os, uint64_t number);
void space_batch_free(struct os *os, struct space_batch *batch);

/* A merge onto root from begins while newer roots up to next - 1 were given numbers. What was
 * made on top of from without slots is left aside. Cannot fail. */
void space_branch(struct space *s, uint64_t from, uint64_t next);

/* The roots that are held, by ascending numbers. */
struct space_held {
    uint64_t *numbers;
    uint64_t *only; /* out: units that wait for this root and for no other */
    size_t count;
};

/* Free what none of the held roots sees, and add up what waits for one alone. Cannot fail. Works
 * on one batch a call; false when it went through all since *cursor was NULL. */
bool space_reclaim(struct space *s, const struct space_held *held, struct space_batch **cursor);
/* The same sum for a batch that is about to wait. */
void space_count_only(const struct space_batch *batch, const struct space_held *held);

/* A merge ended well: takes both batches over. */
void space_merged(struct space *s, struct space_batch *replaced, struct space_batch *made,
                  bool durable);
/* A merge failed before it touched a slot: what it made is free; takes it over. */
void space_undo(struct space *s, struct space_batch *made);
/* A merge failed at its slots: what it made may be needed; takes it over. */
void space_limbo(struct space *s, struct space_batch *made);

#endif
