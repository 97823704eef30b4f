#include "server/txn/index_build.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/damage.h"
#include "server/txn/db_struct.h"
#include "server/txn/entries.h"
#include "server/txn/entries_change.h"
#include "server/txn/index_row.h"
#include "server/txn/indexes.h"
#include "server/txn/intents.h"
#include "server/txn/lock_wait.h"
#include "server/txn/pulse.h"
#include "server/txn/record_see.h"
#include "server/txn/tasks.h"
#include "server/txn/txn.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_struct.h"
#include "server/txn/write.h"

#define SLICE_ENTRIES 4000 /* written in one, about */
#define SLICE_SHARE 4      /* of the steps of a turn: what one looks at */
#define RETRY_MS 200
#define LOOK_STEPS 16 /* records, or entries, after which a slice looks at the clock */
#define PROGRESS_HEAD_BYTES \
    9 /* u64 records looked at, u8 is it the last slice; then the place */

enum build_phase { BUILD_NONE, BUILD_LOADING, BUILD_WALKING, BUILD_MERGING, BUILD_ENDING };

struct index_build { /* one at a time */
    struct db *db;
    bool is_stopped;
    bool is_waiting;   /* op waits, for a page or for room */
    uint64_t retry_ms; /* after an error that may pass: not before; 0: at once */
    uint64_t paced_ms; /* its share of the time is used up: until then, about; 0: it is not */
    uint64_t until_ns; /* the slice at hand ends */
    enum build_phase phase;
    uint32_t number;      /* of the index at hand */
    uint64_t built;       /* records looked at */
    uint64_t last_commit; /* of its slices */
    enum index_state ends_as;
    struct op op;
    struct db_task task; /* MERGING */
    size_t place_size;   /* 0: at the beginning */
    uint8_t place[KEY_BYTES_MAX]; /* the key of the last record that has its entries */
    uint8_t why[INDEX_WHY_BYTES_MAX]; /* FAILED: as in the row */
    size_t why_size;
};

static struct index_build *build_of(struct op *op)
{
    ASSERT(op->db);
    return LIST_ENTRY(op, struct index_build, op);
}

static void build_woken(struct op *op)
{
    ASSERT(build_of(op)->db == op->db);
    build_of(op)->is_waiting = false;
    pulse_wake(&op->db->pulse);
}

static void build_merged(struct db_task *task, enum err e, const struct failure *f)
{
    struct index_build *b = LIST_ENTRY(task, struct index_build, task);

    (void)f;
    ASSERT(!list_is_linked(&task->in_queue));
    if (b->phase != BUILD_MERGING)
        return;
    if (!e && root_facts(primary_root(b->db->primary))->commit >= b->last_commit) {
        b->phase = BUILD_ENDING;
        b->ends_as = INDEX_READY;
    } else { /* ask again */
        b->retry_ms = os_now_ms(b->db->os) + RETRY_MS;
    }
    pulse_wake(&b->db->pulse);
}

struct index_build *index_build_new(struct db *db)
{
    struct index_build *b = os_alloc(db->os, sizeof *b);

    if (!b)
        return NULL;
    memset(b, 0, sizeof *b);
    b->db = db;
    b->task.done = build_merged;
    list_init(&b->task.in_queue);
    op_init(&b->op, db, build_woken);
    ASSERT(!db->builds.work && b->phase == BUILD_NONE);
    db->builds.pace.share = db->options.build_share;
    db->builds.is_due = db->catalogue.indexes > 0;
    if (db->builds.is_due)
        pulse_wake(&db->pulse);
    return b;
}

static void build_leave(struct index_build *b)
{
    ASSERT(!b->op.own && !b->op.cursor);
    b->phase = BUILD_NONE;
    b->db->builds.number = 0;
    b->is_waiting = false;
    b->retry_ms = b->paced_ms = 0;
    b->db->builds.is_due = true; /* there may be another */
    db_cancel_task(&b->task);
    op_fini(&b->op);
    op_init(&b->op, b->db, build_woken);
}

