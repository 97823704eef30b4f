/* cursor_rows.c - a cursor for requests: rows of a store, and rows of an index.
 *
 * The walk over keys is cursor.c's. A row of an index is an entry with the record that it leads
 * to, which is looked up where the cursor looks. With `unique` only the first row of each index
 * key is given: after it the cursor stands beyond all of that key. */
#include "server/base/assert.h"
#include "server/storage/page.h"
#include "server/txn/indexes.h"
#include "server/txn/reads.h"
#include "server/txn/records_internal.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursor.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/cursor_pool.h"
#include "server/txn/decided.h"
#include "server/txn/entries.h"
#include "server/txn/lookup.h"
#include "server/txn/op.h"
#include "server/txn/snapshot.h"
#include "server/txn/txn_struct.h"

#define STEPS_A_TURN 2000

/* What its own transaction has put in the place of a store that it has dropped as dropped says:
 * another one of that name, with the same keys. */
static enum err cursor_find_again(struct op *op, struct cursor *c, const struct schema *dropped,
                                  struct schema **out)
{
    struct slice name = schema_name(dropped);
    enum err e = catalogue_look(op, c->txn, c->snapshot->commit, name, out);

    ASSERT(dropped->is_dropped && c->txn);
    if (e || slice_equal((*out)->key, schema_store(c->schema)->key))
        return e;
    failure_set(&op->failure, ERR_NO_STORE,
                "the transaction has dropped store \"%s\", which the cursor reads",
                text_show(name));
    failure_set_store(&op->failure, ERR_NO_STORE, name);
    return ERR_NO_STORE;
}

/* The definition that a transaction has made last of the store of that number, which it has not
 * ended; was: where it has made none. */
static struct schema *cursor_store_now(const struct cursor *c, struct schema *was)
{
    struct list_link *schemas = &c->txn->schemas;

    ASSERT(!was->of && c->txn);
    for (struct list_link *l = schemas->previous; l != schemas; l = l->previous) {
        struct schema *s = LIST_ENTRY(l, struct schema, in_queue);

        if (!s->is_dropped && s->number == was->number)
            return s;
    }
    return was;
}

/* The index of the cursor in a newer definition of its store: under its number, or, after a
 * clearing, under its name with the same definition. */
static enum err cursor_index_now(struct op *op, const struct cursor *c, const struct schema *s,
                                 struct schema **out)
{
    const struct schema *was = c->schema;

    ASSERT(c->schema->of && !s->of);
    for (unsigned i = 0; i < s->index_count; i++) {
        if (s->indexes[i]->number == was->number) {
            *out = s->indexes[i];
            return ERR_OK;
        }
    }
    *out = s->number == was->of->number ? NULL : schema_index(s, was->index);
    if (*out && slice_equal((*out)->key, was->key))
        return ERR_OK;
    failure_set(&op->failure, ERR_NO_INDEX,
                "the transaction has dropped index \"%s\", which the cursor reads",
                text_show(was->index));
    failure_set_store(&op->failure, ERR_NO_INDEX, schema_name(was));
    failure_set_index(&op->failure, ERR_NO_INDEX, was->index);
    return ERR_NO_INDEX;
}

/* Its own transaction has changed definitions. A store that it has cleared goes on under another
 * number, with nothing in it but what was put since; the place stays. */
static enum err cursor_follow(struct op *op, struct cursor *c)
{
    struct catalogue *catalogue = c->pool->catalogue;
    struct schema *store = schema_store(c->schema), *s, *ended;
    enum err e = ERR_OK;

