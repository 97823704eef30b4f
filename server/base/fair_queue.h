/* fair_queue.h - who is served next, where a few may ask for much more than the others.
 *
 * What waits stands in a line of its owner; the owners' lines are served in turn, one member each
 * time, so that how long an owner waits depends on how many owners wait, not on how much each of
 * them asks for. Within a line, first come, first served.
 * (Nagle, On Packet Switches with Infinite Storage, RFC 970, 1985.)
 *
 * A line is in at most one queue, and its members in no other line. A member may be taken out
 * with list_remove at any time: a line that is empty leaves when it is met.
 *
 * Threads: none of its own; whoever has the queue. */
#ifndef HOLDFAST_BASE_FAIR_QUEUE_H
#define HOLDFAST_BASE_FAIR_QUEUE_H

#include "server/base/list.h"

struct fair_queue {
    struct list_link lines; /* fair_line.in_queue: who is next */
};

struct fair_line {
    struct list_link in_queue;
    struct list_link members; /* of a type, and by a link, that the user of the queue knows */
};

static inline void fair_queue_init(struct fair_queue *q)
{
    list_init(&q->lines);
}

static inline void fair_line_init(struct fair_line *line)
{
    list_init(&line->in_queue);
    list_init(&line->members);
}

/* Nobody stands in it. */
void fair_line_fini(struct fair_line *line);

static inline void fair_queue_push(struct fair_queue *q, struct fair_line *line,
                                   struct list_link *member)
{
    if (!list_is_linked(&line->in_queue))
        list_push_back(&q->lines, &line->in_queue);
    list_push_back(&line->members, member);
}

/* Who is next: it is taken out, and its owner's line goes behind the others. NULL: nobody waits. */
static inline struct list_link *fair_queue_take(struct fair_queue *q)
{
    struct list_link *first, *member;

    while ((first = list_first(&q->lines)) != NULL) {
        struct fair_line *line = LIST_ENTRY(first, struct fair_line, in_queue);

        list_remove(first);
        member = list_first(&line->members);
        if (!member)
            continue;
        list_remove(member);
        if (!list_is_empty(&line->members))
            list_push_back(&q->lines, first);
        return member;
    }
    return NULL;
}

/* Nobody waits. */
bool fair_queue_is_empty(struct fair_queue *q);

#endif
