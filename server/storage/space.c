/* space.c - batches of extents on their way to being free. */
#include "server/storage/space.h"

#include "server/base/assert.h"
#include "server/storage/scratch.h"

#include <string.h>

enum err space_init(struct space *s, struct os *os)
{
    memset(s, 0, sizeof *s);
    s->os = os;
    ASSERT(!s->waiting && s->waiting_units == 0);
    return extent_init(&s->map, os);
}

static void batches_free(struct os *os, struct space_batch **head)
{
    while (*head) {
        struct space_batch *batch = *head;

        *head = batch->next;
        space_batch_free(os, batch);
    }
    ASSERT(!*head);
}

void space_fini(struct space *s)
{
    if (!s->os)
        return;
    batches_free(s->os, &s->waiting);
    batches_free(s->os, &s->made);
    extent_fini(&s->map);
    ASSERT(!s->waiting && !s->made);
}

enum err space_list_push(struct os *os, struct space_list *list, struct space_extent extent)
{
    if (items_grow(os, (void **)&list->items, list->count, &list->room, sizeof *list->items) !=
        ERR_OK)
        return ERR_NOMEM;
    ASSERT(extent.units && list->count < list->room);
    list->items[list->count++] = extent;
    return ERR_OK;
}

static void list_fini(struct os *os, struct space_list *list)
{
    ASSERT(list->count <= list->room);
    os_free(os, list->items, list->room * sizeof *list->items);
    memset(list, 0, sizeof *list);
}

struct space_batch *space_batch_new(struct os *os, uint64_t number)
{
    struct space_batch *batch = os_alloc(os, sizeof *batch);

    ASSERT(number > 0);
    if (!batch)
        return NULL;
    memset(batch, 0, sizeof *batch);
    batch->number = number;
    batch->freed_at = number;
    return batch;
}

void space_batch_free(struct os *os, struct space_batch *batch)
{
    if (!batch)
        return;
    list_fini(os, &batch->list);
    os_free(os, batch, sizeof *batch);
}

static uint64_t list_units(const struct space_list *list)
{
    uint64_t units = 0;

    for (size_t i = 0; i < list->count; i++)
        units += list->items[i].units;
    return units;
}

static void wait_for(struct space *s, struct space_batch *batch)
{
    ASSERT(batch->freed_at >= batch->number);
    if (batch->list.count == 0) {
        space_batch_free(s->os, batch);
        return;
    }
    ASSERT(!batch->next);
    s->waiting_units += list_units(&batch->list); /* U-4 */
    batch->next = s->waiting;
    s->waiting = batch;
}

void space_branch(struct space *s, uint64_t from, uint64_t next)
{
    struct space_batch **at = &s->waiting;

    ASSERT(from < next);
    /* What the roots left aside replaced is in use again: it is in from, or they made it
     * themselves and it comes back below. */
    while (*at) {
        struct space_batch *batch = *at;

        if (batch->kind == SPACE_REPLACED && batch->number > from) {
            *at = batch->next;
            ASSERT(s->waiting_units >= list_units(&batch->list)); /* U-4 */
            s->waiting_units -= list_units(&batch->list);
            space_batch_free(s->os, batch);
        } else {
            at = &batch->next;
        }
    }
    at = &s->made;
    while (*at) {
        struct space_batch *batch = *at;

        if (batch->number > from) {
            *at = batch->next;
            batch->next = NULL;
            ASSERT(batch->number < next);
            batch->kind = SPACE_ORPHAN;
            batch->freed_at = next;
            wait_for(s, batch);
        } else {
            at = &batch->next;
        }
    }
}

/* Where the least held number at or above birth stands; count: there is none. */
static size_t held_from(const struct space_held *held, uint64_t birth)
{
    size_t low = 0, high = held->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (held->numbers[middle] < birth)
            low = middle + 1;
        else
            high = middle;
    }
    ASSERT(low == held->count || held->numbers[low] >= birth);
    return low;
}

