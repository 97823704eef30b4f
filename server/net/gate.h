/* gate.h - the one way to call a method.
 *
 * A request, a notification and an operation of `run` all come through here, so what holds for
 * every call has one place: whether its method is in this version, whether its client may have
 * an answer of its size now, whether its user has the method's right (method.right) on the store
 * that it names. Methods that name their stores otherwise (query) look for themselves, by the guard
 * of their op.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_GATE_H
#define HOLDFAST_NET_GATE_H

#include "server/net/execution.h"

/* Call w's method, for the first time or again. ERR_WAIT: call again once op.wake was called.
 * Other errors are the method's, BAD_REQUEST (not in this version), OVERLOADED (no room),
 * AUTH_REQUIRED or FORBIDDEN. */
enum err gate_call(struct execution *w);

#endif
