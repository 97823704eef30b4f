/* Savepoints in a write-set.
 *
 * What was written first since a savepoint stands behind its last record in the stamp's list, so
 * it is found and taken out of the store's list and its index. A record that was written before
 * and again since keeps its place; the value that it had lies in a list of what was replaced,
 * newest first, which is put back in that order. Both take a step for each change, and can be
 * done a part at a time: in between the write-set is whole. */
#include "server/base/assert.h"
#include "server/storage/stage_internal.h"

struct write_undo {
    struct write_undo *before; /* replaced earlier */
    struct record *record;
    const uint8_t *value;
    uint32_t value_size;
};

bool write_set_keep_value(struct stage *s, struct record *r)
{
    struct write_undo *undo = arena_alloc(s->memory, sizeof *undo);

    ASSERT(s->savepoints);
    ASSERT(s->is_write_set);
    if (!undo)
        return false;
    *undo = (struct write_undo){s->undo, r, r->value, r->value_size};
    s->undo = undo;
    return true;
}

void write_set_mark(struct stage *s, const struct stamp *stamp, struct write_mark *mark)
{
    /* what is written by itself lies in a stage already, and is never taken back */
    ASSERT(s->memory == &s->arena && s->is_write_set);
    mark->last = stamp ? stamp->last : NULL;
    mark->undo = s->undo;
    s->savepoints++;
}

void write_set_unmark(struct stage *s)
{
    ASSERT(s->savepoints);
    ASSERT(s->is_write_set);
    if (--s->savepoints == 0)
        s->undo = NULL; /* nobody can go back beyond here */
}

static void undo_value(struct stage *s, const struct write_undo *undo)
{
    struct record *r = undo->record;

    ASSERT(s->value_bytes + undo->value_size >= r->value_size);
    s->value_bytes += undo->value_size;
    s->value_bytes -= r->value_size;
    if (r->is_entry) {
        s->entry_bytes += undo->value_size;
        s->entry_bytes -= r->value_size;
    }
    r->value = undo->value;
    r->value_size = undo->value_size;
}

static void undo_record(struct stage *s, struct record *r)
{
    struct stage_store *st = stage_store_of(s, r->store);
    struct record *before = stage_seek_below(st, record_key(r));
    struct record **at = before ? &before->next : &st->first;

    ASSERT(s->is_write_set && s->records);
    ASSERT(*at == r && st->records); /* S-4 */
    ASSERT(st);
    ASSERT(s->value_bytes >= (uint64_t)r->key_size + r->value_size); /* S-6 */
    if (--st->records < STAGE_UNINDEXED) {
        st->index.root = NULL;
        st->is_indexed = false;
    } else {
        stage_index_remove(&st->index, r);
    }
    *at = r->next;
    s->records--;
    s->value_bytes -= (uint64_t)r->key_size + r->value_size;
    if (r->is_entry) {
        ASSERT(s->entries);
        s->entries--;
        s->entry_bytes -= (uint64_t)r->key_size + r->value_size;
    }
    if (!st->records)
        stage_drop_store(s, st);
}

void write_set_mark_entry(struct stage *s, struct record *r, bool is_new)
{
    ASSERT(s->is_write_set && !r->is_entry);
    r->is_entry = true;
    r->is_new = is_new;
    s->entries++;
    s->entry_bytes += (uint64_t)r->key_size + r->value_size;
}

void write_set_drop_voids(struct stage *s, struct stamp *stamp,
                          void (*gone)(void *context, struct record *r), void *context)
{
    struct record **at = &stamp->first;

    ASSERT(s->is_write_set && !s->savepoints);
    stamp->last = NULL;
    while (*at) {
        struct record *r = *at;

        if (record_is_void(r)) {
            gone(context, r);
            *at = r->log_next;
            undo_record(s, r);
            stamp->records--;
        } else {
            stamp->last = r;
            at = &r->log_next;
        }
    }
    s->has_voids = false;
}

bool write_set_undo(struct stage *s, struct stamp *stamp, const struct write_mark *mark,
                    unsigned steps, void (*gone)(void *context, struct record *r),
                    void *context)
{
    struct record **first;

    ASSERT(s->savepoints);
    for (; s->undo != mark->undo && steps; steps--) {
        undo_value(s, s->undo);
        s->undo = s->undo->before;
    }
    if (!stamp)
        return true;
    first = mark->last ? &mark->last->log_next : &stamp->first;
    for (; *first && steps; steps--) {
        struct record *r = *first;

        ASSERT(r->stamp == stamp && stamp->records > 0);
        gone(context, r);
        *first = r->log_next;
        undo_record(s, r);
        stamp->records--;
    }
    if (*first || s->undo != mark->undo)
        return false;
    stamp->last = mark->last;
    return true;
}
