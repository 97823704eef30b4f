#include "server/txn/lock_wait.h"

#include "proto/msgpack.h"
#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/conflict.h"
#include "server/txn/db_struct.h"
#include "server/txn/decided.h"
#include "server/txn/guard.h"
#include "server/txn/lock_option.h"
#include "server/txn/lock_request.h"
#include "server/txn/losers.h"
#include "server/txn/numbers.h"
#include "server/txn/pulse.h"
#include "server/txn/txn.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_struct.h"
#include "server/txn/usage.h"

#define TIMEOUT_SLOT_MS 8
#define HOLDERS_MS 250 /* between two looks at those who have locks that others wait for */
#define REQUEST_OF(l) LIST_ENTRY(l, struct lock_request, lock)
#define GRANTING_OF(link) LIST_ENTRY(link, struct lock_request, in_granting)
#define WAITING_OF(link) REQUEST_OF(LIST_ENTRY(link, struct lock, in_state))

/* ---- asking ---- */

static struct lock_request *request_new(struct op *op)
{
    struct lock_request *r = os_alloc(op->db->os, sizeof *r);

    if (!r) {
        failure_set(&op->failure, ERR_NOMEM, "out of memory for a lock");
        return NULL;
    }
    memset(r, 0, sizeof *r);
    lock_init(&r->lock);
    failure_init(&r->failure);
    r->db = op->db;
    r->all = &op->db->lock_waits;
    r->database = op_database(op);
    r->op = op;
    r->lock.waiters = op->usage ? &usage_of_client(op->usage)->lock_waiters : NULL;
    ASSERT(r->database && r->lock.state == LOCK_OUT);
    list_init(&r->in_granting);
    list_init(&r->in_holding);
    list_init(&r->timeout.in_slot);
    r->since_ms = op->db->pulse.now_ms;
    return r;
}

static enum err refuse_names(struct op *op, uint64_t count)
{
    uint64_t max = op->db->options.lock_names_max;

    ASSERT(count > max);
    return failure_set_limit(&op->failure, "lock-names", max, count,
                             "lock: %llu store names, the limit is %llu (lock-names)",
                             (unsigned long long)count, (unsigned long long)max);
}

/* r, which waits, is one too many: of all that do, or of its client's. */
static enum err check_waiters(struct op *op, const struct lock_request *r)
{
    const struct db_options *o = &op->db->options;
    uint64_t all = lock_turns_of(op->db)->waiting_count;
    uint64_t own = r->lock.waiters ? *r->lock.waiters : 0;

    ASSERT(r->lock.state == LOCK_WAITING && own <= all && all > 0); /* K-3 */
    if (own > usage_share(o->lock_waiters_max, o->client_share))
        return failure_set(&op->failure, ERR_OVERLOADED,
                           "%llu requests of this client already wait for locks, which is the "
                           "limit for one client (client-share of lock-waiters); retry when "
                           "some have been answered",
                           (unsigned long long)own - 1);
    if (all > o->lock_waiters_max)
        return failure_set(&op->failure, ERR_OVERLOADED,
                           "%llu requests already wait for locks, which is the limit "
                           "(lock-waiters)",
                           (unsigned long long)o->lock_waiters_max);
    return ERR_OK;
}

/* Join the queues; the number of those that wait is bounded. */
static enum err request_enter(struct op *op, struct lock_request *r,
                              const struct lock_ask *asks, unsigned count, bool is_whole)
{
    struct db *db = op->db;

    ASSERT(r->lock.state == LOCK_OUT && r->database == op_database(op));
    if (lock_enter(&r->database->locks, &r->lock, asks, count, is_whole, db->pulse.now_ms))
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a lock");
    if (r->lock.state == LOCK_WAITING && check_waiters(op, r)) {
        lock_leave(&r->lock);
        return op->failure.error;
    }
    if (!numbers_left(&db->numbers, db->txns.count, db->wal, &db->pulse)) {
        lock_leave(&r->lock);
        return failure_set(&op->failure, ERR_OVERLOADED,
                           "waiting for transaction ids to be reserved in the WAL; retry");
    }
    ASSERT(r->lock.state == LOCK_WAITING || r->lock.state == LOCK_DUE); /* K-3 */
    ASSERT(db->numbers.last_version < db->numbers.reserved.version); /* V-1 */
    r->lock.version = ++db->numbers.last_version; /* rule 4; another one comes with the grant */
    if (r->lock.state == LOCK_WAITING && r->timeout.at_ms != UINT64_MAX)
        deadline_add(&db->lock_waits.timeouts, &r->timeout);
    return ERR_OK;
}

