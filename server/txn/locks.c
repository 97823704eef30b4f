#include "server/txn/locks.h"

#include "server/base/assert.h"

#include <string.h>
#include <xxhash.h>

#define NAME_OF(link) LIST_ENTRY(link, struct lock_name, in_names)
#define PART_OF(link) LIST_ENTRY(link, struct lock_part, in_queue)
#define LOCK_OF(link) LIST_ENTRY(link, struct lock, in_state)

/* ---- names ---- */

static uint64_t name_hash(const struct locks *l, struct slice name)
{
    return XXH3_64bits_withSeed(name.data, name.size, l->turns->seed);
}

static struct lock_name *name_find(const struct locks *l, struct slice name)
{
    struct hash_table *names = (struct hash_table *)(uintptr_t)&l->names; /* it counts steps */
    struct hash_link *link = names->count ? hash_table_first(names, name_hash(l, name)) : NULL;

    ASSERT(names->os || !names->count);
    for (; link; link = hash_table_next(names, link)) {
        struct lock_name *n = NAME_OF(link);

        if (slice_equal(slice_make(n->bytes, n->size), name))
            return n;
    }
    return NULL;
}

static void queue_init(struct lock_queue *q)
{
    list_init(&q->parts);
    q->first_waiting = NULL;
    q->wanted_ms = 0;
    q->exclusive = 0;
}

static struct lock_queue *queue_of_name(struct locks *l, struct slice name)
{
    struct lock_name *n = name_find(l, name);

    if (n)
        return &n->queue;
    if (!l->names.buckets && hash_table_init(&l->names, l->turns->os))
        return NULL;
    ASSERT(name.size <= UINT16_MAX);
    n = os_alloc(l->turns->os, sizeof *n + name.size);
    if (!n)
        return NULL;
    memset(n, 0, sizeof *n);
    queue_init(&n->queue);
    n->size = (uint16_t)name.size;
    if (name.size)
        memcpy(n->bytes, name.data, name.size);
    hash_table_insert(&l->names, &n->in_names, name_hash(l, name));
    return &n->queue;
}

/* A queue without parts goes, with its name (K-4). */
static void queue_try_free(struct locks *l, struct lock_queue *q)
{
    struct lock_name *n = LIST_ENTRY(q, struct lock_name, queue);

    if (q == &l->whole || !list_is_empty(&q->parts))
        return;
    ASSERT(!q->first_waiting && !q->exclusive);
    hash_table_remove(&l->names, &n->in_names);
    os_free(l->turns->os, n, sizeof *n + n->size);
}

struct slice lock_part_name(const struct lock_part *part)
{
    const struct lock_name *n = LIST_ENTRY(part->queue, struct lock_name, queue);

    ASSERT(part->lock->locks);
    if (part->queue == &part->lock->locks->whole)
        return SLICE_NONE;
    return slice_make(n->bytes, n->size);
}

/* ---- states ---- */

/* It waits, or does not any more. */
static void count_of_client(struct lock *lock, bool waits)
{
    if (!lock->waiters)
        return;
    ASSERT(waits || *lock->waiters > 0);
    *lock->waiters += waits ? 1 : UINT64_MAX;
}

static void lock_leave_state(struct lock *lock)
{
    struct lock_turns *turns = lock->locks->turns;

    ASSERT(lock->state != LOCK_OUT);
    if (lock->state == LOCK_WAITING) {
        list_walks_leave(&turns->waiting_walks, &lock->in_state);
        ASSERT(turns->waiting_count > 0);
        turns->waiting_count--;
        count_of_client(lock, false);
    }
    list_remove(&lock->in_state);
}

/* Those that are due stand in the order of their arrival, so they are granted in it. */
static void lock_become_due(struct lock *lock)
{
    struct lock_turns *turns = lock->locks->turns;
    struct list_link *before = turns->due.previous;

    ASSERT(lock->waiting_parts == 0); /* K-3 */
    lock_leave_state(lock);
    while (before != &turns->due && LOCK_OF(before)->number > lock->number) {
        before = before->previous;
        turns->steps++;
    }
    list_insert_after(before, &lock->in_state);
    lock->state = LOCK_DUE;
}

