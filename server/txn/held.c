/* Limits of what is kept for old transactions. */
#include "server/txn/held.h"

#include "server/base/assert.h"
#include "server/storage/primary.h"
#include "server/txn/backup.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/db_struct.h"
#include "server/txn/snapshots.h"
#include "server/txn/txn.h"

/* Everybody who reads at a snapshot that is_expiring is ended, and told so: one walk, however many
 * snapshots those are. */
static void held_expire(struct db *db, const struct failure *why)
{
    ASSERT(why->error);
    LIST_EACH_SAFE (link, &db->txns.open) {
        struct txn *t = LIST_ENTRY(link, struct txn, in_open);

        db->txns.steps++;
        if (t->snapshot && t->snapshot->is_expiring)
            txn_lose(t, why);
    }
    cursors_expire(db, why);
}

uint64_t txn_held_bytes(const struct txn *t)
{
    struct db *db = t->db;
    bool writes = !t->options.read_only;
    uint64_t held = 0;

    ASSERT(!t->failure.error && t->snapshot); /* T-3: a doomed one holds nothing */
    for (struct stage *s = db->stages.oldest; s && s->state == STAGE_AMALGAMATED;
         s = s->above) {
        db->txns.steps++;
        if ((s->first_commit <= t->snapshot->commit &&
             s->last_commit > t->snapshot->root_commit) ||
            (writes && !s->has_ledger && s->last_commit > t->snapshot->commit))
            held += s->arena.bytes;
    }
    LIST_EACH (link, &db->stages.ledgers) {
        const struct ledger *l = LIST_ENTRY(link, struct ledger, in_db);

        db->txns.steps++;
        if (writes && l->last_commit > t->snapshot->commit)
            held += l->bytes + l->disk_bytes;
    }
    return held;
}

/* ---- held-max ---- */

/* Amalgamated stages that somebody reads from; the oldest of them. */
static uint64_t held_for_readers(struct db *db, const struct stage **oldest)
{
    struct stage_readers readers = stage_readers(&db->snapshots);
    uint64_t bytes = 0;

    *oldest = NULL;
    for (const struct stage *s = stage_stack_newest_amalgamated(&db->stages); s; s = s->below) {
        if (!stage_has_reader(&readers, s))
            continue;
        bytes += s->arena.bytes;
        *oldest = s;
    }
    ASSERT(bytes <= db->stages.held_bytes);
    return bytes;
}

static void held_say(struct failure *why, uint64_t held, uint64_t limit, const char *whom)
{
    ASSERT(held > limit);
    failure_clear(why);
    failure_set(
        why, ERR_TXN_EXPIRED,
        "%llu bytes are retained for old transactions, the limit is %llu (held-max); this one "
        "was %s",
        (unsigned long long)held, (unsigned long long)limit, whom);
    failure_note_limit(why, "held-max", limit, held);
}

/* Bytes of the ledgers that open writers may still ask. */
static uint64_t held_for_writers(struct db *db)
{
    uint64_t oldest = txns_oldest_writer(&db->txns), bytes = 0;

    LIST_EACH (link, &db->stages.ledgers) {
        const struct ledger *l = LIST_ENTRY(link, struct ledger, in_db);

        if (l->last_commit > oldest)
            bytes += l->bytes + l->disk_bytes;
    }
    ASSERT(bytes <= db->stages.ledger_bytes + db->stages.ledger_disk_bytes);
    return bytes;
}

/* Of those who read from one stage all are ended, for it is held as long as one does. Readers and
 * writers are each sure of half. */
static void held_limit_bytes(struct db *db)
{
    uint64_t ledgers = db->stages.ledger_bytes + db->stages.ledger_disk_bytes, read;
    uint64_t limit = db->options.held_bytes_max;
    uint64_t for_readers = limit - (ledgers < limit / 2 ? ledgers : limit / 2);
    const struct stage *stage;
    struct failure why;

    ASSERT(for_readers >= limit / 2);
    failure_init(&why);
    while ((read = held_for_readers(db, &stage)) > for_readers) {
        held_say(&why, read + ledgers, limit, "among the oldest readers");
        snapshots_expire_stage(&db->snapshots, stage);
        held_expire(db, &why);
    }
    /* Of those who began at one moment all, for a ledger is held as long as one needs it. */
    while (!list_is_empty(&db->txns.writers) &&
           read + (ledgers = held_for_writers(db)) > limit) {
        uint64_t oldest = txns_oldest_writer(&db->txns);

        held_say(&why, read + ledgers, limit, "among the oldest writers");
        while (txns_oldest_writer(&db->txns) == oldest)
            txn_lose(LIST_ENTRY(db->txns.writers.next, struct txn, in_writers), &why);
    }
    failure_clear(&why);
}

/* ---- roots-memory ---- */

/* End those who read the oldest roots, until one has gone. A root that a check keeps stays, and one
 * that a job of a backup reads goes behind it. false: none goes now. */
static bool held_end_root(struct db *db, const struct failure *why)
{
    uint64_t held = primary_roots_bytes(db->primary);
    const struct root *r = primary_oldest_root(db->primary);

    while (r && primary_roots_bytes(db->primary) == held) {
        const struct root *next = primary_newer_root(db->primary, r);

        backups_expire_root(&db->backups, r, why);
        if (primary_roots_bytes(db->primary) == held) {
            snapshots_expire_root(&db->snapshots, r);
            held_expire(db, why);
        }
        r = next;
    }
    ASSERT(primary_roots_bytes(db->primary) <= held);
    return primary_roots_bytes(db->primary) < held;
}

static void held_limit_roots(struct db *db)
{
    uint64_t limit = db->options.roots_bytes_max, held;
    bool goes_on = true;
    struct failure why;

    failure_init(&why);
    while (goes_on && (held = primary_roots_bytes(db->primary)) > limit) {
        failure_clear(&why);
        failure_set(&why, ERR_TXN_EXPIRED,
                    "roots of the data file take %llu bytes of memory for old readers, the "
                    "limit is %llu (roots-memory); this one was among the oldest readers",
                    (unsigned long long)held, (unsigned long long)limit);
        failure_note_limit(&why, "roots-memory", limit, held);
        goes_on = held_end_root(db, &why);
    }
    failure_clear(&why);
}

void held_limit(struct db *db)
{
    ASSERT(db->primary);
    held_limit_bytes(db);
    held_limit_roots(db);
}
