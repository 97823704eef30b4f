/* os_uv.h - jobs of the table on threads, handed back through a libuv loop.
 *
 * Threads: the loop's. */
#ifndef HOLDFAST_OS_OS_UV_H
#define HOLDFAST_OS_OS_UV_H

#include "server/os/os_lanes.h"
#include "server/os/os_posix.h"

#include <uv.h>

struct os_uv; /* opaque, owned by who attached it */

/* Start the threads and take the table's jobs from now on; posix and loop are
 * borrowed until os_uv_detach. Only width and merge_nice of the options are read;
 * NULL: the defaults. The loop is kept alive while attached. ERR_NOMEM. */
enum err os_uv_attach(struct os_posix *posix, uv_loop_t *loop,
                      const struct os_lanes_options *options, struct os_uv **out);

/* Wait for every job, calling their done (which may submit more), end the threads
 * and close the handle: the loop must run once more before it is closed itself,
 * and closed (may be NULL) is called then. Never inside a done. */
void os_uv_detach(struct os_uv *uv, void (*closed)(void *context), void *context);

/* Jobs submitted whose done was not called. */
unsigned os_uv_jobs(const struct os_uv *uv);

#endif
