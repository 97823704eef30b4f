/* cursor_pool.h - the open cursors of a database, and memory for them, used again and again.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_CURSOR_POOL_H
#define HOLDFAST_TXN_CURSOR_POOL_H

#include "server/base/list.h"
#include "server/os/os.h"

struct cursor;

struct catalogue;
struct pulse;
struct stage_stack;

struct cursor_pool {
    struct os *os; /* this and the next three are borrowed */
    struct catalogue *catalogue;
    const struct pulse *pulse;
    const struct stage_stack *stages;
    struct list_link open;   /* cursor.in_db: all that are open */
    struct list_link closed; /* cursor.in_pool: to be used again */
    unsigned closed_count;   /* of them, bounded */
};

void cursor_pool_init(struct cursor_pool *pool, struct os *os);
void cursor_pool_fini(struct cursor_pool *pool);
/* With room for bounds of so many bytes, in all. NULL: no memory. */
struct cursor *cursor_alloc(struct cursor_pool *pool, size_t bounds);
/* It stands nowhere any more. */
void cursor_dealloc(struct cursor_pool *pool, struct cursor *c);

#endif
