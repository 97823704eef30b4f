/* plan_scan.c - see plan_scan.h.
 *
 * A condition bounds a part of a key if one side is that part's path in the record (or key(alias),
 * where the key has one part), and the other depends on no record of this scan.
 *
 * An index has no entry for a record in which a part of its key is missing, or is a value that
 * cannot be a key (maps, NaN). Whether it can stand for the store all the same depends on the
 * values of the bounds and on what is in the store, so it is decided when the query runs
 * (run_usable.c). */
#include "server/query/plan_scan.h"

#include "server/base/assert.h"
#include "server/query/bounds.h"
#include "server/query/parse.h"
#include "server/storage/index_definition.h"
#include "server/txn/cursor.h"
#include "server/txn/guard.h"

#include <string.h>

/* Who uses the plan again finds it again, too. */
static void note_store(struct binder *b, const struct plan_claim *claim, struct schema *schema)
{
    struct plan *p = b->plan;

    if (!bind_grow(b, (void **)&p->stores, p->store_count, &p->store_room, sizeof *p->stores))
        return;
    p->stores[p->store_count++] = (struct plan_store){claim->name, schema, claim->rights};
}

void plan_find_store(struct binder *b, const struct plan_claim *claim, struct schema **out)
{
    struct slice name = claim->name;
    uint32_t place = claim->place;

    if (b->e)
        return;
    if (name.size < 1 || name.size > TEXT_NAME_BYTES_MAX) {
        bind_refuse(b, place, "the name of a store must have 1 to 255 bytes");
        return;
    }
    b->e = guard_check(b->op, name, claim->rights);
    if (!b->e)
        b->e = cursor_find_store(b->op, b->anchor, name, out);
    if (b->e)
        query_set_place(&b->op->failure, b->e, b->plan->text, place);
    else
        note_store(b, claim, *out);
}

/* ---- the keys that there are ---- */

static bool part_of_store(struct binder *b, const struct schema *s, unsigned i,
                          struct scan_part *out)
{
    const struct key_part *part = &s->spec.parts[i];
    struct path_step *steps;

    *out = (struct scan_part){.is_whole_key = s->spec.part_count == 1,
                              .has_path = !s->spec.is_explicit};
    steps = bind_alloc(b, part->step_count * sizeof *steps);
    if (!steps)
        return false;
    for (unsigned n = 0; n < part->step_count; n++) {
        bool is_place = key_step_is_place(part->steps[n]);

        steps[n].name = is_place ? SLICE_NONE : part->steps[n];
        steps[n].place = is_place ? (uint32_t)part->steps[n].size : 0;
    }
    out->path = (struct value_path){steps, part->step_count};
    return true;
}

static bool part_of_index(const struct schema *s, unsigned i, struct scan_part *out)
{
    const struct index_part *part = &s->is->parts[i];

    *out = (struct scan_part){.has_path = true, .is_elements = s->is->multi};
    out->path = s->is->paths[part->first_path];
    return part->path_count == 1;
}

/* Which conditions the bounds of a path say wholly. */
struct saying {
    struct expr *const *conditions;
    unsigned count;
    uint64_t said; /* bits; of more than 64 not all are */
    bool is_less;  /* one of them is left out after all */
};

static bool is_said_by(const struct expr *e, unsigned taken)
{
    return e->kind == EXPR_BETWEEN ? taken == 2 : taken == 1;
}

static void note_said(struct saying *all, unsigned n)
{
    if (n < 64)
        all->said |= UINT64_C(1) << n;
}

static bool all_are_said(const struct saying *all)
{
    uint64_t wanted = all->count == 64 ? UINT64_MAX : (UINT64_C(1) << (all->count & 63)) - 1;

    return !all->is_less && all->count <= 64 && all->said == wanted;
}

