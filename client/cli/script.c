#include "client/cli/script.h"
#include "client/cli/command.h"
#include "client/cli/statement.h"

#include <errno.h>
#include <stdlib.h>

/* What a script is at. */
struct script {
    struct cli *cli;
    const char *name;
    struct statements statements;
    char where[4200];
    int first; /* the first error's exit code */
};

static void script_where(struct script *script, unsigned long line)
{
    if (script->name)
        snprintf(script->where, sizeof script->where, "holdfast: %.4000s:%lu", script->name,
                 line);
    else
        snprintf(script->where, sizeof script->where, "holdfast: line %lu", line);
    script->cli->where = script->where;
}

/* Run the statements that are whole. False: it ends here. */
static bool script_take(struct script *script, bool at_end)
{
    struct cli *cli = script->cli;
    struct typed_statement one;

    while (statements_take(&script->statements, at_end, &one) == STATEMENT_ONE) {
        int exit_code = CLI_OK;

        script_where(script, one.line);
        if (one.kind == STATEMENT_KEPT)
            command_keep(cli, one.text);
        else
            exit_code = command_run(cli, one.text);
        free(one.text);
        if (script->first == CLI_OK)
            script->first = exit_code;
        if (cli->leaving || (exit_code != CLI_OK && !cli->keep_going))
            return false;
    }
    return true;
}

static void script_begin(struct script *script, struct cli *cli, const char *name)
{
    script->cli = cli;
    script->name = name;
    script->first = CLI_OK;
    statements_init(&script->statements);
}

/* where: of cli, before the script. */
static int script_end(struct script *script, const char *where)
{
    statements_fini(&script->statements);
    script->cli->where = where;
    return script->first;
}

/* Read lines of a stream to its end or `exit`; name begins messages with the line's number behind a
 * colon, NULL: "line N". */
static int script_stream(struct cli *cli, FILE *in, const char *name)
{
    const char *where = cli->where;
    struct script script;
    char *text = NULL;
    size_t room = 0;
    bool goes_on = true;

    script_begin(&script, cli, name);
    while (goes_on && getline(&text, &room, in) >= 0) {
        statements_add(&script.statements, text);
        goes_on = script_take(&script, false);
    }
    if (goes_on)
        script_take(&script, true);
    free(text);
    return script_end(&script, where);
}

static int script_text(struct cli *cli, const char *text)
{
    const char *where = cli->where;
    struct script script;

    script_begin(&script, cli, "-c");
    statements_add(&script.statements, text);
    script_take(&script, true);
    return script_end(&script, where);
}

int script_file(struct cli *cli, const char *path)
{
    FILE *file;
    int exit_code;

    if (strcmp(path, "-") == 0)
        return script_stream(cli, cli->in, NULL);
    if (cli->script_depth == SCRIPT_DEPTH_MAX)
        return cli_usage(cli, "%.200s: scripts include one another more than %d deep", path,
                         SCRIPT_DEPTH_MAX);
    file = fopen(path, "re");
    if (!file)
        return cli_usage(cli, "cannot open %.400s: %s", path, strerror(errno));
    cli->script_depth++;
    exit_code = script_stream(cli, file, path);
    cli->script_depth--;
    fclose(file);
    return exit_code;
}

int script_run_all(struct cli *cli)
{
    int first = CLI_OK;

    for (unsigned i = 0; i < cli->input_count && !cli->leaving; i++) {
        const struct cli_input *input = &cli->inputs[i];
        int exit_code =
            input->is_file ? script_file(cli, input->text) : script_text(cli, input->text);

        if (first == CLI_OK)
            first = exit_code;
        if (exit_code != CLI_OK && !cli->keep_going)
            break;
    }
    if (cli->input_count == 0)
        first = script_stream(cli, cli->in, NULL);
    if (first == CLI_OK && cli->txn && !cli->single_transaction) {
        fprintf(cli->err, "holdfast: the script left a transaction open; it was rolled back\n");
        first = CLI_USAGE;
    }
    return first;
}
