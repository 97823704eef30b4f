/* verb_backup.c - verbs on backups: `backup`, `verify-backup`, `restore`.
 *
 * The server sends a backup as it is kept; this client checks each page as it comes, and all of
 * them again when they are on the disk. `restore` is the server's program, run in place of this
 * one: it knows the data file. */
#include "client/cli/args.h"
#include "client/cli/dump.h"
#include "client/cli/backup_dir.h"
#include "client/cli/interrupt.h"
#include "client/cli/output.h"
#include "client/cli/verbs.h"

#include <errno.h>
#include <sys/stat.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define RATE_STEP_MS 50 /* at most so long at once without a look at Ctrl-C */

struct backup_job {
    struct cli *cli;
    struct backup_dir dir;
    struct progress progress;
    const char *base;                 /* directory; NULL: a full backup */
    struct backup_header base_header; /* if there is a base */
    uint64_t rate;                    /* bytes a second; 0: no limit */
    uint64_t number;                  /* the server's, of this backup */
    uint64_t total;                   /* bytes that will come, about; 0: not known */
};

/* ---- the server's part ---- */

/* cli_failed would doom the shell's transaction, which has nothing to do with it. */
static int server_failed(struct cli *cli)
{
    const struct hf_error *error = hf_conn_error(cli->conn);

    return error->code == HF_CONNECTION || error->code == HF_PROTOCOL
               ? cli_failed(cli)
               : cli_report(cli, "", error);
}

static int call(struct backup_job *job, const char *method, struct hf_pack *params,
                struct hf_bytes *result)
{
    int e = hf_call(job->cli->conn, method, hf_pack_bytes(params), result);

    hf_pack_fini(params);
    return e == HF_OK ? CLI_OK : server_failed(job->cli);
}

static int begin(struct backup_job *job)
{
    struct hf_pack params = {0};
    struct hf_bytes result;
    int exit_code;

    if (job->base)
        hf_packf(&params, "[{'identity': y, 'root': U, 'commit': U}]",
                 (struct hf_bytes){job->base_header.identity, BACKUP_IDENTITY_BYTES},
                 job->base_header.root, job->base_header.commit);
    else
        hf_packf(&params, "[]");
    exit_code = call(job, "backup", &params, &result);
    if (exit_code)
        return exit_code;
    if (hf_unpackf(result, "{'backup': U, 'bytes': U}", &job->number, &job->total) != HF_OK)
        return cli_usage(job->cli, "the server's answer to backup is malformed");
    if (job->base)
        job->total = 0; /* how much has changed is known at the end */
    return CLI_OK;
}

/* So that not more than the rate has come. False: Ctrl-C. */
static bool wait_for_rate(struct backup_job *job, uint64_t done)
{
    while (job->rate) {
        double ahead = (double)done / (double)job->rate - progress_seconds(&job->progress);
        int ms = (int)(ahead > 1 ? 1000 : ahead * 1000);

        if (ms <= 0)
            break;
        if (interrupt_seen())
            return false;
        poll(NULL, 0, ms < RATE_STEP_MS ? ms : RATE_STEP_MS);
        progress_update(&job->progress, done, job->dir.reader.pages);
    }
    return !interrupt_seen();
}

static int fetch(struct backup_job *job)
{
    uint64_t position = 0;
    bool last = false;
    int exit_code = CLI_OK;

    while (!last && exit_code == CLI_OK) {
        struct hf_pack params = {0};
        struct hf_bytes result, data;

        hf_packf(&params, "[U, U]", job->number, position);
        exit_code = call(job, "backup_read", &params, &result);
        if (exit_code)
            break;
        if (hf_unpackf(result, "{'data': y, 'last': b}", &data, &last) != HF_OK)
            return cli_usage(job->cli, "the server's answer to backup_read is malformed");
        exit_code = backup_dir_write(&job->dir, slice_of(data));
        position += data.size;
        progress_update(&job->progress, position, job->dir.reader.pages);
        if (!exit_code && !last && !wait_for_rate(job, position))
            exit_code = cli_usage(job->cli, "interrupted: the backup is not finished");
    }
    return exit_code;
}

/* Whatever comes of it: the server lets go of what it holds. */
static void end(struct backup_job *job)
{
    struct hf_pack params = {0};
    struct hf_bytes result;

    if (hf_conn_fd(job->cli->conn) < 0)
        return;
    hf_packf(&params, "[U]", job->number);
    hf_call(job->cli->conn, "backup_close", hf_pack_bytes(&params), &result);
    hf_pack_fini(&params);
}

/* ---- backup ---- */

static void say_done(struct cli *cli, const struct backup_reader *r, const char *path,
                     double seconds)
{
    struct hf_pack text = {0};

    if (cli_tables(cli)) {
        fprintf(cli->out, "%s: commit %llu, %llu pages, %.1f MB, verified", path,
                (unsigned long long)r->header.commit, (unsigned long long)r->pages,
                (double)r->offset / 1e6);
        if (r->header.base)
            fprintf(cli->out, "; builds on commit %llu",
                    (unsigned long long)r->header.base_commit);
        fprintf(cli->out, seconds >= 0 ? " (%.1f s)\n" : "\n", seconds);
        return;
    }
    hf_packf(&text, "{'commit': U, 'root': U, 'base': U, 'time_ms': U, 'pages': U, 'bytes': U}",
             r->header.commit, r->header.root, r->header.base, r->header.time_ms, r->pages,
             r->offset);
    output_value(cli, slice_of_pack(&text));
    hf_pack_fini(&text);
}

