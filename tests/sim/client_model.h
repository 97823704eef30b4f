/* client_model.h - what clients may believe: reads the bytes that they send and receive, and
 * says when an answer breaks a promise of docs/protocol.md.
 *
 * The model knows no server. Of each request it keeps who sent it, for which transaction and
 * what it would write; of each answer it judges
 *
 *   M-1  a request with a msgid is answered exactly once, and nothing else is answered;
 *   M-2  an answer is a whole message, its texts are UTF-8, and those that name something
 *        (labels, stores) were sent by somebody;
 *   M-3  after an error in a transaction its commit does not succeed, unless `on_error` says so;
 *   M-4  a label stands beside the version of the transaction that was given it;
 *   M-5  a read outside of transactions tells what some order of the commits allows that agrees
 *        with when they were asked for and answered, across crashes too.
 *   M-6  what a client may not see (model_hide) is in none of the bytes that it is sent, unless it
 *        has said it.
 *   M-7  a request is CANCELLED only if its client asked for that; where it asked for its
 *        transaction to go on (`keep`), that is no error in it.
 *
 * For M-5 it looks at integer keys below MODEL_KEYS and values that are maps with a number "n".
 * What cannot be known (a write without an answer, a store renamed) it does not judge.
 *
 * A broken promise is printed and ends the process. */
#ifndef HOLDFAST_TESTS_SIM_CLIENT_MODEL_H
#define HOLDFAST_TESTS_SIM_CLIENT_MODEL_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define MODEL_KEYS 16
#define MODEL_STORES 8

struct model;        /* opaque, owned by the driver */
struct model_client; /* one connection; owned by the model */

struct model *model_new(void);
void model_free(struct model *m);

/* frame_bytes_max: beyond it the server hangs up. */
struct model_client *model_connect(struct model *m, uint64_t frame_bytes_max);

/* The client is a user who may not see what has these words in it: a list that ends with NULL,
 * borrowed. Nor is it told the labels of others. */
void model_hide(struct model_client *c, const char *const *words);

/* These bytes, which need not be whole messages, have been sent, or have come. */
void model_sent(struct model_client *c, struct slice bytes);
void model_received(struct model_client *c, struct slice bytes);

/* The client has closed its side; what it asked for is still answered. */
void model_sent_eof(struct model_client *c);

/* The connection is of no use any more: what was not answered may have happened or not. */
void model_cut(struct model_client *c);

/* The server has closed the connection. It must have answered everything, and have had a reason;
 * may_stop: it stops, or has been made to hang up. */
void model_ended(struct model_client *c, bool may_stop);

/* The server is gone; is_clean: it was stopped, and did so without an error. */
void model_life_ended(struct model *m, bool is_clean);

/* Requests that wait for an answer. */
unsigned model_in_flight(const struct model_client *c);

/* For who makes requests: an open handle, the newest cursor, the version of a transaction;
 * 0: none. */
uint32_t model_open_handle(const struct model_client *c, unsigned nth);
uint32_t model_cursor(const struct model_client *c);
/* The msgid of a request that waits for an answer, of one that names a transaction if there is one;
 * 0: none. */
uint32_t model_waiting(const struct model_client *c, unsigned nth);
uint64_t model_version(const struct model *m, unsigned nth);

/* The nth key that a read after the end should look at. false: there are no more. */
bool model_nth_cell(const struct model *m, unsigned nth, struct slice *store, unsigned *key);

#endif
