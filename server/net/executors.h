/* executors.h - the table of the methods' functions. The gate (gate.h) reads it from the
 * server, so that `run`, which is in it, can call the others through the gate. */
#ifndef HOLDFAST_NET_EXECUTORS_H
#define HOLDFAST_NET_EXECUTORS_H

#include "proto/methods.h"
#include "server/net/server.h"

extern execute
    *const executors[METHOD_COUNT]; /* by enum method_id; NULL: not in this version */

#endif
