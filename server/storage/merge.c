/* merge.c - one merge from begin to end: space, trees, catalogue, slots.
 *
 *   RECLAIM -> TREES -> SIDES -> CATALOGUE -> FINISH -> DONE
 *      |         |        |          |           |
 *      +---------+--------+----------+-----------+----> FAILED (m->result says why)
 *
 * A store that the plan names as damaged, or that has a side tree already, keeps its tree as it
 * is: its changes go into the side tree, at the store's turn; the catalogue, where side trees
 * stand behind all others, learns of it in SIDES.
 *
 * The loop begins and ends it (merge_begin.c); merge_run, on the merge lane, does the work in
 * between and owns the primary's space meanwhile. Whatever may fail happens
 * before the first slot is touched, and what was allocated is then given back at
 * once. If a slot could not be written, nobody knows which root the next start
 * will find: the old root stands in memory, and what both reach is kept. */
#include "server/storage/merge_internal.h"

#include "server/base/bytes.h"

#include <stdlib.h>

static void merge_move(struct merge *m, enum merge_phase next)
{
    static const unsigned allowed[] = {
        [MERGE_RECLAIM] = 1u << MERGE_TREES | 1u << MERGE_FAILED,
        [MERGE_TREES] = 1u << MERGE_SIDES | 1u << MERGE_FAILED,
        [MERGE_SIDES] = 1u << MERGE_CATALOGUE | 1u << MERGE_FAILED,
        [MERGE_CATALOGUE] = 1u << MERGE_FINISH | 1u << MERGE_FAILED,
        [MERGE_FINISH] = 1u << MERGE_DONE | 1u << MERGE_FAILED,
        [MERGE_DONE] = 0,
        [MERGE_FAILED] = 0,
    };

    ASSERT(allowed[m->phase] & 1u << next);
    m->phase = next;
}

/* ---- infos of the new root ---- */

static struct tree_info *infos_of(const struct merge *m)
{
    return (struct tree_info *)(void *)m->infos.data;
}

static enum err info_push(struct merge *m, const struct tree_info *info)
{
    enum err e;

    if (info->height == 0 && info->counter == 0)
        return ERR_OK; /* an empty tree vanishes */
    e = scratch_reserve(m->p->os, &m->infos, (m->info_count + 1) * sizeof *info,
                        m->info_count * sizeof *info);
    if (e)
        return e;
    ASSERT(m->info_count == 0 || infos_of(m)[m->info_count - 1].store < info->store);
    infos_of(m)[m->info_count++] = *info;
    return ERR_OK;
}

/* Stores below `store` that the plan only gives counters for. */
static enum err counters_push(struct merge *m, uint64_t store)
{
    const struct merge_plan *plan = &m->plan;

    while (m->counter_next < plan->counter_count &&
           plan->counters[m->counter_next].store < store) {
        const struct merge_counter *counter = &plan->counters[m->counter_next++];
        struct tree_info info = {.store = counter->store, .counter = counter->counter};
        enum err e = info_push(m, &info);

        if (e)
            return e;
    }
    return ERR_OK;
}

/* A tree that stays, with the plan's counter if that is greater. Ascending. */
static enum err tree_push(struct merge *m, struct tree_info info)
{
    const struct merge_plan *plan = &m->plan;
    enum err e = counters_push(m, info.store);

    if (e)
        return e;
    if (m->counter_next < plan->counter_count &&
        plan->counters[m->counter_next].store == info.store) {
        uint64_t counter = plan->counters[m->counter_next++].counter;

        info.counter = counter > info.counter ? counter : info.counter;
    }
    return info_push(m, &info);
}

/* Trees of the old root below `store` stay as they are. */
static enum err old_trees_push(struct merge *m, uint64_t store)
{
    const struct root *from = m->plan.from;

    while (m->old_next < from->count && from->infos[m->old_next].store < store) {
        enum err e = tree_push(m, from->infos[m->old_next++]);

        if (e)
            return e;
    }
    return ERR_OK;
}

/* ---- trees ---- */

