/* run_usable.h - whether an index can stand for its store, with the values of the bounds.
 *
 * An index has no entry for a record in which a part of its key is missing or cannot be a key,
 * whose value is of a type that it leaves out, or for which its condition does not hold. Values
 * stand in one order, in which those that cannot be keys have their places: NaN behind the other
 * numbers, arrays that hold something of the kind among arrays, maps and extensions at the end.
 * So bounds are safe if nothing of this lies between them: both sides are booleans or numbers,
 * or both are timestamps, texts or binaries; or above there is a number and below nothing. All
 * else can be answered if the index is known to have an entry for every record.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_RUN_USABLE_H
#define HOLDFAST_QUERY_RUN_USABLE_H

#include "server/query/run_state.h"

enum usable {
    USABLE_NOT,
    USABLE_IF_TOTAL, /* if each record of the store has an entry */
    USABLE,
};

/* m is for values in between. */
enum err path_usable(struct query_run *r, const struct step *s, const struct scan_path *path,
                     struct datum_memory *m, enum usable *out);

#endif
