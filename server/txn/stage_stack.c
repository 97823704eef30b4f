#include "server/txn/stage_stack.h"

#include "server/base/assert.h"

void stage_stack_init(struct stage_stack *all, struct os *os)
{
    memset(all, 0, sizeof *all);
    list_init(&all->ledgers);
    arena_init(&all->garbage, os);
}

void stage_stack_fini(struct stage_stack *all, struct os *os)
{
    arena_free(&all->garbage);
    stage_spares_free(&all->spares, os);
    while (all->newest) {
        struct stage *s = all->newest;

        ASSERT(!s->above); /* G-1 */
        all->newest = s->below;
        if (s->below)
            s->below->above = NULL;
        stage_free(s);
    }
    while (!list_is_empty(&all->ledgers))
        ledgers_remove(all, LIST_ENTRY(all->ledgers.next, struct ledger, in_db));
    ASSERT(!all->ledger_bytes && !all->ledger_disk_bytes); /* G-3 */
}

void stage_stack_push(struct stage_stack *all, struct stage *s)
{
    ASSERT(s->state == STAGE_OPEN && !s->above && !s->first_commit);
    ASSERT(!all->newest || all->newest->state != STAGE_OPEN); /* G-1 */
    s->below = all->newest;
    all->staged_bytes += s->arena.bytes;
    if (all->newest)
        all->newest->above = s;
    else
        all->oldest = s;
    all->newest = s;
}

enum err stage_stack_spare(struct stage_stack *all, struct os *os)
{
    enum err e = stage_spares_fill(&all->spares, os, all->spares_needed + 1);

    ASSERT(e || all->spares.count > all->spares_needed);
    return e;
}

void stage_stack_grown(struct stage_stack *all, uint64_t before)
{
    ASSERT(all->newest->state == STAGE_OPEN && all->newest->arena.bytes >= before); /* G-2 */
    all->staged_bytes += all->newest->arena.bytes - before;
    all->taken_bytes += all->newest->arena.bytes - before;
}

void stage_stack_seal(struct stage_stack *all, uint64_t now_ms)
{
    struct stage *s = all->newest;

    ASSERT(s->first_commit && !s->above); /* an empty stage is never sealed */
    stage_move(s, STAGE_SEALED);
    all->sealed_bytes += s->arena.bytes;
    if (all->sealed_count++ == 0)
        all->sealed_ms = now_ms;
    all->sealed_last_ms = now_ms;
    ASSERT(all->sealed_bytes <= all->staged_bytes); /* G-2 */
}

void stage_stack_amalgamated(struct stage_stack *all, struct stage *s, uint64_t now_ms)
{
    uint64_t bytes = s->arena.bytes;

    ASSERT(!s->below || s->below->state == STAGE_AMALGAMATED); /* G-1 */
    stage_move(s, STAGE_AMALGAMATED);
    ASSERT(all->staged_bytes >= bytes && all->sealed_bytes >= bytes &&
           all->sealed_count); /* G-2 */
    all->staged_bytes -= bytes;
    all->sealed_bytes -= bytes;
    all->held_bytes += bytes;
    all->sealed_count--;
    all->sealed_ms = all->sealed_last_ms =
        now_ms; /* what was sealed meanwhile begins to wait */
}

void stage_stack_remove(struct stage_stack *all, struct stage *s)
{
    ASSERT(all->oldest && s != all->newest);
    ASSERT(s->above &&
           s->state == STAGE_AMALGAMATED); /* rule 7; the open one is always above */
    ASSERT(s->above->below == s && (!s->below || s->below->above == s));
    ASSERT(all->held_bytes >= s->arena.bytes); /* G-2 */
    s->above->below = s->below;
    if (s->below)
        s->below->above = s->above;
    else
        all->oldest = s->above;
    all->held_bytes -= s->arena.bytes;
}

struct stage *stage_stack_newest_amalgamated(const struct stage_stack *all)
{
    struct stage *s = NULL;

    for (struct stage *at = all->oldest; at && at->state == STAGE_AMALGAMATED; at = at->above)
        s = at;
    ASSERT(!s || all->held_bytes > 0); /* G-2 */
    return s;
}

void ledgers_add(struct stage_stack *all, struct ledger *l)
{
    ASSERT(!list_is_linked(&l->in_db) && !l->writer);
    list_push_front(&all->ledgers, &l->in_db);
    all->ledger_bytes += l->bytes;
    all->ledger_disk_bytes += l->disk_bytes;
}

void ledgers_remove(struct stage_stack *all, struct ledger *l)
{
    ASSERT(all->ledger_bytes >= l->bytes); /* G-3 */
    ASSERT(all->ledger_disk_bytes >= l->disk_bytes);
    list_remove(&l->in_db);
    all->ledger_bytes -= l->bytes;
    all->ledger_disk_bytes -= l->disk_bytes;
    ledger_free(l);
}

void stage_stack_discard(struct stage_stack *all, struct arena *arena)
{
    arena_splice(&all->garbage, arena);
    ASSERT(!arena->newest);
}

static bool ledgers_check(const struct stage_stack *all)
{
    uint64_t bytes = 0, disk = 0;

    LIST_EACH (link, &all->ledgers) {
        const struct ledger *l = LIST_ENTRY(link, struct ledger, in_db);

        bytes += l->bytes;
        disk += l->disk_bytes;
    }
    return bytes == all->ledger_bytes && disk == all->ledger_disk_bytes;
}

bool stage_stack_check(const struct stage_stack *all)
{
    uint64_t staged = 0, sealed = 0, held = 0, count = 0;
    const struct stage *above = NULL;

    for (const struct stage *s = all->newest; s; above = s, s = s->below) {
        bool is_amalgamated = s->state == STAGE_AMALGAMATED;

        if (s->above != above || (above && s->state == STAGE_OPEN) || /* G-1 */
            (above && above->state == STAGE_AMALGAMATED && !is_amalgamated))
            return false;
        *(is_amalgamated ? &held : &staged) += s->arena.bytes;
        if (!is_amalgamated && s->state != STAGE_OPEN) {
            sealed += s->arena.bytes;
            count++;
        }
    }
    return above == all->oldest && staged == all->staged_bytes &&
           sealed == all->sealed_bytes && /* G-2 */
           count == all->sealed_count && held == all->held_bytes && ledgers_check(all);
}
