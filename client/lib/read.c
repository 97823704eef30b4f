/* read.c - looking into packed values, which may be any bytes at all. */
#include "client/lib/frame.h"
#include "client/lib/holdfast.h"
#include "proto/msgpack.h"

#include <math.h>

static const char *const type_names[] = {
    [HF_TYPE_NONE] = "none",           [HF_TYPE_NIL] = "nil",       [HF_TYPE_BOOL] = "boolean",
    [HF_TYPE_INT] = "integer",         [HF_TYPE_FLOAT] = "float",   [HF_TYPE_TEXT] = "text",
    [HF_TYPE_BINARY] = "binary",       [HF_TYPE_ARRAY] = "array",   [HF_TYPE_MAP] = "map",
    [HF_TYPE_TIMESTAMP] = "timestamp", [HF_TYPE_EXT] = "extension",
};

const char *hf_type_name(enum hf_type type)
{
    return (unsigned)type < sizeof type_names / sizeof *type_names ? type_names[type] : "none";
}

static enum hf_type type_of(const struct msgpack_token *token)
{
    int64_t seconds;
    uint32_t nanoseconds;

    switch (token->type) {
    case MSGPACK_NIL: return HF_TYPE_NIL;
    case MSGPACK_FALSE:
    case MSGPACK_TRUE: return HF_TYPE_BOOL;
    case MSGPACK_UINT:
    case MSGPACK_INT: return HF_TYPE_INT;
    case MSGPACK_FLOAT: return HF_TYPE_FLOAT;
    case MSGPACK_TEXT: return HF_TYPE_TEXT;
    case MSGPACK_BINARY: return HF_TYPE_BINARY;
    case MSGPACK_ARRAY: return HF_TYPE_ARRAY;
    case MSGPACK_MAP: return HF_TYPE_MAP;
    case MSGPACK_EXT: break;
    }
    return token->ext_type == -1 &&
                   msgpack_token_timestamp(token, &seconds, &nanoseconds) == ERR_OK
               ? HF_TYPE_TIMESTAMP
               : HF_TYPE_EXT;
}

/* The head of the one value, which is whole; HF_OK, HF_ABSENT (nil too), HF_MALFORMED. */
static int head_of(struct hf_bytes value, struct msgpack_token *token)
{
    struct slice rest = slice_make(value.data, value.size), whole;
    struct msgpack_cursor cursor;

    if (!value.data)
        return HF_ABSENT;
    if (!frame_take(&rest, &whole))
        return HF_MALFORMED;
    cursor = msgpack_open(whole);
    if (msgpack_read(&cursor, token) != ERR_OK)
        return HF_MALFORMED;
    return token->type == MSGPACK_NIL ? HF_ABSENT : HF_OK;
}

enum hf_type hf_type(struct hf_bytes value)
{
    struct msgpack_token token;
    int e = head_of(value, &token);

    if (e == HF_ABSENT && value.data)
        return HF_TYPE_NIL;
    return e == HF_OK ? type_of(&token) : HF_TYPE_NONE;
}

/* Likewise, if it is of that type. */
static int head_as(struct hf_bytes value, enum hf_type type, struct msgpack_token *token)
{
    int e = head_of(value, token);

    return e == HF_OK && type_of(token) != type ? HF_WRONG_TYPE : e;
}

int hf_read_bool(struct hf_bytes value, bool *out)
{
    struct msgpack_token token;
    int e = head_as(value, HF_TYPE_BOOL, &token);

    if (e == HF_OK)
        *out = token.type == MSGPACK_TRUE;
    return e;
}

int hf_read_int(struct hf_bytes value, int64_t *out)
{
    struct msgpack_token token;
    int e = head_as(value, HF_TYPE_INT, &token);

    if (e != HF_OK)
        return e;
    if (token.type == MSGPACK_UINT && token.uint > INT64_MAX)
        return HF_OUT_OF_RANGE;
    *out = token.type == MSGPACK_UINT ? (int64_t)token.uint : token.integer;
    return HF_OK;
}

int hf_read_uint(struct hf_bytes value, uint64_t *out)
{
    struct msgpack_token token;
    int e = head_as(value, HF_TYPE_INT, &token);

    if (e != HF_OK)
        return e;
    if (token.type == MSGPACK_INT)
        return HF_OUT_OF_RANGE;
    *out = token.uint;
    return HF_OK;
}