static enum err option_enter(struct op *op, struct lock_request *r,
                             const struct lock_option *option)
{
    uint64_t count = (uint64_t)option->counts[LOCK_SHARED] + option->counts[LOCK_EXCLUSIVE];
    struct lock_ask *asks = NULL;
    unsigned n = 0;
    enum err e;

    if (count > op->db->options.lock_names_max)
        return refuse_names(op, count);
    if (count && !(asks = os_alloc(op->db->os, count * sizeof *asks)))
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a lock");
    for (unsigned mode = 0; mode < LOCK_MODES; mode++) {
        struct msgpack_cursor at = msgpack_open(option->names[mode]);
        uint32_t names = 0;

        if (option->counts[mode])
            msgpack_read_array(&at, &names);
        for (; names; names--, n++) {
            asks[n].is_exclusive = mode == LOCK_EXCLUSIVE;
            msgpack_read_text(&at, &asks[n].name);
        }
    }
    ASSERT(n == count);
    e = request_enter(op, r, asks, n, option->is_whole);
    if (asks)
        os_free(op->db->os, asks, count * sizeof *asks);
    return e;
}

static uint64_t time_after(uint64_t now_ms, uint64_t ms)
{
    ASSERT(now_ms < UINT64_MAX);
    return ms < UINT64_MAX - now_ms ? now_ms + ms : UINT64_MAX;
}

static void keep_text(struct text_label *to, struct slice *text)
{
    text_label_set(to, *text);
    ASSERT(to->size <= TEXT_LABEL_BYTES_MAX);
    *text = text_label_of(to);
}

/* Who locks a store keeps others from it: that takes a right on its name, whether there is such a
 * store or not. The whole of a database is for those who may do anything in it. */
static enum err check_rights(struct op *op, const struct lock_option *option)
{
    static const unsigned needed[] = {
        [LOCK_SHARED] = GUARD_READ, [LOCK_EXCLUSIVE] = GUARD_WRITE};
    struct slice name;
    uint32_t count;
    enum err e = ERR_OK;

    if (!op->guard)
        return ERR_OK;
    if (option->is_whole)
        return op->guard->rights(op->guard, op, SLICE_NONE) & GUARD_WRITE
                   ? ERR_OK
                   : failure_set(&op->failure, ERR_FORBIDDEN,
                                 "permission denied: write on every store of the database");
    ASSERT(op->guard->rights);
    for (unsigned mode = 0; mode < LOCK_MODES; mode++) {
        struct msgpack_cursor at = msgpack_open(option->names[mode]);

        if (slice_is_none(option->names[mode]) || msgpack_read_array(&at, &count))
            continue;
        for (; count && !e && msgpack_read_text(&at, &name) == ERR_OK; count--)
            e = guard_check_name(op, name, needed[mode]);
    }
    return e;
}

static enum err begin_ask(struct op *op, const struct txn_options *options)
{
    struct lock_option option;
    struct lock_request *r;
    enum err e;

    ASSERT(!op->lock && !op->own);
    e = lock_option_read(options->lock, &option, &op->failure);
    if (!e)
        e = check_rights(op, &option);
    if (e)
        return e;
    if (options->read_only && (option.is_whole || option.counts[LOCK_EXCLUSIVE]))
        return failure_set(&op->failure, ERR_BAD_REQUEST,
                           "lock: a read-only transaction takes shared locks only");
    r = request_new(op);
    if (!r)
        return ERR_NOMEM;
    r->options = *options;
    keep_text(&r->label, &r->options.label);
    keep_text(&r->client, &r->options.client);
    r->timeout.at_ms = time_after(r->since_ms, options->wait_ms);
    r->limit = "wait_ms";
    e = option_enter(op, r, &option);
    if (e) {
        lock_request_free(r);
        return e;
    }
    ASSERT(r->op == op && !r->txn && !r->is_write);
    op->lock = r;
    return ERR_OK;
}

