#include "server/txn/txn_limits.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/db_options.h"
#include "server/txn/decided.h"
#include "server/txn/held.h"
#include "server/txn/losers.h"
#include "server/txn/numbers.h"
#include "server/txn/pulse.h"
#include "server/txn/stage_stack.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"
#include "server/txn/usage.h"

struct txn_limit txn_limit_of_writes(const struct txn *t)
{
    uint64_t own = t->options.write_bytes, all = t->all->options->txn_bytes_max;
    bool is_own = own && own < all;

    if (t->is_servers)
        all = UINT64_MAX;
    return (struct txn_limit){TXN_LIMIT_WRITES, is_own ? "write_bytes" : "transaction-max",
                              t->write_set.arena.bytes, is_own ? own : all};
}

unsigned txn_limits(struct txn *t, struct txn_limit *limits)
{
    const struct db_options *o = t->all->options;
    uint64_t idle = t->options.idle_ms ? t->options.idle_ms : o->idle_ms;

    ASSERT(!t->failure.error);
    limits[0] = txn_limit_of_writes(t);
    limits[1] = (struct txn_limit){TXN_LIMIT_LIFE,
                                   t->options.timeout_ms ? "timeout_ms" : "transaction-life",
                                   t->all->pulse->now_ms - t->begun_ms,
                                   t->options.timeout_ms ? t->options.timeout_ms : o->life_ms};
    limits[2] =
        (struct txn_limit){TXN_LIMIT_IDLE, t->options.idle_ms ? "idle_ms" : "transaction-idle",
                           txn_idle_ms(t), idle};
    limits[3] = (struct txn_limit){TXN_LIMIT_READS, "read_bytes", usage_reads(t),
                                   t->options.read_bytes};
    limits[4] = (struct txn_limit){TXN_LIMIT_HELD, "held_bytes",
                                   t->options.held_bytes ? txn_held_bytes(t) : 0,
                                   t->options.held_bytes};
    return TXN_LIMIT_COUNT;
}

unsigned txns_limits(const struct txns *all, struct txn_limit *limits)
{
    const struct db_options *o = all->options;
    const struct stage_stack *stages = all->stages;

    ASSERT(all->usage.writes <= UINT64_MAX / 2 && all->count <= o->open_txns_max); /* T-7 */
    limits[0] = (struct txn_limit){DB_LIMIT_WRITES_TOTAL, "writes-total", all->usage.writes,
                                   o->writes_total_max};
    limits[1] = (struct txn_limit){DB_LIMIT_HELD, "held-max",
                                   stages->ledger_bytes + stages->ledger_disk_bytes +
                                       stages->held_bytes,
                                   o->held_bytes_max};
    limits[2] = (struct txn_limit){DB_LIMIT_CATALOGUE, "catalogue-max",
                                   catalogue_bytes(all->catalogue), o->catalogue_bytes_max};
    limits[3] =
        (struct txn_limit){DB_LIMIT_TRANSACTIONS, "transactions", all->count, o->open_txns_max};
    return 4;
}

struct decided txn_decided_by(const struct txn *t)
{
    struct op op = {.db = t->db};

    ASSERT(t->failure.winner_commit <= t->all->numbers->last_commit);
    decided_note_commit(&op, t->failure.winner_commit, t->winner_durability);
    return op.decided;
}

enum err txn_would_fail(struct op *op, struct txn *t)
{
    enum err e = txn_check(op, t);

    if (!e && t->stamp && t->stamp->records)
        e = losers_check(op, t);
    ASSERT(e || t->snapshot); /* T-3 */
    return e;
}
