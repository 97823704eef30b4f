#include "client/cli/shell.h"
#include "client/cli/command.h"
#include "client/cli/interrupt.h"
#include "client/cli/line.h"
#include "client/cli/notice.h"
#include "client/cli/script.h"
#include "client/cli/script_txn.h"
#include "client/cli/statement.h"

#include <stdlib.h>
#include <unistd.h>

/* Run the statements that are whole. */
static void run_whole(struct cli *cli, struct line *line, struct statements *statements)
{
    struct typed_statement one;

    while (!cli->leaving && statements_take(statements, false, &one) == STATEMENT_ONE) {
        char *remembered = NULL;

        if (asprintf(&remembered, "%s%s%s", one.indented ? " " : "", one.text,
                     one.kind == STATEMENT_QUERY ? ";" : "") < 0)
            remembered = NULL;
        line_remember(line, remembered ? remembered : one.text);
        if (one.kind == STATEMENT_KEPT)
            command_keep(cli, one.text);
        else
            command_run(cli, one.text);
        free(remembered);
        free(one.text);
    }
}

/* What is open, as text; borrowed until more is added. */
static const char *open_text(struct statements *statements)
{
    static const uint8_t nul[] = {0};

    hf_pack_raw(&statements->text, (struct hf_bytes){nul, 1});
    if (statements->text.failed)
        return "";
    statements->text.size--;
    return (const char *)statements->text.data;
}

/* The file of statements that a session begins with: $HOLDFAST_START, else holdfast/start in
 * $XDG_CONFIG_HOME or ~/.config. An empty name: none. */
static void run_start_file(struct cli *cli)
{
    const char *given = getenv("HOLDFAST_START"), *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char path[4096];

    if (given)
        snprintf(path, sizeof path, "%s", given);
    else if (config && config[0] == '/')
        snprintf(path, sizeof path, "%s/holdfast/start", config);
    else if (home && home[0] == '/')
        snprintf(path, sizeof path, "%s/.config/holdfast/start", home);
    else
        return;
    if (path[0] && (given || access(path, F_OK) == 0))
        script_file(cli, path);
}

static void say_goodbye(struct cli *cli)
{
    if (cli->txn)
        fprintf(cli->err, "holdfast: transaction %llu was rolled back\n",
                (unsigned long long)hf_txn_version(cli->txn));
}

static int run_terminal(struct cli *cli, struct line *line)
{
    struct statements statements;
    const char *text;

    statements_init(&statements);
    fprintf(
        cli->out,
        "holdfast %s; queries end with a semicolon; `help` lists the verbs, `exit` leaves.\n",
        hf_version());
    interrupt_begin();
    cli_connect(cli); /* what is wrong is told now, and words can be completed */
    run_start_file(cli);
    while (!cli->leaving) {
        switch (line_read(line, open_text(&statements), &text)) {
        case LINE_ONE:
            statements_add(&statements, text);
            statements_add(&statements, "\n");
            run_whole(cli, line, &statements);
            break;
        case LINE_DROPPED: statements_drop(&statements); break;
        case LINE_END:
            fputc('\n', cli->out);
            cli->leaving = statements.text.size == 0;
            statements_drop(&statements); /* the first Ctrl-D ends what is open */
            break;
        }
    }
    statements_fini(&statements);
    say_goodbye(cli);
    return CLI_OK;
}

static int run_single(struct cli *cli)
{
    if (cli->keep_going)
        return cli_usage(cli, "--single-transaction and --keep-going cannot be combined");
    if (cli->input_count == 0 && isatty(fileno(cli->in)))
        return cli_usage(cli, "--single-transaction takes a script: -c, -f or standard input");
    return script_txn_run(cli);
}

int shell_run(struct cli *cli)
{
    struct line *line = NULL;
    int exit_code;

    cli->in_shell = true;
    cli->shell_mode = cli->mode;
    if (cli->single_transaction)
        return run_single(cli);
    if (cli->attempts)
        return cli_usage(cli, "--attempts applies to --single-transaction");
    if (cli->input_count == 0 && isatty(fileno(cli->in))) {
        interrupt_catch();
        cli->interactive = true;
        cli->on_connect = notice_subscribe;
        line = line_open(cli);
    }
    exit_code = line ? run_terminal(cli, line) : script_run_all(cli);
    line_close(line);
    if (cli->terminal) {
        fclose(cli->out);
        cli->out = cli->terminal;
    }
    return exit_code;
}
