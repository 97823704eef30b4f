#include "server/storage/arena.h"

#include "server/base/assert.h"

#define ARENA_CHUNK_BYTES_FIRST 384
#define ARENA_CHUNK_BYTES_MAX (256u << 10)
#define ARENA_CHUNK_WORK 2048 /* bytes of a large chunk that are freed as fast as a small one */

struct arena_chunk {
    struct arena_chunk *older;
    size_t size; /* bytes, this header included */
    size_t used; /* bytes, this header included */
};

void arena_init(struct arena *a, struct os *os)
{
    ASSERT(os);
    a->os = os;
    a->newest = a->oldest = NULL;
    a->bytes = 0;
    a->next_chunk_bytes = ARENA_CHUNK_BYTES_FIRST;
}

static struct arena_chunk *arena_chunk_new(struct arena *a, size_t size)
{
    struct arena_chunk *chunk = os_alloc(a->os, size);

    ASSERT(size >= sizeof *chunk);
    if (!chunk)
        return NULL;
    chunk->size = size;
    chunk->used = sizeof *chunk;
    a->bytes += size;
    return chunk;
}

static void arena_chunk_push_newest(struct arena *a, struct arena_chunk *chunk)
{
    ASSERT(chunk != a->newest);
    ASSERT((a->newest == NULL) == (a->oldest == NULL));
    chunk->older = a->newest;
    a->newest = chunk;
    if (!a->oldest)
        a->oldest = chunk;
}

/* A large object gets a chunk of its own behind the newest, so that the
 * newest one's room is not lost. */
static void arena_chunk_push_full(struct arena *a, struct arena_chunk *chunk)
{
    ASSERT(chunk->size <= a->bytes);
    if (!a->newest) {
        arena_chunk_push_newest(a, chunk);
        return;
    }
    chunk->older = a->newest->older;
    a->newest->older = chunk;
    if (a->oldest == a->newest)
        a->oldest = chunk;
}

void *arena_alloc(struct arena *a, size_t size)
{
    struct arena_chunk *chunk = a->newest;
    void *memory;

    size = arena_round_up(size);
    if (!chunk || chunk->size - chunk->used < size) {
        size_t need = sizeof *chunk + size;

        if (need > a->next_chunk_bytes / 2 && a->newest) {
            chunk = arena_chunk_new(a, need);
            if (!chunk)
                return NULL;
            arena_chunk_push_full(a, chunk);
        } else {
            chunk = arena_chunk_new(a, need > a->next_chunk_bytes ? need : a->next_chunk_bytes);
            if (!chunk)
                return NULL;
            arena_chunk_push_newest(a, chunk);
        }
        /* also after a large object: with more of them to come they shall share chunks */
        if (a->next_chunk_bytes < ARENA_CHUNK_BYTES_MAX)
            a->next_chunk_bytes *= 2;
    }
    memory = (char *)chunk + chunk->used;
    chunk->used += size;
    ASSERT(chunk->used <= chunk->size);
    ASSERT((uintptr_t)memory % ARENA_ALIGN == 0);
    return memory;
}

void arena_splice(struct arena *a, struct arena *from)
{
    ASSERT(a != from);
    if (!from->newest)
        return;
    ASSERT(a->os == from->os);
    if (!a->newest) {
        a->newest = from->newest;
    } else {
        /* behind what a fills at the moment */
        from->oldest->older = a->newest->older;
        a->newest->older = from->newest;
        if (a->oldest == a->newest)
            a->oldest = from->oldest;
    }
    if (!a->oldest)
        a->oldest = from->oldest;
    a->bytes += from->bytes;
    from->newest = from->oldest = NULL;
    from->bytes = 0;
    ASSERT(from->bytes == 0 && a->newest && a->oldest);
}

void arena_reset(struct arena *a, size_t keep_max)
{
    struct arena_chunk *kept = NULL, *chunk = a->newest, *older;
    struct os *os = a->os;

    for (; chunk; chunk = older) {
        struct arena_chunk *gone = chunk;

        older = chunk->older;
        if (chunk->size <= keep_max && (!kept || chunk->size > kept->size)) {
            gone = kept;
            kept = chunk;
        }
        if (gone)
            os_free(os, gone, gone->size);
    }
    arena_init(a, os);
    if (!kept)
        return;
    kept->used = sizeof *kept;
    kept->older = NULL;
    a->newest = a->oldest = kept;
    a->bytes = kept->size;
    a->next_chunk_bytes = 2 * kept->size;
    ASSERT(kept->size <= keep_max);
}

void arena_move(struct arena *to, struct arena *from)
{
    ASSERT(!to->newest);
    ASSERT(to->os == from->os);
    *to = *from;
    arena_init(from, to->os);
}

bool arena_free_some(struct arena *a, size_t work_max)
{
    size_t work = 0;

    while (a->newest && work < work_max) {
        struct arena_chunk *chunk = a->newest;

        a->newest = chunk->older;
        ASSERT(a->bytes >= chunk->size);
        a->bytes -= chunk->size;
        work += chunk->size > ARENA_CHUNK_WORK ? chunk->size : ARENA_CHUNK_WORK;
        os_free(a->os, chunk, chunk->size);
    }
    if (a->newest)
        return true;
    ASSERT(a->bytes == 0);
    arena_init(a, a->os);
    return false;
}

void arena_free(struct arena *a)
{
    arena_free_some(a, SIZE_MAX);
    ASSERT(!a->newest && !a->oldest);
}
