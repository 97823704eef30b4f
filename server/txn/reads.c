#include "server/txn/reads.h"

#include "server/base/assert.h"
#include "server/txn/conflict.h"

#include <xxhash.h>

#define READ_BUCKETS 4096

struct read_point {
    struct read_point *next, **at; /* of its bucket */
    struct read_point *next_of_txn;
    struct txn *txn;
    uint32_t store;
    uint32_t key_size;
    uint8_t key[];
};

struct read_interval { /* from <= key < to; to of size 0: no bound */
    struct slice from, to; /* in the reads' arena */
};

struct read_store { /* the ranges of one transaction in one store */
    struct read_store *next;
    uint32_t store;
    size_t count, room;
    struct read_interval *intervals; /* ascending, disjoint */
};

struct reads {
    struct txn *txn;
    struct arena arena;
    struct read_point *points;
    size_t point_count;
    struct read_store *stores;
    struct list_link in_db; /* db.readers */
};

enum err reads_init(struct db *db)
{
    list_init(&db->readers);
    db->read_points = os_alloc(db->os, READ_BUCKETS * sizeof *db->read_points);
    if (!db->read_points)
        return ERR_NOMEM;
    memset(db->read_points, 0, READ_BUCKETS * sizeof *db->read_points);
    return ERR_OK;
}

void reads_fini(struct db *db)
{
    os_free(db->os, db->read_points, READ_BUCKETS * sizeof *db->read_points);
    db->read_points = NULL;
}

static struct read_point **point_bucket(const struct db *db, uint32_t store, struct slice key)
{
    uint64_t hash = XXH3_64bits_withSeed(key.data, key.size, db->hash_seed + store);

    return &db->read_points[hash & (READ_BUCKETS - 1)];
}

static bool point_is(const struct read_point *p, uint32_t store, struct slice key)
{
    return p->store == store && slice_equal(slice_make(p->key, p->key_size), key);
}

static struct reads *reads_of(struct txn *t)
{
    struct db *db = t->db;
    struct reads *r = t->reads;

    if (r)
        return r;
    r = os_alloc(db->os, sizeof *r);
    if (!r)
        return NULL;
    memset(r, 0, sizeof *r);
    r->txn = t;
    arena_init(&r->arena, db->os);
    list_push_back(&db->readers, &r->in_db);
    t->reads = r;
    return r;
}

void reads_forget(struct txn *t)
{
    struct reads *r = t->reads;
    struct db *db = t->db;

    if (!r)
        return;
    for (struct read_point *p = r->points; p; p = p->next_of_txn) {
        *p->at = p->next;
        if (p->next)
            p->next->at = p->at;
    }
    for (struct read_store *s = r->stores; s; s = s->next)
        os_free(db->os, s->intervals, s->room * sizeof *s->intervals);
    list_remove(&r->in_db);
    arena_free(&r->arena);
    os_free(db->os, r, sizeof *r);
    t->reads = NULL;
}

/* ---- becoming stale ---- */

/* Somebody has overwritten what t read. */
static void reads_stale(struct txn *t, const struct winner *winner, const struct schema *schema,
                        struct slice key)
{
    enum conflict_kind kind =
        schema && schema->number == CATALOGUE_STORE ? CONFLICT_SCHEMA : CONFLICT_READ;

    conflict_describe(&t->stale, kind, schema, key, winner);
    t->winner_interval = winner->interval;
    reads_forget(t); /* one is enough */
}

/* t itself has met something newer: it loses now if it has written. */
static enum err reads_meet(struct op *op, struct txn *t, const struct winner *winner,
                           const struct schema *schema, struct slice key)
{
    reads_stale(t, winner, schema, key);
    if (!t->stamp || !t->stamp->records)
        return ERR_OK;
    return reads_check_write(op, t);
}

enum err reads_check_write(struct op *op, struct txn *t)
{
    if (!t->stale.error)
        return ERR_OK;
    failure_copy(&op->failure, &t->stale);
    conflict_note_wrote(&op->failure, t);
    op_note_commit(op, t->stale.winner_commit, t->winner_interval);
    t->db->conflicts++;
    txn_doom(t, &op->failure);
    return ERR_CONFLICT;
}

static bool reads_wanted(const struct txn *t)
{
    return t && t->options.serializable && !t->options.read_only && !t->stale.error;
}

/* ---- noting ---- */

static enum err reads_no_memory(struct op *op)
{
    return failure_set(&op->failure, ERR_NOMEM, "no memory to note what was read");
}

