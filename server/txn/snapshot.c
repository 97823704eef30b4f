/* Snapshots and views. A snapshot is (commit, stages from top down, root), shared
 * by all who began at the same moment; a view is the same as a value, which an
 * autocommit read uses for one turn without holding anything. */
#include "server/txn/snapshot.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/db_struct.h"
#include "server/txn/snapshots.h"
#include "server/txn/stages.h"

static uint64_t primary_commit(const struct db *db)
{
    return root_facts(primary_root(db->primary))->commit;
}

/* The newest stage that a snapshot reads; NULL: its root has all that it sees. Looks at stages that
 * are newer than the commit only. */
static struct stage *newest_read(const struct db *db, uint64_t commit, uint64_t root_commit)
{
    struct stage *s = root_commit < commit ? db->stages.newest : NULL;

    while (s && (!s->first_commit || s->first_commit > commit))
        s = s->below;
    return s && s->last_commit > root_commit ? s : NULL;
}

struct snapshot *snapshot_take(struct db *db, uint64_t commit)
{
    struct root *root = primary_root(db->primary);
    struct snapshot *s;

    ASSERT(commit <= db->numbers.last_commit);
    if (!list_is_empty(&db->snapshots.taken)) {
        s = LIST_ENTRY(db->snapshots.taken.previous, struct snapshot, in_taken);
        if (s->commit == commit && s->root == root) {
            s->refs++;
            return s;
        }
    }
    s = snapshots_alloc(&db->snapshots, db->os);
    if (!s)
        return NULL;
    s->commit = commit;
    s->root = root_ref(root);
    s->root_commit = root_facts(root)->commit;
    ASSERT(s->root_commit <= commit);
    s->top = newest_read(db, commit, s->root_commit);
    s->refs = 1;
    s->busy = 0;
    s->moved = NULL;
    s->is_expiring = false;
    s->taken_ms = db->pulse.now_ms;
    list_init(&s->versions);
    list_init(&s->passed);
    list_init(&s->in_heirs);
    snapshots_add(&db->snapshots, s);
    return s;
}

static uint64_t answered_for(const struct op *op)
{
    uint64_t answered = op->db->numbers.answered;

    return answered > op->after ? answered : op->after;
}

struct snapshot *snapshot_take_answered(const struct op *op)
{
    ASSERT(op->after <= op->db->numbers.last_commit); /* V-1 */
    return snapshot_take(op->db, answered_for(op));
}

/* What s saw goes to the one before it, if that sees it, too; nobody else can: a definition hangs
 * on the newest that sees it, and none begins before a commit that is durable and told. */
static void snapshot_bequeath(struct db *db, struct snapshot *s)
{
    struct list_link *before = s->in_commit.previous;
    struct snapshot *heir;

    ASSERT(!s->refs);
    list_remove(&s->in_heirs);
    if (before == &db->snapshots.by_commit) {
        catalogue_unread(&db->catalogue, &s->versions);
        catalogue_unread(&db->catalogue, &s->passed);
        return;
    }
    if (list_is_empty(&s->versions) && list_is_empty(&s->passed))
        return;
    heir = LIST_ENTRY(before, struct snapshot, in_commit);
    list_splice_back(&heir->passed, &s->versions);
    list_splice_back(&heir->passed, &s->passed);
    if (!list_is_linked(&heir->in_heirs))
        list_push_back(&db->snapshots.heirs, &heir->in_heirs);
    pulse_wake(&db->pulse);
}

static void heir_take(struct db *db, struct snapshot *heir, struct schema *version)
{
    const struct list_link *next = heir->in_commit.next;
    struct list_link nobodys;

    ASSERT(next == &db->snapshots.by_commit || /* T-2 */
           LIST_ENTRY(next, struct snapshot, in_commit)->commit >= version->superseded);
    list_remove(&version->in_queue);
    if (version->commit <= heir->commit) {
        list_push_back(&heir->versions, &version->in_queue);
        return;
    }
    list_init(&nobodys);
    list_push_back(&nobodys, &version->in_queue);
    catalogue_unread(&db->catalogue, &nobodys);
}

bool snapshots_pass_on(struct db *db, uint64_t steps)
{
    while (!list_is_empty(&db->snapshots.heirs)) {
        struct snapshot *heir = LIST_ENTRY(db->snapshots.heirs.next, struct snapshot, in_heirs);

        for (; !list_is_empty(&heir->passed); steps--) {
            if (!steps)
                return true;
            db->txns.steps++;
            heir_take(db, heir, LIST_ENTRY(heir->passed.next, struct schema, in_queue));
        }
        list_remove(&heir->in_heirs);
    }
    return false;
}

void snapshot_unref(struct db *db, struct snapshot *s)
{
    ASSERT(s->refs > 0); /* rule 8 */
    if (--s->refs > 0)
        return;
    ASSERT(!s->busy);
    snapshot_bequeath(db, s);
    list_remove(&s->in_taken);
    list_remove(&s->in_commit);
    if (s->moved)
        root_unref(s->moved);
    root_unref(s->root);
    if (s->root_commit < s->commit && s->root_commit < primary_commit(db))
        stages_unstage(db); /* it has read from a stage that is in the primary */
    snapshots_dealloc(&db->snapshots, db->os, s);
}

/* ---- moving ---- */

static void snapshot_take_root(struct db *db, struct snapshot *s, struct root *root)
{
    ASSERT(!s->busy && root_facts(root)->commit <= s->commit);
    root_unref(s->root);
    s->root = root; /* the reference is ours */
    s->root_commit = root_facts(root)->commit;
    if (s->root_commit == s->commit || (s->top && s->top->last_commit <= s->root_commit))
        s->top = NULL; /* T-8 */
    stages_unstage(db);
}

void snapshots_move(struct db *db, struct root *root)
{
    uint64_t commit = root_facts(root)->commit;

    ASSERT(commit <= db->numbers.durable);
    for (struct list_link *at = db->snapshots.by_commit.previous;
         at != &db->snapshots.by_commit; at = at->previous) {
        struct snapshot *s = LIST_ENTRY(at, struct snapshot, in_commit);

        if (s->commit < commit)
            break;
        if (s->root_commit >= commit)
            continue;
        if (!s->busy) {
            snapshot_take_root(db, s, root_ref(root));
            continue;
        }
        if (s->moved)
            root_unref(s->moved);
        s->moved = root_ref(root);
    }
}

void snapshot_leave(struct db *db, struct snapshot *s)
{
    struct root *moved = s->moved;

    ASSERT(s->busy > 0);
    if (--s->busy > 0 || !moved)
        return;
    s->moved = NULL;
    snapshot_take_root(db, s, moved);
}

struct view view_now(const struct db *db, uint64_t commit)
{
    ASSERT(commit <= db->numbers.last_commit);
    return (struct view){commit, primary_commit(db), NULL, db->stages.newest,
                         primary_root(db->primary)};
}

struct view view_answered(const struct op *op)
{
    return view_now(op->db, answered_for(op));
}
