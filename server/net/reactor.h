/* reactor.h - what the next turn of the loop has to do: who has work, who has output, what
 * has a time.
 *
 * It stands below everything that works in turns, and knows no sockets, sessions or
 * database: whoever wants to be served is a member, with its links in its own memory, so
 * asking for a turn cannot fail. The turn itself (turn.c) takes the lists and serves them.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_REACTOR_H
#define HOLDFAST_NET_REACTOR_H

#include "server/base/deadline.h"

#include <uv.h>

struct reactor_member {
    bool is_gone; /* it gets no turns any more */
    bool stuck;   /* it cannot take another message now, though one may be there */
    struct list_link in_ready;
    struct list_link in_flush;
    struct list_link in_ending;
};

struct reactor {
    uv_loop_t *loop;          /* borrowed */
    bool due;                 /* the core wants a turn */
    uint64_t tick_at_ms;      /* when db_tick is to be called; UINT64_MAX: not */
    struct list_link ready;   /* reactor_member.in_ready */
    struct list_link starved; /* reactor_member.in_ready: until others have been answered */
    struct list_link flush;   /* reactor_member.in_flush */
    struct list_link told;    /* request.in_queue: the core has decided on their replies */
    struct list_link ending;  /* reactor_member.in_ending: what they left open is being ended */
    struct deadline_wheel deadlines;
};

void reactor_init(struct reactor *r, uv_loop_t *loop);
void reactor_member_init(struct reactor_member *m);

static inline uint64_t reactor_now(const struct reactor *r)
{
    return uv_now(r->loop);
}

/* The member gets a share of the next turn. */
void reactor_ready(struct reactor *r, struct reactor_member *m);
/* The same, but only when the first of those who wait so is woken. */
void reactor_starve(struct reactor *r, struct reactor_member *m);
void reactor_wake_starved(struct reactor *r);
/* The member has output. */
void reactor_flush_later(struct reactor *r, struct reactor_member *m);
/* What the member has left open is ended in the turns to come. */
void reactor_end(struct reactor *r, struct reactor_member *m);
void reactor_ended(struct reactor_member *m);
/* No turns any more, but for that: it is in no other list from now on. */
void reactor_leave(struct reactor_member *m);

/* Something was begun that has a time limit: call db_tick no later than in ms from now. */
void reactor_tick_within(struct reactor *r, uint64_t ms);

/* Whether the next turn has something to do at once. */
bool reactor_has_work(const struct reactor *r);

#endif
