#include "server/txn/txns.h"

#include "server/base/assert.h"
#include "server/txn/snapshots.h"
#include "server/txn/txn_struct.h"

enum err txns_init(struct txns *all, const struct txns_ground *ground, uint64_t now_ms,
                   uint64_t step_ms)
{
    struct os *os = ground->os;

    memset(all, 0, sizeof *all);
    all->os = os;
    all->options = ground->options;
    all->pulse = ground->pulse;
    all->numbers = ground->numbers;
    all->stages = ground->stages;
    all->catalogue = ground->catalogue;
    list_init(&all->open);
    list_walks_init(&all->open_walks);
    list_init(&all->writers);
    list_init(&all->large);
    list_init(&all->defining);
    list_init(&all->undoing);
    deadline_wheel_init(&all->expiries, now_ms, step_ms);
    txn_pool_init(&all->pool, os);
    ASSERT(step_ms > 0);
    return hash_table_init(&all->killable, os);
}

void txns_fini(struct txns *all)
{
    ASSERT(list_is_empty(&all->open) && !all->count && !all->killable.count);
    txn_pool_fini(&all->pool);
    hash_table_fini(&all->killable);
}

static const struct txn *newest_writer(const struct txns *all)
{
    return list_is_empty(&all->writers)
               ? NULL
               : LIST_ENTRY(all->writers.previous, struct txn, in_writers);
}

void txns_enter(struct txns *all, struct txn *t)
{
    const struct txn *before = newest_writer(all);

    ASSERT(t->snapshot && t->snapshot->refs > 0 && !t->failure.error); /* T-3 */
    list_push_back(&all->open, &t->in_open);
    if (!t->options.read_only) {
        ASSERT(!before || before->snapshot->commit <= t->snapshot->commit); /* T-2 */
        list_push_back(&all->writers, &t->in_writers);
    }
    all->count++;
    all->begun++;
}

void txns_leave(struct txns *all, struct txn *t)
{
    ASSERT(!list_is_linked(&t->in_writers) && !list_is_linked(&t->in_large)); /* T-3 */
    ASSERT(all->count > 0);
    hash_table_remove(&all->killable, &t->in_killable);
    list_walks_leave(&all->open_walks, &t->in_open);
    list_remove(&t->in_open);
    all->count--;
}

static uint64_t version_hash(uint64_t version)
{
    return hash_pair(version, 0);
}

void txns_enter_killable(struct txns *all, struct txn *t)
{
    ASSERT(!t->is_autocommit && t->version > 0);
    ASSERT(all->killable.count < all->count);
    hash_table_insert(&all->killable, &t->in_killable, version_hash(t->version));
}

struct txn *txns_find(const struct txns *all, uint64_t version)
{
    struct hash_table *killable =
        (struct hash_table *)(uintptr_t)&all->killable; /* it counts */
    struct hash_link *link = hash_table_first(killable, version_hash(version));

    for (; link; link = hash_table_next(killable, link)) {
        struct txn *t = LIST_ENTRY(link, struct txn, in_killable);

        ASSERT(!t->is_autocommit);
        if (t->version == version)
            return t;
    }
    return NULL;
}

void txns_count_loss(struct txns *all, enum err why)
{
    ASSERT(why != ERR_OK);
    all->conflicts += why == ERR_CONFLICT;
    all->expired += why == ERR_TXN_EXPIRED;
    all->killed += why == ERR_TXN_KILLED;
}

uint64_t txns_oldest_writer(const struct txns *all)
{
    const struct txn *oldest;

    if (list_is_empty(&all->writers))
        return UINT64_MAX;
    oldest = LIST_ENTRY(all->writers.next, struct txn, in_writers);
    ASSERT(oldest->snapshot); /* T-3 */
    return oldest->snapshot->commit; /* T-2 */
}
