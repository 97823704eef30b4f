/* run_range.h - the bounds of a way to read a store, as ranges of bytes.
 *
 * Bounds are values of the query: of a type that cannot be a key, or too long for one, a value
 * narrows nothing; null makes the condition unknown for every record, so there are no rows. A part
 * that may have one of several values makes a range for each of them; they are gone through in the
 * order of keys, forwards or backwards.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_RUN_RANGE_H
#define HOLDFAST_QUERY_RUN_RANGE_H

#include "server/query/run_state.h"

#define SCAN_RANGES_MAX 1000 /* of one scan: where it would have more, parts are left out */

/* Evaluate the lists of the path; their memory is m's. */
enum err ranges_begin(struct query_run *r, const struct step *s, const struct scan_path *path,
                      struct datum_memory *m, struct scan_ranges *out);
/* Stand at the first range, or the last one. */
void ranges_rewind(struct scan_ranges *ranges, bool is_reverse);
/* Stand at the next one in that direction; false: it was the last. */
bool ranges_advance(struct scan_ranges *ranges, bool is_reverse);
/* The range at which it stands; m is for values in between. May set is_loose. */
enum err ranges_make(struct query_run *r, const struct step *s, struct scan_ranges *ranges,
                     struct datum_memory *m, struct key_range *out);

/* The text with which a value has to begin that e (of scan_path.like) is true for; false: it has
 * none, since the pattern is no text. *is_null: it is null. */
enum err ranges_beginning(struct query_run *r, const struct expr *e, struct datum_memory *m,
                          struct datum *out, bool *is_null, bool *is_text);

#endif