static int damage_order(const void *store, const void *damage)
{
    uint32_t a = *(const uint32_t *)store;
    uint32_t b = ((const struct tree_damage *)damage)->store;

    return (a > b) - (a < b);
}

/* What the plan and the old root know of a store's damage. */
static bool damage_find(const struct merge *m, uint32_t store, struct tree_damage *out)
{
    const struct tree_info *side = root_find_side(m->plan.from, store);
    const struct tree_damage *planned =
        m->plan.damaged_count ? bsearch(&store, m->plan.damaged, m->plan.damaged_count,
                                        sizeof *m->plan.damaged, damage_order)
                              : NULL;

    if (!side && !planned)
        return false;
    *out = side ? side_damage(side) : *planned;
    out->is_lost = out->is_lost || (planned && planned->is_lost);
    return true;
}

static enum err drop_begin(struct merge *m, uint32_t store)
{
    struct tree_damage damage;
    const struct root *from = m->plan.from;
    const struct tree_info *info;
    enum err e;

    e = counters_push(m, store);
    if (e)
        return e;
    if (m->counter_next < m->plan.counter_count &&
        m->plan.counters[m->counter_next].store == store)
        m->counter_next++;
    if (m->old_next == from->count || from->infos[m->old_next].store != store)
        return ERR_OK;
    info = &from->infos[m->old_next++];
    tree_merge_begin(&m->tree, store, info->height, &info->top, true);
    m->tree.skips_unreadable = damage_find(m, store, &damage);
    m->tree_open = true;
    return ERR_OK;
}

/* Changes of a damaged store go into its side tree; of one that is lost they are nothing that
 * anybody could read. */
static void side_begin(struct merge *m, uint32_t store, const struct tree_damage *damage)
{
    const struct tree_info *side = root_find_side(m->plan.from, store);

    if (damage->is_lost) {
        m->is_passed_over = true;
        m->passed_over = store;
        return;
    }
    m->tree_open = true;
    m->tree_counter = side_counter(damage);
    tree_merge_begin(&m->tree, store + PRIMARY_STORES_END, side ? side->height : 0,
                     side ? &side->top : NULL, false);
}

static void change_begin(struct merge *m, uint32_t store)
{
    const struct root *from = m->plan.from;
    struct tree_damage damage;

    ASSERT(store < PRIMARY_STORES_END);
    if (damage_find(m, store, &damage)) {
        side_begin(m, store, &damage);
        return;
    }
    m->tree_open = true;
    m->tree_counter = 0;
    if (m->old_next < from->count && from->infos[m->old_next].store == store) {
        const struct tree_info *info = &from->infos[m->old_next++];

        m->tree_counter = info->counter;
        tree_merge_begin(&m->tree, store, info->height, &info->top, false);
    } else {
        tree_merge_begin(&m->tree, store, 0, NULL, false);
    }
}

/* Keep it for the phase of the side trees. */
static enum err side_push(struct merge *m, const struct tree_info *info)
{
    enum err e = scratch_reserve(m->p->os, &m->sides, (m->side_count + 1) * sizeof *info,
                                 m->side_count * sizeof *info);
    struct tree_info *sides = (struct tree_info *)(void *)m->sides.data;

    ASSERT(e || !m->side_count || sides[m->side_count - 1].store < info->store); /* ascending */
    if (!e)
        sides[m->side_count++] = *info;
    return e;
}

static enum err tree_close(struct merge *m)
{
    struct tree_info info = {.store = m->tree.store,
                             .height = m->tree.height,
                             .counter = m->tree_counter,
                             .top = m->tree.top};

    m->tree_open = false;
    if (m->tree.dropping)
        return ERR_OK;
    return m->tree.is_side ? side_push(m, &info) : tree_push(m, info);
}

/* Write the rows that all stores depend on anew, whether or not they change. */
static enum err rows_renew(struct merge *m)
{
    struct tree_damage damage;

    if (damage_find(m, PRIMARY_STORE_TWICE, &damage) ||
        !root_find(m->plan.from, PRIMARY_STORE_TWICE))
        return ERR_OK;
    change_begin(m, PRIMARY_STORE_TWICE);
    m->tree.renews = true;
    return ERR_OK;
}

