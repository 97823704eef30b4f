/* primary_reclaim.c - giving the system back what no root needs any more.
 *
 * What a merge replaced is free when the last root that reaches it has gone, and the next
 * merge would find that out. But there may be no next merge for long: the last one of a
 * load leaves the tree that it replaced behind, and readers of old roots end when they
 * like. So, when it is quiet, what nobody reaches is freed, the end of the file is cut off
 * and long free runs become holes, which take no space. Small ones are kept: they would
 * only cut the file's blocks into pieces.
 *
 * Nothing here is needed to be right, so no failure is reported: what could not be given
 * back is used by the next merge. Only what no slot names (both say the same) and no held
 * root reaches is touched, so a crash at any moment leaves a whole root. */
#include "server/base/assert.h"
#include "server/storage/primary_internal.h"

#define BLOCK_UNITS (4096u / PAGE_UNIT_BYTES)         /* what a file system gives back */
#define HOLE_UNITS_MAX (64u * 1024 / PAGE_UNIT_BYTES) /* so long a free run becomes a hole, */
#define HOLE_SHARE 256                                /* or this part of a smaller file */

struct reclaim {
    struct primary *p;
    struct space_held held; /* owned; at the beginning */
    uint64_t file_bytes;    /* out: size of the file; 0: not known */
};

enum err primary_reclaim_begin(struct primary *p, struct reclaim **out)
{
    struct reclaim *t = os_alloc(p->os, sizeof *t);
    enum err e;

    *out = NULL;
    ASSERT(!p->merge && !p->reclaim && !p->spill_writer);
    if (!t)
        return ERR_NOMEM;
    memset(t, 0, sizeof *t);
    t->p = p;
    e = primary_held(p, &t->held);
    if (e) {
        os_free(p->os, t, sizeof *t);
        return e;
    }
    primary_take_let_go(p);
    p->needs_reclaim = false;
    p->reclaim = t;
    *out = t;
    ASSERT(p->reclaim == t && !p->let_go);
    return ERR_OK;
}

static void hole_punch(struct primary *p, uint32_t start, uint32_t count)
{
    uint32_t end = (start + count) / BLOCK_UNITS * BLOCK_UNITS;

    ASSERT(count > 0 && start + count <= p->space.map.end);
    start = (start + BLOCK_UNITS - 1) / BLOCK_UNITS * BLOCK_UNITS;
    if (start >= end)
        return;
    p->os->ops->file_punch(p->file, (uint64_t)start * PAGE_UNIT_BYTES,
                           (uint64_t)(end - start) * PAGE_UNIT_BYTES);
}

/* Only where something was given back lately: the rest has its holes. */
static void holes_punch(struct primary *p)
{
    struct extent_map *map = &p->space.map;
    uint32_t at = map->given_low, start, count;
    uint32_t least = map->end / HOLE_SHARE;

    ASSERT(map->given_low <= map->given_high || map->given_high == 0);
    least = least < BLOCK_UNITS ? BLOCK_UNITS : least;
    least = least > HOLE_UNITS_MAX ? HOLE_UNITS_MAX : least;
    while (at < map->given_high && extent_free_run(map, at, &start, &count)) {
        if (start >= map->given_high)
            break;
        if (count >= least)
            hole_punch(p, start, count);
        at = start + count;
    }
    extent_forget_given(map);
}

void reclaim_run(struct reclaim *t)
{
    struct primary *p = t->p;
    struct space_batch *cursor = NULL;

    ASSERT(p->reclaim == t);
    if (p->failed)
        return; /* the slots may not be what they seem */
    primary_give_back(p);
    while (space_reclaim(&p->space, &t->held, &cursor))
        ;
    primary_trim_file(p, &t->file_bytes);
    holes_punch(p);
}

void reclaim_free(struct primary *p, struct reclaim *t)
{
    primary_held_fini(p, &t->held);
    os_free(p->os, t, sizeof *t);
}

void primary_reclaim_end(struct primary *p, struct reclaim *t)
{
    ASSERT(p->reclaim == t);
    ASSERT(!p->merge && !p->spill_writer);
    if (t->file_bytes)
        p->last.file_bytes = t->file_bytes;
    p->reclaim = NULL;
    if (!p->failed)
        primary_note_only(p, &t->held);
    reclaim_free(p, t);
    primary_note_space(p);
}

bool primary_needs_reclaim(const struct primary *p)
{
    ASSERT(p->durable);
    return p->needs_reclaim;
}
