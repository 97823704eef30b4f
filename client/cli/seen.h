/* seen.h - names of fields that results have had: what a person is likely to type next. */
#ifndef HOLDFAST_CLI_SEEN_H
#define HOLDFAST_CLI_SEEN_H

#include "proto/slice.h"

#define SEEN_NAMES_MAX 500
#define SEEN_NAME_BYTES_MAX 60

/* Remember a name; ones that cannot be typed as they are, and further ones than the maximum, are
 * not. */
void seen_note(struct slice name);

/* The n-th, in no order; NULL: there are no more. */
const char *seen_name(unsigned n);

#endif