static void lock_wait(struct lock *lock)
{
    struct lock_turns *turns = lock->locks->turns;

    ASSERT(lock->waiting_parts > 0 && !list_is_linked(&lock->in_state)); /* K-3 */
    list_push_back(&turns->waiting, &lock->in_state);
    turns->waiting_count++;
    count_of_client(lock, true);
    lock->state = LOCK_WAITING;
}

void lock_grant(struct lock *lock)
{
    ASSERT(lock->state == LOCK_DUE);
    ASSERT(lock->waiting_parts == 0);
    lock_leave_state(lock);
    lock->state = LOCK_GRANTED;
}

struct lock *locks_due(const struct lock_turns *turns)
{
    ASSERT(list_is_empty(&turns->due) || LOCK_OF(turns->due.next)->state == LOCK_DUE);
    return list_is_empty(&turns->due) ? NULL : LOCK_OF(turns->due.next);
}

/* ---- queues ---- */

static const struct lock_part *queue_first(const struct lock_queue *q)
{
    return list_is_empty(&q->parts) ? NULL : PART_OF(q->parts.next);
}

/* Whether p, behind parts that do not wait, need not either. */
static bool part_may_go(const struct lock_part *p)
{
    const struct lock_part *first = queue_first(p->queue);

    ASSERT(first && p->lock->state != LOCK_OUT);
    return first == p || (!p->is_exclusive && !first->is_exclusive); /* K-2 */
}

/* Parts have left: those behind them may go. */
static void queue_advance(struct lock_queue *q)
{
    struct lock_part *p;

    while ((p = q->first_waiting) != NULL && part_may_go(p)) {
        ASSERT(p->is_waiting); /* K-2 */
        p->is_waiting = false;
        q->first_waiting = p->in_queue.next == &q->parts ? NULL : PART_OF(p->in_queue.next);
        p->lock->locks->turns->steps++;
        ASSERT(p->lock->waiting_parts > 0 && p->lock->state == LOCK_WAITING); /* K-3 */
        if (--p->lock->waiting_parts == 0)
            lock_become_due(p->lock);
    }
}

static void part_leave(struct lock_part *p)
{
    struct lock_queue *q = p->queue;

    ASSERT(q->exclusive >= p->is_exclusive && p->lock->locks->exclusive >= p->is_exclusive);
    if (q->first_waiting == p)
        q->first_waiting = p->in_queue.next == &q->parts ? NULL : PART_OF(p->in_queue.next);
    list_remove(&p->in_queue);
    q->exclusive -= p->is_exclusive;
    p->lock->locks->exclusive -= p->is_exclusive;
    p->lock->locks->turns->steps++;
}

void lock_leave(struct lock *lock)
{
    struct locks *l = lock->locks;

    if (lock->state == LOCK_OUT)
        return;
    ASSERT(lock->part_count <= lock->part_room);
    lock_leave_state(lock);
    lock->state = LOCK_OUT;
    for (unsigned i = 0; i < lock->part_count; i++) {
        part_leave(&lock->parts[i]);
        queue_advance(lock->parts[i].queue);
        queue_try_free(l, lock->parts[i].queue);
    }
    os_free(l->turns->os, lock->parts, lock->part_room * sizeof *lock->parts);
    lock->parts = NULL;
    lock->part_count = lock->waiting_parts = 0;
}

/* ---- arriving ---- */

/* The lock's part at the end of the queue. A name that comes twice has one. */
static void part_add(struct lock *lock, struct lock_queue *q, bool is_exclusive)
{
    struct lock_part *p = list_is_empty(&q->parts) ? NULL : PART_OF(q->parts.previous);

    if (!p || p->lock != lock) {
        ASSERT(lock->part_count < lock->part_room);
        p = &lock->parts[lock->part_count++];
        *p = (struct lock_part){.lock = lock, .queue = q};
        list_push_back(&q->parts, &p->in_queue);
    }
    ASSERT(!p->is_waiting); /* it has not been settled yet */
    ASSERT(p->in_queue.next == &q->parts); /* K-1: the last to arrive */
    if (is_exclusive && !p->is_exclusive) {
        p->is_exclusive = true;
        q->exclusive++;
        lock->locks->exclusive++;
    }
}

