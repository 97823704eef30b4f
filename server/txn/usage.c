#include "server/txn/usage.h"

#include "server/base/assert.h"
#include "server/txn/db_options.h"
#include "server/txn/quota.h"
#include "server/txn/read_range.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"

static void usage_change(struct usage *sum, const struct usage *before, const struct usage *now)
{
    ASSERT(sum->writes >= before->writes && sum->reads >= before->reads);
    sum->writes += now->writes - before->writes;
    sum->reads += now->reads - before->reads;
}

static uint64_t writes_of(const struct txn *t)
{
    uint64_t bytes = t->write_set.arena.bytes +
                     t->commit_marks.count * sizeof(struct commit_mark) + t->named_bytes;

    for (unsigned i = 0; i < 2; i++) {
        if (t->spare[i])
            bytes += t->spare[i]->arena.bytes + sizeof *t->spare[i];
    }
    return bytes;
}

uint64_t usage_reads(const struct txn *t)
{
    return (t->reads ? t->reads->bytes : 0) + t->range_check_bytes;
}

void usage_note(struct txn *t)
{
    struct usage now = {writes_of(t), usage_reads(t)};

    if (t->database->quota.max.bytes != QUOTA_NONE || t->quota_bytes)
        quota_note(t);
    if (now.writes == t->usage.writes && now.reads == t->usage.reads)
        return;
    usage_change(&t->all->usage, &t->usage, &now);
    if (t->options.usage)
        usage_change(t->options.usage, &t->usage, &now);
    t->usage = now;
    ASSERT(t->all->usage.writes >= t->usage.writes &&
           t->all->usage.reads >= t->usage.reads); /* T-7 */
}

bool usage_allows(const struct txn *t, uint64_t bytes)
{
    const struct usage *client = t->options.usage ? t->options.usage : &t->usage;
    uint64_t more = bytes > t->usage.writes ? bytes - t->usage.writes : 0;
    uint64_t all = t->all->usage.writes + more, max = t->all->options->writes_total_max;

    ASSERT(t->all->usage.writes >= client->writes || t->options.usage == NULL); /* T-7 */
    if (bytes <= USAGE_SMALL_BYTES || t->is_servers)
        return true;
    return all <= max && client->writes + more <= max - all;
}
