/* verb_records.c - verbs on records. */
#include "client/cli/changes.h"
#include "client/cli/confirm.h"
#include "client/cli/fields.h"
#include "client/cli/interrupt.h"
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "client/cli/range.h"
#include "client/cli/text.h"
#include "client/cli/verbs.h"
#include "proto/msgpack.h"

/* STORE KEY: what most verbs begin with. */
struct target {
    struct args_source source;
    struct hf_pack key;
};

static bool target_init(struct target *target, struct cli *cli, const struct args *args)
{
    memset(target, 0, sizeof *target);
    return source_init(&target->source, cli, args) &&
           cli_parse(cli, "KEY", args->positional[1], &target->key);
}

static void print_none(struct cli *cli)
{
    if (!cli_tables(cli))
        output_nil(cli);
    else if (cli->mode < CLI_MODE_CSV) /* there a record that is not there is no row */
        fputs("(none)\n", cli->out);
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
    if (hf_index_has(cli->conn, cli->txn, target->source.store, target->source.index,
                     hf_pack_bytes(&text), &found) == HF_OK &&
        found)
        cli_usage(cli,
                  "%.60s is not a string; for the record with the key \"%.60s\" write "
                  "'\"%.60s\"'",
                  word, word, word);
    hf_pack_fini(&text);
}

/* --fields, if it is given. False: a message was printed. */
static bool take_fields(struct cli *cli, const struct args *args, struct hf_pack *fields)
{
    const char *text = args_option(args, "fields");

    return !text || fields_parse(cli, text, fields);
}

int verb_get(struct cli *cli, const struct args *args)
{
    struct hf_pack fields = {0};
    struct target target;
    struct hf_bytes value;
    int exit_code = CLI_USAGE;

    if (!target_init(&target, cli, args) || !take_fields(cli, args, &fields))
        goto done;
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    if (hf_index_get(cli->conn, cli->txn, target.source.store, target.source.index,
                     hf_pack_bytes(&target.key), &value) != HF_OK) {
        exit_code = cli_failed(cli);
    } else if (value.data) {
        output_fields(cli, slice_of_pack(&fields), slice_of(value));
    } else {
        print_none(cli);
        if (!cli->txn)
            hint_at_text(cli, &target, args->positional[1]);
    }
done:
    hf_pack_fini(&fields);
    hf_pack_fini(&target.key);
    return exit_code;
}

static int delete (struct hf_conn *c, struct hf_txn *t, const char *store, const char *index,
                   struct hf_bytes key, bool *existed)
{
    return hf_delete(c, t, store, key, existed); /* which takes no --index */
}

/* has and delete: a key in, true or false out. */
static int verb_of_bool(struct cli *cli, const struct args *args,
                        int (*call)(struct hf_conn *c, struct hf_txn *t, const char *store,
                                    const char *index, struct hf_bytes key, bool *answer))
{
    struct target target;
    bool answer;
    int exit_code = CLI_USAGE;

    if (!target_init(&target, cli, args))
        goto done;
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    if (call(cli->conn, cli->txn, target.source.store, target.source.index,
             hf_pack_bytes(&target.key), &answer) != HF_OK)
        exit_code = cli_failed(cli);
    else
        output_bool(cli, answer);
done:
    hf_pack_fini(&target.key);
    return exit_code;
}

int verb_has(struct cli *cli, const struct args *args)
{
    return verb_of_bool(cli, args, hf_index_has);
}

int verb_delete(struct cli *cli, const struct args *args)
{
    return verb_of_bool(cli, args, delete);
}

