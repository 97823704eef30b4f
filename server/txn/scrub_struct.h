/* scrub_struct.h - what a database keeps of reading its data file now and then (scrub.h).
 *
 * Threads: loop only, but for what the job has. */
#ifndef HOLDFAST_TXN_SCRUB_STRUCT_H
#define HOLDFAST_TXN_SCRUB_STRUCT_H

#include "server/os/os.h"
#include "server/txn/scrub_format.h"

struct damage;
struct primary;
struct pulse;

#define SCRUB_TOLD \
    32 /* findings of a round that are told once each; of more only the number is */

struct scrub {
    struct os *os;
    struct primary *primary;
    struct pulse *pulse;
    struct damage *damage;
    uint64_t every_ms; /* a round in so long; 0: off */
    struct os_job job;
    bool is_out;      /* the job is under way */
    bool is_stopping; /* no further slice */
    uint64_t due_ms;  /* of the next slice, on the table's clock; UINT64_MAX: never */
    uint64_t saved_ms; /* the file was written then */
    struct scrub_progress at;
    uint64_t told[SCRUB_TOLD]; /* offsets of findings of this round */
    unsigned told_count;
    /* the job's */
    struct root *root; /* one reference */
    struct tree_scan scan;
    struct findings found;
    enum err result;
    bool saves;
    uint8_t bytes[SCRUB_BYTES];
};

#endif
