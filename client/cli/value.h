/* value.h - looking into packed values: fields of maps, elements of lists. */
#ifndef HOLDFAST_CLI_VALUE_H
#define HOLDFAST_CLI_VALUE_H

#include "proto/slice.h"

/* The field of a map; none if there is no such field, it is nil, or map is not one. */
struct slice value_field(struct slice map, const char *name);

/* The field as text, or none. */
struct slice value_field_text(struct slice map, const char *name);

/* The field as a number of 0 on; otherwise if it is none. */
uint64_t value_field_uint(struct slice map, const char *name, uint64_t otherwise);

bool value_is_empty_list(struct slice value);

/* The map of a list whose field has that text; none if there is none. */
struct slice value_find(struct slice list, const char *field, const char *text);

#endif
