/* wait.h - how a request waits without blocking the loop.
 *
 * A function that needs a page that is not in memory starts its load, notes it
 * in the request's wait, and returns ERR_WAIT. The request gives up its turn; when
 * everything it waits for has come, wake is called once, from the loop and never
 * inside another call, and the request calls the same function again with the
 * same arguments. Pages that were waited for stay pinned until wait_release, so
 * that it gets on. */
#ifndef HOLDFAST_STORAGE_WAIT_H
#define HOLDFAST_STORAGE_WAIT_H

#include "proto/error.h"
#include "server/base/list.h"

#include <stdbool.h>

struct page;
struct wait;

struct wait_pin { /* one page held by a wait */
    struct page *page;
    struct wait_pin *next;
};

struct wait {
    void (*wake)(struct wait *wait); /* set by the owner */
    unsigned pending;                /* loads still out; the cache's use */
    struct list_link in_ready;       /* queue of those to be woken; the cache's use */
    struct list_link loads;          /* load tickets of this wait; the cache's use */
    struct wait_pin *pins;           /* pages pinned for this wait; the cache's use */
};

#endif