static void part_bounds_make(struct saying *all, const struct step *scan,
                             const struct scan_part *part, struct part_bounds *bounds)
{
    for (unsigned n = 0; n < all->count; n++) {
        unsigned before = bounds->taken;

        bounds_of(all->conditions[n], scan, part, bounds);
        if (is_said_by(all->conditions[n], bounds->taken - before) && !part->is_elements)
            note_said(all, n);
    }
}

/* 'abc%': it says no more than that the text begins so. */
static bool is_plain_beginning(const struct expr *like)
{
    const struct expr *pattern = like->b;
    struct slice text;

    if (like->kind == EXPR_CALL)
        return like->list[1]->kind == EXPR_CONSTANT;
    if (like->c || pattern->kind != EXPR_CONSTANT || pattern->constant.type != DATUM_TEXT)
        return false;
    text = pattern->constant.bytes;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '_' || (text.data[i] == '%' && i + 1 < text.size))
            return false;
    return text.size && text.data[text.size - 1] == '%';
}

static void path_end(struct scan_path *out, struct saying *all,
                     const struct part_bounds *bounds)
{
    out->low = bounds->low;
    out->high = bounds->high;
    if (!bounds->like || bounds->low.value || bounds->high.value)
        return;
    out->like = bounds->like;
    for (unsigned n = 0; n < all->count; n++)
        if (all->conditions[n] == bounds->like && is_plain_beginning(bounds->like))
            note_said(all, n);
}

/* false: memory is short, or it cannot be used. */
static bool path_make(struct binder *b, const struct step *scan, struct scan_path *out,
                      struct expr *const *conditions, unsigned count)
{
    const struct schema *store = scan->scan->store;
    struct saying all = {conditions, count, 0, false};

    for (unsigned i = 0; i < out->part_count; i++) {
        struct part_bounds bounds = {0};
        struct scan_part part;

        if (!(out->index ? part_of_index(out->index, i, &part)
                         : part_of_store(b, store, i, &part)))
            return false;
        part_bounds_make(&all, scan, &part, &bounds);
        out->is_elements = part.is_elements;
        if (!bounds.equal.value && !bounds.equal.any) {
            path_end(out, &all, &bounds);
            break;
        }
        if (bounds.low.value || bounds.high.value)
            all.is_less = true; /* of which the bounds leave some out */
        ASSERT(out->equal_count < KEY_PARTS_MAX &&
               !bounds.equal.value != !bounds.equal.any); /* E-3 */
        out->equal[out->equal_count++] = bounds.equal;
    }
    out->is_covered = all_are_said(&all);
    return !out->is_elements || out->equal_count == 1;
}

static void add_index(struct binder *b, struct step *scan, struct schema *index,
                      struct expr *const *conditions, unsigned count)
{
    struct step_scan *s = scan->scan;
    struct scan_path *path = &s->paths[s->path_count];

    if (index->state != INDEX_READY || s->path_count == SCAN_PATHS_MAX)
        return;
    *path = (struct scan_path){.index = index, .part_count = index->is->part_count};
    s->path_count += path_make(b, scan, path, conditions, count);
}

void plan_scan_bounds(struct binder *b, struct step *scan, struct expr *const *conditions,
                      unsigned count)
{
    struct step_scan *s = scan->scan;
    unsigned room = s->store->index_count + 1;

    s->paths =
        bind_alloc(b, (room < SCAN_PATHS_MAX ? room : SCAN_PATHS_MAX) * sizeof *s->paths);
    s->conditions = bind_alloc(b, (count + 1) * sizeof *s->conditions);
    if (b->e)
        return;
    if (count)
        memcpy(s->conditions, conditions, count * sizeof *s->conditions);
    s->condition_count = count;
    s->paths[0].part_count = s->store->spec.part_count;
    s->path_count = 1;
    if (!path_make(b, scan, &s->paths[0], conditions, count))
        return;
    for (unsigned i = 0; i < s->store->index_count && !b->e; i++)
        add_index(b, scan, s->store->indexes[i], conditions, count);
}
