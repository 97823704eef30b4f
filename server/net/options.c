/* options.c - the table as data, and how values are read, checked and shown. */
#include "server/net/options.h"

#include "server/base/text.h"
#include "server/txn/db.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

const struct option option_table[] = {
#define X(type, field, name, standard, min, max, words, reload, help) \
    {name,                                                            \
     OPTION_##type,                                                   \
     standard,                                                        \
     min,                                                             \
     max,                                                             \
     words,                                                           \
     reload,                                                          \
     help,                                                            \
     offsetof(struct options, field),                                 \
     sizeof(((struct options *)NULL)->field)},
    OPTION_LIST_OF(X)
#undef X
};
const size_t option_count = sizeof option_table / sizeof option_table[0];

struct unit {
    const char *name;
    uint64_t factor;
};

/* The last that divides a number is the one it is shown in. */
static const struct unit byte_units[] = {
    {"", 1},      {"B", 1},     {"kB", 1000}, {"KB", 1000}, {"MB", 1000000}, {"GB", 1000000000},
    {"KiB", KIB}, {"MiB", MIB}, {"GiB", GIB}, {NULL, 0},
};
static const struct unit time_units[] = {
    {"ms", 1}, {"s", SECOND}, {"min", 60 * SECOND}, {"h", HOUR}, {NULL, 0},
};

static void *field_of(const struct options *o, const struct option *option)
{
    return (char *)(uintptr_t)o + option->offset;
}

static void format_unit(uint64_t n, const struct unit *units, char *to, size_t room)
{
    const struct unit *best = &units[0];

    for (const struct unit *u = units; u->name; u++)
        if (n && n % u->factor == 0 && u->factor >= best->factor)
            best = u;
    snprintf(to, room, "%" PRIu64 "%s", n / best->factor, best->name);
}

static void format_number(const struct option *option, uint64_t n, char *to, size_t room)
{
    if (option->type == OPTION_BYTES)
        format_unit(n, byte_units, to, room);
    else if (option->type == OPTION_DURATION)
        format_unit(n, time_units, to, room);
    else
        snprintf(to, room, "%" PRIu64, n);
}

/* What may stand there, in words. */
static void format_allowed(const struct option *option, char *to, size_t room)
{
    char min[32], max[32];

    format_number(option, option->min, min, sizeof min);
    format_number(option, option->max, max, sizeof max);
    switch (option->type) {
    case OPTION_TEXT:
        snprintf(to, room, "a string of at most %d bytes", OPTION_TEXT_BYTES - 1);
        break;
    case OPTION_LIST:
        snprintf(to, room, "strings separated by commas, at most %d bytes in all",
                 OPTION_TEXT_BYTES - 1);
        break;
    case OPTION_CHOICE: snprintf(to, room, "one of: %s", option->words); break;
    case OPTION_BYTES:
        snprintf(to, room, "a size from %s to %s, such as 4096, 64kB, 256MB or 256MiB", min,
                 max);
        break;
    case OPTION_DURATION:
        snprintf(to, room, "a duration from %s to %s, such as 100ms, 30s, 5min or 1h", min,
                 max);
        break;
    case OPTION_COUNT: snprintf(to, room, "an integer from %s to %s", min, max); break;
    case OPTION_BOOL: snprintf(to, room, "yes or no"); break;
    }
}

static bool refuse(const struct option *option, struct slice value, char *error)
{
    char allowed[256];

    format_allowed(option, allowed, sizeof allowed);
    snprintf(error, OPTION_ERROR_BYTES, "%s: invalid value \"%s\"; expected %s", option->name,
             text_show(value), allowed);
    return false;
}

/* Digits and then one of the units; false if it is none or does not fit 64 bits. */
static bool read_number(struct slice value, const struct unit *units, uint64_t *out)
{
    size_t i = 0;
    uint64_t n = 0;

    for (; i < value.size && isdigit(value.data[i]); i++) {
        uint64_t digit = value.data[i] - '0';

        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    if (i == 0)
        return false;
    while (i < value.size && value.data[i] == ' ')
        i++;
    for (const struct unit *u = units; u->name; u++) {
        if (strlen(u->name) != value.size - i ||
            memcmp(u->name, value.data + i, value.size - i))
            continue;
        if (n > UINT64_MAX / u->factor)
            return false;
        *out = n * u->factor;
        return true;
    }
    return false;
}

static bool read_bool(struct slice value, bool *out)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_equal(value, slice_text(words[i]))) {
            *out = i & 1;
            return true;
        }
    }
    return false;
}

static bool read_choice(const char *words, struct slice value, unsigned *out)
{
    unsigned i = 0;

    for (const char *at = words; *at; i++) {
        size_t size = strcspn(at, " ");

        if (slice_equal(value, slice_make(at, size))) {
            *out = i;
            return true;
        }
        at += size + (at[size] == ' ');
    }
    return false;
}

