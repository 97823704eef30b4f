#include "client/cli/complete.h"
#include "client/cli/args.h"

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
        t->verb = verb_find(cli->verbs, t->words[0]);
}

/* Whether a name may stand in a line as it is. */
static bool is_plain(const char *name)
{
    return name[0] != '\0' && !strchr("{[\"'#-.", name[0]) && !strpbrk(name, " \t'");
}

static void offer(struct completion *out, const char *typed, const char *before,
                  const char *name)
{
    char word[300];

    if ((size_t)snprintf(word, sizeof word, "%s%s", before, name) >= sizeof word ||
        strncmp(word, typed, strlen(typed)) != 0 || out->count == COMPLETE_WORDS_MAX)
        return;
    out->words[out->count] = strdup(word);
    out->count += out->words[out->count] != NULL;
}

static void offer_verbs(struct cli *cli, struct completion *out, const char *typed)
{
    for (const struct verb *v = cli->verbs; v->name; v++)
        offer(out, typed, "", v->name);
}

static void offer_options(struct completion *out, const char *typed,
                          const struct verb_option *options)
{
    for (const struct verb_option *o = options; o && o->name; o++)
        offer(out, typed, "--", o->name);
}

/* The names of stores, or of the indexes of one. */
static void offer_names(struct cli *cli, struct completion *out, const char *typed,
                        const char *of_store)
{
    struct hf_bytes stores, store;
    struct hf_walk walk;
    char name[256];

    if (!cli->conn || hf_conn_fd(cli->conn) < 0 || hf_stores(cli->conn, NULL, &stores) != HF_OK)
        return;
    if (of_store && strcmp(of_store, ".") == 0)
        of_store = cli->store;
    walk = hf_walk(stores);
    while (of_store && hf_walk_next(&walk, NULL, &store)) {
        if (hf_text_is(hf_field(store, "name"), of_store)) {
            stores = hf_field(store, "indexes");
            walk = hf_walk(stores);
            break;
        }
    }
    while (hf_walk_next(&walk, NULL, &store)) {
        if (hf_read_string(hf_field(store, "name"), name, sizeof name) == HF_OK &&
            is_plain(name))
            offer(out, typed, "", name);
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
        "serializable", "snapshot", "read-only", "greatest-version", "continue",
        "interval",     "lock",     "share",     "lock-database"};
    bool of_index =
        strcmp(t->verb->name, "drop-index") == 0 || strcmp(t->verb->name, "rename-index") == 0;
    const char *store;
    unsigned place = arguments_before(t, &store);
    char argument[32];

    argument_at(t->verb, place, argument, sizeof argument);
    if (strcmp(argument, "STORE") == 0 ||
        (strcmp(t->verb->name, "describe") == 0 && place == 0))
        offer_names(cli, out, typed, NULL);
    else if (of_index && place == 1 && store)
        offer_names(cli, out, typed, store);
    else if (strcmp(argument, "[VERB]") == 0)
        offer_verbs(cli, out, typed);
    else if (strcmp(t->verb->name, "begin") == 0 && t->count > 2 &&
             (strcmp(t->words[t->count - 2], "lock") == 0 ||
              strcmp(t->words[t->count - 2], "share") == 0)) {
        offer_names(cli, out, typed, NULL);
        return;
    }
    for (size_t i = 0; strcmp(t->verb->name, "update") == 0 && place >= 2 &&
                       i < sizeof changes / sizeof *changes;
         i++)
        offer(out, typed, "", changes[i]);
    for (size_t i = 0;
         strcmp(t->verb->name, "begin") == 0 && i < sizeof isolations / sizeof *isolations; i++)
        offer(out, typed, "", isolations[i]);
}

void complete(struct cli *cli, const char *line, struct completion *out)
{
    const char *typed, *before, *store;
    struct typed_line t;

    memset(out, 0, sizeof *out);
    typed_init(&t, cli, line);
    if (t.count == 0) {
        free(t.copy);
        return;
    }
    typed = t.words[t.count - 1];
    before = t.count > 1 ? t.words[t.count - 2] : "";
    out->typed = strlen(typed);
    if (t.count == 1) {
        offer_verbs(cli, out, typed);
    } else if (t.verb && typed[0] == '-') {
        offer_options(out, typed, t.verb->options);
        offer_options(out, typed, global_options);
    } else if (t.verb && strcmp(before, "--index") == 0) {
        t.count--;
        arguments_before(&t, &store);
        if (store)
            offer_names(cli, out, typed, store);
    } else if (t.verb && (strncmp(before, "--", 2) != 0 || !takes_value(t.verb, before))) {
        offer_argument(cli, out, &t, typed);
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
