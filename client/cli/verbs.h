/* verbs.h - the functions behind the table of verbs. Each returns a cli_exit and has said
 * what went wrong. */
#ifndef HOLDFAST_CLI_VERBS_H
#define HOLDFAST_CLI_VERBS_H

#include "client/cli/cli.h"

extern const struct verb verbs[]; /* the table: struct cli hands it on */

int verb_get(struct cli *cli, const struct args *args);
int verb_has(struct cli *cli, const struct args *args);
int verb_get_many(struct cli *cli, const struct args *args);
int verb_put(struct cli *cli, const struct args *args);
int verb_insert(struct cli *cli, const struct args *args);
int verb_update(struct cli *cli, const struct args *args);
int verb_delete(struct cli *cli, const struct args *args);
int verb_scan(struct cli *cli, const struct args *args);
int verb_count(struct cli *cli, const struct args *args);
int verb_size(struct cli *cli, const struct args *args);
int verb_delete_range(struct cli *cli, const struct args *args);
int verb_run(struct cli *cli, const struct args *args);

int verb_stores(struct cli *cli, const struct args *args);
int verb_create_store(struct cli *cli, const struct args *args);
int verb_drop_store(struct cli *cli, const struct args *args);
int verb_clear_store(struct cli *cli, const struct args *args);
int verb_rename_store(struct cli *cli, const struct args *args);
/* What `describe STORE` does, connected. */
int verb_stores_describe(struct cli *cli, const char *name);

int verb_create_index(struct cli *cli, const struct args *args);
int verb_drop_index(struct cli *cli, const struct args *args);
int verb_rename_index(struct cli *cli, const struct args *args);

int verb_query(struct cli *cli, const struct args *args);

int verb_import(struct cli *cli, const struct args *args);
int verb_export(struct cli *cli, const struct args *args);

int verb_database(struct cli *cli, const struct args *args);
int verb_databases(struct cli *cli, const struct args *args);
int verb_drop_database(struct cli *cli, const struct args *args);
int verb_backup(struct cli *cli, const struct args *args);
int verb_verify_backup(struct cli *cli, const struct args *args);
int verb_restore(struct cli *cli, const struct args *args);
int verb_quota(struct cli *cli, const struct args *args);
int verb_user(struct cli *cli, const struct args *args);

int verb_status(struct cli *cli, const struct args *args);
int verb_holds(struct cli *cli, const struct args *args);
int verb_clients(struct cli *cli, const struct args *args);
int verb_call(struct cli *cli, const struct args *args);
int verb_kill(struct cli *cli, const struct args *args);
int verb_rotate(struct cli *cli, const struct args *args);
int verb_amalgamate(struct cli *cli, const struct args *args);
int verb_check_data(struct cli *cli, const struct args *args);
int verb_ping(struct cli *cli, const struct args *args);
int verb_describe(struct cli *cli, const struct args *args);
int verb_hello(struct cli *cli, const struct args *args);

int verb_begin(struct cli *cli, const struct args *args);
int verb_commit(struct cli *cli, const struct args *args);
int verb_rollback(struct cli *cli, const struct args *args);
int verb_savepoint(struct cli *cli, const struct args *args);
int verb_rollback_to(struct cli *cli, const struct args *args);
int verb_release(struct cli *cli, const struct args *args);
int verb_dump(struct cli *cli, const struct args *args);
int verb_load(struct cli *cli, const struct args *args);
int verb_top(struct cli *cli, const struct args *args);
int verb_expand(struct cli *cli, const struct args *args);
int verb_include(struct cli *cli, const struct args *args);
int verb_watch(struct cli *cli, const struct args *args);
int verb_clear(struct cli *cli, const struct args *args);
int verb_explain(struct cli *cli, const struct args *args);
int verb_use(struct cli *cli, const struct args *args);
int verb_timing(struct cli *cli, const struct args *args);
int verb_format(struct cli *cli, const struct args *args);
int verb_output(struct cli *cli, const struct args *args);
int verb_exit(struct cli *cli, const struct args *args);
int verb_help(struct cli *cli, const struct args *args);

#endif
