/* datum_internal.h - what the files of datum, and the functions of queries, share. */
#ifndef HOLDFAST_QUERY_DATUM_INTERNAL_H
#define HOLDFAST_QUERY_DATUM_INTERNAL_H

#include "server/query/datum.h"

/* datum_read of any value; NONE is missing. */
struct datum datum_read_wide(struct slice value);

/* datum_read: small integers, short texts and numbers of common forms in place. */
static inline void datum_read_to(struct slice value, struct datum *out)
{
    const uint8_t *at = value.data;
    enum datum_type type = DATUM_INTEGER;
    uint64_t a = 0, b = 0;
    uint32_t four;

    static_assert(sizeof(struct slice) == 2 * sizeof(uint64_t), "a slice is two words");
    if (!at || !value.size) {
        type = DATUM_MISSING;
    } else if (*at < 0x80) {
        a = *at;
    } else if ((*at & 0xe0) == 0xa0 && value.size > (*at & 0x1fu)) {
        type = DATUM_TEXT;
        a = (uintptr_t)(at + 1);
        b = *at & 0x1f;
    } else if (*at == 0xcc && value.size >= 2) {
        a = at[1];
    } else if (*at == 0xcd && value.size >= 3) {
        a = (uint64_t)at[1] << 8 | at[2];
    } else if (*at == 0xce && value.size >= 5) {
        memcpy(&four, at + 1, sizeof four);
        a = be32toh(four);
    } else if (*at == 0xcb && value.size >= 9) {
        memcpy(&a, at + 1, sizeof a);
        a = be64toh(a); /* the bits of the double */
        type = DATUM_DOUBLE;
    } else {
        *out = datum_read_wide(value);
        return;
    }
    datum_put(out, type, a, b);
}

/* An integer, whichever of its two types it has; and back: OVERFLOW. */
__int128 datum_whole(const struct datum *d);
enum datum_fault datum_of_whole(struct datum_memory *m, __int128 n, struct datum *out);

/* A number as the double that is equal to it: INEXACT if there is none; and back: OVERFLOW if
 * it is infinite though it was made from finite numbers, BAD_ARGUMENT if it is NaN and was made
 * from none. */
enum datum_fault datum_real(struct datum_memory *m, const struct datum *d, double *out);
enum datum_fault datum_of_real(struct datum_memory *m, double result, bool from_finite,
                               bool from_nan, struct datum *out);

/* The || of two that are not null. */
enum datum_fault datum_concatenate(struct datum_memory *m, const struct datum *a,
                                   const struct datum *b, struct datum *out);

/* A number as text, terminated; returns its length. A double always has a point or an exponent,
 * so that it is read as a double again. */
#define DATUM_NUMBER_CHARACTERS 32
size_t datum_number_print(const struct datum *d, char to[DATUM_NUMBER_CHARACTERS]);

/* An array or map that was made of values: it nests one deeper than they do, which may be too
 * deep (LIMIT). */
enum datum_fault datum_made(struct datum_memory *m, enum datum_type type, struct slice bytes,
                            struct datum *out);

/* A copy of bytes as a text of m. */
enum datum_fault datum_text_copy(struct datum_memory *m, struct slice bytes, struct datum *out);

#endif