    ASSERT(c->txn && c->snapshot == c->txn->snapshot);
    s = store;
    while (!e && (ended = catalogue_draft_ending(catalogue, c->txn, s->number)) != NULL) {
        s = ended;
        if (ended->is_dropped)
            e = cursor_find_again(op, c, ended, &s);
    }
    if (!e && c->schema->of)
        e = cursor_index_now(op, c, cursor_store_now(c, s), &s);
    if (e)
        return e;
    if (s->number != c->store) {
        cursor_rest(c);
        c->store = s->number;
    }
    ASSERT(!s->is_dropped && (s->of != NULL) == (c->schema->of != NULL));
    schema_ref(s);
    schema_unref(catalogue, c->schema);
    c->schema = s;
    c->schemas_made = c->txn->schemas_made;
    return ERR_OK;
}

static enum err cursor_check(struct op *op, struct cursor *c)
{
    enum err e = c->txn ? txn_check(op, c->txn) : ERR_OK;

    ASSERT(e || !c->txn || !c->snapshot || c->snapshot == c->txn->snapshot);
    if (e)
        return e; /* its transaction has let go of it */
    if (op->failure.error)
        failure_clear(&op->failure);
    if (!c->schema)
        return failure_set(&op->failure, c->was_index ? ERR_NO_INDEX : ERR_NO_STORE,
                           "the %s was created after the savepoint that was rolled back to",
                           c->was_index ? "index" : "store");
    if (c->is_killed)
        return failure_set(&op->failure, ERR_TXN_KILLED, "the scan was ended by kill");
    if (!c->snapshot) {
        failure_set(
            &op->failure, ERR_TXN_EXPIRED,
            "too much was retained for old readers: %llu bytes, the limit is %llu (%s); "
            "this scan was among the oldest",
            (unsigned long long)c->ended_size, (unsigned long long)c->ended_max,
            c->ended_by ? c->ended_by : "held-max");
        if (c->ended_by)
            failure_note_limit(&op->failure, c->ended_by, c->ended_max, c->ended_size);
        return ERR_TXN_EXPIRED;
    }
    if (c->txn && c->schemas_made != c->txn->schemas_made)
        e = cursor_follow(op, c);
    if (!e && schema_store(c->schema)->txn)
        catalogue_note(op, schema_store(c->schema));
    return e;
}

enum err cursor_open(struct op *op, struct txn *t, struct slice store, struct slice range,
                     const struct cursor_options *options, struct cursor **out)
{
    struct snapshot *s;
    struct schema *schema;
    struct key_range bounds;
    const char *why = "";
    enum err e = t ? txn_check(op, t) : ERR_OK;

    *out = NULL;
    if (e)
        return e;
    failure_clear(&op->failure);
    s = t ? snapshot_ref(t->snapshot) : snapshot_take_answered(op);
    if (!s)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a snapshot");
    e = catalogue_find(op, t, s->commit, store, &schema);
    if (!e && !slice_is_none(options->index))
        e = index_find(op, schema, options->index, &schema);
    if (!e && schema->of)
        e = index_check_usable(op, schema);
    if (!e) {
        e = key_range_read(&schema->spec, range, &bounds, &why);
        if (e)
            op_refuse_range(op, e, schema, range, why);
    }
    if (!e) {
        *out = cursor_new(op, t, s, schema, &bounds, options->reverse, false);
        if (!*out)
            e = failure_set(&op->failure, ERR_NOMEM, "out of memory for a cursor");
    }
    if (!e) {
        (*out)->limit = options->limit;
        (*out)->offset = options->offset;
        (*out)->unique = options->unique && schema->of;
        (*out)->only_keys = options->only_keys;
        /* a serializable transaction notes each row, and nothing that it was not given */
        (*out)->runs = options->runs && options->limit == UINT64_MAX && !(*out)->unique &&
                       !(t && t->options.serializable);
    }
    ASSERT(e || ((*out)->snapshot == s && s->refs > 1));
    snapshot_unref(op->db, s);
    return e;
}

/* ---- many cursors over one view ---- */

enum err cursor_open_anchor(struct op *op, struct txn *t, struct cursor **out)
{
    struct snapshot *s;
    enum err e = t ? txn_check(op, t) : ERR_OK;

