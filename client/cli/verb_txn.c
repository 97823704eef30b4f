/* verb_txn.c - transactions of the shell. */
#include "client/cli/args.h"
#include "client/cli/interrupt.h"
#include "client/cli/verbs.h"

#include <stdlib.h>

#define LOCK_NAMES_MAX 100 /* that a line of the shell may have */

/* What `begin` is asked to be. Names point into text. */
struct begin {
    struct hf_begin_options options;
    char *text[2];                           /* owned: of shared and exclusive names */
    const char *names[2][LOCK_NAMES_MAX + 1]; /* each ended by NULL */
};

/* "a,b" as names. */
static bool begin_names(struct cli *cli, struct begin *b, unsigned mode, const char *list)
{
    unsigned count = 0;
    char *rest = b->text[mode] ? NULL : strdup(list);

    if (!rest) {
        cli_usage(cli, "name all stores at once, separated by commas");
        return false;
    }
    b->text[mode] = rest;
    for (char *name; (name = strsep(&rest, ",")) != NULL; count++) {
        if (!*name || count == LOCK_NAMES_MAX) {
            cli_usage(cli, "\"%.40s\": expected 1 to %d store names separated by commas", list,
                      LOCK_NAMES_MAX);
            return false;
        }
        b->names[mode][count] = name;
    }
    return true;
}

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
        options->durability = HF_DURABILITY_INTERVAL;
    else if (strcmp(word, "sync") == 0)
        options->durability = HF_DURABILITY_SYNC;
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

static bool begin_bytes(struct cli *cli, const struct args *args,
                        struct hf_begin_options *options)
{
    const struct {
        const char *name;
        uint64_t *bytes;
    } limits[] = {{"write-bytes", &options->write_bytes},
                  {"read-bytes", &options->read_bytes},
                  {"held-bytes", &options->held_bytes}};

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const char *text = args_option(args, limits[i].name);

        if (text &&
            !args_parse_number(cli, limits[i].name, text, UINT64_C(1) << 53, limits[i].bytes))
            return false;
    }
    return true;
}

/* The words of `begin`. */
static bool begin_words(struct cli *cli, const struct args *args, struct begin *b)
{
    static const char *const modes[] = {"share", "lock"};

    for (unsigned i = 0; i < args->count; i++) {
        const char *word = args->positional[i];
        unsigned mode = strcmp(word, modes[1]) == 0;

        if (strcmp(word, "lock-database") == 0) {
            b->options.lock_database = true;
        } else if (strcmp(word, modes[mode]) == 0) {
            if (++i == args->count) {
                cli_usage(cli, "%s: expected store names; see `help begin`", word);
                return false;
            }
            if (!begin_names(cli, b, mode, args->positional[i]))
                return false;
        } else if (!begin_word(&b->options, word)) {
            cli_usage(cli, "unknown word \"%.40s\"; see `help begin`", word);
            return false;
        }
    }
    b->options.lock_shared = b->text[0] ? b->names[0] : NULL;
    b->options.lock_exclusive = b->text[1] ? b->names[1] : NULL;
    b->options.try_lock = args_option(args, "wait-ms") && !b->options.wait_ms;
    return true;
}

static int begin_run(struct cli *cli, const struct args *args, struct begin *b)
{
    struct hf_begin_options *options = &b->options;
    int exit_code;

    if (!begin_ms(cli, args, "wait-ms", &options->wait_ms) || !begin_words(cli, args, b) ||
        !begin_ms(cli, args, "timeout-after-ms", &options->timeout_ms) ||
        !begin_ms(cli, args, "idle-ms", &options->idle_ms) || !begin_bytes(cli, args, options))
        return CLI_USAGE;
    if (cli->txn)
        return cli_usage(cli, "a transaction is already open; commit or roll back first");
    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    if (hf_txn_begin(cli->conn, options, &cli->txn) != HF_OK)
        return cli_failed(cli);
    cli->txn_continue = options->on_error_continue;
    cli->txn_failed = false;
    return CLI_OK;
}

int verb_begin(struct cli *cli, const struct args *args)
{
    struct begin b = {.options = {.label = cli->label, .read_only = cli->read_only}};
    int exit_code = begin_run(cli, args, &b);

    free(b.text[0]);
    free(b.text[1]);
    return exit_code;
}

/* The script's transaction is not the script's to end. True: a message was printed. */
static bool is_single(struct cli *cli)
{
    if (cli->single_transaction)
        cli_usage(cli, "the whole script is one transaction, which ends with it "
                       "(--single-transaction)");
    return cli->single_transaction;
}

static int no_txn(struct cli *cli)
{
    return cli_usage(cli, "no transaction is open; `begin` starts one");
}

int verb_commit(struct cli *cli, const struct args *args)
{
    struct hf_txn *t = cli->txn;
    uint64_t commit = 0;

    if (is_single(cli))
        return CLI_USAGE;
    if (!t)
        return no_txn(cli);
    cli->txn = NULL;
    cli->txn_failed = false;
    interrupt_lets_finish(); /* half a commit would be one whose outcome is not known */
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

    if (is_single(cli))
        return CLI_USAGE;
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
