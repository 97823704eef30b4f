/* command_line.c - flags into options, over what a file says. */
#include "server/net/command_line.h"

#include "server/base/text.h"
#include "server/net/listener.h"

#include <inttypes.h>

struct flags {
    int argc;
    char **argv;
    struct options *options;
    bool
        seen[OPTION_COUNT_MAX]; /* lists: the first flag replaces what a file said, later add */
    config_complain *complain;
    void *context;
    unsigned errors;
};

static void complain(struct flags *f, const char *what)
{
    char error[OPTION_ERROR_BYTES + 64];

    snprintf(error, sizeof error, "command line: %s", what);
    f->complain(f->context, error);
    f->errors++;
}

static void unknown_flag(struct flags *f, struct slice name)
{
    const char *near = option_nearest(name);
    char error[OPTION_ERROR_BYTES];

    if (near)
        snprintf(error, sizeof error, "unknown option --%s; did you mean --%s?",
                 text_show(name), near);
    else
        snprintf(error, sizeof error, "unknown option --%s; see holdfastd --help",
                 text_show(name));
    complain(f, error);
}

/* Whether argv[i] is a value rather than the next flag: `--data --check-config` lacks one. */
static bool has_value(const struct flags *f, int i)
{
    return i < f->argc && strncmp(f->argv[i], "--", 2) != 0;
}

/* One option's flag at argv[i]; returns the index of the next one. */
static int read_option(struct flags *f, int i)
{
    const char *text = f->argv[i] + 2;
    const char *equals = strchr(text, '=');
    struct slice name = slice_make(text, equals ? (size_t)(equals - text) : strlen(text));
    const struct option *option = option_find(name);
    const char *value = equals ? equals + 1 : NULL;
    char error[OPTION_ERROR_BYTES];
    bool append;

    i++;
    if (!option) {
        unknown_flag(f, name);
        return i;
    }
    if (!value && option->type == OPTION_BOOL) {
        value = "yes";
        if (i < f->argc && (!strcmp(f->argv[i], "yes") || !strcmp(f->argv[i], "no")))
            value = f->argv[i++];
    }
    if (!value && has_value(f, i))
        value = f->argv[i++];
    if (!value) {
        snprintf(error, sizeof error, "--%s needs a value", option->name);
        complain(f, error);
        return i;
    }
    append = f->seen[option - option_table];
    f->seen[option - option_table] = true;
    if (f->options && !option_set(f->options, option, slice_text(value), append, error))
        complain(f, error);
    if (f->options)
        f->options->line[option - option_table] = OPTION_BY_FLAG;
    return i;
}

/* A flag of what the server does instead of serving, at argv[i], with its value. false: it is none;
 * else *next is the index behind it. */
static bool read_task(struct flags *f, struct command_line *line, int i, int *next)
{
    const struct {
        const char *flag;
        enum command command;
        const char **value;
    } tasks[] = {
        {"--restore", COMMAND_RESTORE, &line->restore.backup},
        {"--to-commit", COMMAND_RESTORE, &line->restore.to_commit},
        {"--before-commit", COMMAND_RESTORE, &line->restore.before_commit},
        {"--to-time", COMMAND_RESTORE, &line->restore.to_time},
        {"--wal", COMMAND_RESTORE, &line->restore.wal[line->restore.wal_count]},
    };
    bool is_wal = strcmp(f->argv[i], "--wal") == 0;
    char error[OPTION_ERROR_BYTES];

    if (is_wal && line->restore.wal_count == RESTORE_WALS_MAX - 1) {
        snprintf(error, sizeof error, "--wal: at most %d directories", RESTORE_WALS_MAX - 1);
        complain(f, error);
        *next = i + 2;
        return true;
    }

    for (size_t k = 0; k < sizeof tasks / sizeof tasks[0]; k++) {
        if (strcmp(f->argv[i], tasks[k].flag) != 0)
            continue;
        *next = i + 1;
        if (has_value(f, i + 1)) {
            *tasks[k].value = f->argv[i + 1];
            line->command = tasks[k].command;
            line->restore.wal_count += is_wal;
            *next = i + 2;
        } else {
            snprintf(error, sizeof error, "%s needs a value", tasks[k].flag);
            complain(f, error);
        }
        return true;
    }
    return false;
}

/* Commands that work on files, with what they take. */
static const struct file_command {
    const char *flag;
    enum command command;
    unsigned values_min, values_max;
    const char *usage;
} file_commands[] = {
    {"--check-data", COMMAND_CHECK_DATA, 1, 1, "--check-data needs a value: --check-data DIR"},
    {"--dump-file", COMMAND_DUMP_FILE, 1, 2,
     "--dump-file needs a value: --dump-file FILE [OFFSET]"},
    {"--salvage", COMMAND_SALVAGE, 2, 2, "--salvage needs two values: --salvage DIR OUT"},
};

