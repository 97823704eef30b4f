/* update_number.c - exact sums, and which of two values is the lesser. */
#include "server/txn/update_number.h"

#include "server/base/assert.h"
#include "server/storage/value_order.h"

#include <math.h>

#define COMPARED_TYPES (VALUE_NUMBER | VALUE_TIMESTAMP | VALUE_TEXT | VALUE_BINARY)

/* An integer of MessagePack: 65 bits and a sign. */
static __int128 whole_of(const struct msgpack_token *t)
{
    ASSERT(t->type == MSGPACK_UINT || t->type == MSGPACK_INT);
    return t->type == MSGPACK_UINT ? (__int128)t->uint : (__int128)t->integer;
}

static size_t add_wholes(__int128 a, __int128 b, uint8_t *to, const char **why)
{
    __int128 sum = a + b; /* of at most 65 bits each */

    ASSERT(a <= (__int128)UINT64_MAX && a >= (__int128)INT64_MIN);
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
    ASSERT(t->type == MSGPACK_UINT || t->type == MSGPACK_INT);
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
        *why = "the sum overflows; it is out of range for a float";
        return 0;
    }
    return msgpack_put_double(to, sum);
}

bool update_compare(struct slice a, struct slice b, int *order)
{
    unsigned type = value_type_of(a);

    if (!(type & COMPARED_TYPES) || type != value_type_of(b))
        return false;
    ASSERT(a.size > 0 && b.size > 0);
    *order = value_compare(a, b);
    return true;
}
