/* verb_records.c - verbs on records. */
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "client/cli/range.h"
#include "client/cli/text.h"
#include "client/cli/verbs.h"
#include "proto/msgpack.h"

/* STORE KEY: what most verbs begin with. */
struct target {
    char name[256];
    const char *store;
    struct hf_pack key;
};

static bool target_init(struct target *target, struct cli *cli, const struct args *args)
{
    memset(target, 0, sizeof *target);
    target->store = cli_store(cli, args->positional[0], target->name);
    return target->store && cli_parse(cli, "KEY", args->positional[1], &target->key);
}

static void print_none(struct cli *cli)
{
    fputs(cli_tables(cli) ? "(none)\n" : "null\n", cli->out);
}

static void print_bool(struct cli *cli, bool b)
{
    fputs(b ? "true\n" : "false\n", cli->out);
}

/* get S 12 found nothing. Where there is a record with the text "12", say so. */
static void hint_at_text(struct cli *cli, const struct target *target, const char *word)
{
    struct msgpack_cursor at = msgpack_open(slice_of_pack(&target->key));
    struct hf_pack text = {0};
    struct slice given;
    bool found = false;

    if (strchr("[{\"", word[0]) || msgpack_read_text(&at, &given) == ERR_OK)
        return;
    hf_pack_text(&text, word);
    if (hf_has(cli->conn, cli->txn, target->store, hf_pack_bytes(&text), &found) == HF_OK &&
        found)
        cli_usage(cli,
                  "%.60s is not a string; for the record with the key \"%.60s\" write "
                  "'\"%.60s\"'",
                  word, word, word);
    hf_pack_fini(&text);
}

int verb_get(struct cli *cli, const struct args *args)
{
    struct target target;
    struct hf_bytes value;
    int exit_code = CLI_USAGE;

    if (!target_init(&target, cli, args))
        goto done;
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    if (hf_get(cli->conn, cli->txn, target.store, hf_pack_bytes(&target.key), &value) !=
        HF_OK) {
        exit_code = cli_failed(cli);
    } else if (value.data) {
        output_value(cli, slice_of(value));
    } else {
        print_none(cli);
        if (!cli->txn)
            hint_at_text(cli, &target, args->positional[1]);
    }
done:
    hf_pack_fini(&target.key);
    return exit_code;
}

/* has and delete: a key in, true or false out. */
static int verb_of_bool(struct cli *cli, const struct args *args,
                        int (*call)(struct hf_conn *c, struct hf_txn *t, const char *store,
                                    struct hf_bytes key, bool *answer))
{
    struct target target;
    bool answer;
    int exit_code = CLI_USAGE;

    if (!target_init(&target, cli, args))
        goto done;
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    if (call(cli->conn, cli->txn, target.store, hf_pack_bytes(&target.key), &answer) != HF_OK)
        exit_code = cli_failed(cli);
    else
        print_bool(cli, answer);
done:
    hf_pack_fini(&target.key);
    return exit_code;
}

int verb_has(struct cli *cli, const struct args *args)
{
    return verb_of_bool(cli, args, hf_has);
}

int verb_delete(struct cli *cli, const struct args *args)
{
    return verb_of_bool(cli, args, hf_delete);
}

/* The operators of update; those that take no value. */
static const char *const changes_of_three[] = {"set", "add", "min", "max", "append", NULL};
static const char *const changes_of_two[] = {"unset", "commit", NULL};

static bool is_one_of(const char *word, const char *const *words)
{
    while (*words && strcmp(word, *words) != 0)
        words++;
    return *words != NULL;
}

/* A field's name as it stands, or a list of steps. */
static bool path_parse(struct cli *cli, const char *text, struct hf_pack *out)
{
    if (text[0] == '[' || text[0] == '"')
        return cli_parse(cli, "PATH", text, out);
    if (!msgpack_text_is_utf8(slice_text(text))) {
        cli_usage(cli, "PATH: not valid UTF-8");
        return false;
    }
    hf_pack_text(out, text);
    return true;
}

/* The words from i on, OPERATOR PATH [VALUE], as a list of changes. */
static bool changes_parse(struct cli *cli, const struct args *args, unsigned i,
                          struct hf_pack *out)
{
    struct hf_pack changes = {0};
    uint32_t count = 0;
    bool ok = true;

    while (ok && i < args->count) {
        const char *what = args->positional[i];
        unsigned parts = is_one_of(what, changes_of_three) ? 3
                         : is_one_of(what, changes_of_two) ? 2
                                                           : 0;

        if (!parts)
            cli_usage(cli,
                      "unknown change \"%.60s\"; expected set, unset, add, min, max, append or "
                      "commit",
                      what);
        else if (args->count - i < parts)
            cli_usage(cli, "%s needs %s", what, parts == 3 ? "PATH VALUE" : "PATH");
        ok = parts && args->count - i >= parts;
        if (!ok)
            break;
        hf_pack_array(&changes, parts);
        hf_pack_text(&changes, what);
        ok = path_parse(cli, args->positional[i + 1], &changes) &&
             (parts == 2 || cli_parse(cli, "VALUE", args->positional[i + 2], &changes));
        i += parts;
        count++;
    }
    hf_pack_array(out, count);
    hf_pack_raw(out, hf_pack_bytes(&changes));
    hf_pack_fini(&changes);
    return ok;
}

