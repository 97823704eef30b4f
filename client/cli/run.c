#include "client/cli/run.h"
#include "client/cli/args.h"
#include "client/cli/help.h"
#include "client/cli/output.h"
#include "client/cli/pager.h"

int cli_run(struct cli *cli, int count, char **words)
{
    struct globals globals;
    struct args args;
    FILE *before;
    int exit_code;

    if (!args_parse(cli, count, words, &args, &globals))
        return CLI_USAGE;
    if (globals.version) {
        fprintf(cli->out, "holdfast %s\n", hf_version());
        return CLI_OK;
    }
    if (globals.help) {
        help_print(cli, args.verb);
        return CLI_OK;
    }
    if (!args.verb)
        return CLI_OK;
    if (cli->mode == CLI_MODE_MSGPACK && cli->out_is_terminal)
        return cli_usage(cli, "MessagePack is not printed on a terminal: send it to a file or "
                              "a pipe");
    if (cli->read_only && args.verb->kind & VERB_WRITES)
        return cli_usage(cli, "%s is refused: this session is read-only (--read-only)",
                         args.verb->name);
    before = args.verb->kind & VERB_DIRECT ? cli->out : pager_begin(cli);
    exit_code = args.verb->run(cli, &args);
    if (!(args.verb->kind & VERB_DIRECT))
        pager_end(cli, before);
    if (!output_flush(cli) && exit_code == CLI_OK)
        exit_code = CLI_USAGE;
    return exit_code;
}
