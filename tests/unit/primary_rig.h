/* primary_rig.h - a primary on the simulated machine beside a model of what it holds.
 *
 * The model is a sorted array of records; a copy of it (records are never freed
 * before the rig) is what a held root must read as for ever. */
#ifndef HOLDFAST_TESTS_UNIT_PRIMARY_RIG_H
#define HOLDFAST_TESTS_UNIT_PRIMARY_RIG_H

#include "server/storage/primary.h"
#include "tests/sim/sim_os.h"

#define PRIMARY_TEST_KEY_BYTES 9000 /* more than any key of a test */

struct rig_record {
    uint32_t store;
    struct slice key;
    struct slice value; /* in changes: data NULL deletes */
};

struct rig_model {
    struct rig_record *items; /* sorted by store and key */
    size_t count, room;
};

struct rig {
    struct sim *sim;
    struct os *os;
    struct primary *p;
    struct primary_options options;
    struct rig_model model; /* of the root that was made last */
    uint64_t commit;        /* of that root */
    struct failure failure; /* of the last call that failed */
    void **memory;          /* all keys and values ever made */
    size_t memory_count, memory_room;
    bool has_damage; /* the last merge failed of a page of a store */
    struct tree_damage damage;
    uint64_t bytes_max; /* a call of merge_run; 0: the seed chooses */
};

void rig_init(struct rig *rig, uint64_t seed, uint32_t page_bytes, uint64_t cache_bytes);
/* Close, and fail on anything that was left open or allocated. */
void rig_fini(struct rig *rig);

enum err rig_open(struct rig *rig);
void rig_close(struct rig *rig);
/* The power goes off; open again. */
void rig_crash_and_open(struct rig *rig);

/* Bytes that live as long as the rig. */
struct slice rig_bytes(struct rig *rig, const void *bytes, size_t size);
/* Repeatable noise that lz4 takes to about a half. */
struct slice rig_noise(struct rig *rig, uint64_t seed, size_t size);
struct slice rig_key_number(struct rig *rig, uint64_t n);

/* A batch of changes; rig_batch_sort sorts it and keeps one of those for the same key. */
struct rig_batch {
    struct rig_record *items;
    size_t count, room;
};
void rig_batch_add(struct rig_batch *batch, uint32_t store, struct slice key,
                   struct slice value);
void rig_batch_sort(struct rig_batch *batch);
void rig_batch_fini(struct rig_batch *batch);

struct rig_merge {
    struct root *from; /* NULL: the durable root */
    bool intermediate; /* not durable */
    const uint32_t *dropped;
    size_t dropped_count;
    const struct merge_counter *counters;
    size_t counter_count;
    const struct tree_damage *damaged;
    size_t damaged_count;
};

/* Merge the batch; on success the model follows and *out (may be NULL: given back) is the new
 * root. If the power went off meanwhile the merge is not ended: the rig must crash. */
enum err rig_merge(struct rig *rig, const struct rig_batch *batch, const struct rig_merge *how,
                   struct root **out);
enum err rig_merge_simple(struct rig *rig, const struct rig_batch *batch);

/* Apply to a model without a merge. */
void rig_model_apply(struct rig *rig, struct rig_model *model, const struct rig_batch *batch,
                     const uint32_t *dropped, size_t dropped_count);
struct rig_model rig_model_copy(const struct rig_model *model);
void rig_model_fini(struct rig_model *model);

/* One read, waiting for pages as need be. */
enum err rig_get(struct rig *rig, struct root *r, uint32_t store, struct slice key,
                 struct wait *w, struct slice *value);
/* Let jobs run until w is woken. */
void rig_wait(struct rig *rig, struct wait *w);
void rig_wait_init(struct wait *w);

/* Every record both ways, gets, seeks, ranks and facts; checks `probes` random places. */
void rig_check_root(struct rig *rig, struct root *r, const struct rig_model *model,
                    unsigned probes);
/* primary_check, and the durable root against the model. */
void rig_check(struct rig *rig, unsigned probes);

#endif
