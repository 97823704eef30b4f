#include "client/cli/notice.h"
#include "client/cli/output.h"
#include "proto/msgpack.h"

/* [t, error]: if t is the shell's, it has failed from now on. */
static void take_doomed(struct cli *cli, struct hf_bytes params)
{
    struct hf_bytes error = hf_element(params, 1);
    struct hf_error lost = {.code = HF_TXN_FAILED};
    uint64_t t = 0, code = 0;
    char prefix[80];

    if (!cli->txn || hf_read_uint(hf_element(params, 0), &t) != HF_OK ||
        t != hf_txn_handle(cli->txn) || cli->txn_failed)
        return;
    hf_read_uint(hf_field(error, "code"), &code);
    lost.code = (int)code;
    hf_read_string(hf_field(error, "name"), lost.name, sizeof lost.name);
    hf_read_string(hf_field(error, "message"), lost.message, sizeof lost.message);
    lost.details = hf_field(error, "details");
    cli->txn_failed = true;
    snprintf(prefix, sizeof prefix,
             "transaction %llu was aborted: ", (unsigned long long)hf_txn_version(cli->txn));
    cli_report(cli, prefix, &lost);
}

static void take_warning(struct cli *cli, struct hf_bytes params)
{
    struct hf_bytes map = hf_element(params, 0);
    char limit[64] = "a limit";
    uint64_t value = 0, max = 0;

    hf_read_string(hf_field(map, "limit"), limit, sizeof limit);
    hf_read_uint(hf_field(map, "value"), &value);
    hf_read_uint(hf_field(map, "max"), &max);
    cli_usage(cli, "warning: %s is at %llu of %llu", limit, (unsigned long long)value,
              (unsigned long long)max);
}

static void on_pushed(void *ctx, struct hf_bytes method, struct hf_bytes params)
{
    struct cli *cli = ctx;

    cli->notices++;
    if (slice_equal(slice_of(method), slice_text("$doomed")))
        take_doomed(cli, params);
    else if (slice_equal(slice_of(method), slice_text("$warning")))
        take_warning(cli, params);
    else if (slice_equal(slice_of(method), slice_text("$shutdown")))
        cli_usage(cli, "the server is shutting down");
}

void notice_subscribe(struct cli *cli)
{
    hf_on_pushed(cli->conn, on_pushed, cli);
    hf_subscribe(cli->conn, "doomed,shutdown,warning");
}

bool notice_read(struct cli *cli)
{
    unsigned before = cli->notices;

    if (hf_poll(cli->conn, 0) == HF_OK)
        return cli->notices != before;
    if (!cli->txn)
        return false; /* the next verb connects again */
    cli_failed(cli);
    return true;
}