/* ---- the grant ---- */

static uint64_t steps_of(struct db *db)
{
    return db->txns.steps + lock_turns_of(db)->steps;
}

/* loser has written in that store, and a lock for it is granted to another. */
static void doom(struct lock_request *r, struct txn *loser, struct slice store)
{
    struct winner winner = {.version = r->lock.version, .label = text_label_of(&r->label)};
    struct failure why;

    ASSERT(loser->snapshot && loser->lock != r);
    failure_init(&why);
    conflict_describe_lock(&why, store, &winner);
    r->db->txns.steps += LOSERS_STEPS_A_LOSER;
    loser->winner_durability = DURABILITY_SYNC;
    txn_lose(loser, &why);
    failure_clear(&why);
}

/* Those who have written in the store. One that is leaving has lost already. Whoever has made the
 * store and loses takes the name with it, so it is looked for again. */
static bool doom_writers(struct lock_request *r, struct slice store, uint64_t until)
{
    struct store_name of = {r->database, store};
    struct list_link *writers;

    ASSERT(!slice_is_none(store) && !r->is_write);
    while ((writers = catalogue_writers(&r->db->catalogue, of)) && !list_is_empty(writers)) {
        struct txn_store *s = LIST_ENTRY(writers->next, struct txn_store, in_entry);

        list_remove(&s->in_entry);
        r->db->txns.steps++;
        if (s->txn->snapshot)
            doom(r, s->txn, store);
        if (steps_of(r->db) >= until)
            return false;
    }
    return true;
}

/* Those who have changed the store's definition: few ever do at a time. */
static bool doom_definers(struct lock_request *r, struct slice store, uint64_t until)
{
    struct store_name of = {r->database, store};

    ASSERT(!slice_is_none(store) && !r->is_write);
    LIST_EACH_SAFE (link, &r->db->txns.defining) {
        struct txn *t = LIST_ENTRY(link, struct txn, in_defining);
        const struct schema *s =
            catalogue_version(&r->db->catalogue, t, t->snapshot->commit, of);

        r->db->txns.steps++;
        if (!s || s->txn != t)
            continue;
        doom(r, t, store);
        if (steps_of(r->db) >= until)
            return false;
    }
    return true;
}

/* A store that t has written; the name of the definition, where it has written only those. */
static struct slice written_name(const struct txn *t)
{
    const struct txn_store *s = t->stores;

    ASSERT(s && s->txn == t && t->store_count > 0);
    while (s->next && s->schema->number == CATALOGUE_STORE)
        s = s->next;
    if (s->schema->number != CATALOGUE_STORE || list_is_empty(&t->schemas))
        return schema_name(s->schema);
    return schema_name(LIST_ENTRY(t->schemas.next, struct schema, in_queue));
}

/* Everybody who has written, when the database is locked. */
static bool doom_all(struct lock_request *r, uint64_t until)
{
    struct db *db = r->db;

    if (!list_walk_begin(&r->doomed_walk, &db->txns.open_walks, &db->txns.open))
        return false;
    ASSERT(r->lock.is_whole && !r->is_write);
    while (r->doomed_walk.at != &db->txns.open) {
        struct txn *t = LIST_ENTRY(r->doomed_walk.at, struct txn, in_open);

        r->doomed_walk.at = t->in_open.next;
        db->txns.steps++;
        if (t->snapshot && t->stores && t->database == r->database)
            doom(r, t, written_name(t));
        if (steps_of(db) >= until)
            return false;
    }
    list_walk_end(&r->doomed_walk);
    return true;
}

