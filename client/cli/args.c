/* args.c - words into arguments and options, by the verb's row in the table. */
#include "client/cli/args.h"
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "client/cli/suggest.h"
#include "proto/msgpack.h"

#include <errno.h>
#include <stdlib.h>

const struct verb_option global_options[] = {
    {"connect", "ADDRESS",
     "HOST:PORT, [IPV6]:PORT or unix:PATH (or HOLDFAST_CONNECT; default " HF_ADDRESS_DEFAULT
     ")"},
    {"database", "NAME", "the database (also HOLDFAST_DATABASE; default main)"},
    {"command", "TEXT", "run these verbs and queries (also -c; several are one session)"},
    {"file", "FILE", "run the verbs and queries of a file (also -f; - is standard input)"},
    {"user", "NAME",
     "log in as this user (or HOLDFAST_USER, or holdfast://NAME@HOST as the address); prompts "
     "for the password"},
    {"password-file", "FILE",
     "take the password from the first line of FILE (or HOLDFAST_PASSWORD_FILE)"},
    {"tls", "MODE",
     "off, require, verify-ca or verify-full (default for holdfast+tls:// and tls:// "
     "addresses)"},
    {"tls-ca", "FILE",
     "trust the certificates in FILE, in PEM (or HOLDFAST_TLS_CA; default: the system's)"},
    {"tls-certificate", "FILE", "client certificate, if the server requires one"},
    {"tls-key", "FILE", "private key of the client certificate"},
    {"json", NULL, "print JSON, one value per line (default in a pipe)"},
    {"table", NULL, "print tables (default on a terminal)"},
    {"format", "NAME", CLI_MODES},
    {"label", "TEXT",
     "label for the transactions of begin, run and import, shown in `holds` and in conflicts"},
    {"timeout-ms", "N", "time limit of each request (default: none)"},
    {"keep-going", NULL, "continue after errors in a script"},
    {"single-transaction", NULL,
     "run -c, -f or standard input as one transaction, and retry it after a conflict"},
    {"attempts", "N", "maximum number of attempts of --single-transaction (default 10)"},
    {"read-only", NULL, "refuse all writes"},
    {"yes", NULL, "do not ask for confirmation before a store is dropped or cleared"},
    {"plain", NULL, "treat {\"$name\": ...} as an ordinary object, in input and output"},
    {"help", NULL, "show this help, or the help of a verb (also -h)"},
    {"version", NULL, "print the version"},
    {NULL, NULL, NULL},
};

static int option_index(const struct verb_option *options, const char *name, size_t size)
{
    for (int i = 0; options && options[i].name; i++) {
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0)
            return i;
    }
    return -1;
}

const char *args_option(const struct args *args, const char *name)
{
    int i = option_index(args->verb->options, name, strlen(name));

    return i < 0 ? NULL : args->options[i];
}

bool args_is_number(const char *text, uint64_t max, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number <= max;
}

bool args_is_size(const char *text, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {{"", 1},          {"kB", 1000},       {"KiB", 1024},      {"MB", 1000000},
                 {"MiB", 1048576}, {"GB", 1000000000}, {"GiB", 1073741824}};
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno || end == text || text[0] == '-')
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].name) == 0 && n <= UINT64_MAX / units[i].factor) {
            *out = n * units[i].factor;
            return true;
        }
    }
    return false;
}

bool args_parse_number(struct cli *cli, const char *name, const char *text, uint64_t max,
                       uint64_t *number)
{
    if (args_is_number(text, max, number))
        return true;
    cli_usage(cli, "--%s takes an integer from 0 to %llu, not \"%s\"", name,
              (unsigned long long)max, text);
    return false;
}

bool args_number(struct cli *cli, const struct args *args, const char *name, uint64_t *number)
{
    const char *text = args_option(args, name);

    return !text || args_parse_number(cli, name, text, (uint64_t)1 << 53, number);
}

/* Whether the word is an option. A lone dash means standard input, and a dash before a
 * digit is a number. */
static bool is_option(const char *word)
{
    return word[0] == '-' &&
           (word[1] == '-' || (word[1] && strchr("cfh", word[1]) && word[2] == '\0'));
}

/* The whole name of an option that has one letter. */
static const char *whole_name(char letter)
{
    return letter == 'c' ? "command" : letter == 'f' ? "file" : "help";
}

/* The options by which word is meant, and its index in them. */
static const struct verb_option *option_find(const struct verb *verb, const char *name,
                                             size_t size, int *index)
{
    if (verb && (*index = option_index(verb->options, name, size)) >= 0)
        return verb->options;
    if (size == 1)
        return option_find(NULL, whole_name(name[0]), strlen(whole_name(name[0])), index);
    *index = option_index(global_options, name, size);
    return *index >= 0 ? global_options : NULL;
}

/* In the shell a text may be written as a JSON string; make it what it says, in place, where
 * it is never longer. Nothing else is changed. */
