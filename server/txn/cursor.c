/* Walking a range: own writes, stages and the root, merged by key, the newest
 * visible version of each.
 *
 * The place is a bound between rows: going forward, what is at or above it is
 * ahead; in reverse, what is below it. After row k forward the place is k and a zero
 * byte (no key has another as its beginning, so nothing is between); in reverse it
 * is k itself. So turning round gives the last row again, and after a rest every
 * source finds its place by one seek. A linked record stays in its stage for as long as
 * the stage lives, so positions in stages stay good while others commit. */
#include "server/txn/cursor.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursor_pool.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/op.h"
#include "server/txn/pulse.h"
#include "server/txn/reads.h"
#include "server/txn/snapshots.h"
#include "server/txn/stage_stack.h"
#include "server/txn/txn_struct.h"
#include "server/txn/view.h"

#define STEPS_A_TURN 2000

enum err cursor_corrupt(struct op *op, const struct cursor *c, const char *text)
{
    return failure_set_at(&op->failure, ERR_CORRUPT, PRIMARY_FILE, tree_cursor_offset(&c->tree),
                          "%s", text);
}

bool cursor_is_only_staged(const struct cursor *c)
{
    return c->only_staged;
}

/* ---- sources ---- */

static void source_seek(const struct cursor *c, struct cursor_source *s)
{
    struct slice place = slice_make(c->place, c->place_size);

    ASSERT(s->st->store == c->store);
    ASSERT(c->place_size <= sizeof c->place);
    s->used = false;
    if (c->reverse)
        s->at = stage_seek_below(s->st, c->place_is_end ? SLICE_NONE : place);
    else
        s->at = c->place_is_end ? NULL : stage_seek(s->st, place);
}

void cursor_source_advance(const struct cursor *c, struct cursor_source *s)
{
    ASSERT(s->used && s->at);
    ASSERT(s->at->store == c->store);
    s->used = false;
    s->at = c->reverse ? stage_seek_below(s->st, record_key(s->at)) : record_following(s->at);
}

static enum err cursor_add_source(struct cursor *c, struct stage_store *st, bool is_own)
{
    ASSERT(c->source_count <= c->source_room);
    if (!st)
        return ERR_OK;
    if (c->source_count == c->source_room) {
        size_t room = 2 * c->source_room;
        struct cursor_source *grown = os_alloc(c->pool->os, room * sizeof *grown);

        if (!grown)
            return ERR_NOMEM;
        memcpy(grown, c->sources, c->source_count * sizeof *grown);
        if (c->sources != c->few)
            os_free(c->pool->os, c->sources, c->source_room * sizeof *grown);
        c->sources = grown;
        c->source_room = room;
    }
    c->sources[c->source_count] = (struct cursor_source){.st = st, .is_own = is_own};
    source_seek(c, &c->sources[c->source_count++]);
    return ERR_OK;
}

static enum err cursor_place_sources(struct op *op, struct cursor *c)
{
    struct view v = view_of(c->snapshot, c->txn ? &c->txn->write_set : NULL);
    enum err e = ERR_OK;

    ASSERT(!c->is_placed && !c->tree_placed);
    ASSERT(c->snapshot && c->snapshot->refs > 0);
    c->source_count = 0;
    if (v.own)
        e = cursor_add_source(c, stage_store_of(v.own, c->store), true);
    for (struct stage *s = view_next_stage(&v, NULL); s && !e; s = view_next_stage(&v, s))
        e = cursor_add_source(c, stage_store_of(s, c->store), false);
    if (e)
        return failure_set(&op->failure, e, "out of memory for a cursor");
    snapshot_enter(c->snapshot);
    tree_cursor_init(&c->tree, c->snapshot->root, c->store);
    c->is_placed = true;
    ASSERT(c->snapshot->busy > 0);
    return ERR_OK;
}

static enum err cursor_place_tree(struct op *op, struct cursor *c)
{
    struct slice place = slice_make(c->place, c->place_size);
    enum err e = ERR_OK;