void index_build_stop(struct index_build *b)
{
    build_leave(b);
    ASSERT(b->phase == BUILD_NONE && !list_is_linked(&b->task.in_queue));
    b->is_stopped = true;
}

void index_build_free(struct index_build *b)
{
    op_fini(&b->op);
    os_free(b->db->os, b, sizeof *b);
}

uint64_t index_build_next_ms(const struct index_build *b)
{
    if (b->is_waiting)
        return UINT64_MAX;
    if (b->retry_ms)
        return b->retry_ms;
    return b->paced_ms ? b->paced_ms : UINT64_MAX;
}

/* ---- which ---- */

static struct schema *building_of(struct schema *s)
{
    for (unsigned i = 0; s && !s->is_dropped && i < s->index_count; i++) {
        ASSERT(s->indexes[i]->of == s);
        if (s->indexes[i]->state == INDEX_BUILDING)
            return s->indexes[i];
    }
    return NULL;
}

static void build_find(struct index_build *b)
{
    const struct hash_table *names = &b->db->catalogue.names;
    struct schema *found = NULL;

    b->db->builds.is_due = false;
    for (size_t i = 0; i < names->room && !found; i++) {
        for (struct hash_link *l = names->buckets[i]; l && !found; l = l->next)
            found = building_of(LIST_ENTRY(l, struct catalogue_entry, in_names)->newest);
    }
    if (!found)
        return;
    ASSERT(found->of && found->number);
    b->phase = BUILD_LOADING;
    b->number = found->number;
    b->built = 0;
    b->last_commit = 0;
    b->place_size = b->why_size = 0;
}

/* The index as it is defined now; NULL: it has gone, or is building no more. */
static struct schema *build_index(const struct index_build *b)
{
    struct schema *s = catalogue_by_number(&b->db->catalogue, b->number);

    ASSERT(b->phase != BUILD_NONE);
    return s && s->of && s->state == INDEX_BUILDING ? s : NULL;
}

/* ---- how far it has come ---- */

static enum err progress_load(struct index_build *b, struct txn *t, const struct schema *index)
{
    struct view v = view_of(t->snapshot, NULL);
    struct slice row;
    enum err e = record_see(&b->op, &v, index->number, index_progress_key(), &row);

    if (e)
        return e;
    ASSERT(b->phase == BUILD_LOADING && !t->stamp);
    b->phase = BUILD_WALKING;
    if (slice_is_none(row) || row.size < PROGRESS_HEAD_BYTES ||
        row.size - PROGRESS_HEAD_BYTES > sizeof b->place)
        return ERR_OK; /* from the beginning */
    b->built = bytes_get_le64(row.data);
    b->place_size = row.size - PROGRESS_HEAD_BYTES;
    memcpy(b->place, row.data + PROGRESS_HEAD_BYTES, b->place_size);
    if (row.data[8])
        b->phase = BUILD_MERGING;
    return ERR_OK;
}

static enum err progress_write(struct index_build *b, struct txn *t, struct schema *index,
                               bool is_last)
{
    uint8_t row[PROGRESS_HEAD_BYTES + KEY_BYTES_MAX];

    ASSERT(b->place_size <= KEY_BYTES_MAX && index->number == b->number);
    bytes_put_le64(row, b->built);
    row[8] = is_last;
    memcpy(row + PROGRESS_HEAD_BYTES, b->place, b->place_size);
    return write_built(&b->op, t, index, index_progress_key(),
                       slice_make(row, PROGRESS_HEAD_BYTES + b->place_size));
}

/* ---- a slice ---- */

