/* datum_internal.h - what the files of datum, and the functions of queries, share. */
#ifndef HOLDFAST_QUERY_DATUM_INTERNAL_H
#define HOLDFAST_QUERY_DATUM_INTERNAL_H

#include "server/query/datum.h"

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
