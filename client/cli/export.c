/* export.c - `export`: the records of a store to a file. */
#include "client/cli/csv.h"
#include "client/cli/fields.h"
#include "client/cli/file_format.h"
#include "client/cli/interrupt.h"
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "client/cli/out_file.h"
#include "client/cli/progress.h"
#include "client/cli/range.h"
#include "client/cli/reader.h"
#include "client/cli/text.h"
#include "client/cli/value.h"
#include "client/cli/verbs.h"
#include "proto/msgpack.h"

/* What the cursor needs, and where records go. */
struct export_job {
    struct cli *cli;
    struct args_source source; /* a store */
    const char *path;          /* "-": standard output */
    struct file_format format;
    struct out_file file;
    bool rows;      /* records stand beside their key */
    struct hf_txn *txn; /* in which it is read; the shell's, or own_txn */
    bool own_txn;
    struct hf_scan_options scan;
    struct range range;
    struct hf_pack fields;  /* as of fields.h; of columns all of them once they are found */
    struct hf_pack columns; /* names found so far, texts one behind the other */
    uint32_t column_count;
    bool has_values; /* of columns: there are records that are no maps */
    uint64_t count;  /* records written */
};

static bool has_columns(const struct export_job *job)
{
    return job->format.kind == FILE_CSV || job->format.kind == FILE_TSV;
}

/* Records suffice where their key is in them: `import` finds it there again. */
static int settle_records(struct export_job *job, const struct args *args)
{
    struct cli *cli = job->cli;
    struct hf_bytes stores;
    struct slice entry;

    if (args_option(args, "rows") || args_option(args, "records")) {
        job->rows = args_option(args, "rows") != NULL;
        return CLI_OK;
    }
    if (hf_stores(cli->conn, job->txn, &stores) != HF_OK)
        return cli_failed(cli);
    entry = value_find(slice_of(stores), "name", job->source.store);
    job->rows = slice_is_none(value_field(entry, "key"));
    return CLI_OK;
}

/* ---- Writing ---- */

static void write_cells(struct export_job *job, const struct hf_row *row, struct slice value,
                        struct hf_pack *text)
{
    bool tsv = job->format.kind == FILE_TSV;
    unsigned style = job->cli->style;
    bool is_map = hf_type((struct hf_bytes){value.data, value.size}) == HF_TYPE_MAP;
    unsigned cells = 0;

    if (job->rows) {
        csv_print(slice_of(row->key), tsv, style, text);
        cells++;
    }
    if (job->has_values) {
        text_append(text, cells++ ? (tsv ? "\t" : ",") : "");
        if (!is_map)
            csv_print(value, tsv, style, text);
    }
    for (uint32_t i = 0; i < job->column_count; i++) {
        text_append(text, cells++ ? (tsv ? "\t" : ",") : "");
        if (is_map)
            csv_print(fields_value(slice_of_pack(&job->fields), i, value), tsv, style, text);
    }
    text_append(text, tsv ? "\n" : "\r\n");
}

static void write_head(struct export_job *job)
{
    struct hf_pack text = {0};
    bool tsv = job->format.kind == FILE_TSV;
    unsigned cells = 0;

    if (job->format.kind == FILE_JSON)
        text_append(&text, "[");
    if (has_columns(job) && job->rows) {
        text_append(&text, "$key");
        cells++;
    }
    if (has_columns(job) && job->has_values)
        text_append(&text, cells++ ? (tsv ? "\t$value" : ",$value") : "$value");
    for (uint32_t i = 0; has_columns(job) && i < job->column_count; i++) {
        text_append(&text, cells++ ? (tsv ? "\t" : ",") : "");
        csv_print_name(fields_name(slice_of_pack(&job->fields), i), tsv, &text);
    }
    text_append(&text, !has_columns(job) ? "" : tsv ? "\n" : "\r\n");
    if (text.size > 0)
        fwrite(text.data, 1, text.failed ? 0 : text.size, job->file.out);
    hf_pack_fini(&text);
}