/* The row's fourth part: what is wrong with the records. */
static void build_fail(struct index_build *b, const struct failure *f)
{
    struct index_why why = {
        .name = slice_text(err_name(f->error)),
        .text = slice_text(f->text),
        .key = f->key.size ? slice_make(f->key.data, f->key.size) : SLICE_NONE,
        .record = f->record.size ? slice_make(f->record.data, f->record.size) : SLICE_NONE};

    ASSERT(f->error && b->phase != BUILD_ENDING);
    b->why_size = index_why_write(&why, b->why, sizeof b->why);
    ASSERT(b->why_size <= sizeof b->why);
    b->ends_as = INDEX_FAILED;
    b->phase = BUILD_ENDING;
}

/* Whether somebody who is open has written the index key. */
static bool is_written(struct db *db, const struct entry *n)
{
    ASSERT(n->index->unique && !slice_is_none(n->value));
    if (intents_find(&db->txns.intents, n->index->number, n->key))
        return true;
    LIST_EACH (link, &db->txns.large) {
        struct txn *t = LIST_ENTRY(link, struct txn, in_large);

        if (stage_find(&t->write_set, n->index->number, n->key))
            return true;
    }
    return false;
}

static enum err entry_build(struct index_build *b, struct txn *t, const struct entry *n)
{
    struct view v = view_of(t->snapshot, &t->write_set);
    struct slice there = SLICE_NONE;
    struct record *r;
    enum err e;

    ASSERT(n->index->state == INDEX_BUILDING && !slice_is_none(n->value));
    if (!n->index->unique)
        return write_built(&b->op, t, n->index, n->key, n->value);
    e = record_see(&b->op, &v, n->index->number, n->key, &there);
    if (!e && !slice_is_none(there) && !slice_equal(there, n->value))
        return entries_not_unique(&b->op.failure, n->index, n->key, there);
    if (e || !slice_is_none(there))
        return e;
    e = write_built(&b->op, t, n->index, n->key, n->value);
    r = e ? NULL : stage_find(&t->write_set, n->index->number, n->key);
    if (r && is_written(b->db, n))
        r->last_writer_wins = false; /* they lose to it, unless they agree (losers.c) */
    return e;
}

/* The entries of a record that was there before. */
static enum err record_build(struct index_build *b, struct txn *t, struct schema *index,
                             struct slice key, struct slice value, unsigned *entries)
{
    struct entries *s = &b->db->txns.entries;
    struct entry_versions record = {SLICE_NONE, value};
    enum err e;

    ASSERT(key.size > 0 && !slice_is_none(value));
    entries_reset(s);
    e = entries_check_count(s, index->of, key, value, &b->op.failure);
    if (!e)
        e = entries_add_difference(s, index, key, &record, &b->op.failure);
    for (const struct entry *n = s->first; n && !e; n = n->next, (*entries)++)
        e = entry_build(b, t, n);
    b->built += !e;
    return e;
}

/* ERR_OK: the slice is full; ERR_END: that was the last record. */
static enum err slice_walk(struct index_build *b, struct txn *t, struct schema *index)
{
    struct key_range range = {.from_size = 0};
    struct cursor *c;
    unsigned entries = 0, looked = 0, look = LOOK_STEPS,
             steps = b->db->options.slice_steps / SLICE_SHARE + 1;
    enum err e = ERR_OK;

    if (b->place_size) { /* behind that key */
        memcpy(range.from, b->place, b->place_size);
        range.from[b->place_size] = 0;
        range.from_size = b->place_size + 1;
    }
    ASSERT(b->phase == BUILD_WALKING && index->of && range.from_size <= KEY_BYTES_MAX + 1);
    c = cursor_new(&b->op, NULL, t->snapshot, index->of, &range, false, false);
    if (!c)
        return ERR_NOMEM;
    for (; steps && entries < SLICE_ENTRIES && !e; steps--) {
        struct slice key, value;
        struct record *r;

        e = cursor_step(&b->op, c, &key, &r, &value);
        if (!e && (!r || !record_is_delete(r)))
            e = record_build(b, t, index, key, value, &entries);
        if (!e) { /* deleted ones are behind it, too */
            ASSERT(key.size <= sizeof b->place);
            b->place_size = key.size;
            memcpy(b->place, key.data, key.size);
            op_release(&b->op);
        }
        if (--look == 0 || entries - looked >= LOOK_STEPS) {
            if (os_now_ns(b->db->os) >= b->until_ns)
                break;
            look = LOOK_STEPS;
            looked = entries;
        }
    }
    cursor_close(c);
    return e;
}

