/* order.c - order: who starts, who runs, who is answered.
 *
 * The happy path is order_take: the request is read in place, executed, its
 * reply encoded into the output, and the request freed, all in one call. */
#include "server/net/order.h"

#include "server/base/assert.h"
#include "server/net/gate.h"
#include "server/net/push.h"
#include "server/net/queue.h"
#include "server/net/session_backup.h"
#include "server/net/session_opener.h"
#include "server/txn/decided.h"
#include "server/txn/lock_wait.h"

#include <inttypes.h>
#include <stdlib.h>

/* Whether it was at work or had not been begun. */
#define TOO_LATE "deadline exceeded before the request was finished"

static void run(struct request *r);

static bool ends_txn(const struct request *r)
{
    return r->method && r->method->flags & METHOD_ENDS;
}

/* ---- answering ---- */

/* What it asked of the core as an operator is asked no more, also by one that was cancelled. */
static void quit_tasks(struct request *r)
{
    if (r->has_task)
        db_cancel_task(&r->task);
    if (r->has_check)
        online_check_end(&r->check);
    r->has_task = r->has_check = false;
}

/* Give up whatever the request does in the core. */
static void quit_core(struct request *r)
{
    struct server *server = r->session->server;

    if (r->waits_told)
        db_cancel_wait(&r->wait);
    r->waits_told = false;
    quit_tasks(r);
    list_remove(&r->in_queue); /* runnable, or told */
    deadline_remove(&server->reactor.deadlines, &r->deadline);
    if (r->state == REQUEST_ANSWERING)
        return; /* it has left the core */
    execution_fini(&r->execution);
    op_fini(&r->op);
}

static void let_go(struct request *r)
{
    ASSERT(r->ready && !r->waits_told);
    if (!r->notification)
        request_reply_release(r);
    request_free(r);
}

/* Let go what is ready, up to the first that is not. */
static void strand_answer(struct strand *strand)
{
    strand->users++; /* the last request may take it along */
    while (!list_is_empty(&strand->answers)) {
        struct request *r =
            LIST_ENTRY(list_first(&strand->answers), struct request, in_answers);

        if (!r->ready)
            break;
        list_remove(&r->in_answers);
        let_go(r);
    }
    strand_unref(strand);
}

static void on_told(struct decided_wait *w, enum err e)
{
    struct request *r = LIST_ENTRY(w, struct request, wait);

    ASSERT(r->waits_told && r->state == REQUEST_ANSWERING && !r->ready);
    r->waits_told = false;
    r->told = e;
    list_remove(&r->in_queue);
    list_push_back(&r->session->server->reactor.told, &r->in_queue);
}

/* Keep the request in the books while its reply waits. */
static void stay(struct request *r)
{
    struct session *s = r->session;

    if (r->deadline.at_ms && !list_is_linked(&r->deadline.in_slot))
        deadline_add(&s->server->reactor.deadlines, &r->deadline);
    if (!r->notification && number_map_find(&s->in_flight, r->msgid) != r &&
        !number_map_add(&s->in_flight, r->msgid, r))
        session_hang_up(s, "out of memory");
}

/* The reply is encoded in work.out: let it go when the log and the order allow. */
static void answer(struct request *r, struct decided decided)
{
    struct strand *strand = r->strand;
    bool in_order = strand && !list_is_empty(&strand->answers);

    request_move(r, REQUEST_ANSWERING);
    if (r->notification) {
        struct session *s = r->session;

        r->execution.out->used = r->execution.base;
        r->held.used = 0;
        request_free(r);
        if (!s->request_count)
            session_ready(s); /* it may be at its end, and no reply says so */
        return;
    }
    r->wait.told = on_told;
    r->ready = db_wait_decided(r->session->server->db, decided, &r->wait);
    r->waits_told = !r->ready;
    if (r->ready && !in_order) {
        if (r->execution.out == &r->held)
            request_reply_hold(r);
        let_go(r);
        return;
    }
    request_reply_hold(r);
    stay(r);
    request_flush_together(r);
    if (strand)
        list_push_back(&strand->answers, &r->in_answers);
}