    ASSERT(!t || t->db == op->db);
    *out = NULL;
    if (e)
        return e;
    failure_clear(&op->failure);
    s = t ? snapshot_ref(t->snapshot) : snapshot_take_answered(op);
    if (s)
        *out = cursor_new_anchor(op, t, s);
    if (s)
        snapshot_unref(op->db, s);
    return *out ? ERR_OK : failure_set(&op->failure, ERR_NOMEM, "out of memory for a cursor");
}

enum err cursor_check_anchor(struct op *op, struct cursor *anchor)
{
    ASSERT(anchor->range_is_empty && op->db == anchor->db);
    return cursor_check(op, anchor);
}

enum err cursor_find_store(struct op *op, struct cursor *anchor, struct slice name,
                           struct schema **out)
{
    enum err e = cursor_check(op, anchor);

    ASSERT(anchor->range_is_empty);
    return e ? e : catalogue_find(op, anchor->txn, anchor->snapshot->commit, name, out);
}

enum err cursor_open_over(struct op *op, struct cursor *anchor, struct schema *s,
                          const struct key_range *range, const struct cursor_options *options,
                          struct cursor **out)
{
    enum err e = cursor_check(op, anchor);

    ASSERT(anchor->range_is_empty && !s->is_dropped);
    *out = NULL;
    if (!e && s->of)
        e = index_check_usable(op, s);
    if (e)
        return e;
    *out = cursor_new(op, anchor->txn, anchor->snapshot, s, range, options->reverse, false);
    if (!*out)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for a cursor");
    (*out)->limit = options->limit;
    (*out)->offset = options->offset;
    (*out)->unique = options->unique && s->of;
    (*out)->only_keys = options->only_keys;
    (*out)->only_values = options->only_values;
    (*out)->only_index_keys = options->only_index_keys;
    (*out)->runs =
        options->runs && options->limit == UINT64_MAX && !options->offset && !(*out)->unique;
    (*out)->run_is_noted = anchor->txn && anchor->txn->options.serializable;
    return ERR_OK;
}

enum err cursor_count_over(struct op *op, struct cursor *anchor, struct schema *s,
                           const struct key_range *range, uint64_t *records)
{
    enum err e = cursor_check(op, anchor);

    ASSERT(anchor->range_is_empty && !s->is_dropped);
    if (!e && s->of)
        e = index_check_usable(op, s);
    return e ? e : records_count_at(op, anchor->txn, anchor->snapshot, s, range, records);
}

/* ---- rows ---- */

/* Where the index key of an entry ends. */
static struct slice cursor_prefix(const struct cursor *c, struct slice entry)
{
    ASSERT(c->schema->of);
    return slice_make(entry.data, entry_index_size(c->schema, entry));
}

/* Stand before (is_behind: behind) all entries with the index key, whose bytes may be the
 * place's own. */
static void cursor_stand_at(struct cursor *c, struct slice prefix, bool is_behind)
{
    ASSERT(prefix.size <= sizeof c->place);
    cursor_rest(c);
    memmove(c->place, prefix.data, prefix.size);
    c->place_size = prefix.size;
    c->place_is_end = is_behind && !key_successor(c->place, &c->place_size);
}

/* Over the rows of the same index key as the last one, in the direction of the cursor. */
static void cursor_pass_key(struct cursor *c)
{
    ASSERT(c->last_size <= c->place_size);
    cursor_stand_at(c, cursor_prefix(c, slice_make(c->place, c->last_size)), !c->reverse);
}

/* In reverse the row of an index key is the one with the least record key: with the cursor behind
 * the greatest, go to the least, and stand right behind that, going forward. before: where it
 * stood. */
