/* plan_scan.c - see plan_scan.h.
 *
 * A condition bounds a part of a key if one side is that part's path in the record (or key(alias),
 * where the key has one part), and the other depends on no record of this scan.
 *
 * An index has no entry for a record in which a part of its key is missing, or is a value that
 * cannot be a key (maps, NaN). So it can stand for the store only if the conditions hold for none
 * of those: each part must be bound, the last one by equality or from both sides. If a value that
 * bounds an index turns out to be no key, the scan reads the store instead (run_scan.c). */
#include "server/query/plan_scan.h"

#include "server/base/assert.h"
#include "server/query/parse.h"
#include "server/storage/index_definition.h"
#include "server/txn/cursor.h"

void plan_find_store(struct binder *b, struct slice name, uint32_t place, struct schema **out)
{
    if (b->e)
        return;
    if (name.size < 1 || name.size > TEXT_NAME_BYTES_MAX) {
        bind_refuse(b, place, "the name of a store has 1 to 255 bytes");
        return;
    }
    b->e = cursor_find_store(b->op, b->anchor, name, out);
    if (b->e)
        query_set_place(&b->op->failure, b->e, b->plan->text, place);
}

/* ---- what a condition says of a part ---- */

struct scan_part { /* of the key of a store or index */
    struct value_path path;
    bool is_whole_key; /* of a store: key(alias) is it, too */
    bool has_path;
    bool is_elements; /* of a multi index: entries are elements of what is there */
};

static bool is_part(const struct expr *e, const struct step *scan, const struct scan_part *p)
{
    if (e->kind == EXPR_SLOT)
        return p->is_whole_key && e->number == scan->scan->key_slot;
    if (e->kind != EXPR_PATH || e->number != scan->slot || !p->has_path ||
        e->path.count != p->path.count)
        return false;
    for (unsigned i = 0; i < p->path.count; i++) {
        const struct path_step *a = &e->path.steps[i], *b = &p->path.steps[i];

        if (slice_is_none(a->name) != slice_is_none(b->name) ||
            !slice_equal(a->name, b->name) || a->place != b->place)
            return false;
    }
    return true;
}

static bool is_free(const struct expr *e, const struct step *scan)
{
    return !(e->reads & scan->scan->bit) && !e->applies;
}

struct part_bounds {
    struct expr *equal;
    struct step_bound low, high;
    unsigned taken; /* of what was offered */
};

static void bounds_compare(struct part_bounds *out, enum datum_operator op, struct expr *value)
{
    switch (op) {
    case DATUM_EQUAL:
        out->taken += !out->equal;
        out->equal = out->equal ? out->equal : value;
        break;
    case DATUM_GREATER:
    case DATUM_GREATER_EQUAL:
        out->taken += !out->low.value;
        if (!out->low.value)
            out->low = (struct step_bound){value, op == DATUM_GREATER};
        break;
    case DATUM_LESS:
    case DATUM_LESS_EQUAL:
        out->taken += !out->high.value;
        if (!out->high.value)
            out->high = (struct step_bound){value, op == DATUM_LESS};
        break;
    default: break;
    }
}

static enum datum_operator turned_round(enum datum_operator op)
{
    switch (op) {
    case DATUM_LESS: return DATUM_GREATER;
    case DATUM_LESS_EQUAL: return DATUM_GREATER_EQUAL;
    case DATUM_GREATER: return DATUM_LESS;
    case DATUM_GREATER_EQUAL: return DATUM_LESS_EQUAL;
    default: return op;
    }
}

static void bounds_of(const struct expr *e, const struct step *scan, const struct scan_part *p,
                      struct part_bounds *out)
{
    if (p->is_elements) {
        if (e->kind == EXPR_IN_VALUE && !e->is_negated && is_part(e->b, scan, p) &&
            is_free(e->a, scan))
            bounds_compare(out, DATUM_EQUAL, e->a);
        return;
    }
    if (e->kind == EXPR_OPERATE && is_part(e->a, scan, p) && is_free(e->b, scan))
        bounds_compare(out, (enum datum_operator)e->number, e->b);
    else if (e->kind == EXPR_OPERATE && is_part(e->b, scan, p) && is_free(e->a, scan))
        bounds_compare(out, turned_round((enum datum_operator)e->number), e->a);
    else if (e->kind == EXPR_IN_LIST && !e->is_negated && e->count == 1 &&
             is_part(e->a, scan, p) && is_free(e->list[0], scan))
        bounds_compare(out, DATUM_EQUAL, e->list[0]);
    if (e->kind != EXPR_BETWEEN || e->is_negated || !is_part(e->a, scan, p))
        return;
    if (is_free(e->b, scan))
        bounds_compare(out, DATUM_GREATER_EQUAL, e->b);
    if (is_free(e->c, scan))
        bounds_compare(out, DATUM_LESS_EQUAL, e->c);
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

struct choice {
    struct schema *index; /* NULL: the store */
    unsigned equal_count;
    struct expr *equal[KEY_PARTS_MAX];
    struct step_bound low, high;
    unsigned part_count;
    unsigned covered; /* conditions that the bounds say wholly */
};

static unsigned worth(const struct choice *c)
{
    unsigned bounds = (c->low.value != NULL) + (c->high.value != NULL);
    unsigned all = c->equal_count == c->part_count &&
                   (!c->index || c->index->unique); /* one record at most */

    return 1000 * all + 10 * c->equal_count + 3 * bounds + (c->index == NULL);
}

/* false: it cannot be used. */
static bool choose(struct binder *b, const struct step *scan, struct choice *c,
                   struct expr *const *conditions, unsigned count)
{
    const struct schema *store = scan->scan->store;