/* The reply, held, becomes another one. */
static void replace_reply(struct request *r, enum err e, const char *text)
{
    struct session *s = r->session;

    ASSERT(r->state == REQUEST_ANSWERING && s->held_bytes >= r->held.used); /* */
    s->held_bytes -= r->held.used;
    r->held.used = 0;
    failure_clear(&r->op.failure);
    failure_set(&r->op.failure, e, "%s", text);
    r->failed_txn = r->has_index = false;
    r->execution.out = &r->held;
    r->execution.base = 0;
    request_reply_error(r, e);
    s->held_bytes += r->held.used;
    r->commit = 0;
    r->ready = true;
}

static void answer_ready(struct request *r)
{
    if (r->strand)
        strand_answer(r->strand);
    else
        let_go(r);
}

void order_told(struct request *r, enum err e)
{
    if (e)
        replace_reply(
            r, e,
            r->commit
                ? "the WAL failed before the commit was durable; it may or may not survive the "
                  "restart"
                : "the WAL failed before the commit that this reply depends on was durable");
    r->ready = true;
    answer_ready(r);
}

/* ---- what waits for locks ---- */

/* A `begin` that waits for its lock: strand->waits. */
static void strand_begun(struct strand *strand, enum err e)
{
    if (!strand->waits)
        return;
    ASSERT(e || strand->txn); /* its lock has been granted */
    strand->waits = false;
    if (e) /* the handle is free; what stands behind it finds no transaction */
        strand_end(strand);
}

/* ---- finishing ---- */

/* why may be NULL. */
static bool dooms(const struct strand *strand, enum err e, const struct failure *why)
{
    if (!strand->carry_on)
        return true;
    if (e == ERR_TOO_LARGE && why && !slice_is_none(why->index))
        return false; /* as a record that an index refuses for any other reason */
    switch (err_class(e)) {
    case ERR_CLASS_CONFLICT:
    case ERR_CLASS_LIMIT:
    case ERR_CLASS_STORAGE:
    case ERR_CLASS_INTERNAL: return true;
    default: return false;
    }
}

static void strand_fail(struct strand *strand, const struct failure *why)
{
    if (strand->txn && !txn_failure(strand->txn))
        txn_doom(strand->txn, why);
}

/* It is no learning: it asks what has become of the transaction. */
static bool asks(const struct request *r)
{
    return r->method && r->method->flags & METHOD_ASKS;
}

/* r answers e. If the transaction is lost now, its owner has learnt it by that. */
static void strand_tell(struct strand *strand, const struct request *r)
{
    if (strand->txn && txn_failure(strand->txn) && !r->notification && !asks(r))
        strand->told = true;
}

/* The next of the strand may run. */
static void strand_advance(struct strand *strand)
{
    struct session *s = strand->session;
    struct list_link *link = list_first(&strand->queue);
    struct request *next;

    ASSERT(strand->running && !strand->waits); /* */
    strand->running = NULL;
    if (strand->late) {
        strand_fail(strand, strand->late);
        strand->told = true; /* that request has been answered so */
        failure_clear(strand->late);
        free(strand->late);
        strand->late = NULL;
    }
    if (!link)
        return;
    list_remove(link);
    next = LIST_ENTRY(link, struct request, in_queue);
    ASSERT(next->strand == strand && next->state == REQUEST_QUEUED); /* */
    strand->running = next;
    request_move(next, REQUEST_RUNNABLE);
    list_push_back(&s->runnable, &next->in_queue);
    session_ready(s);
}

/* The request has been executed, or will not be: e is its outcome. Its result is in
 * work.out unless e. */
static void finish(struct request *r, enum err e)
{
    struct session *s = r->session;
    struct strand *strand = r->strand;
    struct decided decided = r->op.decided;

    list_remove(&r->in_begins);
    if (r->op.committed) {
        r->commit = r->op.committed;
        r->commits = true;
        reactor_tick_within(&s->server->reactor, s->server->options.interval);
    }
    if (r->commit > s->last_commit)
        s->last_commit = r->commit;
    if (e)
        request_reply_error(r, e);
    if (strand && strand->running == r && request_begins(r))
        strand_begun(strand, e);
    if (e && strand && strand->running == r && !r->failed_txn && strand->t &&
        !(e == ERR_CANCELLED && r->cancel_keeps) && dooms(strand, e, &r->op.failure))
        strand_fail(strand, &r->op.failure);
    if (e && strand && strand->running == r)
        strand_tell(strand, r);
    if (s->events && strand && strand->txn)
        push_look(strand);
    quit_tasks(r);
    execution_fini(&r->execution);
    op_fini(&r->op);
    if (s->barrier == r)
        s->barrier = NULL;
    if (!list_is_empty(&s->queue) || !list_is_empty(&s->passing))
        session_ready(s);
    if (strand)
        decided_join(&strand->decided, decided);
    if (strand && strand->running == r) {
        strand->users++;
        strand_advance(strand);
        answer(r, decided);
        strand_unref(strand);
    } else {
        answer(r, decided);
    }
}

