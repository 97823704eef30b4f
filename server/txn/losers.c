#include "server/txn/losers.h"

#include "server/base/assert.h"
#include "server/txn/conflict.h"
#include "server/txn/db_struct.h"
#include "server/txn/entries_change.h"
#include "server/txn/intents.h"
#include "server/txn/pulse.h"
#include "server/txn/read_set.h"
#include "server/txn/reads.h"
#include "server/txn/tracker.h"
#include "server/txn/txn.h"
#include "server/txn/txn_struct.h"
#include "server/txn/written.h"

static uint64_t losers_steps(const struct db *db)
{
    return db->txns.steps + db->txns.intents.table.steps + read_set_steps(&db->txns.read_set);
}

/* How far a slice may go. */
static bool slice_is_over(const struct db *db, uint64_t until)
{
    ASSERT(until > 0);
    return losers_steps(db) >= until;
}

/* ---- dooming ---- */

static bool txn_is_older(const struct txn *t, uint64_t commit)
{
    ASSERT(commit > 0);
    return t->snapshot && t->snapshot->commit < commit;
}

static void losers_doom(struct txn *loser, const struct stamp *winner, enum conflict_kind kind,
                        const struct schema *schema, struct slice key)
{
    struct winner w = winner_of(winner);
    struct failure why;

    ASSERT(txn_is_older(loser, winner->commit)); /* rule 5: they overlapped */
    ASSERT(winner->commit && !winner->owner);
    failure_init(&why);
    conflict_describe(&why, kind, schema, key, &w);
    loser->db->txns.steps += LOSERS_STEPS_A_LOSER;
    loser->winner_durability = w.durability;
    txn_lose(loser, &why);
    failure_clear(&why);
    ASSERT(loser->failure.error && !loser->snapshot); /* T-3 */
}

static void losers_doom_key(struct txn *loser, const struct stamp *winner,
                            const struct record *written)
{
    struct txn_store *s = written_store_of(loser, written->store);

    ASSERT(written->key_size > 0 && winner->commit);
    losers_doom(loser, winner, conflict_kind_of(written->store, s ? s->schema : NULL),
                s ? s->schema : NULL, record_key(written));
}

/* Two that have written one key, of which the loser lets the winner's entry be (entries_agree). */
static bool losers_agree(const struct txn *loser, const struct record *mine,
                         const struct record *theirs)
{
    struct txn_store *s;

    ASSERT(mine->stamp == loser->stamp);
    if (!theirs || !theirs->is_entry)
        return false;
    s = written_store_of(loser, mine->store);
    return s && s->schema->of && entries_agree(s->txn, s->schema, mine, theirs);
}

/* ---- telling; each: false: the slice is over ---- */

static bool tell_schema_writers(struct db *db, struct telling *g, uint64_t until)
{
    ASSERT(g->stamp->commit == g->commit);
    while (!list_is_empty(&g->schema_writers)) {
        struct txn_store *s = LIST_ENTRY(g->schema_writers.next, struct txn_store, in_entry);

        list_remove(&s->in_entry);
        db->txns.steps++;
        if (s->txn->snapshot) /* else it is leaving */
            losers_doom(s->txn, g->stamp, CONFLICT_SCHEMA, s->schema, SLICE_NONE);
        if (slice_is_over(db, until))
            return false;
    }
    return true;
}

static bool tell_writers_of(struct db *db, struct telling *g, uint64_t until)
{
    struct slice key = record_key(g->at);
    struct record *r = intents_find(&db->txns.intents, g->at->store, key);

    ASSERT(g->at && g->at->stamp == g->stamp);
    while (r) {
        struct record *next = intents_next(&db->txns.intents, r); /* another writer's */
        size_t buckets = db->txns.intents.table.buckets;

        db->txns.steps++;
        if (txn_is_older(r->stamp->owner, g->commit) && !record_is_void(r) &&
            !losers_agree(r->stamp->owner, r, g->at)) {
            intents_remove(&db->txns.intents,
                           r); /* so that it is met once, while its owner leaves */
            losers_doom_key(r->stamp->owner, g->stamp, g->at);
            if (slice_is_over(db, until))
                return false;
            if (db->txns.intents.table.buckets != buckets) /* chains have changed */
                next = intents_find(&db->txns.intents, g->at->store, key);
        }
        r = next;
    }
    return true;
}

static bool tell_readers_of(struct db *db, struct telling *g, uint64_t until)
{
    struct read_key key = {g->at->store, record_key(g->at)};
    struct txn *loser;

    ASSERT(g->at->stamp->commit == g->commit);
    while ((loser = read_set_find(&db->txns.read_set, key, g->commit)) != NULL) {
        db->txns.steps += LOSERS_STEPS_A_LOSER;
        reads_lose(loser, g->stamp, g->at);
        if (slice_is_over(db, until))
            return false;
    }
    return true;
}

