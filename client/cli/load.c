/* load.c - `load`: what `dump` has written into a database. Nothing is done before it is known
 * that the file is whole and none of its stores are there; stores and indexes are made in one
 * transaction; records go the way of `import`. */
#include "client/cli/dump.h"
#include "client/cli/gzip.h"
#include "client/cli/import_internal.h"
#include "client/cli/interrupt.h"
#include "client/cli/output.h"
#include "client/cli/value.h"
#include "client/cli/verbs.h"
#include "proto/msgpack.h"

#include <errno.h>
#include <unistd.h>

struct load_job {
    struct cli *cli;
    const char *path;
    struct reader reader;
    struct hf_pack packed; /* the line */
    struct import import;  /* of the store at work */
    bool importing;
    char store[256];
    uint64_t stores, records;
    bool ended; /* the last line has come */
};

/* ---- Lines ---- */

static struct hf_bytes part(const struct load_job *l, uint32_t place)
{
    return hf_element(hf_pack_bytes(&l->packed), place);
}

static bool is_op(const struct load_job *l, const char *name)
{
    return hf_text_is(part(l, 0), name);
}

static int bad_line(struct load_job *l, const char *why)
{
    return cli_usage(l->cli, "%s:%llu: %s", l->path, (unsigned long long)l->reader.first_line,
                     why);
}

/* The next line into l->packed. READER_FAILED: a message was printed. */
static enum reader_result next_line(struct load_job *l)
{
    enum reader_result result = reader_next(&l->reader, &l->packed);

    if (result == READER_FAILED)
        cli_usage(l->cli, "%s:%llu: %s", l->path, (unsigned long long)l->reader.failed_line,
                  l->reader.why);
    return result;
}

/* ---- Is it whole? ---- */

#define END_BYTES 4096 /* the last line has fewer */

/* Read a file to its end and look at its last line. False: a message was printed. */
static bool look_at_end(struct load_job *l)
{
    static const char sign[] = "[\"end\"";
    FILE *lower = fopen(l->path, "re"), *file = lower;
    char bytes[2 * END_BYTES + 1];
    size_t held = 0, n;
    bool whole = false;

    if (!lower) {
        cli_usage(l->cli, "cannot open %s: %s", l->path, strerror(errno));
        return false;
    }
    if (gzip_is(lower))
        file = gzip_reader(lower);
    while (file && (n = fread(bytes + held, 1, END_BYTES, file)) > 0) {
        held += n;
        if (held > END_BYTES) {
            memmove(bytes, bytes + held - END_BYTES, END_BYTES);
            held = END_BYTES;
        }
        if (interrupt_seen())
            break;
    }
    bytes[held] = '\0';
    while (held > 0 && bytes[held - 1] == '\n')
        bytes[--held] = '\0';
    while (held > 0 && bytes[held - 1] != '\n')
        held--;
    whole = file && !ferror(file) && strncmp(bytes + held, sign, sizeof sign - 1) == 0;
    if (file && file != lower)
        fclose(file);
    fclose(lower);
    if (!whole)
        cli_usage(l->cli,
                  "%s is not a complete dump: its last line is not [\"end\", ...]; nothing "
                  "was loaded",
                  l->path);
    return whole;
}

/* ---- Stores and indexes ---- */

/* Call the line's method in t. */
static int replay(struct load_job *l, struct hf_txn *t)
{
    struct hf_bytes method = part(l, 0), result, value;
    struct hf_walk walk = hf_walk(hf_pack_bytes(&l->packed));
    struct hf_pack params = {0};
    char name[64];
    int exit_code = CLI_OK;

    hf_read_string(method, name, sizeof name);
    hf_pack_array(&params, hf_length(hf_pack_bytes(&l->packed)));
    hf_pack_uint(&params, hf_txn_handle(t));
    hf_walk_next(&walk, NULL, &value);
    while (hf_walk_next(&walk, NULL, &value))
        hf_pack_raw(&params, value);
    if (hf_call(l->cli->conn, name, hf_pack_bytes(&params), &result) != HF_OK) {
        char prefix[300];

        snprintf(prefix, sizeof prefix, "%.200s:%llu: ", l->path,
                 (unsigned long long)l->reader.first_line);
        exit_code = cli_report(l->cli, prefix, hf_conn_error(l->cli->conn));
    }
    hf_pack_fini(&params);
    return exit_code;
}

/* All up to the first record, which is in l->packed then, as one transaction. */
static int load_schema(struct load_job *l)
{
    struct hf_begin_options options = {.label = "load"};
    enum reader_result result;
    struct hf_txn *t;
    int exit_code = CLI_OK;

    if (hf_txn_begin(l->cli->conn, &options, &t) != HF_OK)
        return cli_failed(l->cli);
    while ((result = next_line(l)) == READER_ONE &&
           (is_op(l, "create_store") || is_op(l, "create_index")) && exit_code == CLI_OK) {
        l->stores += is_op(l, "create_store");
        exit_code = replay(l, t);
    }
    if (result == READER_FAILED)
        exit_code = CLI_USAGE;
    if (result == READER_END)
        exit_code = cli_usage(l->cli, "%s: the dump ends before its last line", l->path);
    if (exit_code == CLI_OK && hf_txn_commit(t, NULL, NULL) != HF_OK)
        exit_code = cli_failed(l->cli);
    else if (exit_code != CLI_OK)
        hf_txn_rollback(t);
    if (exit_code != CLI_OK)
        cli_usage(l->cli, "nothing was loaded");
    return exit_code;
}

/* ---- Records ---- */

static int end_store(struct load_job *l)
{
    int exit_code;

    if (!l->importing)
        return CLI_OK;
    l->importing = false;
    exit_code = import_end(&l->import);
    l->records += l->import.sure;
    return exit_code;
}

