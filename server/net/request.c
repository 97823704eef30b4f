/* request.c - the life of a request, and where its reply is gathered.
 *
 * A reply is encoded straight into the session's output. When it may not go yet,
 * its bytes are taken back out into the request (`held`) and put there again
 * when it may; large ones change places with an empty output instead of being copied. */
#include "server/net/request.h"

#include "server/base/assert.h"
#include "server/net/reply.h"

#include <stdlib.h>

#define BIT(state) (1u << (state))
#define FREE_REQUESTS_MAX 4096 /* kept for later */
#define FRAME_KEEP_BYTES 4096 /* memory of a buffer that a free request may keep */
#define REPLY_HEAD_BYTES_MAX 8 /* [1, msgid, nil and the head of the array */

static const unsigned request_next[] = {
    [REQUEST_NEW] = BIT(REQUEST_QUEUED) | BIT(REQUEST_RUNNING),
    [REQUEST_QUEUED] = BIT(REQUEST_QUEUED) | BIT(REQUEST_RUNNABLE) | BIT(REQUEST_RUNNING) |
                       BIT(REQUEST_ANSWERING),
    [REQUEST_RUNNABLE] = BIT(REQUEST_RUNNING) | BIT(REQUEST_ANSWERING),
    [REQUEST_RUNNING] = BIT(REQUEST_WAITING) | BIT(REQUEST_ANSWERING),
    [REQUEST_WAITING] = BIT(REQUEST_RUNNABLE) | BIT(REQUEST_ANSWERING),
    [REQUEST_ANSWERING] = 0,
};

void request_move(struct request *r, enum request_state next)
{
    ASSERT(request_next[r->state] & BIT(next));
    r->state = next;
}

static void wake(struct op *op)
{
    struct request *r = LIST_ENTRY(op, struct request, op);

    if (r->state != REQUEST_WAITING)
        return;
    request_move(r, REQUEST_RUNNABLE);
    list_push_back(&r->session->runnable, &r->in_queue);
    session_ready(r->session);
}

struct request *request_new(struct session *s, const struct frame *frame)
{
    struct server *server = s->server;
    struct list_link *link = list_first(&server->free_requests);
    struct request *r;

    if (link) {
        list_remove(link);
        server->free_request_count--;
        r = LIST_ENTRY(link, struct request, in_queue);
    } else {
        r = calloc(1, sizeof *r);
        if (!r)
            return NULL;
        list_init(&r->in_queue);
        list_init(&r->in_answers);
        list_init(&r->in_begins);
        list_init(&r->in_blocked);
        list_init(&r->deadline.in_slot);
        failure_init(&r->op.failure);
    }
    ASSERT(!r->held.used && !r->frame.used);
    r->session = s;
    r->strand = NULL;
    r->state = REQUEST_NEW;
    r->notification = frame->kind == FRAME_NOTIFICATION;
    r->bad = r->failed_txn = r->has_index = r->commits = r->ready = false;
    r->cancelled = r->cancel_keeps = r->gives_up = r->is_behind = false;
    r->waits_told = r->has_task = r->task_done = r->has_check = false;
    r->msgid = frame->msgid;
    r->number = ++s->requests_taken;
    r->began_ns = s->input_ns;
    r->method = NULL;
    r->params = frame->params;
    r->commit = 0;
    r->cursor = 0;
    r->page = 0;
    r->deadline.at_ms = 0;
    r->run = NULL;
    op_init(&r->op, server->db, wake);
    account_add(&s->account, ACCOUNT_REQUESTS, sizeof *r);
    net_buffer_charge(&r->frame, &s->account, ACCOUNT_REQUESTS);
    net_buffer_charge(&r->held, &s->account, ACCOUNT_REPLIES);
    list_push_back(&s->requests, &r->in_session);
    s->request_count++;
    server->request_count++;
    return r;
}

static void free_for_good(struct request *r)
{
    net_buffer_fini(&r->held);
    net_buffer_fini(&r->frame);
    free(r);
}

void request_free_spare(struct server *server)
{
    LIST_EACH_SAFE (link, &server->free_requests) {
        free_for_good(LIST_ENTRY(link, struct request, in_queue));
    }
}

size_t request_free_bytes(const struct server *server)
{
    size_t bytes = 0;

    LIST_EACH (link, &server->free_requests) {
        const struct request *r = LIST_ENTRY(link, struct request, in_queue);

        bytes += sizeof *r + r->held.room + r->frame.room;
    }
    return bytes;
}