static void write_row(struct export_job *job, const struct hf_row *row, struct hf_pack *text)
{
    struct slice value = slice_of(row->value);
    struct hf_pack some = {0};

    hf_pack_reset(text);
    if (job->fields.size > 0 && !has_columns(job)) {
        fields_take(slice_of_pack(&job->fields), value, &some);
        value = slice_of_pack(&some);
    }
    if (job->format.kind == FILE_JSON)
        text_append(text, job->count > 0 ? ",\n" : "\n");
    if (has_columns(job)) {
        write_cells(job, row, value, text);
    } else if (job->format.kind == FILE_MSGPACK) {
        if (job->rows)
            hf_packf(text, "{'key': v, 'value': v}", row->key,
                     (struct hf_bytes){value.data, value.size});
        else
            hf_pack_raw(text, (struct hf_bytes){value.data, value.size});
    } else {
        if (job->rows) {
            text_append(text, "{\"key\":");
            json_print(slice_of(row->key), job->cli->style, text);
            text_append(text, ",\"value\":");
        }
        json_print(value, job->cli->style, text);
        text_append(text, job->rows ? "}" : "");
        text_append(text, job->format.kind == FILE_JSON ? "" : "\n");
    }
    fwrite(text->data, 1, text->failed ? 0 : text->size, job->file.out);
    hf_pack_fini(&some);
    job->count++;
}

/* ---- Columns ---- */

/* The names of the fields that records have, in the order in which they come first. */
static bool note_columns(struct export_job *job, const struct hf_row *row)
{
    struct hf_walk walk = hf_walk(row->value);
    struct hf_bytes name, ignored;

    if (hf_type(row->value) != HF_TYPE_MAP) {
        job->has_values = true;
        return true;
    }
    while (hf_walk_next(&walk, &name, &ignored)) {
        struct msgpack_cursor at =
            msgpack_open(slice_make(job->columns.data, job->columns.size));
        struct slice known;
        uint32_t i = 0;

        while (i < job->column_count && msgpack_skip(&at, 1, &known) == ERR_OK &&
               !slice_equal(known, slice_of(name)))
            i++;
        if (i < job->column_count)
            continue;
        if (hf_type(name) != HF_TYPE_TEXT || job->column_count == READER_COLUMNS_MAX) {
            cli_usage(job->cli, "a record has %s: columns cannot hold it, NDJSON can",
                      hf_type(name) == HF_TYPE_TEXT ? "too many fields"
                                                    : "a field whose name is not text");
            return false;
        }
        hf_pack_raw(&job->columns, name);
        job->column_count++;
    }
    return !job->columns.failed;
}

/* The columns found as fields: each with its own name as its path. */
static void settle_columns(struct export_job *job)
{
    struct msgpack_cursor at = msgpack_open(slice_of_pack(&job->columns));
    struct slice name;

    hf_pack_array(&job->fields, job->column_count);
    while (msgpack_skip(&at, 1, &name) == ERR_OK) {
        hf_pack_array(&job->fields, 2);
        hf_pack_raw(&job->fields, (struct hf_bytes){name.data, name.size});
        hf_pack_raw(&job->fields, (struct hf_bytes){name.data, name.size});
    }
}

/* ---- Reading ---- */

/* Go through all records: to find their columns (text NULL), or to write them. HF_END: done. */
static int walk_records(struct export_job *job, struct progress *progress, struct hf_pack *text)
{
    struct cli *cli = job->cli;
    struct hf_cursor *cursor;
    struct hf_row row;
    uint64_t count = 0;
    int e = hf_cursor_open(cli->conn, job->txn, job->source.store, &job->range.range,
                           &job->scan, &cursor);

    if (e)
        return e;
    while ((e = hf_cursor_next(cursor, &row)) == HF_OK && !ferror(job->file.out) &&
           !interrupt_seen()) {
        if (text)
            write_row(job, &row, text);
        else if (!note_columns(job, &row))
            break;
        progress_update(progress, count, count);
        count++;
    }
    hf_cursor_close(cursor);
    return e;
}

/* Columns that nobody has named are looked for first, in the same snapshot. */
static int find_columns(struct export_job *job, struct progress *progress)
{
    int e = HF_END;

    if (has_columns(job) && job->fields.size == 0) {
        e = walk_records(job, progress, NULL);
        settle_columns(job);
    } else if (has_columns(job)) {
        job->column_count = hf_length(hf_pack_bytes(&job->fields));
    }
    return e;
}

