#include "server/storage/stage_internal.h"

#include "server/base/assert.h"

#define STORE_OF(link) LIST_ENTRY(link, struct stage_store, in_stage)
#define STAGE_ABSORB_BYTES_MAX (8u << 10) /* of a write-set's memory; more is not copied */

/* What a stage or a write-set keeps from one change to the next. */
static bool stage_is_sane(const struct stage *s)
{
    return (s->first_commit == 0) == (s->last_commit == 0) &&
           s->first_commit <= s->last_commit &&              /* S-2 */
           (s->store_count == 0) == list_is_empty(&s->stores) && /* S-7 */
           s->store_count <= s->records && (!s->is_loose || s->state == STAGE_OPEN) &&
           (s->bucket_mask & (s->bucket_mask + 1)) == 0 && (s->is_write_set || !s->undo);
}

struct stage *stage_new(struct os *os, uint64_t number)
{
    size_t table_bytes = STAGE_BUCKETS * sizeof(struct stage_store *);
    struct stage *s = os_alloc(os, sizeof *s + table_bytes);

    if (!s)
        return NULL;
    write_set_init(s, os, NULL);
    s->is_write_set = false;
    s->number = number;
    s->buckets = (struct stage_store **)(void *)(s + 1);
    s->bucket_mask = STAGE_BUCKETS - 1;
    memset(s->buckets, 0, table_bytes);
    ASSERT(stage_is_sane(s));
    return s;
}

/* ---- its stores by their numbers ---- */

static void stage_free_buckets(struct stage *s)
{
    ASSERT(s->bucket_bytes == 0 ||
           s->bucket_bytes == (s->bucket_mask + 1) * sizeof(struct stage_store *));
    if (s->bucket_bytes)
        os_free(s->os, s->buckets, s->bucket_bytes);
    s->bucket_bytes = 0;
}

static void stage_chain_store(struct stage *s, struct stage_store *st)
{
    struct stage_store **bucket = &s->buckets[st->store & s->bucket_mask];

    ASSERT((s->bucket_mask & (s->bucket_mask + 1)) == 0);
    st->chain = *bucket;
    *bucket = st;
}

/* Four times as many buckets, or as many as a stage has at first; few enough of them that all
 * may be filled in one step. */
static void stage_grow_buckets(struct stage *s)
{
    size_t count = s->bucket_mask ? 4 * (s->bucket_mask + 1) : STAGE_BUCKETS;
    struct stage_store **buckets = os_alloc(s->os, count * sizeof(struct stage_store *));

    ASSERT(count > s->bucket_mask + 1);
    if (!buckets)
        return;
    memset(buckets, 0, count * sizeof(struct stage_store *));
    stage_free_buckets(s);
    s->buckets = buckets;
    s->bucket_mask = count - 1;
    s->bucket_bytes = count * sizeof(struct stage_store *);
    LIST_EACH (link, &s->stores)
        stage_chain_store(s, STORE_OF(link));
}

static void stage_hang_store(struct stage *s, struct stage_store *st)
{
    size_t bucket_stores = s->bucket_mask ? STAGE_BUCKET_STORES : STAGE_FEW_STORES;

    if (s->store_count >= bucket_stores * (s->bucket_mask + 1))
        stage_grow_buckets(s);
    ASSERT(!stage_store_of(s, st->store)); /* S-7 */
    list_push_front(&s->stores, &st->in_stage);
    s->store_count++;
    stage_chain_store(s, st);
    ASSERT(list_first(&s->stores) == &st->in_stage);
}

void stage_drop_store(struct stage *s, struct stage_store *st)
{
    struct stage_store **at = &s->buckets[st->store & s->bucket_mask];

    ASSERT(s->store_count && !st->records);
    while (*at != st) {
        ASSERT(*at); /* S-7 */
        at = &(*at)->chain;
    }
    *at = st->chain;
    list_remove(&st->in_stage);
    s->store_count--;
}

/* ---- life ---- */

void stage_free(struct stage *s)
{
    ASSERT(!s->is_write_set);
    LIST_EACH_SAFE (link, &s->stores) {
        struct stage_store *st = STORE_OF(link);

        if (st->is_spare)
            os_free(s->os, st, sizeof *st);
    }
    stage_free_buckets(s);
    arena_free(&s->arena);
    os_free(s->os, s, sizeof *s + STAGE_BUCKETS * sizeof(struct stage_store *));
}

