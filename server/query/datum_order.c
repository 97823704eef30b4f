/* datum_order.c - the order of all values, and hashes that agree with its equality. */
#include "server/query/datum.h"

#include "server/base/assert.h"
#include "server/storage/value_order.h"

#include <math.h>
#include <xxhash.h>

#define TWO_TO_64 18446744073709551616.0

/* In the order of types. */
static unsigned rank(const struct datum *d)
{
    static const uint8_t ranks[] = {
        [DATUM_MISSING] = 0,  [DATUM_NULL] = 0,   [DATUM_BOOLEAN] = 1,   [DATUM_INTEGER] = 2,
        [DATUM_UNSIGNED] = 2, [DATUM_DOUBLE] = 2, [DATUM_TIMESTAMP] = 3, [DATUM_TEXT] = 4,
        [DATUM_BINARY] = 5,   [DATUM_ARRAY] = 6,  [DATUM_MAP] = 7,       [DATUM_EXTENSION] = 8,
    };

    ASSERT(d->type < sizeof ranks);
    return ranks[d->type];
}

static __int128 whole(const struct datum *d)
{
    return d->type == DATUM_UNSIGNED ? (__int128)d->uint : (__int128)d->integer;
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

/* An integer and a double, exactly. */
static int compare_mixed(__int128 n, double d)
{
    __int128 floor_of;

    if (isnan(d) || d >= TWO_TO_64)
        return -1;
    if (d <= -TWO_TO_64)
        return 1;
    floor_of = (__int128)floor(d);
    if (n != floor_of)
        return n < floor_of ? -1 : 1;
    return d > floor(d) ? -1 : 0;
}

static int compare_doubles(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (isnan(a) != 0) - (isnan(b) != 0);
    return COMPARE(a, b);
}

static int compare_numbers(const struct datum *a, const struct datum *b)
{
    if (a->type == DATUM_DOUBLE)
        return b->type == DATUM_DOUBLE ? compare_doubles(a->real, b->real)
                                       : -compare_mixed(whole(b), a->real);
    if (b->type == DATUM_DOUBLE)
        return compare_mixed(whole(a), b->real);
    return COMPARE(whole(a), whole(b));
}

int datum_compare(const struct datum *a, const struct datum *b)
{
    unsigned of_a, of_b;

    if (a->type == DATUM_INTEGER && b->type == DATUM_INTEGER)
        return COMPARE(a->integer, b->integer);
    of_a = rank(a);
    of_b = rank(b);
    if (of_a != of_b)
        return of_a < of_b ? -1 : 1;
    switch ((enum datum_type)a->type) {
    case DATUM_MISSING:
    case DATUM_NULL: return 0;
    case DATUM_BOOLEAN: return a->boolean - b->boolean;
    case DATUM_INTEGER:
    case DATUM_UNSIGNED:
    case DATUM_DOUBLE: return compare_numbers(a, b);
    case DATUM_TIMESTAMP:
        return a->seconds != b->seconds ? COMPARE(a->seconds, b->seconds)
                                        : COMPARE(a->nanoseconds, b->nanoseconds);
    case DATUM_TEXT:
    case DATUM_BINARY: return slice_compare(a->bytes, b->bytes);
    case DATUM_ARRAY:
    case DATUM_MAP:
    case DATUM_EXTENSION: break;
    }
    return value_compare(a->bytes, b->bytes);
}

/* ---- hashes ---- */

#define HASH_MIX UINT64_C(0x9e3779b97f4a7c15)

/* Both halves of a product. What goes in is known to nobody but us, by the seed. */
static uint64_t hash_multiply(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_word(uint64_t word, uint64_t seed)
{
    uint64_t once = hash_multiply(word ^ seed, HASH_MIX ^ (seed << 32 | seed >> 32));

    return hash_multiply(once ^ HASH_MIX, seed | 1);
}

/* Equal numbers have one hash: a double that is an integer is hashed as that. */
static uint64_t hash_number(const struct datum *d, uint64_t seed)
{
    double real = d->real;
    uint64_t bits;

    if (d->type != DATUM_DOUBLE)
        return hash_word((uint64_t)whole(d), seed + (whole(d) < 0));
    if (isnan(real))
        return hash_word(0, seed + 2);
    if (real > -TWO_TO_64 && real < TWO_TO_64 && real == floor(real))
        return hash_word((uint64_t)(__int128)real, seed + (real < 0));
    memcpy(&bits, &real, sizeof bits);
    return hash_word(bits, seed + 2);
}

static uint64_t hash_scalar(const struct datum *d, uint64_t seed)
{
    switch ((enum datum_type)d->type) {
    case DATUM_MISSING:
    case DATUM_NULL: return hash_word(0, seed + 3);
    case DATUM_BOOLEAN: return hash_word(d->boolean, seed + 4);
    case DATUM_INTEGER:
    case DATUM_UNSIGNED:
    case DATUM_DOUBLE: return hash_number(d, seed);
    case DATUM_TIMESTAMP:
        return hash_word((uint64_t)d->seconds, seed + 5 + ((uint64_t)d->nanoseconds << 32));
    case DATUM_TEXT: return XXH3_64bits_withSeed(d->bytes.data, d->bytes.size, seed);
    case DATUM_BINARY: return XXH3_64bits_withSeed(d->bytes.data, d->bytes.size, seed + 6);
    default: break;
    }
    return XXH3_64bits_withSeed(d->bytes.data, d->bytes.size, seed + 7);
}

/* An extension may have come with a longer head than need be; its payload is what counts. */
static uint64_t hash_extension(const struct msgpack_token *t, uint64_t seed)
{
    return XXH3_64bits_withSeed(t->bytes.data, t->bytes.size, seed + (uint8_t)t->ext_type);
}

uint64_t datum_hash(const struct datum *d, uint64_t seed)
{
    struct msgpack_cursor c;
    uint64_t hash = seed;

    if (d->type < DATUM_ARRAY)
        return hash_scalar(d, seed);
    /* Token by token: heads are what keeps [[1],2] and [[1,2]] apart. */
    c = msgpack_open(d->bytes);
    while (!msgpack_at_end(&c)) {
        const uint8_t *from = c.at;
        struct msgpack_token t;
        struct datum item;

        if (msgpack_read(&c, &t))
            break;
        item = datum_read(slice_make(from, (size_t)(c.at - from)));
        if (t.type == MSGPACK_ARRAY || t.type == MSGPACK_MAP)
            hash = hash_word(t.count, hash + 8 + t.type);
        else
            hash = item.type == DATUM_EXTENSION ? hash_extension(&t, hash + 7)
                                                : hash_scalar(&item, hash);
    }
    return hash;
}
