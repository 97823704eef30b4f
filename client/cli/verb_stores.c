/* verb_stores.c - verbs on stores. */
#include "client/cli/confirm.h"
#include "client/cli/keypath.h"
#include "client/cli/output.h"
#include "client/cli/stores.h"
#include "client/cli/value.h"
#include "client/cli/verbs.h"

int verb_stores(struct cli *cli, const struct args *args)
{
    struct hf_bytes result;
    int exit_code;

    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    if (hf_stores(cli->conn, cli->txn, &result) != HF_OK)
        return cli_failed(cli);
    if (cli_tables(cli) && value_is_empty_list(slice_of(result))) {
        fputs("(no stores)\n", cli->out);
    } else if (cli_tables(cli)) {
        struct hf_pack list = {0};

        stores_shorten(slice_of(result), &list);
        output_value(cli, slice_of_pack(&list));
        hf_pack_fini(&list);
    } else {
        output_value(cli, slice_of(result));
    }
    return CLI_OK;
}

int verb_stores_describe(struct cli *cli, const char *name)
{
    struct hf_pack text = {0}, sample = {0}, copy = {0};
    struct hf_bytes result;
    struct slice entry;

    if (hf_stores(cli->conn, cli->txn, &result) != HF_OK)
        return cli_failed(cli);
    entry = value_find(slice_of(result), "name", name);
    if (slice_is_none(entry))
        return cli_usage(cli, "no method of the protocol and no store is named \"%.60s\"",
                         name);
    if (cli_tables(cli)) {
        hf_pack_raw(&copy, (struct hf_bytes){entry.data, entry.size});
        stores_sample(cli, name, &sample);
        stores_describe(slice_of_pack(&copy), slice_of_pack(&sample), &text);
        hf_pack_fini(&copy);
        hf_pack_fini(&sample);
        entry = slice_of_pack(&text);
    }
    output_value(cli, entry);
    hf_pack_fini(&text);
    return CLI_OK;
}

int verb_create_store(struct cli *cli, const struct args *args)
{
    const char *key = args_option(args, "key"), *conflict = args_option(args, "conflict");
    struct hf_store_options options = {
        .generate = args_option(args, "generate") != NULL,
        .last_writer_wins = conflict && strcmp(conflict, "none") == 0,
    };
    struct hf_pack path = {0};
    char name[256];
    const char *store = cli_store(cli, args->positional[0], name);
    int exit_code = CLI_USAGE;

    if (!store || (key && !keypath_parse(cli, key, &path)))
        goto done;
    if (conflict && !options.last_writer_wins) {
        cli_usage(cli, "--conflict takes \"none\", not \"%.40s\"", conflict);
        goto done;
    }
    options.key = hf_pack_bytes(&path);
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    exit_code = hf_create_store(cli->conn, cli->txn, store, &options) == HF_OK
                    ? CLI_OK
                    : cli_failed(cli);
done:
    hf_pack_fini(&path);
    return exit_code;
}

/* Ask before the records of a store go. */
static bool confirm_loss(struct cli *cli, const char *what, const char *store)
{
    uint64_t records = 0;

    /* Asked beside the open transaction: it is no read of the user's. */
    int e = hf_count(cli->conn, NULL, store, NULL, &records);

    if (e == HF_NO_STORE && !cli->txn)
        return true; /* nothing can go: the server will say so */
    if (e != HF_OK)
        return confirm(cli, "%s store \"%s\"?", what, store);
    return confirm(cli, "%s store \"%s\" with %llu record%s?", what, store,
                   (unsigned long long)records, records == 1 ? "" : "s");
}

static int verb_of_store(struct cli *cli, const struct args *args, const char *what,
                         int (*call)(struct hf_conn *c, struct hf_txn *t, const char *store))
{
    char name[256];
    const char *store = cli_store(cli, args->positional[0], name);
    int exit_code;

    if (!store)
        return CLI_USAGE;
    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    if (!confirm_loss(cli, what, store))
        return CLI_USAGE;
    return call(cli->conn, cli->txn, store) == HF_OK ? CLI_OK : cli_failed(cli);
}

int verb_drop_store(struct cli *cli, const struct args *args)
{
    return verb_of_store(cli, args, "Drop", hf_drop_store);
}

int verb_clear_store(struct cli *cli, const struct args *args)
{
    return verb_of_store(cli, args, "Clear", hf_clear_store);
}

int verb_rename_store(struct cli *cli, const struct args *args)
{
    char name[256], to_name[256];
    const char *store = cli_store(cli, args->positional[0], name);
    const char *to = cli_store(cli, args->positional[1], to_name);
    int exit_code;

    if (!store || !to)
        return CLI_USAGE;
    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    return hf_rename_store(cli->conn, cli->txn, store, to) == HF_OK ? CLI_OK : cli_failed(cli);
}
