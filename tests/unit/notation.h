/* notation.h - MessagePack written as JSON with a few letters more.
 *
 * nil, T and F; 1.5 is a float, and so is nan; b'x' a binary, t5 a timestamp of 5 seconds, e an
 * extension that is no timestamp, and @ the nine bytes of a number of a commit. */
#ifndef HOLDFAST_TESTS_NOTATION_H
#define HOLDFAST_TESTS_NOTATION_H

#include "values.h"

/* Empty for "". buffer_fini it. */
struct buffer packed(const char *text);

#endif
