/* export.c - `export`: the records of a store to a file, a line each. */
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/range.h"
#include "client/cli/text.h"
#include "client/cli/value.h"
#include "client/cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the cursor needs, and where lines go. */
struct export_job {
    struct cli *cli;
    struct args_source source; /* a store */
    const char *path; /* "-": standard output */
    bool keeps;       /* a failure leaves what was at path */
    FILE *out;
    bool rows; /* lines are {"key": ..., "value": ...} */
    struct hf_scan_options scan;
    struct range range;
};

/* Records suffice where their key is in them: `import` finds it there again. */
static int settle_lines(struct export_job *job, const struct args *args)
{
    struct cli *cli = job->cli;
    struct hf_bytes stores;
    struct slice entry;

    if (args_option(args, "rows") || args_option(args, "records")) {
        job->rows = args_option(args, "rows") != NULL;
        return CLI_OK;
    }
    if (hf_stores(cli->conn, cli->txn, &stores) != HF_OK)
        return cli_failed(cli);
    entry = value_find(slice_of(stores), "name", job->source.store);
    job->rows = slice_is_none(value_field(entry, "key"));
    return CLI_OK;
}

static void write_row(struct export_job *job, const struct hf_row *row, struct hf_pack *text)
{
    hf_pack_reset(text);
    if (job->rows) {
        text_append(text, "{\"key\":");
        json_print(slice_of(row->key), job->cli->style, text);
        text_append(text, ",\"value\":");
    }
    json_print(slice_of(row->value), job->cli->style, text);
    text_append(text, job->rows ? "}\n" : "\n");
    fwrite(text->data, 1, text->failed ? 0 : text->size, job->out);
}

static int export_rows(struct export_job *job)
{
    struct cli *cli = job->cli;
    struct progress progress;
    struct hf_cursor *cursor;
    struct hf_row row;
    struct hf_pack text = {0};
    uint64_t total = 0, count = 0;
    int e, exit_code = CLI_OK;

    /* For the bar only; the scan's own moment decides what is written. */
    if (cli->err_is_terminal &&
        hf_count(cli->conn, cli->txn, job->source.store, &job->range.range, &total) != HF_OK)
        return cli_failed(cli);
    if (job->scan.has_limit && job->scan.limit < total)
        total = job->scan.limit;
    if (hf_cursor_open(cli->conn, cli->txn, job->source.store, &job->range.range, &job->scan,
                       &cursor) != HF_OK)
        return cli_failed(cli);
    progress_begin(&progress, cli->err_is_terminal ? cli->err : NULL, false, total);
    while ((e = hf_cursor_next(cursor, &row)) == HF_OK && !ferror(job->out)) {
        write_row(job, &row, &text);
        count++;
        progress_update(&progress, count, count);
    }
    progress_clear(&progress);
    if (e != HF_OK && e != HF_END) {
        exit_code = cli_failed(cli);
        if (job->keeps)
            cli_usage(cli, "%s was not written", job->path);
        else
            cli_usage(cli, "the output is incomplete: %llu records were written",
                      (unsigned long long)count);
    }
    hf_cursor_close(cursor);
    hf_pack_fini(&text);
    if (e == HF_END && count == 0 && !job->scan.has_limit)
        range_explain_empty(&job->range, cli, &job->source);
    if (exit_code == CLI_OK && job->out != cli->out && cli_tables(cli))
        fprintf(cli->out, "%llu records\n", (unsigned long long)count);
    return exit_code;
}

/* A new file beside the one that is to be replaced, so that the old one stays until the new
 * one is whole. */
struct beside {
    char target[PATH_MAX]; /* what is replaced; links are followed */
    char path[PATH_MAX];   /* while it is written */
};

/* The permissions of the file that is replaced, or those of any new file. */
static mode_t beside_mode(const struct beside *b)
{
    struct stat info;
    mode_t mask;

    if (stat(b->target, &info) == 0)
        return info.st_mode & 0777;
    mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

/* NULL: errno. */
static FILE *beside_open(struct beside *b, const char *path)
{
    FILE *file;
    int fd, n;

    if (!realpath(path, b->target))
        snprintf(b->target, sizeof b->target, "%s", path);
    n = snprintf(b->path, sizeof b->path, "%s.partial-XXXXXX", b->target);
    if (n < 0 || (size_t)n >= sizeof b->path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    fd = mkostemp(b->path, O_CLOEXEC);
    if (fd < 0)
        return NULL;
    file = fdopen(fd, "w");
    if (!file || fchmod(fd, beside_mode(b)) != 0) {
        int e = errno;

        unlink(b->path);
        if (file)
            fclose(file);
        else
            close(fd);
        errno = e;
        return NULL;
    }
    return file;
}

/* Whether path is there and no file that one could replace: a device, a pipe, a folder. */
static bool is_special(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

/* The rows into job->out, which is closed. errno is that of a failure to write. */
static int export_and_close(struct export_job *job, bool sync)
{
    int exit_code = export_rows(job), e = 0;

    if (fflush(job->out) != 0 || ferror(job->out) || (sync && fsync(fileno(job->out)) != 0))
        e = errno;
    if (fclose(job->out) != 0 && !e)
        e = errno;
    if (e)
        exit_code = cli_usage(job->cli, "cannot write %s: %s", job->path, strerror(e));
    return exit_code;
}

static int export_to_file(struct export_job *job)
{
    struct cli *cli = job->cli;
    bool special = is_special(job->path);
    struct beside beside;
    int exit_code;

    job->keeps = !special;
    job->out = special ? fopen(job->path, "we") : beside_open(&beside, job->path);
    if (!job->out)
        return cli_usage(cli, "cannot open %s: %s", job->path, strerror(errno));
    exit_code = export_and_close(job, !special);
    if (special)
        return exit_code;
    if (exit_code == CLI_OK && rename(beside.path, beside.target) != 0)
        exit_code = cli_usage(cli, "cannot replace %s: %s", job->path, strerror(errno));
    if (exit_code != CLI_OK)
        unlink(beside.path);
    return exit_code;
}

int verb_export(struct cli *cli, const struct args *args)
{
    struct export_job job = {
        .cli = cli,
        .path = args->count > 1 ? args->positional[1] : "-",
        .out = cli->out,
        .scan = {.reverse = args_option(args, "reverse") != NULL,
                 .has_limit = args_option(args, "limit") != NULL,
                 .fetch_ahead = true},
    };
    int exit_code = CLI_USAGE;

    if (!range_init(&job.range, cli, args) || !source_init(&job.source, cli, args) ||
        !args_number(cli, args, "limit", &job.scan.limit))
        goto done;
    if (args_option(args, "rows") && args_option(args, "records")) {
        cli_usage(cli, "--rows and --records cannot be combined");
        goto done;
    }
    exit_code = range_open(&job.range, cli, &job.source);
    if (exit_code)
        goto done;
    exit_code = settle_lines(&job, args);
    job.scan.values_only = !job.rows;
    if (exit_code == CLI_OK)
        exit_code = strcmp(job.path, "-") == 0 ? export_rows(&job) : export_to_file(&job);
done:
    range_fini(&job.range);
    return exit_code;
}