/* A record: ["put", store, value] or ["put", store, value, key]. */
static int load_record(struct load_job *l)
{
    struct hf_bytes value = part(l, 2), key = part(l, 3);
    struct import_line line = {
        .value = slice_of(value),
        .key = key.data ? slice_of(key) : SLICE_NONE,
        .line = l->reader.first_line,
        .line_end = l->reader.last_line,
    };
    char store[256];
    int exit_code;

    if (hf_read_string(part(l, 1), store, sizeof store) != HF_OK || !value.data)
        return bad_line(l, "expected [\"put\", STORE, VALUE] or [\"put\", STORE, VALUE, KEY]");
    if (!l->importing || strcmp(store, l->store) != 0) {
        exit_code = end_store(l);
        if (exit_code)
            return exit_code;
        memcpy(l->store, store, sizeof store);
        if (!import_begin(&l->import, l->cli, l->store, l->path))
            return cli_usage(l->cli, "out of memory");
        l->importing = true;
    }
    return import_take(&l->import, &line) ? CLI_OK : end_store(l);
}

static int load_line(struct load_job *l)
{
    int exit_code;

    if (is_op(l, "put"))
        return load_record(l);
    exit_code = end_store(l);
    if (exit_code)
        return exit_code;
    if (is_op(l, "delete")) {
        l->records--; /* of a generator: the record before it */
        return replay(l, NULL);
    }
    if (!is_op(l, "end"))
        return bad_line(l, "expected [\"put\", ...], [\"delete\", ...] or [\"end\", ...]");
    l->ended = true;
    return CLI_OK;
}

static int load_records(struct load_job *l)
{
    enum reader_result result = READER_ONE;
    int exit_code = CLI_OK;

    /* The first one has been read. */
    while (exit_code == CLI_OK && !l->ended && result == READER_ONE) {
        exit_code = interrupt_seen() ? cli_usage(l->cli, "interrupted") : load_line(l);
        if (exit_code == CLI_OK && !l->ended)
            result = next_line(l);
    }
    if (l->importing && (exit_code || result != READER_ONE)) {
        int ended = end_store(l);

        exit_code = exit_code ? exit_code : ended;
    }
    if (exit_code == CLI_OK && result == READER_FAILED)
        exit_code = CLI_USAGE;
    if (exit_code == CLI_OK && !l->ended)
        exit_code = cli_usage(l->cli, "%s: the dump ends before its last line", l->path);
    if (exit_code)
        cli_usage(l->cli,
                  "only part of the dump was loaded (%llu records); drop its stores before "
                  "loading it again",
                  (unsigned long long)l->records);
    return exit_code;
}

/* What the last line says is what was counted. */
static int check_counts(struct load_job *l)
{
    struct hf_bytes counts = part(l, 1);
    uint64_t stores = value_field_uint(slice_of(counts), "stores", 0);
    uint64_t records = value_field_uint(slice_of(counts), "records", 0);

    if (stores != l->stores || records != l->records)
        return cli_usage(l->cli,
                         "%s: %llu stores and %llu records were loaded, but the dump had %llu "
                         "and %llu",
                         l->path, (unsigned long long)l->stores, (unsigned long long)l->records,
                         (unsigned long long)stores, (unsigned long long)records);
    if (cli_tables(l->cli))
        fprintf(l->cli->out, "%llu stores, %llu records\n", (unsigned long long)l->stores,
                (unsigned long long)l->records);
    else
        fprintf(l->cli->out, "{\"stores\":%llu,\"records\":%llu}\n",
                (unsigned long long)l->stores, (unsigned long long)l->records);
    return CLI_OK;
}

static int check_head(struct load_job *l)
{
    uint64_t format;

    if (next_line(l) != READER_ONE || !is_op(l, "dump"))
        return cli_usage(l->cli, "%s is not a dump: its first line is not [\"dump\", ...]",
                         l->path);
    format = value_field_uint(slice_of(part(l, 1)), "format", 0);
    if (format != DUMP_FORMAT)
        return cli_usage(l->cli, "%s has format %llu; this client supports format %d", l->path,
                         (unsigned long long)format, DUMP_FORMAT);
    return CLI_OK;
}

static int load_run(struct load_job *l)
{
    int exit_code = check_head(l);

    if (exit_code == CLI_OK)
        exit_code = cli_connect(l->cli);
    if (exit_code == CLI_OK)
        exit_code = load_schema(l);
    if (exit_code == CLI_OK)
        exit_code = load_records(l);
    return exit_code == CLI_OK ? check_counts(l) : exit_code;
}

int load_file(struct cli *cli, const char *path)
{
    struct file_format format = {FILE_NDJSON, false};
    struct load_job l = {.cli = cli, .path = strcmp(path, "-") == 0 ? "standard input" : path};
    unsigned style = cli->style;
    int exit_code = CLI_USAGE;

    if (!dump_is_packed(cli, path, &format.gzip))
        return CLI_USAGE;
    if (cli->txn)
        return cli_usage(cli, "load makes transactions of its own; commit or roll back first");
    if (strcmp(path, "-") == 0 && cli->in_shell)
        return cli_usage(cli, "in the shell, load needs a file");
    interrupt_lets_finish();
    cli->style = 0;
    if (access(path, F_OK) == 0 && strcmp(path, "-") != 0 && !look_at_end(&l))
        return CLI_USAGE;
    if (reader_open(&l.reader, cli, path, &format, NULL)) {
        interrupt_catch();
        exit_code = load_run(&l);
    }
    cli->style = style;
    reader_close(&l.reader);
    hf_pack_fini(&l.packed);
    return exit_code;
}

int verb_load(struct cli *cli, const struct args *args)
{
    return load_file(cli, args->positional[0]);
}
