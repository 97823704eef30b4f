/* passes.h - what a database keeps of its passes over sealed stages (amalgamate.h), and of giving
 * space on the disk back (reclaim.h).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_PASSES_H
#define HOLDFAST_TXN_PASSES_H

#include "server/os/os.h"

struct amalgamation;
struct db;
struct reclaim;

struct passes {
    struct amalgamation *work; /* the one under way, or idle; owned */
    bool is_merging;           /* the primary is a pass's, or a reclaiming's */
    uint64_t asked_upto;       /* by an operator or the tests: a commit; 0: nobody has asked */
    uint64_t retry_ms;         /* after one that failed or was put off: not before */
    enum err error;            /* why the last one failed; ERR_OK: it did not */
    uint64_t ended, bytes;     /* ever; written by them */
};

struct reclaiming {
    struct db *db;
    struct os_job job;
    struct reclaim *reclaim; /* under way, or NULL */
    uint64_t upto;           /* the commit of the root when it began */
    uint64_t reclaimed;      /* of the last one that ended */
    uint64_t due_ms;         /* when the next begins if no pass comes between; 0: none is due */
};

#endif
