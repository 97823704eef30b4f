/* wal_rig.h - the log with a model beside it, on the simulated machine.
 *
 * The model is the list of items appended. After each reopening the log must have
 * delivered a run of that list, from the beginning (or from where the root's
 * position was taken) to an end that no acknowledged item is behind; what was not
 * delivered is struck from the list. The contents of an item follow from its number. */
#ifndef HOLDFAST_TESTS_UNIT_WAL_RIG_H
#define HOLDFAST_TESTS_UNIT_WAL_RIG_H

#include "server/storage/wal.h"
#include "tests/sim/sim_os.h"

struct wal_rig_item {
    struct wal_item item;
    unsigned records;      /* how many whole records it is */
    uint32_t record_bytes; /* each, at most; the exact size follows from the number */
    uint64_t written;      /* bytes, for checking */
};

struct wal_rig {
    struct sim *sim;
    struct wal *wal; /* NULL: closed */
    struct wal_options options;
    struct failure failure;
    /* the model */
    struct wal_rig_item **items; /* owned, with all they point to; ascending by number */
    size_t count, capacity;
    uint64_t last_number;      /* given */
    uint64_t written, durable; /* acknowledged numbers */
    uint64_t killed;           /* what a kill must leave, unless the power goes off, too */
    struct wal_numbers asked, reserved;
    uint64_t root;     /* position */
    size_t root_index; /* the first item appended after it was taken */
    struct wal_numbers root_numbers;
    uint64_t next_root;     /* position that a root to come will have; 0: none is noted */
    size_t next_root_index; /* the first item appended after it was noted */
    unsigned rooms, failures;
    bool stays_closed;         /* opened, not begun */
    uint64_t epoch;            /* to begin; 0: one more than was seen */
    bool is_lent;              /* on_issued is wanted */
    uint64_t issued;           /* the last position */
    struct slice issued_bytes; /* lent */
    /* replay */
    size_t replay_begin, replay_at; /* items delivered: [begin, at) */
    bool replay_any;
    uint64_t open_number; /* of the item whose pieces are coming; 0: none */
    bool open_whole;      /* from its first piece on */
    unsigned open_records;
    uint64_t pieces;
};

void wal_rig_init(struct wal_rig *rig, uint64_t seed);
void wal_rig_fini(struct wal_rig *rig); /* checks that nothing leaks */

/* Open and check what was replayed; must succeed. */
void wal_rig_open(struct wal_rig *rig);
enum err wal_rig_try_open(struct wal_rig *rig); /* the same, but it may fail */

/* Reserve and append; false: there is no room now. */
bool wal_rig_append(struct wal_rig *rig, unsigned records, uint32_t record_bytes, bool sync);
/* Kick and step until all that was appended is durable. */
void wal_rig_settle(struct wal_rig *rig);
/* Append one item that is synced, and settle. */
void wal_rig_put(struct wal_rig *rig, unsigned records, uint32_t record_bytes);

/* As the sealing of a stage would: note the position behind what was appended. */
void wal_rig_note_root(struct wal_rig *rig);
/* As a switch of the root would: when all before the noted position is durable, trim to it.
 * Notes one if there is none. */
void wal_rig_switch_root(struct wal_rig *rig);

/* The end of a life: power cut, or kill. */
void wal_rig_crash(struct wal_rig *rig);
void wal_rig_kill(struct wal_rig *rig);
void wal_rig_close(struct wal_rig *rig); /* in order */

#endif
