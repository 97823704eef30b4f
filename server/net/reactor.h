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
#include "server/base/fair_queue.h"

#include <uv.h>

/* Whose the members are: one client (peers.h), whose members share what it gets. */
struct reactor_client {
    struct fair_line light, heavy, writing;
};

struct reactor_member {
    bool is_gone;    /* it gets no turns any more */
    bool stuck;      /* it cannot take another message now, though one may be there */
    bool is_heavy;   /* it used up its last share */
    bool is_starved; /* in_ready is in reactor.starved */
    uint64_t turn;   /* in which it had its last share */
    struct reactor_client *client; /* borrowed */
    struct list_link in_ready;
    struct list_link in_flush;
    struct list_link in_ending;
};

struct reactor {
    uv_loop_t *loop;          /* borrowed */
    bool due;                 /* the core wants a turn */
    uint64_t turn;            /* how many have begun */
    uint64_t tick_at_ms;      /* when db_tick is to be called; UINT64_MAX: not */
    struct fair_queue light;  /* reactor_member.in_ready: they need little, as far as is known */
    struct fair_queue heavy;  /* reactor_member.in_ready: they take all that they get */
    struct list_link served;  /* reactor_member.in_ready: in this turn, and they want another */
    struct list_link starved; /* reactor_member.in_ready: until others have been answered */
    struct list_link flush;   /* reactor_member.in_flush: they have new output */
    struct fair_queue writing; /* reactor_member.in_flush: they have more than a turn writes */
    struct list_link told;    /* request.in_queue: the core has decided on their replies */
    struct list_link ending;  /* reactor_member.in_ending: what they left open is being ended */
    struct deadline_wheel deadlines;
};

void reactor_init(struct reactor *r, uv_loop_t *loop);
void reactor_client_init(struct reactor_client *client);
/* It has no member any more. */
void reactor_client_fini(struct reactor_client *client);
void reactor_member_init(struct reactor_member *m, struct reactor_client *client);

static inline uint64_t reactor_now(const struct reactor *r)
{
    return uv_now(r->loop);
}

/* The member gets a share of the next turn. */
void reactor_ready(struct reactor *r, struct reactor_member *m);
/* The same, but only when the first of those who wait so is woken. */
void reactor_starve(struct reactor *r, struct reactor_member *m);
void reactor_wake_starved(struct reactor *r);

/* A turn begins: whoever had a share of the last one may have one again. */
void reactor_begin_turn(struct reactor *r);
/* Whose share is next; NULL: nobody is left. Each has one share of a turn at most. Those who need
 * little come first, but half of the turn is for the others; is_second_half: it has begun. */
struct reactor_member *reactor_next(struct reactor *r, bool is_second_half);

/* The member has new output: a part of it is written in this turn. */
void reactor_flush_later(struct reactor *r, struct reactor_member *m);
/* It has more output than was written so far: it goes on when the others have had their part. */
void reactor_flush_on(struct reactor *r, struct reactor_member *m);
/* What the member has left open is ended in the turns to come. */
void reactor_end(struct reactor *r, struct reactor_member *m);
void reactor_ended(struct reactor_member *m);
/* No turns any more, but for that: it is in no other list from now on. */
void reactor_leave(struct reactor_member *m);

/* Something was begun that has a time limit: call db_tick no later than in ms from now. */
void reactor_tick_within(struct reactor *r, uint64_t ms);

/* Whether the next turn has something to do at once. */
bool reactor_has_work(struct reactor *r);

#endif
