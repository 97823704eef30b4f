/* sim_internal.h - what the files of the simulator share.
 *
 * A node is a file or a directory; directories hold nodes under names. What is
 * not durable yet hangs on the node as a list of changes, oldest first, each
 * with what is needed to take it back. A crash takes all back, newest first,
 * which turns the list from "how to undo" into "how to redo", and then does
 * again what survives. */
#ifndef HOLDFAST_TESTS_SIM_SIM_INTERNAL_H
#define HOLDFAST_TESTS_SIM_SIM_INTERNAL_H

#include "server/base/assert.h"
#include "tests/sim/sim_os.h"
#include "tests/sim/totals.h"

#include <ucontext.h>

struct sim_node;

enum sim_change_kind {
    SIM_CHANGE_WRITE,  /* of a file: bytes */
    SIM_CHANGE_SIZE,   /* of a file: its size */
    SIM_CHANGE_ADD,    /* of a directory: name now leads to node */
    SIM_CHANGE_REMOVE, /* of a directory: name no longer leads to node */
    SIM_CHANGE_RENAME, /* of a directory: node moved from name to to */
};

struct sim_change {
    struct list_link in_node; /* in sim_node.changes */
    enum sim_change_kind kind;
    bool orphan; /* a sync that covered it failed: none will cover it again */
    bool synced; /* durable, kept because an orphan is before it */
    /* WRITE, and SIZE when it shrinks */
    uint64_t offset; /* first byte, at a sector's beginning */
    size_t size;     /* whole sectors, bytes */
    uint8_t *saved;  /* owned; the bytes before (after the undo: the new ones);
                      * NULL: zeros */
    /* SIZE */
    uint64_t size_before;
    uint64_t size_after;
    /* ADD, REMOVE, RENAME */
    char name[SIM_PATH_BYTES];
    char to[SIM_PATH_BYTES];
    struct sim_node *node;     /* shared */
    struct sim_node *replaced; /* shared; what RENAME found under to, or NULL */
};

struct sim_entry {
    char name[SIM_PATH_BYTES];
    struct sim_node *node; /* shared */
};

struct sim_node {
    struct list_link in_sim;
    struct sim *sim;
    unsigned refs;  /* entries, handles, and changes of directories */
    unsigned names; /* entries that lead here */
    unsigned handles;
    bool is_directory;
    struct list_link changes; /* not durable, oldest first */
    /* a file */
    uint8_t *data;     /* owned; zero behind size */
    uint8_t *reserved; /* owned; per sector: 1 if it takes space on the disk */
    uint64_t size;
    uint64_t capacity; /* of data, whole sectors */
    uint64_t zero_from; /* data is zero from here on */
    uint64_t sectors;  /* how many are reserved */
    struct os_file *locked_by;
    uint64_t errors;  /* times that the disk has refused what was written */
    bool errors_seen; /* the last of them has been told to somebody */
    /* a directory */
    struct sim_entry *entries; /* owned */
    size_t entry_count;
    size_t entry_capacity;
};

struct os_file {
    struct list_link in_sim;
    struct sim *sim;
    struct sim_node *node; /* shared; NULL when stale */
    unsigned flags;
    uint64_t errors_told; /* of node.errors */
    char path[SIM_PATH_BYTES];
};

/* A job's run on a stack of its own, so that it can stand still. */
struct sim_fiber {
    struct list_link in_sim; /* sim.standing or sim.fibers */
    struct sim *sim;
    struct os_job *job; /* lent; NULL: none */
    ucontext_t context;
    void *stack;     /* owned */
    void *sanitizer; /* AddressSanitizer's */
};

struct sim_fault_state {
    uint64_t countdown; /* 0: off */
    bool stays;
    uint64_t fired;
};