/* What was written to a store that ends here, or that is lost. */
static bool change_is_nothing(const struct merge *m, uint32_t store)
{
    return (m->dropped_next > 0 && m->plan.dropped[m->dropped_next - 1] == store) ||
           (m->is_passed_over && m->passed_over == store);
}

/* Begin the next tree that something happens to, or leave the phase. */
static enum err trees_next(struct merge *m)
{
    const struct merge_plan *plan = &m->plan;
    const struct merge_change *change;
    uint64_t store = UINT64_MAX, dropped = UINT64_MAX, least;
    enum err e;

    if (m->renews_first) {
        m->renews_first = false;
        return rows_renew(m);
    }
    e = feed_peek(&m->feed, &change);
    if (e)
        return e;
    if (change)
        store = change->store;
    if (m->dropped_next < plan->dropped_count)
        dropped = plan->dropped[m->dropped_next];
    least = store < dropped ? store : dropped;
    least = least < PRIMARY_STORES_END ? least : PRIMARY_STORES_END;
    e = old_trees_push(m, least);
    if (e)
        return e;
    if (store == UINT64_MAX && dropped == UINT64_MAX) {
        merge_move(m, MERGE_SIDES);
        return counters_push(m, PRIMARY_STORES_END);
    }
    if (change && change_is_nothing(m, change->store)) {
        m->tree.work += change->key.size + change->value.size;
        feed_take(&m->feed);
        return ERR_OK;
    }
    if (dropped <= store) {
        m->dropped_next++;
        return drop_begin(m, (uint32_t)dropped);
    }
    change_begin(m, (uint32_t)store);
    return ERR_OK;
}

static enum err trees_step(struct merge *m, uint64_t work_max)
{
    enum err e;

    if (!m->tree_open)
        return trees_next(m);
    e = tree_merge_run(&m->tree, &m->feed, work_max);
    if (e && e != ERR_WAIT && m->tree.read_failed) {
        m->has_damage = true;
        m->damage.store = m->tree.store & ~PRIMARY_STORES_END;
        m->damage.is_lost = m->tree.is_side;
        m->damage.offset = m->tree.failed_at;
    }
    return e ? e : tree_close(m);
}

bool merge_found_damage(const struct merge *m, struct tree_damage *out)
{
    ASSERT(m->phase == MERGE_FAILED || !m->has_damage);
    *out = m->damage;
    return m->has_damage;
}

/* ---- side trees ---- */

/* Where the three lists of SIDES stand. */
struct sides_at {
    const struct tree_info *old;       /* of the old root */
    const struct tree_info *made;      /* in this merge */
    const struct tree_damage *planned; /* the plan's */
};

/* The next store in any of the lists, and what each has of it; false: there is none. */
static bool sides_least(const struct merge *m, struct sides_at *at, uint32_t *store)
{
    const struct root *from = m->plan.from;
    uint64_t least = UINT64_MAX;

    memset(at, 0, sizeof *at);
    if (m->old_next < from->count)
        at->old = &from->infos[m->old_next];
    if (m->side_next < m->side_count)
        at->made = &((const struct tree_info *)(const void *)m->sides.data)[m->side_next];
    if (m->damaged_next < m->plan.damaged_count)
        at->planned = &m->plan.damaged[m->damaged_next];
    if (at->old)
        least = at->old->store - PRIMARY_STORES_END;
    if (at->made && at->made->store - PRIMARY_STORES_END < least)
        least = at->made->store - PRIMARY_STORES_END;
    if (at->planned && at->planned->store < least)
        least = at->planned->store;
    *store = (uint32_t)least;
    if (at->old && at->old->store - PRIMARY_STORES_END != least)
        at->old = NULL;
    if (at->made && at->made->store - PRIMARY_STORES_END != least)
        at->made = NULL;
    if (at->planned && at->planned->store != least)
        at->planned = NULL;
    return least != UINT64_MAX;
}

static bool is_dropped(const struct merge *m, uint32_t store)
{
    for (size_t i = 0; i < m->plan.dropped_count; i++)
        if (m->plan.dropped[i] == store)
            return true;
    return false;
}

