/* lexer.c - see lexer.h. */
#include "server/query/lexer.h"

#include "server/base/assert.h"
#include "server/query/grammar.h"

static const struct {
    const char *word;
    int code;
} words[] = {
    {"all", T_ALL},
    {"analyze", T_ANALYZE},
    {"and", T_AND},
    {"as", T_AS},
    {"asc", T_ASC},
    {"at", T_AT},
    {"between", T_BETWEEN},
    {"by", T_BY},
    {"case", T_CASE},
    {"cast", T_CAST},
    {"create", T_CREATE},
    {"cross", T_CROSS},
    {"delete", T_DELETE},
    {"desc", T_DESC},
    {"distinct", T_DISTINCT},
    {"drop", T_DROP},
    {"else", T_ELSE},
    {"end", T_END},
    {"escape", T_ESCAPE},
    {"exists", T_EXISTS},
    {"explain", T_EXPLAIN},
    {"false", T_FALSE},
    {"first", T_FIRST},
    {"from", T_FROM},
    {"generate", T_GENERATE},
    {"group", T_GROUP},
    {"having", T_HAVING},
    {"if", T_IF},
    {"in", T_IN},
    {"index", T_INDEX},
    {"inner", T_INNER},
    {"insert", T_INSERT},
    {"into", T_INTO},
    {"is", T_IS},
    {"join", T_JOIN},
    {"key", T_KEY},
    {"last", T_LAST},
    {"left", T_LEFT},
    {"like", T_LIKE},
    {"limit", T_LIMIT},
    {"missing", T_MISSING},
    {"multi", T_MULTI},
    {"not", T_NOT},
    {"null", T_NULL},
    {"nulls", T_NULLS},
    {"offset", T_OFFSET},
    {"on", T_ON},
    {"or", T_OR},
    {"order", T_ORDER},
    {"outer", T_OUTER},
    {"returning", T_RETURNING},
    {"select", T_SELECT},
    {"set", T_SET},
    {"store", T_STORE},
    {"then", T_THEN},
    {"timestamp", T_TIMESTAMP},
    {"true", T_TRUE},
    {"unique", T_UNIQUE},
    {"unnest", T_UNNEST},
    {"unset", T_UNSET},
    {"update", T_UPDATE},
    {"upsert", T_UPSERT},
    {"value", T_VALUE},
    {"values", T_VALUES},
    {"when", T_WHEN},
    {"where", T_WHERE},
};

#define WORDS (sizeof words / sizeof words[0])
#define WORD_BYTES_MAX 10

static const struct {
    char signs[3];
    int code;
} signs[] = {
    /* the longer ones first */
    {"<>", T_NE},   {"!=", T_NE},  {"<=", T_LE},   {">=", T_GE},       {"||", T_CONCAT},
    {"==", T_EQ},   {"=", T_EQ},   {"<", T_LT},    {">", T_GT},        {"+", T_PLUS},
    {"-", T_MINUS}, {"*", T_STAR}, {"/", T_SLASH}, {"%", T_PERCENT},   {"(", T_LP},
    {")", T_RP},    {"[", T_LB},   {"]", T_RB},    {"{", T_LC},        {"}", T_RC},
    {",", T_COMMA}, {".", T_DOT},  {":", T_COLON}, {";", T_SEMICOLON},
};

#define SIGNS (sizeof signs / sizeof signs[0])

const char *lexer_token_name(int code)
{
    switch (code) {
    case 0: return "the end of the query";
    case T_ID: return "a name";
    case T_TEXT: return "a text";
    case T_INTEGER: return "a number";
    default: break;
    }
    for (size_t i = 0; i < WORDS; i++)
        if (words[i].code == code)
            return words[i].word;
    for (size_t i = 0; i < SIGNS; i++)
        if (signs[i].code == code)
            return signs[i].signs;
    return NULL;
}

