#include "client/cli/shell.h"
#include "client/cli/line.h"
#include "client/cli/interrupt.h"
#include "client/cli/run.h"
#include "client/cli/words.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROMPT_DATABASE_BYTES 24 /* of its name */

/* ":name" of a database other than main, where a terminal can take it as it is. */
static void prompt_database(const struct cli *cli, char *to, size_t room)
{
    const char *name = cli->database ? cli->database : "main";
    size_t size = strlen(name);

    to[0] = '\0';
    if (strcmp(name, "main") == 0)
        return;
    for (size_t i = 0; i < size; i++) {
        if (name[i] <= ' ' || name[i] > '~')
            size = 0;
    }
    if (!size || size > PROMPT_DATABASE_BYTES)
        name = "...";
    snprintf(to, room, ":%s", name);
}

void shell_prompt(const struct cli *cli, char *to, size_t room)
{
    char database[PROMPT_DATABASE_BYTES + 2];

    prompt_database(cli, database, sizeof database);
    if (cli->txn)
        snprintf(to, room, "holdfast%s[txn %llu%s]> ", database,
                 (unsigned long long)hf_txn_version(cli->txn), cli->txn_failed ? "!" : "");
    else
        snprintf(to, room, "holdfast%s> ", database);
}

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

/* Words of psql's kind: a backslash before a verb, and short names for some. */
static void expand_backslash(struct words *w)
{
    static const struct {
        const char *word, *verb;
    } names[] = {{"d", "stores"}, {"q", "exit"},   {"?", "help"},
                 {"h", "help"},   {"o", "output"}, {"x", "format"}};
    const char *name;

    if (w->count == 0 || w->words[0][0] != '\\')
        return;
    if (strcmp(w->words[0], "\\d") == 0 && w->count > 1) {
        word_set(w, 0, "describe");
        word_set(w, w->count, "--store");
        return;
    }
    if (strcmp(w->words[0], "\\x") == 0 && w->count == 1)
        word_set(w, 1, "vertical");
    name = w->words[0] + 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].word, name) == 0) {
            word_set(w, 0, names[i].verb);
            return;
        }
    }
    memmove(w->words[0], name, strlen(name) + 1);
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

/* `query ...` whose text is written without quotes: two words. False: the line is another one. */
static bool take_query(struct words *w, const char *line)
{
    static const char verb[] = "query";
    const char *text;

    line += strspn(line, " \t");
    if (strncmp(line, verb, sizeof verb - 1) != 0 || !line[sizeof verb - 1] ||
        !strchr(" \t", line[sizeof verb - 1]))
        return false;
    text = line + sizeof verb - 1;
    text += strspn(text, " \t");
    if (!*text || strchr("'\"-", *text))
        return false;
    word_set(w, 0, verb);
    word_set(w, 1, text);
    return w->count == 2;
}

int shell_line(struct cli *cli, const char *line)
{
    const struct cli before = *cli;
    struct words words = {.count = 0};
    bool is_query = take_query(&words, line);
    int exit_code;

    cli->mode = cli->shell_mode;
    if (is_query || words_split(&words, line)) {
        expand_backslash(&words);
        exit_code = words.count ? run_words(cli, &words) : CLI_OK;
    } else {
        exit_code = cli_usage(cli, "%s", words.why[0] ? words.why : "out of memory");
    }
    words_free(&words);
    /* Options of one line are of that line, and borrow from it. */
    cli->mode = before.mode;
    cli->style = before.style;
    cli->label = before.label;
    cli->address = before.address;
    cli->database = cli->shell_database ? cli->shell_database : before.database;
    cli->timeout_ms = before.timeout_ms;
    cli->keep_going = before.keep_going;
    return exit_code;
}

static int run_terminal(struct cli *cli, struct line *line)
{
    char prompt[96];
    const char *text = "";

    fprintf(cli->out, "holdfast %s; type `help` for a list of verbs, `exit` to leave.\n",
            hf_version());
    while (!cli->leaving && text) {
        shell_prompt(cli, prompt, sizeof prompt);
        text = line_read(line, prompt);
        if (text)
            shell_line(cli, text);
    }
    if (!text)
        fputc('\n', cli->out);
    if (cli->txn)
        fprintf(cli->err, "holdfast: the open transaction was rolled back\n");
    return CLI_OK;
}

static int run_script(struct cli *cli)
{
    char where[64], *text = NULL;
    size_t room = 0;
    int first = CLI_OK;

    for (unsigned long number = 1; !cli->leaving; number++) {
        int exit_code;

        if (getline(&text, &room, cli->in) < 0)
            break;
        text[strcspn(text, "\r\n")] = '\0';
        snprintf(where, sizeof where, "holdfast: line %lu", number);
        cli->where = where;
        exit_code = shell_line(cli, text);
        if (first == CLI_OK)
            first = exit_code;
        if (exit_code != CLI_OK && !cli->keep_going)
            break;
    }
    cli->where = "holdfast";
    if (first == CLI_OK && cli->txn) {
        fprintf(cli->err, "holdfast: the script left a transaction open; it was rolled back\n");
        first = CLI_USAGE;
    }
    free(text);
    return first;
}

int shell_run(struct cli *cli)
{
    struct line *line = NULL;
    int exit_code;

    cli->in_shell = true;
    cli->shell_mode = cli->mode;
    if (isatty(fileno(cli->in))) {
        interrupt_catch();
        line = line_open(cli);
    }
    exit_code = line ? run_terminal(cli, line) : run_script(cli);
    line_close(line);
    if (cli->terminal) {
        fclose(cli->out);
        cli->out = cli->terminal;
    }
    return exit_code;
}
