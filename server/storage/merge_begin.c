/* merge_begin.c - the two ends of a merge, on the loop: what it is given, and what becomes of what
 * it has made. */
#include "server/storage/merge_internal.h"

void merge_free(struct primary *p, struct merge *m)
{
    writer_fini(&m->writer);
    tree_merge_fini(&m->tree);
    scratch_fini(p->os, &m->infos);
    scratch_fini(p->os, &m->sides);
    space_batch_free(p->os, m->replaced);
    space_batch_free(p->os, m->made);
    primary_held_fini(p, &m->held);
    if (m->root)
        root_free(p->os, m->root);
    failure_clear(&m->failure);
    os_free(p->os, m, sizeof *m);
}

/* Roots that were made after `from` are left aside; number is the next one's. */
static void line_branch(struct primary *p, struct root *from, uint64_t number)
{
    space_branch(&p->space, from->facts.number, number);
    LIST_EACH (link, &p->roots) {
        struct root *r = LIST_ENTRY(link, struct root, in_roots);

        if (r->facts.number > from->facts.number)
            r->aside = true;
    }
}

enum err primary_merge_begin(struct primary *p, const struct merge_plan *plan,
                             struct merge **out)
{
    struct merge *m = os_alloc(p->os, sizeof *m);
    enum err e;

    *out = NULL;
    ASSERT(!p->merge && !p->reclaim && !p->spill_writer && !plan->from->aside);
    ASSERT(plan->from->facts.number >= p->durable->facts.number);
    if (!m)
        return ERR_NOMEM;
    memset(m, 0, sizeof *m);
    m->p = p;
    m->plan = *plan;
    m->feed.input = plan->input;
    m->number = p->number_next;
    m->replaced = space_batch_new(p->os, m->number);
    m->made = space_batch_new(p->os, m->number);
    e = ERR_NOMEM;
    if (m->replaced && m->made)
        e = primary_held(p, &m->held);
    if (!e)
        e = writer_init(&m->writer, p->os, p->file, &p->space.map, &m->made->list, m->number,
                        p->cache.limit / 4);
    if (e) {
        merge_free(p, m);
        return e;
    }
    m->writer.writes_twice = true;
    m->renews_rows = m->renews_first = p->renews_rows;
    m->renews_catalogue = p->renews_catalogue;
    tree_merge_init(&m->tree, p->os, p->file, &p->cache, &m->writer, &m->replaced->list,
                    &m->failure, p->page_bytes);
    line_branch(p, plan->from, m->number);
    root_ref(plan->from);
    primary_take_let_go(p);
    ASSERT(merge_is_sane(m) && m->phase == MERGE_RECLAIM);
    p->number_next++;
    p->merge = m;
    *out = m;
    return ERR_OK;
}

/* The new root is everybody's. */
static void merge_publish(struct primary *p, struct merge *m)
{
    ASSERT(m->root && m->replaced && m->made);
    ASSERT(m->root->facts.number == m->number);
    while (m->writer.kept) {
        struct page *page = m->writer.kept;

        m->writer.kept = page->hash_next;
        cache_insert_take(&p->cache, page);
    }
    cache_trim(&p->cache);
    primary_note_only(p, &m->held);
    space_merged(&p->space, m->replaced, m->made, m->plan.durable);
    p->leaked_units += m->tree.hidden_units;
    m->replaced = m->made = NULL;
    primary_roots_add(p, m->root);
    if (m->plan.durable) {
        ASSERT(m->root->facts.number > p->durable->facts.number);
        root_unref(p->durable);
        p->durable = root_ref(m->root);
        p->renews_rows = p->renews_rows && !m->renews_rows;
        p->renews_catalogue = p->renews_catalogue && !m->renews_catalogue;
    }
    m->root = NULL;
}

enum err primary_merge_end(struct primary *p, struct merge *m, struct root **out,
                           struct failure *f)
{
    struct root *from = m->plan.from;
    enum err e = m->phase == MERGE_DONE ? ERR_OK : m->result;

    ASSERT(p->merge == m && (m->phase == MERGE_DONE || m->phase == MERGE_FAILED));
    ASSERT(merge_is_sane(m));
    *out = NULL;
    p->renews_catalogue = p->renews_catalogue || m->catalogue_failed;
    if (m->tree.bad_copy &&
        !(m->tree.bad_copy_store == ROOT_CATALOGUE ? m->renews_catalogue : m->renews_rows))
        primary_bad_copy(p, m->tree.bad_copy_store, m->tree.bad_copy);
    p->last.pages_written += m->writer.pages_written;
    p->last.bytes_written += m->writer.bytes_written;
    if (m->file_bytes)
        p->last.file_bytes = m->file_bytes;
    if (e == ERR_OK) {
        *out = m->root;
        merge_publish(p, m);
    } else if (f) {
        failure_copy(f, &m->failure);
    }
    root_unref(from);
    p->merge = NULL;
    merge_free(p, m);
    primary_note_space(p);
    return e;
}
