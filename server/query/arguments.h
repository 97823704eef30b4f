/* arguments.h - the values that a request gives for the parameters of its text.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_ARGUMENTS_H
#define HOLDFAST_QUERY_ARGUMENTS_H

#include "server/query/step.h"
#include "server/txn/op.h"

struct plan_arguments { /* zeroed: there are none */
    struct slice *names; /* of a map; NULL: they have places */
    struct datum *values;
    uint32_t count;
};

/* Of MessagePack, a list or a map, which stays; in the arena. ERR_BAD_REQUEST, ERR_BAD_VALUE,
 * ERR_NOMEM. */
enum err arguments_read(struct op *op, struct slice bytes, struct arena *arena,
                        struct plan_arguments *out);
/* The value of each parameter of the plan, by its number; in the arena. ERR_BAD_QUERY: there is
 * none for one of them; ERR_NOMEM. */
enum err arguments_match(struct op *op, const struct plan_arguments *a, const struct plan *p,
                         struct arena *arena, struct datum **out);

#endif
