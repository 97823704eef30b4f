/* Letting go of definitions that nobody sees any more, and of numbers whose trees have gone. */
#include "server/base/assert.h"
#include "server/txn/catalogue_internal.h"

static void version_unlink(struct catalogue *c, struct schema *s)
{
    struct catalogue_entry *e = s->entry;
    struct schema *newest;

    ASSERT(e->refs > 0 && !list_is_linked(&s->in_queue));
    ASSERT(!s->newer || s->newer->commit >= s->commit); /* C-1 */
    if (s->newer)
        s->newer->older = s->older;
    else
        e->newest = s->older;
    if (s->older)
        s->older->newer = s->newer;
    s->older = s->newer = NULL;
    e->refs++;
    schema_unref(c, s);
    newest = e->newest;
    if (newest && newest->is_dropped && !newest->older && !list_is_linked(&newest->in_queue))
        version_unlink(c, newest); /* nobody sees what was dropped any more: once, no deeper */
    entry_unref(c, e);
}

/* s is in no queue: free it, or leave it with its newest reader. */
static void version_release(struct catalogue *c, struct schema *s,
                            const struct catalogue_readers *readers)
{
    struct list_link *list = NULL;

    ASSERT(s->commit && !list_is_linked(&s->in_queue));
    ASSERT(!s->superseded || s->superseded >= s->commit); /* C-1 */
    if (!s->superseded) { /* a drop: it hides those before it */
        if (!s->older)
            version_unlink(c, s);
        return;
    }
    if (!s->is_dropped && readers)
        list = readers->versions(readers->context, s->commit, s->superseded);
    if (list)
        list_push_back(list, &s->in_queue);
    else
        version_unlink(c, s);
}

void catalogue_unread(struct catalogue *c, struct list_link *versions)
{
    list_splice_back(&c->unread, versions);
}

void catalogue_rooted(struct catalogue *c, uint64_t commit)
{
    ASSERT(commit >= c->rooted);
    c->rooted = commit;
    while (!list_is_empty(&c->counting)) {
        struct shelf *shelf = LIST_ENTRY(c->counting.next, struct shelf, in_counting);

        if (shelf->used_commit > commit)
            break;
        list_remove(&shelf->in_counting);
    }
}

static struct schema *waiting_first(const struct catalogue *c, uint64_t durable)
{
    struct schema *s;

    if (list_is_empty(&c->waiting))
        return NULL;
    s = VERSION_OF(c->waiting.next);
    ASSERT(s->commit); /* C-3 */
    return (s->superseded ? s->superseded : s->commit) <= durable ? s : NULL; /* C-3 */
}

static struct shelf *ended_first(const struct catalogue *c)
{
    struct shelf *shelf;

    if (list_is_empty(&c->ended))
        return NULL;
    shelf = LIST_ENTRY(c->ended.next, struct shelf, in_ended);
    ASSERT(shelf->ended && !shelf->live); /* C-2 */
    return shelf->ended <= c->rooted ? shelf : NULL;
}

bool catalogue_has_garbage(const struct catalogue *c, uint64_t durable)
{
    return !list_is_empty(&c->unread) || waiting_first(c, durable) || ended_first(c) ||
           databases_have_garbage(&c->databases, durable);
}

bool catalogue_reclaim(struct catalogue *c, uint64_t durable,
                       const struct catalogue_readers *readers, uint64_t steps)
{
    ASSERT(durable >= c->rooted);
    for (; steps > 0; steps--, c->steps++) {
        bool is_unread = !list_is_empty(&c->unread);
        struct schema *s = is_unread ? VERSION_OF(c->unread.next) : waiting_first(c, durable);
        struct shelf *shelf = s ? NULL : ended_first(c);

        if (!s && !shelf) {
            if (!databases_reclaim(&c->databases, durable))
                return false;
            continue;
        }
        if (s) {
            list_remove(&s->in_queue);
            version_release(c, s, is_unread ? NULL : readers);
        } else {
            list_remove(&shelf->in_ended);
            shelf_try_free(c, shelf);
        }
    }
    return catalogue_has_garbage(c, durable);
}