static bool tell_by_key(struct db *db, struct telling *g, uint64_t until)
{
    ASSERT(g->commit > 0);
    for (; g->at; g->at = g->at->log_next) {
        if (intents_is_empty(&db->txns.intents) && read_set_is_empty(&db->txns.read_set)) {
            g->at = NULL;
            break;
        }
        if (slice_is_over(db, until))
            return false;
        if (!g->at->last_writer_wins && !tell_writers_of(db, g, until))
            return false;
        if (!read_set_is_empty(&db->txns.read_set) && !tell_readers_of(db, g, until))
            return false;
    }
    return true;
}

/* The stage that holds the commit. */
static struct stage *stage_of_commit(const struct db *db, uint64_t commit)
{
    struct stage *s = db->stages.newest;

    ASSERT(commit > 0 && commit <= db->numbers.last_commit);
    while (s && (!s->first_commit || s->first_commit > commit))
        s = s->below;
    ASSERT(s && commit <= s->last_commit); /* L-2 */
    return s;
}

/* The version of a linked record that the commit has written; NULL: there is none. */
static const struct record *version_of(const struct record *linked, const struct stamp *stamp)
{
    const struct record *r = record_newest((struct record *)(uintptr_t)linked);

    while (r && r->stamp != stamp)
        r = r->older;
    ASSERT(!r || !r->stamp->owner);
    return r;
}

/* What the large one and the winner have both written makes the large one lose. */
static bool large_meets(struct telling *g, struct txn *large, const struct record *r,
                        const struct record *met)
{
    const struct record *mine = large->tell_by_own ? r : met;
    const struct record *theirs = large->tell_by_own ? version_of(met, g->stamp) : r;

    ASSERT(mine->stamp == large->stamp);
    if (record_is_void(mine) || losers_agree(large, mine, theirs))
        return false;
    return !large->tell_by_own ||
           record_newest((struct record *)(uintptr_t)met)->stamp->commit >= g->commit;
}

/* A large transaction and the winner: the shorter one's records are looked up in the other. */
static bool tell_large_one(struct db *db, struct telling *g, struct txn *large, uint64_t until)
{
    const struct stage *stage = stage_of_commit(db, g->commit);

    ASSERT(large->is_large && large->stamp); /* T-4 */
    if (large->tell_commit != g->commit) {
        large->tell_commit = g->commit;
        large->tell_by_own = large->write_set.records < g->stamp->records;
        large->tell_at = large->tell_by_own ? large->stamp->first : g->stamp->first;
    }
    while (large->tell_at) {
        const struct record *r = large->tell_at, *met;
        const struct stage *in = large->tell_by_own ? stage : &large->write_set;

        db->txns.steps++;
        met = r->last_writer_wins ? NULL : stage_find(in, r->store, record_key(r));
        if (met && large_meets(g, large, r, met)) {
            losers_doom_key(large, g->stamp, r);
            return true;
        }
        large->tell_at = r->log_next;
        if (slice_is_over(db, until))
            return false;
    }
    large->told_commit = g->commit;
    return true;
}

static bool tell_large(struct db *db, struct telling *g, uint64_t until)
{
    LIST_EACH_SAFE (link, &db->txns.large) {
        struct txn *large = LIST_ENTRY(link, struct txn, in_large);

        ASSERT(large->is_large);
        db->txns.steps++;
        if (txn_is_older(large, g->commit) && large->told_commit < g->commit &&
            !tell_large_one(db, g, large, until))
            return false;
    }
    return true;
}

/* Whether anybody but t can have lost to that commit. */
static bool losers_are_possible(const struct db *db, uint64_t commit, const struct txn *t)
{
    ASSERT(commit <= db->numbers.last_commit);
    LIST_EACH (link, &db->txns.writers) {
        const struct txn *other = LIST_ENTRY(link, struct txn, in_writers);

        if (other != t)
            return txn_is_older(other, commit); /* T-2: and so are none of those behind it */
    }
    return false;
}

static bool telling_go_on(struct db *db, struct telling *g, const struct txn *t, uint64_t until)
{
    ASSERT(g->stamp->commit == g->commit && !g->stamp->owner);
    if (!tell_schema_writers(db, g, until)) /* those who are leaving, too */
        return false;
    if (!losers_are_possible(db, g->commit, t))
        return true;
    return tell_by_key(db, g, until) && tell_large(db, g, until);
}

/* In order (L-1), as far as the steps go. */
static void tell_all(struct db *db, uint64_t until)
{
    struct telling *g;

    while ((g = tellings_first(&db->tellings)) != NULL) {
        ASSERT(g->commit <= tellings_last(&db->tellings)->commit); /* L-1 */
        if (!telling_go_on(db, g, NULL, until))
            return;
        telling_free(g, db->os);
        db->stages.unstage_due = true; /* L-2 */
    }
}

