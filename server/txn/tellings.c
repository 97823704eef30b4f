#include "server/txn/tellings.h"

#include "server/base/assert.h"

#define TELLING_OF(link) LIST_ENTRY(link, struct telling, in_all)

void tellings_init(struct tellings *all)
{
    list_init(&all->all);
    list_init(&all->waiting);
}

struct telling *tellings_first(const struct tellings *all)
{
    ASSERT(all->all.next); /* after tellings_init */
    return list_is_empty(&all->all) ? NULL : TELLING_OF(all->all.next);
}

struct telling *tellings_last(const struct tellings *all)
{
    struct telling *last = list_is_empty(&all->all) ? NULL : TELLING_OF(all->all.previous);

    ASSERT(!last || last->commit >= tellings_oldest(all)); /* L-1 */
    return last;
}

void tellings_fini(struct tellings *all, struct os *os)
{
    struct telling *g;

    while ((g = tellings_first(all)) != NULL) {
        list_init(&g->schema_writers); /* they have ended before */
        telling_free(g, os);
    }
    ASSERT(tellings_are_over(all));
}

bool tellings_keep(struct tellings *all, struct os *os, struct telling *g)
{
    const struct telling *last = tellings_last(all);
    struct telling *kept = os_alloc(os, sizeof *kept);

    ASSERT(!last || last->commit < g->commit); /* L-1 */
    if (!kept)
        return false;
    *kept = *g;
    list_init(&kept->schema_writers);
    list_splice_back(&kept->schema_writers, &g->schema_writers);
    list_push_back(&all->all, &kept->in_all);
    return true;
}

void telling_free(struct telling *g, struct os *os)
{
    ASSERT(list_is_linked(&g->in_all) && list_is_empty(&g->schema_writers));
    list_remove(&g->in_all);
    os_free(os, g, sizeof *g);
}

uint64_t tellings_oldest(const struct tellings *all)
{
    const struct telling *first = tellings_first(all);

    ASSERT(!first || first->commit == first->stamp->commit);
    return first ? first->commit : UINT64_MAX;
}