    for (unsigned i = 0; i < c->part_count; i++) {
        struct part_bounds bounds = {0};
        struct scan_part part;

        if (!(c->index ? part_of_index(c->index, i, &part) : part_of_store(b, store, i, &part)))
            return false;
        for (unsigned n = 0; n < count; n++) {
            unsigned before = bounds.taken;

            bounds_of(conditions[n], scan, &part, &bounds);
            c->covered +=
                !part.is_elements &&
                bounds.taken - before == (conditions[n]->kind == EXPR_BETWEEN ? 2 : 1);
        }
        if (bounds.equal) {
            if (bounds.low.value || bounds.high.value)
                c->covered = 0; /* of which the bounds leave some out */
            c->equal[c->equal_count++] = bounds.equal;
            continue;
        }
        c->low = bounds.low;
        c->high = bounds.high;
        if (c->index)
            return i + 1 == c->part_count && c->low.value && c->high.value;
        break;
    }
    return true;
}

void plan_scan_bounds(struct binder *b, struct step *scan, struct expr *const *conditions,
                      unsigned count)
{
    struct step_scan *s = scan->scan;
    struct choice best = {.part_count = s->store->spec.part_count};

    if (b->e || !choose(b, scan, &best, conditions, count))
        return;
    for (unsigned i = 0; i < s->store->index_count; i++) {
        struct schema *index = s->store->indexes[i];
        struct choice c = {.index = index, .part_count = index->is->part_count};

        if (index->state != INDEX_READY || index->is->types != VALUE_TYPES_ALL ||
            !slice_is_none(index->is->where))
            continue;
        if (choose(b, scan, &c, conditions, count) && worth(&c) > worth(&best))
            best = c;
    }
    s->index = best.index;
    s->equal_count = best.equal_count;
    memcpy(s->equal, best.equal, sizeof s->equal);
    s->low = best.low;
    s->high = best.high;
    s->is_covered = best.covered == count;
}

/* ---- order ---- */

static bool is_store_part(const struct expr *e, const struct step *scan, unsigned at)
{
    const struct key_spec *spec = &scan->scan->store->spec;
    const struct key_part *part = &spec->parts[at];

    if (e->kind == EXPR_SLOT)
        return spec->part_count == 1 && e->number == scan->scan->key_slot;
    if (spec->is_explicit || e->kind != EXPR_PATH || e->number != scan->slot ||
        e->path.count != part->step_count)
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

bool plan_scan_is_ordered(struct step *tree, const struct step_key *keys, unsigned count)
{
    struct step *scan = tree;
    const struct schema *store;
    bool is_reverse = false, is_joined = false;
    unsigned at;

    while (scan &&
           (scan->kind == STEP_FILTER || scan->kind == STEP_JOIN || scan->kind == STEP_HASH ||
            scan->kind == STEP_UNNEST || scan->kind == STEP_APPLY)) {
        is_joined = is_joined || scan->kind == STEP_JOIN || scan->kind == STEP_HASH ||
                    scan->kind == STEP_UNNEST;
        scan = scan->input;
    }
    if (!scan || scan->kind != STEP_SCAN || scan->scan->index)
        return false;
    store = scan->scan->store;
    at = scan->scan->equal_count;
    for (unsigned i = 0; i < count; i++, at++) {
        const struct step_key *key = &keys[i];
        bool turned;

        if (at == store->spec.part_count) {
            if (is_joined)
                return false;
            break; /* the whole key is known: no two rows are equal by it */
        }
        if (key->nulls_last != key->is_descending)
            return false;
        if (!is_store_part(key->value, scan, at))
            return false;
        turned = key->is_descending != store->spec.parts[at].descending;
        if (i > 0 && turned != is_reverse)
            return false;
        is_reverse = turned;
    }
    scan->scan->is_reverse = is_reverse;
    return true;
}

bool plan_scan_finds_end(struct step *scan, const struct expr *e, enum aggregate_kind kind)
{
    const struct key_spec *spec = &scan->scan->store->spec;
    unsigned at = scan->scan->equal_count;

    if ((kind != AGGREGATE_MIN && kind != AGGREGATE_MAX) || at == spec->part_count ||
        !is_store_part(e, scan, at))
        return false;
    scan->scan->is_reverse = (kind == AGGREGATE_MAX) != spec->parts[at].descending;
    return true;
}