void write_set_init(struct stage *s, struct os *os, struct stage_store *room)
{
    memset(s, 0, sizeof *s);
    arena_init(&s->arena, os);
    s->memory = &s->arena;
    s->os = os;
    s->state = STAGE_OPEN;
    list_init(&s->stores);
    s->buckets = &s->single;
    s->is_write_set = true;
    s->room = room;
}

/* Its stores have gone. */
static void write_set_empty(struct stage *s)
{
    ASSERT(s->is_write_set);
    ASSERT(s->savepoints == 0 || !s->undo || s->state == STAGE_OPEN);
    stage_free_buckets(s);
    s->buckets = &s->single;
    s->bucket_mask = 0;
    s->single = NULL;
    list_init(&s->stores);
    s->store_count = 0;
}

void write_set_fini(struct stage *s)
{
    ASSERT(s->is_write_set);
    arena_free(&s->arena);
    write_set_empty(s);
}

void stage_move(struct stage *s, enum stage_state next)
{
    static const unsigned allowed[] = {
        [STAGE_OPEN] = 1u << STAGE_SEALED,
        [STAGE_SEALED] = 1u << STAGE_AMALGAMATING,
        [STAGE_AMALGAMATING] = 1u << STAGE_AMALGAMATED | 1u << STAGE_SEALED,
        [STAGE_AMALGAMATED] = 0,
    };

    ASSERT(allowed[s->state] & 1u << next);
    ASSERT(!s->is_loose);
    ASSERT(!s->is_write_set);
    s->state = next;
    ASSERT(stage_is_sane(s));
}

const char *stage_state_name(enum stage_state state)
{
    static const char *const names[] = {"open", "sealed", "amalgamating", "amalgamated"};

    ASSERT(state <= STAGE_AMALGAMATED);
    return names[state];
}

struct record *record_visible(struct record *linked, uint64_t limit)
{
    struct record *r = record_newest(linked);

    ASSERT(r->store == linked->store);
    while (r && r->stamp->commit > limit)
        r = r->older;
    return r;
}

struct stage_store *stage_store_of(const struct stage *s, uint32_t store)
{
    struct stage_store *st = s->buckets[store & s->bucket_mask];

    while (st && st->store != store)
        st = st->chain;
    ASSERT(!st || st->store == store);
    return st;
}

static inline int record_compare(const struct record *r, struct slice key)
{
    return slice_compare(record_key(r), key);
}

/* From r on, the last one that is entered at or below key: the record of key, as below. */
static struct record *stage_walk(const struct stage_store *st, struct record *r,
                                 struct slice key, struct record **before)
{
    for (r = r ? r->next : st->first; r; r = r->next) {
        int order = record_compare(r, key);

        if (order >= 0)
            return order == 0 ? r : NULL;
        *before = r;
    }
    return NULL;
}

/* The record of key, NULL if there is none; *before is the last one below it where there is
 * none (NULL: it would be the first). */
static struct record *stage_search(const struct stage_store *st, struct slice key,
                                   struct record **before)
{
    bool equal;
    struct record *r = stage_index_find(&st->index, key, &equal);

    ASSERT(!equal || r->store == st->store);
    *before = r;
    if (equal)
        return r;
    return st->is_indexed ? NULL : stage_walk(st, r, key, before);
}

/* Where a record belongs in the list of a store and in its index. */
struct stage_place {
    struct record *before; /* in the list; NULL: it is the first */
    struct stage_index_path path;
};

/* As stage_search, for who will insert it there. */
static struct record *stage_place(const struct stage_store *st, struct slice key,
                                  struct stage_place *place)
{
    bool equal;
    struct record *r = stage_index_place(&st->index, key, &equal, &place->path);

    ASSERT(!equal || r->store == st->store);
    place->before = r;
    if (equal)
        return r;
    return st->is_indexed ? NULL : stage_walk(st, r, key, &place->before);
}

struct record *stage_seek(const struct stage_store *st, struct slice key)
{
    struct record *before, *r = stage_search(st, key, &before);

    if (r)
        return r;
    return before ? before->next : st->first;
}

struct record *stage_seek_below(const struct stage_store *st, struct slice key)
{
    struct record *below =
        slice_is_none(key) ? stage_index_last(&st->index) : stage_index_below(&st->index, key);
    struct record *r = below ? below->next : st->first;

    if (st->is_indexed)
        return below;
    while (r && (slice_is_none(key) || record_compare(r, key) < 0)) {
        below = r;
        r = r->next;
    }
    return below;
}

