#include "client/cli/app.h"
#include "client/cli/args.h"
#include "client/cli/colour.h"
#include "client/cli/output.h"
#include "client/cli/run.h"
#include "client/cli/shell.h"
#include "client/cli/verbs.h"

#include <stdlib.h>
#include <unistd.h>

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] ? value : NULL;
}

int app_run(int argc, char **argv, FILE *in, FILE *out, FILE *err)
{
    const char *address = variable("HOLDFAST_CONNECT");
    struct cli cli = {
        .verbs = verbs,
        .address = address ? address : HF_ADDRESS_DEFAULT,
        .database = variable("HOLDFAST_DATABASE"),
        .user = variable("HOLDFAST_USER"),
        .password_file = variable("HOLDFAST_PASSWORD_FILE"),
        .tls_ca = variable("HOLDFAST_TLS_CA"),
        .in = in,
        .out = out,
        .err = err,
        .out_is_terminal = isatty(fileno(out)),
        .err_is_terminal = isatty(fileno(err)),
        .where = "holdfast",
    };
    struct globals globals;
    struct args args;
    int exit_code;

    cli.colour = colour_wanted(&cli);
    /* Parsed twice where there is a verb: here to see whether there is one. */
    if (!args_parse(&cli, argc - 1, argv + 1, &args, &globals))
        exit_code = CLI_USAGE;
    else if (args.verb && (cli.single_transaction || cli.attempts))
        exit_code = cli_usage(&cli,
                              "--single-transaction and --attempts apply to -c, -f and "
                              "standard input, not to %s",
                              args.verb->name);
    else if (args.verb || globals.help || globals.version)
        exit_code = cli_run(&cli, argc - 1, argv + 1);
    else
        exit_code = shell_run(&cli);
    hf_close(cli.conn);
    free(cli.store);
    free(cli.bound);
    free(cli.shell_database);
    free(cli.kept);
    if (!output_flush(&cli) && exit_code == CLI_OK)
        exit_code = CLI_USAGE;
    return exit_code;
}