static enum err sides_next(struct merge *m)
{
    struct tree_info info = {0};
    struct tree_damage damage;
    struct sides_at at;
    uint32_t store;

    if (!sides_least(m, &at, &store)) {
        merge_move(m, MERGE_CATALOGUE);
        return ERR_OK;
    }
    m->old_next += at.old != NULL;
    m->side_next += at.made != NULL;
    m->damaged_next += at.planned != NULL;
    if (is_dropped(m, store)) {
        if (!at.old)
            return ERR_OK;
        tree_merge_begin(&m->tree, at.old->store, at.old->height, &at.old->top, true);
        m->tree.skips_unreadable = true;
        m->tree_open = true;
        return ERR_OK;
    }
    if (!at.old && !at.made && !at.planned->is_lost && !root_find(m->plan.from, store))
        return ERR_OK; /* it has gone meanwhile; of what is lost there may never have been a tree */
    if (at.made)
        info = *at.made;
    else if (at.old)
        info = *at.old;
    info.store = store + PRIMARY_STORES_END;
    if (damage_find(m, store, &damage))
        info.counter = side_counter(&damage);
    return info_push(m, &info);
}

static enum err sides_step(struct merge *m, uint64_t work_max)
{
    enum err e;

    if (!m->tree_open)
        return sides_next(m);
    e = tree_merge_run(&m->tree, &m->feed, work_max); /* one that ends with its store */
    return e ? e : tree_close(m);
}

/* ---- the catalogue ---- */

/* The next difference between the old and the new infos, as a change of the catalogue tree. */
static enum err diff_next(void *context, struct merge_change *out)
{
    struct merge *m = context;
    const struct root *from = m->plan.from;

    for (;;) {
        const struct tree_info *old =
            m->diff_old < from->count ? &from->infos[m->diff_old] : NULL;
        const struct tree_info *new =
            m->diff_new < m->info_count ? &infos_of(m)[m->diff_new] : NULL;

        if (!old && !new)
            return ERR_END;
        out->store = ROOT_CATALOGUE;
        out->key = slice_make(m->diff_key, sizeof m->diff_key);
        out->value = SLICE_NONE;
        if (old && (!new || old->store < new->store)) {
            m->diff_old++;
            bytes_put_be32(m->diff_key, old->store);
            return ERR_OK;
        }
        m->diff_new++;
        if (old && old->store == new->store) {
            m->diff_old++;
            if (memcmp(old, new, sizeof *old) == 0)
                continue;
        }
        bytes_put_be32(m->diff_key, new->store);
        out->value = slice_make(m->diff_value, tree_info_encode(new, m->diff_value));
        return ERR_OK;
    }
}

_Static_assert(sizeof(struct tree_info) == 16 + sizeof(struct page_ptr),
               "infos are compared byte by byte: they have no holes");

/* The old tree of trees ends; a new one is made of what is known in memory. */
static enum err catalogue_drop_old(struct merge *m, uint64_t work_max)
{
    const struct root *from = m->plan.from;
    enum err e;

    if (!m->tree_open) {
        tree_merge_begin(&m->tree, ROOT_CATALOGUE, from->catalogue_height, &from->catalogue,
                         true);
        m->tree.skips_unreadable = true;
        m->tree_open = true;
    }
    e = tree_merge_run(&m->tree, &m->catalogue, work_max);
    if (e)
        return e;
    m->tree_open = false;
    m->old_is_dropped = true;
    m->diff_old = from->count; /* nothing is what it was */
    return ERR_OK;
}

static enum err catalogue_step(struct merge *m, uint64_t work_max)
{
    const struct root *from = m->plan.from;
    const struct merge_change *change;
    enum err e;

    if (m->renews_catalogue && !m->old_is_dropped)
        return catalogue_drop_old(m, work_max);
    if (!m->tree_open) {
        m->catalogue.input = (struct merge_input){m, diff_next};
        tree_merge_begin(&m->tree, ROOT_CATALOGUE,
                         m->renews_catalogue ? 0 : from->catalogue_height, &from->catalogue,
                         false);
        m->tree_open = true;
        e = feed_peek(&m->catalogue, &change);
        if (e)
            return e;
        if (!change) { /* all trees are what they were */
            merge_move(m, MERGE_FINISH);
            return ERR_OK;
        }
    }
    e = tree_merge_run(&m->tree, &m->catalogue, work_max);
    if (!e)
        merge_move(m, MERGE_FINISH);
    m->catalogue_failed = m->tree.read_failed;
    return e;
}