int verb_update(struct cli *cli, const struct args *args)
{
    struct hf_update_options options = {.upsert = args_option(args, "upsert") != NULL};
    struct hf_pack changes = {0};
    struct target target;
    struct hf_bytes value;
    int exit_code = CLI_USAGE;

    if (!target_init(&target, cli, args) || !changes_parse(cli, args, 2, &changes))
        goto done;
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    if (hf_update(cli->conn, cli->txn, target.store, hf_pack_bytes(&target.key),
                  hf_pack_bytes(&changes), &options, &value) != HF_OK)
        exit_code = cli_failed(cli);
    else if (value.data)
        output_value(cli, slice_of(value));
    else
        print_none(cli);
done:
    hf_pack_fini(&changes);
    hf_pack_fini(&target.key);
    return exit_code;
}

int verb_get_many(struct cli *cli, const struct args *args)
{
    struct hf_pack keys = {0};
    struct hf_bytes values;
    char name[256];
    const char *store = cli_store(cli, args->positional[0], name);
    int exit_code = CLI_USAGE;

    if (!store)
        goto done;
    hf_pack_array(&keys, args->count - 1);
    for (unsigned i = 1; i < args->count; i++) {
        if (!cli_parse(cli, "KEY", args->positional[i], &keys))
            goto done;
    }
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    if (hf_get_many(cli->conn, cli->txn, store, hf_pack_bytes(&keys), &values) != HF_OK)
        exit_code = cli_failed(cli);
    else
        output_value(cli, slice_of(values));
done:
    hf_pack_fini(&keys);
    return exit_code;
}

static int verb_of_write(struct cli *cli, const struct args *args,
                         int (*call)(struct hf_conn *c, struct hf_txn *t, const char *store,
                                     struct hf_bytes value, struct hf_bytes key,
                                     struct hf_bytes *stored))
{
    struct hf_pack value = {0}, key = {0};
    struct hf_bytes stored;
    char name[256];
    const char *store = cli_store(cli, args->positional[0], name);
    const char *key_text = args_option(args, "key");
    int exit_code = CLI_USAGE;

    if (key_text && args->count > 2) {
        cli_usage(cli, "the key is given twice, as KEY and as --key");
        return CLI_USAGE;
    }
    if (!key_text && args->count > 2)
        key_text = args->positional[2];
    if (!store || !cli_parse(cli, "VALUE", args->positional[1], &value) ||
        (key_text && !cli_parse(cli, "KEY", key_text, &key)))
        goto done;
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    if (call(cli->conn, cli->txn, store, hf_pack_bytes(&value), hf_pack_bytes(&key), &stored) !=
        HF_OK)
        exit_code = cli_failed(cli);
    else
        output_json(cli, slice_of(stored));
done:
    hf_pack_fini(&value);
    hf_pack_fini(&key);
    return exit_code;
}

int verb_put(struct cli *cli, const struct args *args)
{
    return verb_of_write(cli, args, hf_put);
}

int verb_insert(struct cli *cli, const struct args *args)
{
    return verb_of_write(cli, args, hf_insert);
}

/* Print all rows; what was printed before an error stays printed. */
static int print_scan(struct cli *cli, const char *store, const struct range *range,
                      const struct hf_scan_options *scan)
{
    struct output_rows rows;
    struct hf_cursor *cursor;
    struct hf_row row;
    int e, exit_code = CLI_OK;

    if (hf_cursor_open(cli->conn, cli->txn, store, &range->range, scan, &cursor) != HF_OK)
        return cli_failed(cli);
    output_rows_begin(&rows, cli);
    while ((e = hf_cursor_next(cursor, &row)) == HF_OK && !ferror(cli->out))
        output_rows_add(&rows, row.key, row.value);
    output_rows_end(&rows);
    if (e != HF_OK && e != HF_END)
        exit_code = cli_failed(cli);
    hf_cursor_close(cursor);
    if (e == HF_END && rows.count == 0 && !scan->has_limit && !scan->offset)
        range_explain_empty(range, cli, store);
    return exit_code;
}

