/* json.c - reading JSON. One pass: containers get a one-byte head first, and are moved
 * up a little when they turn out to need a longer one. */
#include "client/cli/json.h"
#include "client/cli/base64.h"
#include "proto/timestamp.h"
#include "proto/msgpack.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Objects that stand for one value (see json.h) do not count for JSON_DEPTH_MAX, but the
 * parser's own stack must end somewhere. */
#define NESTING_MAX (4 * JSON_DEPTH_MAX)

struct parser {
    const uint8_t *begin, *at, *end;
    struct hf_pack *out;
    const char *why; /* NULL: no error so far */
    const uint8_t *where;
    unsigned nesting;
    bool plain; /* a dollar sign means nothing */
    bool operators; /* JSON_OPERATORS */
    char unknown[120]; /* the message about a type that is not known */
};

static bool parse_value(struct parser *p, int depth);

static bool fail_at(struct parser *p, const uint8_t *where, const char *why)
{
    if (!p->why) {
        p->why = why;
        p->where = where;
    }
    return false;
}

static void skip_space(struct parser *p)
{
    while (p->at < p->end &&
           (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

static bool at_char(const struct parser *p, char c)
{
    return p->at < p->end && *p->at == (uint8_t)c;
}

static bool at_digit(const struct parser *p)
{
    return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

/* ---- Numbers ---- */

static bool parse_double(struct parser *p, const uint8_t *from)
{
    size_t size = (size_t)(p->at - from);
    char small[64];
    char *copy = size < sizeof small ? small : malloc(size + 1);
    double d;

    if (!copy)
        return fail_at(p, from, "out of memory");
    memcpy(copy, from, size);
    copy[size] = '\0';
    d = strtod(copy, NULL);
    if (copy != small)
        free(copy);
    if (isinf(d))
        return fail_at(p, from, "number out of range for a 64-bit float");
    hf_pack_double(p->out, d);
    return true;
}

static bool parse_number(struct parser *p)
{
    const uint8_t *from = p->at;
    bool negative = at_char(p, '-'), integer = true, fits = true;
    uint64_t n = 0;

    p->at += negative;
    if (!at_digit(p))
        return fail_at(p, from, "expected a digit");
    if (at_char(p, '0') && p->end - p->at > 1 && p->at[1] >= '0' && p->at[1] <= '9')
        return fail_at(p, p->at, "a number may not have leading zeros");
    for (; at_digit(p); p->at++) {
        unsigned d = *p->at - '0';

        fits = fits && (n < UINT64_MAX / 10 || (n == UINT64_MAX / 10 && d <= UINT64_MAX % 10));
        n = n * 10 + d;
    }
    if (at_char(p, '.')) {
        integer = false;
        p->at++;
        if (!at_digit(p))
            return fail_at(p, p->at, "expected a digit after the decimal point");
        while (at_digit(p))
            p->at++;
    }
    if (at_char(p, 'e') || at_char(p, 'E')) {
        integer = false;
        p->at++;
        p->at += at_char(p, '+') || at_char(p, '-');
        if (!at_digit(p))
            return fail_at(p, p->at, "expected a digit in the exponent");
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

static bool parse_hex4(struct parser *p, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        int c = p->at < p->end ? *p->at : 0;
        int d = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;

        if (d < 0)
            return fail_at(p, p->at, "expected four hexadecimal digits after \\u");
        *unit = *unit << 4 | (uint32_t)d;
    }
    return true;
}

/* Behind the backslash. */
static bool parse_escape(struct parser *p, uint8_t **to)
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
        return fail_at(p, where, "unknown escape sequence");
    p->at++;
    if (!parse_hex4(p, &point))
        return false;
    if (point >= 0xdc00 && point < 0xe000)
        return fail_at(p, where, "unpaired surrogate");
    if (point >= 0xd800 && point < 0xdc00) {
        if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
            return fail_at(p, where, "unpaired surrogate");
        p->at += 2;
        if (!parse_hex4(p, &low))
            return false;
        if (low < 0xdc00 || low >= 0xe000)
            return fail_at(p, where, "unpaired surrogate");
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
static const uint8_t *string_end(struct parser *p, bool *escapes)
{
    const uint8_t *c = p->at;

    *escapes = false;
    for (; c < p->end && *c != '"'; c++) {
        if (*c < 0x20) {
            fail_at(p, c, "control characters in a string must be escaped");
            return NULL;
        }
        if (*c == '\\') {
            *escapes = true;
            c++;
        }
    }
    if (c >= p->end) {
        fail_at(p, p->end, "unterminated string");
        return NULL;
    }
    return c;
}

/* Decode up to quote behind where the longest head would end, then move it to where the
 * shortest one does. */
static bool parse_escaped(struct parser *p, const uint8_t *quote)
{
    uint8_t *head = hf_pack_reserve(p->out, (size_t)(quote - p->at) + MSGPACK_HEAD_MAX);
    uint8_t *text = head + MSGPACK_HEAD_MAX, *to = text;
    size_t head_size;

    if (!head)
        return fail_at(p, p->at, "out of memory");
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
        return fail_at(p, p->at, "the string is not valid UTF-8");
    head_size = msgpack_put_text_head(head, (uint32_t)(to - text));
    memmove(head + head_size, text, (size_t)(to - text));
    p->out->size += head_size + (size_t)(to - text);
    return true;
}

static bool parse_string(struct parser *p)
{
    const uint8_t *quote;
    struct slice text;
    bool escapes;

    p->at++; /* the opening quote */
    quote = string_end(p, &escapes);
    if (!quote)
        return false;
    if (quote - p->at > (ptrdiff_t)UINT32_MAX)
        return fail_at(p, p->at, "the string is longer than 4 GiB");
    if (escapes) {
        if (!parse_escaped(p, quote))
            return false;
    } else {
        text = slice_make(p->at, (size_t)(quote - p->at));
        if (!msgpack_text_is_utf8(text))
            return fail_at(p, p->at, "the string is not valid UTF-8");
        hf_pack_text_bytes(p->out, (struct hf_bytes){text.data, text.size});
    }
    p->at = quote + 1;
    return true;
}

/* ---- Values that JSON lacks ---- */

/* The one value of a typed object, packed, out of the way of what takes its place. */
struct typed {
    struct msgpack_cursor cursor;
    struct msgpack_token token; /* its first */
};

static bool typed_binary(struct parser *p, struct typed *v)
{
    struct hf_pack bytes;
    bool ok;

    hf_pack_init(&bytes);
    ok = v->token.type == MSGPACK_TEXT && base64_decode(&bytes, v->token.bytes);
    if (ok)
        hf_pack_binary(p->out, hf_pack_bytes(&bytes));
    hf_pack_fini(&bytes);
    return ok;
}

static bool typed_timestamp(struct parser *p, struct typed *v)
{
    struct msgpack_token part;
    uint64_t part_nanoseconds;
    int64_t seconds;
    uint32_t nanoseconds;

    if (v->token.type == MSGPACK_TEXT) {
        if (!timestamp_parse(v->token.bytes, &seconds, &nanoseconds))
            return false;
    } else {
        if (v->token.type != MSGPACK_ARRAY || v->token.count != 2 ||
            msgpack_read(&v->cursor, &part) != ERR_OK ||
            (part.type != MSGPACK_UINT && part.type != MSGPACK_INT) ||
            (part.type == MSGPACK_UINT && part.uint > INT64_MAX) ||
            msgpack_read_uint(&v->cursor, &part_nanoseconds) != ERR_OK ||
            part_nanoseconds > 999999999)
            return false;
        seconds = part.type == MSGPACK_UINT ? (int64_t)part.uint : part.integer;
        nanoseconds = (uint32_t)part_nanoseconds;
    }
    hf_pack_timestamp(p->out, seconds, nanoseconds);
    return true;
}

static bool typed_ext(struct parser *p, struct typed *v)
{
    struct msgpack_token number;
    struct slice text;
    struct hf_pack bytes;
    int64_t type;
    bool ok;

    if (v->token.type != MSGPACK_ARRAY || v->token.count != 2 ||
        msgpack_read(&v->cursor, &number) != ERR_OK ||
        msgpack_read_text(&v->cursor, &text) != ERR_OK)
        return false;
    if (number.type == MSGPACK_UINT)
        type = number.uint <= INT8_MAX ? (int64_t)number.uint : INT64_MIN;
    else
        type = number.type == MSGPACK_INT ? number.integer : INT64_MIN;
    if (type < INT8_MIN)
        return false;
    hf_pack_init(&bytes);
    ok = base64_decode(&bytes, text);
    if (ok)
        hf_pack_ext(p->out, (int8_t)type, hf_pack_bytes(&bytes));
    hf_pack_fini(&bytes);
    return ok;
}

/* nan, inf, -inf. */
static bool float_named(struct slice text, double *number)
{
    static const struct {
        const char *name;
        double number;
    } names[] = {{"nan", NAN}, {"inf", INFINITY}, {"-inf", -INFINITY}};

    for (size_t i = 0; i < 3; i++) {
        if (slice_equal(text, slice_text(names[i].name))) {
            *number = names[i].number;
            return true;
        }
    }
    return false;
}

/* "0x" and so many hexadecimal digits. */
static bool float_bits(struct slice text, size_t digits, uint64_t *bits)
{
    *bits = 0;
    if (text.size != digits + 2 || text.data[0] != '0' || text.data[1] != 'x')
        return false;
    for (size_t i = 2; i < text.size; i++) {
        int c = text.data[i];
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

        if (d < 0)
            return false;
        *bits = *bits << 4 | (uint64_t)d;
    }
    return true;
}

/* A head and the bits behind it, the highest byte first. */
static void pack_bits(struct hf_pack *out, uint8_t head, size_t size, uint64_t bits)
{
    uint8_t bytes[9] = {head};

    for (size_t i = 0; i < size; i++)
        bytes[1 + i] = (uint8_t)(bits >> 8 * (size - 1 - i));
    hf_pack_raw(out, (struct hf_bytes){bytes, 1 + size});
}

static bool typed_float(struct parser *p, struct typed *v)
{
    double number;
    uint64_t bits;

    if (v->token.type != MSGPACK_TEXT)
        return false;
    if (float_named(v->token.bytes, &number))
        hf_pack_double(p->out, number);
    else if (float_bits(v->token.bytes, 16, &bits))
        pack_bits(p->out, 0xcb, 8, bits);
    else
        return false;
    return true;
}

static bool typed_float32(struct parser *p, struct typed *v)
{
    double number;
    uint64_t bits;
    uint32_t small;
    float f;

    switch (v->token.type) {
    case MSGPACK_FLOAT: number = v->token.real; break;
    case MSGPACK_UINT: number = (double)v->token.uint; break;
    case MSGPACK_INT: number = (double)v->token.integer; break;
    case MSGPACK_TEXT:
        if (float_bits(v->token.bytes, 8, &bits)) {
            pack_bits(p->out, 0xca, 4, bits);
            return true;
        }
        if (float_named(v->token.bytes, &number))
            break;
        return false;
    default: return false;
    }
    f = (float)number;
    if (isinf(f) && !isinf(number))
        return false;
    memcpy(&small, &f, sizeof small);
    pack_bits(p->out, 0xca, 4, small);
    return true;
}

static bool typed_map(struct parser *p, struct typed *v)
{
    uint32_t pairs = v->token.count, two;
    struct slice part;

    if (v->token.type != MSGPACK_ARRAY)
        return false;
    hf_pack_map(p->out, pairs);
    for (uint32_t i = 0; i < pairs; i++) {
        if (msgpack_read_array(&v->cursor, &two) != ERR_OK || two != 2)
            return false;
        for (int k = 0; k < 2; k++) {
            if (msgpack_skip(&v->cursor, MSGPACK_DEPTH_MAX, &part) != ERR_OK)
                return false;
            hf_pack_raw(p->out, (struct hf_bytes){part.data, part.size});
        }
    }
    return true;
}

static const struct {
    const char *name;
    bool (*take)(struct parser *p, struct typed *value);
    int levels; /* of JSON inside of the object that are none of the value */
    const char *why;
} types[] = {
    {"$binary", typed_binary, 0, "$binary takes base64 text"},
    {"$timestamp", typed_timestamp, 1,
     "$timestamp takes \"YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ\" or [seconds, nanoseconds]"},
    {"$ext", typed_ext, 1, "$ext takes [type from -128 to 127, base64 text]"},
    {"$float", typed_float, 0,
     "$float takes \"nan\", \"inf\", \"-inf\" or 64 bits as \"0x...\""},
    {"$float32", typed_float32, 0,
     "$float32 takes a number of 32 bits, \"nan\", \"inf\", \"-inf\" or 32 bits as \"0x...\""},
    {"$map", typed_map, 2, "$map takes a list of [key, value]"},
};

/* The packed key of an object's only pair begins with a dollar sign: make what it stands
 * for of the pair, which lies in out behind a head of one byte at head_at. */
static bool finish_typed(struct parser *p, size_t head_at, const uint8_t *where)
{
    struct hf_pack pair = {0};
    struct msgpack_cursor cursor;
    struct typed value;
    struct slice name;
    const char *why = p->unknown;
    bool ok = false;

    hf_pack_raw(&pair,
                (struct hf_bytes){p->out->data + head_at + 1, p->out->size - head_at - 1});
    cursor = msgpack_open(slice_make(pair.data, pair.failed ? 0 : pair.size));
    p->out->size = head_at;
    if (msgpack_read_text(&cursor, &name) != ERR_OK) {
        why = "out of memory";
    } else if (name.size > 1 && name.data[1] == '$') {
        hf_pack_map(p->out, 1);
        hf_pack_text_bytes(p->out, (struct hf_bytes){name.data + 1, name.size - 1});
        hf_pack_raw(p->out, (struct hf_bytes){cursor.at, (size_t)(cursor.end - cursor.at)});
        ok = true;
    } else {
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            if (!slice_equal(name, slice_text(types[i].name)))
                continue;
            why = types[i].why;
            value.cursor = cursor;
            ok =
                msgpack_read(&value.cursor, &value.token) == ERR_OK && types[i].take(p, &value);
        }
        if (why == p->unknown && p->operators) {
            hf_pack_map(p->out, 1);
            hf_pack_raw(p->out, hf_pack_bytes(&pair));
            ok = true;
        } else if (why == p->unknown)
            snprintf(
                p->unknown, sizeof p->unknown,
                "unknown type \"%.*s\"; to store a field with that name write \"$%.*s\" or "
                "use --plain",
                (int)(name.size < 20 ? name.size : 20), (const char *)name.data,
                (int)(name.size < 20 ? name.size : 20), (const char *)name.data);
    }
    hf_pack_fini(&pair);
    return ok ? true : fail_at(p, where, why);
}

/* Before an object: if its first key is a type's name, the levels that do not count. */
static int typed_levels(const struct parser *p)
{
    struct parser look = *p;

    if (p->plain)
        return 0;
    skip_space(&look);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t size = strlen(types[i].name);

        if ((size_t)(look.end - look.at) > size + 1 && look.at[0] == '"' &&
            memcmp(look.at + 1, types[i].name, size) == 0 && look.at[size + 1] == '"')
            return types[i].levels + 1;
    }
    return 0;
}

/* ---- Containers ---- */

/* Put the real head where one byte was kept for it. */
static bool patch_head(struct parser *p, size_t head_at, uint32_t count, bool map)
{
    uint8_t head[MSGPACK_HEAD_MAX];
    size_t size = map ? msgpack_put_map_head(head, count) : msgpack_put_array_head(head, count);
    uint8_t *at;

    if (size > 1) {
        if (!hf_pack_reserve(p->out, size - 1))
            return fail_at(p, p->at, "out of memory");
        at = p->out->data + head_at;
        memmove(at + size, at + 1, p->out->size - head_at - 1);
        p->out->size += size - 1;
    }
    if (p->out->failed)
        return fail_at(p, p->at, "out of memory");
    memcpy(p->out->data + head_at, head, size);
    return true;
}

/* Behind an element: whether another follows; p->at stands on it then. */
static bool another(struct parser *p, char close, bool *more)
{
    skip_space(p);
    *more = at_char(p, ',');
    if (!*more && !at_char(p, close))
        return fail_at(p, p->at,
                       close == ']' ? "expected \",\" or \"]\"" : "expected \",\" or \"}\"");
    p->at++;
    if (*more)
        skip_space(p);
    return true;
}

static bool too_deep(struct parser *p, const uint8_t *where)
{
    return fail_at(p, where, "nested deeper than 64 levels");
}

static bool parse_array(struct parser *p, int depth)
{
    size_t head_at = p->out->size;
    uint32_t count = 0;
    bool more = true;

    if (depth >= JSON_DEPTH_MAX)
        return too_deep(p, p->at);
    hf_pack_array(p->out, 0);
    p->at++;
    skip_space(p);
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

static bool parse_object(struct parser *p, int depth)
{
    const uint8_t *where = p->at;
    size_t head_at = p->out->size;
    bool more = true, dollar = false;
    uint32_t count = 0;
    int levels;

    hf_pack_map(p->out, 0);
    p->at++;
    skip_space(p);
    levels = typed_levels(p);
    if (levels == 0 && depth >= JSON_DEPTH_MAX)
        return too_deep(p, where);
    if (at_char(p, '}')) {
        p->at++;
        return true;
    }
    while (more) {
        if (!at_char(p, '"'))
            return fail_at(p, p->at, "expected a field name in double quotes");
        dollar = p->end - p->at > 1 && p->at[1] == '$';
        if (!parse_string(p))
            return false;
        skip_space(p);
        if (!at_char(p, ':'))
            return fail_at(p, p->at, "expected \":\"");
        p->at++;
        if (!parse_value(p, depth + 1 - levels) || !another(p, '}', &more))
            return false;
        count++;
    }
    if (count == 1 && dollar && !p->plain)
        return finish_typed(p, head_at, where);
    return patch_head(p, head_at, count, true);
}

static bool parse_word(struct parser *p)
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
    return fail_at(p, p->at, p->at == p->end ? "expected a value" : "not valid JSON");
}

static bool parse_value(struct parser *p, int depth)
{
    bool ok;

    skip_space(p);
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

static void locate(const struct parser *p, struct json_error *error)
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
    struct parser p = {.begin = text.data,
                       .at = text.data,
                       .end = text.data + text.size,
                       .out = out,
                       .plain = style & JSON_PLAIN,
                       .operators = style & JSON_OPERATORS};
    size_t before = out->size;

    if (text.size > 0 && parse_value(&p, 0) && out->failed)
        fail_at(&p, p.at, "out of memory");
    if (text.size == 0)
        fail_at(&p, p.at, "expected a value");
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
    struct parser p = {
        .begin = text.data, .at = text.data, .end = text.data + text.size, .out = out};
    size_t before = out->size, used;

    if (!json_parse_first(text, style, out, &used, error))
        return false;
    p.at += used;
    skip_space(&p);
    if (p.at == p.end)
        return true;
    fail_at(&p, p.at, "unexpected text after the value");
    locate(&p, error);
    out->size = before;
    return false;
}