static int byte_at(const struct lexer *l, uint32_t at)
{
    return at < l->text.size ? l->text.data[at] : -1;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool begins_word(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool goes_on_word(int c)
{
    return begins_word(c) || is_digit(c);
}

static enum err refuse(struct lexer *l, const char *why)
{
    l->why = why;
    return ERR_BAD_QUERY;
}

/* Blanks and comments. */
static enum err skip_blanks(struct lexer *l, struct token *out)
{
    for (;;) {
        int c = byte_at(l, l->at);

        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            l->at++;
        } else if (c == '-' && byte_at(l, l->at + 1) == '-') {
            while (byte_at(l, l->at) >= 0 && byte_at(l, l->at) != '\n')
                l->at++;
        } else if (c == '/' && byte_at(l, l->at + 1) == '*') {
            out->place = l->at;
            l->at += 2;
            while (byte_at(l, l->at) >= 0 &&
                   !(byte_at(l, l->at) == '*' && byte_at(l, l->at + 1) == '/'))
                l->at++;
            if (byte_at(l, l->at) < 0)
                return refuse(l, "unterminated comment");
            l->at += 2;
        } else {
            return ERR_OK;
        }
    }
}

static int word_code(struct slice word)
{
    char lower[WORD_BYTES_MAX];

    if (word.size > sizeof lower)
        return T_ID;
    for (size_t i = 0; i < word.size; i++) {
        char c = (char)word.data[i];

        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    for (size_t i = 0; i < WORDS; i++)
        if (slice_equal(slice_make(lower, word.size), slice_text(words[i].word)))
            return words[i].code;
    return T_ID;
}

/* Between quotes, where a quote that is meant stands twice. */
static enum err read_quoted(struct lexer *l, struct token *out)
{
    int quote = byte_at(l, l->at);
    uint32_t from = l->at + 1, at = from, doubled = 0;
    uint8_t *to;

    for (;; at++) {
        int c = byte_at(l, at);

        if (c < 0)
            return refuse(l, quote == '"' ? "this name has no closing \""
                                          : "unterminated text: missing closing '");
        if (c != quote)
            continue;
        if (byte_at(l, at + 1) != quote)
            break;
        doubled++;
        at++;
    }
    l->at = at + 1;
    out->text = slice_make(l->text.data + from, at - from);
    if (!doubled)
        return ERR_OK;
    to = arena_alloc(l->arena, out->text.size);
    if (!to)
        return ERR_NOMEM;
    for (size_t i = 0, n = 0; i < out->text.size; i++) {
        to[n++] = out->text.data[i];
        if (out->text.data[i] == quote)
            i++;
    }
    out->text = slice_make(to, out->text.size - doubled);
    return ERR_OK;
}

static int hex_digit(int c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* x'00ff' */
static enum err read_binary(struct lexer *l, struct token *out)
{
    enum err e;
    uint8_t *to;

    l->at++;
    e = read_quoted(l, out);
    if (e)
        return e;
    if (out->text.size % 2)
        return refuse(l, "a binary needs two hexadecimal digits per byte");
    to = arena_alloc(l->arena, out->text.size / 2 + 1);
    if (!to)
        return ERR_NOMEM;
    for (size_t i = 0; i < out->text.size; i += 2) {
        int high = hex_digit(out->text.data[i]), low = hex_digit(out->text.data[i + 1]);

        if (high < 0 || low < 0)
            return refuse(l, "a binary can contain only hexadecimal digits");
        to[i / 2] = (uint8_t)(high << 4 | low);
    }
    out->text = slice_make(to, out->text.size / 2);
    return ERR_OK;
}

static void skip_digits(struct lexer *l)
{
    while (is_digit(byte_at(l, l->at)))
        l->at++;
}

static enum err read_number(struct lexer *l, int *code, struct token *out)
{
    int c;

    *code = T_INTEGER;
    skip_digits(l);
    if (byte_at(l, l->at) == '.' && is_digit(byte_at(l, l->at + 1))) {
        *code = T_DECIMAL;
        l->at++;
        skip_digits(l);
    }
    c = byte_at(l, l->at);
    if (c == 'e' || c == 'E') {
        uint32_t at = l->at + 1;

        if (byte_at(l, at) == '+' || byte_at(l, at) == '-')
            at++;
        if (!is_digit(byte_at(l, at)))
            return refuse(l, "the exponent of the number has no digits");
        *code = T_DECIMAL;
        l->at = at;
        skip_digits(l);
    }
    if (goes_on_word(byte_at(l, l->at)))
        return refuse(l, "a name cannot begin with a digit; quote it (\"...\")");
    out->text = slice_make(l->text.data + out->place, l->at - out->place);
    return ERR_OK;
}

static enum err read_parameter(struct lexer *l, int *code, struct token *out)
{
    int c = byte_at(l, ++l->at);

    *code = is_digit(c) ? T_PARAMETER : T_NAMED_PARAMETER;
    if (is_digit(c)) {
        skip_digits(l);
    } else if (begins_word(c)) {
        while (goes_on_word(byte_at(l, l->at)))
            l->at++;
    } else {
        return refuse(l, "expected a number or a name after $");
    }
    out->text = slice_make(l->text.data + out->place + 1, l->at - out->place - 1);
    return ERR_OK;
}

static enum err read_sign(struct lexer *l, int *code)
{
    struct slice rest = slice_make(l->text.data + l->at, l->text.size - l->at);

    for (size_t i = 0; i < SIGNS; i++) {
        if (!slice_starts_with(rest, slice_text(signs[i].signs)))
            continue;
        *code = signs[i].code;
        l->at += (uint32_t)strlen(signs[i].signs);
        return ERR_OK;
    }
    return refuse(l, "unexpected character");
}

static enum err read_token(struct lexer *l, int *code, struct token *out)
{
    int c = byte_at(l, l->at);

    if ((c == 'x' || c == 'X') && byte_at(l, l->at + 1) == '\'') {
        *code = T_BINARY;
        return read_binary(l, out);
    }
    if (begins_word(c)) {
        while (goes_on_word(byte_at(l, l->at)))
            l->at++;
        out->text = slice_make(l->text.data + out->place, l->at - out->place);
        *code = l->is_behind_point ? T_ID : word_code(out->text);
        return ERR_OK;
    }
    if (c == '"' || c == '\'') {
        *code = c == '"' ? T_ID : T_TEXT;
        return read_quoted(l, out);
    }
    if (is_digit(c) || (c == '.' && is_digit(byte_at(l, l->at + 1))))
        return read_number(l, code, out);
    return c == '$' ? read_parameter(l, code, out) : read_sign(l, code);
}

enum err lexer_next(struct lexer *l, int *code, struct token *out)
{
    enum err e = skip_blanks(l, out);

    if (e)
        return e;
    out->place = l->at;
    out->text = SLICE_NONE;
    *code = 0;
    if (l->at == l->text.size) {
        out->end = l->at;
        return ERR_OK;
    }
    e = read_token(l, code, out);
    out->end = l->at;
    l->is_behind_point = !e && *code == T_DOT;
    ASSERT(e || l->at > out->place);
    return e;
}
