/* import.c - `import`: the records of a file into a store. */
#include "client/cli/import_internal.h"
#include "client/cli/interrupt.h"
#include "client/cli/json.h"
#include "client/cli/keypath.h"
#include "client/cli/output.h"
#include "client/cli/text.h"
#include "client/cli/value.h"
#include "client/cli/verbs.h"
#include "proto/msgpack.h"

#include <stdarg.h>

#define BATCH_RECORDS 500 /* by default */
#define IN_FLIGHT 16

/* ---- The store ---- */

/* The fields of the store's entry in what `stores` answers. */
struct store_entry {
    bool found;
    struct slice key; /* none: explicit */
    bool generate;
};

static void find_entry(struct hf_bytes stores, const char *store, struct store_entry *out)
{
    struct slice entry = value_find(slice_of(stores), "name", store);
    struct msgpack_cursor at = msgpack_open(value_field(entry, "generate"));

    out->found = !slice_is_none(entry);
    out->key = value_field(entry, "key");
    out->generate = false;
    msgpack_read_bool(&at, &out->generate);
}

/* The store is there: is it the one that was meant? */
static int check_key(struct import *im, const struct store_entry *entry, struct slice wanted)
{
    struct hf_pack text = {0};

    if (slice_is_none(wanted) ||
        (!slice_is_none(entry->key) && keypath_equal(entry->key, wanted)))
        return CLI_OK;
    text_printf(&text, "store \"%s\" already exists with ", im->store);
    if (slice_is_none(entry->key)) {
        text_append(&text, "explicit keys");
    } else {
        text_append(&text, "the key ");
        json_print(entry->key, JSON_TYPED, &text);
    }
    text_append(&text, ", not ");
    json_print(wanted, JSON_TYPED, &text);
    cli_usage(im->cli, "%.*s", (int)text.size, (const char *)text.data);
    hf_pack_fini(&text);
    return CLI_REFUSED;
}

static int create_store(struct import *im, const struct args *args, struct slice key)
{
    struct cli *cli = im->cli;
    struct hf_store_options options = {
        .key = {key.data, key.size},
        .generate = args_option(args, "generate") != NULL,
    };

    if (slice_is_none(key) && !args_option(args, "create") && !options.generate) {
        cli_usage(cli, "no store \"%s\"; use --key PATH,PATH or --create to create it",
                  im->store);
        return CLI_REFUSED;
    }
    if (hf_create_store(cli->conn, im->txn, im->store, &options) != HF_OK)
        return cli_failed(cli);
    im->created = !im->txn;
    return CLI_OK;
}

/* Nothing went into the store that was made for it: leave none behind. */
static void drop_created(struct import *im)
{
    struct hf_conn *c = im->cli->conn;
    struct hf_begin_options options = {.serializable = true, .label = im->cli->label};
    uint64_t records = 1;
    struct hf_txn *t;
    bool dropped;

    if (hf_conn_fd(c) < 0 || hf_txn_begin(c, &options, &t) != HF_OK)
        return;
    /* Somebody else may have put records into it meanwhile. */
    dropped = hf_count(c, t, im->store, NULL, &records) == HF_OK && records == 0 &&
              hf_drop_store(c, t, im->store) == HF_OK;
    if (!dropped)
        hf_txn_rollback(t);
    else if (hf_txn_commit(t, NULL, NULL) == HF_OK)
        cli_usage(im->cli, "store \"%s\", created for this import, was dropped again",
                  im->store);
}

/* Create the store if need be, and settle what lines look like. */
static int prepare_store(struct import *im, const struct args *args)
{
    const char *key_text = args_option(args, "key");
    struct cli *cli = im->cli;
    struct store_entry entry;
    struct hf_pack key = {0};
    struct hf_bytes stores;
    int exit_code = CLI_USAGE;

    if (key_text && !keypath_parse(cli, key_text, &key))
        goto done;
    if (hf_stores(cli->conn, im->txn, &stores) != HF_OK) {
        exit_code = cli_failed(cli);
        goto done;
    }
    find_entry(stores, im->store, &entry);
    if (entry.found) {
        im->rows = slice_is_none(entry.key) && !entry.generate;
        im->keyed = !slice_is_none(entry.key);
        exit_code = check_key(im, &entry, key.size ? slice_of_pack(&key) : SLICE_NONE);
    } else {
        im->rows = key.size == 0 && !args_option(args, "generate");
        im->keyed = key.size > 0;
        exit_code = create_store(im, args, key.size ? slice_of_pack(&key) : SLICE_NONE);
    }
    if (args_option(args, "rows"))
        im->rows = true;
    if (args_option(args, "records"))
        im->rows = false;
done:
    hf_pack_fini(&key);
    return exit_code;
}

