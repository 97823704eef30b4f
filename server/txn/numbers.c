#include "server/txn/numbers.h"

#include "server/base/assert.h"
#include "server/txn/pulse.h"

static bool numbers_are_sane(const struct numbers *n)
{
    return n->durable <= n->written && n->answered <= n->last_commit &&
           n->written <= n->last_commit && n->last_commit <= n->reserved.commit &&
           n->last_version <= n->reserved.version && n->reserved.commit <= n->asked.commit;
}

void numbers_start(struct numbers *n, struct wal_numbers found)
{
    if (found.commit > n->last_commit)
        n->last_commit = found.commit; /* rule 4 */
    if (found.version > n->last_version)
        n->last_version = found.version;
    n->last_to_sync = n->last_commit;
    n->durable = n->written = n->answered = n->last_commit;
    n->reserved.version = found.version + NUMBERS_AHEAD;
    n->reserved.commit = found.commit + NUMBERS_AHEAD;
    n->asked = n->reserved;
    ASSERT(numbers_are_sane(n));
}

bool numbers_left(struct numbers *n, uint64_t open, struct wal *wal, struct pulse *pulse)
{
    uint64_t commits = n->last_commit + open + 1;

    if (n->asked.version - n->last_version < NUMBERS_AHEAD / 2 ||
        n->asked.commit - n->last_commit < NUMBERS_AHEAD / 2) {
        n->asked.version = n->last_version + NUMBERS_AHEAD;
        n->asked.commit = n->last_commit + NUMBERS_AHEAD;
        wal_reserve_numbers(wal, n->asked);
        pulse_wake(pulse);
    }
    ASSERT(n->reserved.version <= n->asked.version && n->reserved.commit <= n->asked.commit);
    return n->last_version < n->reserved.version && commits < n->reserved.commit;
}

void numbers_note_answered(struct numbers *n, uint64_t commit)
{
    ASSERT(commit <= n->last_commit);
    if (commit > n->answered)
        n->answered = commit;
}

void numbers_note_written(struct numbers *n, uint64_t commit)
{
    ASSERT(commit <= n->last_commit);
    if (commit > n->written)
        n->written = commit;
}

void numbers_note_durable(struct numbers *n, uint64_t commit)
{
    ASSERT(commit >= n->durable && commit <= n->last_commit);
    n->durable = commit;
    numbers_note_written(n, commit);
    numbers_note_answered(n, commit);
    ASSERT(n->durable <= n->written); /* V-1 */
}
