#include "client/cli/complete.h"
#include "client/cli/args.h"
#include "client/cli/command.h"
#include "client/cli/complete_internal.h"
#include "client/cli/seen.h"
#include "client/cli/statement.h"

#include <stdlib.h>

#define LINE_WORDS_MAX 64

/* The line's words; the last one is being typed, and may be empty. */
struct typed_line {
    char *copy; /* owned */
    const char *words[LINE_WORDS_MAX];
    unsigned count;
    const struct verb *verb; /* of the first word; NULL: none, or it is being typed */
};

static void typed_init(struct typed_line *t, struct cli *cli, const char *line)
{
    char *rest;

    memset(t, 0, sizeof *t);
    t->copy = strdup(line);
    rest = t->copy;
    while (rest && t->count < LINE_WORDS_MAX) {
        char *word;

        rest += strspn(rest, " \t");
        word = strsep(&rest, " \t");
        t->words[t->count++] = word;
    }
    if (t->count > 1)
        t->verb = command_verb(cli->verbs, t->words[0]);
    if (t->count > 1 && strcmp(t->words[0], "\\d") == 0) /* with a store it describes that */
        t->verb = verb_find(cli->verbs, "describe");
}

static void offer_verbs(struct cli *cli, struct completion *out, const char *typed)
{
    for (const struct verb *v = cli->verbs; v->name; v++)
        complete_offer(out, typed, v->name);
}

/* Words that begin with a backslash: those that are short, and those whose verb is usual with
 * one. */