/* Finish a request that is not being run, with an error of our own. */
static void finish_early(struct request *r, enum err e, const char *text)
{
    ASSERT(r->state != REQUEST_RUNNING && r->state != REQUEST_ANSWERING);
    quit_core(r);
    failure_clear(&r->op.failure);
    op_init(&r->op, r->session->server->db, r->op.wake);
    failure_set(&r->op.failure, e, "%s", text);
    ASSERT(r->session->partial_bytes >= r->held.used); /* */
    r->session->partial_bytes -= r->held.used;
    r->held.used = 0;
    request_reply_begin(r);
    finish(r, e);
}

/* ---- running ---- */

/* Whether the request's transaction can be used; else the error to answer. */
static enum err check_strand(struct request *r)
{
    struct strand *strand = r->strand;
    enum err e;

    if (!strand || !strand->t || request_begins(r))
        return ERR_OK;
    if (!strand->txn && (!r->method || (r->method->flags & METHOD_CURSOR)))
        return ERR_OK; /* what it says itself is nearer: no such method, no such cursor */
    if (!strand->txn || (!ends_txn(r) && txn_failure(strand->txn)))
        failure_clear(&r->op.failure); /* what is wrong with the request itself is no matter */
    if (!strand->txn)
        return failure_set(&r->op.failure, ERR_NO_TXN,
                           "no open transaction has handle "
                           "%" PRIu32,
                           strand->t);
    if (ends_txn(r))
        return ERR_OK;
    if (txn_failure(strand->txn)) {
        e = txn_check(&r->op, strand->txn);
        r->failed_txn =
            strand->told && !asks(r); /* the first to learn of it answers the error itself */
        return e;
    }
    return ERR_OK;
}

static bool is_late(const struct request *r)
{
    return r->deadline.at_ms && server_now(r->session->server) >= r->deadline.at_ms;
}

/* A commit or rollback that is not understood ends its transaction all the same, so that what
 * stands behind it finds the handle free: nothing is applied. */
static enum err end_unread(struct request *r)
{
    struct txn *txn = r->strand ? r->strand->txn : NULL;
    enum err e = r->op.failure.error;

    if (!txn || !ends_txn(r))
        return e;
    if (txn_failure(txn))
        e = txn_check(&r->op, txn);
    if (e == ERR_WAIT)
        return e;
    strand_close_cursors(r->strand);
    strand_end(r->strand);
    txn_rollback(txn);
    return e;
}

/* The `begin` that it took back has been answered, and what stood between. */
static enum err answer_given_up(struct request *r)
{
    if (r->bad)
        return r->op.failure.error;
    put_nil(r->execution.out);
    return ERR_OK;
}

static enum err call_method(struct request *r)
{
    enum err e;

    if (is_late(r))
        return failure_set(&r->op.failure, ERR_DEADLINE, TOO_LATE);
    if (r->cancelled)
        return failure_set(&r->op.failure, ERR_CANCELLED, "the request was cancelled");
    if (r->gives_up)
        return answer_given_up(r);
    e = check_strand(r);
    if (e)
        return e;
    if (r->bad)
        return end_unread(r);
    r->execution.txn = r->strand ? r->strand->txn : NULL;
    return gate_call(&r->execution);
}

