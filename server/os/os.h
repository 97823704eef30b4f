/* os.h - all that the core sees of the world: files, time, chance, memory and
 * background jobs, through one table of functions.
 *
 * The daemon fills the table with POSIX and libuv (os_posix.c, os_uv.c); the
 * tests fill it with a simulated disk, clock and scheduler (tests/sim), so that
 * a whole server life with crashes runs in one thread from one seed.
 *
 * Threads: file functions may be called from any thread, and from several at
 * once on one file (positions are explicit). job_submit is for the loop thread.
 * Paths are relative to the data directory that the table was made for, with
 * "/" between parts, and never hold client text. Errors of the system are
 * translated here: ERR_IO, ERR_NO_SPACE, ERR_NOMEM, ERR_LOCKED, ERR_NOT_FOUND
 * (no such file). */
#ifndef HOLDFAST_OS_OS_H
#define HOLDFAST_OS_OS_H

#include "proto/error.h"
#include "server/base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct os;
struct os_file; /* opaque, owned by whoever opened it */

#define OS_UNCACHED_BYTES 4096

enum os_open {
    OS_READ = 1,    /* must exist unless OS_CREATE */
    OS_WRITE = 2,   /* and read */
    OS_CREATE = 4,  /* make it, mode 0600, if it is not there */
    OS_EXCLUSIVE = 8, /* with OS_CREATE: ERR_LOCKED if it is there */
    /* file_read tells what the disk holds, not what the system's memory still shows of it
     * after a failed sync; where the file system cannot do that, as without the flag.
     * Offsets, sizes and memory of reads are multiples of OS_UNCACHED_BYTES. */
    OS_UNCACHED = 16,
};

/* Jobs of one lane run side by side up to the lane's width; lanes do not wait
 * for each other. */
enum os_lane {
    OS_LANE_LOG,   /* batches of the log; several syncs may be in flight */
    OS_LANE_MERGE, /* amalgamation; one at a time */
    OS_LANE_READ,  /* page loads */
    OS_LANE_PREPARE, /* segments of the log made ready: long, and nobody should wait behind it */
    OS_LANE_COUNT,
};

/* A job: the caller's memory, lent from os_job_submit until done is called.
 * run is called once on some thread and may block; it sees only what nobody
 * else changes. done is called once from the loop thread afterwards, never
 * inside os_job_submit. */
struct os_job {
    void (*run)(struct os_job *job);
    void (*done)(struct os_job *job);
    enum os_lane lane;
    struct list_link in_lane; /* the table's own use */
    void *platform;           /* the table's own use */
};

struct os_ops {
    enum err (*file_open)(struct os *os, const char *path, unsigned flags,
                          struct os_file **out);
    void (*file_close)(struct os_file *file);
    /* Read up to size bytes at offset; *got is less only at the file's end. */
    enum err (*file_read)(struct os_file *file, uint64_t offset, void *to, size_t size,
                          size_t *got);
    /* The same without waiting for a device: ERR_WAIT if it would have to. */
    enum err (*file_read_nowait)(struct os_file *file, uint64_t offset, void *to, size_t size,
                                 size_t *got);
    /* Write all of it or fail; ERR_NO_SPACE, ERR_IO. Extends the file. */
    enum err (*file_write)(struct os_file *file, uint64_t offset, const void *from,
                           size_t size);
    /* Make what was written, and the file's size, survive power loss. A failed
     * sync is final for this file: what it covered must not be believed. A write that the
     * disk refused is told once to each open file, whoever wrote it, and not at all to one
     * that was opened after somebody had been told: who must know has a file of his own,
     * opened before anything was written. */
    enum err (*file_sync)(struct os_file *file);
    enum err (*file_size)(struct os_file *file, uint64_t *out);
    enum err (*file_truncate)(struct os_file *file, uint64_t size);
    /* Make sure that [0, size) can be written without NO_SPACE; grows the file. */
    enum err (*file_allocate)(struct os_file *file, uint64_t size);
    /* What is read of these bytes does not matter until they are written again: give their
     * space on the disk back, where that is possible. Until then they read as zeros, or as
     * before; the file's size stays. */
    enum err (*file_punch)(struct os_file *file, uint64_t offset, uint64_t size);
    /* Hold the file against other processes until it is closed: ERR_LOCKED. */
    enum err (*file_lock)(struct os_file *file);
    enum err (*file_rename)(struct os *os, const char *from, const char *to);
    enum err (*file_remove)(struct os *os, const char *path);
    /* Hold the data directory itself against other processes, whatever files are made or
     * removed in it, until *out is closed: ERR_LOCKED. *out NULL with ERR_OK: the file system
     * knows no such locks. */
    enum err (*dir_lock)(struct os *os, struct os_file **out);
    enum err (*dir_make)(struct os *os, const char *path); /* OK if it is there */
    enum err (*dir_sync)(struct os *os, const char *path); /* "" is the data directory */
    /* Call each with every name in the directory, in any order. */
    enum err (*dir_list)(struct os *os, const char *path,
                         void (*each)(void *context, const char *name), void *context);
    /* Bytes that a write may still take on the disk. */
    enum err (*disk_free)(struct os *os, uint64_t *out);
    /* Monotonic; no relation to the time of day. Nanoseconds. */
    uint64_t (*now_ns)(struct os *os);
    /* The time of day: milliseconds since 1970. It may jump, back too: for people only. */
    uint64_t (*day_ms)(struct os *os);
    void (*random)(struct os *os, void *to, size_t size);
    /* Memory of the core. NULL when there is none (or a test says so). Any thread. */
    void *(*alloc)(struct os *os, size_t size);
    void (*free)(struct os *os, void *memory, size_t size);
    void (*job_submit)(struct os *os, struct os_job *job);
};

struct os {
    const struct os_ops *ops;
};

/* Short forms. */
static inline uint64_t os_now_ns(struct os *os)
{
    return os->ops->now_ns(os);
}

static inline enum err os_file_open(struct os *os, const char *path, unsigned flags,
                                    struct os_file **out)
{
    return os->ops->file_open(os, path, flags, out);
}

static inline uint64_t os_now_ms(struct os *os)
{
    return os->ops->now_ns(os) / 1000000;
}

static inline void *os_alloc(struct os *os, size_t size)
{
    return os->ops->alloc(os, size);
}

/* size is what was asked for at os_alloc. memory may be NULL. */
static inline void os_free(struct os *os, void *memory, size_t size)
{
    os->ops->free(os, memory, size);
}

static inline void os_job_submit(struct os *os, struct os_job *job)
{
    os->ops->job_submit(os, job);
}

#endif