static int backup(struct backup_job *job, const char *path)
{
    struct cli *cli = job->cli;
    int exit_code = backup_dir_begin(&job->dir, cli, path);
    double seconds = 0;

    if (exit_code == CLI_OK)
        exit_code = cli_connect(cli);
    if (exit_code == CLI_OK) {
        exit_code = begin(job);
        progress_begin(&job->progress, cli->err_is_terminal ? cli->err : NULL, true,
                       job->total);
        job->progress.counts = "pages";
        if (exit_code == CLI_OK) {
            exit_code = fetch(job);
            seconds = progress_seconds(&job->progress);
            end(job);
        }
        if (exit_code == CLI_OK)
            exit_code = backup_dir_end(&job->dir, job->base, &job->progress);
        progress_clear(&job->progress);
    }
    backup_dir_fini(&job->dir, exit_code == CLI_OK);
    if (exit_code == CLI_OK)
        say_done(cli, &job->dir.reader, path, seconds);
    return exit_code;
}

int verb_backup(struct cli *cli, const struct args *args)
{
    struct backup_job *job = calloc(1, sizeof *job);
    const char *rate = args_option(args, "rate");
    int exit_code = CLI_OK;

    if (!job)
        return cli_usage(cli, "out of memory");
    job->cli = cli;
    job->base = args_option(args, "base");
    if (rate && (!args_is_size(rate, &job->rate) || !job->rate))
        exit_code = cli_usage(
            cli, "--rate: expected bytes a second, such as 20MB, not \"%.40s\"", rate);
    if (exit_code == CLI_OK && job->base)
        exit_code = backup_dir_header(cli, job->base, &job->base_header);
    if (exit_code == CLI_OK)
        exit_code = backup(job, args->positional[0]);
    free(job);
    return exit_code;
}

int verb_verify_backup(struct cli *cli, const struct args *args)
{
    struct backup_reader *r = malloc(sizeof *r);
    struct progress progress;
    int exit_code;

    if (!r)
        return cli_usage(cli, "out of memory");
    progress_begin(&progress, cli->err_is_terminal ? cli->err : NULL, true, 0);
    progress.counts = "pages";
    exit_code = backup_dir_verify(cli, args->positional[0], &progress, r);
    progress_clear(&progress);
    if (exit_code == CLI_OK)
        say_done(cli, r, args->positional[0], -1);
    free(r);
    return exit_code;
}

/* ---- restore ---- */

/* holdfastd, beside this program if it is there, else in the PATH. Returns only if it cannot be
 * run. */
static void run_server(const char **words)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "holdfastd");
    char *slash;

    if (n > 0) {
        path[n] = 0;
        slash = strrchr(path, '/');
        memcpy(slash + 1, "holdfastd", sizeof "holdfastd");
        execv(path, (char *const *)words);
    }
    execvp("holdfastd", (char *const *)words);
}

#define WORDS_MAX 40

struct server_words { /* of the server's command line */
    const char *words[WORDS_MAX];
    unsigned count;
};

static bool words_add(struct server_words *w, const char *word)
{
    if (w->count == WORDS_MAX - 1)
        return false;
    w->words[w->count++] = word;
    return true;
}

/* An option of the verb is a flag of the server; the directories of --wal are one flag each. text
 * is cut at its commas. */
static bool words_add_option(struct server_words *w, const char *flag, char *text, bool is_list)
{
    char *comma;

    do {
        comma = is_list ? strchr(text, ',') : NULL;
        if (comma)
            *comma = 0;
        if (!words_add(w, flag) || !words_add(w, text))
            return false;
        text = comma + 1;
    } while (comma);
    return true;
}

int verb_restore(struct cli *cli, const struct args *args)
{
    struct server_words w = {.words = {"holdfastd", "--restore", args->positional[0], "--data",
                                       args->count > 1 ? args->positional[1] : ""},
                             .count = 5};
    char flags[VERB_OPTIONS_MAX][40], *text;
    const struct verb_option *options = args->verb->options;
    struct stat info;
    bool is_file = stat(args->positional[0], &info) == 0 && S_ISREG(info.st_mode);

    /* People expect that what `dump` has written is restored, too. */
    if (is_file && args->count == 1)
        return load_file(cli, args->positional[0]);
    if (is_file || args->count == 1)
        return cli_usage(cli, is_file
                                  ? "restore of a dump loads it into the running server and "
                                    "takes no DATA"
                                  : "restore DIR needs DATA, the new data directory: restore "
                                    "DIR DATA");
    if (cli->in_shell)
        return cli_usage(cli, "restore works only as a command: holdfast restore ...");
    for (unsigned i = 0; options && options[i].name; i++) {
        if (!args->options[i])
            continue;
        snprintf(flags[i], sizeof flags[i], "--%s", options[i].name);
        text = strdup(args->options[i]); /* this program ends, one way or the other */
        if (!text || !words_add_option(&w, flags[i], text, strcmp(options[i].name, "wal") == 0))
            return cli_usage(cli, "--%s: too many directories", options[i].name);
    }
    fflush(cli->out);
    run_server(w.words);
    return cli_usage(cli, "cannot run holdfastd: %s", strerror(errno));
}