static void run(struct request *r)
{
    struct session *s = r->session;
    bool alone = !r->strand;
    enum err e;

    ASSERT(!list_is_linked(&r->in_queue)); /* */
    ASSERT(alone || r->strand->running == r); /* */
    request_move(r, REQUEST_RUNNING);
    request_not_behind(r);
    request_reply_begin(r);
    e = call_method(r);
    if (e != ERR_WAIT) {
        finish(r, e);
        return;
    }
    request_move(r, REQUEST_WAITING);
    request_reply_suspend(r, r->method->flags & METHOD_GOES_ON);
    if (alone && ((r->method->flags & METHOD_ORDERS) || r->execution.orders)) {
        ASSERT(!s->barrier || s->barrier == r); /* */
        s->barrier = r;
        s->unsifted = true;
    }
    if (request_keep(r)) {
        finish_early(r, ERR_NOMEM, "out of memory for a waiting request");
        return;
    }
    stay(r);
    if (lock_wait_is_on(&r->op) || r->op.claim)
        request_behind(r);
    if (r->execution.yields) {
        r->execution.yields = false;
        r->op.wake(&r->op);
    }
}

/* ---- starting ---- */

/* The strand that orders this request; NULL: none. */
static struct strand *strand_of(struct request *r)
{
    struct session *s = r->session;

    if (!r->method || (r->bad && request_begins(r)))
        return r->call.t ? number_map_find(&s->transactions, r->call.t) : NULL;
    if (r->method->flags & METHOD_TAKES_T)
        return r->call.t ? number_map_find(&s->transactions, r->call.t) : NULL;
    if ((r->method->flags & METHOD_CURSOR) && r->call.params[PARAM_ID_CURSOR].number &&
        r->call.params[PARAM_ID_CURSOR].number <= UINT32_MAX) {
        struct session_cursor *cursor =
            number_map_find(&s->cursors, (uint32_t)r->call.params[PARAM_ID_CURSOR].number);

        return cursor ? cursor->strand : NULL;
    }
    return NULL;
}

/* While t waits to begin, its `rollback` ends that: `begin` is answered, and then what stands
 * between them, which finds no transaction; and then the rollback. */
static void give_up(struct request *r)
{
    struct request *begin = r->strand->running;

    ASSERT(r->strand->waits && request_begins(begin) && begin->state != REQUEST_RUNNING);
    r->gives_up = true;
    finish_early(begin, ERR_NO_TXN, "rolled back while it was waiting for its lock");
}

/* In order of arrival, never while something before it holds it back. */
static void start(struct request *r)
{
    struct session *s = r->session;
    struct strand *strand = strand_of(r);

    r->op.after = s->last_commit;
    r->op.durability = server_durability(s->server);
    r->op.usage = &s->usage;
    if (s->database)
        op_use_database(&r->op, s->database);
    r->op.guard = session_guard(s);
    if (!strand && r->method && (r->method->flags & METHOD_TAKES_T) && r->call.t && !r->bad) {
        r->bad = true;
        failure_set(&r->op.failure, ERR_NO_TXN, "no open transaction has handle %" PRIu32,
                    r->call.t);
    }
    if (!strand) {
        run(r);
        return;
    }
    r->strand = strand;
    strand->users++;
    ASSERT(strand->session == s &&
           (strand->running || list_is_empty(&strand->queue))); /* */
    if (strand->running) {
        request_move(r, REQUEST_QUEUED);
        list_push_back(&strand->queue, &r->in_queue);
        if (request_keep(r))
            session_hang_up(s, "out of memory");
        stay(r);
        if (strand->waits)
            request_behind(r);
        if (strand->waits && r->method && r->method->flags & METHOD_GIVES_UP)
            give_up(r);
        return;
    }
    strand->running = r;
    run(r);
}