    ASSERT(c->is_placed && !c->tree_placed);
    if (c->only_staged || (c->place_is_end && !c->reverse)) {
        c->tree.valid = false;
    } else {
        if (c->place_is_end)
            place = SLICE_NONE;
        e = tree_cursor_seek(&c->tree, place, c->reverse, &op->wait, &op->failure);
    }
    if (!e)
        c->tree_placed = true;
    c->tree_used = false;
    return e;
}

/* Move on every source whose key has been given. */
static enum err cursor_advance(struct op *op, struct cursor *c)
{
    ASSERT(c->is_placed && c->tree_placed);
    if (c->tree_used) {
        enum err e = c->reverse ? tree_cursor_previous(&c->tree, &op->wait, &op->failure)
                                : tree_cursor_next(&c->tree, &op->wait, &op->failure);
        if (e)
            return e;
        c->tree_used = false;
    }
    for (size_t i = 0; i < c->source_count; i++) {
        if (c->sources[i].used)
            cursor_source_advance(c, &c->sources[i]);
    }
    return ERR_OK;
}

enum err cursor_ready(struct op *op, struct cursor *c)
{
    enum err e = ERR_OK;

    if (!c->is_placed)
        e = cursor_place_sources(op, c);
    if (!e && !c->tree_placed)
        e = cursor_place_tree(op, c);
    if (!e)
        e = cursor_advance(op, c);
    ASSERT(e || (c->is_placed && c->tree_placed));
    return e;
}

/* The newest visible version of key among the sources; all that stand on key are used up. */
static struct record *cursor_resolve(struct cursor *c, struct slice key, bool *in_tree)
{
    struct record *newest = NULL;

    ASSERT(c->is_placed && c->snapshot);
    for (size_t i = 0; i < c->source_count; i++) {
        struct cursor_source *s = &c->sources[i];

        if (!s->at || !slice_equal(record_key(s->at), key))
            continue;
        s->used = true;
        if (!newest)
            newest = s->is_own ? s->at : record_visible(s->at, c->snapshot->commit);
    }
    ASSERT(!newest || newest->stamp->commit <= c->snapshot->commit);
    *in_tree = c->tree.valid && slice_equal(c->tree.key, key);
    if (*in_tree)
        c->tree_used = true;
    if (*in_tree && slice_is_none(c->tree.value))
        *in_tree = false; /* deleted, as the side of a damaged tree says */
    ASSERT(!newest || newest->store == c->store);
    return newest;
}

enum err cursor_step(struct op *op, struct cursor *c, struct slice *key, struct record **record,
                     struct slice *value)
{
    ASSERT(c->snapshot); /* T-6 */
    if (c->range_is_empty)
        return ERR_END;
    for (unsigned steps = 0;; steps++) {
        bool in_tree;
        enum err e;

        if (steps == STEPS_A_TURN)
            return op_yield(op);
        e = cursor_ready(op, c);
        if (e)
            return e;
        if (!cursor_nearest(c, key) || !cursor_in_range(c, *key)) {
            /* It stands behind its last row: more may come in its transaction. */
            cursor_rest(c);
            return ERR_END;
        }
        *record = cursor_resolve(c, *key, &in_tree);
        if (!*record && !in_tree)
            continue; /* a key that is newer than the snapshot */
        *value = *record ? record_value(*record) : c->tree.value;
        cursor_pass(c, *key);
        return ERR_OK;
    }
}

void cursor_step_back(struct cursor *c, const struct cursor_place *before)
{
    ASSERT(before->size <= sizeof c->place);
    cursor_rest(c); /* the sources find the place again */
    memcpy(c->place, before->bytes, before->size);
    c->place_size = before->size;
    c->place_is_end = before->is_end;
    c->last_size = before->last_size;
}

