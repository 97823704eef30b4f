/* damage.h - which stores are damaged, and what that stops.
 *
 * A store is damaged once a page of its tree could not be read as it was written: a pass, a
 * reader or the start has met it. From then on it takes no new writes; it is read on, but for
 * what the page held; what was committed before goes into its side tree (primary.h). All
 * other stores go on. Each pass notes in the root what is known here, so that it is known
 * after a restart, and it is forgotten when the store has ended: dropping or clearing it heals.
 *
 * A read that fails once may fail by chance: it is damage when passes have failed of it
 * DAMAGE_TRIES times, one after the other.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DAMAGE_H
#define HOLDFAST_TXN_DAMAGE_H

#include "server/base/failure.h"
#include "server/storage/primary.h"

#define DAMAGE_TRIES 3

struct catalogue;
struct pulse;

struct damage {
    struct os *os;
    struct catalogue *catalogue;
    struct pulse *pulse;
    struct tree_damage *items; /* owned; ascending by store */
    size_t count, room;
    struct tree_damage tried; /* what the last pass could not read */
    unsigned tries;           /* passes that failed of it, one after the other */
};

/* What is told of it, and where its stores are found: borrowed. */
void damage_init(struct damage *d, struct os *os, struct catalogue *catalogue,
                 struct pulse *pulse);
void damage_fini(struct damage *d);

/* Note it. ERR_EXISTS: it was known; ERR_NOMEM. */
enum err damage_note(struct damage *d, const struct tree_damage *damage);
/* A pass has failed of it, by e. true: it is damage, and to be noted. */
bool damage_try(struct damage *d, const struct tree_damage *damage, enum err e);
/* The store has ended. */
void damage_forget(struct damage *d, uint32_t store);
/* NULL: nothing is known. */
const struct tree_damage *damage_find(const struct damage *d, uint32_t store);
/* What a write to it is answered: ERR_CORRUPT, with file and offset. */
COLD enum err damage_refuse(const struct tree_damage *damage, struct slice name,
                            struct failure *f);

#endif
