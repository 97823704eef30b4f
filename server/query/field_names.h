/* field_names.h - which fields the records of a store have, as far as a sample of them shows: for
 * suggestions, never for answers.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_FIELD_NAMES_H
#define HOLDFAST_QUERY_FIELD_NAMES_H

#include "server/storage/arena.h"
#include "server/txn/cursor.h"

#define FIELD_SAMPLE_RECORDS 100 /* the first ones by key */
#define FIELD_SAMPLE_NAMES 256   /* more are left out */

struct field_names {
    struct slice *names; /* in the arena */
    unsigned count;
    unsigned records; /* that were looked at; 0: nothing is known */
    bool is_full;     /* there are more names */
};

/* Look at the first records of the store as the anchor sees it. A serializable transaction, for
 * which it would be a read, learns nothing. ERR_WAIT: call again; ERR_NOMEM, what cursors
 * answer. */
enum err field_names_sample(struct op *op, struct cursor *anchor, struct schema *store,
                            struct arena *arena, struct field_names *out);

bool field_names_have(const struct field_names *f, struct slice name);
/* The one that is nearest, within a few changes; *distance is its; none: no one is near. */
struct slice field_names_near(const struct field_names *f, struct slice name,
                              unsigned *distance);

#endif
