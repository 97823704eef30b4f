/* verb_txn.c - transactions of the shell, and what concerns the shell itself. */
#include "client/cli/args.h"
#include "client/cli/help.h"
#include "client/cli/suggest.h"
#include "client/cli/verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static bool begin_word(struct hf_begin_options *options, const char *word)
{
    if (strcmp(word, "serializable") == 0)
        options->serializable = true;
    else if (strcmp(word, "read-only") == 0)
        options->read_only = true;
    else if (strcmp(word, "greatest-version") == 0)
        options->greatest_version = true;
    else if (strcmp(word, "continue") == 0)
        options->on_error_continue = true;
    else if (strcmp(word, "interval") == 0)
        options->interval = true;
    else if (strcmp(word, "snapshot") != 0)
        return false;
    return true;
}

static bool begin_ms(struct cli *cli, const struct args *args, const char *name, uint32_t *ms)
{
    const char *text = args_option(args, name);
    uint64_t number = 0;

    if (text && !args_parse_number(cli, name, text, UINT32_MAX, &number))
        return false;
    *ms = (uint32_t)number;
    return true;
}

int verb_begin(struct cli *cli, const struct args *args)
{
    struct hf_begin_options options = {.label = cli->label};
    int exit_code;

    for (unsigned i = 0; i < args->count; i++) {
        if (!begin_word(&options, args->positional[i]))
            return cli_usage(cli, "unknown word \"%.40s\"; see `help begin`",
                             args->positional[i]);
    }
    if (!begin_ms(cli, args, "timeout-after-ms", &options.timeout_ms) ||
        !begin_ms(cli, args, "idle-ms", &options.idle_ms))
        return CLI_USAGE;
    if (cli->txn)
        return cli_usage(cli, "a transaction is already open; commit or roll back first");
    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    if (hf_txn_begin(cli->conn, &options, &cli->txn) != HF_OK)
        return cli_failed(cli);
    cli->txn_continue = options.on_error_continue;
    cli->txn_failed = false;
    return CLI_OK;
}

static int no_txn(struct cli *cli)
{
    return cli_usage(cli, "no transaction is open; `begin` starts one");
}

int verb_commit(struct cli *cli, const struct args *args)
{
    struct hf_txn *t = cli->txn;
    uint64_t commit = 0;

    if (!t)
        return no_txn(cli);
    cli->txn = NULL;
    cli->txn_failed = false;
    if (hf_txn_commit(t, NULL, &commit) != HF_OK)
        return cli_failed(cli);
    if (!cli_tables(cli))
        fprintf(cli->out, commit ? "{\"commit\":%llu}\n" : "{\"commit\":null}\n",
                (unsigned long long)commit);
    else if (commit)
        fprintf(cli->out, "committed as %llu\n", (unsigned long long)commit);
    else
        fprintf(cli->out, "committed; nothing was written\n");
    return CLI_OK;
}

int verb_rollback(struct cli *cli, const struct args *args)
{
    struct hf_txn *t = cli->txn;

    if (!t)
        return no_txn(cli);
    cli->txn = NULL;
    cli->txn_failed = false;
    return hf_txn_rollback(t) == HF_OK ? CLI_OK : cli_failed(cli);
}

static int verb_of_savepoint(struct cli *cli, const struct args *args,
                             int (*call)(struct hf_txn *t, const char *name))
{
    char name[256];

    if (!cli->txn)
        return no_txn(cli);
    if (!cli_name(cli, "savepoint", args->positional[0], name))
        return CLI_USAGE;
    return call(cli->txn, name) == HF_OK ? CLI_OK : cli_failed(cli);
}

int verb_savepoint(struct cli *cli, const struct args *args)
{
    return verb_of_savepoint(cli, args, hf_savepoint);
}

int verb_rollback_to(struct cli *cli, const struct args *args)
{
    return verb_of_savepoint(cli, args, hf_rollback_to);
}

int verb_release(struct cli *cli, const struct args *args)
{
    return verb_of_savepoint(cli, args, hf_release);
}

int verb_use(struct cli *cli, const struct args *args)
{
    char name[256];
    const char *store = cli_store(cli, args->positional[0], name);
    char *copy = store ? strdup(store) : NULL;

    if (!copy)
        return CLI_USAGE;
    free(cli->store);
    cli->store = copy;
    return CLI_OK;
}

/* The connection changes with the next line that needs one, or now. */
int verb_database(struct cli *cli, const struct args *args)
{
    char name[256];
    const char *given = cli_name(cli, "database", args->positional[0], name);
    char *copy = given ? strdup(given) : NULL;
    int exit_code;

    if (!given)
        return CLI_USAGE;
    if (!copy)
        return cli_usage(cli, "out of memory");
    cli->database = copy;
    exit_code = cli_connect(cli);
    if (exit_code) {
        free(copy);
        cli->database = cli->shell_database; /* as the line's end sets it */
        return exit_code;
    }
    free(cli->shell_database);
    cli->shell_database = copy;
    return CLI_OK;
}

int verb_timing(struct cli *cli, const struct args *args)
{
    const char *word = args->count > 0 ? args->positional[0] : cli->timing ? "off" : "on";

    if (strcmp(word, "on") != 0 && strcmp(word, "off") != 0)
        return cli_usage(cli, "timing takes on or off, not \"%.40s\"", word);
    cli->timing = strcmp(word, "on") == 0;
    return CLI_OK;
}

int verb_format(struct cli *cli, const struct args *args)
{
    if (!cli_mode_named(args->positional[0], &cli->shell_mode))
        return cli_usage(cli,
                         "unknown format \"%.40s\"; expected auto, table, vertical, json, csv, "
                         "tsv or markdown",
                         args->positional[0]);
    return CLI_OK;
}

int verb_output(struct cli *cli, const struct args *args)
{
    FILE *file = NULL;

    if (args->count > 0) {
        file = fopen(args->positional[0], "we");
        if (!file)
            return cli_usage(cli, "cannot open %s: %s", args->positional[0], strerror(errno));
    }
    if (cli->terminal) {
        fclose(cli->out);
        cli->out = cli->terminal;
        cli->terminal = NULL;
        cli->out_is_terminal = isatty(fileno(cli->out));
    }
    if (file) {
        cli->terminal = cli->out;
        cli->out = file;
        cli->out_is_terminal = false;
    }
    return CLI_OK;
}

int verb_exit(struct cli *cli, const struct args *args)
{
    cli->leaving = true;
    return CLI_OK;
}

int verb_help(struct cli *cli, const struct args *args)
{
    const struct verb *verb = args->count ? verb_find(cli->verbs, args->positional[0]) : NULL;
    const char *near;

    if (verb || args->count == 0) {
        help_print(cli, verb);
        return CLI_OK;
    }
    near = suggest_verb(cli->verbs, args->positional[0], true);
    return cli_usage(cli, "unknown verb \"%.60s\"%s%s%s", args->positional[0],
                     near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}
