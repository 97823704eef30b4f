/* json_print.c - MessagePack as JSON text. */
#include "client/cli/base64.h"
#include "client/cli/colour.h"
#include "client/cli/json.h"
#include "client/cli/text.h"
#include "proto/timestamp.h"
#include "proto/msgpack.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Records have at most 64 levels; what the server says of itself has few. */
#define PRINT_DEPTH_MAX 80

struct printer {
    struct hf_pack *out;
    bool indent;
    bool plain;
    bool colour;
    unsigned level;
};

static bool print_value(struct printer *p, struct msgpack_cursor *c);

/* A JSON string, quotes and all. */
static void print_text(struct slice text, struct hf_pack *out)
{
    text_append(out, "\"");
    while (text.size > 0) {
        size_t plain = 0, size;
        uint32_t point;

        /* Most of any text needs no second look. */
        while (plain < text.size && text.data[plain] >= 0x20 && text.data[plain] < 0x7f &&
               text.data[plain] != '"' && text.data[plain] != '\\')
            plain++;
        text_append_slice(out, slice_make(text.data, plain));
        text = slice_make(text.data + plain, text.size - plain);
        if (text.size == 0)
            break;
        point = text_decode(text, &size);
        if (point == '"' || point == '\\')
            text_printf(out, "\\%c", (char)point);
        else if (point == '\n')
            text_append(out, "\\n");
        else if (point == '\t')
            text_append(out, "\\t");
        else if (point == '\r')
            text_append(out, "\\r");
        else if (text_is_unsafe(point))
            text_printf(out, "\\u%04x", point);
        else
            text_put(out, point);
        text = slice_make(text.data + size, text.size - size);
    }
    text_append(out, "\"");
}

static void print_double(struct hf_pack *out, double d)
{
    char digits[48];

    /* 15 digits lose no trailing zeros, so fewer need no trying, but for subnormal numbers,
     * which hold fewer than 15. */
    for (int precision = fabs(d) < DBL_MIN ? 1 : 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, d);
        if (strtod(digits, NULL) == d)
            break;
    }
    text_append(out, digits);
    if (!strpbrk(digits, ".e"))
        text_append(out, ".0");
}

/* The number behind a head of so many bytes. */
static uint64_t bits_at(const uint8_t *at, size_t size)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < size; i++)
        bits = bits << 8 | at[i];
    return bits;
}

/* What has no digits: nan, inf, -inf, and other NaNs by their bits. */
static void print_no_number(struct hf_pack *out, double d, uint64_t bits, size_t size)
{
    uint64_t nan_bits = size == 8 ? 0x7ff8000000000000u : 0x7fc00000u;

    if (isinf(d))
        text_append(out, d > 0 ? "\"inf\"" : "\"-inf\"");
    else if (bits == nan_bits)
        text_append(out, "\"nan\"");
    else
        text_printf(out, "\"0x%0*llx\"", (int)size * 2, (unsigned long long)bits);
}

static void print_float32(struct hf_pack *out, const uint8_t *head)
{
    uint32_t bits = (uint32_t)bits_at(head + 1, 4);
    char digits[48];
    float f;

    memcpy(&f, &bits, sizeof f);
    text_append(out, "{\"$float32\":");
    if (isnan(f) || isinf(f)) {
        print_no_number(out, (double)f, bits, 4);
    } else {
        for (int precision = 1; precision <= 9; precision++) {
            snprintf(digits, sizeof digits, "%.*g", precision, (double)f);
            if ((float)strtod(digits, NULL) == f)
                break;
        }
        text_append(out, digits);
        if (!strpbrk(digits, ".e"))
            text_append(out, ".0");
    }
    text_append(out, "}");
}

/* Of 32 or 64 bits; head is where it begins. */
static void print_float(struct hf_pack *out, const uint8_t *head, double d)
{
    if (*head == 0xca) {
        print_float32(out, head);
    } else if (isnan(d) || isinf(d)) {
        text_append(out, "{\"$float\":");
        print_no_number(out, d, bits_at(head + 1, 8), 8);
        text_append(out, "}");
    } else {
        print_double(out, d);
    }
}

static void print_ext(struct hf_pack *out, const struct msgpack_token *token)
{
    char text[TIMESTAMP_TEXT_MAX];
    int64_t seconds;
    uint32_t nanoseconds;

    if (token->ext_type == -1 &&
        msgpack_token_timestamp(token, &seconds, &nanoseconds) == ERR_OK) {
        if (seconds >= TIMESTAMP_SECONDS_MIN && seconds <= TIMESTAMP_SECONDS_MAX) {
            timestamp_print(text, seconds, nanoseconds);
            text_printf(out, "{\"$timestamp\":\"%s\"}", text);
        } else {
            text_printf(out, "{\"$timestamp\":[%lld,%u]}", (long long)seconds, nanoseconds);
        }
        return;
    }
    text_printf(out, "{\"$ext\":[%d,\"", token->ext_type);
    base64_encode(out, token->bytes);
    text_append(out, "\"]}");
}

static void new_line(struct printer *p)
{
    if (!p->indent)
        return;
    text_append(p->out, "\n");
    for (unsigned i = 0; i < p->level; i++)
        text_append(p->out, "  ");
}