struct record *stage_find(const struct stage *s, uint32_t store, struct slice key)
{
    const struct stage_store *st = stage_store_of(s, store);
    struct record *before;

    return st ? stage_search(st, key, &before) : NULL;
}

uint64_t record_bytes(struct slice key, struct slice value)
{
    ASSERT(key.size <= UINT16_MAX);
    return sizeof(struct record) + key.size + value.size + 8;
}

struct record *record_new(struct stage *s, struct stamp *stamp, uint32_t store,
                          struct slice key, struct slice value)
{
    struct record *r =
        arena_alloc(s->memory, offsetof(struct record, key) + key.size + value.size);

    ASSERT(key.size <= UINT16_MAX && value.size <= UINT32_MAX);
    ASSERT(s->state == STAGE_OPEN); /* S-1 */
    if (!r)
        return NULL;
    r->stamp = stamp;
    r->log_next = NULL;
    r->newest = NULL;
    r->older = NULL;
    r->store = store;
    r->key_size = (uint16_t)key.size;
    r->next = NULL;
    r->last_writer_wins = r->is_entry = r->is_new = false;
    memcpy(r->key, key.data, key.size);
    r->value = NULL;
    r->value_size = 0;
    if (!slice_is_none(value)) {
        r->value = r->key + key.size;
        r->value_size = (uint32_t)value.size;
        memcpy(r->key + key.size, value.data, value.size);
    }
    return r;
}

struct stage_store *stage_store_new(struct stage *s, uint32_t store)
{
    struct stage_store *st = list_is_empty(&s->stores) ? s->room : NULL;

    ASSERT(s->state == STAGE_OPEN); /* S-1 */
    if (!st)
        st = arena_alloc(s->memory, sizeof *st);
    if (!st)
        return NULL;
    memset(st, 0, sizeof *st);
    st->store = store;
    stage_hang_store(s, st);
    return st;
}

/* Enter all records, once there are enough of them. */
static void stage_index_all(struct stage *s, struct stage_store *st)
{
    struct stage_index_path path;

    ASSERT(st->records == STAGE_UNINDEXED && !st->index.root);
    st->is_indexed = true;
    for (struct record *r = st->first; r && st->is_indexed; r = r->next) {
        stage_index_place_last(&st->index, &path);
        st->is_indexed = stage_index_enter(&st->index, s->memory, r, &path);
    }
}

/* Hang r where stage_place said that it belongs; in the index the place lies behind it then, or is
 * not known. */
static void stage_insert(struct stage *s, struct stage_store *st, struct record *r,
                         struct stage_place *place)
{
    struct record **at = place->before ? &place->before->next : &st->first;

    ASSERT(r->store == st->store);
    ASSERT(!place->before || place->before->store == r->store);
    ASSERT(s->state == STAGE_OPEN); /* S-1 */
    r->next = *at;
    *at = r;
    st->records++;
    if (st->records > STAGE_UNINDEXED) {
        if (!stage_index_enter(&st->index, s->memory, r, &place->path))
            st->is_indexed = false; /* from here on searches walk a little */
        return;
    }
    if (st->records == STAGE_UNINDEXED)
        stage_index_all(s, st);
    place->path.depth = 0;
}

void stamp_add(struct stamp *stamp, struct record *r)
{
    ASSERT(!r->log_next && r->stamp == stamp);
    ASSERT((stamp->first == NULL) == (stamp->last == NULL));
    if (stamp->last)
        stamp->last->log_next = r;
    else
        stamp->first = r;
    stamp->last = r;
    stamp->records++;
    ASSERT(stamp->last == r && stamp->records > 0);
}

static bool write_set_replace(struct stage *s, struct record *r, struct slice value)
{
    bool in_place =
        r->value && r->value_size >= value.size && !s->savepoints && !s->keeps_values;
    uint8_t *bytes = NULL;

    ASSERT(s->is_write_set && !s->is_absorbed);
    if (s->savepoints && !write_set_keep_value(s, r))
        return false;
    if (!slice_is_none(value)) {
        /* in place where the new value fits: a record updated again and again
         * within one transaction takes no more memory */
        bytes =
            in_place ? (uint8_t *)(uintptr_t)r->value : arena_alloc(s->memory, value.size + 1);
        if (!bytes)
            return false;
        memmove(bytes, value.data, value.size);
    }
    ASSERT(s->value_bytes >= r->value_size); /* S-6 */
    s->value_bytes += value.size;
    s->value_bytes -= r->value_size;
    if (r->is_entry) {
        s->entry_bytes += value.size;
        s->entry_bytes -= r->value_size;
        s->has_voids |= slice_is_none(value);
    }
    r->value = bytes;
    r->value_size = (uint32_t)value.size;
    return true;
}

