#include "server/txn/cursors.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/db_struct.h"
#include "server/txn/snapshot.h"
#include "server/txn/txn_struct.h"

size_t cursor_bytes(const struct cursor *c)
{
    ASSERT(c->source_count <= c->source_room);
    return sizeof *c + c->bounds_room +
           (c->sources == c->few ? 0 : c->source_room * sizeof *c->sources);
}

void cursor_place_at_edge(struct cursor *c, bool at_end)
{
    size_t size = at_end ? c->to_size : c->from_size;

    ASSERT(size <= sizeof c->place);
    c->place_is_end = at_end && !c->to_size;
    c->place_size = size;
    memcpy(c->place, at_end ? c->to : c->from, size);
}

struct cursor *cursor_new(struct op *op, struct txn *t, struct snapshot *s,
                          struct schema *schema, const struct key_range *range, bool reverse,
                          bool only_staged)
{
    struct cursor *c = cursor_alloc(&op->db->cursors, range->from_size + range->to_size);

    ASSERT(!t || t->snapshot == s); /* a transaction has one snapshot */
    ASSERT(s->refs > 0 && schema_store(schema)->refs > 0);
    if (!c)
        return NULL;
    ASSERT(c->bounds_room >= range->from_size + range->to_size);
    memset(c, 0, offsetof(struct cursor, bounds_room));
    c->db = op->db;
    c->pool = &op->db->cursors;
    c->sources = c->few;
    c->source_room = CURSOR_SOURCES;
    c->txn = t;
    c->snapshot = snapshot_ref(s);
    c->schema = schema_ref(schema);
    c->store = schema->number;
    c->schemas_made = t ? t->schemas_made : 0;
    c->reverse = reverse;
    c->only_staged = only_staged;
    c->range_is_empty = range->empty;
    c->limit = UINT64_MAX;
    c->from_size = range->from_size;
    c->to_size = range->to_size;
    c->from = (uint8_t *)(c + 1);
    c->to = c->from + c->from_size;
    memcpy(c->from, range->from, range->from_size);
    memcpy(c->to, range->to, range->to_size);
    tree_cursor_init(&c->tree, s->root, schema->number);
    cursor_place_at_edge(c, reverse);
    list_push_back(&c->pool->open, &c->in_db);
    list_init(&c->in_txn);
    if (t)
        list_push_back(&t->cursors, &c->in_txn);
    if (only_staged)
        snapshot_enter(s); /* what is counted is compared with this root, from first to last */
    return c;
}

struct cursor *cursor_new_anchor(struct op *op, struct txn *t, struct snapshot *s)
{
    static const struct key_range nothing = {.empty = true};

    ASSERT(op->db->catalogue.self);
    return cursor_new(op, t, s, op->db->catalogue.self, &nothing, false, false);
}

void cursor_pass(struct cursor *c, struct slice key)
{
    ASSERT(key.size < sizeof c->place);
    memcpy(c->place, key.data, key.size);
    c->last_size = key.size;
    c->place_size = key.size;
    c->place_is_end = false;
    c->place[key.size] = 0;
    if (!c->reverse)
        c->place_size++;
    ASSERT(c->place_size <= sizeof c->place);
}

void cursor_run_settle(struct cursor *c)
{
    c->run_left = 0;
    if (!c->run_is_ahead)
        return;
    ASSERT(c->is_placed && c->tree_placed);
    c->run_is_ahead = false;
    tree_cursor_stand(&c->tree, c->run_slot);
    c->tree_used = true;
    cursor_pass(c, c->tree.key);
}

void cursor_rest(struct cursor *c)
{
    ASSERT(!c->is_placed || c->snapshot); /* T-6 */
    cursor_run_settle(c);
    if (c->is_placed)
        snapshot_leave(c->db, c->snapshot);
    c->is_placed = false;
    c->tree_placed = false;
    c->pending = NULL;
    tree_cursor_fini(&c->tree);
    ASSERT(!c->is_placed && !c->tree.height); /* T-6 */
}

/* Let go of what it sees; it cannot go on. */
static void cursor_end(struct cursor *c)
{
    struct snapshot *s = c->snapshot;

    ASSERT(c->snapshot || !c->is_placed); /* T-6 */
    if (!s)
        return;
    cursor_rest(c);
    if (c->only_staged)
        snapshot_leave(c->db, s);
    c->snapshot = NULL;
    snapshot_unref(c->db, s);
}

void cursors_expire(struct db *db, const struct failure *why)
{
    LIST_EACH_SAFE (link, &db->cursors.open) {
        struct cursor *c = LIST_ENTRY(link, struct cursor, in_db);

        if (!c->snapshot || !c->snapshot->is_expiring)
            continue;
        cursor_end(c);
        c->ended_by = why->limit;
        c->ended_max = why->limit_max;
        c->ended_size = why->limit_size;
    }
}

void cursors_end_all(struct txn *t)
{
    LIST_EACH (link, &t->cursors)
        cursor_end(LIST_ENTRY(link, struct cursor, in_txn));
}

/* What the cursor went over before its transaction made s; NULL: nothing. */
static struct schema *cursor_schema_before(const struct cursor *c, const struct schema *s)
{
    struct schema *index;

    if (!s->before || !c->schema->of)
        return s->before;
    for (unsigned i = 0; i < s->before->index_count; i++) {
        if (s->before->indexes[i]->number == c->schema->number)
            return s->before->indexes[i];
    }
    if (s->number == s->before->number)
        return NULL;
    index =
        schema_index(s->before, c->schema->index); /* it was cleared: all have new numbers */
    return index && slice_equal(index->key, c->schema->key) ? index : NULL;
}

void cursors_end_schema(struct txn *t, struct schema *s)
{
    ASSERT(!s->commit);
    LIST_EACH (link, &t->cursors) {
        struct cursor *c = LIST_ENTRY(link, struct cursor, in_txn);
        struct schema *before;

        if (!c->schema || schema_store(c->schema) != s)
            continue;
        before = cursor_schema_before(c, s);
        if (before) {
            cursor_rest(c);
            c->store = before->number;
            schema_ref(before);
        } else {
            cursor_end(c);
            c->was_index = c->schema->of != NULL;
        }
        c->schema = before;
        schema_unref(t->all->catalogue, s);
    }
}

void cursors_rest(struct txn *t)
{
    LIST_EACH (link, &t->cursors)
        cursor_rest(LIST_ENTRY(link, struct cursor, in_txn));
}

void cursor_close(struct cursor *c)
{
    ASSERT(list_is_linked(&c->in_db));
    cursor_end(c);
    if (c->schema)
        schema_unref(c->pool->catalogue, c->schema);
    list_remove(&c->in_db);
    list_remove(&c->in_txn);
    if (c->sources != c->few)
        os_free(c->pool->os, c->sources, c->source_room * sizeof *c->sources);
    cursor_dealloc(c->pool, c);
}

void cursor_kill(struct cursor *c)
{
    ASSERT(!c->txn);
    if (!c->snapshot)
        return;
    cursor_end(c);
    ASSERT(!c->snapshot && !c->is_placed); /* T-6 */
    c->is_killed = true;
    c->db->txns.killed++;
}
