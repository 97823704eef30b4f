#include "client/cli/highlight.h"
#include "client/cli/args.h"
#include "client/cli/colour.h"
#include "client/cli/command.h"
#include "client/cli/query_words.h"
#include "client/cli/statement.h"

#include <ctype.h>
#include <stdlib.h>

const char *highlight_colour(enum shade shade)
{
    static const char *const colours[SHADES] = {
        [SHADE_NONE] = "",
        [SHADE_KEYWORD] = COLOUR_KEYWORD,
        [SHADE_WORD] = COLOUR_WORD,
        [SHADE_NAME] = COLOUR_NAME,
        [SHADE_FUNCTION] = COLOUR_FUNCTION,
        [SHADE_TEXT] = COLOUR_TEXT,
        [SHADE_NUMBER] = COLOUR_NUMBER,
        [SHADE_OPTION] = COLOUR_OPTION,
        [SHADE_COMMENT] = COLOUR_COMMENT,
    };

    return colours[shade];
}

/* A statement within the text; at goes from its first byte to its end. */
struct scan {
    const char *text;
    size_t at, end;
    uint8_t *shades; /* of the text */
};

static int byte_at(const struct scan *s, size_t at)
{
    return at < s->end ? (unsigned char)s->text[at] : -1;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool begins_word(int c)
{
    return c == '_' || c >= 0x80 || (c > 0 && isalpha(c));
}

static bool goes_on_word(int c)
{
    return begins_word(c) || is_digit(c);
}

/* The next bytes up to `to` are of this kind. */
static void paint(struct scan *s, size_t to, enum shade shade)
{
    to = to < s->end ? to : s->end;
    memset(s->shades + s->at, shade, to - s->at);
    s->at = to;
}

/* Behind the quote that ends what one at `at` begins, or the end of the text. */
static size_t behind_quote(const struct scan *s, size_t at, bool has_escapes)
{
    int quote = byte_at(s, at);

    for (at++; byte_at(s, at) >= 0; at++) {
        if (has_escapes && byte_at(s, at) == '\\')
            at++;
        else if (byte_at(s, at) == quote)
            return at + 1;
    }
    return s->end;
}

static size_t behind_digits(const struct scan *s, size_t at)
{
    while (is_digit(byte_at(s, at)))
        at++;
    return at;
}

static size_t behind_number(const struct scan *s, size_t at)
{
    size_t exponent;

    at = behind_digits(s, at + (byte_at(s, at) == '-'));
    if (byte_at(s, at) == '.' && is_digit(byte_at(s, at + 1)))
        at = behind_digits(s, at + 1);
    if (byte_at(s, at) != 'e' && byte_at(s, at) != 'E')
        return at;
    exponent = at + 1;
    if (byte_at(s, exponent) == '+' || byte_at(s, exponent) == '-')
        exponent++;
    return is_digit(byte_at(s, exponent)) ? behind_digits(s, exponent) : at;
}

static size_t behind_word(const struct scan *s, size_t at)
{
    while (goes_on_word(byte_at(s, at)))
        at++;
    return at;
}

/* The end of the line, or of the statement. */
static size_t behind_line(const struct scan *s, size_t at)
{
    while (byte_at(s, at) >= 0 && byte_at(s, at) != '\n')
        at++;
    return at;
}

/* ---- Queries ---- */

/* A word of a query: what it is depends on what stands before and behind it. */
static enum shade word_shade(const struct scan *s, size_t to, bool behind_point)
{
    struct slice word = slice_make(s->text + s->at, to - s->at);
    size_t next = to;

    while (is_blank(byte_at(s, next)))
        next++;
    if (behind_point)
        return SHADE_NAME;
    if (byte_at(s, next) == '(' && query_is_function(word))
        return SHADE_FUNCTION;
    return query_is_keyword(word) && byte_at(s, to) != ':' ? SHADE_KEYWORD : SHADE_NAME;
}

static size_t behind_comment(const struct scan *s)
{
    const char *end;

    if (s->text[s->at] == '-')
        return behind_line(s, s->at);
    end = s->at + 2 < s->end ? strstr(s->text + s->at + 2, "*/") : NULL;
    return end ? (size_t)(end - s->text) + 2 : s->end;
}

/* As the server's lexer takes it apart; what that refuses has no colour. */
static void paint_query(struct scan *s)
{
    bool behind_point = false;

    while (s->at < s->end) {
        int c = byte_at(s, s->at), next = byte_at(s, s->at + 1);
        bool was_behind = behind_point;

        behind_point = c == '.' && !is_digit(next);
        if ((c == '-' && next == '-') || (c == '/' && next == '*'))
            paint(s, behind_comment(s), SHADE_COMMENT);
        else if (c == '\'')
            paint(s, behind_quote(s, s->at, false), SHADE_TEXT);
        else if ((c == 'x' || c == 'X') && next == '\'')
            paint(s, behind_quote(s, s->at + 1, false), SHADE_TEXT);
        else if (c == '"')
            paint(s, behind_quote(s, s->at, false), SHADE_NAME);
        else if (is_digit(c) || (c == '.' && is_digit(next)))
            paint(s, behind_number(s, s->at), SHADE_NUMBER);
        else if (c == '$' && goes_on_word(next))
            paint(s, behind_word(s, s->at + 1), SHADE_OPTION);
        else if (begins_word(c))
            paint(s, behind_word(s, s->at), word_shade(s, behind_word(s, s->at), was_behind));
        else
            paint(s, s->at + 1, SHADE_NONE);
    }
}

/* ---- JSON ---- */

/* A string of a JSON value is a name if a colon follows it. */
static void paint_string(struct scan *s)
{
    size_t to = behind_quote(s, s->at, true), next = to;

    while (is_blank(byte_at(s, next)))
        next++;
    paint(s, to, byte_at(s, next) == ':' ? SHADE_NAME : SHADE_TEXT);
}

static void paint_json_word(struct scan *s)
{
    size_t to = behind_word(s, s->at);
    struct slice word = slice_make(s->text + s->at, to - s->at);
    bool known = slice_equal(word, slice_text("null")) ||
                 slice_equal(word, slice_text("true")) ||
                 slice_equal(word, slice_text("false"));

    paint(s, to, known ? SHADE_WORD : SHADE_NONE);
}

/* The value that begins here, as far as it goes. */
static void paint_json(struct scan *s)
{
    struct scan value = *s;
    struct json_scan json;

    json_scan_init(&json);
    if (json_scan_feed(&json, slice_make(s->text + s->at, s->end - s->at)) != JSON_SCAN_MORE)
        value.end = s->at + json.used;
    while (value.at < value.end) {
        int c = byte_at(&value, value.at);

        if (c == '"')
            paint_string(&value);
        else if (is_digit(c) || (c == '-' && is_digit(byte_at(&value, value.at + 1))))
            paint(&value, behind_number(&value, value.at), SHADE_NUMBER);
        else if (begins_word(c))
            paint_json_word(&value);
        else
            paint(&value, value.at + 1, SHADE_NONE);
    }
    s->at = value.end;
}

/* ---- Verbs ---- */

static bool takes_option(const struct verb *verb, struct slice name)
{
    const struct verb_option *lists[] = {verb ? verb->options : NULL, global_options};

    for (int i = 0; i < 2; i++)
        for (const struct verb_option *o = lists[i]; o && o->name; o++)
            if (slice_equal(slice_text(o->name), name))
                return true;
    return false;
}

/* Where a word of a verb's line ends: at a blank, or before a JSON value behind an =. */
static size_t behind_argument(const struct scan *s, size_t at)
{
    for (; byte_at(s, at) >= 0 && !is_blank(byte_at(s, at)); at++)
        if (byte_at(s, at) == '=')
            return at + 1;
    return at;
}

/* A word that is not JSON. is_first: of the verb's arguments. */
static void paint_argument(struct scan *s, const struct verb *verb, bool is_first)
{
    size_t to = behind_argument(s, s->at);
    size_t bare = to - (to > s->at && s->text[to - 1] == '=');

    if (byte_at(s, s->at) == '-' && byte_at(s, s->at + 1) == '-')
        paint(s, bare,
              takes_option(verb, slice_make(s->text + s->at + 2, bare - s->at - 2))
                  ? SHADE_OPTION
                  : SHADE_NONE);
    else if (is_first &&
             strncmp(verb->arguments + (verb->arguments[0] == '['), "STORE", 5) == 0)
        paint(s, bare, SHADE_NAME);
    else if (behind_number(s, s->at) == to && to > s->at + (byte_at(s, s->at) == '-'))
        paint(s, to, SHADE_NUMBER);
    paint(s, to, SHADE_NONE);
}

static const struct verb *paint_verb_name(struct scan *s, const struct verb *verbs)
{
    size_t to = s->at;
    const struct verb *verb = NULL;
    char *word;

    while (byte_at(s, to) >= 0 && !is_blank(byte_at(s, to)))
        to++;
    word = strndup(s->text + s->at, to - s->at);
    if (word)
        verb = command_verb(verbs, word);
    free(word);
    paint(s, to, verb ? SHADE_KEYWORD : SHADE_NONE);
    return verb;
}

static void paint_verb(struct scan *s, const struct verb *verbs)
{
    const struct verb *verb = paint_verb_name(s, verbs);
    unsigned arguments = 0;

    while (s->at < s->end) {
        int c = byte_at(s, s->at);
        bool begins = is_blank(s->text[s->at - 1]);

        if (is_blank(c)) {
            paint(s, s->at + 1, SHADE_NONE);
        } else if (begins && c == '#') {
            paint(s, behind_line(s, s->at), SHADE_COMMENT);
        } else if (c == '\'') {
            paint(s, behind_quote(s, s->at, false), SHADE_TEXT);
        } else if (c == '{' || c == '[' || c == '"') {
            paint_json(s);
        } else {
            arguments += begins && c != '-';
            paint_argument(s, verb, verb && begins && c != '-' && arguments == 1);
        }
    }
}

/* ---- Statements ---- */

/* Blanks, semicolons and comments between statements. */
static void paint_between(struct scan *s)
{
    while (s->at < s->end) {
        if (is_blank(s->text[s->at]) || s->text[s->at] == ';')
            paint(s, s->at + 1, SHADE_NONE);
        else
            paint(s, behind_line(s, s->at), SHADE_COMMENT);
    }
}

static void paint_statement(struct scan *s, const struct verb *verbs, enum statement_kind kind)
{
    size_t verb_size;
    const char *query = statement_query_behind_verb(s->text + s->at, &verb_size);

    if (kind == STATEMENT_VERB && query && query < s->text + s->end) {
        paint(s, (size_t)(query - s->text), SHADE_KEYWORD);
        paint_query(s);
    } else if (kind == STATEMENT_VERB) {
        paint_verb(s, verbs);
    } else {
        paint_query(s);
    }
}

bool highlight(const struct verb *verbs, const char *text, uint8_t *shades)
{
    struct statements statements;
    struct typed_statement one;
    struct scan s = {.text = text, .shades = shades};
    size_t size = strlen(text), left = size;
    bool ok;

    statements_init(&statements);
    statements_add(&statements, text);
    while (statements_take(&statements, true, &one) == STATEMENT_ONE) {
        size_t next = s.at + (left - statements.text.size);

        s.end = s.at + one.from;
        paint_between(&s);
        s.end = next;
        paint_statement(&s, verbs, one.kind);
        s.at = next;
        left = statements.text.size;
        free(one.text);
    }
    s.end = size;
    paint_between(&s);
    ok = !statements.text.failed;
    statements_fini(&statements);
    return ok;
}
