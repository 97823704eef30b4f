/* function_internal.h - the functions themselves, by what they are about, and how they look at
 * their arguments. */
#ifndef HOLDFAST_QUERY_FUNCTION_INTERNAL_H
#define HOLDFAST_QUERY_FUNCTION_INTERNAL_H

#include "server/query/datum_internal.h"
#include "server/query/function.h"

extern const struct query_function functions_of_values[];
extern const struct query_function functions_of_text[];
extern const struct query_function functions_of_numbers[];
extern const struct query_function functions_of_time[];
extern const struct query_function functions_of_arrays[];

/* Argument i as what is expected; WRONG_TYPE, or BAD_ARGUMENT: an integer outside its bounds. */
enum datum_fault function_text(const struct function_call *c, unsigned i, struct slice *out);
enum datum_fault function_binary(const struct function_call *c, unsigned i, struct slice *out);
enum datum_fault function_timestamp(const struct function_call *c, unsigned i);
enum datum_fault function_number(const struct function_call *c, unsigned i);
enum datum_fault function_array(const struct function_call *c, unsigned i);
enum datum_fault function_map(const struct function_call *c, unsigned i);
/* Any integer; one that is beyond 64 bits with a sign counts as the greatest. */
enum datum_fault function_integer(const struct function_call *c, unsigned i, int64_t *out);
/* From 0. */
enum datum_fault function_count(const struct function_call *c, unsigned i, int64_t *out);
enum datum_fault function_expected(const struct function_call *c, unsigned i, const char *what);

/* A text of m, whose size is known later: room bytes at *to, then its end. */
uint8_t *function_room(const struct function_call *c, size_t room, enum datum_fault *fault);

/* A value as concat and array_join write it: like cast to text, null as "". */
enum datum_fault function_as_text(const struct function_call *c, const struct datum *d,
                                  struct slice *out);

#endif
