/* verb_quota.c - what a database may hold. */
#include "client/cli/args.h"
#include "client/cli/output.h"
#include "client/cli/verbs.h"

#include <string.h>

#define QUOTA_MAX (UINT64_C(1) << 53)

/* One pair. False: a message was printed. */
static bool pack_limit(struct cli *cli, const struct args *args, const char *name,
                       struct hf_pack *p)
{
    const char *text = args_option(args, name);
    uint64_t n = 0;

    if (!text)
        return true;
    hf_pack_text(p, name);
    if (strcmp(text, "none") == 0) {
        hf_pack_nil(p);
        return true;
    }
    if (!args_is_size(text, &n) || n > QUOTA_MAX) {
        cli_usage(cli,
                  "--%s takes a number up to 9007199254740992, as 500, 10MB or 2GiB, or none; "
                  "not \"%.60s\"",
                  name, text);
        return false;
    }
    hf_pack_uint(p, n);
    return true;
}

int verb_quota(struct cli *cli, const struct args *args)
{
    static const char *const names[] = {"bytes", "stores", "transactions"};
    struct hf_pack params = {0};
    struct hf_bytes result;
    char room[256];
    const char *database = cli_name(cli, "database", args->positional[0], room);
    uint32_t count = 0;
    bool ok = database != NULL;
    int exit_code;

    for (int i = 0; i < 3; i++)
        count += args_option(args, names[i]) != NULL;
    if (!ok)
        return CLI_USAGE;
    hf_pack_array(&params, 2);
    hf_pack_text(&params, database);
    hf_pack_map(&params, count);
    for (int i = 0; i < 3 && ok; i++)
        ok = pack_limit(cli, args, names[i], &params);
    exit_code = ok ? cli_connect(cli) : CLI_USAGE;
    if (!exit_code && hf_call(cli->conn, "set_quota", hf_pack_bytes(&params), &result) != HF_OK)
        exit_code = cli_report(cli, "", hf_conn_error(cli->conn));
    else if (!exit_code)
        output_value(cli, slice_of(result));
    hf_pack_fini(&params);
    return exit_code;
}
