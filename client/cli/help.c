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
    const char *program = verb->place == VERB_SHELL || cli->in_shell ? "" : "holdfast ";

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
    for (const struct verb *v = verbs; v->name; v++) {
        char left[80];

        if (v->place == VERB_SHELL && !cli->in_shell)
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
        fprintf(out, "holdfast [OPTION]... VERB [ARGUMENT]...\n"
                     "holdfast [OPTION]...            the shell: verbs line by line, and "
                     "transactions\n\n");
    fprintf(out, "Verbs:\n");
    print_verbs(cli);
    fprintf(out, "\nOptions, before or after the verb:\n");
    for (const struct verb_option *o = global_options; o->name; o++)
        print_option(out, o);
    fprintf(out,
            "\nKEY, VALUE and the bounds of ranges are JSON. What is no JSON is text, so alice "
            "and \"alice\"\nare the same; 42 is a number, \"42\" a text. What JSON lacks is "
            "written {\"$binary\": \"aGk=\"},\n{\"$timestamp\": "
            "\"2026-01-02T03:04:05Z\"}, {\"$ext\": [5, \"aGk=\"]}, {\"$float\": \"nan\"},\n"
            "{\"$map\": [[1, \"one\"]]}; a map whose only key is $name as {\"$$name\": 1}.\n"
            "\nExit codes: 0 done, 1 wrong usage or input, 2 no connection, 3 refused by the "
            "server,\n4 conflict with another transaction.\n"
            "\n`%shelp VERB` says more of one.\n",
            cli->in_shell ? "" : "holdfast ");
}