static int export_rows(struct export_job *job)
{
    struct cli *cli = job->cli;
    struct progress progress;
    struct hf_pack text = {0};
    uint64_t total = 0;
    int e, exit_code = CLI_OK;

    /* For the bar only; the scan's own moment decides what is written. */
    if (cli->err_is_terminal &&
        hf_count(cli->conn, job->txn, job->source.store, &job->range.range, &total) != HF_OK)
        return cli_failed(cli);
    if (job->scan.has_limit && job->scan.limit < total)
        total = job->scan.limit;
    progress_begin(&progress, cli->err_is_terminal ? cli->err : NULL, false, total);
    e = find_columns(job, &progress);
    if (e == HF_END) {
        write_head(job);
        e = walk_records(job, &progress, &text);
    }
    if (e == HF_END && job->format.kind == FILE_JSON)
        fputs(job->count ? "\n]\n" : "]\n", job->file.out);
    progress_clear(&progress);
    if (e != HF_END) {
        exit_code = e != HF_OK         ? cli_failed(cli)
                    : interrupt_seen() ? cli_usage(cli, "interrupted")
                                       : CLI_USAGE; /* said already, or of the file */
        if (job->file.keeps)
            cli_usage(cli, "%s was not written", job->path);
        else if (!ferror(job->file.out))
            cli_usage(cli, "the output is incomplete: %llu records were written",
                      (unsigned long long)job->count);
    }
    hf_pack_fini(&text);
    if (e == HF_END && job->count == 0 && !job->scan.has_limit)
        range_explain_empty(&job->range, cli, &job->source);
    if (exit_code == CLI_OK && job->file.out != cli->out && cli_tables(cli))
        fprintf(cli->out, "%llu record%s\n", (unsigned long long)job->count,
                job->count == 1 ? "" : "s");
    return exit_code;
}

/* Two walks have one snapshot only in a transaction. */
static int begin_reading(struct export_job *job)
{
    struct hf_begin_options options = {.read_only = true, .label = "export"};
    struct cli *cli = job->cli;

    job->txn = cli->txn;
    if (cli->txn || !has_columns(job) || job->fields.size > 0)
        return CLI_OK;
    if (hf_txn_begin(cli->conn, &options, &job->txn) != HF_OK)
        return cli_failed(cli);
    job->own_txn = true;
    return CLI_OK;
}

static int export_run(struct export_job *job, const struct args *args)
{
    int exit_code = range_open(&job->range, job->cli, &job->source);

    if (exit_code == CLI_OK)
        exit_code = begin_reading(job);
    if (exit_code == CLI_OK)
        exit_code = settle_records(job, args);
    job->scan.values_only = !job->rows;
    if (exit_code == CLI_OK &&
        !out_file_open(&job->file, job->cli, job->path, job->format.gzip))
        exit_code = CLI_USAGE;
    else if (exit_code == CLI_OK)
        exit_code = out_file_close(&job->file, job->cli, export_rows(job));
    if (job->own_txn)
        hf_txn_rollback(job->txn);
    return exit_code;
}

int verb_export(struct cli *cli, const struct args *args)
{
    struct export_job job = {
        .cli = cli,
        .path = args->count > 1 ? args->positional[1] : "-",
        .scan = {.reverse = args_option(args, "reverse") != NULL,
                 .has_limit = args_option(args, "limit") != NULL,
                 .fetch_ahead = true},
    };
    const char *fields = args_option(args, "fields");
    int exit_code = CLI_USAGE;

    if (!range_init(&job.range, cli, args) || !source_init(&job.source, cli, args) ||
        !args_number(cli, args, "limit", &job.scan.limit) ||
        !file_format_choose(cli, job.path, cli->format, &job.format) ||
        (fields && !fields_parse(cli, fields, &job.fields)))
        goto done;
    if (args_option(args, "rows") && args_option(args, "records")) {
        cli_usage(cli, "--rows and --records cannot be combined");
        goto done;
    }
    exit_code = export_run(&job, args);
done:
    hf_pack_fini(&job.fields);
    hf_pack_fini(&job.columns);
    range_fini(&job.range);
    return exit_code;
}
