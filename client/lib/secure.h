/* secure.h - TLS over a connected socket, for a client: whom it talks to is checked.
 *
 * By default the server's certificate must be signed by somebody that the system trusts, or (ca) by
 * who is named, and be of the host that the address names. Sending and receiving are as send(2) and
 * recv(2) on the socket itself.
 *
 * One connection, one thread. */
#ifndef HOLDFAST_LIB_SECURE_H
#define HOLDFAST_LIB_SECURE_H

#include "client/lib/holdfast.h"
#include "proto/slice.h"

#include <sys/types.h>

struct secure; /* opaque */

/* What is wrong with a mode, in words; NULL: nothing. *is_on: whether it means TLS. */
const char *secure_mode_fault(const char *mode, bool *is_on);

/* Shake hands over the socket until until_ms. options: tls, tls_ca, tls_name, tls_certificate,
 * tls_key; host is the address's. HF_OK, or *error. */
int secure_open(int fd, const struct hf_open_options *options, const char *host,
                uint64_t until_ms, struct secure **out, struct hf_error *error);
/* Says that no more will come, if the socket takes it at once. NULL is allowed. */
void secure_close(struct secure *s);

ssize_t secure_send(struct secure *s, const void *bytes, size_t size); /* MSG_DONTWAIT */
ssize_t secure_receive(struct secure *s, void *to, size_t room, int flags);
/* Bytes are here already, so that waiting for the socket would be wrong. */
bool secure_has_more(const struct secure *s);

/* What binds a login to this connection (RFC 9266). */
struct slice secure_binding(const struct secure *s);

#endif
