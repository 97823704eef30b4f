/* execute.h - the methods, by the files that hold them. executors.c says which is which.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_EXECUTE_H
#define HOLDFAST_NET_EXECUTE_H

#include "server/net/request.h"

/* execute_txn.c: `upgrade` is a begin, too */
execute execute_begin, execute_commit, execute_rollback, execute_savepoint, execute_rollback_to,
    execute_release, execute_outcome, execute_check;
enum err txn_options_read(const struct call *call, struct session *s, struct txn_options *out,
                          struct failure *f);
/* Whether a handle that a request names could be opened. ERR_BAD_REQUEST. */
enum err execution_check_handle(struct execution *w, uint64_t t);
/* The method's own transaction (txn_begin_own, read-only) stays open under handle t, as the last
 * thing that it does: the request's strand. On an error it stays its own. */
enum err execution_keep_own(struct execution *w, uint32_t t);
void execution_put_begun(struct execution *w, const struct txn *txn); /* what `begin` answers */
enum err token_read(const struct call *call, struct slice *token, struct failure *f);
/* execute_record.c */
execute execute_put, execute_insert, execute_update, execute_delete, execute_get, execute_has,
    execute_count, execute_size, execute_delete_range;
enum err execution_get(struct execution *w, struct txn *t, const struct source *source,
                       struct slice key, struct slice *value);
/* execute_many.c */
execute execute_get_many;
/* execute_store.c */
execute execute_create_store, execute_drop_store, execute_clear_store, execute_rename_store,
    execute_create_index, execute_drop_index, execute_rename_index, execute_stores;
/* execute_database.c */
execute execute_databases, execute_attach, execute_versionchange_seen, execute_detach,
    execute_drop_database, execute_set_quota;
/* The opener that `o` names. ERR_BAD_REQUEST: it is not a number of one. */
enum err opener_number(struct execution *w, uint32_t *o);
/* execute_scan.c */
execute execute_scan, execute_next, execute_close;
/* execute_query.c */
execute execute_cancel;
execute execute_query, execute_explain, execute_next_of_query;
/* execute_run.c */
execute execute_run;
/* execute_server.c */
execute execute_hello, execute_describe, execute_ping, execute_subscribe, execute_rotate,
    execute_amalgamate;
/* Wait until the database has done what an operator asks for. ERR_WAIT; ERR_OK: it has. */
enum err execute_task(struct execution *w, void (*submit)(struct db *db, struct db_task *task));
/* execute_backup.c */
execute execute_backup, execute_backup_read, execute_backup_close;
/* execute_check.c */
execute execute_check_data;
/* status.c */
execute execute_status;
/* execute_user.c */
execute execute_login_begin, execute_login_end, execute_create_user, execute_alter_user,
    execute_drop_user, execute_users;
/* execute_holds.c */
execute execute_holds, execute_clients, execute_kill;

#endif