/* ---- Limits ---- */

/* Ask what the server takes. False: the connection is lost. */
static bool read_limits(struct import *im)
{
    struct hf_conn *c = im->cli->conn;
    struct import_limits *l = &im->limits;
    struct hf_bytes hello;
    struct slice limits = SLICE_NONE;

    if (hf_hello(c, "holdfast " HF_VERSION_TEXT, &hello) == HF_OK)
        limits = value_field(slice_of(hello), "limits");
    else if (hf_conn_fd(c) < 0)
        return false;
    l->frame_bytes = value_field_uint(limits, "frame_bytes", 16u << 20);
    l->elements = value_field_uint(limits, "elements", 1000000);
    l->depth = value_field_uint(limits, "depth", MSGPACK_DEPTH_MAX);
    if (l->depth > MSGPACK_DEPTH_MAX)
        l->depth = MSGPACK_DEPTH_MAX;
    l->key_bytes = value_field_uint(limits, "key_bytes", 4096);
    l->result_bytes = value_field_uint(limits, "result_bytes", 4u << 20);
    l->requests = value_field_uint(limits, "requests_in_flight", 1024);
    l->transactions = value_field_uint(limits, "transactions", 1024);
    if (im->in_flight_max > l->requests)
        im->in_flight_max = (unsigned)l->requests;
    /* Each batch that skips is a transaction of its own. */
    if (im->on_exists == IMPORT_SKIP && !im->cli->txn && im->in_flight_max > l->transactions)
        im->in_flight_max = (unsigned)l->transactions;
    if (im->in_flight_max == 0)
        im->in_flight_max = 1;
    return true;
}

/* ---- Records ---- */

/* Take {"key": ..., "value": ...} apart. */
static bool split_row(struct slice line, struct slice *key, struct slice *value)
{
    struct msgpack_cursor c = msgpack_open(line);
    uint32_t pairs;

    *key = value_field(line, "key");
    *value = value_field(line, "value");
    return msgpack_read_map(&c, &pairs) == ERR_OK && pairs == 2 && !slice_is_none(*key) &&
           !slice_is_none(*value);
}