/* What the walk came to, with what it has written so far committed. */
static enum err slice_end(struct index_build *b, struct txn *t, struct schema *index,
                          enum err e)
{
    bool is_last = e == ERR_END;
    bool goes_on = !e || is_last || e == ERR_WAIT;
    uint64_t commit = 0;
    enum err written = ERR_OK;

    ASSERT(b->phase == BUILD_WALKING);
    if (goes_on && (t->stamp || is_last))
        written = progress_write(b, t, index, is_last);
    if (!goes_on || written) {
        txn_rollback(t);
        return goes_on ? written : e;
    }
    written = txn_commit(&b->op, t, SLICE_NONE, &commit);
    ASSERT(written != ERR_WAIT); /* nobody is being told, and it has read the newest commit */
    if (written)
        return written;
    if (commit)
        b->last_commit = commit;
    if (is_last)
        b->phase = BUILD_MERGING;
    return is_last ? ERR_OK : e;
}

static enum err slice_make_in(struct index_build *b, struct txn *t, struct schema *index)
{
    uint64_t built = b->built;
    size_t size = b->place_size;
    uint8_t place[KEY_BYTES_MAX];
    enum err e;

    if (b->phase == BUILD_LOADING) {
        e = progress_load(b, t, index);
        txn_rollback(t);
        return e;
    }
    ASSERT(b->phase == BUILD_WALKING && size <= sizeof place);
    memcpy(place, b->place, size);
    e = write_begin_built(&b->op, t);
    if (e) {
        txn_rollback(t);
        return e;
    }
    e = slice_end(b, t, index, slice_walk(b, t, index));
    if (e && e != ERR_WAIT && b->phase == BUILD_WALKING) { /* it was taken back */
        b->built = built;
        b->place_size = size;
        memcpy(b->place, place, size);
    }
    return e;
}

/* ---- the end ---- */

static enum err build_end_in(struct index_build *b, struct txn *t, struct schema *index)
{
    struct slice why = b->why_size ? slice_make(b->why, b->why_size) : SLICE_NONE;
    uint64_t commit = 0;
    enum err e;

    ASSERT(b->phase == BUILD_ENDING && index->state == INDEX_BUILDING);
    ASSERT((b->ends_as == INDEX_FAILED) == (b->why_size > 0));
    e = index_set_state(&b->op, t, index, b->ends_as, why);

    if (!e && b->ends_as == INDEX_READY)
        e = write_built(&b->op, t, index, index_progress_key(), SLICE_NONE);
    if (e) {
        txn_rollback(t);
        return e;
    }
    e = txn_commit(&b->op, t, SLICE_NONE, &commit);
    ASSERT(e != ERR_WAIT);
    if (e)
        return e;
    if (b->ends_as == INDEX_READY)
        PULSE_TELL(&b->db->pulse, index_ready, .store = schema_name(index),
                   .index = index->index, .number = b->number, .records = b->built,
                   .commit = commit);
    else
        PULSE_TELL(&b->db->pulse, index_failed, .store = schema_name(index),
                   .index = index->index, .number = b->number, .records = b->built,
                   .commit = commit);
    return ERR_END;
}

/* ---- turns ---- */

/* Whether the error is one of the records or of the disk, which no trying again will mend. */
static bool is_final(enum err e)
{
    return e == ERR_NOT_UNIQUE || e == ERR_TOO_LARGE || e == ERR_CORRUPT;
}

/* What replay could not make again is not made by going on (recovery_index.c). */
static enum err build_check_damage(struct index_build *b, const struct schema *index)
{
    const struct tree_damage *damage = damage_find(&b->db->damage, b->number);