static void unquote(struct cli *cli, char *word)
{
    struct hf_pack packed = {0};
    struct json_error error;
    struct msgpack_cursor cursor;
    struct slice text;

    if (!cli->in_shell || word[0] != '"')
        return;
    if (json_parse(slice_text(word), JSON_TYPED, &packed, &error)) {
        cursor = msgpack_open(slice_of_pack(&packed));
        if (msgpack_read_text(&cursor, &text) == ERR_OK) {
            memcpy(word, text.data, text.size);
            word[text.size] = '\0';
        }
    }
    hf_pack_fini(&packed);
}

/* -c or -f. */
static bool input_add(struct cli *cli, bool is_file, const char *text)
{
    if (cli->input_count == CLI_INPUTS_MAX) {
        cli_usage(cli, "too many -c and -f: at most %d", CLI_INPUTS_MAX);
        return false;
    }
    cli->inputs[cli->input_count++] = (struct cli_input){is_file, text};
    return true;
}

static bool global_set(struct cli *cli, struct globals *globals, const char *name, char *value)
{
    uint64_t number;

    unquote(cli, value);
    if (strcmp(name, "connect") == 0) {
        cli->address = value;
    } else if (strcmp(name, "database") == 0) {
        cli->database = value;
    } else if (strcmp(name, "user") == 0) {
        cli->user = value;
    } else if (strcmp(name, "password-file") == 0) {
        cli->password_file = value;
    } else if (strcmp(name, "tls") == 0) {
        cli->tls = value;
    } else if (strcmp(name, "tls-ca") == 0) {
        cli->tls_ca = value;
    } else if (strcmp(name, "tls-certificate") == 0) {
        cli->tls_certificate = value;
    } else if (strcmp(name, "tls-key") == 0) {
        cli->tls_key = value;
    } else if (strcmp(name, "json") == 0) {
        cli->mode = CLI_MODE_JSON;
    } else if (strcmp(name, "table") == 0) {
        cli->mode = CLI_MODE_TABLE;
    } else if (strcmp(name, "format") == 0) {
        globals->format = value;
    } else if (strcmp(name, "label") == 0) {
        cli->label = value;
        globals->label = true;
    } else if (strcmp(name, "timeout-ms") == 0) {
        if (!args_parse_number(cli, name, value, INT32_MAX / 2, &number))
            return false;
        cli->timeout_ms = (int)number;
    } else if (strcmp(name, "command") == 0 || strcmp(name, "file") == 0) {
        return input_add(cli, name[0] == 'f', value);
    } else if (strcmp(name, "keep-going") == 0) {
        cli->keep_going = true;
    } else if (strcmp(name, "single-transaction") == 0) {
        cli->single_transaction = true;
    } else if (strcmp(name, "attempts") == 0) {
        if (!args_parse_number(cli, name, value, 1000000, &number))
            return false;
        cli->attempts = number ? (unsigned)number : 1;
    } else if (strcmp(name, "read-only") == 0) {
        cli->read_only = true;
    } else if (strcmp(name, "yes") == 0) {
        cli->yes = true;
    } else if (strcmp(name, "plain") == 0) {
        cli->style = JSON_PLAIN;
    } else if (strcmp(name, "help") == 0) {
        globals->help = true;
    } else {
        globals->version = true;
    }
    return true;
}

static bool unknown_option(struct cli *cli, const struct verb *verb, const char *word)
{
    const char *near =
        suggest_option(verb ? verb->options : NULL, global_options, word + strspn(word, "-"));

    cli_usage(cli, "unknown option %.60s%s%s%s%s%s; see `%s%s`", word, verb ? " of " : "",
              verb ? verb->name : "", near ? "; did you mean --" : "", near ? near : "",
              near ? "?" : "", cli->in_shell ? "help " : "holdfast help ",
              verb ? verb->name : "");
    return false;
}

