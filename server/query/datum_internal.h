/* datum_internal.h - what the files of datum, and the functions of queries, share. */
#ifndef HOLDFAST_QUERY_DATUM_INTERNAL_H
#define HOLDFAST_QUERY_DATUM_INTERNAL_H

#include "server/query/datum.h"

#include <endian.h>

/* datum_read of any value; NONE is missing. */
struct datum datum_read_wide(struct slice value);

/* datum_read: small integers, short texts and numbers of common forms in place. */
static inline struct datum datum_read_inline(struct slice value)
{
    const uint8_t *at = value.data;
    struct datum d = {.type = DATUM_INTEGER};
    uint64_t eight;
    uint32_t four;

    if (!at || !value.size)
        return (struct datum){.type = DATUM_MISSING};
    if (*at < 0x80) {
        d.integer = *at;
    } else if ((*at & 0xe0) == 0xa0 && value.size > (*at & 0x1fu)) {
        d.type = DATUM_TEXT;
        d.bytes = slice_make(at + 1, *at & 0x1f);
    } else if (*at == 0xcc && value.size >= 2) {
        d.integer = at[1];
    } else if (*at == 0xcd && value.size >= 3) {
        d.integer = at[1] << 8 | at[2];
    } else if (*at == 0xce && value.size >= 5) {
        memcpy(&four, at + 1, sizeof four);
        d.integer = be32toh(four);
    } else if (*at == 0xcb && value.size >= 9) {
        memcpy(&eight, at + 1, sizeof eight);
        eight = be64toh(eight);
        d.type = DATUM_DOUBLE;
        memcpy(&d.real, &eight, sizeof eight);
    } else {
        return datum_read_wide(value);
    }
    return d;
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
