/* verb_query.c - query: rows of a text as a table, or as a JSON object for each. */
#include "client/cli/args.h"
#include "client/cli/output.h"
#include "client/cli/text.h"
#include "client/cli/value.h"
#include "client/cli/verbs.h"

#define CARET_COLUMN_MAX 200 /* a place further to the right is not shown */

/* The line of the text that is wrong, and a caret under the place. */
static void show_place(struct cli *cli, const char *text, const struct hf_error *error)
{
    struct slice details = slice_make(error->details.data, error->details.size);
    uint64_t line = value_field_uint(details, "line", 0);
    uint64_t column = value_field_uint(details, "column", 0);
    struct hf_pack shown = {0}, before = {0};
    struct slice rest;
    size_t size, offset = 0;

    if (line == 0 || column == 0 || column > CARET_COLUMN_MAX)
        return;
    while (--line > 0 && strchr(text, '\n'))
        text = strchr(text, '\n') + 1;
    size = strcspn(text, "\n");
    rest = slice_make(text, size);
    text_escape(&shown, rest);
    while (--column > 0 && offset < size) {
        size_t step;

        text_decode(slice_make(text + offset, size - offset), &step);
        offset += step;
    }
    text_escape(&before, slice_make(text, offset));
    fprintf(cli->err, "  %.*s\n  %*s^\n", (int)shown.size, (const char *)shown.data,
            (int)text_width(slice_of_pack(&before)), "");
    hf_pack_fini(&shown);
    hf_pack_fini(&before);
}

static int query_failed(struct cli *cli, const char *text)
{
    int exit_code = cli_failed(cli);

    if (strcmp(hf_conn_error(cli->conn)->name, "BAD_QUERY") == 0 ||
        strcmp(hf_conn_error(cli->conn)->name, "NO_STORE") == 0)
        show_place(cli, text, hf_conn_error(cli->conn));
    return exit_code;
}

static bool ask(struct cli *cli, const char *text, const char *arguments,
                struct hf_bytes *result, int *exit_code)
{
    struct hf_pack params = {0};
    bool ok = true;

    hf_pack_array(&params, 3);
    hf_pack_uint(&params, hf_txn_handle(cli->txn));
    hf_pack_text(&params, text);
    if (arguments)
        ok = cli_parse(cli, "ARGS", arguments, &params);
    else
        hf_pack_nil(&params);
    *exit_code = ok ? CLI_OK : CLI_USAGE;
    if (ok && hf_call(cli->conn, "query", hf_pack_bytes(&params), result) != HF_OK) {
        *exit_code = query_failed(cli, text);
        ok = false;
    }
    hf_pack_fini(&params);
    return ok;
}

static bool ask_next(struct cli *cli, uint64_t cursor, const char *text,
                     struct hf_bytes *result, int *exit_code)
{
    struct hf_pack params = {0};
    bool ok;

    hf_pack_array(&params, 1);
    hf_pack_uint(&params, cursor);
    ok = hf_call(cli->conn, "next", hf_pack_bytes(&params), result) == HF_OK;
    hf_pack_fini(&params);
    if (!ok)
        *exit_code = query_failed(cli, text);
    return ok;
}

int verb_query(struct cli *cli, const struct args *args)
{
    const char *text = args->positional[0];
    struct output_columns rows;
    struct hf_bytes result;
    struct slice page;
    uint64_t cursor;
    int exit_code = cli_connect(cli);

    if (exit_code ||
        !ask(cli, text, args->count > 1 ? args->positional[1] : NULL, &result, &exit_code))
        return exit_code;
    page = slice_of(result);
    if (slice_is_none(value_field(page, "columns"))) {
        fprintf(cli->out, cli_tables(cli) ? "(%llu changed)\n" : "%llu\n",
                (unsigned long long)value_field_uint(page, "changed", 0));
        return CLI_OK;
    }
    output_columns_begin(&rows, cli, value_field(page, "columns"));
    for (;;) {
        output_columns_add(&rows, value_field(page, "rows"));
        cursor = value_field_uint(page, "cursor", 0);
        if (!cursor || !ask_next(cli, cursor, text, &result, &exit_code))
            break;
        page = slice_of(result);
    }
    output_columns_end(&rows);
    return exit_code;
}
