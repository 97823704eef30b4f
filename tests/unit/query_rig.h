/* query_rig.h - a memory for values of queries, and values written as notation.h says. */
#ifndef HOLDFAST_TESTS_QUERY_RIG_H
#define HOLDFAST_TESTS_QUERY_RIG_H

#include "notation.h"
#include "server/query/datum.h"
#include "tests/sim/sim_os.h"

#define QUERY_RIG_MEMORY_MAX (1u << 20)
#define QUERY_RIG_VALUES_MAX 128

struct query_rig {
    struct arena arena;
    struct datum_memory m;
    struct buffer values[QUERY_RIG_VALUES_MAX]; /* what values are packed into */
    unsigned count;
    struct sim *sim;
};

void query_rig_open(struct query_rig *rig);
/* Fails the test on memory that is not freed. */
void query_rig_close(struct query_rig *rig);

/* Borrows from the rig; "" is what is missing. */
struct datum query_rig_value(struct query_rig *rig, const char *text);

/* d, written, must be what the text says. */
void query_rig_expect(const struct datum *d, const char *wanted, const char *sentence);

#endif
