#include "server/txn/savepoint.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/commit_marks.h"
#include "server/txn/generator.h"
#include "server/txn/pulse.h"
#include "server/txn/read_set.h"
#include "server/txn/snapshots.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"
#include "server/txn/usage.h"
#include "server/txn/written.h"

void savepoint_set(struct txn *t, struct savepoint *s)
{
    ASSERT(t->snapshot && !t->statement.is_undoing); /* T-3 */
    write_set_mark(&t->write_set, t->stamp, &s->writes);
    s->stores = t->stores;
    s->schemas = t->schemas.previous;
    s->generators = t->generator_notes;
    s->marks = t->commit_marks.newest;
    s->builds = t->builds;
    t->savepoints_set++;
}

void savepoint_repeat(struct txn *t, const struct savepoint *s)
{
    struct write_mark mark;

    write_set_mark(&t->write_set, t->stamp, &mark);
    ASSERT(s->writes.last == NULL || t->stamp);
}

enum err savepoint_keep_use(struct txn *t, struct generator_use *use)
{
    struct generator_note *note;

    if (!t->write_set.savepoints || use->saved == t->savepoints_set)
        return ERR_OK;
    note = arena_alloc(&t->write_set.arena, sizeof *note);
    if (!note)
        return ERR_NOMEM;
    ASSERT(use->saved < t->savepoints_set);
    *note = (struct generator_note){t->generator_notes, use, use->used, use->given, use->saved};
    t->generator_notes = note;
    use->saved = t->savepoints_set;
    return ERR_OK;
}

void savepoint_release(struct txn *t)
{
    ASSERT(t->write_set.savepoints > 0);
    write_set_unmark(&t->write_set);
    if (!t->write_set.savepoints)
        t->generator_notes = NULL; /* nobody can go back beyond here */
}

static void savepoint_record_goes(void *context, struct record *r)
{
    ASSERT(r->stamp->owner == context);
    written_remove_intent(context, r);
}

static void savepoint_forget_schemas(struct txn *t, const struct list_link *kept)
{
    if (t->schemas.previous != kept)
        t->schemas_made++; /* cursors look for their store again */
    while (t->schemas.previous != kept) {
        struct schema *s = LIST_ENTRY(t->schemas.previous, struct schema, in_queue);

        ASSERT(&s->in_queue != &t->schemas);
        cursors_end_schema(t, s);
        catalogue_discard(t->all->catalogue, s);
    }
}

static bool savepoint_generators_back(struct txn *t, const struct generator_note *kept,
                                      unsigned steps)
{
    ASSERT(t->write_set.savepoints > 0);
    for (; t->generator_notes != kept && steps; steps--) {
        generator_use_back(t->generator_notes);
        t->generator_notes = t->generator_notes->before;
    }
    return t->generator_notes == kept;
}

/* What t has read by making indexes, and by nothing else. ERR_NOMEM. */
static enum err reads_of_builds(struct txn *t, struct reads **out)
{
    struct reads *r = read_set_open(&t->all->read_set, t, t->snapshot->commit);
    enum err e = r ? ERR_OK : ERR_NOMEM;

    ASSERT(t->builds && !t->options.serializable);
    for (const struct build_note *n = t->builds; n && !e; n = n->next)
        e = read_set_add_range(r, n->store, SLICE_NONE, SLICE_NONE);
    if (e && r)
        read_set_end(r);
    *out = e ? NULL : r;
    return e;
}

/* The indexes made since are gone, and t does not lose by them any more. Where it could have lost
 * by one already it had written nothing, so no index is left by which it could: it would have lost
 * at once. */
static void savepoint_forget_builds(struct txn *t, struct build_note *kept)
{
    struct reads *left = NULL;

    if (t->builds == kept)
        return;
    t->builds = kept;
    if (t->options.serializable)
        return; /* what was read stays so */
    if (!kept)
        failure_clear(&t->stale);
    if (!t->reads)
        return;
    if (kept && reads_of_builds(t, &left) != ERR_OK)
        return; /* then it may lose by what it has taken back */
    read_set_end(t->reads);
    t->reads = left;
    pulse_wake(t->all->pulse); /* what is not freed yet */
}

bool savepoint_rollback(struct txn *t, const struct savepoint *s, unsigned steps)
{
    ASSERT(t->snapshot && t->write_set.savepoints > 0); /* T-3 */
    cursors_rest(t); /* they find their place again by key */
    t->tell_commit = t->told_commit; /* a comparison under way stands in what goes */
    if (!savepoint_generators_back(t, s->generators, steps))
        return false;
    if (!write_set_undo(&t->write_set, t->stamp, &s->writes, steps, savepoint_record_goes, t))
        return false;
    written_forget_stores_since(t, s->stores);
    savepoint_forget_schemas(t, s->schemas);
    commit_marks_back(&t->commit_marks, t->all->os, s->marks);
    savepoint_forget_builds(t, s->builds);
    usage_note(t);
    return true;
}

void savepoint_end_named(struct txn *t)
{
    struct named_savepoint *s = t->named;
    size_t size = sizeof *s + s->name_size;

    ASSERT(t->named_count && t->named_bytes >= size);
    t->named = s->before;
    t->named_count--;
    t->named_bytes -= size;
    savepoint_release(t);
    os_free(t->all->os, s, size);
}

void savepoint_forget_named(struct txn *t)
{
    while (t->named)
        savepoint_end_named(t);
    ASSERT(!t->named_count && !t->named_bytes);
}