static bool print_array(struct printer *p, struct msgpack_cursor *c, uint32_t count)
{
    text_append(p->out, "[");
    p->level++;
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            text_append(p->out, ",");
        new_line(p);
        if (!print_value(p, c))
            return false;
    }
    p->level--;
    if (count > 0)
        new_line(p);
    text_append(p->out, "]");
    return true;
}

/* Whether each of the pairs at c has text for a key. */
static bool keys_are_text(struct msgpack_cursor c, uint32_t pairs)
{
    struct slice text;

    for (uint32_t i = 0; i < pairs; i++) {
        if (msgpack_read_text(&c, &text) != ERR_OK || !msgpack_text_is_utf8(text) ||
            msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL) != ERR_OK)
            return false;
    }
    return true;
}

static bool print_pairs(struct printer *p, struct msgpack_cursor *c, uint32_t pairs)
{
    bool indent = p->indent;

    p->indent = false;
    p->level++;
    text_append(p->out, "{\"$map\":[");
    for (uint32_t i = 0; i < pairs; i++) {
        text_append(p->out, i > 0 ? ",[" : "[");
        if (!print_value(p, c))
            return false;
        text_append(p->out, ",");
        if (!print_value(p, c))
            return false;
        text_append(p->out, "]");
    }
    text_append(p->out, "]}");
    p->level--;
    p->indent = indent;
    return true;
}

static void print_name(struct printer *p, struct slice name)
{
    text_append(p->out, p->colour ? COLOUR_NAME : "");
    print_text(name, p->out);
    text_append(p->out, p->colour ? COLOUR_END : "");
}

static bool print_map(struct printer *p, struct msgpack_cursor *c, uint32_t pairs)
{
    struct slice key;

    if (!keys_are_text(*c, pairs))
        return print_pairs(p, c, pairs);
    text_append(p->out, "{");
    p->level++;
    for (uint32_t i = 0; i < pairs; i++) {
        if (i > 0)
            text_append(p->out, ",");
        new_line(p);
        if (msgpack_read_text(c, &key) != ERR_OK)
            return false;
        if (!p->plain && pairs == 1 && key.size > 0 && key.data[0] == '$') {
            struct hf_pack escaped = {0}; /* a real key, and no type's name */

            text_append(&escaped, "$");
            text_append_slice(&escaped, key);
            print_name(p, slice_make(escaped.data, escaped.failed ? 0 : escaped.size));
            hf_pack_fini(&escaped);
        } else {
            print_name(p, key);
        }
        text_append(p->out, p->indent ? ": " : ":");
        if (!print_value(p, c))
            return false;
    }
    p->level--;
    if (pairs > 0)
        new_line(p);
    text_append(p->out, "}");
    return true;
}

/* What begins the colour of a scalar; "" where it has none. */
static const char *colour_of(enum msgpack_type type)
{
    switch (type) {
    case MSGPACK_NIL:
    case MSGPACK_FALSE:
    case MSGPACK_TRUE: return COLOUR_WORD;
    case MSGPACK_UINT:
    case MSGPACK_INT:
    case MSGPACK_FLOAT: return COLOUR_NUMBER;
    case MSGPACK_TEXT: return COLOUR_TEXT;
    default: return "";
    }
}

static bool print_token(struct printer *p, struct msgpack_cursor *c, const uint8_t *head,
                        const struct msgpack_token *token);

static bool print_value(struct printer *p, struct msgpack_cursor *c)
{
    const uint8_t *head = c->at;
    struct msgpack_token token;
    const char *colour;
    bool ok;

    if (p->level > PRINT_DEPTH_MAX || msgpack_read(c, &token) != ERR_OK)
        return false;
    colour = p->colour ? colour_of(token.type) : "";
    text_append(p->out, colour);
    ok = print_token(p, c, head, &token);
    text_append(p->out, colour[0] ? COLOUR_END : "");
    return ok;
}

static bool print_token(struct printer *p, struct msgpack_cursor *c, const uint8_t *head,
                        const struct msgpack_token *given)
{
    struct msgpack_token token = *given;

    switch (token.type) {
    case MSGPACK_NIL: text_append(p->out, "null"); break;
    case MSGPACK_FALSE: text_append(p->out, "false"); break;
    case MSGPACK_TRUE: text_append(p->out, "true"); break;
    case MSGPACK_UINT: text_printf(p->out, "%llu", (unsigned long long)token.uint); break;
    case MSGPACK_INT: text_printf(p->out, "%lld", (long long)token.integer); break;
    case MSGPACK_FLOAT: print_float(p->out, head, token.real); break;
    case MSGPACK_TEXT: print_text(token.bytes, p->out); break;
    case MSGPACK_BINARY:
        text_append(p->out, "{\"$binary\":\"");
        base64_encode(p->out, token.bytes);
        text_append(p->out, "\"}");
        break;
    case MSGPACK_ARRAY: return print_array(p, c, token.count);
    case MSGPACK_MAP: return print_map(p, c, token.count);
    case MSGPACK_EXT: print_ext(p->out, &token); break;
    }
    return true;
}

void json_print(struct slice value, unsigned style, struct hf_pack *out)
{
    struct printer p = {.out = out,
                        .indent = style & JSON_INDENT,
                        .plain = style & JSON_PLAIN,
                        .colour = style & JSON_COLOUR};
    struct msgpack_cursor cursor = msgpack_open(value);

    if (!print_value(&p, &cursor))
        text_append(out, "...");
}
