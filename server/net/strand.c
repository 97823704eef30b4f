/* strand.c - transactions and cursors by their numbers: making and ending them.
 *
 * See strand.h for what a strand is. */
#include "server/net/strand.h"

#include "server/base/assert.h"

#include <stdlib.h>

struct strand *strand_new(struct session *s)
{
    struct strand *strand = pool_take(&s->server->strands);

    if (!strand)
        return NULL;
    strand->session = s;
    account_add(&s->account, ACCOUNT_HANDLES, sizeof *strand);
    strand->users = 1;
    strand->cuts = s->user ? s->user->cuts : 0;
    list_init(&strand->queue);
    list_init(&strand->answers);
    list_init(&strand->cursors);
    list_init(&strand->in_pushes);
    list_push_back(&s->strands, &strand->in_session);
    s->strand_count++;
    return strand;
}

void strand_unref(struct strand *strand)
{
    ASSERT(strand->users > 0);
    if (--strand->users)
        return;
    ASSERT(!strand->txn && !strand->running && list_is_empty(&strand->cursors));
    ASSERT(list_is_empty(&strand->queue) && list_is_empty(&strand->answers));
    if (strand->late) {
        failure_clear(strand->late);
        free(strand->late);
    }
    ASSERT(!strand->is_counted && !strand->push_waits && strand->session->strand_count > 0);
    list_remove(&strand->in_session);
    strand->session->strand_count--;
    account_sub(&strand->session->account, ACCOUNT_HANDLES,
                sizeof *strand + strand->lock_bytes);
    pool_give(&strand->session->server->strands, strand);
}

void strand_close_cursors(struct strand *strand)
{
    ASSERT(strand->users > 0);
    LIST_EACH_SAFE (link, &strand->cursors) {
        session_cursor_close(strand->session,
                             LIST_ENTRY(link, struct session_cursor, in_strand));
    }
}

void strand_count(struct strand *strand)
{
    ASSERT(strand->t && !strand->is_counted);
    strand->is_counted = true;
    strand->session->server->handles_open++;
    strand->session->peer->holds.transactions++;
}

static void strand_uncount(struct strand *strand)
{
    ASSERT(strand->session->server->handles_open >= strand->is_counted);        /* D-3 */
    ASSERT(strand->session->peer->holds.transactions >= strand->is_counted); /* D-5 */
    strand->session->server->handles_open -= strand->is_counted;
    strand->session->peer->holds.transactions -= strand->is_counted;
    strand->is_counted = false;
}

void strand_end(struct strand *strand)
{
    ASSERT(list_is_empty(&strand->cursors));
    strand->txn = NULL;
    list_remove(&strand->in_pushes);
    if (strand->push_waits)
        db_cancel_wait(&strand->push_wait);
    strand->push_waits = false;
    strand_uncount(strand);
    if (strand->t && number_map_find(&strand->session->transactions, strand->t) == strand)
        number_map_remove(&strand->session->transactions, strand->t);
    strand_unref(strand);
}

struct session_cursor *session_cursor_new(struct session *s, struct strand *strand,
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
    cursor->strand = strand;
    cursor->used_ms = server_now(s->server);
    strand->users++;
    list_push_back(&strand->cursors, &cursor->in_strand);
    list_push_back(&s->cursor_list, &cursor->in_session);
    return cursor;
}

void session_cursor_take_back(struct session *s, struct session_cursor *cursor)
{
    ASSERT(cursor->pages > 0 &&
           number_map_find(&s->cursors, cursor->number) == cursor); /* D-1 */
    if (cursor->pages == 1) { /* nobody has been told of it */
        session_cursor_close(s, cursor);
        return;
    }
    if (cursor->portal) {
        portal_take_back(cursor->portal);
        cursor->has_ended = false;
        return;
    }
    cursor->reverse = cursor->mark_reverse;
    cursor->left = cursor->mark_left;
    cursor->has_ended = false;
    cursor_back(cursor->core);
}

void session_cursor_close(struct session *s, struct session_cursor *cursor)
{
    ASSERT(cursor->strand->session == s && cursor->core);
    number_map_remove(&s->cursors, cursor->number);
    list_remove(&cursor->in_strand);
    list_remove(&cursor->in_session);
    if (cursor->portal)
        portal_free(cursor->portal);
    else
        cursor_close(cursor->core);
    account_sub(&s->account, ACCOUNT_HANDLES, cursor->bytes);
    strand_unref(cursor->strand);
    pool_give(&s->server->cursors, cursor);
}

void strand_close_idle(struct session *s, uint64_t before_ms)
{
    LIST_EACH_SAFE (link, &s->cursor_list) {
        struct session_cursor *cursor = LIST_ENTRY(link, struct session_cursor, in_session);

        if (!cursor->strand->t && !cursor->strand->running && cursor->used_ms < before_ms)
            session_cursor_close(s, cursor);
    }
}
