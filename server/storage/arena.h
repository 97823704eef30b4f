/* arena.h - memory that is freed all at once.
 *
 * An arena takes chunks from the table of functions and gives out bytes from
 * them in order. A chunk can change its arena (arena_splice) in O(1), which is
 * how a write-set's records become a stage's without being copied.
 * Threads: whoever owns the arena. */
#ifndef HOLDFAST_STORAGE_ARENA_H
#define HOLDFAST_STORAGE_ARENA_H

#include "server/os/os.h"

struct arena_chunk;

struct arena {
    struct os *os;
    struct arena_chunk *newest; /* the one being filled; the others behind it */
    struct arena_chunk *oldest;
    uint64_t bytes;          /* of all chunks, as taken from the table */
    size_t next_chunk_bytes; /* grows, so that small arenas stay small */
};

void arena_init(struct arena *a, struct os *os);

#define ARENA_ALIGN 8u

/* What size takes of a chunk. */
static inline size_t arena_round_up(size_t size)
{
    return (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

/* size bytes aligned for any object; NULL when memory is short. */
void *arena_alloc(struct arena *a, size_t size);

/* Move all chunks of from to a; from is empty then, its memory stays where it is. */
void arena_splice(struct arena *a, struct arena *from);

/* Forget what was given out: free every chunk but one of at most keep_max bytes, the largest,
 * which is used again. */
void arena_reset(struct arena *a, size_t keep_max);

/* to, which is empty, becomes from, and from empty. */
void arena_move(struct arena *to, struct arena *from);

/* Free every chunk; the arena is as after init. */
void arena_free(struct arena *a);
/* Free chunks for about so many bytes of work; true: there are more. For an arena too
 * large to be freed in one go. */
bool arena_free_some(struct arena *a, size_t work_max);

#endif