/* Elements without the blanks around them, one comma between. */
static bool read_list(struct slice value, bool append, char *to)
{
    char list[OPTION_TEXT_BYTES];
    size_t used = 0;

    if (append && to[0])
        used = (size_t)snprintf(list, sizeof list, "%s", to);
    for (size_t i = 0; i <= value.size;) {
        size_t end = i;

        while (end < value.size && value.data[end] != ',')
            end++;
        size_t from = i, upto = end;
        while (from < upto && isspace(value.data[from]))
            from++;
        while (upto > from && isspace(value.data[upto - 1]))
            upto--;
        if (from == upto)
            return false;
        if (used + (upto - from) + 2 > sizeof list)
            return false;
        if (used)
            list[used++] = ',';
        memcpy(list + used, value.data + from, upto - from);
        used += upto - from;
        i = end + 1;
    }
    list[used] = '\0';
    memcpy(to, list, used + 1);
    return true;
}

bool option_set(struct options *o, const struct option *option, struct slice value, bool append,
                char *error)
{
    void *field = field_of(o, option);
    uint64_t n;
    bool ok;

    if (memchr(value.data, '\0', value.size))
        return refuse(option, slice_text("a zero byte"), error);
    switch (option->type) {
    case OPTION_TEXT:
        ok = value.size < OPTION_TEXT_BYTES;
        if (ok) {
            memcpy(field, value.data, value.size);
            ((char *)field)[value.size] = '\0';
        }
        break;
    case OPTION_LIST: ok = read_list(value, append, field); break;
    case OPTION_CHOICE: ok = read_choice(option->words, value, field); break;
    case OPTION_BOOL: ok = read_bool(value, field); break;
    default: {
        static const struct unit plain[] = {{"", 1}, {NULL, 0}};
        const struct unit *units = option->type == OPTION_BYTES      ? byte_units
                                   : option->type == OPTION_DURATION ? time_units
                                                                     : plain;

        ok = read_number(value, units, &n) && n >= option->min && n <= option->max;
        if (ok)
            *(uint64_t *)field = n;
    }
    }
    return ok ? true : refuse(option, value, error);
}

void options_default(struct options *o)
{
    char error[OPTION_ERROR_BYTES];

    memset(o, 0, sizeof *o);
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];

        if (!option_set(o, option, slice_text(option->standard), false, error)) {
            fprintf(stderr, "holdfastd: default of %s\n", error);
            abort();
        }
    }
}

bool options_refuse(struct option_conflict *conflict, const char *const names[3],
                    const char *format, ...)
{
    va_list args;

    memset(conflict->names, 0, sizeof conflict->names);
    for (size_t i = 0; i < 3 && names[i]; i++)
        conflict->names[i] = names[i];
    va_start(args, format);
    vsnprintf(conflict->text, sizeof conflict->text, format, args);
    va_end(args);
    return false;
}

static bool check_output(const struct options *o, struct option_conflict *conflict)
{
    uint64_t answer = o->result_size > o->value_size ? o->result_size : o->value_size;

    if (o->output_pause > o->output_max)
        return options_refuse(conflict, OPTIONS("output-pause", "output-max"),
                              "output-pause: %" PRIu64 " exceeds output-max, which is %" PRIu64
                              "; allowed: at most that",
                              o->output_pause, o->output_max);
    if (answer + o->output_pause > o->output_max)
        return options_refuse(
            conflict,
            OPTIONS("output-max", o->result_size > o->value_size ? "result-size" : "value-size",
                    "output-pause"),
            "output-max: %" PRIu64 " leaves no room for a reply of result-size or value-size "
            "in addition to output-pause; allowed: at least %" PRIu64,
            o->output_max, answer + o->output_pause);
    return true;
}

static bool check_messages(const struct options *o, struct option_conflict *conflict)
{
    if (o->frame_size > o->client_memory)
        return options_refuse(conflict, OPTIONS("client-memory", "frame-size"),
                              "client-memory: %" PRIu64
                              " is less than one message of frame-size %" PRIu64
                              "; allowed: at least that",
                              o->client_memory, o->frame_size);
    if (o->frame_size > o->connection_memory)
        return options_refuse(conflict, OPTIONS("connection-memory", "frame-size"),
                              "connection-memory: %" PRIu64
                              " is less than one message of frame-size %" PRIu64
                              "; allowed: at least that",
                              o->connection_memory, o->frame_size);
    if (o->value_size + o->key_size + KIB > o->frame_size)
        return options_refuse(conflict, OPTIONS("value-size", "frame-size", "key-size"),
                              "value-size: a record of %" PRIu64
                              " bytes does not fit into a message of frame-size %" PRIu64
                              "; allowed: at most frame-size minus key-size minus 1KiB",
                              o->value_size, o->frame_size);
    return true;
}

