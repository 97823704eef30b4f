#include "server/query/exact_sum.h"

#include "server/base/assert.h"

#include <math.h>
#include <string.h>

#define LIMB_BITS 32
#define LIMB_MASK UINT32_MAX
#define POINT 1074 /* bits behind the point */
#define MANTISSA_BITS 53
#define CARRY_AFTER (1u << 28) /* additions of less than 2^32 each that a limb has room for */

void exact_sum_init(struct exact_sum *s)
{
    memset(s, 0, sizeof *s);
}

/* Every limb but the last within 0 .. 2^32-1. */
static void carry(struct exact_sum *s)
{
    for (unsigned i = 0; i + 1 < EXACT_SUM_LIMBS; i++) {
        int64_t low = s->limbs[i] & LIMB_MASK;

        s->limbs[i + 1] += (s->limbs[i] - low) / ((int64_t)1 << LIMB_BITS);
        s->limbs[i] = low;
    }
    s->since_carry = 0;
}

/* bits * 2^(position - POINT) */
static void add_bits(struct exact_sum *s, uint64_t bits, unsigned position, bool negative)
{
    unsigned __int128 shifted = (unsigned __int128)bits << position % LIMB_BITS;

    ASSERT(position / LIMB_BITS + 3 < EXACT_SUM_LIMBS);
    for (unsigned i = position / LIMB_BITS; shifted; i++, shifted >>= LIMB_BITS) {
        int64_t limb = (int64_t)(uint32_t)shifted;

        s->limbs[i] += negative ? -limb : limb;
    }
    if (++s->since_carry >= CARRY_AFTER)
        carry(s);
}

void exact_sum_add(struct exact_sum *s, double d)
{
    uint64_t bits, mantissa;
    unsigned exponent;

    if (!isfinite(d)) {
        s->has_nan |= isnan(d);
        s->has_plus |= d > 0;
        s->has_minus |= d < 0;
        return;
    }
    memcpy(&bits, &d, sizeof bits);
    exponent = bits >> 52 & 0x7ff;
    mantissa = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent)
        mantissa |= UINT64_C(1) << 52;
    /* The least bit of a number with exponent 0 or 1 counts 2^-1074. */
    add_bits(s, mantissa, exponent ? exponent - 1 : 0, bits >> 63);
}

void exact_sum_add_whole(struct exact_sum *s, __int128 n)
{
    unsigned __int128 size = n < 0 ? -(unsigned __int128)n : (unsigned __int128)n;

    add_bits(s, (uint64_t)size, POINT, n < 0);
    add_bits(s, (uint64_t)(size >> 64), POINT + 64, n < 0);
}

static bool bit_at(const struct exact_sum *s, unsigned i)
{
    return s->limbs[i / LIMB_BITS] >> i % LIMB_BITS & 1;
}

static bool any_bit_below(const struct exact_sum *s, unsigned end)
{
    for (unsigned i = 0; i < end / LIMB_BITS; i++) {
        if (s->limbs[i])
            return true;
    }
    for (unsigned i = end - end % LIMB_BITS; i < end; i++) {
        if (bit_at(s, i))
            return true;
    }
    return false;
}

/* Of a sum that is not negative, carried: its greatest bit; -1: it is 0. */
static int greatest_bit(const struct exact_sum *s)
{
    for (int i = EXACT_SUM_LIMBS - 1; i >= 0; i--) {
        if (s->limbs[i])
            return i * LIMB_BITS + 63 - __builtin_clzll((uint64_t)s->limbs[i]);
    }
    return -1;
}

double exact_sum_round(struct exact_sum *s)
{
    uint64_t mantissa = 0;
    bool negative;
    int top, low;

    if (s->has_nan || (s->has_plus && s->has_minus))
        return NAN;
    if (s->has_plus || s->has_minus)
        return s->has_plus ? INFINITY : -INFINITY;
    carry(s);
    negative = s->limbs[EXACT_SUM_LIMBS - 1] < 0;
    if (negative) {
        for (unsigned i = 0; i < EXACT_SUM_LIMBS; i++)
            s->limbs[i] = -s->limbs[i];
        carry(s);
    }
    top = greatest_bit(s);
    low = top >= MANTISSA_BITS ? top - MANTISSA_BITS + 1 : 0;
    for (int i = top; i >= low; i--)
        mantissa = mantissa << 1 | bit_at(s, (unsigned)i);
    if (low > 0 && bit_at(s, (unsigned)low - 1) &&
        (mantissa & 1 || any_bit_below(s, (unsigned)low - 1)))
        mantissa++;
    if (negative) { /* as it was, for those who add more */
        for (unsigned i = 0; i < EXACT_SUM_LIMBS; i++)
            s->limbs[i] = -s->limbs[i];
    }
    return ldexp(negative ? -(double)mantissa : (double)mantissa, low - POINT);
}