void request_behind(struct request *r)
{
    if (r->is_behind)
        return;
    r->is_behind = true;
    r->session->behind_locks++;
    r->session->server->behind_locks++;
}

void request_not_behind(struct request *r)
{
    if (!r->is_behind)
        return;
    ASSERT(r->session->behind_locks > 0 && r->session->server->behind_locks > 0); /* D-1 */
    r->is_behind = false;
    r->session->behind_locks--;
    r->session->server->behind_locks--;
}

static void give_back(struct server *server, struct request *r)
{
    if (server_requests(server) < server->options.requests)
        reactor_wake_starved(&server->reactor);
    if (server->free_request_count >= FREE_REQUESTS_MAX) {
        free_for_good(r);
        return;
    }
    server->free_request_count++;
    list_push_front(&server->free_requests, &r->in_queue);
}

/* Its reply has been let go: where that was the last page, the cursor is over. */
static void end_cursor(struct request *r)
{
    struct session_cursor *c =
        r->cursor ? number_map_find(&r->session->cursors, r->cursor) : NULL;

    if (c && c->has_ended && c->pages == r->page)
        session_cursor_close(r->session, c);
}

static void run_free(struct run *run)
{
    struct server *server = execution_session(&run->execution)->server;

    execution_fini(&run->execution);
    account_sub(&execution_session(&run->execution)->account, ACCOUNT_REQUESTS, sizeof *run);
    pool_give(&server->runs, run);
}

void request_free(struct request *r)
{
    struct session *s = r->session;
    struct server *server = s->server;

    ASSERT(!r->waits_told && !r->has_task && !r->has_check); /* */
    ASSERT(!r->strand || r->strand->running != r);             /* */
    deadline_remove(&server->reactor.deadlines, &r->deadline);
    list_remove(&r->in_session);
    list_remove(&r->in_queue);
    list_remove(&r->in_answers);
    list_remove(&r->in_begins);
    request_not_behind(r);
    list_remove(&r->in_blocked);
    if (!r->notification && number_map_find(&s->in_flight, r->msgid) == r)
        number_map_remove(&s->in_flight, r->msgid);
    if (s->barrier == r)
        s->barrier = NULL;
    end_cursor(r);
    if (r->run) {
        run_free(r->run);
        r->run = NULL;
    }
    ASSERT(r->held.used <=
           (r->state == REQUEST_ANSWERING ? s->held_bytes : s->partial_bytes)); /* */
    *(r->state == REQUEST_ANSWERING ? &s->held_bytes : &s->partial_bytes) -= r->held.used;
    net_buffer_clear(&r->held, FRAME_KEEP_BYTES);
    net_buffer_clear(&r->frame, FRAME_KEEP_BYTES);
    net_buffer_charge(&r->held, NULL, ACCOUNT_REPLIES);
    net_buffer_charge(&r->frame, NULL, ACCOUNT_REQUESTS);
    account_sub(&s->account, ACCOUNT_REQUESTS, sizeof *r);
    failure_clear(&r->op.failure);
    if (r->strand) {
        strand_unref(r->strand);
        r->strand = NULL;
    }
    ASSERT(s->request_count > 0); /* D-3 */
    s->request_count--;
    server->request_count--;
    if (s->member.stuck)
        session_ready(s); /* there may be room for the next one */
    give_back(server, r);
}

enum err request_keep(struct request *r)
{
    struct failure ignored;
    struct slice params = r->params;

    if (slice_is_none(params) || params.data == r->frame.data)
        return ERR_OK;
    net_buffer_append(&r->frame, params.data, params.size);
    if (r->frame.failed)
        return failure_set(&r->op.failure, ERR_NOMEM, "out of memory for a waiting request");
    r->params = slice_make(r->frame.data, r->frame.used);
    if (r->bad || !r->method)
        return ERR_OK;
    failure_init(&ignored);
    return call_read(&r->call, r->method, r->params, false, &ignored);
}

/* Outside of a transaction a cursor has a strand of its own, in which this request is first:
 * clients can guess the cursor's number. */
static struct strand *own_strand(struct request *r)
{
    struct strand *strand = strand_new(r->session);

    if (strand) {
        r->strand = strand; /* its one user so far is the request */
        strand->running = r;
    }
    return strand;
}

struct session_cursor *request_open_cursor(struct request *r, struct cursor *core)
{
    struct strand *strand = r->strand ? r->strand : own_strand(r);
    struct session_cursor *c = strand ? session_cursor_new(r->session, strand, core) : NULL;

    if (c) {
        c->pages = 1;
        c->decided = r->op.decided;
    }
    return c;
}

