/* gate.h - the one way to call a method.
 *
 * A request, a notification and an operation of `run` all come through here, so what holds for
 * every call has one place: whether its method is in this version, whether its client may have
 * an answer of its size now; later, whether its user has the method's right (method.right).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_GATE_H
#define HOLDFAST_NET_GATE_H

#include "server/net/execution.h"

/* Call w's method, for the first time or again. ERR_WAIT: call again once op.wake was called.
 * Other errors are the method's, BAD_REQUEST (not in this version) or OVERLOADED (no room). */
enum err gate_call(struct execution *w);

#endif
