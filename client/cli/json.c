/* json.c - reading JSON. One pass: containers get a one-byte head first, and are moved
 * up a little when they turn out to need a longer one. */
#include "client/cli/json_internal.h"
#include "proto/msgpack.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Objects that stand for one value (see json.h) do not count for JSON_DEPTH_MAX, but the
 * parser's own stack must end somewhere. */
#define NESTING_MAX (4 * JSON_DEPTH_MAX)

static bool parse_value(struct json_parser *p, int depth);

static bool at_char(const struct json_parser *p, char c)
{
    return p->at < p->end && *p->at == (uint8_t)c;
}

static bool at_digit(const struct json_parser *p)
{
    return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

/* ---- Numbers ---- */

static bool parse_double(struct json_parser *p, const uint8_t *from)
{
    size_t size = (size_t)(p->at - from);
    char small[64];
    char *copy = size < sizeof small ? small : malloc(size + 1);
    double d;

    if (!copy)
        return json_fail(p, from, "out of memory");
    memcpy(copy, from, size);
    copy[size] = '\0';
    d = strtod(copy, NULL);
    if (copy != small)
        free(copy);
    if (isinf(d))
        return json_fail(p, from, "number out of range for a 64-bit float");
    hf_pack_double(p->out, d);
    return true;
}

static bool parse_number(struct json_parser *p)
{
    const uint8_t *from = p->at;
    bool negative = at_char(p, '-'), integer = true, fits = true;
    uint64_t n = 0;

    p->at += negative;
    if (!at_digit(p))
        return json_fail(p, from, "expected a digit");
    if (at_char(p, '0') && p->end - p->at > 1 && p->at[1] >= '0' && p->at[1] <= '9')
        return json_fail(p, p->at, "a number may not have leading zeros");
    for (; at_digit(p); p->at++) {
        unsigned d = *p->at - '0';

        fits = fits && (n < UINT64_MAX / 10 || (n == UINT64_MAX / 10 && d <= UINT64_MAX % 10));
        n = n * 10 + d;
    }
    if (at_char(p, '.')) {
        integer = false;
        p->at++;
        if (!at_digit(p))
            return json_fail(p, p->at, "expected a digit after the decimal point");
        while (at_digit(p))
            p->at++;
    }
    if (at_char(p, 'e') || at_char(p, 'E')) {
        integer = false;
        p->at++;
        p->at += at_char(p, '+') || at_char(p, '-');
        if (!at_digit(p))
            return json_fail(p, p->at, "expected a digit in the exponent");
        while (at_digit(p))
            p->at++;
    }
    if (!integer || !fits || (negative && n > (uint64_t)INT64_MAX + 1))
        return parse_double(p, from);
    if (negative)
        hf_pack_int(p->out, (int64_t)(0 - n));
    else
        hf_pack_uint(p->out, n);
    return true;
}

/* ---- Strings ---- */

static bool parse_hex4(struct json_parser *p, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        int c = p->at < p->end ? *p->at : 0;
        int d = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;

        if (d < 0)
            return json_fail(p, p->at, "expected four hexadecimal digits after \\u");
        *unit = *unit << 4 | (uint32_t)d;
    }
    return true;
}