struct sim {
    struct os os; /* first: the table's struct os is at the sim's address */
    struct sim_knobs knobs;
    uint64_t seed;
    uint64_t chance[4]; /* xoshiro256** */
    uint64_t now_ns;
    /* disk */
    struct list_link nodes;
    struct list_link files; /* open handles, stale ones too */
    struct sim_node *root;
    uint64_t disk_limit;
    uint64_t changes;
    uint64_t off_in; /* SIM_LIMIT_NONE: never */
    bool off;
    bool is_image; /* nobody has opened a file since the process ended */
    struct sim_fault_state faults[SIM_FAULT_COUNT];
    char fault_path[SIM_PATH_BYTES];
    /* memory */
    uint64_t alloc_bytes, alloc_pieces, alloc_calls;
    /* jobs */
    struct list_link queued[OS_LANE_COUNT];
    struct list_link ran; /* run, their done not called */
    struct list_link standing; /* fibers whose job stands still */
    struct list_link fibers;   /* without a job */
    struct sim_fiber *fiber;   /* that runs; NULL: the loop does */
    ucontext_t loop;
    void *loop_sanitizer;
    const void *loop_stack;
    size_t loop_stack_bytes;
    bool stalled[OS_LANE_COUNT];
    unsigned jobs;
    unsigned lane_jobs[OS_LANE_COUNT];
};

/* sim_os.c */
void *sim_malloc(size_t size); /* the simulator's own memory; aborts when there is none */
bool sim_fault_due(struct sim *sim, enum sim_fault fault, const char *path);
enum err sim_change_begin(struct sim *sim); /* ERR_IO: the power is off */
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* sim_node.c */
struct sim_node *sim_node_new(struct sim *sim, bool is_directory); /* one reference */
void sim_node_ref(struct sim_node *node);
void sim_node_unref(struct sim_node *node);
struct sim_change *sim_change_new(struct sim_node *node, enum sim_change_kind kind);
void sim_change_free(struct sim_change *change);
void sim_node_write(struct sim_node *node, uint64_t offset, const void *from, size_t size);
void sim_node_resize(struct sim_node *node, uint64_t size);
/* Whole sectors in [from, to) become a hole; until a sync a crash may bring their bytes back. */
void sim_node_punch(struct sim_node *node, uint64_t from, uint64_t to);
/* Sectors in [from, to) that a write there would have to take from the disk. */
uint64_t sim_node_missing(const struct sim_node *node, uint64_t from, uint64_t to);
void sim_node_reserve(struct sim_node *node, uint64_t from, uint64_t to);
void sim_node_sync(struct sim_node *node);
void sim_node_sync_failed(struct sim_node *node);
/* Write, and never get it to the disk. */
void sim_node_write_refused(struct sim_node *node, uint64_t offset, const void *from,
                            size_t size);
/* Whether there is something that the disk has refused. */
bool sim_node_is_doubtful(const struct sim_node *node);
/* Change bytes in what is now and in all that a crash could bring back. */
void sim_node_poke(struct sim_node *node, uint64_t offset, const uint8_t *from, size_t size);
void sim_node_forget(struct sim_node *node);
void sim_node_crash(struct sim_node *node);

/* sim_tree.c */
struct sim_node *sim_tree_find(struct sim *sim, const char *path); /* borrowed, or NULL */
enum err sim_tree_open(struct sim *sim, const char *path, unsigned flags,
                       struct sim_node **out);
enum err sim_tree_make(struct sim *sim, const char *path);
enum err sim_tree_rename(struct sim *sim, const char *from, const char *to);
enum err sim_tree_remove(struct sim *sim, const char *path);
void sim_tree_crash(struct sim_node *directory);

/* sim_disk.c */
extern const struct os_ops sim_ops;
void sim_files_make_stale(struct sim *sim);

/* sim_os.c, for the table */
void *sim_memory_alloc(struct os *os, size_t size);
void sim_memory_free(struct os *os, void *memory, size_t size);
uint64_t sim_clock_now(struct os *os);
uint64_t sim_clock_day(struct os *os);
void sim_random_fill(struct os *os, void *to, size_t size);

/* sim_jobs.c */
void sim_job_submit(struct os *os, struct os_job *job);
void sim_jobs_init(struct sim *sim);
void sim_jobs_unwind(struct sim *sim); /* of those that stand still, with the power off */
void sim_jobs_forget(struct sim *sim);
void sim_jobs_fini(struct sim *sim);
/* Before each call of the table: a job may stand still here. */
void sim_preempt(struct sim *sim);

static inline struct sim *sim_of(struct os *os)
{
    return (struct sim *)(void *)os;
}

#endif
