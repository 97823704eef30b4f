/* plan_order.c - see plan_order.h.
 *
 * Rows of an index come by the parts of its key, then by the key of the record. A part that has to
 * be equal to one value does not count. */
#include "server/query/plan_order.h"

#include "server/base/assert.h"
#include "server/storage/index_definition.h"

static bool is_path(const struct expr *e, const struct step *scan)
{
    return e->kind == EXPR_PATH && e->number == scan->slot;
}

static bool is_store_part(const struct expr *e, const struct step *scan, unsigned at)
{
    const struct key_spec *spec = &scan->scan->store->spec;
    const struct key_part *part = &spec->parts[at];

    if (e->kind == EXPR_SLOT)
        return spec->part_count == 1 && e->number == scan->scan->key_slot;
    if (spec->is_explicit || !is_path(e, scan) || e->path.count != part->step_count)
        return false;
    for (unsigned i = 0; i < part->step_count; i++) {
        const struct path_step *step = &e->path.steps[i];

        if (key_step_is_place(part->steps[i])
                ? !slice_is_none(step->name) || step->place != part->steps[i].size
                : slice_is_none(step->name) || !slice_equal(step->name, part->steps[i]))
            return false;
    }
    return true;
}

static bool is_index_part(const struct expr *e, const struct step *scan,
                          const struct schema *index, unsigned at)
{
    const struct index_part *part = &index->is->parts[at];
    const struct value_path *path = &index->is->paths[part->first_path];

    if (!is_path(e, scan) || e->path.count != path->count || part->path_count != 1)
        return false;
    for (unsigned i = 0; i < path->count; i++) {
        const struct path_step *a = &e->path.steps[i], *b = &path->steps[i];

        if (slice_is_none(a->name) != slice_is_none(b->name) ||
            !slice_equal(a->name, b->name) || a->place != b->place)
            return false;
    }
    return true;
}

/* Parts of the key that rows come by, those of the record's key behind an index' own. */
static unsigned parts_of(const struct step_scan *s, const struct scan_path *path)
{
    if (!path->index)
        return path->part_count;
    return path->part_count + (path->index->unique ? 0 : s->store->spec.part_count);
}

static bool is_part(const struct expr *e, const struct step *scan, const struct scan_path *path,
                    unsigned at)
{
    if (!path->index)
        return is_store_part(e, scan, at);
    return at < path->part_count ? is_index_part(e, scan, path->index, at)
                                 : is_store_part(e, scan, at - path->part_count);
}

static bool is_descending(const struct step_scan *s, const struct scan_path *path, unsigned at)
{
    if (!path->index)
        return s->store->spec.parts[at].descending;
    return at < path->part_count ? path->index->is->parts[at].descending
                                 : s->store->spec.parts[at - path->part_count].descending;
}

static bool is_constant(const struct scan_path *path, unsigned at)
{
    return at < path->equal_count && path->equal[at].value;
}

/* Whether rows of the path come in that order; *turned: backwards. is_joined: there may be several
 * for one record. */
static bool path_orders(const struct step *scan, const struct scan_path *path,
                        const struct step_key *keys, unsigned count, bool is_joined,
                        bool *turned)
{
    const struct step_scan *s = scan->scan;
    unsigned parts = parts_of(s, path), at = 0;
    bool has_turned = false;

    *turned = false;
    if (path->is_elements)
        return false;
    for (unsigned i = 0; i < count; i++) {
        const struct step_key *key = &keys[i];
        bool now;

        while (at < parts && is_constant(path, at) && !is_part(key->value, scan, path, at))
            at++;
        if (at == parts)
            return !is_joined; /* the whole key is known: no two rows are equal by it */
        if (!is_part(key->value, scan, path, at))
            return false;
        if (is_constant(path, at++))
            continue; /* it is the same in all rows */
        if (key->nulls_last != key->is_descending)
            return false;
        now = key->is_descending != is_descending(s, path, at - 1);
        if (has_turned && now != *turned)
            return false;
        *turned = now;
        has_turned = true;
    }
    return true;
}

struct step *plan_order_mark(struct step *tree, const struct step_key *keys, unsigned count,
                             bool *always)
{
    struct step *scan = tree;
    bool is_joined = false, any = false;

    ASSERT(keys && count > 0);
    *always = true;
    while (scan &&
           (scan->kind == STEP_FILTER || scan->kind == STEP_JOIN || scan->kind == STEP_HASH ||
            scan->kind == STEP_UNNEST || scan->kind == STEP_APPLY)) {
        is_joined = is_joined || scan->kind == STEP_JOIN || scan->kind == STEP_HASH ||
                    scan->kind == STEP_UNNEST;
        scan = scan->input;
    }
    if (!scan || scan->kind != STEP_SCAN)
        return NULL;
    for (unsigned i = 0; i < scan->scan->path_count; i++) {
        struct scan_path *path = &scan->scan->paths[i];

        path->is_ordered = path_orders(scan, path, keys, count, is_joined, &path->is_turned);
        any = any || path->is_ordered;
        *always = *always && path->is_ordered;
    }
    return any ? scan : NULL;
}

bool plan_order_mark_end(struct step *scan, const struct expr *e, enum aggregate_kind kind)
{
    bool any = false;

    ASSERT(scan->kind == STEP_SCAN); /* E-4 */
    if (kind != AGGREGATE_MIN && kind != AGGREGATE_MAX)
        return false;
    for (unsigned i = 0; i < scan->scan->path_count; i++) {
        struct scan_path *path = &scan->scan->paths[i];
        unsigned at = 0;

        while (is_constant(path, at))
            at++;
        if (path->is_elements || at == path->part_count || !is_part(e, scan, path, at))
            continue;
        path->finds_end = any = true;
        path->end_turned = (kind == AGGREGATE_MAX) != is_descending(scan->scan, path, at);
    }
    return any;
}