int verb_scan(struct cli *cli, const struct args *args)
{
    struct hf_scan_options scan = {
        .reverse = args_option(args, "reverse") != NULL,
        .keys_only = args_option(args, "keys") != NULL,
        .values_only = args_option(args, "values") != NULL,
        .has_limit = args_option(args, "limit") != NULL,
        .fetch_ahead = true, /* nothing is written between the rows */
    };
    struct range range;
    char name[256];
    const char *store = cli_store(cli, args->positional[0], name);
    int exit_code = CLI_USAGE;

    if (!range_init(&range, cli, args) || !store ||
        !args_number(cli, args, "limit", &scan.limit) ||
        !args_number(cli, args, "offset", &scan.offset))
        goto done;
    if (scan.keys_only && scan.values_only) {
        cli_usage(cli, "--keys and --values cannot be combined");
        goto done;
    }
    exit_code = range_open(&range, cli, store);
    if (exit_code == CLI_OK)
        exit_code = print_scan(cli, store, &range, &scan);
done:
    range_fini(&range);
    return exit_code;
}

/* What was found in the range, and if that is nothing, why. */
static void range_print_number(const struct range *range, struct cli *cli, const char *store,
                               uint64_t number)
{
    fprintf(cli->out, "%llu\n", (unsigned long long)number);
    if (number == 0)
        range_explain_empty(range, cli, store);
}

static int verb_of_range(struct cli *cli, const struct args *args,
                         int (*call)(struct hf_conn *c, struct hf_txn *t, const char *store,
                                     const struct hf_range *range, uint64_t *number))
{
    struct range range;
    uint64_t number;
    char name[256];
    const char *store = cli_store(cli, args->positional[0], name);
    int exit_code = CLI_USAGE;

    if (!range_init(&range, cli, args) || !store)
        goto done;
    exit_code = range_open(&range, cli, store);
    if (exit_code)
        goto done;
    if (call(cli->conn, cli->txn, store, &range.range, &number) != HF_OK)
        exit_code = cli_failed(cli);
    else
        range_print_number(&range, cli, store, number);
done:
    range_fini(&range);
    return exit_code;
}

int verb_count(struct cli *cli, const struct args *args)
{
    return verb_of_range(cli, args, hf_count);
}

int verb_size(struct cli *cli, const struct args *args)
{
    return verb_of_range(cli, args, hf_size);
}

int verb_delete_range(struct cli *cli, const struct args *args)
{
    struct hf_delete_range_options options = {.reverse = args_option(args, "reverse") != NULL};
    struct range range;
    uint64_t deleted;
    char name[256];
    const char *store = cli_store(cli, args->positional[0], name);
    int exit_code = CLI_USAGE;

    if (!range_init(&range, cli, args) || !store ||
        !args_number(cli, args, "limit", &options.limit))
        goto done;
    if (range_is_given(&range) == (args_option(args, "all") != NULL)) {
        cli_usage(cli, "delete-range takes a range such as --lt KEY, or --all for every record "
                       "of the store");
        goto done;
    }
    exit_code = CLI_OK;
    if (args_option(args, "limit") &&
        options.limit == 0) { /* 0 means no limit in the library */
        fputs("0\n", cli->out);
        goto done;
    }
    exit_code = range_open(&range, cli, store);
    if (exit_code)
        goto done;
    if (hf_delete_range(cli->conn, cli->txn, store, &range.range, &options, &deleted) != HF_OK)
        exit_code = cli_failed(cli);
    else
        range_print_number(&range, cli, store, deleted);
done:
    range_fini(&range);
    return exit_code;
}

/* All of standard input, as far as one request could take it. */
static bool read_all(struct cli *cli, struct hf_pack *text)
{
    size_t n;

    do {
        uint8_t *to = hf_pack_reserve(text, 65536);

        if (!to || text->size > (64u << 20)) {
            cli_usage(cli, "standard input is too large for one request");
            return false;
        }
        n = fread(to, 1, 65536, cli->in);
        text->size += n;
    } while (n > 0);
    return true;
}

int verb_run(struct cli *cli, const struct args *args)
{
    struct hf_begin_options options = {.label = cli->label};
    const char *given = args->count > 0 ? args->positional[0] : "-";
    struct hf_pack text = {0}, ops = {0};
    struct hf_bytes result;
    struct json_error error;
    int exit_code = CLI_USAGE;

    if (cli->txn) {
        cli_usage(cli,
                  "run is a transaction of its own; commit or roll back the open one first");
        goto done;
    }
    if (strcmp(given, "-") == 0) {
        if (cli->in_shell) {
            cli_usage(cli, "in the shell, run takes its operations as an argument");
            goto done;
        }
        if (!read_all(cli, &text))
            goto done;
    } else {
        text_append(&text, given);
    }
    if (!json_parse(slice_of_pack(&text), cli->style, &ops, &error)) {
        cli_usage(cli, "OPS, line %lu, column %lu: %s", error.line, error.column,
                  error.message);
        goto done;
    }
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    if (hf_run(cli->conn, hf_pack_bytes(&ops), &options, &result) != HF_OK)
        exit_code = cli_failed(cli);
    else
        output_value(cli, slice_of(result));
done:
    hf_pack_fini(&text);
    hf_pack_fini(&ops);
    return exit_code;
}
