/* json_typed.c - objects of one pair that stand for values which JSON lacks (json.h). */
#include "client/cli/json_internal.h"

#include "client/cli/base64.h"
#include "proto/msgpack.h"
#include "proto/timestamp.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The one value of a typed object, packed, out of the way of what takes its place. */
struct typed {
    struct msgpack_cursor cursor;
    struct msgpack_token token; /* its first */
};

static bool typed_binary(struct json_parser *p, struct typed *v)
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

static bool typed_timestamp(struct json_parser *p, struct typed *v)
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

static bool typed_ext(struct json_parser *p, struct typed *v)
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

static bool typed_float(struct json_parser *p, struct typed *v)
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

static bool typed_float32(struct json_parser *p, struct typed *v)
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

static bool typed_map(struct json_parser *p, struct typed *v)
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
    bool (*take)(struct json_parser *p, struct typed *value);
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

bool json_finish_typed(struct json_parser *p, size_t head_at, const uint8_t *where)
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
    return ok ? true : json_fail(p, where, why);
}

int json_typed_levels(const struct json_parser *p)
{
    struct json_parser look = *p;

    if (p->plain)
        return 0;
    json_skip_space(&look);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t size = strlen(types[i].name);

        if ((size_t)(look.end - look.at) > size + 1 && look.at[0] == '"' &&
            memcmp(look.at + 1, types[i].name, size) == 0 && look.at[size + 1] == '"')
            return types[i].levels + 1;
    }
    return 0;
}
