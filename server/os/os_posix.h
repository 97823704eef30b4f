/* os_posix.h - the table of os.h on a real machine.
 *
 * All paths are looked up below the data directory, one part after the other,
 * and no symbolic link is followed. Files are made with mode 0600, directories
 * with 0700; nothing is inherited by a child process.
 *
 * Jobs need somebody to run them: os_uv.h (threads and the loop) or, for tools,
 * tests and benchmarks without a loop, os_posix_run_jobs_inline.
 *
 * Threads: opening, closing and setting are for the owner's thread while no
 * other uses the table; the table's functions are as os.h says. */
#ifndef HOLDFAST_OS_OS_POSIX_H
#define HOLDFAST_OS_OS_POSIX_H

#include "server/os/os.h"

struct os_posix; /* opaque, owned by who opened it */

/* A failure of the system, told to a person: what was tried on which path, and
 * errno. Called from any thread, and from several at once. */
typedef void os_posix_report(void *context, const char *operation, const char *path,
                             int number);

/* Use the directory; make it (its parent must be there) if create is set. On
 * failure *out is NULL and why says what and what to do: ERR_NOT_FOUND,
 * ERR_IO (no permission, not a directory, writable by everybody), ERR_NO_SPACE,
 * ERR_NOMEM. */
enum err os_posix_open(const char *directory, bool create, struct os_posix **out, char *why,
                       size_t why_size);

/* No file may be open and no job under way. posix may be NULL. */
void os_posix_close(struct os_posix *posix);

/* Borrowed until os_posix_close. */
struct os *os_posix_table(struct os_posix *posix);

/* Tell about failures that end as ERR_IO, ERR_NO_SPACE or ERR_NOMEM. NULL: nobody. */
void os_posix_set_report(struct os_posix *posix, os_posix_report *report, void *context);

/* Where os_job_submit goes. context is borrowed until the next call; submit
 * NULL: nowhere, os_job_submit is a broken promise. */
void os_posix_set_jobs(struct os_posix *posix,
                       void (*submit)(void *context, struct os_job *job), void *context);

/* Queue jobs, and run them when the owner says so. */
void os_posix_run_jobs_inline(struct os_posix *posix);

/* Run the oldest queued job and call its done. False: there is none. */
bool os_posix_step(struct os_posix *posix);

#endif