/* Find out what the request wants; what is wrong with it is told when its turn comes. */
static void read_request(struct request *r, const struct frame *frame)
{
    struct failure *f = &r->op.failure;

    if (frame->refused) {
        r->method = slice_is_none(frame->method) ? NULL : method_find(frame->method);
        r->call =
            (struct call){.method = r->method,
                          .t = r->method && r->method->flags & METHOD_OPENER ? 0 : frame->t};
        r->call.params[PARAM_ID_CURSOR].number = frame->t; /* of a method that takes a cursor */
        if (frame->limit)
            failure_set_limit(f, frame->limit, frame->limit_max, frame->limit_size,
                              "message too large: %s is %llu or more, the limit is %llu (%s)",
                              frame->limit, (unsigned long long)frame->limit_size,
                              (unsigned long long)frame->limit_max, frame->limit);
        else
            session_refuse(r->session, f, "message discarded");
    } else if (slice_is_none(frame->method)) {
        failure_set(f, ERR_BAD_REQUEST, "expected a method name (string)");
    } else {
        r->method = method_find(frame->method);
        if (!r->method)
            failure_set(f, ERR_BAD_REQUEST,
                        "unknown method \"%s\"; `describe` lists all methods",
                        text_show(frame->method));
        else
            call_read(&r->call, r->method, frame->params, false, f);
    }
    if (!r->method && !frame->refused) {
        r->call.t = call_handle_named(frame->params);
        r->call.given = 0;
    }
    r->bad = f->error != ERR_OK;
    if (!r->bad && call_has(&r->call, OPTION_ID_DEADLINE_MS)) {
        uint64_t ms = r->call.options[OPTION_ID_DEADLINE_MS].number;

        if (ms < UINT64_C(1) << 53)
            r->deadline.at_ms = server_now(r->session->server) + ms;
    }
    execution_init(&r->execution, r->session, r, &r->op, &r->call);
}

bool order_take(struct session *s, const struct frame *frame)
{
    struct request *r;

    if (frame->kind == FRAME_REQUEST && number_map_find(&s->in_flight, frame->msgid))
        return false;
    r = request_new(s, frame);
    if (!r) {
        session_hang_up(s, "out of memory");
        return true;
    }
    s->server->counters.requests++;
    s->used_ms = server_now(s->server);
    read_request(r, frame);
    if ((r->method && (r->method->flags & METHOD_AT_ONCE)) || queue_may_start(r)) {
        start(r);
        return true;
    }
    queue_add(r);
    if (request_keep(r))
        session_hang_up(s, "out of memory");
    stay(r);
    return true;
}

bool order_step(struct session *s, bool may_start)
{
    struct list_link *link = list_first(&s->runnable);
    struct request *r;

    if (link) {
        list_remove(link);
        r = LIST_ENTRY(link, struct request, in_queue);
        ASSERT(r->state == REQUEST_RUNNABLE && r->session == s); /* */
        run(r);
        return true;
    }
    r = queue_take(s, may_start);
    if (r)
        start(r);
    return r != NULL;
}

bool order_reads_on(struct session *s)
{
    struct list_link *link = list_first(&s->runnable);
    const struct request *r = link ? LIST_ENTRY(link, struct request, in_queue) : NULL;

    return r && r->method && !(r->method->flags & METHOD_WRITES) && !r->run;
}

/* ---- endings that are not the request's own ---- */

/* A page that is not told must come again. false: another one behind it has been begun, so this
 * one is told when it can be. */
static bool take_page_back(struct request *r)
{
    struct session *s = r->session;
    struct session_cursor *c = r->cursor ? number_map_find(&s->cursors, r->cursor) : NULL;

    if (c && c->pages != r->page)
        return false;
    if (c)
        session_cursor_take_back(s, c);
    r->cursor = 0;
    return true;
}

/* Whether a queued one that is given up may be answered before those in front of it. Behind others
 * of its strand it is answered in its turn; in the session's queue it may be, unless it belongs to
 * a transaction, whose begin may be in the queue itself. */
static bool may_pass_queue(struct request *r)
{
    return !r->strand && !strand_of(r) && (!r->call.t || request_begins(r));
}

void order_expired(struct request *r)
{
    struct strand *strand = r->strand;

    switch (r->state) {
    case REQUEST_QUEUED:
        if (may_pass_queue(r))
            finish_early(r, ERR_DEADLINE, TOO_LATE);
        break;
    case REQUEST_WAITING: finish_early(r, ERR_DEADLINE, TOO_LATE); break;
    case REQUEST_ANSWERING:
        if (r->ready || !take_page_back(r))
            break; /* the answer is known, only older ones are not */
        quit_core(r);
        replace_reply(
            r, ERR_DEADLINE,
            r->commit ? "deadline exceeded; the request was executed and will be durable soon"
                      : "deadline exceeded before the reply was durable");
        if (strand && strand->txn && dooms(strand, ERR_DEADLINE, NULL)) {
            if (!strand->running) {
                strand_fail(strand, &r->op.failure);
                strand_tell(strand, r);
            } else if (!strand->late && (strand->late = calloc(1, sizeof *strand->late)))
                failure_copy(strand->late, &r->op.failure);
        }
        answer_ready(r);
        break;
    default: break; /* it runs in this turn */
    }
}

