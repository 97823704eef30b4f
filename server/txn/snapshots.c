#include "server/txn/snapshots.h"

#include "server/base/assert.h"

#define SNAPSHOT_POOL_MAX 256

void snapshots_init(struct snapshots *all)
{
    list_init(&all->taken);
    list_init(&all->by_commit);
    list_init(&all->heirs);
    all->steps = 0;
    list_init(&all->pool);
    all->pool_count = 0;
}

static void snapshots_insert(struct snapshots *all, struct snapshot *s)
{
    struct list_link *at = all->by_commit.previous;

    while (at != &all->by_commit &&
           LIST_ENTRY(at, struct snapshot, in_commit)->commit > s->commit)
        at = at->previous;
    list_insert_after(at, &s->in_commit);
    ASSERT(s->in_commit.next == &all->by_commit || /* T-2 */
           LIST_ENTRY(s->in_commit.next, struct snapshot, in_commit)->commit > s->commit);
}

struct snapshot *snapshots_alloc(struct snapshots *all, struct os *os)
{
    struct list_link *pooled = list_first(&all->pool);

    ASSERT((all->pool_count == 0) == list_is_empty(&all->pool));
    if (!pooled)
        return os_alloc(os, sizeof(struct snapshot));
    list_remove(pooled);
    all->pool_count--;
    return LIST_ENTRY(pooled, struct snapshot, in_taken);
}

void snapshots_dealloc(struct snapshots *all, struct os *os, struct snapshot *s)
{
    ASSERT(!s->refs && !s->busy);
    if (all->pool_count == SNAPSHOT_POOL_MAX) {
        os_free(os, s, sizeof *s);
        return;
    }
    list_push_front(&all->pool, &s->in_taken);
    all->pool_count++;
}

void snapshots_fini(struct snapshots *all, struct os *os)
{
    struct list_link *pooled;

    ASSERT(list_is_empty(&all->by_commit));
    while ((pooled = list_first(&all->pool)) != NULL) {
        list_remove(pooled);
        os_free(os, LIST_ENTRY(pooled, struct snapshot, in_taken), sizeof(struct snapshot));
    }
}

void snapshots_add(struct snapshots *all, struct snapshot *s)
{
    ASSERT(s->refs > 0 && s->root_commit <= s->commit);
    list_push_back(&all->taken, &s->in_taken);
    snapshots_insert(all, s);
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    ASSERT(s->refs > 0); /* rule 8 */
    s->refs++;
    return s;
}

void snapshot_enter(struct snapshot *s)
{
    ASSERT(s->refs > 0);
    s->busy++;
    ASSERT(s->busy > 0);
}

static bool snapshot_reads_stage(const struct snapshot *s, const struct stage *stage)
{
    ASSERT(s->root_commit <= s->commit);
    return s->commit >= stage->first_commit && s->root_commit < stage->last_commit &&
           s->root_commit < s->commit;
}

struct stage_readers stage_readers(struct snapshots *all)
{
    ASSERT(all->by_commit.previous);
    return (struct stage_readers){all, all->by_commit.previous, UINT64_MAX};
}

bool stage_has_reader(struct stage_readers *r, const struct stage *stage)
{
    ASSERT(stage->first_commit <= stage->last_commit);
    for (; r->at != &r->all->by_commit; r->at = r->at->previous) {
        const struct snapshot *s = LIST_ENTRY(r->at, struct snapshot, in_commit);

        if (s->commit < stage->first_commit)
            break;
        r->all->steps++;
        if (s->root_commit < s->commit && s->root_commit < r->root_commit)
            r->root_commit = s->root_commit;
    }
    return r->root_commit < stage->last_commit;
}

uint64_t snapshot_held_bytes(const struct snapshot *s, const struct stage *oldest)
{
    uint64_t held = 0;

    ASSERT(s->refs > 0);
    for (const struct stage *stage = oldest; stage && stage->state == STAGE_AMALGAMATED;
         stage = stage->above) {
        if (snapshot_reads_stage(s, stage))
            held += stage->arena.bytes;
    }
    return held;
}

void snapshots_expire_stage(struct snapshots *all, const struct stage *stage)
{
    ASSERT(stage->first_commit <= stage->last_commit);
    LIST_EACH (link, &all->by_commit) {
        struct snapshot *s = LIST_ENTRY(link, struct snapshot, in_commit);

        s->is_expiring = s->is_expiring || snapshot_reads_stage(s, stage);
    }
}

void snapshots_expire_root(struct snapshots *all, const struct root *r)
{
    ASSERT(r);
    LIST_EACH (link, &all->by_commit) {
        struct snapshot *s = LIST_ENTRY(link, struct snapshot, in_commit);

        s->is_expiring = s->is_expiring || s->root == r || s->moved == r;
    }
}

struct snapshot_finger snapshot_finger(struct snapshots *all)
{
    ASSERT(list_is_empty(&all->by_commit) ||
           LIST_ENTRY(all->by_commit.previous, struct snapshot, in_commit)->refs > 0);
    return (struct snapshot_finger){all, all->by_commit.previous};
}

static bool finger_is_below(const struct snapshot_finger *f, const struct list_link *at,
                            uint64_t to)
{
    f->all->steps++;
    return at == &f->all->by_commit ||
           LIST_ENTRY(at, const struct snapshot, in_commit)->commit < to;
}

struct snapshot *snapshot_below(struct snapshot_finger *f, uint64_t to)
{
    struct list_link *head = &f->all->by_commit;

    ASSERT(f->at);
    while (!finger_is_below(f, f->at, to))
        f->at = f->at->previous;
    while (f->at->next != head && finger_is_below(f, f->at->next, to))
        f->at = f->at->next;
    return f->at == head ? NULL : LIST_ENTRY(f->at, struct snapshot, in_commit);
}

struct list_link *snapshot_versions(void *finger, uint64_t from, uint64_t to)
{
    struct snapshot *s = snapshot_below(finger, to);

    ASSERT(from <= to && (!s || s->commit < to));
    return s && s->commit >= from ? &s->versions : NULL;
}

struct view view_of(const struct snapshot *s, struct stage *own)
{
    ASSERT(s->refs > 0); /* rule 8 */
    ASSERT(s->root_commit <= s->commit &&
           (!s->top || s->top->first_commit <= s->commit)); /* T-8 */
    return (struct view){s->commit, s->root_commit, own, s->top, s->root};
}
