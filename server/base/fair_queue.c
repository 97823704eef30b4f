/* fair_queue.c - see fair_queue.h. */
#include "server/base/fair_queue.h"

#include "server/base/assert.h"

static struct fair_line *line_of(struct list_link *link)
{
    return LIST_ENTRY(link, struct fair_line, in_queue);
}

void fair_line_fini(struct fair_line *line)
{
    ASSERT(list_is_empty(&line->members));
    list_remove(&line->in_queue);
}

bool fair_queue_is_empty(struct fair_queue *q)
{
    struct list_link *first;

    while ((first = list_first(&q->lines)) != NULL && list_is_empty(&line_of(first)->members))
        list_remove(first);
    return !first;
}