void cursor_place_of(const struct cursor *c, struct cursor_place *out)
{
    ASSERT(c->place_size <= sizeof out->bytes);
    out->size = c->place_size;
    out->is_end = c->place_is_end;
    out->last_size = c->last_size;
    memcpy(out->bytes, c->place, c->place_size);
}

/* Between the place before a step (before, as kept) and the one after it, or the edge if there was
 * no row, nothing else was. */
static enum err cursor_note(struct op *op, struct cursor *c, struct slice before,
                            bool before_is_end, bool ended)
{
    struct slice after = slice_make(c->place, c->place_is_end ? 0 : c->place_size);

    ASSERT(c->txn && c->schema && c->snapshot);
    if (ended)
        after = c->reverse ? slice_make(c->from, c->from_size) : slice_make(c->to, c->to_size);
    if (c->reverse ? !before_is_end && !before.size : before_is_end)
        return ERR_OK; /* it stood at the very edge already */
    if (before_is_end)
        before.size = 0;
    return c->reverse ? reads_note_range(op, c->txn, c->schema, after, before)
                      : reads_note_range(op, c->txn, c->schema, before, after);
}

enum err cursor_read(struct op *op, struct cursor *c, struct slice *key, struct record **record,
                     struct slice *value)
{
    struct cursor_place before;
    enum err e, noted;

    ASSERT(c->snapshot);
    if (!c->txn || !c->txn->options.serializable || c->range_is_empty)
        return cursor_step(op, c, key, record, value);
    cursor_place_of(c, &before);
    e = cursor_step(op, c, key, record, value);
    if (e && e != ERR_END)
        return e;
    noted =
        cursor_note(op, c, slice_make(before.bytes, before.size), before.is_end, e == ERR_END);
    if (noted && noted != ERR_CONFLICT)
        cursor_step_back(c, &before);
    return noted ? noted : e;
}

void cursor_set_range(struct cursor *c, const struct key_range *range)
{
    ASSERT(!c->reverse && !c->runs && !c->only_staged && !range->empty);
    ASSERT(range->from_size + range->to_size <= c->bounds_room);
    c->from_size = range->from_size;
    c->to_size = range->to_size;
    c->to = c->from + c->from_size;
    memcpy(c->from, range->from, range->from_size);
    memcpy(c->to, range->to, range->to_size);
    cursor_place_at_edge(c, false);
    c->last_size = 0;
    for (size_t i = 0; c->is_placed && i < c->source_count; i++)
        source_seek(c, &c->sources[i]);
    c->tree_placed = false;
    c->tree_used = false;
}

enum err cursor_current(struct cursor *c, struct slice *key)
{
    ASSERT(c->last_size <= c->place_size);
    *key = slice_make(c->place, c->last_size);
    return ERR_OK;
}

void cursor_keep_pending(struct cursor *c, struct record *r)
{
    ASSERT(c->only_staged && !c->pending);
    ASSERT(r->store == c->store);
    c->pending = r;
}

enum err cursor_current_pending(struct cursor *c, struct slice *key, struct record **record)
{
    ASSERT(!c->pending || c->only_staged);
    if (!c->pending)
        return ERR_NOT_FOUND;
    *record = c->pending;
    *key = record_key(c->pending);
    c->pending = NULL;
    return ERR_OK;
}

/* ---- for operators ---- */

bool cursor_hold(const struct cursor *c, struct cursor_hold *out)
{
    ASSERT(c->snapshot || !c->is_placed); /* T-6 */
    if (c->txn || !c->snapshot)
        return false;
    out->snapshot = c->snapshot->commit;
    out->age_ms = c->pool->pulse->now_ms - c->snapshot->taken_ms;
    out->bytes = sizeof *c + c->bounds_room;
    if (c->sources != c->few)
        out->bytes += c->source_room * sizeof *c->sources;
    out->held = snapshot_held_bytes(c->snapshot, c->pool->stages->oldest);
    out->disk = root_only_bytes(c->snapshot->root);
    return true;
}
