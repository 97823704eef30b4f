/* login.h - proving who one is, by SCRAM-SHA-256 (proto/scram.h).
 *
 * The password stays here: what goes over the wire proves that it is known, and what comes back
 * proves that the server knows its verifier. The keys that are made of it are kept with the
 * connection, so that connecting again costs nothing.
 *
 * One connection, one thread. */
#ifndef HOLDFAST_LIB_LOGIN_H
#define HOLDFAST_LIB_LOGIN_H

#include "client/lib/conn_struct.h"

/* Log in as c->identity says, if it names a user. HF_OK, or *error: HF_AUTH_FAILED, also where the
 * server could not prove what it has to. The connection is lost then. */
int login_perform(struct hf_conn *c, struct hf_error *error);

#endif
