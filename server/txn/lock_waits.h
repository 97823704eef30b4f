/* lock_waits.h - what a database keeps of those who wait for locks, and of those who have them
 * (lock_wait.h).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_LOCK_WAITS_H
#define HOLDFAST_TXN_LOCK_WAITS_H

#include "server/base/deadline.h"
#include "server/base/list.h"
#include "server/os/os.h"

struct lock_turns;
struct pulse;

struct lock_waits {
    struct os *os; /* this and the next two are borrowed */
    struct pulse *pulse;
    struct lock_turns *turns;
    struct list_link granting;      /* lock_request.in_granting: locks that are being granted */
    struct deadline_wheel timeouts; /* lock_request.timeout, of those that wait */
    struct list_link holding;       /* lock_request.in_holding, looked at in turn */
    size_t holding_count;           /* of them */
    size_t holding_left;            /* of them, to be looked at in this round, */
    uint64_t holding_ms;            /* which began then */
};

#endif
