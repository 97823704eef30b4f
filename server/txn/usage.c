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

uint64_t usage_share(uint64_t all, uint64_t percent)
{
    uint64_t share = all / 100 * percent + all % 100 * percent / 100;

    ASSERT(percent <= 100 && share <= all);
    return share ? share : 1;
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
    struct usage now = {.writes = writes_of(t), .reads = usage_reads(t)};
    struct usage *connection = t->options.usage;

    if (t->database->quota.max.bytes != QUOTA_NONE || t->quota_bytes)
        quota_note(t);
    if (now.writes == t->usage.writes && now.reads == t->usage.reads)
        return;
    usage_change(&t->all->usage, &t->usage, &now);
    if (connection)
        usage_change(connection, &t->usage, &now);
    if (connection && connection->client)
        usage_change(connection->client, &t->usage, &now);
    t->usage = now;
    ASSERT(t->all->usage.writes >= t->usage.writes &&
           t->all->usage.reads >= t->usage.reads); /* T-7 */
}

static uint64_t more_writes(const struct txn *t, uint64_t bytes)
{
    ASSERT(t->all->usage.writes >= t->usage.writes); /* T-7 */
    return bytes > t->usage.writes ? bytes - t->usage.writes : 0;
}

bool usage_is_over_share(const struct txn *t, uint64_t bytes)
{
    const struct db_options *o = t->all->options;
    const struct usage *client = t->options.usage ? usage_of_client(t->options.usage) : NULL;

    ASSERT(!client || t->all->usage.writes >= client->writes); /* T-7 */
    return client && client->writes + more_writes(t, bytes) >
                         usage_share(o->writes_total_max, o->client_share);
}

bool usage_allows(const struct txn *t, uint64_t bytes)
{
    const struct usage *connection = t->options.usage ? t->options.usage : &t->usage;
    uint64_t more = more_writes(t, bytes), max = t->all->options->writes_total_max;
    uint64_t all = t->all->usage.writes + more;

    ASSERT(t->all->usage.writes >= connection->writes || !t->options.usage); /* T-7 */
    if (bytes <= USAGE_SMALL_BYTES || t->is_servers)
        return true;
    return all <= max && connection->writes + more <= max - all &&
           !usage_is_over_share(t, bytes);
}
