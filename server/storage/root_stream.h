/* root_stream.h - the pages of one root as a stream of bytes: what a backup is made of.
 *
 * The root is held and nothing else; its pages never change, so merges go on beside it. Pages are
 * read from the disk past the cache, piece by piece, and each is checked on its way: damage ends
 * the stream and is told with file and offset. With a base only pages younger than that root come:
 * a page's birth is never below those of the pages under it, so whole branches are left out.
 *
 * Threads: loop, but root_stream_fill, which is for a job; between its submit and its end nothing
 * else may be called. */
#ifndef HOLDFAST_STORAGE_ROOT_STREAM_H
#define HOLDFAST_STORAGE_ROOT_STREAM_H

#include "server/storage/primary.h"

struct root_stream; /* opaque, owned by who made it */

struct root_stream_options {
    uint32_t chunk_bytes; /* how much a fill brings at most */
    uint64_t base;        /* number of a root that was durable before this one; 0: all pages */
    uint64_t base_commit; /* of that root */
};

/* Takes a reference to the root, which must be the durable one. ERR_NOMEM. */
enum err root_stream_new(struct primary *p, struct root *r,
                         const struct root_stream_options *options, struct root_stream **out);
/* s may be NULL. */
void root_stream_free(struct root_stream *s);

/* Blocks: bring the next chunk, which replaces the last one. An error stays. */
void root_stream_fill(struct root_stream *s);

/* After a fill. ERR_OK; ERR_CORRUPT, ERR_IO with file and offset; ERR_NOMEM. Damage is noted with
 * the primary, as any read of the page would. */
enum err root_stream_result(struct root_stream *s, struct failure *f);
/* What the last fill brought; borrowed until the next one. */
struct slice root_stream_chunk(const struct root_stream *s);
/* The chunk is the last one. */
bool root_stream_has_ended(const struct root_stream *s);

const struct root_facts *root_stream_facts(const struct root_stream *s);
/* When it was made, ms since 1970. */
uint64_t root_stream_time_ms(const struct root_stream *s);
/* In the extents of all pages of the root, bytes: so much comes, about, if there is no base. */
uint64_t root_stream_bytes(const struct root_stream *s);
/* What waits on the disk for this root alone, as root_only_bytes. */
uint64_t root_stream_only_bytes(const struct root_stream *s);
/* Whether it holds this root. */
bool root_stream_holds(const struct root_stream *s, const struct root *r);
/* Bytes of memory that it takes. */
size_t root_stream_memory(const struct root_stream *s);

#endif
