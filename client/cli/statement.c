#include "client/cli/statement.h"
#include "client/cli/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

void statements_init(struct statements *s)
{
    memset(s, 0, sizeof *s);
    s->line = 1;
}

void statements_fini(struct statements *s)
{
    hf_pack_fini(&s->text);
}

void statements_add(struct statements *s, const char *text)
{
    text_append(&s->text, text);
}

void statements_drop(struct statements *s)
{
    hf_pack_reset(&s->text);
    s->begun = false;
    s->at = 0;
}

/* ---- What it is ---- */

#define WORD_MAX 16

/* The word at *at in lower case, cut to its beginning, and behind it. */
static void take_word(const char **at, char word[WORD_MAX])
{
    size_t size = 0;

    *at += strspn(*at, " \t\r\n");
    for (; **at && !strchr(" \t\r\n;", **at); (*at)++)
        if (size + 1 < WORD_MAX)
            word[size++] = (char)tolower((unsigned char)**at);
    word[size] = '\0';
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

/* A statement that writes shares its first word with a verb, so the next ones decide. "" at the end
 * of a line: the rest is still to come, and a verb would have more words. */
bool statement_is_query(const char *text)
{
    static const char *const always[] = {"select", "upsert", NULL},
                             *const made[] = {"", "store", "index", "unique", "multi", NULL},
                             *const changed[] = {"", "set", "unset", "as", NULL};
    char first[WORD_MAX], second[WORD_MAX], third[WORD_MAX];

    take_word(&text, first);
    take_word(&text, second);
    take_word(&text, third);
    if (is_one_of(first, always))
        return true;
    if (strcmp(first, "explain") == 0)
        return second[0] != '\0';
    if (strcmp(first, "insert") == 0)
        return second[0] == '\0' || strcmp(second, "into") == 0;
    if (strcmp(first, "delete") == 0)
        return second[0] == '\0' || strcmp(second, "from") == 0;
    if (strcmp(first, "create") == 0 || strcmp(first, "drop") == 0)
        return is_one_of(second, made);
    return strcmp(first, "update") == 0 && is_one_of(third, changed);
}

const char *statement_query_behind_verb(const char *text, size_t *verb_size)
{
    static const char *const verbs[] = {"query", "explain"};

    text += strspn(text, " \t");
    text += *text == '\\';
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        size_t size = strlen(verbs[i]), blanks;

        if (strncmp(text, verbs[i], size) != 0)
            continue;
        blanks = strspn(text + size, " \t");
        if (blanks == 0 || !text[size + blanks] || strchr("'\"-\n", text[size + blanks]))
            continue;
        *verb_size = size;
        return text + size + blanks;
    }
    return NULL;
}

/* ---- Where it ends ---- */

/* Blanks, empty statements and comments before it; text ends with a NUL. False: nothing else. */
static bool begin(struct statements *s)
{
    const char *text = (const char *)s->text.data;
    size_t at = s->at, size;

    for (;;) {
        while (text[at] && strchr(" \t\r\n;", text[at]))
            s->line += text[at++] == '\n';
        if (text[at] != '#' &&
            !(text[at] == '-' && text[at + 1] == '-' && strchr(" \t\r\n", text[at + 2])))
            break;
        at += strcspn(text + at, "\n");
    }
    s->from = s->at = at;
    if (!text[at])
        return false;
    s->begun = true;
    s->quote = 0;
    s->ends_at_line = statement_query_behind_verb(text + at, &size) != NULL;
    s->kind = statement_is_query(text + at) ? STATEMENT_QUERY : STATEMENT_VERB;
    if (s->ends_at_line && text[at] == '\\') /* `\\query`: this one ends nothing */
        s->at++;
    return true;
}

/* Within quotes or a comment: take one byte. */
static void in_quote(struct statements *s, const char *text)
{
    char c = text[s->at++];

    if (s->quote == '-' && c == '\n')
        s->quote = 0;
    else if (s->quote == '*' && c == '*' && text[s->at] == '/')
        s->at++, s->quote = 0;
    else if (c == s->quote && c != '-' && c != '*')
        s->quote = 0;
}

