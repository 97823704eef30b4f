/* os_uv.c - see os_uv.h. The only file of os/ that names libuv.
 *
 * The lanes wake the loop by an eventfd, and only when the queue of finished jobs was empty, so
 * a burst of jobs costs one write. It is not a uv_async_t: there the loop spins until whoever
 * sends has come back from its write, and where the kernel gave the sender's processor to the
 * loop that takes until the loop gives up: 4 % of its samples when it loads on a busy machine. */
#include "server/os/os_uv.h"

#include "server/base/assert.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct os_uv {
    struct os_posix *posix; /* borrowed */
    struct os_lanes *lanes; /* owned; NULL once detached */
    uv_poll_t wake;         /* of fd; open until the close callback, which frees this */
    int fd;                 /* owned: an eventfd */
    void (*closed)(void *context);
    void *closed_context;
};

static void uv_wake_from_lane(void *context)
{
    struct os_uv *uv = context;
    uint64_t one = 1;
    ssize_t written;

    do
        written = write(uv->fd, &one, sizeof one);
    while (written < 0 && errno == EINTR);
    ASSERT(written == sizeof one); /* never full: each drain takes the count back to 0 */
}

static void uv_on_wake(uv_poll_t *wake, int status, int events)
{
    struct os_uv *uv = wake->data;
    uint64_t count;
    ssize_t got;

    (void)status; /* what an eventfd has to say is its count */
    (void)events;
    do
        got = read(uv->fd, &count, sizeof count);
    while (got < 0 && errno == EINTR);
    if (uv->lanes)
        os_lanes_drain(uv->lanes);
}

static void uv_on_closed(uv_handle_t *handle)
{
    struct os_uv *uv = handle->data;
    void (*closed)(void *context) = uv->closed;
    void *context = uv->closed_context;

    close(uv->fd);
    free(uv);
    if (closed)
        closed(context);
}

/* Open the eventfd and watch it. false: no descriptor or memory is left. */
static bool uv_watch(struct os_uv *uv, uv_loop_t *loop)
{
    int started;

    uv->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (uv->fd < 0)
        return false;
    if (uv_poll_init(loop, &uv->wake, uv->fd) != 0) {
        close(uv->fd);
        return false;
    }
    uv->wake.data = uv;
    started = uv_poll_start(&uv->wake, UV_READABLE, uv_on_wake);
    ASSERT(started == 0); /* it fails for a handle that is being closed only */
    return true;
}

enum err os_uv_attach(struct os_posix *posix, uv_loop_t *loop,
                      const struct os_lanes_options *options, struct os_uv **out)
{
    struct os_lanes_options lanes = options ? *options : os_lanes_defaults();
    struct os_uv *uv = calloc(1, sizeof *uv);
    enum err e;

    *out = NULL;
    if (!uv)
        return ERR_NOMEM;
    if (!uv_watch(uv, loop)) {
        free(uv);
        return ERR_NOMEM;
    }
    uv->posix = posix;
    lanes.wake = uv_wake_from_lane;
    lanes.context = uv;
    e = os_lanes_start(&lanes, &uv->lanes);
    if (e) {
        uv_close((uv_handle_t *)&uv->wake, uv_on_closed);
        return e;
    }
    os_posix_set_jobs(posix, os_lanes_submit, uv->lanes);
    *out = uv;
    return ERR_OK;
}

void os_uv_detach(struct os_uv *uv, void (*closed)(void *context), void *context)
{
    struct os_lanes *lanes = uv->lanes;

    ASSERT(lanes); /* only once */
    os_lanes_stop(lanes);
    uv->lanes = NULL;
    os_posix_set_jobs(uv->posix, NULL, NULL);
    uv->closed = closed;
    uv->closed_context = context;
    uv_close((uv_handle_t *)&uv->wake, uv_on_closed);
}

unsigned os_uv_jobs(const struct os_uv *uv)
{
    return uv->lanes ? os_lanes_jobs(uv->lanes) : 0;
}