/* Whether it clashes with any before it. A shared one does if an exclusive one is there at all;
 * then that one waits, or is the first. */
static void part_settle(struct lock_part *p, uint64_t now_ms)
{
    struct lock_queue *q = p->queue;

    ASSERT(!p->is_waiting && q->exclusive >= p->is_exclusive); /* K-5 */
    p->is_waiting = p->is_exclusive ? queue_first(q) != p : q->exclusive > 0;
    if (!p->is_waiting)
        return;
    p->lock->waiting_parts++;
    if (q->first_waiting)
        return;
    q->first_waiting = p;
    q->wanted_ms = now_ms;
}

void lock_init(struct lock *lock)
{
    memset(lock, 0, sizeof *lock);
    list_init(&lock->in_state);
}

enum err lock_enter(struct locks *l, struct lock *lock, const struct lock_ask *asks,
                    unsigned count, bool is_whole, uint64_t now_ms)
{
    ASSERT(lock->state == LOCK_OUT && (!is_whole || !count));
    lock->locks = l;
    lock->number = ++l->turns->arrived;
    lock->is_whole = is_whole;
    lock->part_room = count + 1;
    lock->parts = os_alloc(l->turns->os, lock->part_room * sizeof *lock->parts);
    if (!lock->parts)
        return ERR_NOMEM;
    lock->state = LOCK_DUE; /* of no list yet */
    for (unsigned i = 0; i < count; i++) {
        struct lock_queue *q = queue_of_name(l, asks[i].name);

        if (!q) {
            lock_leave(lock);
            return ERR_NOMEM;
        }
        part_add(lock, q, asks[i].is_exclusive);
    }
    part_add(lock, &l->whole, is_whole);
    for (unsigned i = 0; i < lock->part_count; i++)
        part_settle(&lock->parts[i], now_ms);
    ASSERT(lock->parts[lock->part_count - 1].queue == &l->whole);
    if (lock->waiting_parts)
        lock_wait(lock);
    else
        lock_become_due(lock);
    return ERR_OK;
}

/* ---- writers ---- */

/* The lock that has the queue's name exclusively, and is not own. */
static struct lock *queue_holder(const struct lock_queue *q, const struct lock *own)
{
    const struct lock_part *first = queue_first(q);

    ASSERT(!first || !first->is_waiting); /* K-2 */
    return first && first->is_exclusive && first->lock->state == LOCK_GRANTED &&
                   first->lock != own
               ? first->lock
               : NULL;
}

struct lock *locks_against(struct locks *l, struct slice name, const struct lock *own)
{
    struct lock *holder = queue_holder(&l->whole, own);
    const struct lock_name *n;

    ASSERT(l->exclusive > 0); /* else nobody asks */
    if (holder || !l->names.count)
        return holder;
    n = name_find(l, name);
    return n ? queue_holder(&n->queue, own) : NULL;
}

static bool lock_has_part(const struct lock *lock, const struct lock_queue *q)
{
    ASSERT(lock->state == LOCK_GRANTED);
    for (unsigned i = 0; i < lock->part_count; i++) {
        lock->locks->turns->steps++;
        if (lock->parts[i].queue == q)
            return true;
    }
    return false;
}

/* The first that would have to be waited for. */
static struct lock *queue_ahead(const struct lock_queue *q)
{
    ASSERT(q->exclusive > 0);
    return q->first_waiting ? q->first_waiting->lock : queue_first(q)->lock;
}

struct lock *locks_ahead(struct locks *l, struct slice name, const struct lock *own)
{
    const struct lock_name *n;

    ASSERT(l->exclusive > 0 && (!own || own->state == LOCK_GRANTED));
    if (!own && l->whole.exclusive)
        return queue_ahead(&l->whole);
    n = l->names.count ? name_find(l, name) : NULL;
    if (!n || !n->queue.exclusive || (own && lock_has_part(own, &n->queue)))
        return NULL;
    return queue_ahead(&n->queue);
}

/* ---- who waits ---- */

