/* Snapshots and views. A snapshot is (commit, stages from top down, root), shared
 * by all who began at the same moment; a view is the same as a value, which an
 * autocommit read uses for one turn without holding anything. */
#include "server/txn/snapshot.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/db_struct.h"
#include "server/txn/stages.h"

static uint64_t primary_commit(const struct db *db)
{
    return root_facts(primary_root(db->primary))->commit;
}

static void snapshot_insert_by_commit(struct db *db, struct snapshot *s)
{
    struct list_link *at = db->snapshots_by_commit.previous;

    while (at != &db->snapshots_by_commit &&
           LIST_ENTRY(at, struct snapshot, in_commit)->commit > s->commit)
        at = at->previous;
    list_insert_after(at, &s->in_commit);
    ASSERT(s->in_commit.next == &db->snapshots_by_commit || /* T-2 */
           LIST_ENTRY(s->in_commit.next, struct snapshot, in_commit)->commit > s->commit);
}

#define SNAPSHOT_POOL_MAX 256

static struct snapshot *snapshot_alloc(struct db *db)
{
    struct list_link *pooled = list_first(&db->snapshot_pool);

    if (!pooled)
        return os_alloc(db->os, sizeof(struct snapshot));
    list_remove(pooled);
    db->snapshot_pool_count--;
    return LIST_ENTRY(pooled, struct snapshot, in_taken);
}

static void snapshot_dealloc(struct db *db, struct snapshot *s)
{
    ASSERT(!s->refs && !s->busy);
    if (db->snapshot_pool_count == SNAPSHOT_POOL_MAX) {
        os_free(db->os, s, sizeof *s);
        return;
    }
    list_push_front(&db->snapshot_pool, &s->in_taken);
    db->snapshot_pool_count++;
}

void snapshot_pool_free(struct db *db)
{
    struct list_link *pooled;

    while ((pooled = list_first(&db->snapshot_pool)) != NULL) {
        list_remove(pooled);
        os_free(db->os, LIST_ENTRY(pooled, struct snapshot, in_taken), sizeof(struct snapshot));
    }
}

struct snapshot *snapshot_take(struct db *db, uint64_t commit)
{
    struct root *root = primary_root(db->primary);
    struct snapshot *s;

    if (!list_is_empty(&db->snapshots)) {
        s = LIST_ENTRY(db->snapshots.previous, struct snapshot, in_taken);
        if (s->commit == commit && s->root == root && s->top == db->newest_stage) {
            s->refs++;
            return s;
        }
    }
    s = snapshot_alloc(db);
    if (!s)
        return NULL;
    s->commit = commit;
    s->root = root_ref(root);
    s->root_commit = root_facts(root)->commit;
    ASSERT(s->root_commit <= commit);
    s->top = db->newest_stage;
    s->refs = 1;
    s->busy = 0;
    s->moved = NULL;
    s->taken_ms = db->pulse.now_ms;
    list_init(&s->versions);
    list_push_back(&db->snapshots, &s->in_taken);
    snapshot_insert_by_commit(db, s);
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    ASSERT(s->refs > 0); /* rule 8 */
    s->refs++;
    return s;
}

void snapshot_unref(struct db *db, struct snapshot *s)
{
    ASSERT(s->refs > 0); /* rule 8 */
    if (--s->refs > 0)
        return;
    ASSERT(!s->busy);
    list_remove(&s->in_taken);
    list_remove(&s->in_commit);
    catalogue_unread(&db->catalogue, &s->versions);
    if (s->moved)
        root_unref(db->primary, s->moved);
    root_unref(db->primary, s->root);
    snapshot_dealloc(db, s);
    stages_unstage(db);
}

/* ---- moving ---- */

static void snapshot_take_root(struct db *db, struct snapshot *s, struct root *root)
{
    ASSERT(!s->busy && root_facts(root)->commit <= s->commit);
    root_unref(db->primary, s->root);
    s->root = root; /* the reference is ours */
    s->root_commit = root_facts(root)->commit;
    stages_unstage(db);
}