int verb_update(struct cli *cli, const struct args *args)
{
    struct hf_update_options options = {.upsert = args_option(args, "upsert") != NULL};
    struct hf_pack changes = {0};
    struct target target;
    struct hf_bytes value;
    int exit_code = CLI_USAGE;

    if (!target_init(&target, cli, args) ||
        !changes_parse(cli, args->positional + 2, args->count - 2, &changes))
        goto done;
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    if (hf_update(cli->conn, cli->txn, target.source.store, hf_pack_bytes(&target.key),
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
    struct args_source source;
    int exit_code = CLI_USAGE;

    if (!source_init(&source, cli, args))
        goto done;
    hf_pack_array(&keys, args->count - 1);
    for (unsigned i = 1; i < args->count; i++) {
        if (!cli_parse(cli, "KEY", args->positional[i], &keys))
            goto done;
    }
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    if (hf_index_get_many(cli->conn, cli->txn, source.store, source.index, hf_pack_bytes(&keys),
                          &values) != HF_OK)
        exit_code = cli_failed(cli);
    else
        output_value(cli, slice_of(values));
done:
    hf_pack_fini(&keys);
    return exit_code;
}

/* Whoever knows other databases puts the key first, and nothing else would tell that it went the
 * other way round. */
static void note_order(struct cli *cli, const struct args *args, const struct hf_pack *value,
                       const struct hf_pack *key)
{
    bool is_bare = args->count > 2 && args->positional[1][0] != '"' &&
                   args->positional[2][0] != '"' &&
                   hf_type(hf_pack_bytes(value)) == HF_TYPE_TEXT &&
                   hf_type(hf_pack_bytes(key)) == HF_TYPE_TEXT;

    if (is_bare && cli->err_is_terminal && cli->out_is_terminal)
        cli_usage(cli,
                  "note: the value comes first: \"%.60s\" was stored under the key \"%.60s\"",
                  args->positional[1], args->positional[2]);
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
    if (hf_type(hf_pack_bytes(&key)) == HF_TYPE_MAP) {
        cli_usage(cli,
                  "KEY: an object cannot be a key; the value comes first: %s STORE VALUE KEY",
                  args->verb->name);
        goto done;
    }
    exit_code = cli_connect(cli);
    if (exit_code)
        goto done;
    if (call(cli->conn, cli->txn, store, hf_pack_bytes(&value), hf_pack_bytes(&key), &stored) !=
        HF_OK)
        exit_code = cli_failed(cli);
    else
        output_json(cli, slice_of(stored));
    if (exit_code == CLI_OK)
        note_order(cli, args, &value, &key);
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
static int print_scan(struct cli *cli, const struct args_source *source,
                      const struct range *range, const struct hf_scan_options *scan,
                      struct slice fields)
{
    struct output_rows rows;
    struct hf_cursor *cursor;
    struct hf_row row;
    int e, exit_code = CLI_OK;

    if (hf_cursor_open(cli->conn, cli->txn, source->store, &range->range, scan, &cursor) !=
        HF_OK)
        return cli_failed(cli);
    output_rows_begin(&rows, cli, source->index);
    rows.fields = fields;
    while ((e = hf_cursor_next(cursor, &row)) == HF_OK && !ferror(cli->out) &&
           !interrupt_seen())
        output_rows_add(&rows, &row);
    output_rows_end(&rows);
    if (e == HF_OK && interrupt_seen())
        exit_code =
            cli_usage(cli, "interrupted after %llu rows", (unsigned long long)rows.count);
    else if (e != HF_OK && e != HF_END)
        exit_code = cli_failed(cli);
    hf_cursor_close(cursor);
    if (e == HF_END && rows.count == 0 && !scan->has_limit && !scan->offset)
        range_explain_empty(range, cli, source);
    return exit_code;
}

int verb_scan(struct cli *cli, const struct args *args)
{
    struct hf_scan_options scan = {
        .reverse = args_option(args, "reverse") != NULL,
        .keys_only = args_option(args, "keys") != NULL,
        .values_only = args_option(args, "values") != NULL,
        .has_limit = args_option(args, "limit") != NULL,
        .unique = args_option(args, "unique") != NULL,
        .fetch_ahead = true, /* nothing is written between the rows */
    };
    struct hf_pack fields = {0};
    struct range range;
    struct args_source source;
    int exit_code = CLI_USAGE;

    if (!range_init(&range, cli, args) || !source_init(&source, cli, args) ||
        !args_number(cli, args, "limit", &scan.limit) ||
        !args_number(cli, args, "offset", &scan.offset) || !take_fields(cli, args, &fields))
        goto done;
    if (scan.keys_only && fields.size) {
        cli_usage(cli, "--keys and --fields cannot be combined");
        goto done;
    }
    if (scan.keys_only && scan.values_only) {
        cli_usage(cli, "--keys and --values cannot be combined");
        goto done;
    }
    if (scan.unique && !source.index) {
        cli_usage(cli, "--unique applies to a scan by --index; keys of a store are unique");
        goto done;
    }
    scan.index = source.index;
    exit_code = range_open(&range, cli, &source);
    if (exit_code == CLI_OK)
        exit_code = print_scan(cli, &source, &range, &scan, slice_of_pack(&fields));
done:
    hf_pack_fini(&fields);
    range_fini(&range);
    return exit_code;
}

/* What was found in the range, and if that is nothing, why. */
static void range_print_number(const struct range *range, struct cli *cli,
                               const struct args_source *source, uint64_t number)
{
    output_number(cli, number);
    if (number == 0)
        range_explain_empty(range, cli, source);
}

static int verb_of_range(struct cli *cli, const struct args *args,
                         int (*call)(struct hf_conn *c, struct hf_txn *t, const char *store,
                                     const char *index, const struct hf_range *range,
                                     uint64_t *number))
{
    struct range range;
    struct args_source source;
    uint64_t number;
    int exit_code = CLI_USAGE;

    if (!range_init(&range, cli, args) || !source_init(&source, cli, args))
        goto done;
    exit_code = range_open(&range, cli, &source);
    if (exit_code)
        goto done;
    if (call(cli->conn, cli->txn, source.store, source.index, &range.range, &number) != HF_OK)
        exit_code = cli_failed(cli);
    else
        range_print_number(&range, cli, &source, number);
done:
    range_fini(&range);
    return exit_code;
}

int verb_count(struct cli *cli, const struct args *args)
{
    return verb_of_range(cli, args, hf_index_count);
}

int verb_size(struct cli *cli, const struct args *args)
{
    return verb_of_range(cli, args, hf_index_size);
}

int verb_delete_range(struct cli *cli, const struct args *args)
{
    struct hf_delete_range_options options = {.reverse = args_option(args, "reverse") != NULL};
    struct range range;
    struct args_source source;
    uint64_t deleted;
    int exit_code = CLI_USAGE;

    if (!range_init(&range, cli, args) || !source_init(&source, cli, args) ||
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
        output_number(cli, 0);
        goto done;
    }
    exit_code = range_open(&range, cli, &source);
    if (exit_code)
        goto done;
    if (args_option(args, "all") &&
        !confirm(cli, "Delete all records of store \"%s\"?", source.store)) {
        exit_code = CLI_USAGE;
        goto done;
    }
    if (hf_delete_range(cli->conn, cli->txn, source.store, &range.range, &options, &deleted) !=
        HF_OK)
        exit_code = cli_failed(cli);
    else
        range_print_number(&range, cli, &source, deleted);
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
