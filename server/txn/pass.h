/* pass.h - what one amalgamation pass reads: sealed stages, merged by key.
 *
 * A pass may go over its stages several times: once for the ledger, then once for
 * each root that it makes, from a floor (what the root before has) to a limit.
 *
 * Threads: made and freed by the loop; pass_next on the merge lane, which reads
 * only what nobody changes. */
#ifndef HOLDFAST_TXN_PASS_H
#define HOLDFAST_TXN_PASS_H

#include "server/storage/ledger.h"

#define PASS_STAGES_MAX 32
#define PASS_LEDGERS_MAX 16

struct pass_counter { /* a generator that has moved */
    uint32_t store;
    bool descending; /* its key */
    uint64_t base;   /* what was used up when it was made, as of the last root of the pass */
};

struct pass {
    struct os *os; /* this and the next four are borrowed */
    struct primary *primary;
    struct catalogue *catalogue;
    const struct damage *damage;
    const struct numbers *numbers;
    struct stage *stages[PASS_STAGES_MAX]; /* newest first */
    struct record *feeds[PASS_STAGES_MAX]; /* where each stands in the store at hand */
    bool whole[PASS_STAGES_MAX];           /* all of it lies in (floor, limit] */
    size_t stage_count;
    uint64_t floor, limit; /* versions of (floor, limit] are given */
    uint32_t *stores;      /* all in the stages that do not end here, ascending */
    size_t store_count, store_room, store_at;
    bool store_is_open; /* the feeds stand in stores[store_at] */
    uint32_t *dropped;  /* stores that end here, ascending */
    size_t dropped_count, dropped_room;
    struct merge_counter *counters;
    size_t counter_count, counter_room;
    struct pass_counter *counting; /* of what counters has behind its first */
    bool is_listed;                /* the lists are whole and sorted */
    struct tree_damage *damaged; /* ascending */
    size_t damaged_count, damaged_room;
    /* the ledger */
    struct ledger *ledger;                  /* being built; NULL: none is wanted */
    uint64_t ledger_floor;                  /* no open writer's snapshot is older */
    uint64_t ledger_bytes_max;              /* in memory no larger than this */
    struct ledger *older[PASS_LEDGERS_MAX]; /* taken in, newest first */
    struct ledger_cursor *older_at;         /* one for each */
    size_t older_count;
    bool older_is_open;        /* the cursors stand on their first */
    struct ledger *unreadable; /* of older: the disk did not give it back whole */
};

/* Note the stores that have ended up to limit, and whose counters have moved; the lists are made
 * whole on the merge lane, before anything is read. ERR_NOMEM. */
enum err pass_prepare(struct pass *p, uint64_t limit);
void pass_free_lists(struct pass *p);
/* List the stores that are damaged, as is known now. ERR_NOMEM. */
enum err pass_list_damaged(struct pass *p);

/* Begin again, for versions of (floor, limit]. */
void pass_rewind(struct pass *p, uint64_t floor, uint64_t limit);

/* The next change; for merge_input. */
enum err pass_next(void *pass, struct merge_change *out);

/* Make ready to build a ledger for writers whose oldest snapshot is floor, on disk or in
 * memory. ERR_NOMEM, ERR_LOG_FAILED. */
enum err pass_begin_ledger(struct pass *p, uint64_t floor, bool on_disk);
/* Merge lane: build some of it. ERR_WAIT for more, ERR_OK when it is whole; ERR_NOMEM;
 * ERR_TOO_LARGE: it is over ledger_bytes_max; ERR_CORRUPT, ERR_IO with unreadable set;
 * ERR_NO_SPACE, ERR_IO, ERR_LOG_FAILED where it is on disk. */
enum err pass_build_ledger(struct pass *p, uint64_t keys_max);
/* Loop: it is whole, and may be asked; older is what it has taken in. */
void pass_finish_ledger(struct pass *p);
/* Loop: give it up. */
void pass_drop_ledger(struct pass *p);

#endif
