/* list_walk.h - a walk over a list that goes on later, while elements come and go.
 *
 * The walk stands at an element; whoever takes an element out of the list says so first
 * (list_walks_leave), and the walks that stand there go on to the next one. New elements at the
 * end are met. Few walks are under way at a time, so that taking out stays cheap. */
#ifndef HOLDFAST_BASE_LIST_WALK_H
#define HOLDFAST_BASE_LIST_WALK_H

#include "server/base/list.h"

#define LIST_WALKS_MAX 16 /* over one list at a time */

struct list_walks { /* over one list */
    struct list_link all;
    unsigned count;
};

struct list_walk { /* all zero: it has not begun */
    struct list_link in_walks;
    struct list_walks *walks; /* NULL: it is not under way */
    struct list_link *at;     /* the next element; the list's head: it is over */
};

static inline void list_walks_init(struct list_walks *walks)
{
    list_init(&walks->all);
    walks->count = 0;
}

/* false: too many are under way; try again later. Nothing if this one is. */
static inline bool list_walk_begin(struct list_walk *walk, struct list_walks *walks,
                                   struct list_link *head)
{
    if (walk->walks)
        return true;
    if (walks->count == LIST_WALKS_MAX)
        return false;
    walks->count++;
    list_push_back(&walks->all, &walk->in_walks);
    walk->walks = walks;
    walk->at = head->next;
    return true;
}

/* Nothing if it is not under way. */
static inline void list_walk_end(struct list_walk *walk)
{
    if (!walk->walks)
        return;
    walk->walks->count--;
    walk->walks = NULL;
    list_remove(&walk->in_walks);
}

/* The element is about to leave the list. */
static inline void list_walks_leave(struct list_walks *walks, const struct list_link *element)
{
    LIST_EACH (link, &walks->all) {
        struct list_walk *walk = LIST_ENTRY(link, struct list_walk, in_walks);

        if (walk->at == element)
            walk->at = element->next;
    }
}

#endif