void request_reply_begin(struct request *r)
{
    struct execution *w = &r->execution;
    uint8_t *head;
    size_t size;

    if (r->held.used) { /* the last turn left a beginning */
        ASSERT(r->session->partial_bytes >= r->held.used); /* */
        r->session->partial_bytes -= r->held.used;
        w->out = &r->held;
        w->base = 0;
        return;
    }
    w->out = r->session->out;
    w->base = w->out->used;
    head = net_buffer_reserve(w->out, REPLY_HEAD_BYTES_MAX);
    if (!head)
        return; /* failed is set */
    size = msgpack_put_array_head(head, 4);
    size += msgpack_put_uint(head + size, 1);
    size += msgpack_put_uint(head + size, r->msgid);
    size += msgpack_put_nil(head + size);
    ASSERT(size <= REPLY_HEAD_BYTES_MAX);
    w->out->used += size;
}

/* From the session's output into the request. */
static void take_back(struct request *r)
{
    struct execution *w = &r->execution;
    struct net_buffer *out = r->session->out;

    if (w->out == &r->held)
        return;
    ASSERT(w->out == out && w->base <= out->used && !r->held.used);
    if (w->base == 0 && out->used > FRAME_KEEP_BYTES && !r->held.room) {
        net_buffer_swap(out, &r->held);
    } else if (!out->failed) {
        net_buffer_append(&r->held, out->data + w->base, out->used - w->base);
        out->used = w->base;
    }
    w->out = &r->held;
    w->base = 0;
}

void request_reply_suspend(struct request *r, bool keep)
{
    struct execution *w = &r->execution;

    ASSERT(r->state == REQUEST_WAITING);
    /* What is not whole is counted apart: as held it would keep itself from going on. */
    if (keep) {
        take_back(r);
        r->session->partial_bytes += r->held.used;
    } else {
        w->out->used = w->base;
    }
}

void request_reply_error(struct request *r, enum err e)
{
    struct execution *w = &r->execution;
    struct reply_error error = {
        .error = r->failed_txn ? ERR_TXN_FAILED : e,
        .why = &r->op.failure,
        .has_index = r->has_index,
        .index = r->error_index,
        .maybe_committed = r->commits && r->commit,
        .guard = session_guard(r->session),
    };

    ASSERT(e && e != ERR_WAIT);
    if (!r->failed_txn && r->op.failure.error != e) { /* nobody said more than the code */
        failure_clear(&r->op.failure);
        failure_set(&r->op.failure, e, "%s", err_message(e));
    }
    w->out->used = w->base;
    put_array(w->out, 4);
    put_uint(w->out, 1);
    put_uint(w->out, r->msgid);
    reply_put_error(w->out, &error);
    put_nil(w->out);
    r->session->server->counters.errors++;
}

void request_reply_hold(struct request *r)
{
    ASSERT(r->state == REQUEST_ANSWERING);
    take_back(r);
    r->session->held_bytes += r->held.used;
}

/* For request_flush_together: what the next write holds, and whose it is. */
static void note_unflushed(struct request *r)
{
    struct session *s = r->session;
    struct strand *strand = r->strand;

    if (!list_is_linked(&s->member.in_flush)) {
        s->flush_number++;
        s->unflushed = 0;
    }
    s->unflushed++;
    if (!strand)
        return;
    if (strand->flush_number != s->flush_number)
        strand->unflushed = 0;
    strand->flush_number = s->flush_number;
    strand->unflushed++;
}

void request_flush_together(struct request *r)
{
    struct session *s = r->session;
    struct strand *strand = r->strand;

    if (!strand || strand->flush_number != s->flush_number)
        return;
    ASSERT(s->unflushed >= strand->unflushed);
    s->unflushed -= strand->unflushed;
    strand->unflushed = 0;
    if (!s->unflushed)
        list_remove(&s->member.in_flush);
}

void request_reply_release(struct request *r)
{
    struct session *s = r->session;
    struct net_buffer *out = s->out;

    if (r->held.failed)
        out->failed = true; /* the connection cannot go on */
    if (r->held.used) {
        ASSERT(s->held_bytes >= r->held.used); /* */
        s->held_bytes -= r->held.used;
        if (out->used == 0 && r->held.used > FRAME_KEEP_BYTES)
            net_buffer_swap(out, &r->held);
        else
            net_buffer_append(out, r->held.data, r->held.used);
        r->held.used = 0;
    }
    if (r->commit)
        db_note_answered(s->server->db, r->commit);
    latency_note(&s->server->latency, r->method, r->began_ns);
    note_unflushed(r);
    session_flush_later(s);
}
