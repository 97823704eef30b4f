/* number_map.h - from a client's numbers (handles, message ids) to pointers.
 *
 * Open addressing. Clients choose the numbers, so the place of one is made with
 * a secret of the map: nobody can pick numbers that collide.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_NUMBER_MAP_H
#define HOLDFAST_NET_NUMBER_MAP_H

#include "server/net/account.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct number_entry {
    void *value; /* NULL: the place is free */
    uint32_t number;
};

struct number_map {
    struct number_entry *entries; /* owned; NULL while shift is 0 */
    size_t count;                 /* numbers in it */
    unsigned shift;               /* 64 - log2 of the places; 0: none yet */
    uint64_t secret;              /* odd; 0: none yet */
    struct account *account;      /* borrowed: counts the places, as handles; NULL: none */
};

#define NUMBER_MAP_EMPTY ((struct number_map){.entries = NULL})

void number_map_fini(struct number_map *m);

/* NULL: it is not there. */
void *number_map_find(const struct number_map *m, uint32_t number);

/* The number must not be there, value not be NULL. false: out of memory. */
bool number_map_add(struct number_map *m, uint32_t number, void *value);

/* Nothing if it is not there. */
void number_map_remove(struct number_map *m, uint32_t number);

#endif
