/* estimate.c - see estimate.h. */
#include "server/txn/estimate.h"

#include "server/base/assert.h"
#include "server/storage/index_definition.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursor.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/snapshots.h"
#include "server/txn/txn_struct.h"
#include "server/txn/view.h"

#define STAGED_FEW 2000       /* keys that are always counted, */
#define STAGED_PART_OF_ROOT 8 /* and as much of the root's */

static struct view view_at(const struct cursor *anchor)
{
    ASSERT(anchor->snapshot && anchor->range_is_empty);
    return view_of(anchor->snapshot, anchor->txn ? &anchor->txn->write_set : NULL);
}

bool estimate_notes_reads(const struct cursor *anchor)
{
    ASSERT(anchor->range_is_empty);
    return anchor->txn && anchor->txn->options.serializable;
}

static uint64_t staged_of(const struct view *v, uint32_t store)
{
    const struct stage_store *st = v->own ? stage_store_of(v->own, store) : NULL;
    uint64_t records = st ? st->records : 0;

    ASSERT(v->root_commit <= v->commit);
    for (struct stage *s = view_next_stage(v, NULL); s; s = view_next_stage(v, s)) {
        st = stage_store_of(s, store);
        records += st ? st->records : 0;
    }
    return records;
}

static enum err rank_of(struct op *op, const struct view *v, uint32_t store, const uint8_t *key,
                        size_t size, uint64_t *out)
{
    ASSERT(size <= KEY_BYTES_MAX + 1);
    return tree_rank(v->root, store, size ? slice_make(key, size) : SLICE_NONE, &op->wait, out,
                     &op->failure);
}

enum err estimate_range(struct op *op, struct cursor *anchor, struct schema *s,
                        const struct key_range *range, struct range_estimate *out)
{
    struct tree_facts facts = {0};
    struct view v;
    uint64_t below = 0, upto = 0;
    enum err e = cursor_check_anchor(op, anchor);

    *out = (struct range_estimate){0};
    if (e || range->empty)
        return e;
    v = view_at(anchor);
    out->staged = staged_of(&v, s->number);
    if (!root_tree_facts(v.root, s->number, &facts))
        return ERR_OK;
    out->root_records = upto = facts.records;
    if (range->from_size)
        e = rank_of(op, &v, s->number, range->from, range->from_size, &below);
    if (!e && range->to_size)
        e = rank_of(op, &v, s->number, range->to, range->to_size, &upto);
    ASSERT(e || (below <= facts.records && upto <= facts.records));
    out->in_root = !e && upto > below ? upto - below : 0;
    return e;
}

/* Cheap reasons for which it is known that it is not, or not worth counting. */
static bool cannot_be_total(const struct view *v, const struct schema *index)
{
    struct tree_facts records = {0}, entries = {0};
    uint64_t staged = staged_of(v, index->of->number) + staged_of(v, index->number);
    uint64_t more;

    ASSERT(index->of && index->number != index->of->number);
    root_tree_facts(v->root, index->of->number, &records);
    root_tree_facts(v->root, index->number, &entries);
    more = records.records > entries.records ? records.records - entries.records
                                             : entries.records - records.records;
    return more > staged ||
           (staged > STAGED_FEW && staged > records.records / STAGED_PART_OF_ROOT);
}

enum err estimate_is_total(struct op *op, struct cursor *anchor, struct schema *index,
                           struct total_count *count, bool *is_total)
{
    static const struct key_range all = {.empty = false};
    struct view v;
    uint64_t entries = 0;
    enum err e = cursor_check_anchor(op, anchor);

    ASSERT(index->of && index->is);
    *is_total = false;
    if (e)
        return e;
    v = view_at(anchor);
    if (index->is->multi || (!count->has_records && cannot_be_total(&v, index)))
        return ERR_OK;
    if (!count->has_records)
        e = cursor_count_over(op, anchor, index->of, &all, &count->records);
    count->has_records = !e || count->has_records;
    ASSERT(e || count->has_records);
    if (!e)
        e = cursor_count_over(op, anchor, index, &all, &entries);
    *is_total = !e && count->records == entries;
    return e;
}
