/* address.h - from an address to a connected socket. */
#ifndef HOLDFAST_LIB_ADDRESS_H
#define HOLDFAST_LIB_ADDRESS_H

#include "client/lib/holdfast.h"
#include "client/lib/target.h"

/* Connect to one of what the target names, waiting timeout_ms in all; address is for messages.
 * The socket (the caller's to close; close-on-exec, TCP_NODELAY) or -1 with *error set. */
int address_connect(const char *address, const struct endpoint *target, int timeout_ms,
                    struct hf_error *error);

#endif