/* The intervals of a store: the first whose end is above key (that may hold it). */
static size_t interval_find(const struct read_store *s, struct slice key)
{
    size_t low = 0, high = s->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (s->intervals[middle].to.size && slice_compare(s->intervals[middle].to, key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool interval_holds(const struct read_store *s, struct slice key)
{
    size_t at = interval_find(s, key);

    return at < s->count && slice_compare(s->intervals[at].from, key) <= 0;
}

static struct read_store *read_store_of(struct reads *r, uint32_t store, bool make)
{
    struct read_store *s;

    for (s = r->stores; s; s = s->next) {
        if (s->store == store)
            return s;
    }
    if (!make)
        return NULL;
    s = arena_alloc(&r->arena, sizeof *s);
    if (!s)
        return NULL;
    memset(s, 0, sizeof *s);
    s->store = store;
    s->next = r->stores;
    r->stores = s;
    return s;
}

/* Too many: each two neighbours become one, which covers what is between them as well. */
static void intervals_merge(struct read_store *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->count; i += 2) {
        s->intervals[kept] = s->intervals[i];
        if (i + 1 < s->count)
            s->intervals[kept].to = s->intervals[i + 1].to;
        kept++;
    }
    s->count = kept;
}

static enum err intervals_room(struct os *os, struct read_store *s)
{
    struct read_interval *grown;
    size_t room;

    if (s->count >= READS_RANGES_MAX)
        intervals_merge(s);
    if (s->count < s->room)
        return ERR_OK;
    room = s->room ? 2 * s->room : 8;
    grown = os_alloc(os, room * sizeof *grown);
    if (!grown)
        return ERR_NOMEM;
    if (s->count)
        memcpy(grown, s->intervals, s->count * sizeof *grown);
    os_free(os, s->intervals, s->room * sizeof *grown);
    s->intervals = grown;
    s->room = room;
    return ERR_OK;
}

static struct slice reads_keep(struct reads *r, struct slice bytes)
{
    uint8_t *copy = arena_alloc(&r->arena, bytes.size + 1);

    if (!copy)
        return SLICE_NONE;
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return slice_make(copy, bytes.size);
}

/* Add [from, to): joins every interval that it touches. */
static enum err interval_add(struct reads *r, struct read_store *s, struct slice from,
                             struct slice to)
{
    size_t first, last;
    enum err e = intervals_room(r->arena.os, s);

    if (e)
        return e;
    first = interval_find(s, from);
    if (first > 0 && slice_equal(s->intervals[first - 1].to, from))
        first--; /* it ends where we begin */
    last = first;
    while (last < s->count && (!to.size || slice_compare(s->intervals[last].from, to) <= 0))
        last++;
    if (last > first) {
        struct read_interval *low = &s->intervals[first], *high = &s->intervals[last - 1];

        if (last == first + 1 && slice_compare(low->from, from) <= 0 &&
            (!low->to.size || (to.size && slice_compare(to, low->to) <= 0)))
            return ERR_OK; /* all of it is there */
        from = slice_compare(low->from, from) <= 0 ? low->from : reads_keep(r, from);
        if (!high->to.size || (to.size && slice_compare(to, high->to) <= 0))
            to = high->to;
        else
            to = reads_keep(r, to);
    } else {
        from = reads_keep(r, from);
        to = reads_keep(r, to);
    }
    if (slice_is_none(from) || slice_is_none(to))
        return ERR_NOMEM;
    if (last == first) {
        memmove(&s->intervals[first + 1], &s->intervals[first],
                (s->count - first) * sizeof *s->intervals);
        s->count++;
    } else {
        memmove(&s->intervals[first + 1], &s->intervals[last],
                (s->count - last) * sizeof *s->intervals);
        s->count -= last - first - 1;
    }
    s->intervals[first] = (struct read_interval){from, to};
    return ERR_OK;
}

static enum err point_add(struct reads *r, uint32_t store, struct slice key)
{
    struct read_point **bucket = point_bucket(r->txn->db, store, key);
    struct read_point *p;

    for (p = *bucket; p; p = p->next) {
        if (p->txn == r->txn && point_is(p, store, key))
            return ERR_OK;
    }
    p = arena_alloc(&r->arena, sizeof *p + key.size);
    if (!p)
        return ERR_NOMEM;
    p->txn = r->txn;
    p->store = store;
    p->key_size = (uint32_t)key.size;
    memcpy(p->key, key.data, key.size);
    p->next = *bucket;
    p->at = bucket;
    if (p->next)
        p->next->at = &p->next;
    *bucket = p;
    p->next_of_txn = r->points;
    r->points = p;
    r->point_count++;
    return ERR_OK;
}

enum err reads_note_point(struct op *op, struct txn *t, const struct schema *schema,
                          struct slice key)
{
    struct reads *r;
    struct winner newer;
    enum err e;

    if (!reads_wanted(t))
        return ERR_OK;
    e = conflict_find_newer(op, t, schema->number, key, &newer);
    if (e == ERR_OK)
        return reads_meet(op, t, &newer, schema, key);
    if (e != ERR_NOT_FOUND)
        return e;
    r = reads_of(t);
    if (!r)
        return reads_no_memory(op);
    if (r->point_count < READS_POINTS_MAX) {
        e = point_add(r, schema->number, key);
    } else {
        uint8_t end[KEY_BYTES_MAX + 1];
        struct read_store *s = read_store_of(r, schema->number, true);

        memcpy(end, key.data, key.size);
        end[key.size] = 0;
        e = s ? interval_add(r, s, key, slice_make(end, key.size + 1)) : ERR_NOMEM;
    }
    return e ? reads_no_memory(op) : ERR_OK;
}

enum err reads_note_range(struct op *op, struct txn *t, const struct schema *schema,
                          struct slice from, struct slice to)
{
    struct conflict_range range = {schema->number, from, to};
    uint8_t room[KEY_BYTES_MAX];
    struct read_store *s;
    struct reads *r;
    struct winner newer;
    struct slice key;
    enum err e;

    if (!reads_wanted(t))
        return ERR_OK;
    e = conflict_find_newer_in_range(op, t, &range, &newer, room, &key);
    if (e == ERR_OK)
        return reads_meet(op, t, &newer, schema, key);
    if (e != ERR_NOT_FOUND)
        return e;
    r = reads_of(t);
    s = r ? read_store_of(r, schema->number, true) : NULL;
    if (!s || interval_add(r, s, from, to) != ERR_OK)
        return reads_no_memory(op);
    return ERR_OK;
}

enum err reads_note_name(struct op *op, struct txn *t, struct slice name)
{
    uint8_t key[KEY_BYTES_MAX];

    if (!reads_wanted(t))
        return ERR_OK;
    return reads_note_point(op, t, t->db->catalogue.self,
                            slice_make(key, catalogue_row_key(name, key)));
}

/* ---- winners ---- */

/* The reader loses at once if it has written; else it is marked. */
static void reader_lose(struct txn *t, const struct stamp *stamp, uint32_t store,
                        struct slice key)
{
    struct winner winner = winner_of(stamp);
    const struct schema *schema =
        store == CATALOGUE_STORE ? t->db->catalogue.self : catalogue_by_number(t->db, store);

    reads_stale(t, &winner, schema, key);
    if (!t->stamp || !t->stamp->records)
        return;
    t->db->conflicts++;
    txn_doom(t, &t->stale);
    if (t->options.on_doomed)
        t->options.on_doomed(t, t->options.context);
}

static void reads_doom_by_record(struct txn *winner, const struct record *written)
{
    struct db *db = winner->db;
    struct slice key = record_key(written);
    struct read_point **bucket = point_bucket(db, written->store, key);
    struct read_point *p = *bucket;

    while (p) {
        if (p->txn != winner && point_is(p, written->store, key)) {
            reader_lose(p->txn, winner->stamp, written->store, key);
            p = *bucket; /* its points have left the table */
        } else {
            p = p->next;
        }
    }
    LIST_EACH_SAFE (link, &db->readers) {
        struct reads *r = LIST_ENTRY(link, struct reads, in_db);
        struct read_store *s =
            r->txn == winner ? NULL : read_store_of(r, written->store, false);

        if (s && interval_holds(s, key))
            reader_lose(r->txn, winner->stamp, written->store, key);
    }
}

/* A key of a large winner that the reader has read; false: there is none. */
static bool reads_meet_large(const struct reads *r, const struct txn *winner, uint32_t *store,
                             struct slice *key)
{
    for (struct read_point *p = r->points; p; p = p->next_of_txn) {
        *store = p->store;
        *key = slice_make(p->key, p->key_size);
        if (stage_find(&winner->write_set, p->store, *key))
            return true;
    }
    for (struct read_store *s = r->stores; s; s = s->next) {
        struct stage_store *st = stage_store_of(&winner->write_set, s->store);

        for (size_t i = 0; st && i < s->count; i++) {
            struct record *met = stage_seek(st, s->intervals[i].from);

            if (!met || (s->intervals[i].to.size &&
                         slice_compare(record_key(met), s->intervals[i].to) >= 0))
                continue;
            *store = s->store;
            *key = record_key(met);
            return true;
        }
    }
    return false;
}

void reads_doom_readers(struct txn *winner)
{
    struct db *db = winner->db;

    if (list_is_empty(&db->readers))
        return;
    if (!winner->is_large) {
        for (struct record *r = winner->stamp->first; r; r = r->log_next)
            reads_doom_by_record(winner, r);
        return;
    }
    LIST_EACH_SAFE (link, &db->readers) {
        struct reads *r = LIST_ENTRY(link, struct reads, in_db);
        uint8_t copy[KEY_BYTES_MAX];
        struct slice key;
        uint32_t store;

        if (r->txn == winner || !reads_meet_large(r, winner, &store, &key))
            continue;
        memcpy(copy, key.data, key.size); /* it may be the reader's own, which goes */
        reader_lose(r->txn, winner->stamp, store, slice_make(copy, key.size));
    }
}
