/* pulse.h - what keeps the database going: its next turn, the clock of the turn, what its owner
 * is told, and the requests that wait until there is room in the log or among the stages.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_PULSE_H
#define HOLDFAST_TXN_PULSE_H

#include "server/base/event.h"
#include "server/base/failure.h"
#include "server/txn/op.h"

struct db_events { /* called from the loop */
    void *context;
    /* There is something for db_turn; not called within db_turn. */
    void (*on_ready)(void *context);
    void (*on_failed)(void *context, const struct failure *why); /* the log has failed: final */
    /* Something for the log; facts is the event's struct (event.h). */
    void (*on_event)(void *context, enum event event, const void *facts);
};

struct pulse {
    struct db_events events;
    uint64_t now_ms;                   /* the clock at the beginning of the turn */
    struct list_link waiting_for_room; /* op.in_waiting */
    bool has_room_news;
    bool is_in_turn;
    bool is_wanted; /* a turn has asked for another one: told at its end */
    bool is_ready; /* events.on_ready was called and the turn has not begun yet */
};

void pulse_init(struct pulse *p, const struct db_events *events, uint64_t now_ms);

/* There is something to do in the next turn; in a turn: in the one behind it. */
void pulse_wake(struct pulse *p);
void pulse_turn_begin(struct pulse *p, uint64_t now_ms);
void pulse_turn_end(struct pulse *p);

/* PULSE_TELL(p, stage_freed, .stage = 1, .bytes = 2): tell whoever has the database. */
#define PULSE_TELL(p, name, ...) pulse_tell((p), EVENT_##name, EVENT_FACTS(name, __VA_ARGS__))
void pulse_tell(struct pulse *p, enum event event, const void *facts);

/* ERR_WAIT: the op is woken in the turn after pulse_room_changed. */
enum err pulse_wait_for_room(struct pulse *p, struct op *op);
void pulse_room_changed(struct pulse *p);
void pulse_wake_waiting(struct pulse *p); /* in a turn: whoever waits may look again */

#endif
