/* list.h - an intrusive, circular, doubly linked list.
 *
 * The link lives in the element, so that queueing cannot fail. A link that is
 * in no list points at itself, so that removing twice is harmless. */
#ifndef HOLDFAST_BASE_LIST_H
#define HOLDFAST_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
    struct list_link *next;
    struct list_link *previous;
};

/* The struct of TYPE whose MEMBER is at link. */
#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Walk head; the element at hand must stay in the list. */
#define LIST_EACH(link, head) \
    for (struct list_link *link = (head)->next; link != (head); link = link->next)

/* Walk head; the element at hand may be removed. */
#define LIST_EACH_SAFE(link, head)                                                            \
    for (struct list_link *link = (head)->next, *link##_next = link->next; link != (head);    \
         link = link##_next, link##_next = link->next)

static inline void list_init(struct list_link *head)
{
    head->next = head->previous = head;
}

static inline bool list_is_empty(const struct list_link *head)
{
    return head->next == head;
}

static inline void list_insert_after(struct list_link *position, struct list_link *link)
{
    link->next = position->next;
    link->previous = position;
    position->next->previous = link;
    position->next = link;
}

static inline void list_push_back(struct list_link *head, struct list_link *link)
{
    list_insert_after(head->previous, link);
}

static inline void list_push_front(struct list_link *head, struct list_link *link)
{
    list_insert_after(head, link);
}

static inline void list_remove(struct list_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_init(link);
}

static inline bool list_is_linked(const struct list_link *link)
{
    return link->next != link;
}

static inline struct list_link *list_first(struct list_link *head)
{
    return list_is_empty(head) ? NULL : head->next;
}

/* Move all of from to the end of to; from is empty then. */
static inline void list_splice_back(struct list_link *to, struct list_link *from)
{
    if (list_is_empty(from))
        return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    list_init(from);
}

#endif