/* true: nobody is left who has written where the lock is. */
static bool doom_some(struct lock_request *r, uint64_t until)
{
    ASSERT(r->lock.state == LOCK_GRANTED && !r->txn); /* it counts for writers already */
    if (r->lock.is_whole)
        return doom_all(r, until);
    for (; r->doomed_parts < r->lock.part_count - 1; r->doomed_parts++) {
        const struct lock_part *p = &r->lock.parts[r->doomed_parts];

        if (p->is_exclusive && (!doom_writers(r, lock_part_name(p), until) ||
                                !doom_definers(r, lock_part_name(p), until)))
            return false;
    }
    return true;
}

/* It sees the newest commit, and its answers wait for that. */
static void begin_granted(struct lock_request *r)
{
    struct db *db = r->db;
    enum err e;

    ASSERT(r->lock.state == LOCK_GRANTED && !r->txn);
    r->options.version = r->lock.version;
    e = txn_begin_seen(r->op, &r->options, db->numbers.last_commit, &r->txn);
    if (e) {
        failure_copy(&r->failure, &r->op->failure);
        lock_leave(&r->lock);
        return;
    }
    ASSERT(r->txn->version == r->lock.version && !r->txn->lock);
    ASSERT(r->txn->snapshot->commit == db->numbers.last_commit); /* it sees the newest */
    r->txn->lock = r;
    list_push_back(&db->lock_waits.holding, &r->in_holding);
    db->lock_waits.holding_count++;
    r->synced = db->numbers.last_to_sync;
    r->written = db->numbers.last_commit;
}

/* It counts for writers from now on, and has its version. false: it has not, and is done with. */
static bool request_hold(struct lock_request *r)
{
    struct db *db = r->db;

    ASSERT(r->lock.state == LOCK_DUE && !r->failure.error);
    deadline_remove(&db->lock_waits.timeouts, &r->timeout);
    if (r->is_write) {
        lock_grant(&r->lock);
        return false;
    }
    if (!numbers_left(&db->numbers, db->txns.count, db->wal, &db->pulse)) {
        failure_set(&r->failure, ERR_OVERLOADED,
                    "waiting for transaction ids to be reserved in the WAL; retry");
        lock_leave(&r->lock);
        return false;
    }
    lock_grant(&r->lock);
    ASSERT(db->numbers.last_version < db->numbers.reserved.version); /* V-1 */
    r->lock.version = ++db->numbers.last_version; /* rule 4 */
    list_push_back(&db->lock_waits.granting, &r->in_granting);
    return true;
}

/* As far as the steps go. false: there is more to do. */
static bool request_go_on(struct lock_request *r, uint64_t until)
{
    ASSERT(list_is_linked(&r->in_granting) && !r->failure.error);
    if (!doom_some(r, until))
        return false;
    list_remove(&r->in_granting);
    begin_granted(r);
    return true;
}

static void request_wake(struct lock_request *r)
{
    ASSERT(r->op && r->op->lock == r);
    r->op->wake(r->op);
}

bool lock_wait_turn(struct db *db)
{
    uint64_t until = steps_of(db) + LOSERS_SLICES_A_TURN * (uint64_t)db->options.slice_steps;
    struct lock *lock = NULL;

    while (!list_is_empty(&db->lock_waits.granting) ||
           (lock = locks_due(lock_turns_of(db))) != NULL) {
        struct lock_request *r = NULL;

        if (steps_of(db) >= until)
            return true;
        if (!list_is_empty(&db->lock_waits.granting)) {
            r = GRANTING_OF(db->lock_waits.granting.next);
            if (r->failure.error) { /* a kill */
                list_remove(&r->in_granting);
                request_wake(r);
                continue;
            }
        } else {
            r = REQUEST_OF(lock);
            ASSERT(lock->state == LOCK_DUE && !r->txn);
            if (!request_hold(r)) {
                request_wake(r);
                continue;
            }
        }
        if (!request_go_on(r, until))
            return true;
        request_wake(r);
    }
    return false;
}

/* ---- the request ---- */

/* The transaction that was begun for op is its own from now on. */
static enum err request_take_over(struct op *op, struct lock_request *r, struct txn **out)
{
    struct txn *t = r->txn;