/* ---- the switch ---- */

static enum err sync_pages(struct merge *m)
{
    struct primary *p = m->p;

    if (p->os->ops->file_sync(p->file) == ERR_OK)
        return ERR_OK;
    p->failed = true;
    return failure_set_at(&m->failure, ERR_LOG_FAILED, PRIMARY_FILE, 0,
                          "the data file could not be synced");
}

/* Sync the pages, then let both slots name the new root. */
static enum err root_switch(struct merge *m)
{
    struct primary *p = m->p;
    struct slot slot;
    enum err e;

    e = sync_pages(m);
    if (e)
        return e;
    primary_slot_of(p, m->root, m->number + PRIMARY_NUMBERS_AHEAD, &slot);
    e = primary_write_slots(p, &slot, &m->limbo);
    if (e)
        return failure_set_at(&m->failure, e, PRIMARY_FILE,
                              (uint64_t)p->slot_first * SLOT_BYTES,
                              "a meta page could not be written");
    p->number_limit = slot.number_limit;
    return ERR_OK;
}

static enum err merge_finish(struct merge *m)
{
    struct primary *p = m->p;
    struct root_facts facts = m->plan.facts;
    enum err e;

    e = writer_flush(&m->writer);
    if (e)
        return e;
    facts.number = m->number;
    m->root = root_new(p->os, &facts, infos_of(m), m->info_count, &m->tree.top, m->tree.height);
    if (!m->root)
        return ERR_NOMEM;
    if (m->plan.durable) {
        e = root_switch(m);
        if (e)
            return e;
    }
    primary_trim_file(p, &m->file_bytes);
    space_count_only(m->replaced, &m->held);
    merge_move(m, MERGE_DONE);
    return ERR_OK;
}

/* ---- run ---- */

static void merge_fail(struct merge *m, enum err e)
{
    struct primary *p = m->p;

    m->result = e;
    failure_set(&m->failure, e, "amalgamation failed: %s", err_message(e));
    if (m->limbo)
        space_limbo(&p->space, m->made);
    else
        space_undo(&p->space, m->made);
    m->made = NULL;
    merge_move(m, MERGE_FAILED);
    primary_trim_file(p, &m->file_bytes);
}

static enum err merge_step(struct merge *m, uint64_t work_max)
{
    switch (m->phase) {
    case MERGE_RECLAIM:
        if (m->p->failed)
            return ERR_LOG_FAILED;
        primary_give_back(m->p);
        if (m->number >= m->p->number_limit)
            return primary_reserve_numbers(m->p, m->number); /* so many were no durable ones */
        if (!space_reclaim(&m->p->space, &m->held, &m->reclaiming))
            merge_move(m, MERGE_TREES);
        return ERR_OK;
    case MERGE_TREES: return trees_step(m, work_max);
    case MERGE_SIDES: return sides_step(m, work_max);
    case MERGE_CATALOGUE: return catalogue_step(m, work_max);
    case MERGE_FINISH: return merge_finish(m);
    case MERGE_DONE:
    case MERGE_FAILED: break;
    }
    ASSERT(!"a merge that is over is not run");
    return ERR_INTERNAL;
}

enum err merge_run(struct merge *m, uint64_t bytes_max)
{
    uint64_t work_max = m->tree.work + (bytes_max ? bytes_max : 1);
    enum err e = ERR_OK;

    if (m->phase == MERGE_FAILED)
        return m->result;
    while (m->phase < MERGE_DONE && m->phase != MERGE_FAILED) {
        if (m->tree.work >= work_max)
            return ERR_WAIT;
        e = merge_step(m, work_max);
        if (e == ERR_WAIT)
            return e;
        if (e) {
            merge_fail(m, e);
            return e;
        }
    }
    return ERR_OK;
}
