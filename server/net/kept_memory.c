/* kept_memory.c - see kept_memory.h. */
#include "server/net/kept_memory.h"

#include "server/base/assert.h"

void kept_memory_note_freed(struct kept_memory *k, uint64_t bytes)
{
    ASSERT(bytes <= UINT64_MAX - k->bytes);
    k->bytes += bytes;
}

bool kept_memory_returns(struct kept_memory *k, uint64_t taken, uint64_t now_ms)
{
    uint64_t used = taken - k->taken_then;

    ASSERT(taken >= k->taken_then);
    if (now_ms - k->looked_ms < KEPT_MEMORY_LOOK_MS)
        return false;
    k->looked_ms = now_ms;
    k->taken_then = taken;
    k->bytes = k->bytes > used ? k->bytes - used : 0;
    if (k->bytes <= KEPT_MEMORY_LOOKS * used)
        return false;
    k->bytes = 0;
    return true;
}
