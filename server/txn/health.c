#include "server/txn/health.h"

#include "server/base/assert.h"
#include "server/storage/primary.h"
#include "server/txn/db_struct.h"

static void health_note(struct health *h, enum health_problem what, bool is_wrong,
                        uint64_t now_ms)
{
    ASSERT(what < HEALTH_PROBLEMS && (!h->is_wrong[what] || h->since_ms[what] <= now_ms));
    if (is_wrong && !h->is_wrong[what])
        h->since_ms[what] = now_ms;
    h->is_wrong[what] = is_wrong;
}

void health_turn(struct db *db)
{
    struct health *h = &db->health;
    uint64_t now = db->pulse.now_ms;

    struct wal_stats wal;

    wal_stats(db->wal, &wal);
    if (wal.keep_error && !h->is_wrong[HEALTH_KEEP_FAILS])
        PULSE_TELL(&db->pulse, wal_keep_failed, .error = err_name(wal.keep_error),
                   .kept = wal.kept);
    health_note(h, HEALTH_KEEP_FAILS, wal.keep_error != ERR_OK, now);
    ASSERT(!db->log_failed || db->log_failure.error); /* rule 9: it says why */
    health_note(h, HEALTH_LOG_FAILED, db->log_failed, now);
    health_note(h, HEALTH_DAMAGE, db->damage.count > 0, now);
    health_note(h, HEALTH_DISK_FULL, h->no_space || db->passes.error == ERR_NO_SPACE, now);
    health_note(h, HEALTH_MERGE_FAILS, db->passes.error && db->passes.error != ERR_NO_SPACE,
                now);
}

const char *health_state(const struct db *db, uint64_t *for_ms)
{
    static const char *const names[HEALTH_PROBLEMS] = {
        "log failed", "damage", "disk full", "amalgamation failing", "wal-keep failing"};

    for (unsigned i = 0; i < HEALTH_PROBLEMS; i++) {
        if (!db->health.is_wrong[i])
            continue;
        ASSERT(db->health.since_ms[i] <= db->pulse.now_ms);
        *for_ms = db->pulse.now_ms - db->health.since_ms[i];
        return names[i];
    }
    *for_ms = 0;
    return "ok";
}

static uint64_t oldest_snapshot(const struct db *db)
{
    const struct list_link *first = db->snapshots.by_commit.next;

    ASSERT(first == &db->snapshots.by_commit ||
           LIST_ENTRY(first, struct snapshot, in_commit)->refs > 0);
    return first == &db->snapshots.by_commit
               ? 0
               : LIST_ENTRY(first, struct snapshot, in_commit)->commit;
}

static const char *merging_waits_for(const struct db *db)
{
    if (db->passes.error)
        return "the last amalgamation failed; it will be retried";
    if (db->passes.is_merging)
        return "amalgamation is running";
    return "waiting for more stages to merge at once (amalgamate-percent)";
}

void db_each_wait(struct db *db, void (*each)(void *context, const struct db_wait *w),
                  void *context)
{
    uint64_t oldest = txns_oldest_writer(&db->txns), writer = oldest == UINT64_MAX ? 0 : oldest;
    struct primary_stats primary;
    struct wal_stats wal;

    ASSERT(each && db->primary && db->wal);
    primary_stats(db->primary, &primary);
    wal_stats(db->wal, &wal);
    struct db_wait waits[] = {
        {"amalgamation", merging_waits_for(db), db->stages.sealed_bytes, 0},
        {"unstaging", "open snapshots read amalgamated stages", db->stages.held_bytes,
         oldest_snapshot(db)},
        {"ledgers", "open writers may conflict with what was amalgamated",
         db->stages.ledger_bytes + db->stages.ledger_disk_bytes, writer},
        {"wal", "commits that are not amalgamated yet", wal.position - wal.oldest, 0},
        {"pages", "open snapshots read older roots", primary.held_bytes, oldest_snapshot(db)}};

    ASSERT(db->stages.sealed_bytes <= db->stages.staged_bytes && wal.oldest <= wal.position);
    for (unsigned i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        if (waits[i].bytes)
            each(context, &waits[i]);
    }
}
