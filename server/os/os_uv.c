/* os_uv.c - see os_uv.h. The only file of os/ that names libuv.
 *
 * One async handle wakes the loop; libuv folds many sends into one call, and the
 * lanes send only when the queue of finished jobs was empty, so a burst of jobs
 * costs one write to the loop's descriptor. */
#include "server/os/os_uv.h"

#include "server/base/assert.h"

#include <stdlib.h>

struct os_uv {
    struct os_posix *posix; /* borrowed */
    struct os_lanes *lanes; /* owned; NULL once detached */
    uv_async_t wake;        /* open until the close callback, which frees this */
    void (*closed)(void *context);
    void *closed_context;
};

static void uv_wake_from_lane(void *context)
{
    struct os_uv *uv = context;
    int result = uv_async_send(&uv->wake);

    ASSERT(result == 0);
}

static void uv_on_wake(uv_async_t *wake)
{
    struct os_uv *uv = wake->data;

    if (uv->lanes)
        os_lanes_drain(uv->lanes);
}

static void uv_on_closed(uv_handle_t *handle)
{
    struct os_uv *uv = handle->data;
    void (*closed)(void *context) = uv->closed;
    void *context = uv->closed_context;

    free(uv);
    if (closed)
        closed(context);
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
    if (uv_async_init(loop, &uv->wake, uv_on_wake) != 0) {
        free(uv);
        return ERR_NOMEM;
    }
    uv->posix = posix;
    uv->wake.data = uv;
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
