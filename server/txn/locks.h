/* locks.h - the locks of one database: on its stores by their names, or on all of it.
 *
 * A lock is asked for whole: all names at once, each shared or exclusive. It enters the queue of
 * each of its names in one step, so all queues stand in the order of arrival, and nobody waits
 * in a circle. Two locks clash at a name where one of the two is exclusive; a lock waits while one
 * that came before it, granted or waiting, clashes with it. The database is a name of its own
 * (`whole`), which every lock shares and a lock on the database takes exclusively.
 *
 *   lock_enter --clashes with none--> DUE --lock_grant--> GRANTED --lock_leave--> OUT
 *      '--else--> WAITING --those before it leave--> DUE
 *   WAITING and DUE may leave, too.
 *
 * Who writes without a lock asks locks_against at its write. Its request may join the queues then,
 * shared, and so waits for exclusive locks alone.
 *
 * Knows names; knows no transactions and no stores, so a name may be locked that nothing has.
 * The owner of a lock lends its memory from lock_enter to lock_leave, names are copied.
 *
 * Invariants, cited by asserts:
 *   K-1 the parts of a queue stand in the order in which their locks arrived.
 *   K-2 queue.first_waiting is the first part that waits: those before it do not, and either the
 *       first of them is exclusive and the only one, or none of them is.
 *   K-3 lock.waiting_parts counts its parts that wait; a lock is WAITING while there are any.
 *   K-4 a name is there as long as its queue has a part.
 *   K-5 locks.exclusive counts the exclusive parts of all queues.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_LOCKS_H
#define HOLDFAST_TXN_LOCKS_H

#include "proto/slice.h"
#include "server/base/list_walk.h"
#include "server/os/os.h"
#include "server/storage/hash_table.h"

struct lock_part;

struct lock_queue {
    struct list_link parts;          /* lock_part.in_queue */
    struct lock_part *first_waiting; /* NULL: none waits */
    uint64_t wanted_ms;              /* since when one has been waiting */
    size_t exclusive;                /* of the parts */
};

struct lock_name {
    struct hash_link in_names; /* locks.names */
    struct lock_queue queue;
    uint16_t size;
    uint8_t bytes[];
};

struct lock_turns { /* what the locks of all databases share */
    struct os *os;
    uint64_t seed;    /* of the hashes of names */
    uint64_t arrived; /* locks, ever */
    uint64_t steps;   /* parts looked at, ever: tests count them */
    struct list_link waiting; /* lock.in_state, by arrival; WAITING */
    struct list_link due;     /* likewise; DUE */
    size_t waiting_count;
    struct list_walks waiting_walks; /* over waiting: those who list it */
};

struct locks { /* of one database */
    struct lock_turns *turns; /* borrowed */
    struct hash_table names;  /* those that are locked or waited for; made with the first */
    struct lock_queue whole;
    size_t exclusive; /* K-5; 0: no writer need ask */
};

enum lock_state { LOCK_OUT, LOCK_WAITING, LOCK_DUE, LOCK_GRANTED };

struct lock_part { /* of a lock, at one name */
    struct lock *lock;
    struct lock_queue *queue;
    bool is_exclusive;
    bool is_waiting;
    struct list_link in_queue;
};

struct lock {
    struct locks *locks;
    enum lock_state state;
    bool is_whole;           /* on the database */
    uint64_t number;         /* of arrival */
    uint64_t version;        /* whose it is, for people: set by the owner */
    uint64_t *waiters; /* borrowed, set by the owner: of its client, those that wait; or NULL */
    struct list_link in_state;
    struct lock_part *parts; /* owned; the last is that of `whole` */
    unsigned part_count;
    unsigned part_room;
    unsigned waiting_parts; /* K-3 */
};

struct lock_ask { /* one name */
    struct slice name;
    bool is_exclusive;
};

void lock_turns_init(struct lock_turns *turns, struct os *os, uint64_t seed);
/* Takes no memory before there are locks. */
void locks_init(struct locks *l, struct lock_turns *turns);
/* Every lock has left. */
void locks_fini(struct locks *l);

void lock_init(struct lock *lock);
/* Join the queues with the names asked for; one that comes twice is exclusive if it is so once.
 * is_whole: the database, and no names. WAITING or DUE afterwards. ERR_NOMEM: it is OUT. */
enum err lock_enter(struct locks *l, struct lock *lock, const struct lock_ask *asks,
                    unsigned count, bool is_whole, uint64_t now_ms);
/* A lock that is DUE is granted. */
void lock_grant(struct lock *lock);
/* Whatever it is: OUT afterwards. Others may be DUE then. */
void lock_leave(struct lock *lock);

/* The first to arrive of those that are DUE, of all databases; NULL: none is. */
struct lock *locks_due(const struct lock_turns *turns);

/* What keeps somebody from writing in the store of that name: a lock that was granted to another,
 * exclusively. own: its own lock, or NULL. NULL: nothing does. */
struct lock *locks_against(struct locks *l, struct slice name, const struct lock *own);
/* The same for a request that joins the queues: also one that is waited for, or waiting. */
struct lock *locks_ahead(struct locks *l, struct slice name, const struct lock *own);

/* Since when somebody has been waiting for that lock, which does not wait itself; UINT64_MAX:
 * nobody is. */
uint64_t lock_wanted_ms(const struct lock *lock);

/* Call each for the locks that a waiting one waits for, as long as it returns true. One that it
 * meets at several names comes several times. */
void lock_each_before(const struct lock *lock,
                      bool (*each)(void *context, const struct lock *before), void *context);

/* The name of a part; none: it is that of the database. */
struct slice lock_part_name(const struct lock_part *part);

/* K-1 to K-5, of one database; false: it is not so. *waiting grows by those that wait. */
bool locks_check(const struct locks *l, size_t *waiting);

#endif