bool options_check(const struct options *o, struct option_conflict *conflict)
{
    if (!o->data[0])
        return options_refuse(conflict, OPTIONS("data"),
                              "data: expected the path of a directory");
    if (o->page_size & (o->page_size - 1))
        return options_refuse(
            conflict, OPTIONS("page-size"),
            "page-size: %" PRIu64
            " is not a power of two; expected 4KiB, 8KiB, 16KiB, 32KiB or 64KiB",
            o->page_size);
    if (o->stage_size > o->staged_max)
        return options_refuse(conflict, OPTIONS("stage-size", "staged-max"),
                              "stage-size: %" PRIu64 " exceeds staged-max, which is %" PRIu64
                              "; allowed: at most that",
                              o->stage_size, o->staged_max);
    return check_output(o, conflict) && check_messages(o, conflict);
}

const struct option *option_find(struct slice name)
{
    for (size_t i = 0; i < option_count; i++)
        if (slice_equal(name, slice_text(option_table[i].name)))
            return &option_table[i];
    return NULL;
}

const char *option_nearest(struct slice name)
{
    const char *best = NULL;
    unsigned least = 4; /* further away is no help */

    for (size_t i = 0; i < option_count; i++) {
        struct slice other = slice_text(option_table[i].name);
        unsigned d = text_distance(name, other);

        if (d < least && d < other.size) {
            least = d;
            best = option_table[i].name;
        }
    }
    return best;
}

void option_format(const struct options *o, const struct option *option, char *to)
{
    const void *field = field_of(o, option);

    switch (option->type) {
    case OPTION_TEXT:
    case OPTION_LIST: snprintf(to, OPTION_TEXT_BYTES, "%s", (const char *)field); break;
    case OPTION_CHOICE: {
        const char *at = option->words;

        for (unsigned i = *(const unsigned *)field; i; i--)
            at += strcspn(at, " ") + 1;
        snprintf(to, OPTION_TEXT_BYTES, "%.*s", (int)strcspn(at, " "), at);
        break;
    }
    case OPTION_BOOL:
        snprintf(to, OPTION_TEXT_BYTES, "%s", *(const bool *)field ? "yes" : "no");
        break;
    default: format_number(option, *(const uint64_t *)field, to, OPTION_TEXT_BYTES);
    }
}

bool option_same(const struct options *a, const struct options *b, const struct option *option)
{
    if (option->type == OPTION_TEXT || option->type == OPTION_LIST)
        return strcmp(field_of(a, option), field_of(b, option)) == 0;
    return memcmp(field_of(a, option), field_of(b, option), option->size) == 0;
}

void option_copy(struct options *to, const struct options *from, const struct option *option)
{
    memcpy(field_of(to, option), field_of(from, option), option->size);
}

/* Words of text, broken before column 78, each line after the same beginning. */
static void print_wrapped(FILE *to, const char *begin, const char *text)
{
    size_t column = 0;

    while (*text) {
        size_t size = strcspn(text, " ");

        if (column && column + 1 + size > 78) {
            fputc('\n', to);
            column = 0;
        }
        if (column == 0)
            column = (size_t)fprintf(to, "%s", begin);
        else
            column += (size_t)fprintf(to, " ");
        column += (size_t)fprintf(to, "%.*s", (int)size, text);
        text += size + (text[size] == ' ');
    }
    fputc('\n', to);
}

void options_print_config(FILE *to, const struct options *o)
{
    struct options standard;

    options_default(&standard);
    fprintf(
        to,
        "# Options of holdfastd; those that are commented out are at their defaults.\n"
        "# `holdfastd --config FILE` reads such a file; add `--check-config` to only check\n"
        "# it. Command-line options override the file. Options marked (reload) take effect\n"
        "# on SIGHUP, without a restart.\n"
        "# This file was written by `holdfastd --print-config`.\n");
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        char text[1024], allowed[256], value[OPTION_TEXT_BYTES];

        snprintf(text, sizeof text, "%s%s", option->help, option->reload ? " (reload)" : "");
        fputc('\n', to);
        print_wrapped(to, "# ", text);
        if (option->type != OPTION_TEXT && option->type != OPTION_LIST) {
            format_allowed(option, allowed, sizeof allowed);
            snprintf(text, sizeof text, "allowed: %s", allowed);
            print_wrapped(to, "# ", text);
        }
        snprintf(value, sizeof value, "%s", option->standard);
        if (!option_same(o, &standard, option))
            option_format(o, option, value);
        fprintf(to, "%s%s =%s%s\n", option_same(o, &standard, option) ? "#" : "", option->name,
                value[0] ? " " : "", value);
    }
}

void options_print_help(FILE *to)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        static const char *const kinds[] = {
            [OPTION_TEXT] = "TEXT",         [OPTION_LIST] = "LIST",
            [OPTION_CHOICE] = "WORD",       [OPTION_BYTES] = "SIZE",
            [OPTION_DURATION] = "DURATION", [OPTION_COUNT] = "N",
            [OPTION_BOOL] = "[yes|no]",
        };
        char text[1024];

        fprintf(to, "  --%s %s\n", option->name, kinds[option->type]);
        snprintf(text, sizeof text, "%s%s%s%s", option->help, option->standard[0] ? " (" : "",
                 option->standard, option->standard[0] ? ")" : "");
        print_wrapped(to, "      ", text);
    }
}