bool args_is_of_session(const char *name)
{
    static const char *const names[] = {
        "connect", "command", "file", "keep-going", "single-transaction", "attempts"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Whether the option may be given here: in the shell, not those of a whole session. */
static bool may_be_given(struct cli *cli, const char *name)
{
    if (!cli->in_shell || !args_is_of_session(name))
        return true;
    cli_usage(cli, "--%s applies to the whole session: give it when holdfast is started", name);
    return false;
}

/* Take the option at words[*at], and its value. */
static bool option_take(struct cli *cli, struct args *args, struct globals *globals, int count,
                        char **words, int *at)
{
    char *word = words[*at], *name = word + strspn(word, "-"), none[] = "";
    char *equals = strchr(name, '='), *value = none;
    size_t size = equals ? (size_t)(equals - name) : strlen(name);
    const struct verb_option *options;
    int index;

    options = option_find(args->verb, name, size, &index);
    if (!options)
        return unknown_option(cli, args->verb, word);
    if (!options[index].value && equals) {
        cli_usage(cli, "--%s does not take a value", options[index].name);
        return false;
    }
    if (options[index].value) {
        if (!equals && *at + 1 >= count) {
            cli_usage(cli, "--%s needs a value: --%s %s", options[index].name,
                      options[index].name, options[index].value);
            return false;
        }
        value = equals ? equals + 1 : words[++*at];
    }
    if (options == global_options)
        return may_be_given(cli, options[index].name) &&
               global_set(cli, globals, options[index].name, value);
    args->options[index] = options[index].value ? value : "";
    return true;
}

/* How many arguments a verb takes. */
static void args_bounds(const struct verb *verb, unsigned *least, unsigned *most)
{
    const char *text = verb->arguments;

    *least = *most = 0;
    while (*text) {
        size_t size = strcspn(text, " ");

        (*most)++;
        if (text[0] != '[')
            (*least)++;
        if (size > 3 && strstr(text, "...") && strstr(text, "...") < text + size)
            *most = ARGS_MAX;
        text += size;
        text += strspn(text, " ");
    }
}

static bool count_is_right(struct cli *cli, const struct args *args)
{
    unsigned least, most;

    args_bounds(args->verb, &least, &most);
    if (args->count >= least && args->count <= most)
        return true;
    cli_usage(cli, "too %s arguments: %s %s; see `%s %s`", args->count < least ? "few" : "many",
              args->verb->name, most == 0 ? "takes none" : args->verb->arguments,
              cli->in_shell ? "help" : "holdfast help", args->verb->name);
    return false;
}

/* Whether name is the verb's; methods of the protocol have _ where verbs have -. */
static bool is_name_of(const struct verb *v, const char *name)
{
    const char *at = v->name;

    while (*at && (*at == *name || (*at == '-' && *name == '_')))
        at++, name++;
    return !*at && !*name;
}

const struct verb *verb_find(const struct verb *verbs, const char *name)
{
    if (strcmp(name, "quit") == 0)
        name = "exit";
    for (const struct verb *v = verbs; v->name; v++) {
        if (is_name_of(v, name))
            return v;
    }
    return NULL;
}

/* No verb that can be used here; verb: but one of the shell, or NULL. */
static void unknown_verb(struct cli *cli, const struct verb *verb, const char *word)
{
    const char *near = suggest_verb(cli->verbs, word, cli->in_shell);

    if (verb)
        cli_usage(cli, "%s works only inside the shell (run `holdfast` without a verb)", word);
    else if (word[0] == '-')
        cli_usage(cli, "unknown option %.60s; see `%s`", word,
                  cli->in_shell ? "help" : "holdfast help");
    else
        cli_usage(cli, "unknown verb \"%.60s\"%s%s%s; see `%s`", word,
                  near ? "; did you mean " : "", near ? near : "", near ? "?" : "",
                  cli->in_shell ? "help" : "holdfast help");
}

/* A label would be lost on a verb that begins no transaction of its own. */
static bool label_is_used(struct cli *cli, const struct verb *verb)
{
    if (verb->kind & VERB_LABEL)
        return true;
    cli_usage(cli, "--label applies only to begin, run and import, not to %s", verb->name);
    return false;
}

/* --format is that of the results, or of the file. */
static bool format_set(struct cli *cli, const struct verb *verb, const char *format)
{
    cli->format = verb && verb->kind & VERB_FILES ? format : NULL;
    if (!format || cli->format || cli_mode_named(format, &cli->mode))
        return true;
    cli_usage(cli, "unknown format \"%.40s\"; expected " CLI_MODES, format);
    return false;
}

bool args_parse(struct cli *cli, int count, char **words, struct args *args,
                struct globals *globals)
{
    bool options_end = false;

    memset(args, 0, sizeof *args);
    memset(globals, 0, sizeof *globals);
    for (int i = 0; i < count; i++) {
        if (!options_end && strcmp(words[i], "--") == 0) {
            options_end = true;
        } else if (!options_end && is_option(words[i])) {
            if (!option_take(cli, args, globals, count, words, &i))
                return false;
        } else if (!args->verb) {
            args->verb = verb_find(cli->verbs, words[i]);
            if (!args->verb || ((args->verb->kind & VERB_SHELL) && !cli->in_shell)) {
                unknown_verb(cli, args->verb, words[i]);
                return false;
            }
        } else if (args->count < ARGS_MAX) {
            if (strstr(args->verb->arguments, "FILE") && args->count == 1)
                unquote(cli, words[i]);
            args->positional[args->count++] = words[i];
        } else {
            args->count = ARGS_MAX;
            cli_usage(cli, "too many arguments for %s", args->verb->name);
            return false;
        }
    }
    if (globals->help || globals->version || !args->verb)
        return format_set(cli, NULL, globals->format);
    if (!cli->in_shell && (cli->input_count > 0 || cli->keep_going)) {
        cli_usage(cli, "%s cannot be combined with a verb (%s)",
                  cli->keep_going ? "--keep-going" : "-c and -f", args->verb->name);
        return false;
    }
    return format_set(cli, args->verb, globals->format) && count_is_right(cli, args) &&
           (!globals->label || label_is_used(cli, args->verb));
}