void snapshots_move(struct db *db, struct root *root)
{
    uint64_t commit = root_facts(root)->commit;

    for (struct list_link *at = db->snapshots_by_commit.previous;
         at != &db->snapshots_by_commit; at = at->previous) {
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
            root_unref(db->primary, s->moved);
        s->moved = root_ref(root);
    }
}

void snapshot_enter(struct snapshot *s)
{
    ASSERT(s->refs > 0);
    s->busy++;
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

static bool snapshot_reads_stage(const struct snapshot *s, const struct stage *stage)
{
    return s->commit >= stage->first_commit && s->root_commit < stage->last_commit &&
           s->root_commit < s->commit;
}

bool snapshot_needs_stage(const struct db *db, const struct stage *stage)
{
    for (struct list_link *at = db->snapshots_by_commit.previous;
         at != &db->snapshots_by_commit; at = at->previous) {
        struct snapshot *s = LIST_ENTRY(at, struct snapshot, in_commit);

        if (s->commit < stage->first_commit)
            return false;
        if (snapshot_reads_stage(s, stage))
            return true;
    }
    return false;
}

uint64_t snapshot_held_bytes(const struct db *db, const struct snapshot *s)
{
    uint64_t held = 0;

    for (const struct stage *stage = db->oldest_stage;
         stage && stage->state == STAGE_AMALGAMATED; stage = stage->above) {
        if (snapshot_reads_stage(s, stage))
            held += stage->arena.bytes;
    }
    return held;
}

struct snapshot *snapshot_oldest_in(const struct db *db, const struct stage *stage)
{
    LIST_EACH (link, &db->snapshots_by_commit) {
        struct snapshot *s = LIST_ENTRY(link, struct snapshot, in_commit);

        if (snapshot_reads_stage(s, stage))
            return s;
    }
    return NULL;
}

bool snapshot_sees(void *context, uint64_t from, uint64_t to)
{
    struct db *db = context;

    for (struct list_link *at = db->snapshots_by_commit.previous;
         at != &db->snapshots_by_commit; at = at->previous) {
        uint64_t commit = LIST_ENTRY(at, struct snapshot, in_commit)->commit;

        if (commit < from)
            return false;
        if (commit < to)
            return true;
    }
    return false;
}

struct list_link *snapshot_versions(void *context, uint64_t from, uint64_t to)
{
    struct db *db = context;

    for (struct list_link *at = db->snapshots_by_commit.previous;
         at != &db->snapshots_by_commit; at = at->previous) {
        struct snapshot *s = LIST_ENTRY(at, struct snapshot, in_commit);

        if (s->commit < from)
            return NULL;
        if (s->commit < to)
            return &s->versions;
    }
    return NULL;
}

struct view view_of(const struct snapshot *s, struct stage *own)
{
    return (struct view){s->commit, s->root_commit, own, s->top, s->root};
}

struct view view_now(const struct db *db, uint64_t commit)
{
    return (struct view){commit, primary_commit(db), NULL, db->newest_stage,
                         primary_root(db->primary)};
}

struct stage *view_next_stage(const struct view *v, struct stage *s)
{
    if (v->root_commit >= v->commit)
        return NULL; /* the root is all of it */
    for (s = s ? s->below : v->top; s; s = s->below) {
        if (!s->first_commit || s->first_commit > v->commit)
            continue; /* nothing in it, or nothing for us */
        return s->last_commit <= v->root_commit ? NULL : s;
    }
    return NULL;
}

struct record *view_find(const struct view *v, uint32_t store, struct slice key)
{
    struct record *r;

    if (v->own && v->own->records) {
        r = stage_find(v->own, store, key);
        if (r)
            return r;
    }
    for (struct stage *s = view_next_stage(v, NULL); s; s = view_next_stage(v, s)) {
        r = stage_find(s, store, key);
        if (r)
            r = record_visible(r, v->commit);
        if (r)
            return r;
    }
    return NULL;
}