static void fail_line(struct import *im, uint64_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An error of the file and not of the server. */
static void fail_line(struct import *im, uint64_t line, const char *format, ...)
{
    struct hf_error error = {.code = HF_MISUSE};
    va_list args;

    va_start(args, format);
    vsnprintf(error.message, sizeof error.message, format, args);
    va_end(args);
    import_fail(im, line, &error);
}

/* How many values, and whether they nest deeper than depth_max. */
static bool measure(struct slice value, uint64_t depth_max, uint64_t *elements)
{
    struct msgpack_limits limits = {SIZE_MAX, UINT64_MAX, (unsigned)depth_max};
    struct msgpack_scan scan;
    bool ok;

    msgpack_scan_init(&scan);
    ok = msgpack_scan_feed(&scan, value.data, value.size, &limits) == ERR_OK;
    *elements += ok ? scan.elements : 0;
    return ok;
}

/* A server refuses a request over its limits, or ends the connection: better found here,
 * where the line is known. */
static bool line_fits(struct import *im, struct import_line *line)
{
    const struct import_limits *max = &im->limits;
    uint64_t run = max->depth > IMPORT_DEPTH_OF_RUN ? max->depth - IMPORT_DEPTH_OF_RUN : 0;
    uint64_t alone = max->depth > IMPORT_DEPTH_ALONE ? max->depth - IMPORT_DEPTH_ALONE : 0;

    line->elements = 0;
    line->deep = !measure(line->value, run, &line->elements);
    if (line->deep && !measure(line->value, alone, &line->elements)) {
        fail_line(im, line->line,
                  "nested deeper than %llu levels, the server's limit for a record",
                  (unsigned long long)alone);
        return false;
    }
    if (line->key.size && !measure(line->key, run, &line->elements)) {
        line->deep = true;
        measure(line->key, alone, &line->elements);
    }
    if (import_send_fits(im, line))
        return true;
    fail_line(im, line->line,
              "the record has %zu bytes and %llu elements; the server takes at most %llu bytes "
              "and %llu elements in a request",
              line->value.size + line->key.size, (unsigned long long)line->elements,
              (unsigned long long)max->frame_bytes, (unsigned long long)max->elements);
    return false;
}

/* The field of a map; none also if it is nil. */
static struct slice key_column(struct slice record, const char **name)
{
    struct slice key = value_field(record, *name = "$key");

    return slice_is_none(key) ? value_field(record, *name = "key") : key;
}

/* A record of a file with columns: the key is in "$key" or "key", a value that is not a map
 * in "$value", the fields of others in the rest. */
static bool split_columns(struct import *im, struct slice record, struct import_line *line)
{
    struct msgpack_cursor at = msgpack_open(record);
    const char *name;
    struct slice field, value;
    uint32_t pairs = 0;

    line->key = key_column(record, &name);
    line->value = value_field(record, "$value");
    if (slice_is_none(line->key)) {
        fail_line(im, line->line, "no key: expected a column \"$key\" or \"key\"");
        return false;
    }
    if (!slice_is_none(line->value))
        return true;
    msgpack_read_map(&at, &pairs);
    hf_pack_reset(&im->row);
    hf_pack_map(&im->row, pairs - 1);
    while (pairs-- > 0 && msgpack_read_text(&at, &field) == ERR_OK &&
           msgpack_skip(&at, MSGPACK_DEPTH_MAX, &value) == ERR_OK) {
        if (slice_equal(field, slice_text(name)))
            continue;
        hf_pack_text_bytes(&im->row, (struct hf_bytes){field.data, field.size});
        hf_pack_raw(&im->row, (struct hf_bytes){value.data, value.size});
    }
    line->value = slice_of_pack(&im->row);
    return true;
}

/* What was read, as a record. */
static bool take_record(struct import *im, struct slice packed, struct import_line *line)
{
    enum msgpack_type type;
    struct msgpack_cursor at = msgpack_open(packed);

    line->value = packed;
    line->key = SLICE_NONE;
    line->line = im->reader.first_line;
    line->line_end = im->reader.last_line;
    if (im->rows && im->reader.columns)
        return split_columns(im, packed, line);
    if (im->rows) {
        if (split_row(packed, &line->key, &line->value))
            return true;
        fail_line(im, line->line,
                  "expected {\"key\": ..., \"value\": ...}; --records reads values as records");
        return false;
    }
    if (im->keyed && msgpack_peek(&at, &type) == ERR_OK && type == MSGPACK_ARRAY) {
        fail_line(im, line->line, "expected an object, found an array%s",
                  im->reader.format.kind == FILE_MSGPACK
                      ? ""
                      : "; --format json reads a file that is one array");
        return false;
    }
    return true;
}

static void import_records(struct import *im)
{
    struct hf_pack packed = {0};
    struct import_line line;
    bool ok = true;

    while (ok && !im->failed) {
        enum reader_result result = READER_ONE;

        if (interrupt_seen()) {
            fail_line(im, 0, "interrupted");
            break;
        }
        result = reader_next(&im->reader, &packed);
        if (result == READER_FAILED)
            fail_line(im, im->reader.failed_line, "%s", im->reader.why);
        if (result != READER_ONE)
            break;
        ok = take_record(im, slice_of_pack(&packed), &line) && line_fits(im, &line) &&
             import_send_record(im, &line);
        progress_update(&im->progress, reader_done_bytes(&im->reader), im->sure + im->skipped);
    }
    if (im->failed)
        import_send_stop(im);
    else
        import_send_end(im);
    hf_pack_fini(&packed);
}

/* ---- The end ---- */

static void report_failure(struct import *im)
{
    const char *counted = im->reader.format.kind == FILE_MSGPACK ? " record " : "";
    char prefix[4200];

    prefix[0] = '\0';
    if (im->failed_line && im->failed_line_to > im->failed_line)
        snprintf(prefix, sizeof prefix, "%.4000s:%s%llu to %llu: ", im->file, counted,
                 (unsigned long long)im->failed_line, (unsigned long long)im->failed_line_to);
    else if (im->failed_line)
        snprintf(prefix, sizeof prefix, "%.4000s:%s%llu: ", im->file, counted,
                 (unsigned long long)im->failed_line);
    im->error.maybe_committed = false; /* said below, by lines */
    cli_report(im->cli, prefix, &im->error);
}

/* What of the file is in the store, after batches of it failed. */
static void report_sure(struct import *im)
{
    const char *unit = file_format_unit(&im->reader.format);
    struct hf_pack text = {0};

    text_printf(&text, "%llu record%s committed", (unsigned long long)im->sure,
                im->sure == 1 ? "" : "s");
    if (im->sure_line)
        text_printf(&text, " (%ss 1-%llu)", unit, (unsigned long long)im->sure_line);
    if (im->sure_later)
        text_printf(&text, ", %llu of them from later %ss", (unsigned long long)im->sure_later,
                    unit);
    if (im->unknown)
        text_printf(&text,
                    "; from %s %llu on the outcome is unknown: no reply came for %llu records "
                    "up to %s %llu",
                    unit, (unsigned long long)im->sure_line + 1,
                    (unsigned long long)im->unknown, unit, (unsigned long long)im->sent_line);
    if (im->skipped)
        text_printf(&text, "; %llu already existed", (unsigned long long)im->skipped);
    cli_usage(im->cli, "%.*s", (int)text.size, (const char *)text.data);
    hf_pack_fini(&text);
}

static void report_success(struct import *im)
{
    double seconds = progress_seconds(&im->progress);
    FILE *out = im->cli->out;

    if (!cli_tables(im->cli)) {
        fprintf(out, "{\"records\":%llu,\"skipped\":%llu}\n", (unsigned long long)im->sure,
                (unsigned long long)im->skipped);
        return;
    }
    fprintf(out, "%llu record%s", (unsigned long long)im->sure, im->sure == 1 ? "" : "s");
    if (im->skipped)
        fprintf(out, ", %llu skipped", (unsigned long long)im->skipped);
    fprintf(out, ", in %.1f s (%.0f/s)\n", seconds,
            seconds > 0 ? (double)im->read / seconds : 0.0);
}

bool import_begin(struct import *im, struct cli *cli, const char *store, const char *file)
{
    memset(im, 0, sizeof *im);
    im->cli = cli;
    im->store = store;
    im->file = file;
    im->batch_max = BATCH_RECORDS;
    im->in_flight_max = IN_FLIGHT;
    return read_limits(im) && import_send_init(im);
}

bool import_take(struct import *im, struct import_line *line)
{
    return line_fits(im, line) && import_send_record(im, line) && !im->failed;
}

int import_end(struct import *im)
{
    if (im->failed)
        import_send_stop(im);
    else
        import_send_end(im);
    if (im->failed)
        report_failure(im);
    import_send_fini(im);
    return im->exit_code;
}

/* End the import's own transaction. */
static void finish_txn(struct import *im)
{
    struct hf_txn *t = im->txn;
    struct cli *cli = im->cli;

    if (im->failed) {
        hf_txn_rollback(t);
        report_failure(im);
        cli_usage(cli, "nothing was imported");
        return;
    }
    if (hf_txn_commit(t, NULL, NULL) == HF_OK) {
        report_success(im);
        return;
    }
    im->exit_code = cli_report(cli, "", hf_conn_error(cli->conn));
    if (!hf_conn_error(cli->conn)->maybe_committed)
        cli_usage(cli, "nothing was imported");
}

static int import_run(struct import *im, const struct args *args)
{
    struct cli *cli = im->cli;
    struct hf_begin_options begin = {.label = cli->label,
                                     .on_error_continue = im->on_exists == IMPORT_SKIP};
    int exit_code;

    if (!read_limits(im))
        return cli_failed(cli);
    im->txn = cli->txn;
    im->own_txn = !cli->txn && args_option(args, "transaction");
    if (im->own_txn && hf_txn_begin(cli->conn, &begin, &im->txn) != HF_OK)
        return cli_failed(cli);
    exit_code = prepare_store(im, args);
    if (exit_code == CLI_OK && !import_send_init(im))
        exit_code = cli_usage(cli, "out of memory");
    if (exit_code != CLI_OK) {
        if (im->own_txn)
            hf_txn_rollback(im->txn);
        return exit_code;
    }
    progress_begin(&im->progress, cli->err_is_terminal ? cli->err : NULL, true,
                   im->reader.bytes_total);
    import_records(im);
    progress_clear(&im->progress);
    if (im->own_txn) {
        finish_txn(im);
    } else if (im->failed) {
        report_failure(im);
        if (im->txn)
            cli->txn_failed = cli->txn_failed || !cli->txn_continue;
        else
            report_sure(im);
        if (im->created && im->sure == 0 && im->unknown == 0 && im->skipped == 0)
            drop_created(im);
    } else {
        report_success(im);
    }
    return im->exit_code;
}

/* --batch, --in-flight, --on-exists. */
static bool read_options(struct import *im, const struct args *args)
{
    const char *on_exists = args_option(args, "on-exists");
    uint64_t batch = BATCH_RECORDS, in_flight = IN_FLIGHT;

    if (!args_number(im->cli, args, "batch", &batch) ||
        !args_number(im->cli, args, "in-flight", &in_flight))
        return false;
    if (batch < 1 || batch > IMPORT_BATCH_RECORDS_MAX || in_flight < 1 ||
        in_flight > IMPORT_IN_FLIGHT_MAX) {
        cli_usage(im->cli, "--batch takes 1 to %d, --in-flight 1 to %d",
                  IMPORT_BATCH_RECORDS_MAX, IMPORT_IN_FLIGHT_MAX);
        return false;
    }
    im->batch_max = (unsigned)batch;
    im->in_flight_max = (unsigned)in_flight;
    /* Requests of single records are small: as many as batches would hold, within what a
     * server takes. */
    if (im->cli->txn || args_option(args, "transaction"))
        im->in_flight_max = 900;
    if (!on_exists || strcmp(on_exists, "replace") == 0) {
        im->on_exists = IMPORT_REPLACE;
    } else if (strcmp(on_exists, "fail") == 0) {
        im->on_exists = IMPORT_FAIL;
    } else if (strcmp(on_exists, "skip") == 0) {
        im->on_exists = IMPORT_SKIP;
    } else {
        cli_usage(im->cli, "--on-exists takes replace, fail or skip, not \"%.40s\"", on_exists);
        return false;
    }
    if (args_option(args, "rows") && args_option(args, "records")) {
        cli_usage(im->cli, "--rows and --records cannot be combined");
        return false;
    }
    if (im->on_exists == IMPORT_SKIP && im->cli->txn && !im->cli->txn_continue) {
        cli_usage(im->cli, "--on-exists skip needs a transaction begun with `begin continue`");
        return false;
    }
    return true;
}

int verb_import(struct cli *cli, const struct args *args)
{
    const char *path = args->count > 1 ? args->positional[1] : "-";
    struct import im = {.cli = cli, .file = strcmp(path, "-") == 0 ? "standard input" : path};
    struct file_format format;
    char name[256];
    int exit_code = CLI_USAGE;

    im.store = cli_store(cli, args->positional[0], name);
    if (!im.store || !read_options(&im, args))
        return CLI_USAGE;
    if (strcmp(path, "-") == 0 && cli->in_shell)
        return cli_usage(cli, "in the shell, import needs a file");
    if (!file_format_choose(cli, path, cli->format, &format))
        return CLI_USAGE;
    interrupt_lets_finish(); /* a batch on its way is in or not, and it is said which */
    if (!reader_open(&im.reader, cli, path, &format, args_option(args, "types"))) {
        reader_close(&im.reader);
        return CLI_USAGE;
    }
    exit_code = cli_connect(cli);
    if (exit_code == CLI_OK) {
        interrupt_catch(); /* it stops and says what is in */
        exit_code = import_run(&im, args);
    }
    import_send_fini(&im);
    hf_pack_fini(&im.row);
    reader_close(&im.reader);
    return exit_code;
}