    decided_note_commit(op, r->synced, DURABILITY_SYNC);
    decided_note_commit(op, r->written, DURABILITY_INTERVAL);
    if (t->failure.error) { /* meanwhile */
        failure_copy(&op->failure, &t->failure);
        decided_note_commit(op, t->failure.winner_commit, t->winner_durability);
        lock_wait_end(op);
        return op->failure.error;
    }
    ASSERT(t->lock == r);
    ASSERT(r->synced <= r->written); /* of the commits it saw, those that asked for a sync */
    op->lock = NULL;
    r->op = NULL;
    t->used_ms = op->db->pulse.now_ms; /* its client learns of it now */
    *out = t;
    return ERR_OK;
}

/* What has become of what op has asked for. */
static enum err request_answer(struct op *op, struct txn **out)
{
    struct lock_request *r = op->lock;

    ASSERT(r->op == op);
    if (r->failure.error) {
        failure_copy(&op->failure, &r->failure);
        lock_wait_end(op);
        return op->failure.error;
    }
    return r->txn ? request_take_over(op, r, out) : ERR_WAIT;
}

static void say_timeout(struct lock_request *r);

static enum err begin_now(struct op *op, const struct txn_options *options, struct txn **out)
{
    struct db *db = op->db;
    enum err e = begin_ask(op, options);
    struct lock_request *r = op->lock;

    if (e)
        return e;
    ASSERT(r && r->op == op);
    if (r->lock.state == LOCK_WAITING && !options->wait_ms)
        say_timeout(r);
    else if (r->lock.state == LOCK_DUE && request_hold(r) &&
             !request_go_on(r, steps_of(db) + db->options.slice_steps))
        pulse_wake(&db->pulse);
    return request_answer(op, out);
}

enum err lock_begin(struct op *op, const struct txn_options *options, struct txn **out)
{
    enum err e;

    ASSERT(!op->own || slice_is_none(options->lock));
    failure_clear(&op->failure);
    *out = NULL;
    if (slice_is_none(options->lock)) {
        e = lock_wait_for_write(op);
        return e ? e : txn_begin(op, options, out);
    }
    return op->lock ? request_answer(op, out) : begin_now(op, options, out);
}

void lock_wait_end(struct op *op)
{
    struct lock_request *r = op->lock;

    if (!r)
        return;
    ASSERT(r->op == op && (!r->txn || !r->is_write));
    if (r->txn)
        txn_rollback(r->txn); /* which lets go of the lock */
    op->lock = NULL;
    lock_request_free(r);
}

bool lock_wait_is_on(const struct op *op)
{
    ASSERT(!op->lock || op->lock->op == op);
    return op->lock && op->lock->lock.state == LOCK_WAITING;
}

/* ---- writes without a transaction ---- */

struct join { /* names, copied: those of a lock that leaves go */
    unsigned count, room;
    struct lock_ask *asks;
    uint8_t *bytes;
};

static void join_add(struct join *j, struct slice name)
{
    uint8_t *to = j->bytes + j->count * (size_t)TEXT_NAME_BYTES_MAX;

    ASSERT(j->count < j->room && name.size <= TEXT_NAME_BYTES_MAX);
    if (name.size)
        memcpy(to, name.data, name.size);
    j->asks[j->count++] = (struct lock_ask){slice_make(to, name.size), false};
}

static enum err join(struct op *op, struct slice store)
{
    struct lock_request *r = op->lock;
    unsigned before = r ? r->lock.part_count - 1 : 0;
    struct join j = {.room = before + 1};
    size_t bytes = j.room * (sizeof *j.asks + TEXT_NAME_BYTES_MAX);
    enum err e;

