/* update_number.c - exact sums, and which of two values is the lesser. */
#include "server/storage/key.h"
#include "server/txn/update_internal.h"

#include <math.h>

#define NUMBER_KEY_BYTES 24 /* of an encoded number or timestamp, at least */

/* An integer of MessagePack: 65 bits and a sign. */
static __int128 whole_of(const struct msgpack_token *t)
{
    return t->type == MSGPACK_UINT ? (__int128)t->uint : (__int128)t->integer;
}

static size_t add_wholes(__int128 a, __int128 b, uint8_t *to, const char **why)
{
    __int128 sum = a + b;

    if (sum > (__int128)UINT64_MAX || sum < (__int128)INT64_MIN) {
        *why = "the sum overflows; integers go from -2^63 to 2^64-1";
        return 0;
    }
    return sum < 0 ? msgpack_put_int(to, (int64_t)sum) : msgpack_put_uint(to, (uint64_t)sum);
}

/* The number as a double; false if there is none that is equal. */
static bool as_double(const struct msgpack_token *t, double *out)
{
    if (t->type == MSGPACK_FLOAT) {
        *out = t->real;
        return true;
    }
    *out = (double)whole_of(t);
    return (__int128)*out == whole_of(t);
}

size_t update_add(const struct msgpack_token *a, const struct msgpack_token *b, uint8_t *to,
                  const char **why)
{
    double x, y, sum;

    if (a->type != MSGPACK_FLOAT && b->type != MSGPACK_FLOAT)
        return add_wholes(whole_of(a), whole_of(b), to, why);
    if (!as_double(a, &x) || !as_double(b, &y)) {
        *why = "the integer has too many digits to be added to a float exactly";
        return 0;
    }
    sum = x + y;
    if (isnan(sum)) {
        *why = "the sum is not a number";
        return 0;
    }
    if (isinf(sum) && !isinf(x) && !isinf(y)) {
        *why = "the sum overflows; it is beyond the greatest float";
        return 0;
    }
    return msgpack_put_double(to, sum);
}

enum kind {
    KIND_NONE,
    KIND_NUMBER,
    KIND_TIMESTAMP,
    KIND_TEXT,
    KIND_BINARY,
};

static enum kind kind_of(const struct msgpack_token *t)
{
    switch (t->type) {
    case MSGPACK_UINT:
    case MSGPACK_INT: return KIND_NUMBER;
    case MSGPACK_FLOAT: return isnan(t->real) ? KIND_NONE : KIND_NUMBER;
    case MSGPACK_TEXT: return KIND_TEXT;
    case MSGPACK_BINARY: return KIND_BINARY;
    case MSGPACK_EXT: return t->ext_type == -1 ? KIND_TIMESTAMP : KIND_NONE;
    default: return KIND_NONE;
    }
}

bool update_compare(struct slice a, struct slice b, int *order)
{
    struct msgpack_cursor at_a = msgpack_open(a), at_b = msgpack_open(b);
    uint8_t key_a[NUMBER_KEY_BYTES], key_b[NUMBER_KEY_BYTES];
    struct msgpack_token t, u;
    size_t size_a, size_b;
    enum kind kind;

    if (msgpack_read(&at_a, &t) || msgpack_read(&at_b, &u))
        return false;
    kind = kind_of(&t);
    if (kind == KIND_NONE || kind != kind_of(&u))
        return false;
    if (kind == KIND_TEXT || kind == KIND_BINARY) {
        *order = slice_compare(t.bytes, u.bytes);
        return true;
    }
    if (key_encode_value(a, false, key_a, sizeof key_a, &size_a) ||
        key_encode_value(b, false, key_b, sizeof key_b, &size_b))
        return false;
    *order = slice_compare(slice_make(key_a, size_a), slice_make(key_b, size_b));
    return true;
}
