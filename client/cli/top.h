/* top.h - what `top` shows, as text: numbers of `status` become rates, and these small plots. */
#ifndef HOLDFAST_CLI_TOP_H
#define HOLDFAST_CLI_TOP_H

#include "client/lib/holdfast.h"
#include "proto/slice.h"

#define TOP_SAMPLES 60 /* that a plot has */

struct top_series {
    uint64_t last;                /* a count that only grows */
    uint64_t values[TOP_SAMPLES]; /* what it has grown in a second, the newest at the end */
};

/* Of `latency` in the status. */
enum top_class {
    TOP_READ,
    TOP_WRITE,
    TOP_COMMIT,
    TOP_QUERY,
    TOP_ALL,
    TOP_CLASSES,
};

struct top {
    const char *address;      /* borrowed */
    unsigned frames;          /* so far */
    uint64_t at_us;           /* of the last status */
    struct top_series requests, commits, conflicts;
    uint64_t pings[TOP_SAMPLES]; /* us */
    uint64_t p99s[TOP_CLASSES][TOP_SAMPLES]; /* us, of what is recent */
    struct hf_pack status, holds; /* owned; the last ones */
};

/* A new status, at that moment, with the time of a ping. */
void top_status(struct top *top, struct slice status, uint64_t at_us, uint64_t ping_us);
void top_holds(struct top *top, struct slice holds);

/* Append a screen of at most so many columns and rows. */
void top_frame(const struct top *top, size_t columns, size_t rows, struct hf_pack *out);
void top_fini(struct top *top);

/* Append a plot of the last values: a block for each, as high as it is of the greatest. */
void top_plot(const uint64_t *values, size_t count, struct hf_pack *out);

#endif