/* As stage_place; keys that come in order are not searched. */
static struct record *write_set_place(const struct stage_store *st, const struct stamp *stamp,
                                      struct slice key, struct stage_place *place)
{
    struct record *last = stamp->last;

    if (!last || last->next || last->store != st->store || record_compare(last, key) >= 0)
        return stage_place(st, key, place);
    ASSERT(st->records > 0); /* it is the last one of the list */
    place->before = last;
    stage_index_place_last(&st->index, &place->path);
    return NULL;
}

struct record *write_set_put(struct stage *write_set, struct stamp *stamp, uint32_t store,
                             struct slice key, struct slice value, bool *fresh)
{
    struct stage_store *st = stage_store_of(write_set, store);
    struct stage_place place;
    struct record *r;

    ASSERT(write_set->is_write_set && key.size <= UINT16_MAX);
    if (!st)
        st = stage_store_new(write_set, store);
    if (!st)
        return NULL;
    r = write_set_place(st, stamp, key, &place);
    *fresh = !r;
    if (!*fresh)
        return write_set_replace(write_set, r, value) ? r : NULL;
    r = record_new(write_set, stamp, store, key, value);
    if (!r) {
        if (!st->records)
            stage_drop_store(write_set, st); /* no stage takes an empty one */
        return NULL;
    }
    ASSERT(r->stamp == stamp && r->store == store);
    stage_insert(write_set, st, r, &place);
    stamp_add(stamp, r);
    write_set->records++;
    write_set->value_bytes += key.size + value.size;
    return r;
}

/* Link a record, which has no place in a list; one whose key is there joins its chain. Gives the
 * record that is in the list. *place: behind there, or where the key belongs, then behind it. */
static struct record *stage_link_record(struct stage *s, struct stage_store *to,
                                        struct record *r, struct stamp *stamp,
                                        struct record *there, struct stage_place *place)
{
    r->newest = NULL;
    r->older = NULL;
    if (there) {
        ASSERT(record_newest(there)->stamp->commit < stamp->commit); /* S-5 */
        r->older = record_newest(there);
        there->newest = r;
        stamp->superseded = true;
        return there;
    }
    stage_insert(s, to, r, place);
    return r;
}

/* Link the records of one store. They ascend: one that belongs behind the one before it, as in a
 * load in order, is not searched. */
static void stage_link_store(struct stage *s, struct stage_store *to, struct stage_store *from,
                             struct stamp *stamp)
{
    struct record *last = NULL;
    struct stage_place place;

    ASSERT(to->store == from->store);
    for (struct record *r = from->first; r;) {
        struct record *following = r->next, *there = NULL;

        if (last && to->is_indexed &&
            stage_index_place_next(&place.path, record_key(r), !last->next))
            place.before = last;
        else
            there = stage_place(to, record_key(r), &place);
        last = stage_link_record(s, to, r, stamp, there, &place);
        r = following;
    }
}

void stage_note_commit(struct stage *s, uint64_t commit)
{
    ASSERT(commit > s->last_commit); /* S-2 */
    ASSERT(s->state == STAGE_OPEN);  /* S-1 */
    if (!s->first_commit)
        s->first_commit = commit;
    s->last_commit = commit;
}

/* Put a write-set's store into a stage that has none of that number. */
static void stage_take_store(struct stage *s, struct stage_store *from,
                             const struct stage *write_set, struct stage_spares *spares)
{
    struct stage_store *st = from;

    ASSERT(from->records > 0 && !stage_store_of(s, from->store));
    /* its owner's memory: a spare takes its place */
    if (from == write_set->room || write_set->is_absorbed) {
        st = spares->first;
        ASSERT(st);
        spares->first = st->chain;
        ASSERT(spares->count > 0);
        spares->count--;
        *st = *from;
        st->is_spare = true;
    }
    stage_hang_store(s, st);
}

static size_t stamp_room(const struct stamp *stamp)
{
    return arena_round_up(sizeof *stamp + stamp->label.size);
}

static size_t record_room(const struct record *r)
{
    return arena_round_up(offsetof(struct record, key) + r->key_size + r->value_size);
}

static struct stamp *stamp_copy(const struct stamp *stamp, uint8_t *to)
{
    struct stamp *copy = (struct stamp *)(void *)to;

