/* exact_sum.h - the sum of any doubles and integers, exactly, so that it does not depend on
 * their order; it is rounded once, at the end.
 *
 * A number of fixed point with a bit for each power of two that a double can have, in limbs of
 * 32 bits with room for carries. Threads: whoever owns it. Memory: itself. */
#ifndef HOLDFAST_QUERY_EXACT_SUM_H
#define HOLDFAST_QUERY_EXACT_SUM_H

#include <stdbool.h>
#include <stdint.h>

#define EXACT_SUM_LIMBS 70

struct exact_sum {
    int64_t limbs[EXACT_SUM_LIMBS]; /* the least first; limb i counts 2^(32 i - 1074) */
    uint32_t since_carry;           /* additions since carries were moved on */
    bool has_nan, has_plus, has_minus; /* not finite: NaN, +inf, -inf were added */
};

void exact_sum_init(struct exact_sum *s);
void exact_sum_add(struct exact_sum *s, double d);
void exact_sum_add_whole(struct exact_sum *s, __int128 n);

/* The double nearest to the sum, of two the even one; an infinity if it is beyond them. NaN, or
 * infinities of both signs: NaN. */
double exact_sum_round(struct exact_sum *s);

#endif