    ASSERT(index->number == b->number);
    if (!damage || b->phase == BUILD_ENDING)
        return ERR_OK;
    return failure_set_at(
        &b->op.failure, ERR_CORRUPT, PRIMARY_FILE, damage->offset,
        "index \"%s\" of store \"%s\" is damaged; drop it and create it again",
        text_show(index->index), text_show(schema_name(index)));
}

static enum err build_step(struct index_build *b, struct schema *index)
{
    struct txn *t;
    enum err e;

    ASSERT(!b->is_waiting && index->number == b->number);
    if (!tellings_are_over(&b->db->tellings))
        return ERR_OK; /* its commit would have to wait: when all are told */
    e = build_check_damage(b, index);
    if (e)
        return e;
    op_use_database(&b->op, schema_database(index));
    e = lock_wait_for_write(&b->op); /* it may have waited, and for too long */
    if (!e)
        e = lock_wait_join_for(&b->op,
                               schema_name(index)); /* whoever has it would lose to it */
    if (!e)
        e = lock_wait_for_write(&b->op);
    if (e)
        return e;
    b->op.durability = b->phase == BUILD_ENDING ? DURABILITY_SYNC : DURABILITY_INTERVAL;
    e = txn_begin_servers(&b->op, &t);
    if (e)
        return e;
    e = b->phase == BUILD_ENDING ? build_end_in(b, t, index) : slice_make_in(b, t, index);
    lock_wait_end(&b->op); /* for the next slice it joins again */
    return e;
}

/* One slice, or the end, when the clients leave time for it. */
static enum err build_in_pace(struct index_build *b, struct schema *index)
{
    struct pace *pace = &b->db->builds.pace;
    uint64_t now = os_now_ns(b->db->os), slice = pace_slice_ns(pace, now);
    enum err e;

    ASSERT(b->phase != BUILD_NONE && b->phase != BUILD_MERGING);
    b->paced_ms = 0;
    if (!slice) {
        b->paced_ms = (now + pace_wait_ns(pace)) / 1000000 + 1;
        return ERR_OK;
    }
    b->until_ns = now + slice;
    e = build_step(b, index);
    pace_spend(pace, os_now_ns(b->db->os) - now);
    return e;
}

static void build_merge(struct index_build *b)
{
    ASSERT(b->phase == BUILD_MERGING);
    if (list_is_linked(&b->task.in_queue))
        return;
    db_amalgamate(b->db, &b->task);
}

void index_build_turn(struct index_build *b)
{
    struct schema *index;
    enum err e;

    if (b->phase == BUILD_NONE && b->db->builds.is_due && !b->is_stopped)
        build_find(b);
    if (b->phase == BUILD_NONE || b->is_waiting || b->db->log_failed ||
        b->db->pulse.now_ms < b->retry_ms)
        return;
    b->retry_ms = 0;
    index = build_index(b);
    if (!index) {
        build_leave(b);
        pulse_wake(&b->db->pulse);
        return;
    }
    if (b->phase == BUILD_MERGING) {
        build_merge(b);
        return;
    }
    ASSERT(b->phase == BUILD_LOADING || b->phase == BUILD_WALKING || b->phase == BUILD_ENDING);
    failure_clear(&b->op.failure);
    e = build_in_pace(b, index);
    if (e == ERR_WAIT)
        b->is_waiting = true;
    else if (e == ERR_END)
        build_leave(b);
    else if (is_final(e) && b->phase != BUILD_ENDING)
        build_fail(b, &b->op.failure);
    else if (e)
        b->retry_ms = b->db->pulse.now_ms + RETRY_MS;
    if (b->phase != BUILD_NONE) {
        b->db->builds.number = b->number;
        b->db->builds.built = b->built;
    }
    if (!b->is_waiting && !b->paced_ms)
        pulse_wake(&b->db->pulse);
}
