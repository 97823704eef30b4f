/* verb_indexes.c - verbs on indexes. */
#include "client/cli/index_wait.h"
#include "client/cli/json.h"
#include "client/cli/keypath.h"
#include "client/cli/output.h"
#include "client/cli/verbs.h"

/* STORE INDEX: what all of them begin with. */
struct named {
    char store_name[256], index_name[256];
    const char *store, *index;
};

static bool named_init(struct named *named, struct cli *cli, const struct args *args)
{
    named->store = cli_store(cli, args->positional[0], named->store_name);
    if (!named->store)
        return false;
    named->index = cli_name(cli, "index", args->positional[1], named->index_name);
    return named->index != NULL;
}

/* The index's key: --key, or the index's own name as a path. */
static bool key_init(struct cli *cli, const struct args *args, const struct named *named,
                     struct hf_pack *key)
{
    const char *given = args_option(args, "key");
    struct hf_pack plain = {0};
    bool ok = keypath_parse(cli, given ? given : named->index, &plain);

    if (ok && args_option(args, "desc"))
        ok = keypath_descend(slice_of_pack(&plain), key);
    else if (ok)
        hf_pack_raw(key, hf_pack_bytes(&plain));
    hf_pack_fini(&plain);
    return ok;
}

/* Whether to wait; false with a message: that is not possible. */
static bool may_wait(struct cli *cli, const struct args *args)
{
    if (!args_option(args, "wait"))
        return true;
    if (!args_option(args, "online"))
        cli_usage(cli, "--wait goes with --online; without it the index is ready at once");
    else if (cli->txn)
        cli_usage(cli, "--wait: the index is built when the transaction has committed; "
                       "`stores` shows its state then");
    else
        return true;
    return false;
}

int verb_create_index(struct cli *cli, const struct args *args)
{
    struct hf_index_options options = {
        .unique = args_option(args, "unique") != NULL,
        .multi = args_option(args, "multi") != NULL,
        .online = args_option(args, "online") != NULL,
        .types = args_option(args, "types"),
    };
    const char *where = args_option(args, "where");
    struct hf_pack key = {0}, condition = {0};
    struct named named;
    int exit_code = CLI_USAGE;

    if (!may_wait(cli, args) || !named_init(&named, cli, args) ||
        !key_init(cli, args, &named, &key) ||
        (where &&
         !cli_parse_as(cli, "--where", where, cli->style | JSON_OPERATORS, &condition)))
        goto done;
    options.key = hf_pack_bytes(&key);
    options.where = hf_pack_bytes(&condition);
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    if (hf_create_index(cli->conn, cli->txn, named.store, named.index, &options) != HF_OK)
        exit_code = cli_failed(cli);
    else if (args_option(args, "wait"))
        exit_code = index_wait(cli, named.store, named.index);
done:
    hf_pack_fini(&key);
    hf_pack_fini(&condition);
    return exit_code;
}

int verb_drop_index(struct cli *cli, const struct args *args)
{
    struct named named;
    int exit_code;

    if (!named_init(&named, cli, args))
        return CLI_USAGE;
    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    return hf_drop_index(cli->conn, cli->txn, named.store, named.index) == HF_OK
               ? CLI_OK
               : cli_failed(cli);
}

int verb_rename_index(struct cli *cli, const struct args *args)
{
    char name[256];
    const char *to = cli_name(cli, "index", args->positional[2], name);
    struct named named;
    int exit_code;

    if (!to || !named_init(&named, cli, args))
        return CLI_USAGE;
    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    return hf_rename_index(cli->conn, cli->txn, named.store, named.index, to) == HF_OK
               ? CLI_OK
               : cli_failed(cli);
}