/* Behind the backslash. */
static bool parse_escape(struct json_parser *p, uint8_t **to)
{
    static const char from[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    const uint8_t *where = p->at - 1;
    const char *known = at_char(p, '\0') || p->at == p->end ? NULL : strchr(from, *p->at);
    uint32_t point, low;

    if (known) {
        *(*to)++ = (uint8_t)plain[known - from];
        p->at++;
        return true;
    }
    if (!at_char(p, 'u'))
        return json_fail(p, where, "unknown escape sequence");
    p->at++;
    if (!parse_hex4(p, &point))
        return false;
    if (point >= 0xdc00 && point < 0xe000)
        return json_fail(p, where, "unpaired surrogate");
    if (point >= 0xd800 && point < 0xdc00) {
        if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
            return json_fail(p, where, "unpaired surrogate");
        p->at += 2;
        if (!parse_hex4(p, &low))
            return false;
        if (low < 0xdc00 || low >= 0xe000)
            return json_fail(p, where, "unpaired surrogate");
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    if (point < 0x80) {
        *(*to)++ = (uint8_t)point;
    } else if (point < 0x800) {
        *(*to)++ = (uint8_t)(0xc0 | point >> 6);
        *(*to)++ = (uint8_t)(0x80 | (point & 63));
    } else if (point < 0x10000) {
        *(*to)++ = (uint8_t)(0xe0 | point >> 12);
        *(*to)++ = (uint8_t)(0x80 | (point >> 6 & 63));
        *(*to)++ = (uint8_t)(0x80 | (point & 63));
    } else {
        *(*to)++ = (uint8_t)(0xf0 | point >> 18);
        *(*to)++ = (uint8_t)(0x80 | (point >> 12 & 63));
        *(*to)++ = (uint8_t)(0x80 | (point >> 6 & 63));
        *(*to)++ = (uint8_t)(0x80 | (point & 63));
    }
    return true;
}

/* The closing quote of the string whose first character is at p->at; escapes are jumped
 * over. NULL: there is none, or a control character comes before it. */
static const uint8_t *string_end(struct json_parser *p, bool *escapes)
{
    const uint8_t *c = p->at;

    *escapes = false;
    for (; c < p->end && *c != '"'; c++) {
        if (*c < 0x20) {
            json_fail(p, c, "control characters in a string must be escaped");
            return NULL;
        }
        if (*c == '\\') {
            *escapes = true;
            c++;
        }
    }
    if (c >= p->end) {
        json_fail(p, p->end, "unterminated string");
        return NULL;
    }
    return c;
}

/* Decode up to quote behind where the longest head would end, then move it to where the
 * shortest one does. */
static bool parse_escaped(struct json_parser *p, const uint8_t *quote)
{
    uint8_t *head = hf_pack_reserve(p->out, (size_t)(quote - p->at) + MSGPACK_HEAD_MAX);
    uint8_t *text = head + MSGPACK_HEAD_MAX, *to = text;
    size_t head_size;

    if (!head)
        return json_fail(p, p->at, "out of memory");
    while (p->at < quote) {
        if (*p->at != '\\') {
            *to++ = *p->at++;
            continue;
        }
        p->at++;
        if (!parse_escape(p, &to))
            return false;
    }
    if (!msgpack_text_is_utf8(slice_make(text, (size_t)(to - text))))
        return json_fail(p, p->at, "the string is not valid UTF-8");
    head_size = msgpack_put_text_head(head, (uint32_t)(to - text));
    memmove(head + head_size, text, (size_t)(to - text));
    p->out->size += head_size + (size_t)(to - text);
    return true;
}

static bool parse_string(struct json_parser *p)
{
    const uint8_t *quote;
    struct slice text;
    bool escapes;

    p->at++; /* the opening quote */
    quote = string_end(p, &escapes);
    if (!quote)
        return false;
    if (quote - p->at > (ptrdiff_t)UINT32_MAX)
        return json_fail(p, p->at, "the string is longer than 4 GiB");
    if (escapes) {
        if (!parse_escaped(p, quote))
            return false;
    } else {
        text = slice_make(p->at, (size_t)(quote - p->at));
        if (!msgpack_text_is_utf8(text))
            return json_fail(p, p->at, "the string is not valid UTF-8");
        hf_pack_text_bytes(p->out, (struct hf_bytes){text.data, text.size});
    }
    p->at = quote + 1;
    return true;
}

/* ---- Containers ---- */

/* Put the real head where one byte was kept for it. */
static bool patch_head(struct json_parser *p, size_t head_at, uint32_t count, bool map)
{
    uint8_t head[MSGPACK_HEAD_MAX];
    size_t size = map ? msgpack_put_map_head(head, count) : msgpack_put_array_head(head, count);
    uint8_t *at;

    if (size > 1) {
        if (!hf_pack_reserve(p->out, size - 1))
            return json_fail(p, p->at, "out of memory");
        at = p->out->data + head_at;
        memmove(at + size, at + 1, p->out->size - head_at - 1);
        p->out->size += size - 1;
    }
    if (p->out->failed)
        return json_fail(p, p->at, "out of memory");
    memcpy(p->out->data + head_at, head, size);
    return true;
}

/* Behind an element: whether another follows; p->at stands on it then. */
static bool another(struct json_parser *p, char close, bool *more)
{
    json_skip_space(p);
    *more = at_char(p, ',');
    if (!*more && !at_char(p, close))
        return json_fail(p, p->at,
                         close == ']' ? "expected \",\" or \"]\"" : "expected \",\" or \"}\"");
    p->at++;
    if (*more)
        json_skip_space(p);
    return true;
}

static bool too_deep(struct json_parser *p, const uint8_t *where)
{
    return json_fail(p, where, "nested deeper than 64 levels");
}

static bool parse_array(struct json_parser *p, int depth)
{
    size_t head_at = p->out->size;
    uint32_t count = 0;
    bool more = true;

    if (depth >= JSON_DEPTH_MAX)
        return too_deep(p, p->at);
    hf_pack_array(p->out, 0);
    p->at++;
    json_skip_space(p);
    if (at_char(p, ']')) {
        p->at++;
        return true;
    }
    while (more) {
        if (!parse_value(p, depth + 1) || !another(p, ']', &more))
            return false;
        count++;
    }
    return patch_head(p, head_at, count, false);
}

static bool parse_object(struct json_parser *p, int depth)
{
    const uint8_t *where = p->at;
    size_t head_at = p->out->size;
    bool more = true, dollar = false;
    uint32_t count = 0;
    int levels;

    hf_pack_map(p->out, 0);
    p->at++;
    json_skip_space(p);
    levels = json_typed_levels(p);
    if (levels == 0 && depth >= JSON_DEPTH_MAX)
        return too_deep(p, where);
    if (at_char(p, '}')) {
        p->at++;
        return true;
    }
    while (more) {
        if (!at_char(p, '"'))
            return json_fail(p, p->at, "expected a field name in double quotes");
        dollar = p->end - p->at > 1 && p->at[1] == '$';
        if (!parse_string(p))
            return false;
        json_skip_space(p);
        if (!at_char(p, ':'))
            return json_fail(p, p->at, "expected \":\"");
        p->at++;
        if (!parse_value(p, depth + 1 - levels) || !another(p, '}', &more))
            return false;
        count++;
    }
    if (count == 1 && dollar && !p->plain)
        return json_finish_typed(p, head_at, where);
    return patch_head(p, head_at, count, true);
}

static bool parse_word(struct json_parser *p)
{
    static const struct {
        const char *word;
        int value;
    } words[] = {{"null", -1}, {"true", 1}, {"false", 0}};

    for (size_t i = 0; i < 3; i++) {
        size_t size = strlen(words[i].word);

        if ((size_t)(p->end - p->at) < size || memcmp(p->at, words[i].word, size) != 0)
            continue;
        p->at += size;
        if (words[i].value < 0)
            hf_pack_nil(p->out);
        else
            hf_pack_bool(p->out, words[i].value > 0);
        return true;
    }
    return json_fail(p, p->at, p->at == p->end ? "expected a value" : "not valid JSON");
}

static bool parse_value(struct json_parser *p, int depth)
{
    bool ok;

    json_skip_space(p);
    if (p->at < p->end && (*p->at == '[' || *p->at == '{')) {
        if (p->nesting >= NESTING_MAX)
            return too_deep(p, p->at);
        p->nesting++;
        ok = *p->at == '[' ? parse_array(p, depth) : parse_object(p, depth);
        p->nesting--;
        return ok;
    }
    if (at_char(p, '"'))
        return parse_string(p);
    if (at_char(p, '-') || at_digit(p))
        return parse_number(p);
    return parse_word(p);
}

static void locate(const struct json_parser *p, struct json_error *error)
{
    const uint8_t *line = p->begin;

    error->line = error->column = 1;
    for (const uint8_t *c = p->begin; c < p->where && c < p->end; c++) {
        if (*c == '\n') {
            error->line++;
            line = c + 1;
        }
    }
    for (const uint8_t *c = line; c < p->where && c < p->end; c++)
        error->column += (*c & 0xc0) != 0x80;
    snprintf(error->message, sizeof error->message, "%s", p->why);
}

bool json_parse_first(struct slice text, unsigned style, struct hf_pack *out, size_t *used,
                      struct json_error *error)
{
    struct json_parser p = {.begin = text.data,
                            .at = text.data,
                            .end = text.data + text.size,
                            .out = out,
                            .plain = style & JSON_PLAIN,
                            .operators = style & JSON_OPERATORS};
    size_t before = out->size;

    if (text.size > 0 && parse_value(&p, 0) && out->failed)
        json_fail(&p, p.at, "out of memory");
    if (text.size == 0)
        json_fail(&p, p.at, "expected a value");
    if (p.why) {
        locate(&p, error);
        out->size = before;
        return false;
    }
    *used = (size_t)(p.at - p.begin);
    return true;
}

bool json_parse(struct slice text, unsigned style, struct hf_pack *out,
                struct json_error *error)
{
    struct json_parser p = {
        .begin = text.data, .at = text.data, .end = text.data + text.size, .out = out};
    size_t before = out->size, used;

    if (!json_parse_first(text, style, out, &used, error))
        return false;
    p.at += used;
    json_skip_space(&p);
    if (p.at == p.end)
        return true;
    json_fail(&p, p.at, "unexpected text after the value");
    locate(&p, error);
    out->size = before;
    return false;
}