/* A command that works on files at argv[i]; returns the index of its last value. */
static int read_file_command(struct flags *f, struct command_line *line,
                             const struct file_command *as, int i)
{
    unsigned count = 0;

    line->command = as->command;
    while (count < as->values_max && has_value(f, i + 1))
        line->values[count++] = f->argv[++i];
    if (count < as->values_min)
        complain(f, as->usage);
    line->value_count = count;
    if (f->options && count)
        option_set(f->options, option_find(slice_text("data")), slice_text(line->values[0]),
                   false, (char[OPTION_ERROR_BYTES]){0});
    return i;
}

/* With options NULL only the commands and --config are taken. */
static void read_flags(struct flags *f, struct command_line *line)
{
    static const struct {
        const char *flag;
        enum command command;
    } commands[] = {
        {"--help", COMMAND_HELP},
        {"-h", COMMAND_HELP},
        {"--version", COMMAND_VERSION},
        {"--check-config", COMMAND_CHECK_CONFIG},
        {"--print-config", COMMAND_PRINT_CONFIG},
    };

    for (int i = 1; i < f->argc;) {
        const char *text = f->argv[i];
        bool taken = false;

        for (size_t k = 0; k < sizeof commands / sizeof commands[0]; k++) {
            if (strcmp(text, commands[k].flag) == 0) {
                line->command = commands[k].command;
                taken = true;
            }
        }
        for (size_t k = 0; k < sizeof file_commands / sizeof file_commands[0] && !taken; k++) {
            if (strcmp(text, file_commands[k].flag) == 0) {
                taken = true;
                i = read_file_command(f, line, &file_commands[k], i);
            }
        }
        if (taken) {
            i++;
        } else if (read_task(f, line, i, &i)) {
            continue;
        } else if (strcmp(text, "--config") == 0 && has_value(f, i + 1)) {
            line->config = f->argv[i + 1];
            i += 2;
        } else if (strcmp(text, "--config") == 0) {
            complain(f, "--config needs a value: --config FILE");
            i++;
        } else if (strncmp(text, "--config=", 9) == 0) {
            line->config = text + 9;
            i++;
        } else if (strncmp(text, "--", 2) == 0 && text[2]) {
            i = read_option(f, i);
        } else {
            char error[OPTION_ERROR_BYTES];

            snprintf(error, sizeof error,
                     "unexpected argument \"%.100s\"; see holdfastd --help", text);
            complain(f, error);
            i++;
        }
    }
}

static void keep_quiet(void *context, const char *error)
{
}

/* Say it at the first of the options that somebody has set. */
static void complain_conflict(const struct flags *f, const struct command_line *line,
                              const struct option_conflict *conflict)
{
    char error[OPTION_ERROR_BYTES + 512];
    uint32_t at = 0;

    for (size_t i = 0; conflict->names[i] && !at; i++)
        at = f->options->line[option_find(slice_text(conflict->names[i])) - option_table];
    if (at == OPTION_BY_FLAG)
        snprintf(error, sizeof error, "command line: %s", conflict->text);
    else if (at)
        snprintf(error, sizeof error, "%.200s:%" PRIu32 ": %s", line->config, at,
                 conflict->text);
    f->complain(f->context, at ? error : conflict->text);
}

enum command_line_result command_line_read(int argc, char **argv, struct command_line *line,
                                           struct options *o, config_complain *told,
                                           void *context)
{
    struct flags first = {.argc = argc, .argv = argv, .complain = keep_quiet};
    struct flags second = {
        .argc = argc, .argv = argv, .options = o, .complain = told, .context = context};
    struct option_conflict conflict;
    unsigned errors = 0;

    *line = (struct command_line){.command = COMMAND_SERVE, .argc = argc, .argv = argv};
    options_default(o);
    read_flags(&first, line); /* finds --config */
    if (line->config && line->command != COMMAND_HELP && line->command != COMMAND_VERSION)
        errors = config_file_read(line->config, o, told, context);
    line->restore = (struct restore_request){.backup = NULL};
    read_flags(&second, line);
    if (line->command == COMMAND_RESTORE && !line->restore.backup)
        complain(&second, "--to-commit, --before-commit, --to-time and --wal need --restore");
    if (second.errors)
        return COMMAND_LINE_USAGE;
    if (errors)
        return COMMAND_LINE_CONFIG;
    if (!options_check(o, &conflict) || !listener_check(o, &conflict)) {
        complain_conflict(&second, line, &conflict);
        return COMMAND_LINE_CONFIG;
    }
    return COMMAND_LINE_OK;
}