static enum err cursor_find_least(struct op *op, struct cursor *c,
                                  const struct cursor_place *before, struct slice *key,
                                  struct slice *value)
{
    struct slice prefix = cursor_prefix(c, slice_make(c->place, c->last_size));
    struct slice from = slice_make(before->bytes, before->size);
    uint8_t copy[KEY_BYTES_MAX];
    struct record *r;
    enum err e = ERR_OK;

    ASSERT(c->reverse && c->unique);
    if (c->schema->unique)
        return ERR_OK; /* there is only one */
    memcpy(copy, c->place, prefix.size);
    prefix.data = copy;
    if (c->txn)
        e = reads_note_range(op, c->txn, c->schema, prefix, before->is_end ? SLICE_NONE : from);
    if (!e) {
        cursor_stand_at(c, prefix, false);
        c->reverse = false;
        do {
            e = cursor_step(op, c, key, &r, value);
        } while (!e && r && record_is_delete(r));
        c->reverse = true;
    }
    return e;
}

/* The next row that is there: its key and value as they are kept. */
static enum err cursor_next_key(struct op *op, struct cursor *c, struct slice *key,
                                struct slice *value)
{
    ASSERT(c->snapshot); /* T-6 */
    for (unsigned steps = 0;; steps++) {
        struct record *r;
        enum err e;

        if (steps == STEPS_A_TURN)
            return op_yield(op);
        e = cursor_read(op, c, key, &r, value);
        if (e)
            return e;
        /* The cursor pins the page that it stands in; those behind it may go. */
        if (!c->schema->of && op->wait.pins)
            op_release(op);
        if (r)
            decided_note(op, r->stamp);
        if (!r || !record_is_delete(r))
            return ERR_OK;
    }
}

static enum err cursor_decode(struct op *op, struct cursor *c, const struct schema *s,
                              struct slice key, size_t *used, struct slice *out)
{
    size_t size;

    ASSERT(*used <= sizeof c->plain);
    if (key_decode_known(&s->spec, key, c->plain + *used, sizeof c->plain - *used, &size))
        return cursor_corrupt(op, c, "a key in the store is corrupt");
    *out = slice_make(c->plain + *used, size);
    *used += size;
    return ERR_OK;
}

/* An entry becomes a row: with the record that it leads to. ERR_WAIT: for that. */
static enum err cursor_row_of_entry(struct op *op, struct cursor *c, struct slice entry,
                                    struct slice value, struct cursor_row *row)
{
    const struct schema *index = c->schema;
    struct slice key;
    struct view v;
    size_t used = 0, size;
    enum err e = ERR_OK;

    ASSERT(index->of && !index->of->of);
    if (c->only_index_keys) {
        row->value = row->key = row->encoded = SLICE_NONE;
        return cursor_decode(op, c, index, cursor_prefix(c, entry), &used, &row->index_key);
    }
    size = entry_index_size(index, entry);
    key = entry_rest(index, entry, size, value);
    if (!c->only_values) {
        e = cursor_decode(op, c, index, slice_make(entry.data, size), &used, &row->index_key);
        if (!e)
            e = cursor_decode(op, c, index->of, key, &used, &row->key);
    }
    row->value = SLICE_NONE;
    row->encoded = key;
    if (e || c->only_keys)
        return e;
    v = view_of(c->snapshot, c->txn ? &c->txn->write_set : NULL);
    e = record_read(op, c->txn, &v, index->of, key, &row->value);
    if (!e && slice_is_none(row->value))
        e = failure_set(&op->failure, ERR_CORRUPT,
                        "index \"%s\" of store \"%s\" has an entry without a record",
                        text_show(index->index), text_show(schema_name(index)));
    return e;
}