    ASSERT((uintptr_t)to % ARENA_ALIGN == 0);
    *copy = *stamp;
    list_init(&copy->item.in_queue);
    stamp_set_label(copy, stamp->label);
    return copy;
}

static struct record *record_copy(const struct record *r, struct stamp *stamp, uint8_t *to)
{
    struct record *copy = (struct record *)(void *)to;

    ASSERT(r->stamp != stamp && (uintptr_t)to % ARENA_ALIGN == 0);
    memcpy(copy, r, offsetof(struct record, key) + r->key_size);
    copy->stamp = stamp;
    if (r->value) {
        copy->value = copy->key + r->key_size;
        memcpy(copy->key + r->key_size, r->value, r->value_size);
    }
    return copy;
}

struct stamp *stage_absorb(struct stage *s, struct stage *write_set, struct stamp *stamp)
{
    size_t bytes = stamp_room(stamp);
    struct record **last;
    struct stamp *copy;
    uint8_t *to;

    ASSERT(s->state == STAGE_OPEN && write_set->is_write_set && !write_set->is_absorbed);
    ASSERT(stamp->records == write_set->records);
    ASSERT(!write_set->savepoints);
    if (write_set->memory != &write_set->arena ||
        write_set->arena.bytes > STAGE_ABSORB_BYTES_MAX)
        return stamp;
    LIST_EACH (link, &write_set->stores) {
        if (STORE_OF(link)->index.root)
            return stamp;
    }
    for (struct record *r = stamp->first; r; r = r->log_next)
        bytes += record_room(r);
    to = arena_alloc(&s->arena, bytes);
    if (!to)
        return stamp;
    copy = stamp_copy(stamp, to);
    to += stamp_room(stamp);
    last = &copy->first;
    for (struct record *r = stamp->first; r; r = r->log_next) {
        *last = copy->last = record_copy(r, copy, to);
        to += record_room(r);
        last = &copy->last->log_next;
        r->newest = copy->last; /* where it has gone, for the lists */
    }
    LIST_EACH (link, &write_set->stores) {
        for (struct record **at = &STORE_OF(link)->first; *at; at = &(*at)->next)
            *at = (*at)->newest;
    }
    ASSERT(!copy->last || !copy->last->log_next);
    write_set->is_absorbed = true;
    return copy;
}

void stage_link(struct stage *s, struct stage *write_set, struct stamp *stamp,
                struct stage_spares *spares)
{
    ASSERT(s->state == STAGE_OPEN && !s->is_loose); /* S-1 */
    ASSERT(write_set->is_write_set && !write_set->savepoints);
    ASSERT(stamp->commit && stamp->records == write_set->records);
    stage_note_commit(s, stamp->commit);
    LIST_EACH_SAFE (link, &write_set->stores) {
        struct stage_store *from = STORE_OF(link);
        struct stage_store *to = stage_store_of(s, from->store);

        if (to) {
            stage_link_store(s, to, from, stamp);
        } else {
            /* the first of its store here: the write-set's list is the stage's */
            for (struct record *r = from->first; r; r = r->next) {
                r->newest = NULL;
                r->older = NULL;
            }
            stage_take_store(s, from, write_set, spares);
        }
    }
    s->records += write_set->records;
    s->value_bytes += write_set->value_bytes;
    if (!write_set->is_absorbed)
        arena_splice(&s->arena, &write_set->arena);
    write_set_empty(write_set);
    write_set->records = write_set->entries = 0;
    ASSERT(stage_is_sane(s));
}

struct record *stage_put(struct stage *s, const struct stage_put *put)
{
    struct stamp *stamp = arena_alloc(&s->arena, sizeof *stamp);
    struct record *r = stamp ? record_new(s, stamp, put->store, put->key, put->value) : NULL;
    struct stage_store *st = r ? stage_store_of(s, put->store) : NULL;
    struct stage_place place;

    ASSERT(!s->is_write_set && !s->is_loose && s->memory == &s->arena);
    if (r && !st)
        st = stage_store_new(s, put->store);
    if (!st)
        return NULL;
    memset(stamp, 0, sizeof *stamp);
    stamp->commit = put->commit;
    stamp->version = put->version;
    stamp->durability = put->durability;
    stamp->first = stamp->last = r;
    stamp->records = 1;
    stamp_set_label(stamp, SLICE_NONE);
    list_init(&stamp->item.in_queue);
    r->last_writer_wins = put->last_writer_wins;
    stage_note_commit(s, put->commit);
    stage_link_record(s, st, r, stamp, stage_place(st, put->key, &place), &place);
    s->records++;
    s->value_bytes += put->key.size + put->value.size;
    ASSERT(st->records > 0 && stage_is_sane(s));
    return r;
}

