/* execution.h - one method at work, and what methods share.
 *
 * A method is a function that is called until it does not answer ERR_WAIT. It puts its result
 * at the end of out, which may be another buffer in the next call: positions are kept relative
 * to base. What it put before an ERR_WAIT is kept only for methods that are so in their table
 * (METHOD_GOES_ON). After an error op.failure says why; whatever was put is taken back.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_EXECUTION_H
#define HOLDFAST_NET_EXECUTION_H

#include "server/base/list_walk.h"
#include "server/net/call.h"
#include "server/net/strand.h"
#include "server/txn/index_read.h"
#include "server/txn/op.h"

/* Perhaps over several turns. */
struct execution {
    struct session *session; /* borrowed */
    struct request *request; /* borrowed */
    struct op *op;
    struct txn *txn; /* NULL: autocommit */
    const struct call *call;
    struct net_buffer *out; /* where the result goes; may be another one in the next turn */
    size_t base;            /* where the reply begins in out */
    /* Progress; 0 at first. */
    size_t index;                  /* keys, rows or operations done */
    size_t offset;                 /* of the next key in its list */
    unsigned waits;                /* for the next keys, in a row */
    size_t singly;                 /* the next keys to read one by one: one of them is in error */
    bool is_full;                  /* no further answer fits */
    size_t place;                  /* of an array's head, from base */
    size_t start;                  /* of the results, from base */
    struct txn *own;               /* begun by the method for itself */
    struct list_walk walk;         /* of a method that lists transactions or connections */
    struct portal *portal;         /* owned: a query on its first page */
    struct session_cursor *cursor; /* opened by this scan, or in use by this `next` */
    unsigned listed;               /* of `holds`: kinds that are done */
    size_t left_out;               /* of a list: entries for which there was no room */
    bool begun;                    /* what is done once has been done */
    bool stepping_back;            /* the row that did not fit is being given back */
    bool orders;                   /* as METHOD_ORDERS, of this one */
    bool yields;                   /* it answers ERR_WAIT only to let others have a turn */
};

static inline struct session *execution_session(const struct execution *w)
{
    return w->session;
}
static inline struct failure *execution_failure(const struct execution *w)
{
    return &w->op->failure;
}

/* Begin; the caller's request calls it again in later turns. */
void execution_init(struct execution *w, struct session *s, struct request *r, struct op *op,
                    const struct call *call);
/* Give up or finish: end what the method began for itself. */
void execution_fini(struct execution *w);

#define STEPS_A_LOOK 16 /* looking at the clock costs something, too */

/* What a call of a method that does many things may take before others have their turn: one that
 * only reads, and one that writes, which others overtake and make it lose if it is interrupted. */
#define SHARE_OF_READS_NS UINT64_C(50000)
#define SHARE_OF_WRITES_NS UINT64_C(1000000)

/* Whether it has had that. began_ns: when this call of it began (uv_hrtime); done: things done in
 * it. If so it answers ERR_WAIT and goes on in the next turn. */
bool execution_has_had_enough(struct execution *w, uint64_t began_ns, uint64_t share_ns,
                              size_t done);
/* The method has done the steps of a turn. ERR_WAIT. */
enum err execution_yield(struct execution *w);

/* ERR_OVERLOADED when the reply so far is large and its client, or all of them, take as much
 * memory as they may. */
enum err execution_check_room(struct execution *w);

/* What the parameter `source` names: a store, or [store, index]. */
struct source execution_source(const struct execution *w);

#endif
