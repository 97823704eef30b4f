/* verb_query.c - query: rows of a text as a table, or as a JSON object for each; explain. */
#include "client/cli/confirm.h"
#include "client/cli/interrupt.h"
#include "client/cli/output.h"
#include "client/cli/statement.h"
#include "client/cli/text.h"
#include "client/cli/value.h"
#include "client/cli/verbs.h"
#include "proto/msgpack.h"

#include <strings.h>

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

/* [t, text, args], and behind them what is left out or an option. */
static bool pack_params(struct cli *cli, struct hf_txn *t, const char *text,
                        const char *arguments, struct hf_pack *params)
{
    hf_pack_uint(params, hf_txn_handle(t));
    hf_pack_text(params, text);
    if (arguments)
        return cli_parse(cli, "ARGS", arguments, params);
    hf_pack_nil(params);
    return true;
}

static bool ask(struct cli *cli, struct hf_txn *t, const char *text, const char *arguments,
                struct hf_bytes *result, int *exit_code)
{
    struct hf_pack params = {0};
    bool ok;

    hf_pack_array(&params, 3);
    ok = pack_params(cli, t, text, arguments, &params);
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

static void close_cursor(struct cli *cli, uint64_t cursor)
{
    struct hf_pack params = {0};
    struct hf_bytes ignored;

    hf_pack_array(&params, 1);
    hf_pack_uint(&params, cursor);
    hf_call(cli->conn, "close", hf_pack_bytes(&params), &ignored);
    hf_pack_fini(&params);
}

static int print_pages(struct cli *cli, const char *text, struct slice page)
{
    struct output_columns rows;
    struct hf_bytes result;
    uint64_t cursor;
    int exit_code = CLI_OK;

    output_columns_begin(&rows, cli, value_field(page, "columns"));
    for (;;) {
        output_columns_add(&rows, value_field(page, "rows"));
        cursor = value_field_uint(page, "cursor", 0);
        if (!cursor || interrupt_seen() || ferror(cli->out) ||
            !ask_next(cli, cursor, text, &result, &exit_code))
            break;
        page = slice_of(result);
    }
    output_columns_end(&rows);
    if (cursor && exit_code == CLI_OK)
        close_cursor(cli, cursor);
    if (cursor && exit_code == CLI_OK && interrupt_seen())
        exit_code =
            cli_usage(cli, "interrupted after %llu rows", (unsigned long long)rows.count);
    return exit_code;
}

static int run_query(struct cli *cli, struct hf_txn *t, const char *text, const char *arguments)
{
    struct hf_bytes result;
    struct slice page;
    int exit_code;

    if (!ask(cli, t, text, arguments, &result, &exit_code))
        return exit_code;
    page = slice_of(result);
    if (!slice_is_none(value_field(page, "columns")))
        return print_pages(cli, text, page);
    if (cli_tables(cli))
        fprintf(cli->out, "(%llu changed)\n",
                (unsigned long long)value_field_uint(page, "changed", 0));
    else
        output_number(cli, value_field_uint(page, "changed", 0));
    return CLI_OK;
}

/* In a transaction that cannot write. */
static int run_reading(struct cli *cli, const char *text, const char *arguments)
{
    struct hf_begin_options options = {.read_only = true};
    struct hf_txn *t;
    int exit_code;

    if (hf_txn_begin(cli->conn, &options, &t) != HF_OK)
        return cli_failed(cli);
    exit_code = run_query(cli, t, text, arguments);
    hf_txn_rollback(t);
    return exit_code;
}

/* Behind word, which text begins with in any case; NULL: it does not. */
static const char *behind(const char *text, const char *word)
{
    size_t size = strlen(word);

    text += strspn(text, " \t\r\n");
    return strncasecmp(text, word, size) == 0 && strchr(" \t\r\n", text[size]) ? text + size
                                                                               : NULL;
}

/* A statement that drops a store, or deletes all of its records, is one to ask about. */
static bool may_run(struct cli *cli, const char *text)
{
    const char *what = behind(text, "drop");

    if (what && behind(what, "store"))
        return confirm(cli, "Drop the store of \"%.200s\"?", text);
    what = behind(text, "delete");
    if (what && !strcasestr(what, "where"))
        return confirm(cli, "Delete all records by \"%.200s\"?", text);
    return true;
}

int verb_query(struct cli *cli, const struct args *args)
{
    const char *text = args->positional[0];
    const char *arguments = args->count > 1 ? args->positional[1] : NULL;
    int exit_code = cli_connect(cli);

    if (exit_code)
        return exit_code;
    if (!may_run(cli, text))
        return CLI_USAGE;
    return cli->read_only && !cli->txn ? run_reading(cli, text, arguments)
                                       : run_query(cli, cli->txn, text, arguments);
}

/* ---- explain ---- */

static void print_lines(struct cli *cli, struct slice lines)
{
    struct msgpack_cursor c = msgpack_open(lines);
    struct hf_pack text = {0};
    struct slice line;
    uint32_t count = 0;

    if (msgpack_read_text(&c, &line) == ERR_OK) {
        while (line.size > 0) {
            const uint8_t *end = memchr(line.data, '\n', line.size);
            size_t size = end ? (size_t)(end - line.data) : line.size;

            text_escape(&text, slice_make(line.data, size));
            text_append(&text, "\n");
            size += end != NULL;
            line = slice_make(line.data + size, line.size - size);
        }
    } else if (msgpack_read_array(&c, &count) == ERR_OK) {
        while (count-- > 0 && msgpack_read_text(&c, &line) == ERR_OK) {
            text_escape(&text, line);
            text_append(&text, "\n");
        }
    }
    if (text.size > 0)
        fwrite(text.data, 1, text.failed ? 0 : text.size, cli->out);
    hf_pack_fini(&text);
}

/* The query that was run last, without the verb before it; NULL: none. */
static const char *last_query(const struct cli *cli)
{
    const char *text = cli->kept;
    size_t size;

    if (!text || statement_is_query(text))
        return text;
    return statement_query_behind_verb(text, &size);
}

int verb_explain(struct cli *cli, const struct args *args)
{
    const char *text = args->count > 0 ? args->positional[0] : last_query(cli);
    bool analyze = args_option(args, "analyze") != NULL;
    struct hf_pack params = {0};
    struct hf_bytes result;
    int exit_code;

    if (!text)
        return cli_usage(cli, "explain needs a query, since none was run before it");
    exit_code = cli_connect(cli);
    if (exit_code)
        return exit_code;
    hf_pack_array(&params, analyze ? 4 : 3);
    if (!pack_params(cli, cli->txn, text, args->count > 1 ? args->positional[1] : NULL,
                     &params)) {
        hf_pack_fini(&params);
        return CLI_USAGE;
    }
    if (analyze) {
        hf_pack_map(&params, 1);
        hf_pack_text(&params, "analyze");
        hf_pack_bool(&params, true);
    }
    if (hf_call(cli->conn, "explain", hf_pack_bytes(&params), &result) != HF_OK)
        exit_code = query_failed(cli, text);
    else if (cli_tables(cli))
        print_lines(cli, value_field(slice_of(result), "text"));
    else
        output_value(cli, slice_of(result));
    hf_pack_fini(&params);
    return exit_code;
}