/* A row of an index. Where it has to wait for the record, nothing has moved. */
static enum err cursor_next_entry(struct op *op, struct cursor *c, struct cursor_row *row,
                                  bool is_passed)
{
    struct cursor_place before;
    struct slice key, value;
    enum err e;

    ASSERT(c->schema->of);
    cursor_place_of(c, &before);
    if (!c->is_again)
        op_release(op);
    c->is_again = false;
    e = cursor_next_key(op, c, &key, &value);
    if (e)
        return e;
    if (c->unique && c->reverse && !is_passed)
        e = cursor_find_least(op, c, &before, &key, &value);
    if (!e && !is_passed)
        e = cursor_row_of_entry(op, c, key, value, row);
    if (e && e != ERR_CONFLICT) {
        cursor_step_back(c, &before);
        c->is_again = e == ERR_WAIT;
        return e;
    }
    if (!e && c->unique)
        cursor_pass_key(c);
    return e;
}

static enum err cursor_next_record(struct op *op, struct cursor *c, struct cursor_row *row,
                                   bool is_passed)
{
    struct slice key;
    size_t used = 0;
    enum err e = cursor_next_key(op, c, &key, &row->value);

    ASSERT(!c->schema->of && !c->unique);
    row->encoded = key;
    return e || is_passed || c->only_values
               ? e
               : cursor_decode(op, c, c->schema, key, &used, &row->key);
}

/* The next entry of the run. Where its record cannot be had now, nothing has moved. */
static enum err cursor_next_near_entry(struct op *op, struct cursor *c, struct cursor_row *row)
{
    unsigned step = c->reverse ? -1u : 1u;
    bool was_ahead = c->run_is_ahead;
    enum err e;

    ASSERT(c->run_left && c->schema->of);
    if (!c->is_again)
        op_release(op);
    c->is_again = false;
    c->run_slot += step;
    e = cursor_row_of_entry(op, c, page_key(c->run, c->run_slot),
                            page_value(c->run, c->run_slot), row);
    if (e && e != ERR_CONFLICT) {
        c->run_slot -= step;
        c->run_is_ahead = was_ahead;
        c->is_again = e == ERR_WAIT;
        return e;
    }
    c->run_left--;
    c->run_is_ahead = true;
    return e;
}

/* The next row of the run. */
static enum err cursor_next_near(struct op *op, struct cursor *c, struct cursor_row *row)
{
    size_t used = 0;

    ASSERT(c->run_left && !c->schema->of);
    if (op->wait.pins)
        op_release(op);
    c->run_slot += c->reverse ? -1u : 1u;
    c->run_left--;
    c->run_is_ahead = true;
    row->value = page_value(c->run, c->run_slot);
    row->encoded = page_key(c->run, c->run_slot);
    return c->only_values ? ERR_OK
                          : cursor_decode(op, c, c->schema, row->encoded, &used, &row->key);
}

enum err cursor_next(struct op *op, struct cursor *c, struct cursor_row *row)
{
    enum err e;

    ASSERT(c->db == op->db);
    row->index_key = SLICE_NONE;
    if (c->run_left && (!c->txn || c->schemas_made == c->txn->schemas_made))
        return c->schema->of ? cursor_next_near_entry(op, c, row)
                             : cursor_next_near(op, c, row);
    cursor_run_settle(c);
    e = cursor_check(op, c);
    for (unsigned steps = 0; !e; steps++) {
        bool is_passed = c->offset > 0;

        if (!c->limit)
            return ERR_END;
        if (steps == STEPS_A_TURN)
            return op_yield(op);
        e = c->schema->of ? cursor_next_entry(op, c, row, is_passed)
                          : cursor_next_record(op, c, row, is_passed);
        if (e == ERR_END)
            c->offset = 0; /* rows were passed over as far as there were any */
        c->has_row = !e || (c->has_row && e == ERR_WAIT);
        if (e)
            break;
        if (is_passed) {
            c->offset--;
            continue;
        }
        ASSERT(c->has_row && c->limit > 0);
        if (c->limit != UINT64_MAX)
            c->limit--;
        if (c->runs)
            cursor_run_find(op, c);
        return ERR_OK;
    }
    return e;
}

enum err cursor_look(struct op *op, struct cursor *c)
{
    struct slice key, value;
    struct record *r;

