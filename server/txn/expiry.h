/* expiry.h - transactions that were open or idle for too long, or for whom too much is held.
 *
 * Each that is not autocommit stands in a wheel under the time at which the first of its limits
 * would be passed (txn_set_expiry); what uses it moves nothing there. When that time has come,
 * it ends or goes back into the wheel. So a turn costs what is due, not what is open.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_EXPIRY_H
#define HOLDFAST_TXN_EXPIRY_H

#include <stdint.h>

struct txns;

#define EXPIRY_STEP_MS 250 /* the exactness of limits of time */
#define EXPIRED_A_TURN 256 /* looked at in one */

/* End those whose time has come: ERR_TXN_EXPIRED. When to come again; UINT64_MAX: nothing waits. */
uint64_t expiry_turn(struct txns *all);

#endif
