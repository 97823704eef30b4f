/* lane.c - transactions and cursors by their numbers: making and ending them.
 *
 * See session.h for what a lane is. */
#include "server/net/server.h"
#include "server/net/session.h"

#include "server/base/assert.h"

#include <stdlib.h>

struct lane *lane_new(struct session *s)
{
    struct lane *lane = pool_take(&s->server->lanes);

    if (!lane)
        return NULL;
    lane->session = s;
    account_add(&s->account, ACCOUNT_HANDLES, sizeof *lane);
    lane->users = 1;
    list_init(&lane->queue);
    list_init(&lane->answers);
    list_init(&lane->cursors);
    list_push_back(&s->lanes, &lane->in_session);
    s->lane_count++;
    return lane;
}

void lane_unref(struct lane *lane)
{
    if (--lane->users)
        return;
    ASSERT(!lane->txn && !lane->running && list_is_empty(&lane->cursors));
    ASSERT(list_is_empty(&lane->queue) && list_is_empty(&lane->answers));
    if (lane->late) {
        failure_clear(lane->late);
        free(lane->late);
    }
    list_remove(&lane->in_session);
    lane->session->lane_count--;
    account_sub(&lane->session->account, ACCOUNT_HANDLES, sizeof *lane);
    pool_give(&lane->session->server->lanes, lane);
}

void lane_close_cursors(struct lane *lane)
{
    LIST_EACH_SAFE (link, &lane->cursors) {
        session_cursor_close(lane->session, LIST_ENTRY(link, struct session_cursor, in_lane));
    }
}

void lane_end(struct lane *lane)
{
    ASSERT(list_is_empty(&lane->cursors));
    lane->txn = NULL;
    lane->session->server->handles_open -= lane->is_counted;
    lane->is_counted = false;
    if (lane->t && number_map_find(&lane->session->transactions, lane->t) == lane)
        number_map_remove(&lane->session->transactions, lane->t);
    lane_unref(lane);
}

struct session_cursor *session_cursor_new(struct session *s, struct lane *lane,
                                          struct cursor *core)
{
    struct session_cursor *cursor = pool_take(&s->server->cursors);

    if (!cursor)
        return NULL;
    do {
        s->next_cursor++;
    } while (s->next_cursor == 0 || number_map_find(&s->cursors, s->next_cursor));
    if (!number_map_add(&s->cursors, s->next_cursor, cursor)) {
        pool_give(&s->server->cursors, cursor);
        return NULL;
    }
    cursor->number = s->next_cursor;
    cursor->core = core;
    cursor->bytes = sizeof *cursor + cursor_bytes(core);
    account_add(&s->account, ACCOUNT_HANDLES, cursor->bytes);
    cursor->lane = lane;
    cursor->used_ms = server_now(s->server);
    lane->users++;
    list_push_back(&lane->cursors, &cursor->in_lane);
    list_push_back(&s->cursor_list, &cursor->in_session);
    return cursor;
}

void session_cursor_take_back(struct session *s, struct session_cursor *cursor)
{
    if (cursor->pages == 1) { /* nobody has been told of it */
        session_cursor_close(s, cursor);
        return;
    }
    cursor->reverse = cursor->mark_reverse;
    cursor->left = cursor->mark_left;
    cursor->has_ended = false;
    cursor_back(cursor->core);
}

void session_cursor_close(struct session *s, struct session_cursor *cursor)
{
    number_map_remove(&s->cursors, cursor->number);
    list_remove(&cursor->in_lane);
    list_remove(&cursor->in_session);
    cursor_close(cursor->core);
    account_sub(&s->account, ACCOUNT_HANDLES, cursor->bytes);
    lane_unref(cursor->lane);
    pool_give(&s->server->cursors, cursor);
}