    ASSERT(c->db == op->db);
    cursor_run_settle(c);
    if (cursor_check(op, c) || c->range_is_empty)
        return ERR_OK; /* the next page says it */
    if (cursor_ready(op, c) || (cursor_nearest(c, &key) && cursor_in_range(c, key)))
        return ERR_OK;
    return cursor_read(op, c, &key, &r, &value) == ERR_END ? ERR_END : ERR_OK;
}

void cursor_mark(struct cursor *c)
{
    ASSERT(c->place_size <= sizeof c->mark.place);
    cursor_run_settle(c);
    c->mark.reverse = c->reverse;
    c->mark.place_is_end = c->place_is_end;
    c->mark.limit = c->limit;
    c->mark.offset = c->offset;
    c->mark.unique = c->unique;
    c->mark.has_row = c->has_row;
    c->mark.last_size = c->last_size;
    c->mark.place_size = c->place_size;
    memcpy(c->mark.place, c->place, c->place_size);
}

void cursor_back(struct cursor *c)
{
    ASSERT(c->mark.place_size <= sizeof c->place);
    cursor_rest(c); /* the sources find the place again by key */
    c->reverse = c->mark.reverse;
    c->place_is_end = c->mark.place_is_end;
    c->limit = c->mark.limit;
    c->offset = c->mark.offset;
    c->unique = c->mark.unique;
    c->has_row = c->mark.has_row;
    c->last_size = c->mark.last_size;
    c->place_size = c->mark.place_size;
    memcpy(c->place, c->mark.place, c->mark.place_size);
}

void cursor_set_direction(struct cursor *c, bool reverse)
{
    ASSERT(c->snapshot || !c->is_placed); /* T-6 */
    if (c->reverse == reverse)
        return;
    cursor_run_settle(c); /* the way it went */
    c->reverse = reverse;
    cursor_rest(c); /* the place is between rows: it is good both ways */
}

void cursor_set_unique(struct cursor *c, bool unique)
{
    ASSERT(!c->unique || !c->schema || c->schema->of);
    unique = unique && c->schema && c->schema->of;
    cursor_run_settle(c);
    c->runs = c->runs && !unique; /* what is passed over is looked at row by row */
    if (unique && !c->unique && c->has_row)
        cursor_pass_key(c); /* the first row of its key is behind it */
    c->unique = unique;
}

void cursor_skip(struct cursor *c, uint64_t rows)
{
    ASSERT(!c->range_is_empty || !c->has_row);
    cursor_run_settle(c);
    c->offset = rows;
}

/* {index: key, key: key}: the key of one entry. ERR_BAD_REQUEST: the map is none. */
static enum err entry_key_read(struct slice map, struct slice *index_key, struct slice *key)
{
    struct msgpack_cursor at = msgpack_open(map);
    uint32_t pairs;

    *index_key = *key = SLICE_NONE;
    if (msgpack_read_map(&at, &pairs) != ERR_OK)
        return ERR_BAD_REQUEST;
    while (pairs-- > 0) {
        struct slice name, value;

        if (msgpack_read_text(&at, &name) || msgpack_skip(&at, MSGPACK_DEPTH_MAX, &value))
            return ERR_BAD_REQUEST;
        if (slice_equal(name, slice_text("index")))
            *index_key = value;
        else if (slice_equal(name, slice_text("key")))
            *key = value;
        else
            return ERR_BAD_REQUEST;
    }
    return slice_is_none(*index_key) || slice_is_none(*key) ? ERR_BAD_REQUEST : ERR_OK;
}

/* Where a unique index has another record than that, it lies before or behind it: then the key
 * itself is passed over in that direction. */
