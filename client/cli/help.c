#include "client/cli/help.h"
#include "client/cli/args.h"

static void print_option(FILE *out, const struct verb_option *o)
{
    char left[64];

    snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "",
             o->value ? o->value : "");
    fprintf(out, "  %-24s %s\n", left, o->help);
}

static void print_verb(struct cli *cli, const struct verb *verb)
{
    FILE *out = cli->out;
    const char *program = (verb->kind & VERB_SHELL) || cli->in_shell ? "" : "holdfast ";

    fprintf(out, "%s%s%s%s%s\n\n%s.\n", program, verb->name, verb->arguments[0] ? " " : "",
            verb->arguments, verb->options ? " [OPTION]..." : "", verb->help);
    if (verb->more)
        fprintf(out, "%s\n", verb->more);
    if (verb->options) {
        fprintf(out, "\nOptions:\n");
        for (const struct verb_option *o = verb->options; o->name; o++)
            print_option(out, o);
    }
    if (verb->example)
        fprintf(out, "\nExample:\n  %s%s\n", program, verb->example);
}

static void print_verbs(struct cli *cli)
{
    for (const struct verb *v = cli->verbs; v->name; v++) {
        char left[80];

        if ((v->kind & VERB_SHELL) && !cli->in_shell)
            continue;
        snprintf(left, sizeof left, "%s %s", v->name, v->arguments);
        fprintf(cli->out, "  %-34s %s\n", left, v->help);
    }
}

void help_print(struct cli *cli, const struct verb *verb)
{
    FILE *out = cli->out;

    if (verb) {
        print_verb(cli, verb);
        return;
    }
    if (!cli->in_shell)
        fprintf(
            out,
            "holdfast [OPTION]... VERB [ARGUMENT]...\n"
            "holdfast [OPTION]...            interactive shell: queries, verbs, transactions\n"
            "holdfast -c TEXT | -f FILE      run queries and verbs, and end\n\n");
    fprintf(out, "Verbs:\n");
    print_verbs(cli);
    fprintf(out, "\nOptions, before or after the verb:\n");
    for (const struct verb_option *o = global_options; o->name; o++)
        print_option(out, o);
    fprintf(
        out,
        "\nKEY, VALUE and range bounds are JSON. Anything that is not JSON is a string: alice "
        "and\n\"alice\" are the same; 42 is a number, \"42\" a string. Other types are "
        "written as\n{\"$binary\": \"aGk=\"}, {\"$timestamp\": "
        "\"2026-01-02T03:04:05Z\"}, {\"$ext\": [5, \"aGk=\"]},\n{\"$float\": \"nan\"}, "
        "{\"$float32\": 1.5}, {\"$map\": [[1, \"one\"]]}; an object whose only\nfield is "
        "$name as {\"$$name\": 1}, or with --plain as it is.\n"
        "\nExit codes: 0 success, 1 usage or input error, 2 connection lost or timed out,\n"
        "3 refused by the server, 4 conflict with another transaction.\n"
        "\nRun `%shelp VERB` for details.\n",
        cli->in_shell ? "" : "holdfast ");
}