    ASSERT(!r || r->is_write);
    if (j.room > op->db->options.lock_names_max)
        return refuse_names(op, j.room);
    if (!r && !(r = request_new(op)))
        return ERR_NOMEM;
    j.asks = os_alloc(op->db->os, bytes);
    if (!j.asks) {
        if (!op->lock)
            lock_request_free(r);
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a lock");
    }
    j.bytes = (uint8_t *)(j.asks + j.room);
    for (unsigned i = 0; i < before; i++)
        join_add(&j, lock_part_name(&r->lock.parts[i]));
    join_add(&j, store);
    ASSERT(j.count == j.room);
    if (!op->lock) {
        r->is_write = true;
        r->timeout.at_ms = time_after(r->since_ms, op->db->options.lock_wait_ms);
        r->limit = "lock-wait";
        op->lock = r;
    }
    lock_leave(&r->lock);
    deadline_remove(&op->db->lock_waits.timeouts, &r->timeout);
    if (locks_due(lock_turns_of(op->db)))
        pulse_wake(&op->db->pulse);
    e = request_enter(op, r, j.asks, j.count, false);
    if (!e && r->lock.state == LOCK_DUE)
        lock_grant(&r->lock);
    os_free(op->db->os, j.asks, bytes);
    if (e)
        lock_wait_end(op);
    return e;
}

enum err lock_wait_join(struct op *op)
{
    struct text_name store = op->failure.store;

    ASSERT(!op->own && (!op->lock || op->lock->is_write));
    ASSERT(op->failure.conflict == CONFLICT_LOCK);
    failure_clear(&op->failure);
    return join(op, text_name_of(&store));
}

enum err lock_wait_join_for(struct op *op, struct slice store)
{
    struct locks *l = &op_database(op)->locks;

    if (!l->exclusive || !locks_ahead(l, store, op->lock ? &op->lock->lock : NULL))
        return ERR_OK;
    ASSERT(!slice_is_none(store));
    return join(op, store);
}

enum err lock_wait_for_write(struct op *op)
{
    struct lock_request *r = op->lock;

    ASSERT(!r || r->is_write || r->txn);
    if (!r || r->lock.state == LOCK_GRANTED)
        return ERR_OK;
    return request_answer(op, NULL);
}

/* ---- those who wait ---- */

/* It answers its failure. */
static void request_fail(struct lock_request *r)
{
    ASSERT(r->failure.error && !r->txn);
    list_walk_end(&r->doomed_walk);
    list_remove(&r->in_granting);
    deadline_remove(&r->db->lock_waits.timeouts, &r->timeout);
    lock_leave(&r->lock);
    pulse_wake(&r->db->pulse); /* others may be due */
}

static bool note_first(void *context, const struct lock *before)
{
    ASSERT(before->state != LOCK_OUT);
    *(const struct lock **)context = before;
    return false;
}

static void say_timeout(struct lock_request *r)
{
    const struct lock *first = NULL;
    uint64_t now = r->db->pulse.now_ms;

    lock_each_before(&r->lock, note_first, &first);
    ASSERT(first && r->lock.state == LOCK_WAITING);
    failure_set(&r->failure, ERR_LOCK_TIMEOUT,
                "not granted within %llu ms (%s): transaction %llu has a lock, or waits for "
                "one, on the same store; see holds",
                (unsigned long long)(now - r->since_ms), r->limit,
                (unsigned long long)first->version);
    failure_note_limit(&r->failure, r->limit,
                       r->is_write ? r->db->options.lock_wait_ms : r->options.wait_ms,
                       now - r->since_ms);
    request_fail(r);
}

void lock_wait_init(struct lock_waits *w, uint64_t now_ms)
{
    ASSERT(!w->holding_count && !w->holding_left);
    list_init(&w->granting);
    list_init(&w->holding);
    deadline_wheel_init(&w->timeouts, now_ms, TIMEOUT_SLOT_MS);
}

/* Whoever has a lock that others wait for works, or loses it. */
static void look_at_holder(struct lock_request *r)
{
    uint64_t now_ms = r->db->pulse.now_ms, max = r->db->options.lock_idle_ms;
    uint64_t since_ms = lock_wanted_ms(&r->lock), idle = txn_idle_ms(r->txn);
    struct failure why;

    ASSERT(r->txn->lock == r && r->lock.state == LOCK_GRANTED);
    if (since_ms == UINT64_MAX)
        return;
    if (now_ms - since_ms < idle)
        idle = now_ms - since_ms;
    if (idle < max)
        return;
    failure_init(&why);
    failure_set(&why, ERR_TXN_EXPIRED,
                "transaction timed out: it has a lock that others wait for, and was idle for "
                "%llu ms, the limit is %llu (lock-idle)",
                (unsigned long long)idle, (unsigned long long)max);
    failure_note_limit(&why, "lock-idle", max, idle);
    txn_lose(r->txn, &why);
}

