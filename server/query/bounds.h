/* bounds.h - what conditions say of a part of a key: that it equals something, or lies between.
 *
 * Threads: any; keeps no state. */
#ifndef HOLDFAST_QUERY_BOUNDS_H
#define HOLDFAST_QUERY_BOUNDS_H

#include "server/query/step.h"

struct scan_part { /* of the key of a store or index */
    struct value_path path;
    bool is_whole_key; /* of a store: key(alias) is it, too */
    bool has_path;
    bool is_elements; /* of a multi index: entries are elements of what is there */
};

struct part_bounds {
    struct scan_equal equal;
    struct step_bound low, high;
    const struct expr *like; /* it is a text that begins so: LIKE, or CALL of starts_with */
    unsigned taken;          /* of what was offered */
};

/* Add what e says, as far as there is room. */
void bounds_of(const struct expr *e, const struct step *scan, const struct scan_part *p,
               struct part_bounds *out);

#endif