static void offer_backslash(struct completion *out, const char *typed)
{
    static const char *const words[] = {"\\d", "\\explain", "\\h",      "\\holds",  "\\i",
                                        "\\o", "\\q",       "\\status", "\\timing", "\\watch",
                                        "\\x", "\\format",  "\\clear",  "\\top"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        complete_offer(out, typed, words[i]);
}

/* In the shell not those of a whole session. */
static void offer_options(struct cli *cli, struct completion *out, const char *typed,
                          const struct verb_option *options)
{
    for (const struct verb_option *o = options; o && o->name; o++) {
        char word[80];

        if (cli->in_shell && options == global_options && args_is_of_session(o->name))
            continue;
        snprintf(word, sizeof word, "--%s", o->name);
        complete_offer(out, typed, word);
    }
}

/* The words of the verb's arguments at that place, "STORE" for example; "" beyond the last. */
static void argument_at(const struct verb *verb, unsigned place, char *to, size_t room)
{
    const char *at = verb->arguments;

    while (place-- > 0 && *at) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    snprintf(to, room, "%.*s", (int)strcspn(at, " "), at);
}

static bool takes_value(const struct verb *verb, const char *word)
{
    const struct verb_option *lists[] = {verb->options, global_options};

    for (int i = 0; i < 2; i++)
        for (const struct verb_option *o = lists[i]; o && o->name; o++)
            if (strcmp(o->name, word + 2) == 0)
                return o->value != NULL;
    return false;
}

/* How many arguments stand before the word that is typed; the first of them is the store. */
static unsigned arguments_before(const struct typed_line *t, const char **store)
{
    unsigned count = 0;

    *store = NULL;
    for (unsigned i = 1; i + 1 < t->count; i++) {
        if (strncmp(t->words[i], "--", 2) == 0) {
            i += !strchr(t->words[i], '=') && takes_value(t->verb, t->words[i]);
        } else {
            if (count == 0)
                *store = t->words[i];
            count++;
        }
    }
    return count;
}

static void offer_argument(struct cli *cli, struct completion *out, const struct typed_line *t,
                           const char *typed)
{
    static const char *const changes[] = {"set",    "add",   "min",   "max",
                                          "append", "unset", "commit"};
    static const char *const isolations[] = {
        "serializable", "snapshot", "read-only", "greatest-version", "continue", "interval",
        "sync",         "lock",     "share",     "lock-database"};
    bool of_index =
        strcmp(t->verb->name, "drop-index") == 0 || strcmp(t->verb->name, "rename-index") == 0;
    const char *store;
    unsigned place = arguments_before(t, &store);
    char argument[32];

    argument_at(t->verb, place, argument, sizeof argument);
    if (strcmp(argument, "STORE") == 0 ||
        (strcmp(t->verb->name, "describe") == 0 && place == 0))
        complete_names(cli, out, typed, NULL);
    else if (of_index && place == 1 && store)
        complete_names(cli, out, typed, store);
    else if (strcmp(argument, "[VERB]") == 0)
        offer_verbs(cli, out, typed);
    else if (strcmp(t->verb->name, "begin") == 0 && t->count > 2 &&
             (strcmp(t->words[t->count - 2], "lock") == 0 ||
              strcmp(t->words[t->count - 2], "share") == 0)) {
        complete_names(cli, out, typed, NULL);
        return;
    }
    for (size_t i = 0; strcmp(t->verb->name, "update") == 0 && place >= 2 &&
                       i < sizeof changes / sizeof *changes;
         i++)
        complete_offer(out, typed, changes[i]);
    for (size_t i = 0;
         strcmp(t->verb->name, "begin") == 0 && i < sizeof isolations / sizeof *isolations; i++)
        complete_offer(out, typed, isolations[i]);
}

/* What the verb takes, for whom does not remember. */
static void make_hint(const struct typed_line *t, struct completion *out)
{
    const struct verb_option *o = t->verb->options;
    int at = snprintf(out->hint, sizeof out->hint, "%s %s", t->verb->name, t->verb->arguments);

    for (; o && o->name && at > 0 && (size_t)at < sizeof out->hint; o++)
        at += snprintf(out->hint + at, sizeof out->hint - (size_t)at, " [--%s%s%s]", o->name,
                       o->value ? " " : "", o->value ? o->value : "");
}

/* The last of several names behind --fields. */
static void offer_fields(struct completion *out, const char *typed)
{
    const char *comma = strrchr(typed, ',');
    const char *name;

    typed = comma ? comma + 1 : typed;
    out->typed = strlen(typed);
    for (unsigned i = 0; (name = seen_name(i)) != NULL; i++)
        complete_offer(out, typed, name);
}

void complete(struct cli *cli, const char *line, struct completion *out)
{
    const char *typed, *before, *store;
    struct typed_line t;
    size_t verb_size;

    memset(out, 0, sizeof *out);
    if (statement_is_query(line) && strpbrk(line + strspn(line, " \t\n"), " \t\n")) {
        complete_query(cli, line, out);
        return;
    }
    if (statement_query_behind_verb(line, &verb_size)) {
        complete_query(cli, statement_query_behind_verb(line, &verb_size), out);
        return;
    }
    typed_init(&t, cli, line);
    if (t.count == 0) {
        free(t.copy);
        return;
    }
    typed = t.words[t.count - 1];
    before = t.count > 1 ? t.words[t.count - 2] : "";
    out->typed = strlen(typed);
    if (t.count == 1 && typed[0] == '\\') {
        offer_backslash(out, typed);
    } else if (t.count == 1) {
        offer_verbs(cli, out, typed);
        complete_offer(out, typed, typed[0] == 'S' ? "SELECT" : "select");
        complete_offer(out, typed, typed[0] == 'U' ? "UPSERT" : "upsert");
    } else if (t.verb && typed[0] == '-') {
        offer_options(cli, out, typed, t.verb->options);
        offer_options(cli, out, typed, global_options);
    } else if (t.verb && strcmp(before, "--fields") == 0) {
        t.count--;
        arguments_before(&t, &store);
        if (store && strcmp(store, ".") == 0)
            store = cli->store;
        if (store)
            complete_sample(cli, store);
        offer_fields(out, typed);
    } else if (t.verb && strcmp(before, "--index") == 0) {
        t.count--;
        arguments_before(&t, &store);
        if (store)
            complete_names(cli, out, typed, store);
    } else if (t.verb && (strncmp(before, "--", 2) != 0 || !takes_value(t.verb, before))) {
        offer_argument(cli, out, &t, typed);
        if (out->count == 0 && typed[0] == '\0')
            make_hint(&t, out);
    }
    free(t.copy);
}

void complete_free(struct completion *c)
{
    for (unsigned i = 0; i < c->count; i++)
        free(c->words[i]);
    c->count = 0;
}

size_t complete_shared(const struct completion *c)
{
    size_t shared = c->count > 0 ? strlen(c->words[0]) : 0;

    for (unsigned i = 1; i < c->count; i++) {
        size_t same = 0;

        while (same < shared && c->words[i][same] == c->words[0][same])
            same++;
        shared = same;
    }
    return shared;
}
