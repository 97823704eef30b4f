/* verb_server.c - verbs on the server itself. They never concern the open transaction. */
#include "client/cli/args.h"
#include "client/cli/output.h"
#include "client/cli/value.h"
#include "client/cli/verbs.h"

static int server_failed(struct cli *cli)
{
    const struct hf_error *error = hf_conn_error(cli->conn);

    /* A lost connection concerns it after all. */
    return error->code == HF_CONNECTION || error->code == HF_PROTOCOL
               ? cli_failed(cli)
               : cli_report(cli, "", error);
}

static int verb_of_result(struct cli *cli, const char *none,
                          int (*call)(struct hf_conn *c, struct hf_bytes *result))
{
    struct hf_bytes result;
    int exit_code;

    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    if (call(cli->conn, &result) != HF_OK)
        return server_failed(cli);
    if (cli_tables(cli) && none && value_is_empty_list(slice_of(result)))
        fprintf(cli->out, "%s\n", none);
    else
        output_value(cli, slice_of(result));
    return CLI_OK;
}

static int verb_of_nothing(struct cli *cli, int (*call)(struct hf_conn *c))
{
    int exit_code;

    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    return call(cli->conn) == HF_OK ? CLI_OK : server_failed(cli);
}

int verb_status(struct cli *cli, const struct args *args)
{
    return verb_of_result(cli, NULL, hf_status);
}

int verb_holds(struct cli *cli, const struct args *args)
{
    return verb_of_result(cli, "(no open transactions or scans)", hf_holds);
}

int verb_databases(struct cli *cli, const struct args *args)
{
    return verb_of_result(cli, "(no databases)", hf_databases);
}

/* Of the server, as the list of them is: not of the connection's database. */
int verb_drop_database(struct cli *cli, const struct args *args)
{
    char name[256];
    const char *database = cli_name(cli, "database", args->positional[0], name);
    uint64_t version;
    int exit_code;

    if (!database)
        return CLI_USAGE;
    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    return hf_drop_database(cli->conn, database, &version) == HF_OK ? CLI_OK
                                                                    : server_failed(cli);
}

static int clients(struct hf_conn *c, struct hf_bytes *result)
{
    static const uint8_t none[] = {0x90};

    return hf_call(c, "clients", (struct hf_bytes){none, sizeof none}, result);
}

int verb_clients(struct cli *cli, const struct args *args)
{
    return verb_of_result(cli, NULL, clients);
}

/* Methods that change nothing, in a session that is to change nothing. */
static bool only_reads(const char *method)
{
    static const char *const names[] = {"hello", "describe", "ping",     "stores", "get",
                                        "has",   "get_many", "scan",     "next",   "close",
                                        "count", "size",     "explain",  "check",  "status",
                                        "holds", "clients",  "databases"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], method) == 0)
            return true;
    return false;
}

/* Any method, also one that this client knows nothing of. */
int verb_call(struct cli *cli, const struct args *args)
{
    struct hf_pack params = {0};
    struct hf_bytes result;
    char what[32];
    int exit_code = CLI_OK;

    if (cli->read_only && !only_reads(args->positional[0]))
        return cli_usage(cli, "call %.60s is refused: this session is read-only (--read-only)",
                         args->positional[0]);
    hf_pack_array(&params, args->count - 1);
    for (unsigned i = 1; i < args->count && !exit_code; i++) {
        snprintf(what, sizeof what, "parameter %u", i);
        if (!cli_parse(cli, what, args->positional[i], &params))
            exit_code = CLI_USAGE;
    }
    if (!exit_code)
        exit_code = cli_connect(cli);
    if (!exit_code) {
        if (hf_call(cli->conn, args->positional[0], hf_pack_bytes(&params), &result) == HF_OK)
            output_value(cli, slice_of(result));
        else
            exit_code = server_failed(cli);
    }
    hf_pack_fini(&params);
    return exit_code;
}

