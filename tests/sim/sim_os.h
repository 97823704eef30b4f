/* sim_os.h - the simulated machine behind server/os/os.h: a disk that loses,
 * tears, refuses and rots, a clock, chance, memory that runs out and a
 * scheduler, all in one thread and all decided by one seed.
 *
 * A driver (a test) plays the loop: it calls the core, and sim_step runs or
 * finishes one background job at a time, in an order that the seed chooses. A job may
 * stand still before any call of the table while others, and the loop, go on. The
 * same seed and the same calls give the same life, byte for byte.
 *
 * The disk keeps what was synced, and beside it the list of what was not:
 * sector by sector for contents, operation by operation for sizes and names. A
 * power cut decides for each sector on its own; sizes of a file, and names of a
 * directory, survive as a prefix of what was done to them.
 *
 * A write that the disk has refused is told as Linux does it: once to each open file, at
 * its next sync, and not to one opened after somebody was told. Its bytes can still be read,
 * are on the disk only by chance, and no later sync makes them durable.
 *
 * After a crash: call sim_crash first, then free the core (files it closes are
 * stale by then, jobs it lent are forgotten; those that stand still are run to their end,
 * each of their calls being ERR_IO), then open a new core. */
#ifndef HOLDFAST_TESTS_SIM_SIM_OS_H
#define HOLDFAST_TESTS_SIM_SIM_OS_H

#include "server/os/os.h"

#define SIM_SECTOR_BYTES 512
#define SIM_PATH_BYTES 128
#define SIM_LIMIT_NONE UINT64_MAX

struct sim; /* opaque, owned by the driver */

struct sim_knobs {
    /* file_read_nowait answers ERR_WAIT this often. Default 50. */
    unsigned wait_percent;
    /* At a power cut an unsynced sector survives this often; -1 (the default):
     * each file draws a mood: all, none, most, few, half, or the first part. */
    int survive_percent;
    /* At a power cut an unsynced sector becomes a mix or garbage. Default 2. */
    unsigned torn_percent;
    /* How many jobs of a lane are taken up side by side. Default 8, 1, 4, 1. */
    unsigned lane_width[OS_LANE_COUNT];
    /* A job stands still before a call of the table this often. Default 30. */
    unsigned preempt_percent;
    /* What looking at the clock takes on it: time passes so for a process that works. Default
     * 200. */
    uint64_t clock_ns;
    /* What a write takes on the machine's clock. Default 0. */
    unsigned write_ms;
    /* Of what a failed sync covered the disk refuses so much; -1 (the default): all or half. */
    int refused_percent;
    /* Say each operation on stderr. Default: whether SIM_TRACE is in the
     * environment. */
    bool trace;
};

enum sim_fault {
    SIM_FAULT_READ,     /* ERR_IO */
    SIM_FAULT_WRITE,    /* ERR_IO; a first part may have been written */
    SIM_FAULT_SYNC,     /* ERR_IO, of files and directories; of what a file's sync
                         * covered all or some is never made durable by a later one, and
                         * each other open file is told at its next sync */
    SIM_FAULT_WRITEBACK, /* a write says OK, and the disk refuses it before anybody syncs */
    SIM_FAULT_ALLOC,    /* NULL, or ERR_NOMEM when opening a file */
    SIM_FAULT_SPACE,    /* ERR_NO_SPACE of a write or allocate, first part done */
    SIM_FAULT_LOSE,     /* a write says OK and goes nowhere */
    SIM_FAULT_MISPLACE, /* a write says OK and goes elsewhere in the file */
    SIM_FAULT_SOCKET,   /* a call on a socket answers as if the other side had gone (sim_uv.h) */
    SIM_FAULT_COUNT,
};

struct sim *sim_new(uint64_t seed);

/* Frees also what was left open. Asserts nothing about leaks: see
 * sim_alloc_outstanding and sim_open_files. */
void sim_free(struct sim *sim);

/* The table of functions that the core is given. */
struct os *sim_table(struct sim *sim);

/* May be changed at any time; borrowed until sim_free. */
struct sim_knobs *sim_knobs(struct sim *sim);

/* A number below bound (bound > 0), from the seed. */
uint64_t sim_random(struct sim *sim, uint64_t bound);

/* True in percent of a hundred calls. */
bool sim_chance(struct sim *sim, unsigned percent);

/* ---- the end of a life ---- */

/* The power goes off and comes back: what was not synced survives or not, as
 * the seed decides; open files are stale (only file_close may be called, anything
 * else is ERR_IO), locks are gone, jobs are forgotten and their done is never
 * called, faults and stalls are cleared. The disk limit stays. */
void sim_crash(struct sim *sim);

/* The process is killed: as a crash, but all that was written stays, still
 * unsynced. */
void sim_kill(struct sim *sim);

