/* numbers.h - versions and commits: what has been given, what is durable, what has been told, and
 * what the log has reserved ahead, so that none is ever given twice (rule 4).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_NUMBERS_H
#define HOLDFAST_TXN_NUMBERS_H

#include "server/storage/wal.h"
#include "server/txn/pulse.h"

#define NUMBERS_AHEAD (UINT64_C(1) << 22) /* reserved at a time */

/* V-1 durable <= written <= last_commit <= what is reserved; answered <= last_commit. */
struct numbers {
    uint64_t last_version;
    uint64_t last_commit;
    uint64_t last_to_sync; /* the last commit that asked for a sync */
    uint64_t durable;  /* commits synced up to here */
    uint64_t written;  /* ... and given to the system up to here */
    uint64_t answered; /* the last that anybody was told of: autocommit reads see it */
    struct wal_numbers reserved; /* durably */
    struct wal_numbers asked;    /* being reserved */
};

/* After a start: found are the greatest that the log and the root know of. */
void numbers_start(struct numbers *n, struct wal_numbers found);

/* Whether numbers for one more transaction, and a commit of each of the open ones, are reserved
 * durably; asks for more ahead. */
bool numbers_left(struct numbers *n, uint64_t open, struct wal *wal, struct pulse *pulse);

/* A reply with this commit has been let go: an autocommit snapshot holds it from now on. */
void numbers_note_answered(struct numbers *n, uint64_t commit);
void numbers_note_written(struct numbers *n, uint64_t commit);
/* commit is not less than the last one; it is written and may be told. */
void numbers_note_durable(struct numbers *n, uint64_t commit);

#endif