/* What is left of a telling goes on later, behind the others. */
static void telling_keep(struct db *db, struct telling *g)
{
    if (tellings_keep(&db->tellings, db->os, g))
        return;
    tell_all(db, UINT64_MAX); /* then this turn is long */
    telling_go_on(db, g, NULL, UINT64_MAX);
    ASSERT(tellings_are_over(&db->tellings));
}

void losers_begin(struct db *db, const struct txn *t, struct stamp *stamp,
                  struct list_link *schema_writers)
{
    struct telling g = {.stamp = stamp, .commit = stamp->commit, .at = stamp->first};
    uint64_t until = losers_steps(db) + db->options.slice_steps;

    ASSERT(!stamp->owner && stamp->commit == db->numbers.last_commit && (!t || !t->reads));
    ASSERT(tellings_are_over(&db->tellings) ||
           tellings_last(&db->tellings)->commit < stamp->commit); /* L-1 */
    list_init(&g.schema_writers);
    if (schema_writers)
        list_splice_back(&g.schema_writers, schema_writers);
    if (tellings_are_over(&db->tellings) && telling_go_on(db, &g, t, until))
        return;
    telling_keep(db, &g);
    tell_all(db, until); /* so that no more comes than goes */
    pulse_wake(&db->pulse);
}

void losers_turn(struct db *db)
{
    struct list_link woken;

    tell_all(db, losers_steps(db) + LOSERS_SLICES_A_TURN * (uint64_t)db->options.slice_steps);
    if (!tellings_are_over(&db->tellings))
        return;
    list_init(&woken);
    list_splice_back(&woken, &db->tellings.waiting);
    while (!list_is_empty(&woken)) {
        struct op *op = LIST_ENTRY(woken.next, struct op, in_waiting);

        list_remove(&op->in_waiting);
        ASSERT(op->db == db);
        op->wake(op);
    }
}

/* ---- whoever wants to commit meanwhile ---- */

static enum err losers_wait(struct op *op)
{
    if (!list_is_linked(&op->in_waiting))
        list_push_back(&op->db->tellings.waiting, &op->in_waiting);
    ASSERT(!tellings_are_over(&op->db->tellings)); /* else nobody would wake it */
    pulse_wake(&op->db->pulse);
    return ERR_WAIT;
}

/* All versions of a record of its own that t does not see yet are entries that it lets be. */
static bool staged_agree(const struct txn *t, const struct record *mine)
{
    uint64_t seen = t->snapshot->commit;

    ASSERT(mine->stamp == t->stamp);
    if (!mine->is_entry)
        return false;
    for (const struct stage *s = t->db->stages.newest; s; s = s->below) {
        struct record *linked = stage_find(s, mine->store, record_key(mine));

        if (s->last_commit && s->last_commit <= seen)
            break;
        for (const struct record *r = linked ? record_newest(linked) : NULL;
             r && r->stamp->commit > seen; r = r->older) {
            if (!losers_agree(t, mine, r))
                return false;
        }
    }
    return true;
}

static enum err check_writes(struct op *op, struct txn *t, uint64_t until)
{
    enum err e;

    ASSERT(t->snapshot && t->stamp); /* T-3 */
    for (struct txn_store *s = t->stores; s; s = s->next) {
        e = tracker_check_schema(op, t, s->schema);
        if (e)
            return e;
    }
    for (struct record *r = t->stamp->first; r; r = r->log_next) {
        struct winner newer;

        if (slice_is_over(t->db, until))
            return ERR_WAIT;
        if (r->last_writer_wins || record_is_void(r))
            continue;
        e = conflict_find_staged(t, r->store, record_key(r), &newer);
        if (e == ERR_OK && !staged_agree(t, r))
            return tracker_lose_key(op, t, r, newer);
    }
    return ERR_OK;
}

enum err losers_check(struct op *op, struct txn *t)
{
    struct db *db = t->db;
    uint64_t until = losers_steps(db) + db->options.slice_steps;
    uint64_t records = t->stamp->records - t->write_set.entries;
    bool is_few = (t->is_autocommit || t->is_single) && records <= LOSERS_FEW;
    const struct telling *latest;
    enum err e;

    ASSERT(t->snapshot && t->stamp && t->stamp->records); /* T-3 */
    if (tellings_are_over(&db->tellings))
        return ERR_OK;
    if (t->stamp->records > db->options.slice_steps && !is_few)
        return losers_wait(op); /* its own would not be told at once: one at a time */
    latest = tellings_last(&db->tellings);
    if (latest->commit <= t->snapshot->commit)
        return ERR_OK;
    e = check_writes(op, t, is_few ? UINT64_MAX : until);
    if (!e)
        e = reads_check_staged(op, t, is_few ? UINT64_MAX : until);
    return e == ERR_WAIT ? losers_wait(op) : e;
}
