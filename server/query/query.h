/* query.h - one query, from its text to its rows.
 *
 * query_begin reads and plans; query_next gives rows one by one; query_close lets go of everything.
 * A query outside of a transaction reads a snapshot of its own until it is closed, one within a
 * transaction what that sees.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_QUERY_H
#define HOLDFAST_QUERY_QUERY_H

#include "server/query/datum.h"
#include "server/txn/op.h"
#include "server/txn/txn.h"

struct cursor;
struct plan_cache;
struct query; /* opaque, owned by who began it */

struct query_request { /* borrowed during query_begin */
    struct plan_cache *plans; /* where plans are kept; NULL: nowhere */
    struct slice text;
    struct slice arguments; /* MessagePack, a list or a map; none: there are none */
    uint64_t text_max, memory_max; /* bytes: query-text, query-memory */
    bool only_explains;            /* nothing is written */
    uint64_t plan_seed;            /* not 0: any plan that gives the same rows, by it */
    uint64_t answer_max;           /* bytes of the rows of `returning`: result-size */
};

/* t NULL: autocommit. ERR_BAD_QUERY, ERR_NO_STORE: the failure has the place in the text;
 * ERR_TOO_LARGE, ERR_NOMEM, what a read answers. ERR_WAIT: call again with the same. */
enum err query_begin(struct op *op, struct txn *t, const struct query_request *request,
                     struct query **out);
void query_close(struct query *q);

/* Whether it is to be run by query_write, and has columns only for `returning`. */
bool query_writes(const struct query *q);
/* Go on with a statement that writes; ERR_OK: all of it is done, and *changed counts the records.
 * It is one statement: after an error nothing has changed. Outside of a transaction it is begun
 * anew when it loses to another; *q may be another one then. */
enum err query_write(struct query **q, struct op *op, uint64_t *changed);

/* The rows of `returning`: arrays in MessagePack. */
uint32_t query_answer_count(const struct query *q);
void query_answers(const struct query *q, void (*each)(void *context, struct slice row),
                   void *context);

unsigned query_column_count(const struct query *q);
struct slice query_column_name(const struct query *q, unsigned i);

/* To be called at the beginning of each call of the request that works on it. */
void query_turn(struct query *q, struct op *op);
/* The next row; its columns are good until the next call. ERR_END, ERR_WAIT, ERR_BAD_QUERY (a
 * value has no result), ERR_TOO_LARGE (query-memory), ERR_TXN_EXPIRED, ERR_TXN_KILLED, ... After
 * an error there are no more. */
enum err query_next(struct query *q, struct op *op);
const struct datum *query_column(const struct query *q, unsigned i);

/* A page is over: let go of what it pins. */
void query_rest(struct query *q);
/* What it takes, for the account of its client. */
uint64_t query_bytes(const struct query *q);
/* The cursor that stands for it among those of the session: it holds the snapshot, and can be
 * killed. The query closes it. */
struct cursor *query_cursor(const struct query *q);

/* ---- explain ---- */

/* Whether the text begins with `explain`: then query_explain is to be called, and nothing else. */
bool query_is_explained(const struct query *q);
/* The plan as text and (*data, MessagePack) as a tree; with measured rows and times if the query
 * was run for it (analyze, or `explain analyze`). Lent until query_close. ERR_WAIT: call again.
 * Of statements that write, analyze runs what they read, and writes nothing. */
enum err query_explain(struct query *q, struct op *op, bool analyze, struct slice *text,
                       struct slice *data);

#endif
