/* txn_internal.h - transactions as the verbs and cursors see them. */
#ifndef HOLDFAST_LIB_TXN_INTERNAL_H
#define HOLDFAST_LIB_TXN_INTERNAL_H

#include "client/lib/conn_struct.h"

#define TOKEN_BYTES 16 /* of a commit */

struct hf_txn {
    struct hf_conn *conn;         /* borrowed */
    struct hf_txn *next, *before; /* in conn->txns */
    uint32_t handle;
    uint64_t serial; /* from 1, never given out twice on one struct hf_conn */
    uint64_t life;   /* conn->life at its begin; a later one means that it is gone */
    uint64_t version; /* 0: not known yet */
    uint64_t snapshot;
    bool read_only;
    struct hf_reply *begin; /* owned; a begin with no_wait, and its error once it is done */
};

/* Like call_start and call_finish, for requests whose first parameter is t, which is
 * packed here. txn_finish also gives the error of a begin that nobody waited for. */
struct hf_pack *txn_start(struct hf_conn *c, const struct hf_txn *t, const char *method,
                          uint32_t count, const struct call_options *options);
int txn_finish(struct hf_conn *c, struct hf_txn *t, struct call_options *options,
               struct hf_bytes *result);

/* Whether the transaction of that serial is neither ended nor gone. */
bool txn_is_open(const struct hf_conn *c, uint64_t serial);

/* The value of a field of a packed map; none if there is no such field. */
struct slice map_find(struct hf_bytes map, const char *name);

/* The same as a number; 0 if it is none. */
uint64_t map_find_uint(struct hf_bytes map, const char *name);

/* Packed texts: names of stores. */
struct store_names {
    struct hf_pack pack;
    uint32_t count;
};

/* The options of begin and run; and more names that are locked exclusively (NULL: none). */
void begin_options_fill(struct call_options *o, const struct hf_begin_options *options,
                        const struct store_names *more);
/* hf_txn_begin with these names locked, too. */
int txn_begin_with(struct hf_conn *c, const struct hf_begin_options *options,
                   const struct store_names *more, struct hf_txn **out);

#endif