/* Find the end of a query. True: at s->at. */
static bool find_query_end(struct statements *s, const char *text)
{
    while (text[s->at]) {
        char c = text[s->at];

        if (s->quote) {
            in_quote(s, text);
            continue;
        }
        if (c == ';' || c == '\\' ||
            (c == '\n' && s->ends_at_line && s->kind == STATEMENT_VERB))
            return true;
        if (c == '\'' || c == '"')
            s->quote = c;
        else if (c == '-' && text[s->at + 1] == '-')
            s->quote = '-';
        else if (c == '/' && text[s->at + 1] == '*')
            s->quote = '*';
        s->at++;
    }
    return false;
}

/* Within a JSON value. False: it is still open. */
static bool in_json(struct statements *s, const char *text)
{
    struct slice rest = slice_make(text + s->json_from, s->text.size - 1 - s->json_from);

    switch (json_scan_feed(&s->json, rest)) {
    case JSON_SCAN_MORE: return false;
    case JSON_SCAN_DONE: s->at = s->json_from + s->json.used; break;
    case JSON_SCAN_BROKEN: /* of this line, which the parser will refuse */
        s->at = s->json_from + s->json.used - (text[s->json_from + s->json.used - 1] == '\n');
        break;
    }
    s->quote = 0;
    return true;
}

/* Find the end of a verb's line; words are as words_split has them. */
static bool find_verb_end(struct statements *s, const char *text)
{
    while (text[s->at]) {
        char c = text[s->at], before = s->at > s->from ? text[s->at - 1] : ' ';
        bool begins = before == ' ' || before == '\t' || before == '\n' || before == '=';

        if (s->quote == 'j') {
            if (!in_json(s, text))
                return false;
            continue;
        }
        if (c == '\n')
            return true;
        if (c == '#' && begins && before != '=') {
            s->at += strcspn(text + s->at, "\n");
        } else if (c ==
                   '\'') { /* on this line only: an apostrophe must not swallow what follows */
            s->at += 1 + strcspn(text + s->at + 1, "'\n");
            s->at += text[s->at] == '\'';
        } else if (begins && (c == '{' || c == '[' || c == '"')) {
            s->quote = 'j';
            s->json_from = s->at;
            json_scan_init(&s->json);
        } else {
            s->at++;
        }
    }
    return false;
}

static bool find_end(struct statements *s, const char *text)
{
    return s->kind == STATEMENT_VERB && !s->ends_at_line ? find_verb_end(s, text)
                                                         : find_query_end(s, text);
}

/* The text from s->from to s->at, without blanks and a semicolon at its end. */
static char *cut(const struct statements *s, const char *text)
{
    size_t size = s->at - s->from;

    while (size > 0 && strchr(" \t\r\n;", text[s->from + size - 1]))
        size--;
    return strndup(text + s->from, size);
}

/* Forget what was taken, and whether the next one has begun. */
static void advance(struct statements *s, const char *text)
{
    for (size_t i = s->from; i < s->at; i++)
        s->line += text[i] == '\n';
    s->text.size -= s->at;
    memmove(s->text.data, s->text.data + s->at, s->text.size);
    s->begun = false;
    s->at = 0;
}

enum statement_state statements_take(struct statements *s, bool at_end,
                                     struct typed_statement *out)
{
    const char *text;
    bool ended;

    hf_pack_raw(&s->text, (struct hf_bytes){"", 1}); /* a NUL, taken away again */
    if (s->text.failed)
        return STATEMENT_NONE;
    text = (const char *)s->text.data;
    if (!s->begun && !begin(s)) {
        s->text.size--;
        advance(s, text);
        return STATEMENT_NONE;
    }
    ended = find_end(s, text);
    s->text.size--;
    if (!ended && !at_end)
        return STATEMENT_OPEN;
    out->kind =
        ended && text[s->at] == '\\' && s->kind == STATEMENT_QUERY ? STATEMENT_KEPT : s->kind;
    out->line = s->line;
    out->from = s->from;
    out->indented = s->from > 0 && (text[s->from - 1] == ' ' || text[s->from - 1] == '\t');
    if (!ended)
        s->at = s->text.size;
    out->text = cut(s, text);
    advance(s, text);
    return out->text ? STATEMENT_ONE : STATEMENT_NONE;
}
