/* verb_shell.c - what concerns the shell itself: how it prints, what it repeats, where it reads. */
#include "client/cli/args.h"
#include "client/cli/command.h"
#include "client/cli/help.h"
#include "client/cli/interrupt.h"
#include "client/cli/script.h"
#include "client/cli/suggest.h"
#include "client/cli/verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int verb_use(struct cli *cli, const struct args *args)
{
    char name[256];
    const char *store = cli_store(cli, args->positional[0], name);
    char *copy = store ? strdup(store) : NULL;

    if (!copy)
        return CLI_USAGE;
    free(cli->store);
    cli->store = copy;
    return CLI_OK;
}

/* The connection changes with the next line that needs one, or now. */
int verb_database(struct cli *cli, const struct args *args)
{
    char name[256];
    const char *given = cli_name(cli, "database", args->positional[0], name);
    char *copy = given ? strdup(given) : NULL;
    int exit_code;

    if (!given)
        return CLI_USAGE;
    if (!copy)
        return cli_usage(cli, "out of memory");
    cli->database = copy;
    exit_code = cli_connect(cli);
    if (exit_code) {
        free(copy);
        cli->database = cli->shell_database; /* as the line's end sets it */
        return exit_code;
    }
    free(cli->shell_database);
    cli->shell_database = copy;
    return CLI_OK;
}

int verb_timing(struct cli *cli, const struct args *args)
{
    const char *word = args->count > 0 ? args->positional[0] : cli->timing ? "off" : "on";

    if (strcmp(word, "on") != 0 && strcmp(word, "off") != 0)
        return cli_usage(cli, "timing takes on or off, not \"%.40s\"", word);
    cli->timing = strcmp(word, "on") == 0;
    if (cli->interactive)
        fprintf(cli->out, "timing is %s\n", word);
    return CLI_OK;
}

int verb_format(struct cli *cli, const struct args *args)
{
    if (!cli_mode_named(args->positional[0], &cli->shell_mode))
        return cli_usage(cli, "unknown format \"%.40s\"; expected " CLI_MODES,
                         args->positional[0]);
    return CLI_OK;
}

int verb_output(struct cli *cli, const struct args *args)
{
    FILE *file = NULL;

    if (args->count > 0) {
        file = fopen(args->positional[0], "we");
        if (!file)
            return cli_usage(cli, "cannot open %s: %s", args->positional[0], strerror(errno));
    }
    if (cli->terminal) {
        fclose(cli->out);
        cli->out = cli->terminal;
        cli->terminal = NULL;
        cli->out_is_terminal = isatty(fileno(cli->out));
    }
    if (file) {
        cli->terminal = cli->out;
        cli->out = file;
        cli->out_is_terminal = false;
    }
    return CLI_OK;
}

int verb_exit(struct cli *cli, const struct args *args)
{
    cli->leaving = true;
    return CLI_OK;
}

int verb_help(struct cli *cli, const struct args *args)
{
    const struct verb *verb = args->count ? verb_find(cli->verbs, args->positional[0]) : NULL;
    const char *near;

    if (verb || args->count == 0) {
        help_print(cli, verb);
        return CLI_OK;
    }
    near = suggest_verb(cli->verbs, args->positional[0], true);
    return cli_usage(cli, "unknown verb \"%.60s\"%s%s%s", args->positional[0],
                     near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* \\x of psql: on, off, auto, or the other one. */
int verb_expand(struct cli *cli, const struct args *args)
{
    bool is_on = cli->shell_mode == CLI_MODE_VERTICAL;
    const char *word = args->count > 0 ? args->positional[0] : is_on ? "off" : "on";

    if (strcmp(word, "on") == 0)
        cli->shell_mode = CLI_MODE_VERTICAL;
    else if (strcmp(word, "off") == 0 || strcmp(word, "auto") == 0)
        cli->shell_mode = CLI_MODE_AUTO;
    else
        return cli_usage(cli, "expand takes on, off or auto, not \"%.40s\"", word);
    cli->expand_auto = strcmp(word, "auto") == 0;
    if (cli->interactive)
        fprintf(cli->out, "expand is %s\n", word);
    return CLI_OK;
}

int verb_include(struct cli *cli, const struct args *args)
{
    if (strcmp(args->positional[0], "-") == 0)
        return cli_usage(cli, "include needs a file");
    return script_file(cli, args->positional[0]);
}

#define WATCH_SECONDS_MAX 86400

/* Run the last statement again and again, until Ctrl-C or an error. */
int verb_watch(struct cli *cli, const struct args *args)
{
    uint64_t seconds = 2, times = UINT64_MAX;
    int exit_code = CLI_OK;

    if (args->count > 0 &&
        (!args_is_number(args->positional[0], WATCH_SECONDS_MAX, &seconds) || seconds == 0))
        return cli_usage(cli, "watch takes seconds from 1 to %d, not \"%.40s\"",
                         WATCH_SECONDS_MAX, args->positional[0]);
    if (!args_number(cli, args, "times", &times))
        return CLI_USAGE;
    if (!cli->kept)
        return cli_usage(cli, "nothing to repeat: run a query or a verb first");
    for (uint64_t i = 0; i < times && exit_code == CLI_OK; i++) {
        if (i > 0 && interrupt_wait((int)seconds * 1000))
            break;
        exit_code = command_run(cli, cli->kept);
        fflush(cli->out);
        if (interrupt_seen())
            break;
    }
    return exit_code;
}

int verb_clear(struct cli *cli, const struct args *args)
{
    if (cli->out_is_terminal)
        fputs("\x1b[H\x1b[2J", cli->out);
    return CLI_OK;
}