/* {client: id} or, of a kind, {cursor: [client, number]}. */
static int kill_of_client(struct cli *cli, uint64_t client, const char *kind, uint64_t number)
{
    struct hf_pack params = {0};
    struct hf_bytes result;
    int exit_code = cli_connect(cli);

    if (exit_code)
        return exit_code;
    hf_pack_array(&params, 1);
    hf_pack_map(&params, 1);
    hf_pack_text(&params, kind ? kind : "client");
    if (kind)
        hf_pack_array(&params, 2);
    hf_pack_uint(&params, client);
    if (kind)
        hf_pack_uint(&params, number);
    if (hf_call(cli->conn, "kill", hf_pack_bytes(&params), &result) != HF_OK)
        exit_code = server_failed(cli);
    hf_pack_fini(&params);
    return exit_code;
}

int verb_kill(struct cli *cli, const struct args *args)
{
    bool has_client = args_option(args, "client"), has_cursor = args_option(args, "cursor");
    bool has_backup = args_option(args, "backup");
    uint64_t version, client = 0, number = 0;
    int exit_code;

    if ((args->count == 1) == has_client || ((has_cursor || has_backup) && !has_client) ||
        (has_cursor && has_backup))
        return cli_usage(cli, "expected a transaction id, --client N, or --client N with "
                              "--cursor M or --backup M, as shown by `holds`");
    if (!args_number(cli, args, "client", &client) ||
        !args_number(cli, args, "cursor", &number) ||
        !args_number(cli, args, "backup", &number))
        return CLI_USAGE;
    if (has_client)
        return kill_of_client(cli, client,
                              has_cursor   ? "cursor"
                              : has_backup ? "backup"
                                           : NULL,
                              number);
    if (!args_is_number(args->positional[0], (uint64_t)1 << 53, &version))
        return cli_usage(cli,
                         "TXID must be a transaction id, as shown by `holds`, not \"%.40s\"",
                         args->positional[0]);
    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    return hf_kill(cli->conn, version) == HF_OK ? CLI_OK : server_failed(cli);
}

int verb_rotate(struct cli *cli, const struct args *args)
{
    return verb_of_nothing(cli, hf_rotate);
}

int verb_amalgamate(struct cli *cli, const struct args *args)
{
    return verb_of_nothing(cli, hf_amalgamate);
}

int verb_check_data(struct cli *cli, const struct args *args)
{
    struct hf_bytes result;
    int exit_code = cli_connect(cli);
    bool is_well = false;

    if (exit_code)
        return exit_code;
    if (hf_check_data(cli->conn, &result) != HF_OK)
        return server_failed(cli);
    output_value(cli, slice_of(result));
    hf_read_bool(hf_field(result, "ok"), &is_well);
    return is_well ? CLI_OK : CLI_REFUSED;
}

int verb_ping(struct cli *cli, const struct args *args)
{
    int exit_code = verb_of_nothing(cli, hf_ping);

    if (exit_code == CLI_OK)
        fputs(cli_tables(cli) ? "pong\n" : "\"pong\"\n", cli->out);
    return exit_code;
}

int verb_describe(struct cli *cli, const struct args *args)
{
    struct hf_bytes result;
    struct slice method;
    char name[256];
    const char *store;
    int exit_code;

    if (args->count == 0)
        return verb_of_result(cli, NULL, hf_describe);
    store = cli_store(cli, args->positional[0], name);
    if (!store)
        return CLI_USAGE;
    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    if (args_option(args, "store"))
        return verb_stores_describe(cli, store);
    if (hf_describe(cli->conn, &result) != HF_OK)
        return server_failed(cli);
    method = value_find(slice_of(result), "name", store);
    if (slice_is_none(method))
        return verb_stores_describe(cli, store);
    output_value(cli, method);
    return CLI_OK;
}

static int hello(struct hf_conn *c, struct hf_bytes *result)
{
    return hf_hello(c, "holdfast " HF_VERSION_TEXT, result);
}

int verb_hello(struct cli *cli, const struct args *args)
{
    return verb_of_result(cli, NULL, hello);
}
