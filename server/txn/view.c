#include "server/txn/view.h"

#include "server/base/assert.h"

struct stage *view_next_stage(const struct view *v, struct stage *s)
{
    ASSERT(!s || s->last_commit > v->root_commit);
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
    ASSERT(v->root_commit <= v->commit);
    for (struct stage *s = view_next_stage(v, NULL); s; s = view_next_stage(v, s)) {
        r = stage_find(s, store, key);
        if (r)
            r = record_visible(r, v->commit);
        if (r)
            return r;
    }
    return NULL;
}