/* The system lets go of the pages in its memory that it takes for clean: where a sync has
 * failed, files now read as the disk has them. Between a kill and the next life. */
void sim_forget(struct sim *sim);

/* The n-th operation from now that changes the disk (write, sync, truncate,
 * allocate, create, rename, remove, dir_make, dir_sync) and everything after it,
 * reads too, have no effect and return ERR_IO. 0: at once. SIM_LIMIT_NONE: never.
 * The driver sees sim_is_off, gives the core up and calls sim_crash. */
void sim_power_off_after(struct sim *sim, uint64_t operations);
bool sim_is_off(const struct sim *sim);

/* How many operations have changed the disk so far, to walk through all the
 * moments at which the power may go off. */
uint64_t sim_changes(const struct sim *sim);

/* ---- faults ---- */

/* The n-th such operation from now (1: the next) fails, once. 0: none will. */
void sim_fail_at(struct sim *sim, enum sim_fault fault, uint64_t n);

/* The n-th and all later ones fail. */
void sim_fail_from(struct sim *sim, enum sim_fault fault, uint64_t n);

/* Count and fail only files whose path begins so; NULL or "": all (the default).
 * Allocations are not concerned. */
void sim_fail_only(struct sim *sim, const char *path_beginning);

/* How often a fault of that kind has struck since it was last set. */
uint64_t sim_fault_fired(const struct sim *sim, enum sim_fault fault);

void sim_fail_clear(struct sim *sim);

/* One of the two. */
static inline void sim_fail_arm(struct sim *sim, enum sim_fault fault, uint64_t n, bool stays)
{
    (stays ? sim_fail_from : sim_fail_at)(sim, fault, n);
}

static inline void sim_fail_alloc_at(struct sim *sim, uint64_t n)
{
    sim_fail_at(sim, SIM_FAULT_ALLOC, n);
}

static inline void sim_fail_read_at(struct sim *sim, uint64_t n)
{
    sim_fail_at(sim, SIM_FAULT_READ, n);
}

static inline void sim_fail_write_at(struct sim *sim, uint64_t n)
{
    sim_fail_at(sim, SIM_FAULT_WRITE, n);
}

static inline void sim_fail_sync_at(struct sim *sim, uint64_t n)
{
    sim_fail_at(sim, SIM_FAULT_SYNC, n);
}

/* All files together may take so many bytes (whole sectors); SIM_LIMIT_NONE. */
void sim_set_disk_limit(struct sim *sim, uint64_t bytes);
uint64_t sim_disk_used(const struct sim *sim);

/* ---- the disk looked at from outside ---- */

/* These see what a process would see, count as no operation and never fail by a
 * fault. False: there is no such file, or it is too short. */
bool sim_file_size(struct sim *sim, const char *path, uint64_t *out);
bool sim_file_read(struct sim *sim, const char *path, uint64_t offset, void *to, size_t size);

/* Change bytes below the file's size, durably. */
bool sim_file_write(struct sim *sim, const char *path, uint64_t offset, const void *from,
                    size_t size);

/* All of the file becomes durable, at that size. */
bool sim_file_truncate(struct sim *sim, const char *path, uint64_t size);

/* Bit rot: flip at least one bit of each sector in [offset, offset + size), durably. */
bool sim_rot(struct sim *sim, const char *path, uint64_t offset, size_t size);

/* Call each with every file's path, sorted; directories are not named. */
void sim_list(struct sim *sim, void (*each)(void *context, const char *path), void *context);

/* Files that the core has open, stale ones not counted. */
unsigned sim_open_files(const struct sim *sim);

/* ---- memory ---- */

/* Bytes, and pieces, that the core has from os_alloc and has not freed. A free
 * with a size that differs from the alloc's, or of damaged memory, aborts. */
uint64_t sim_alloc_outstanding(const struct sim *sim);
uint64_t sim_alloc_pieces(const struct sim *sim);

/* How many allocations there have been, failed ones too. */
uint64_t sim_alloc_calls(const struct sim *sim);

/* ---- time and jobs ---- */

void sim_advance_ms(struct sim *sim, uint64_t ms);

/* Run one queued job to its end or to where it stands still, let one go on that stands
 * still, or finish one that has run (call its done), whichever the seed chooses. False: there
 * is nothing that could be done. */
bool sim_step(struct sim *sim);

/* Step until nothing can be done. Aborts after ten million steps. */
void sim_run_until_idle(struct sim *sim);

/* While a lane is stalled none of its jobs is run. */
void sim_stall_lane(struct sim *sim, enum os_lane lane, bool stalled);

/* Jobs submitted and not done yet. */
unsigned sim_jobs(const struct sim *sim);
unsigned sim_lane_jobs(const struct sim *sim, enum os_lane lane);

#endif
