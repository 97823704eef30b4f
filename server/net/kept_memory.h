/* kept_memory.h - memory that stages have left behind: kept for the next, or given back.
 *
 * A page of memory that goes back to the system and comes again is cleared and mapped again,
 * which costs a load more than putting its records into the stage. So what was freed is kept
 * as long as writes will have used it up within seconds, and goes back as soon as they will not.
 *
 * Knows numbers; who frees and who gives back are above. Threads: the loop's. */
#ifndef HOLDFAST_NET_KEPT_MEMORY_H
#define HOLDFAST_NET_KEPT_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#define KEPT_MEMORY_LOOK_MS 1000 /* from one judgement to the next */
#define KEPT_MEMORY_LOOKS 5      /* of which so many may pass until it would be used up */

struct kept_memory {
    uint64_t bytes;      /* freed, and not taken since */
    uint64_t taken_then; /* by stages since the start, at the last judgement */
    uint64_t looked_ms;  /* when that was, the loop's clock */
};

/* So many bytes were freed. */
void kept_memory_note_freed(struct kept_memory *k, uint64_t bytes);

/* To be asked now and then. taken: what stages have taken since the start. true: what is kept
 * shall go back to the system now, and counts as gone. */
bool kept_memory_returns(struct kept_memory *k, uint64_t taken, uint64_t now_ms);

#endif
