/* extent.h - which units of the file are used: a map of bits with sums above it.
 *
 * Space is given out first fit from the lowest address, so that the end of the
 * file empties and can go back to the system. Over the bits stands a binary
 * tree whose nodes know the free run at their beginning, at their end and the
 * longest one in them, so finding and freeing cost O(log n), and freeing never
 * needs memory: a failed merge can always give back what it took. A bit stands
 * for 512 bytes: the map costs a 4000th of the file.
 *
 * Threads: one at a time. */
#ifndef HOLDFAST_STORAGE_EXTENT_H
#define HOLDFAST_STORAGE_EXTENT_H

#include "server/os/os.h"

#define EXTENT_UNITS_MAX (UINT32_C(1) << 31) /* 1 TiB in units of 512 bytes */

struct extent_run {   /* free units */
    uint32_t first;   /* at the beginning of the range */
    uint32_t last;    /* at its end */
    uint32_t longest; /* anywhere in it */
};

struct extent_map {
    struct os *os;
    uint64_t *bits; /* owned; 1: used */
    struct extent_run
        *runs;       /* owned; a heap: 1 is the top, chunks .. 2 * chunks - 1 the leaves */
    uint32_t chunks; /* a power of 2 */
    uint32_t end;    /* no unit at or behind it is used or was since extent_trim */
    uint32_t used;   /* units */
    uint32_t given_low, given_high; /* all that was given since extent_forget_given is within */
};

/* ERR_NOMEM. */
enum err extent_init(struct extent_map *map, struct os *os);
void extent_fini(struct extent_map *map);

/* Take the first run of count units. ERR_NOMEM; ERR_NO_SPACE over EXTENT_UNITS_MAX. */
enum err extent_take(struct extent_map *map, uint32_t count, uint32_t *out);
/* The same of a run at or behind from. */
enum err extent_take_behind(struct extent_map *map, uint32_t count, uint32_t from,
                            uint32_t *out);
/* Take that very run. ERR_CORRUPT: some of it is taken already; ERR_NOMEM. */
enum err extent_mark(struct extent_map *map, uint32_t start, uint32_t count);
/* Take every unit below end that is not taken yet. ERR_NOMEM, ERR_NO_SPACE. */
enum err extent_fill(struct extent_map *map, uint64_t end);
/* Give back; all of it must be taken. Cannot fail. */
void extent_give(struct extent_map *map, uint32_t start, uint32_t count);
/* Let end fall to behind the last used unit; returns it. */
uint32_t extent_trim(struct extent_map *map);
bool extent_is_used(const struct extent_map *map, uint32_t unit);
/* The first run of free units that has one at or behind from; false: there is none below end. */
bool extent_free_run(const struct extent_map *map, uint32_t from, uint32_t *start,
                     uint32_t *count);
void extent_forget_given(struct extent_map *map);

#endif
