/* plan_memo.c - see plan_memo.h. */
#include "server/query/plan_memo.h"

#include "server/base/assert.h"

static bool reads_any(const struct expr *e, uint64_t bits)
{
    return e && (e->reads & bits);
}

static void add_key(struct step *join, struct expr *e, uint64_t before)
{
    if (!reads_any(e, before))
        return;
    for (unsigned i = 0; i < join->memo_key_count; i++)
        if (join->memo_keys[i] == e)
            return;
    join->memo_keys[join->memo_key_count++] = e;
}

/* false: they depend on more than can be a key. */
static bool add_keys(struct step *join, const struct scan_path *p, uint64_t before)
{
    for (unsigned i = 0; i < p->equal_count; i++) {
        if (reads_any(p->equal[i].any, before))
            return false;
        add_key(join, p->equal[i].value, before);
    }
    add_key(join, p->low.value, before);
    add_key(join, p->high.value, before);
    return !reads_any(p->like, before);
}

/* The scan below filters that read its rows alone; NULL: it is something else. */
static const struct step *scan_of(const struct step *s, uint64_t before)
{
    while (s->kind == STEP_FILTER && !reads_any(s->condition, before) && !s->condition->applies)
        s = s->input;
    return s->kind == STEP_SCAN ? s : NULL;
}

void plan_memo_join(struct binder *b, struct step *join, uint64_t before)
{
    const struct step *scan = b->e ? NULL : scan_of(join->inner, before);
    unsigned room = 0;

    if (!scan || join->kind != STEP_JOIN)
        return;
    room = scan->scan->path_count * (KEY_PARTS_MAX + 2);
    join->memo_keys = bind_alloc(b, room * sizeof *join->memo_keys);
    for (unsigned i = 0; i < scan->scan->path_count && !b->e; i++) {
        if (!add_keys(join, &scan->scan->paths[i], before)) {
            join->memo_key_count = 0;
            return;
        }
    }
    ASSERT(join->memo_key_count <= room);
}
