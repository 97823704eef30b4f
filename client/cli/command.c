#include "client/cli/command.h"
#include "client/cli/args.h"
#include "client/cli/interrupt.h"
#include "client/cli/run.h"
#include "client/cli/statement.h"
#include "client/cli/words.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Put text in the place of the n-th word, or behind the last. */
static void word_set(struct words *w, int n, const char *text)
{
    char *copy = strdup(text);

    if (!copy || n >= WORDS_MAX)
        return;
    if (n < w->count)
        free(w->words[n]);
    else
        w->count++;
    w->words[n] = copy;
}

/* The verb's name for a word of psql's kind, behind its backslash. */
static const char *short_name(const char *word)
{
    static const struct {
        const char *word, *verb;
    } names[] = {{"d", "stores"}, {"q", "exit"},   {"?", "help"},   {"h", "help"},
                 {"o", "output"}, {"x", "expand"}, {"i", "include"}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].word, word) == 0)
            return names[i].verb;
    return word;
}

const struct verb *command_verb(const struct verb *verbs, const char *word)
{
    return verb_find(verbs, word[0] == '\\' ? short_name(word + 1) : word);
}

/* Words of psql's kind: a backslash before a verb, and short names for some. */
static void expand_backslash(struct words *w)
{
    const char *name;

    if (w->count == 0 || w->words[0][0] != '\\')
        return;
    if (strcmp(w->words[0], "\\d") == 0 && w->count > 1) {
        word_set(w, 0, "describe");
        word_set(w, w->count, "--store");
        return;
    }
    name = short_name(w->words[0] + 1);
    if (name == w->words[0] + 1)
        memmove(w->words[0], name, strlen(name) + 1);
    else
        word_set(w, 0, name);
}

void command_keep(struct cli *cli, const char *text)
{
    char *copy = text == cli->kept ? NULL : strdup(text);

    if (!copy)
        return;
    free(cli->kept);
    cli->kept = copy;
}

/* The statement as words. False: words->why. */
static bool take_words(struct words *words, const char *text)
{
    const char *query;
    size_t size;

    if (statement_is_query(text)) {
        word_set(words, 0, "query");
        word_set(words, 1, "--");
        word_set(words, 2, text);
        return words->count == 3;
    }
    query = statement_query_behind_verb(text, &size);
    if (query) {
        text += strspn(text, " \t");
        text += *text == '\\';
        word_set(words, 0, size == 5 ? "query" : "explain");
        word_set(words, 1, "--");
        word_set(words, 2, query);
        return words->count == 3;
    }
    if (!words_split(words, text))
        return false;
    expand_backslash(words);
    return true;
}

static bool is_kept(const struct words *words)
{
    static const char *const not_kept[] = {"watch", "explain", "exit", "quit", "include"};

    if (words->count == 0)
        return false;
    for (size_t i = 0; i < sizeof not_kept / sizeof *not_kept; i++)
        if (strcmp(words->words[0], not_kept[i]) == 0)
            return false;
    return true;
}

static int run_words(struct cli *cli, struct words *words)
{
    struct timespec begun, ended;
    int exit_code;

    interrupt_begin();
    clock_gettime(CLOCK_MONOTONIC, &begun);
    exit_code = cli_run(cli, words->count, words->words);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    if (cli->timing)
        fprintf(cli->err, "%.3f ms\n",
                (double)(ended.tv_sec - begun.tv_sec) * 1e3 +
                    (double)(ended.tv_nsec - begun.tv_nsec) / 1e6);
    return exit_code;
}

int command_run(struct cli *cli, const char *text)
{
    const struct cli before = *cli;
    struct words words = {.count = 0};
    int exit_code = CLI_OK;

    cli->mode = cli->shell_mode;
    if (take_words(&words, text)) {
        if (is_kept(&words))
            command_keep(cli, text);
        if (words.count)
            exit_code = run_words(cli, &words);
    } else {
        exit_code = cli_usage(cli, "%s", words.why[0] ? words.why : "out of memory");
    }
    words_free(&words);
    /* Options of one line are of that line, and borrow from it. */
    cli->mode = before.mode;
    cli->style = before.style;
    cli->label = before.label;
    cli->database = cli->shell_database ? cli->shell_database : before.database;
    cli->timeout_ms = before.timeout_ms;
    cli->yes = before.yes;
    cli->read_only = before.read_only;
    return exit_code;
}