int hf_read_double(struct hf_bytes value, double *out)
{
    struct msgpack_token token;
    int e = head_of(value, &token);
    double d;

    if (e != HF_OK)
        return e;
    if (token.type == MSGPACK_FLOAT) {
        *out = token.real;
        return HF_OK;
    }
    if (token.type != MSGPACK_UINT && token.type != MSGPACK_INT)
        return HF_WRONG_TYPE;
    d = token.type == MSGPACK_UINT ? (double)token.uint : (double)token.integer;
    /* 2^64 is a double and no uint64_t. */
    if (token.type == MSGPACK_UINT ? d >= 0x1p64 || (uint64_t)d != token.uint
                                   : (int64_t)d != token.integer)
        return HF_OUT_OF_RANGE;
    *out = d;
    return HF_OK;
}

static int read_payload(struct hf_bytes value, enum hf_type type, struct hf_bytes *out)
{
    struct msgpack_token token;
    int e = head_as(value, type, &token);

    if (e == HF_OK)
        *out = (struct hf_bytes){token.bytes.data, token.bytes.size};
    return e;
}

int hf_read_text(struct hf_bytes value, struct hf_bytes *out)
{
    return read_payload(value, HF_TYPE_TEXT, out);
}

int hf_read_binary(struct hf_bytes value, struct hf_bytes *out)
{
    return read_payload(value, HF_TYPE_BINARY, out);
}

int hf_read_string(struct hf_bytes value, char *out, size_t room)
{
    struct hf_bytes text;
    int e = hf_read_text(value, &text);

    if (e != HF_OK)
        return e;
    if (text.size >= room || memchr(text.data, '\0', text.size))
        return HF_OUT_OF_RANGE;
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return HF_OK;
}

bool hf_text_is(struct hf_bytes value, const char *text)
{
    struct hf_bytes found;

    return hf_read_text(value, &found) == HF_OK &&
           slice_equal(slice_make(found.data, found.size), slice_text(text));
}

int hf_read_timestamp(struct hf_bytes value, int64_t *seconds, uint32_t *nanoseconds)
{
    struct msgpack_token token;
    int e = head_as(value, HF_TYPE_TIMESTAMP, &token);

    if (e != HF_OK)
        return e;
    return msgpack_token_timestamp(&token, seconds, nanoseconds) == ERR_OK ? HF_OK
                                                                           : HF_WRONG_TYPE;
}

int hf_read_ext(struct hf_bytes value, int8_t *type, struct hf_bytes *payload)
{
    struct msgpack_token token;
    int e = head_of(value, &token);

    if (e == HF_OK && token.type != MSGPACK_EXT)
        return HF_WRONG_TYPE;
    if (e == HF_OK) {
        *type = token.ext_type;
        *payload = (struct hf_bytes){token.bytes.data, token.bytes.size};
    }
    return e;
}

/* ---- Arrays and maps ---- */

struct hf_walk hf_walk(struct hf_bytes value)
{
    struct hf_walk walk = {HF_NONE, 0, false};
    struct slice rest = slice_make(value.data, value.size), whole;
    struct msgpack_cursor cursor;
    struct msgpack_token token;

    if (!value.data || !frame_take(&rest, &whole))
        return walk;
    cursor = msgpack_open(whole);
    if (msgpack_read(&cursor, &token) != ERR_OK ||
        (token.type != MSGPACK_ARRAY && token.type != MSGPACK_MAP))
        return walk;
    walk.rest = (struct hf_bytes){cursor.at, (size_t)(cursor.end - cursor.at)};
    walk.left = token.count;
    walk.of_map = token.type == MSGPACK_MAP;
    return walk;
}

bool hf_walk_next(struct hf_walk *walk, struct hf_bytes *key, struct hf_bytes *value)
{
    struct slice rest = slice_make(walk->rest.data, walk->rest.size);
    struct slice of_key = SLICE_NONE, of_value;

    if (walk->left == 0 || (walk->of_map && !frame_take(&rest, &of_key)) ||
        !frame_take(&rest, &of_value)) {
        walk->left = 0;
        return false;
    }
    walk->left--;
    walk->rest = (struct hf_bytes){rest.data, rest.size};
    if (key)
        *key = (struct hf_bytes){of_key.data, of_key.size};
    *value = (struct hf_bytes){of_value.data, of_value.size};
    return true;
}

uint32_t hf_length(struct hf_bytes value)
{
    return hf_walk(value).left;
}

struct hf_bytes hf_field(struct hf_bytes map, const char *name)
{
    struct hf_walk walk = hf_walk(map);
    struct hf_bytes key, value;

    while (walk.of_map && hf_walk_next(&walk, &key, &value)) {
        if (hf_text_is(key, name))
            return value;
    }
    return HF_NONE;
}

struct hf_bytes hf_element(struct hf_bytes array, uint32_t index)
{
    struct hf_walk walk = hf_walk(array);
    struct hf_bytes value;

    while (!walk.of_map && hf_walk_next(&walk, NULL, &value)) {
        if (index-- == 0)
            return value;
    }
    return HF_NONE;
}