/* Whether a held root sees an extent; if there is one only, it is its. */
static bool held_sees(const struct space_held *held, const struct space_extent *extent,
                      uint64_t freed_at)
{
    size_t at = held_from(held, extent->birth);

    ASSERT(extent->birth <= freed_at); /* U-5 */
    ASSERT(at == 0 || held->numbers[at - 1] < extent->birth);
    if (at == held->count || held->numbers[at] >= freed_at)
        return false;
    if (at + 1 == held->count || held->numbers[at + 1] >= freed_at)
        held->only[at] += extent->units;
    return true;
}

void space_count_only(const struct space_batch *batch, const struct space_held *held)
{
    ASSERT(batch->kind == SPACE_REPLACED);
    for (size_t i = 0; i < batch->list.count; i++)
        held_sees(held, &batch->list.items[i], batch->freed_at);
}

/* Whether it is in one of the lists of what was made since the durable root. As long as those
 * may be left aside, their extents must stay theirs. */
static bool is_made(const struct space *s, uint64_t birth)
{
    ASSERT(!s->made || s->made->number > 0);
    for (const struct space_batch *batch = s->made; batch; batch = batch->next)
        if (batch->number == birth)
            return true;
    return false;
}

static void batch_reclaim(struct space *s, struct space_batch *batch,
                          const struct space_held *held)
{
    size_t kept = 0;
    bool limbo = s->in_limbo && s->limbo_low < batch->freed_at;

    for (size_t i = 0; i < batch->list.count; i++) {
        struct space_extent extent = batch->list.items[i];

        if (held_sees(held, &extent, batch->freed_at) ||
            (limbo && extent.birth <= s->limbo_high) || is_made(s, extent.birth)) {
            batch->list.items[kept++] = extent;
        } else {
            extent_give(&s->map, extent.offset,
                        extent.units);                /* U-1: asserts that it was used */
            ASSERT(s->waiting_units >= extent.units);          /* U-4 */
            s->waiting_units -= extent.units;
        }
    }
    ASSERT(kept <= batch->list.count);
    batch->list.count = kept;
}

bool space_reclaim(struct space *s, const struct space_held *held, struct space_batch **cursor)
{
    struct space_batch **at;

    ASSERT(s->waiting || s->waiting_units == 0); /* U-4 */
    if (!*cursor)
        *cursor = s->waiting;
    else
        *cursor = (*cursor)->next;
    if (!*cursor) { /* all were seen; those that are empty go */
        at = &s->waiting;
        while (*at) {
            struct space_batch *batch = *at;

            if (batch->list.count == 0) {
                *at = batch->next;
                space_batch_free(s->os, batch);
            } else {
                at = &batch->next;
            }
        }
        return false;
    }
    batch_reclaim(s, *cursor, held);
    return true;
}

void space_merged(struct space *s, struct space_batch *replaced, struct space_batch *made,
                  bool durable)
{
    ASSERT(replaced->kind == SPACE_REPLACED && replaced->number == made->number && !made->next);
    ASSERT(made->freed_at == made->number);
    ASSERT(!s->made || s->made->number < made->number);
    wait_for(s, replaced);
    if (durable) {
        space_batch_free(s->os, made);
        batches_free(s->os, &s->made);
        s->in_limbo = false;
    } else {
        made->next = s->made;
        s->made = made;
    }
}

void space_undo(struct space *s, struct space_batch *made)
{
    ASSERT(made->kind == SPACE_REPLACED);
    for (size_t i = 0; i < made->list.count; i++)
        extent_give(&s->map, made->list.items[i].offset, made->list.items[i].units);
    space_batch_free(s->os, made);
}

void space_limbo(struct space *s, struct space_batch *made)
{
    if (!s->in_limbo || made->number < s->limbo_low)
        s->limbo_low = made->number;
    if (!s->in_limbo || made->number > s->limbo_high)
        s->limbo_high = made->number;
    s->in_limbo = true;
    ASSERT(s->limbo_low <= s->limbo_high && !made->next);
    made->kind = SPACE_ORPHAN;
    made->freed_at = made->number + 1;
    wait_for(s, made);
}
