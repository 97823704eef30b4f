/* execute.h - the methods: each is a function that is called until it does not
 * answer ERR_WAIT.
 *
 * It puts its result at the end of work.out, which may be another buffer in the
 * next call: positions are kept relative to work.base. What it put before an
 * ERR_WAIT is kept only for methods that say so (execute_keeps). After an error
 * op.failure says why; whatever was put is taken back.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_EXECUTE_H
#define HOLDFAST_NET_EXECUTE_H

#include "server/net/session.h"

typedef enum err execute(struct execution *w);

execute *execute_find(const struct method *method);
bool execute_keeps(const struct method *method);

/* Begin; the caller's request calls it again in later turns. */
void execution_init(struct execution *w, struct request *r, struct txn *txn,
                    const struct call *call);
/* Give up or finish: end what the method began for itself. */
void execution_fini(struct execution *w);

/* Whether a method that does many things has had its share of the turn. began_ns: when this
 * call of it began (uv_hrtime); done: things done in it. If so it answers ERR_WAIT and goes
 * on in the next turn. */
bool execution_has_had_enough(struct execution *w, uint64_t began_ns, size_t done);

/* Whether the method's answer may be large: it is not begun when there is no room. */
bool execute_answers_much(const struct method *method);

/* ERR_OVERLOADED when the reply so far is large and its client, or all of them, take as much
 * memory as they may. */
enum err execution_check_room(struct execution *w);

/* ERR_NO_INDEX where a source is [store, index]: there are none yet. */
enum err execution_source(struct execution *w, unsigned param, struct slice *store);

/* execute_txn.c */
execute execute_begin, execute_commit, execute_rollback;
enum err txn_options_read(const struct call *call, struct session *s, struct txn_options *out,
                          struct failure *f);
enum err token_read(const struct call *call, struct slice *token, struct failure *f);
/* execute_record.c */
execute execute_put, execute_insert, execute_delete, execute_get, execute_has, execute_get_many,
    execute_count, execute_size, execute_delete_range;
/* execute_store.c */
execute execute_create_store, execute_drop_store, execute_clear_store, execute_rename_store,
    execute_stores;
/* execute_scan.c */
execute execute_scan, execute_next, execute_close;
/* execute_run.c */
execute execute_run;
size_t run_bytes(void);
void run_free(struct run *run);
/* execute_server.c */
execute execute_hello, execute_describe, execute_ping, execute_rotate, execute_amalgamate,
    execute_absent;
/* status.c */
execute execute_status;
/* execute_holds.c */
execute execute_holds, execute_clients, execute_kill;

#endif