/* In rounds, as far as the steps of a turn go. Returns when to go on. */
static uint64_t look_at_holders(struct db *db)
{
    uint64_t now_ms = db->pulse.now_ms, until = steps_of(db) + db->options.slice_steps;

    if (!lock_turns_of(db)->waiting_count)
        db->lock_waits.holding_left = 0;
    else if (!db->lock_waits.holding_left && now_ms >= db->lock_waits.holding_ms + HOLDERS_MS) {
        db->lock_waits.holding_left = db->lock_waits.holding_count;
        db->lock_waits.holding_ms = now_ms;
    }
    for (; db->lock_waits.holding_left && !list_is_empty(&db->lock_waits.holding);
         db->lock_waits.holding_left--) {
        struct lock_request *r =
            LIST_ENTRY(db->lock_waits.holding.next, struct lock_request, in_holding);

        if (steps_of(db) >= until)
            return now_ms;
        ASSERT(r->txn && r->txn->snapshot); /* T-3: a doomed one holds no lock */
        list_remove(&r->in_holding);
        list_push_back(&db->lock_waits.holding, &r->in_holding);
        look_at_holder(r);
    }
    db->lock_waits.holding_left = 0;
    return lock_turns_of(db)->waiting_count ? db->lock_waits.holding_ms + HOLDERS_MS
                                            : UINT64_MAX;
}

uint64_t lock_wait_tick(struct db *db)
{
    uint64_t now_ms = db->pulse.now_ms, steps = db->options.slice_steps, next;
    struct deadline *d;

    while ((d = deadline_take(&db->lock_waits.timeouts, now_ms, &steps)) != NULL) {
        struct lock_request *r = LIST_ENTRY(d, struct lock_request, timeout);

        ASSERT(r->op && !r->txn);
        if (r->lock.state != LOCK_WAITING)
            continue; /* its turn has come: it is granted in the next turn */
        say_timeout(r);
        request_wake(r);
    }
    if (!steps)
        return now_ms;
    next = look_at_holders(db);
    if (deadline_next_ms(&db->lock_waits.timeouts) < next)
        next = deadline_next_ms(&db->lock_waits.timeouts);
    return next;
}

/* The same from outside of the turn, in which it is woken. */
static void request_end(struct lock_request *r)
{
    request_fail(r);
    list_push_back(&r->db->lock_waits.granting, &r->in_granting);
}

static struct lock_request *request_of_version(struct db *db, uint64_t version)
{
    LIST_EACH (link, &lock_turns_of(db)->waiting) {
        if (WAITING_OF(link)->lock.version == version)
            return WAITING_OF(link);
    }
    LIST_EACH (link, &db->lock_waits.granting) {
        if (GRANTING_OF(link)->lock.version == version && !GRANTING_OF(link)->failure.error)
            return GRANTING_OF(link);
    }
    return NULL;
}

bool lock_wait_kill(struct db *db, uint64_t version)
{
    struct lock_request *r = request_of_version(db, version);

    ASSERT(!r || (!r->txn && r->op));
    if (!r)
        return false;
    failure_set(&r->failure, ERR_TXN_KILLED, "transaction %llu was ended by kill",
                (unsigned long long)version);
    request_end(r);
    db->txns.killed++;
    return true;
}

void lock_wait_lose(struct op *op, const struct failure *why)
{
    struct lock_request *r = op->lock;

    ASSERT(why->error);
    if (!r || r->is_write || r->failure.error)
        return;
    if (!r->txn) {
        failure_copy(&r->failure, why);
        request_end(r);
    } else if (!r->txn->failure.error) {
        txn_lose(r->txn, why);
    }
}