static enum err entry_is_passed(struct op *op, struct cursor *c, struct slice index_key,
                                struct slice key, bool *is_passed)
{
    struct view v = view_of(c->snapshot, c->txn ? &c->txn->write_set : NULL);
    struct slice there;
    enum err e = record_read(op, c->txn, &v, c->schema, index_key, &there);
    int order = e || slice_is_none(there) ? 0 : slice_compare(there, key);

    ASSERT(c->schema->of && c->schema->unique);
    *is_passed = c->reverse ? order > 0 : order < 0;
    return e;
}

/* The first row at or beyond (index key, record key). */
static enum err cursor_move_to_entry(struct op *op, struct cursor *c, struct slice map)
{
    uint8_t place[KEY_BYTES_MAX], key[KEY_BYTES_MAX];
    struct slice index_key, record_key;
    size_t size = 0, key_size = 0;
    bool is_passed = false;
    const char *why = "expected an index key, or {index, key}";
    enum err e = entry_key_read(map, &index_key, &record_key);

    ASSERT(c->schema->of);
    if (!e)
        e = key_encode(&c->schema->spec, index_key, place, &size, &why);
    if (!e)
        e = key_encode(&c->schema->of->spec, record_key, key, &key_size, &why);
    if (!e && size + key_size > KEY_BYTES_MAX)
        e = ERR_TOO_LARGE;
    if (e) {
        op_refuse_key(op, e, c->schema, "invalid key in \"to\"", why);
        return e;
    }
    if (c->schema->unique) {
        e = entry_is_passed(op, c, slice_make(place, size), slice_make(key, key_size),
                            &is_passed);
    } else {
        memcpy(place + size, key, key_size);
        size += key_size;
    }
    if (e)
        return e;
    ASSERT(size <= KEY_BYTES_MAX);
    cursor_rest(c);
    memcpy(c->place, place, size);
    c->place_size = size;
    c->place_is_end = false;
    if (c->reverse != is_passed) /* behind the key, so that it comes first, or is passed over */
        c->place[c->place_size++] = 0;
    return ERR_OK;
}

/* Not beyond the range of the cursor. */
static void cursor_place_in_range(struct cursor *c)
{
    struct slice place = slice_make(c->place, c->place_size);

    ASSERT(!c->is_placed && c->place_size <= sizeof c->place);
    c->has_row = false;
    if (c->from_size && !c->place_is_end &&
        slice_compare(place, slice_make(c->from, c->from_size)) < 0)
        cursor_place_at_edge(c, false);
    else if (c->to_size &&
             (c->place_is_end || slice_compare(place, slice_make(c->to, c->to_size)) > 0))
        cursor_place_at_edge(c, true);
}

static bool is_map(struct slice value)
{
    struct msgpack_cursor at = msgpack_open(value);
    enum msgpack_type type;

    return msgpack_peek(&at, &type) == ERR_OK && type == MSGPACK_MAP;
}

enum err cursor_move_to(struct op *op, struct cursor *c, struct slice key)
{
    uint8_t encoded[KEY_BYTES_MAX];
    const char *why = "";
    size_t size;
    enum err e = cursor_check(op, c);

    if (e)
        return e;
    if (c->schema->of && is_map(key)) {
        e = cursor_move_to_entry(op, c, key);
        if (!e)
            cursor_place_in_range(c);
        return e;
    }
    e = key_encode(&c->schema->spec, key, encoded, &size, &why);
    if (e) {
        op_refuse_key(op, e, c->schema, "invalid key in \"to\"", why);
        op_show_key(op, e, key);
        return e;
    }
    ASSERT(size > 0 && size <= KEY_BYTES_MAX);
    cursor_rest(c);
    if (c->schema->of) {
        cursor_stand_at(c, slice_make(encoded, size), c->reverse);
    } else {
        c->place_is_end = false;
        c->place_size = size;
        memcpy(c->place, encoded, size);
        if (c->reverse) /* behind the key, so that it comes first */
            c->place[c->place_size++] = 0;
    }
    cursor_place_in_range(c);
    return ERR_OK;
}
