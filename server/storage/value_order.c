#include "server/storage/value_order.h"

#include "server/base/assert.h"
#include "server/storage/key.h"

#include <math.h>

#define SCALAR_KEY_BYTES 24 /* of an encoded number or timestamp, at least */

static const char *const type_names[] = {"nil",  "boolean", "number", "timestamp",
                                         "text", "binary",  "array"};
#define TYPE_COUNT (sizeof type_names / sizeof type_names[0])

unsigned value_type_named(struct slice name)
{
    for (unsigned i = 0; i < TYPE_COUNT; i++) {
        if (slice_equal(name, slice_text(type_names[i])))
            return 1u << i;
    }
    return 0;
}

const char *value_type_name(unsigned type)
{
    unsigned i = 0;

    ASSERT(type && !(type & (type - 1)) && type <= VALUE_TYPES_ALL); /* one bit */
    while (i + 1 < TYPE_COUNT && type != 1u << i)
        i++;
    return type_names[i];
}

/* 0: it can be no key. */
static unsigned type_of(const struct msgpack_token *t)
{
    int64_t seconds;
    uint32_t nanoseconds;

    switch (t->type) {
    case MSGPACK_NIL: return VALUE_NIL;
    case MSGPACK_FALSE:
    case MSGPACK_TRUE: return VALUE_BOOLEAN;
    case MSGPACK_UINT:
    case MSGPACK_INT: return VALUE_NUMBER;
    case MSGPACK_FLOAT: return isnan(t->real) ? 0 : VALUE_NUMBER;
    case MSGPACK_TEXT: return VALUE_TEXT;
    case MSGPACK_BINARY: return VALUE_BINARY;
    case MSGPACK_ARRAY: return VALUE_ARRAY;
    case MSGPACK_EXT:
        return t->ext_type == -1 && !msgpack_token_timestamp(t, &seconds, &nanoseconds)
                   ? VALUE_TIMESTAMP
                   : 0;
    default: return 0;
    }
}

unsigned value_type_of(struct slice value)
{
    struct msgpack_cursor c = msgpack_open(value);
    struct msgpack_token t;

    return msgpack_read(&c, &t) ? 0 : type_of(&t);
}

bool value_is_key(struct slice value, unsigned types)
{
    struct msgpack_cursor c = msgpack_open(value);

    ASSERT(types && !(types & ~VALUE_TYPES_ALL));
    while (!msgpack_at_end(&c)) { /* arrays are only heads between what is in them */
        struct msgpack_token t;

        if (msgpack_read(&c, &t) || !(type_of(&t) & types))
            return false;
    }
    return true;
}

static int compare_uints(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Two numbers or timestamps, as their keys. */
static int compare_encoded(struct slice a, struct slice b)
{
    uint8_t key_a[SCALAR_KEY_BYTES], key_b[SCALAR_KEY_BYTES];
    size_t size_a = 0, size_b = 0;

    key_encode_value(a, false, key_a, sizeof key_a, &size_a);
    key_encode_value(b, false, key_b, sizeof key_b, &size_b);
    ASSERT(size_a > 0 && size_b > 0);
    return slice_compare(slice_make(key_a, size_a), slice_make(key_b, size_b));
}

static bool is_nan(const struct msgpack_token *t)
{
    return t->type == MSGPACK_FLOAT && isnan(t->real);
}

/* The types of keys, and above them what cannot be one. */
static unsigned rank_of(const struct msgpack_token *t)
{
    unsigned type = type_of(t);

    if (type)
        return type;
    if (is_nan(t))
        return VALUE_NUMBER;
    return t->type == MSGPACK_MAP ? VALUE_TYPES_ALL + 1 : VALUE_TYPES_ALL + 2;
}

static int compare_numbers(const struct msgpack_token *t, const struct msgpack_token *u,
                           struct slice a, struct slice b)
{
    if (t->type == MSGPACK_UINT && u->type == MSGPACK_UINT)
        return compare_uints(t->uint, u->uint);
    if (is_nan(t) || is_nan(u))
        return is_nan(t) - is_nan(u);
    return compare_encoded(a, b);
}

/* One token of each, of which bytes were read; of arrays and maps only that they are. */
static int compare_tokens(const struct msgpack_token *t, const struct msgpack_token *u,
                          struct slice a, struct slice b)
{
    unsigned type = rank_of(t), other = rank_of(u);

    if (type != other)
        return type < other ? -1 : 1;
    switch (type) {
    case VALUE_BOOLEAN: return (t->type == MSGPACK_TRUE) - (u->type == MSGPACK_TRUE);
    case VALUE_TEXT:
    case VALUE_BINARY: return slice_compare(t->bytes, u->bytes);
    case VALUE_NUMBER: return compare_numbers(t, u, a, b);
    case VALUE_TIMESTAMP: return compare_encoded(a, b);
    case VALUE_TYPES_ALL + 2:
        return t->ext_type != u->ext_type ? (t->ext_type < u->ext_type ? -1 : 1)
                                          : slice_compare(t->bytes, u->bytes);
    default: return 0;
    }
}

/* How many values follow a head. */
static uint64_t values_within(const struct msgpack_token *t)
{
    if (t->type == MSGPACK_MAP)
        return 2 * (uint64_t)t->count;
    return t->type == MSGPACK_ARRAY ? t->count : 0;
}

int value_compare(struct slice a, struct slice b)
{
    struct msgpack_cursor at_a = msgpack_open(a), at_b = msgpack_open(b);
    uint64_t left_a[MSGPACK_DEPTH_MAX + 1], left_b[MSGPACK_DEPTH_MAX + 1];
    unsigned depth = 0;

    left_a[0] = left_b[0] = 1;
    for (;;) {
        const uint8_t *from_a = at_a.at, *from_b = at_b.at;
        struct msgpack_token t, u;
        int order;

        if (!left_a[depth] || !left_b[depth]) { /* the shorter one comes first */
            ASSERT(depth <= MSGPACK_DEPTH_MAX);
            if (left_a[depth] || left_b[depth])
                return left_a[depth] ? 1 : -1;
            if (depth-- == 0)
                return 0;
            continue;
        }
        left_a[depth]--;
        left_b[depth]--;
        if (msgpack_read(&at_a, &t) || msgpack_read(&at_b, &u))
            return 0;
        order = compare_tokens(&t, &u, slice_make(from_a, (size_t)(at_a.at - from_a)),
                               slice_make(from_b, (size_t)(at_b.at - from_b)));
        if (order)
            return order;
        if ((t.type == MSGPACK_ARRAY || t.type == MSGPACK_MAP) && depth < MSGPACK_DEPTH_MAX) {
            depth++;
            left_a[depth] = values_within(&t);
            left_b[depth] = values_within(&u);
        }
    }
}