/* By the flag alone: the one who asks is in the middle of its own reply, so this one is answered
 * when it runs, which is soon. */
void order_cancel(struct session *s, uint32_t msgid, const struct request *by, bool keeps)
{
    struct request *r = number_map_find(&s->in_flight, msgid);

    if (!r || r == by || r->state == REQUEST_ANSWERING)
        return;
    r->cancelled = true;
    r->cancel_keeps = keeps;
    if (r->state == REQUEST_WAITING || (r->state == REQUEST_QUEUED && may_pass_queue(r))) {
        list_remove(&r->in_queue);
        request_move(r, REQUEST_RUNNABLE);
        list_push_back(&s->runnable, &r->in_queue);
        session_ready(s);
    }
}

void order_fail(struct session *s, const struct failure *why, bool only_waits)
{
    /* Finishing one may start the next of its strand; so begin again until nothing changes. */
    for (bool again = true; again;) {
        again = false;
        LIST_EACH (link, &s->requests) {
            struct request *r = LIST_ENTRY(link, struct request, in_session);
            bool hit = only_waits ? r->has_task || lock_wait_is_on(&r->op) || r->op.claim
                                  : r->state != REQUEST_ANSWERING;

            if (hit) {
                finish_early(r, why->error, why->text);
                again = true;
                break;
            }
        }
    }
}

void order_end(struct session *s)
{
    push_end(s);
    LIST_EACH_SAFE (link, &s->requests) {
        struct request *r = LIST_ENTRY(link, struct request, in_session);

        quit_core(r);
        if (r->strand && r->strand->running == r) {
            r->strand->running = NULL;
            strand_begun(r->strand, ERR_NO_TXN);
        }
        request_free(r);
    }
    ASSERT(!s->request_count && !s->barrier && list_is_empty(&s->runnable));
    ASSERT(list_is_empty(&s->queue) && list_is_empty(&s->passing) && list_is_empty(&s->begins));
    reactor_end(&s->server->reactor, &s->member);
}

/* A transaction and its cursors; *steps is what is left. false: cursors are, too. */
static bool strand_end_some(struct strand *strand, unsigned *steps)
{
    struct txn *txn = strand->txn;

    ASSERT(txn && !strand->running); /* its requests have gone before */
    for (; !list_is_empty(&strand->cursors); --*steps) {
        if (!*steps)
            return false;
        session_cursor_close(strand->session, LIST_ENTRY(list_first(&strand->cursors),
                                                         struct session_cursor, in_strand));
    }
    strand_end(strand); /* frees the strand */
    txn_rollback(txn);
    return true;
}

bool order_end_some(struct session *s, unsigned *steps)
{
    ASSERT(list_is_empty(&s->requests));
    LIST_EACH_SAFE (link, &s->strands) { /* those without a transaction go with their cursor */
        struct strand *strand = LIST_ENTRY(link, struct strand, in_session);

        if (!*steps)
            return false;
        --*steps;
        if (strand->txn && !strand_end_some(strand, steps))
            return false;
    }
    for (; !list_is_empty(&s->cursor_list); --*steps) {
        if (!*steps)
            return false;
        session_cursor_close(
            s, LIST_ENTRY(list_first(&s->cursor_list), struct session_cursor, in_session));
    }
    session_backups_close(s, UINT64_MAX);
    for (; !list_is_empty(&s->opener_list); --*steps) {
        if (!*steps)
            return false;
        session_opener_end(
            LIST_ENTRY(list_first(&s->opener_list), struct session_opener, in_session));
    }
    ASSERT(list_is_empty(&s->strands));
    ASSERT(s->usage.writes == 0 && s->usage.reads == 0);
    ASSERT(s->request_count == 0 && s->strand_count == 0 && s->held_bytes == 0 &&
           s->partial_bytes == 0);
    number_map_fini(&s->transactions);
    number_map_fini(&s->cursors);
    number_map_fini(&s->openers);
    number_map_fini(&s->in_flight);
    ASSERT(!s->behind_locks && list_is_empty(&s->cursor_list) && list_is_empty(&s->backups));
    session_bind(s, NULL);
    reactor_ended(&s->member);
    return true;
}
