/* explain.h - a plan for people and for programs.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_EXPLAIN_H
#define HOLDFAST_QUERY_EXPLAIN_H

#include "server/query/run_state.h"

/* Bytes that grow, in an arena. */
struct explain_text {
    struct arena *arena;
    uint8_t *data;
    size_t size, room;
    bool failed; /* memory was short */
};

/* The tree of the plan as lines of text, the root first; with what its steps did if the run has
 * measured them. Estimates of scans are gathered before (explain_estimate). */
void explain_as_text(const struct query_run *r, struct explain_text *out);
/* The same as a MessagePack map {step, ..., inputs}. */
void explain_as_data(const struct query_run *r, struct explain_text *out);

/* Count the records of the scans whose bounds do not depend on other rows. ERR_WAIT: call again. */
enum err explain_estimate(struct query_run *r);

#endif