void stage_adopt(struct stage *s, struct stage *write_set, struct stamp *stamp,
                 struct stage_spares *spares)
{
    ASSERT(s->state == STAGE_OPEN && !s->first_commit && !write_set->savepoints);
    ASSERT(s->store_count == 0 && write_set->is_write_set);
    ASSERT(stamp->commit && stamp->records == write_set->records);
    stage_note_commit(s, stamp->commit);
    LIST_EACH_SAFE (link, &write_set->stores)
        stage_take_store(s, STORE_OF(link), write_set, spares);
    ASSERT(!s->records && !s->value_bytes); /* S-6 */
    s->records = write_set->records;
    s->value_bytes = write_set->value_bytes;
    arena_splice(&s->arena, &write_set->arena);
    write_set_empty(write_set);
    write_set->records = write_set->entries = 0;
    ASSERT(stage_is_sane(s));
}

enum err stage_spares_fill(struct stage_spares *spares, struct os *os, size_t count)
{
    ASSERT((spares->first == NULL) == (spares->count == 0));
    while (spares->count < count) {
        struct stage_store *st = os_alloc(os, sizeof *st);

        if (!st)
            return ERR_NOMEM;
        st->chain = spares->first;
        spares->first = st;
        spares->count++;
    }
    return ERR_OK;
}

void stage_spares_free(struct stage_spares *spares, struct os *os)
{
    ASSERT((spares->first == NULL) == (spares->count == 0));
    while (spares->first) {
        struct stage_store *st = spares->first;

        spares->first = st->chain;
        os_free(os, st, sizeof *st);
    }
    spares->count = 0;
}

void stage_prune(struct stamp *stamp, uint64_t reader)
{
    ASSERT(stamp->commit > reader);
    ASSERT(!stamp->superseded || stamp->first);
    if (!stamp->superseded)
        return;
    for (struct record *r = stamp->first; r; r = r->log_next) {
        ASSERT(!r->older || r->older->stamp->commit < stamp->commit); /* S-5 */
        while (r->older && r->older->stamp->commit > reader)
            r->older = r->older->older;
    }
}

/* ---- checking ---- */

struct stage_sums {
    uint64_t records, bytes;
};

/* The versions of one key. */
static bool chain_check(const struct stage *s, struct record *linked, struct stage_sums *sums)
{
    uint64_t above = UINT64_MAX;

    for (const struct record *r = record_newest(linked); r; r = r->older) {
        if (r->store != linked->store || !slice_equal(record_key(r), record_key(linked)))
            return false;
        if (r->stamp->commit >= above || r->stamp->commit < s->first_commit ||
            r->stamp->commit > s->last_commit)
            return false; /* S-5 */
        above = r->stamp->commit;
        sums->records++;
        sums->bytes += (uint64_t)r->key_size + r->value_size;
    }
    return true;
}

static bool store_check(const struct stage *s, const struct stage_store *st,
                        struct stage_sums *sums)
{
    uint64_t keys = 0;

    for (struct record *r = st->first; r; r = r->next) {
        struct record *before;

        if (r->next && slice_compare(record_key(r), record_key(r->next)) >= 0)
            return false; /* S-4 */
        if (r->store != st->store || stage_search(st, record_key(r), &before) != r ||
            !chain_check(s, r, sums))
            return false;
        keys++;
    }
    return keys == st->records; /* S-4 */
}

bool stage_check(const struct stage *s)
{
    struct stage_sums sums = {0, 0};
    size_t stores = 0;

    ASSERT(!s->is_write_set && !s->is_loose);
    LIST_EACH (link, &s->stores) {
        const struct stage_store *st = STORE_OF(link);

        if (stage_store_of(s, st->store) != st || !store_check(s, st, &sums))
            return false; /* S-7 */
        stores++;
    }
    return stores == s->store_count && sums.records <= s->records &&
           sums.bytes <= s->value_bytes; /* S-6 */
}

size_t stage_store_count(const struct stage *s)
{
    ASSERT((s->store_count == 0) == list_is_empty(&s->stores));
    return s->store_count;
}

void stage_store_numbers(const struct stage *s, uint32_t *to)
{
    LIST_EACH (link, &s->stores)
        *to++ = STORE_OF(link)->store;
}
