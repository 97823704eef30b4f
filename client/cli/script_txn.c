#include "client/cli/script_txn.h"
#include "client/cli/script.h"

#include <errno.h>
#include <stdlib.h>

#define GIVE_UP (-1) /* what has failed would fail again */
#define COPY_BYTES 65536

/* What a script may change of the session, and finds as it was when it is run again. */
struct kept {
    enum cli_mode mode;
    bool expand_auto, timing;
    char *store, *database; /* owned */
};

struct script_txn {
    struct cli *cli;
    FILE *in, *out, *err;    /* of the session */
    char *input;             /* owned; standard input, where a script is there */
    size_t input_size;
    char *said;              /* owned; messages of the last attempt */
    size_t said_size;
    struct kept kept;
    unsigned attempts;
    int exit_code; /* of the last one's statements */
};

static bool reads_input(const struct cli *cli)
{
    for (unsigned i = 0; i < cli->input_count; i++)
        if (cli->inputs[i].is_file && strcmp(cli->inputs[i].text, "-") == 0)
            return true;
    return cli->input_count == 0;
}

/* All of standard input: it can be read but once. */
static bool keep_input(struct script_txn *s)
{
    FILE *to = open_memstream(&s->input, &s->input_size);
    char bytes[4096];
    size_t n;
    bool ok;

    if (!to)
        return false;
    while ((n = fread(bytes, 1, sizeof bytes, s->in)) > 0)
        fwrite(bytes, 1, n, to);
    ok = !ferror(s->in) && !ferror(to);
    return fclose(to) == 0 && ok;
}

static char *copy_of(const char *text)
{
    return text ? strdup(text) : NULL;
}

static void keep_settings(struct script_txn *s)
{
    const struct cli *cli = s->cli;

    s->kept = (struct kept){.mode = cli->shell_mode,
                            .expand_auto = cli->expand_auto,
                            .timing = cli->timing,
                            .store = copy_of(cli->store),
                            .database = copy_of(cli->shell_database)};
}

static void restore_settings(struct script_txn *s)
{
    struct cli *cli = s->cli;

    cli->shell_mode = s->kept.mode;
    cli->expand_auto = s->kept.expand_auto;
    cli->timing = s->kept.timing;
    free(cli->store);
    cli->store = copy_of(s->kept.store);
    free(cli->shell_database);
    cli->shell_database = copy_of(s->kept.database);
    cli->leaving = false;
}

/* Results and messages are held back. False: a message was printed. */
static bool begin_capture(struct script_txn *s)
{
    struct cli *cli = s->cli;

    free(s->said);
    s->said = NULL;
    cli->out = tmpfile();
    cli->err = cli->out ? open_memstream(&s->said, &s->said_size) : NULL;
    cli->in = s->input ? fmemopen(s->input, s->input_size, "r") : s->in;
    if (cli->out && cli->err && cli->in)
        return true;
    if (cli->out)
        fclose(cli->out);
    if (cli->err)
        fclose(cli->err);
    cli->in = s->in, cli->out = s->out, cli->err = s->err;
    cli_usage(cli, "cannot buffer the output: %s", strerror(errno));
    return false;
}

/* `output FILE` ends with the attempt. */
static void end_output(struct cli *cli)
{
    if (!cli->terminal)
        return;
    fclose(cli->out);
    cli->out = cli->terminal;
    cli->terminal = NULL;
}

/* Back to the session's own files; what was held back stands in the one that is returned. */
static FILE *end_capture(struct script_txn *s)
{
    struct cli *cli = s->cli;
    FILE *held;

    end_output(cli);
    held = cli->out;
    if (cli->in != s->in)
        fclose(cli->in);
    fclose(cli->err);
    cli->in = s->in, cli->out = s->out, cli->err = s->err;
    return held;
}

static void print_held(struct script_txn *s, FILE *held)
{
    static char bytes[COPY_BYTES];
    size_t n;

    rewind(held);
    while ((n = fread(bytes, 1, sizeof bytes, held)) > 0)
        fwrite(bytes, 1, n, s->out);
    fflush(s->out);
    fwrite(s->said, 1, s->said_size, s->err);
    fflush(s->err);
}

/* What hf_transact is to judge. */
static int code_of(struct hf_conn *c, int exit_code)
{
    int code = hf_conn_error(c)->code;

    return exit_code == CLI_USAGE || code == HF_OK ? GIVE_UP : code;
}

/* The statements, once. */
static int run_attempt(struct hf_conn *c, struct hf_txn *t, void *ctx)
{
    struct script_txn *s = ctx;
    struct cli *cli = s->cli;

    if (s->attempts++ > 0) { /* that one has lost */
        fclose(end_capture(s));
        restore_settings(s);
    }
    if (!begin_capture(s)) {
        s->exit_code = CLI_USAGE;
        s->attempts = 0;
        return GIVE_UP;
    }
    cli->txn = t;
    cli->txn_continue = cli->txn_failed = false;
    s->exit_code = script_run_all(cli);
    cli->txn = NULL;
    cli->txn_failed = false;
    return s->exit_code == CLI_OK ? HF_OK : code_of(c, s->exit_code);
}

static int finish(struct script_txn *s, int e, uint64_t commit)
{
    struct cli *cli = s->cli;
    FILE *held;

    if (s->attempts == 0) /* not one could begin, or a message was printed */
        return s->exit_code ? s->exit_code : cli_failed(cli);
    held = end_capture(s);
    print_held(s, held);
    fclose(held);
    if (e == HF_OK && cli->out_is_terminal && commit)
        fprintf(cli->err,
                s->attempts > 1 ? "committed as %llu, in attempt %u\n" : "committed as %llu\n",
                (unsigned long long)commit, s->attempts);
    if (e == HF_OK)
        return CLI_OK;
    if (s->exit_code == CLI_OK) {
        int exit_code = cli_failed(cli); /* the commit, or the next begin */

        s->exit_code = exit_code;
    }
    if (!hf_conn_error(cli->conn)->maybe_committed)
        cli_usage(cli, "nothing was committed, in %u attempt%s", s->attempts,
                  s->attempts > 1 ? "s" : "");
    return s->exit_code;
}

int script_txn_run(struct cli *cli)
{
    struct script_txn s = {.cli = cli, .in = cli->in, .out = cli->out, .err = cli->err};
    struct hf_transact_options options = {
        .begin = {.label = cli->label, .read_only = cli->read_only},
        .attempts_max = cli->attempts,
        .time_max_ms = UINT32_MAX, /* as long as attempts are left */
        .no_reconnect = true};
    uint64_t commit = 0;
    int exit_code = cli_connect(cli);

    if (exit_code)
        return exit_code;
    if (reads_input(cli) && !keep_input(&s))
        return cli_usage(cli, "cannot read standard input: %s", strerror(errno));
    keep_settings(&s);
    exit_code = finish(&s, hf_transact(cli->conn, &options, run_attempt, &s, &commit), commit);
    free(s.kept.store);
    free(s.kept.database);
    free(s.input);
    free(s.said);
    return exit_code;
}