uint64_t lock_wanted_ms(const struct lock *lock)
{
    uint64_t since = UINT64_MAX;

    ASSERT(lock->state != LOCK_OUT && lock->state != LOCK_WAITING);
    for (unsigned i = 0; i < lock->part_count; i++) {
        const struct lock_queue *q = lock->parts[i].queue;

        lock->locks->turns->steps++;
        if (q->first_waiting && q->wanted_ms < since)
            since = q->wanted_ms; /* K-2: the first that waits does so for all before it */
    }
    return since;
}

void lock_each_before(const struct lock *lock,
                      bool (*each)(void *context, const struct lock *before), void *context)
{
    ASSERT(lock->state == LOCK_WAITING || !lock->waiting_parts); /* K-3 */
    for (unsigned i = 0; i < lock->part_count; i++) {
        const struct lock_part *p = &lock->parts[i];

        if (!p->is_waiting)
            continue;
        LIST_EACH (link, &p->queue->parts) {
            const struct lock_part *before = PART_OF(link);

            lock->locks->turns->steps++;
            if (before == p)
                break;
            if ((before->is_exclusive || p->is_exclusive) && !each(context, before->lock))
                return;
        }
    }
}

/* ---- all of it ---- */

void lock_turns_init(struct lock_turns *turns, struct os *os, uint64_t seed)
{
    ASSERT(os);
    memset(turns, 0, sizeof *turns);
    turns->os = os;
    turns->seed = seed;
    list_init(&turns->waiting);
    list_init(&turns->due);
    list_walks_init(&turns->waiting_walks);
}

void locks_init(struct locks *l, struct lock_turns *turns)
{
    ASSERT(turns->os);
    memset(l, 0, sizeof *l);
    l->turns = turns;
    queue_init(&l->whole);
}

void locks_fini(struct locks *l)
{
    ASSERT(list_is_empty(&l->whole.parts) &&
           l->exclusive == 0);   /* every lock has a part there */
    ASSERT(l->names.count == 0);                                 /* K-4 */
    if (l->names.os)
        hash_table_fini(&l->names);
    l->names.os = NULL;
}

static bool queue_check(const struct lock_queue *q)
{
    const struct lock_part *before = NULL;
    bool waits = false, clash_before = false;
    size_t exclusive = 0;

    LIST_EACH (link, &q->parts) {
        const struct lock_part *p = PART_OF(link);
        bool clashes = p->is_exclusive ? before != NULL : clash_before;

        if (before && before->lock->number >= p->lock->number) /* K-1 */
            return false;
        if (p->is_waiting != clashes) /* K-2 */
            return false;
        if (p->is_waiting && !waits && q->first_waiting != p)
            return false;
        waits = waits || p->is_waiting;
        clash_before = clash_before || p->is_exclusive;
        exclusive += p->is_exclusive;
        before = p;
    }
    return exclusive == q->exclusive && waits == (q->first_waiting != NULL);
}

static bool lock_check(const struct lock *lock)
{
    unsigned waiting = 0;

    for (unsigned i = 0; i < lock->part_count; i++)
        waiting += lock->parts[i].is_waiting;
    return waiting == lock->waiting_parts && /* K-3 */
           (lock->state == LOCK_WAITING) == (waiting > 0) && lock->state != LOCK_OUT;
}

bool locks_check(const struct locks *l, size_t *waiting)
{
    size_t exclusive = l->whole.exclusive, seen = 0;

    if (!queue_check(&l->whole))
        return false;
    for (size_t i = 0; i < l->names.room; i++) {
        for (const struct hash_link *link = l->names.buckets[i]; link; link = link->next) {
            const struct lock_name *n = LIST_ENTRY(link, const struct lock_name, in_names);

            if (list_is_empty(&n->queue.parts) || !queue_check(&n->queue)) /* K-4 */
                return false;
            exclusive += n->queue.exclusive;
            seen++;
        }
    }
    LIST_EACH (link, &l->whole.parts) { /* every lock has a part there */
        const struct lock *lock = PART_OF(link)->lock;

        if (!lock_check(lock))
            return false;
        *waiting += lock->state == LOCK_WAITING;
    }
    return exclusive == l->exclusive && seen == l->names.count; /* K-5 */
}
