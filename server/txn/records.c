/* Records in a transaction or by themselves: find the store's definition, encode the
 * key, look where the view says. */
#include "server/txn/records.h"

#include "server/base/assert.h"
#include "server/txn/auto.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/db_struct.h"
#include "server/txn/decided.h"
#include "server/txn/generated_key.h"
#include "server/txn/generator.h"
#include "server/txn/lookup.h"
#include "server/txn/op.h"
#include "server/txn/reads.h"
#include "server/txn/record_see.h"
#include "server/txn/records_internal.h"
#include "server/txn/snapshot.h"
#include "server/txn/statement.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_struct.h"
#include "server/txn/view.h"
#include "server/txn/write.h"

#define STEPS_A_TURN 2000 /* of what may be long; then others get their turn */

/* What a read by itself sees: its transaction if it had to wait, else the present. */
static enum err read_view(struct op *op, struct txn *t, struct view *v)
{
    struct db *db = op->db;
    enum err e;

    if (!t)
        t = op->own;
    if (t) {
        e = txn_check(op, t);
        if (e)
            return e;
        ASSERT(t->db == db && t->snapshot); /* T-3: one that is doomed was refused */
        *v = view_of(t->snapshot, &t->write_set);
        return ERR_OK;
    }
    failure_clear(&op->failure);
    ASSERT(op->after <= db->numbers.last_commit); /* V-1 */
    *v = view_now(db, db->numbers.answered > op->after ? db->numbers.answered : op->after);
    return ERR_OK;
}

/* The end of a read: one by itself that must wait takes hold of its snapshot. */
static enum err read_end(struct op *op, struct txn *t, enum err e)
{
    ASSERT(!op->own || t || op->own->is_autocommit);
    if (t)
        return e;
    if (e == ERR_WAIT) {
        if (!op->own) {
            enum err failed = txn_begin_own(op, true, &op->own);

            if (failed)
                return failed;
        }
    } else if (op->own) {
        struct txn *own = op->own;

        op->own = NULL;
        txn_rollback(own);
    }
    return e;
}

enum err record_read(struct op *op, struct txn *t, const struct view *v, const struct schema *s,
                     struct slice key, struct slice *value)
{
    bool is_own;
    enum err e = record_find(op, v, s->number, key, value, &is_own);

    ASSERT(!t || v->commit == t->snapshot->commit); /* a transaction has one snapshot */
    if (e || is_own)
        return e; /* its own: nobody else can change that */
    return reads_note_point(op, t, s, key);
}

enum err record_refuse_key(struct op *op, const struct schema *s, struct slice key,
                           const char *what, const char *why)
{
    failure_set(&op->failure, ERR_BAD_KEY, "invalid %s: %s", what, why);
    failure_set_store(&op->failure, ERR_BAD_KEY, schema_name(s));
    op_show_key(op, ERR_BAD_KEY, key);
    return ERR_BAD_KEY;
}

/* size: of the key, encoded where that is known. */
static enum err key_too_large(struct op *op, const struct schema *s, size_t size)
{
    unsigned max = op->db->options.key_bytes_max;

    ASSERT(max <= KEY_BYTES_MAX);
    failure_set_limit(&op->failure, "key-size", max, size,
                      "key too large: %zu bytes, the limit is %u (key-size)", size, max);
    failure_set_store(&op->failure, ERR_TOO_LARGE, schema_name(s));
    return ERR_TOO_LARGE;
}

enum err record_encode_key(struct op *op, const struct schema *s, struct slice key,
                           uint8_t encoded[KEY_BYTES_MAX], size_t *size)
{
    const char *why = "";
    enum err e;

    if (slice_is_none(key))
        return record_refuse_key(op, s, key, "key", "a key is required");
    e = key_encode(&s->spec, key, encoded, size, &why);
    if (e == ERR_TOO_LARGE)
        return key_too_large(op, s, key.size);
    if (!e && *size > op->db->options.key_bytes_max)
        return key_too_large(op, s, *size);
    ASSERT(e || (*size > 0 && *size <= KEY_BYTES_MAX)); /* replay refuses an empty key */
    return e ? record_refuse_key(op, s, key, "key", why) : ERR_OK;
}

static enum err record_lookup(struct op *op, struct txn *t, struct slice store,
                              struct slice key, struct slice *value)
{
    uint8_t encoded[KEY_BYTES_MAX];
    struct schema *schema;
    struct view v;
    size_t size;
    enum err e;

    *value = SLICE_NONE;
    e = read_view(op, t, &v);
    if (!e)
        e = catalogue_find(op, t, v.commit, store, &schema);
    if (!e)
        e = record_encode_key(op, schema, key, encoded, &size);
    if (!e)
        e = record_read(op, t, &v, schema, slice_make(encoded, size), value);
    return e;
}

enum err record_find_store(struct op *op, struct txn *t, struct slice store)
{
    struct schema *schema;
    struct view v;
    enum err e = read_view(op, t, &v);

    if (!e)
        e = catalogue_find(op, t, v.commit, store, &schema);
    return read_end(op, t, e);
}

enum err record_get(struct op *op, struct txn *t, struct slice store, struct slice key,
                    struct slice *value)
{
    enum err e = record_lookup(op, t, store, key, value);

    return read_end(op, t, e);
}

enum err record_has(struct op *op, struct txn *t, struct slice store, struct slice key,
                    bool *out)
{
    struct slice value;
    enum err e = record_lookup(op, t, store, key, &value);

    *out = !slice_is_none(value);
    return read_end(op, t, e);
}

/* ---- writes ---- */

enum err record_begin_write(struct op *op, struct txn *t, struct slice store,
                            struct schema **schema)
{
    if (t->options.read_only)
        return failure_set(&op->failure, ERR_READ_ONLY, "the transaction is read-only");
    ASSERT(t->db == op->db && t->snapshot); /* T-3 */
    return catalogue_find(op, t, t->snapshot->commit, store, schema);
}

#define CHECK_STEPS_A_TURN 8192 /* values of a document: less than a millisecond */

enum err record_check_document(struct op *op, struct slice document, const char *refused)
{
    const char *why = "invalid MessagePack";
    enum err e;

    if (op->is_checked)
        return ERR_OK;
    e = msgpack_check_part(&op->check, document, &op->db->check_memory, CHECK_STEPS_A_TURN,
                           &why);
    if (e == ERR_WAIT) {
        wait_yield(op->db->primary, &op->wait);
        return e;
    }
    op->is_checked = !e;
    if (e)
        return failure_set(&op->failure, e, "%s: %s", refused, why);
    return ERR_OK;
}

void record_forget_check(struct op *op)
{
    msgpack_check_free(&op->check);
    op->is_checked = false;
}

static enum err put_check_value(struct op *op, struct slice value)
{
    enum msgpack_type type;
    struct msgpack_cursor c = msgpack_open(value);

    if (slice_is_none(value) || msgpack_peek(&c, &type) != ERR_OK || type == MSGPACK_NIL)
        return failure_set(&op->failure, ERR_BAD_VALUE,
                           "a record cannot be nil; to remove a record use delete");
    if (value.size > op->db->options.value_bytes_max)
        return failure_set_limit(
            &op->failure, "value-size", op->db->options.value_bytes_max, value.size,
            "record too large: %zu bytes, the limit is %llu (value-size)", value.size,
            (unsigned long long)op->db->options.value_bytes_max);
    return record_check_document(op, value, "invalid record");
}

/* A record on its way in. */
struct put {
    struct slice value; /* as it will be kept */
    uint8_t *injected;  /* owned; the document with a generated key in it */
    size_t injected_size;
    size_t key_size;
    uint64_t generated; /* 0: not generated */
    uint8_t key[KEY_BYTES_MAX];
};

static enum err put_generate(struct op *op, struct txn *t, struct schema *s, struct put *put)
{
    uint8_t plain[MSGPACK_HEAD_MAX];
    size_t plain_size;
    uint64_t n = generator_next(&op->db->catalogue, t, s->shelf);
    enum err e;

    ASSERT(s->generate && !put->generated);
    ASSERT(n > 0);
    if (n > GENERATOR_MAX) {
        failure_set(&op->failure, ERR_GENERATOR_FULL,
                    "store \"%s\" has used all generated keys up to 2^53; give the key "
                    "explicitly",
                    text_show(schema_name(s)));
        failure_set_store(&op->failure, ERR_GENERATOR_FULL, schema_name(s));
        return ERR_GENERATOR_FULL;
    }
    ASSERT(s->shelf && s->shelf->number == s->number);
    put->generated = n;
    plain_size = msgpack_put_uint(plain, n);
    e = record_encode_key(op, s, slice_make(plain, plain_size), put->key, &put->key_size);
    if (e || s->spec.is_explicit)
        return e;
    put->injected_size = generated_key_room(put->value, &s->spec.parts[0]);
    put->injected = os_alloc(op->db->os, put->injected_size);
    if (!put->injected)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for the record");
    put->value = generated_key_put(put->value, &s->spec.parts[0], slice_make(plain, plain_size),
                                   put->injected);
    if (slice_is_none(put->value))
        return record_refuse_key(op, s, SLICE_NONE, "record",
                                 "it must be a map to receive the generated key");
    ASSERT(put->value.size <= put->injected_size);
    return ERR_OK;
}

static enum err put_find_key(struct op *op, struct txn *t, struct schema *s, struct slice key,
                             struct put *put)
{
    const char *why = "";
    unsigned part = 0;
    enum err e;

    ASSERT(put->key_size == 0);
    if (s->spec.is_explicit) {
        if (!slice_is_none(key))
            return record_encode_key(op, s, key, put->key, &put->key_size);
        if (s->generate)
            return put_generate(op, t, s, put);
        return record_refuse_key(op, s, SLICE_NONE, "put",
                                 "this store needs an explicit key: put STORE VALUE KEY");
    }
    if (!slice_is_none(key))
        return record_refuse_key(
            op, s, key, "put",
            "this store takes the key from the record; remove the explicit key");
    e = key_of_document(&s->spec, put->value, put->key, &put->key_size, &part, &why);
    if (e == ERR_NOT_FOUND && s->generate)
        return put_generate(op, t, s, put);
    if (e == ERR_NOT_FOUND) {
        const struct key_part *p = &s->spec.parts[part];
        struct slice field = p->steps[p->step_count - 1];

        failure_set(&op->failure, ERR_BAD_KEY,
                    "the record has no field \"%s\", which is part %u of the key",
                    text_show(field), part + 1);
        return record_refuse_key(op, s, SLICE_NONE, "", "");
    }
    if (e == ERR_TOO_LARGE)
        return key_too_large(op, s, put->value.size);
    if (!e && put->key_size > op->db->options.key_bytes_max)
        return key_too_large(op, s, put->key_size);
    return e ? record_refuse_key(op, s, SLICE_NONE, "key in the record", why) : ERR_OK;
}

static enum err put_check_absent(struct op *op, struct txn *t, const struct schema *s,
                                 struct slice key)
{
    struct view v = view_of(t->snapshot, &t->write_set);
    struct slice there;
    enum err e = record_read(op, t, &v, s, key, &there);

    ASSERT(e || t->snapshot); /* T-3 */
    if (!e && !slice_is_none(there)) {
        uint8_t plain[KEY_PLAIN_BYTES_MAX];
        size_t size;

        e = failure_set(&op->failure, ERR_EXISTS,
                        "duplicate key: store \"%s\" already has a record with that key",
                        text_show(schema_name(s)));
        failure_set_store(&op->failure, e, schema_name(s));
        if (key_decode_known(&s->spec, key, plain, sizeof plain, &size) == ERR_OK)
            failure_set_key(&op->failure, e, slice_make(plain, size));
    }
    return e;
}

/* Write it, and then its key is used up: a put that fails has used none. */
enum err record_write(struct op *op, struct txn *t, struct schema *s, struct slice key,
                      struct slice value, bool is_generated)
{
    struct generator_use *use = NULL;
    enum err e;

    if (s->generate) {
        ASSERT(s->shelf && s->shelf->number == s->number);
        use = generator_use_of(&op->db->catalogue, t, s->shelf, &t->uses, &t->use_room);
        if (!use)
            return failure_set(&op->failure, ERR_NOMEM, "out of memory for the record");
        if (savepoint_keep_use(t, use) != ERR_OK)
            return failure_set(&op->failure, ERR_NOMEM, "out of memory for the record");
    }
    ASSERT(key.size > 0 && key.size <= KEY_BYTES_MAX);
    e = write_record(op, t, s, key, value);
    if (!e && use)
        generator_use_number(use, generator_number(s->shelf->descending, key), is_generated);
    return e;
}

struct put_request {
    struct slice store, value, key;
    bool only_insert;
    uint8_t *key_room;
    struct slice *key_out;
};

static enum err put_in(struct op *op, struct txn *t, const struct put_request *r,
                       struct put *put)
{
    struct schema *s;
    struct slice encoded;
    size_t size;
    enum err e = record_begin_write(op, t, r->store, &s);

    if (!e) {
        e = put_check_value(op, put->value);
        failure_set_store(&op->failure, e, schema_name(s));
    }
    if (!e)
        e = put_find_key(op, t, s, r->key, put);
    if (e)
        return e;
    encoded = slice_make(put->key, put->key_size);
    if (r->only_insert && !put->generated)
        e = put_check_absent(op, t, s, encoded);
    if (!e)
        e = record_write(op, t, s, encoded, put->value, put->generated > 0);
    if (e)
        return e;
    e = key_decode_known(&s->spec, encoded, r->key_room, KEY_PLAIN_BYTES_MAX, &size);
    ASSERT(!e); /* we have just encoded it */
    *r->key_out = slice_make(r->key_room, size);
    return ERR_OK;
}

void record_is_single(const struct op *op, struct txn *t, bool is_conditional)
{
    ASSERT(t->snapshot); /* T-3 */
    t->is_single = t->is_single || (t->is_autocommit && !op->is_part);
    t->is_conditional = t->is_autocommit && !op->is_part && is_conditional;
}

static enum err put_step(struct op *op, struct txn *t, void *request)
{
    const struct put_request *r = request;
    struct put put;
    enum err e;

    put.value = r->value;
    put.injected = NULL;
    put.generated = 0;
    put.key_size = 0;
    record_is_single(op, t, r->only_insert);
    e = put_in(op, t, r, &put);
    ASSERT(!put.injected || put.generated);
    os_free(op->db->os, put.injected, put.injected_size);
    return e;
}

enum err record_put(struct op *op, struct txn *t, struct slice store, struct slice value,
                    struct slice key, bool only_insert, uint8_t *key_room,
                    struct slice *key_out)
{
    struct put_request r = {store, value, key, only_insert, key_room, key_out};
    enum err e;

    *key_out = SLICE_NONE;
    e = auto_write(op, t, put_step, &r);
    if (e != ERR_WAIT) /* the next document is another one */
        record_forget_check(op);
    return e;
}

struct delete_request {
    struct slice store, key;
    bool *existed;
};

static enum err delete_step(struct op *op, struct txn *t, void *request)
{
    const struct delete_request *r = request;
    uint8_t encoded[KEY_BYTES_MAX];
    struct schema *s;
    struct slice there;
    struct view v;
    size_t size;
    enum err e;

    *r->existed = false;
    record_is_single(op, t, true);
    e = record_begin_write(op, t, r->store, &s);
    if (!e)
        e = record_encode_key(op, s, r->key, encoded, &size);
    if (e)
        return e;
    v = view_of(t->snapshot, &t->write_set);
    ASSERT(t->snapshot); /* T-3 */
    e = record_read(op, t, &v, s, slice_make(encoded, size), &there);
    if (e || slice_is_none(there))
        return e;
    e = write_record(op, t, s, slice_make(encoded, size), SLICE_NONE);
    *r->existed = !e;
    return e;
}

enum err record_delete(struct op *op, struct txn *t, struct slice store, struct slice key,
                       bool *existed)
{
    struct delete_request r = {store, key, existed};

    *existed = false;
    return auto_write(op, t, delete_step, &r);
}

/* ---- ranges ---- */

static enum err range_of_request(struct op *op, const struct schema *s, struct slice range,
                                 struct key_range *out)
{
    const char *why = "";
    enum err e = key_range_read(&s->spec, range, out, &why);

    if (e)
        op_refuse_key(op, e, s, "invalid range", why);
    ASSERT(e || (out->from_size <= KEY_BYTES_MAX + 1 && out->to_size <= KEY_BYTES_MAX + 1));
    return e;
}

void records_range_forget(struct op *op)
{
    ASSERT(op->cursor || !(op->progress[0] | op->progress[1]));
    if (op->cursor)
        cursor_close(op->cursor);
    op->cursor = NULL;
    op->progress[0] = op->progress[1] = 0;
}

/* Delete what the cursor meets, up to limit; op->progress[0] counts over the turns. A key
 * that has been met but not deleted yet (ERR_WAIT for room) is op->progress[1]'s. */
static enum err delete_range_steps(struct op *op, struct txn *t, struct schema *s,
                                   uint64_t limit)
{
    const uint64_t *work = &op->db->entries.work; /* in the store's indexes */
    uint64_t begun = *work;

    ASSERT(t->is_autocommit || t->statement.op == op); /* T-5 */
    ASSERT(op->cursor && op->progress[1] <= 1);
    for (unsigned steps = 0; op->progress[0] < limit; steps++) {
        struct record *r;
        struct slice key, value;
        enum err e;

        if (steps + (*work - begun) >= STEPS_A_TURN) {
            wait_yield(op->db->primary, &op->wait);
            return ERR_WAIT;
        }
        e = op->progress[1] ? cursor_current(op->cursor, &key)
                            : cursor_read(op, op->cursor, &key, &r, &value);
        if (e)
            return e;
        if (!op->progress[1] && r) { /* met just now, in a stage */
            decided_note(op, r->stamp);
            if (record_is_delete(r))
                continue;
        }
        op->progress[1] = 1;
        e = write_record(op, t, s, key, SLICE_NONE);
        if (e)
            return e;
        op->progress[1] = 0;
        op->progress[0]++;
        op_release(op); /* the cursor pins what it stands on; what is behind it may go */
    }
    return ERR_END;
}

struct delete_range_request {
    struct slice store, range;
    uint64_t limit;
    bool reverse;
    uint64_t *deleted;
};

static enum err delete_range_in(struct op *op, struct txn *t,
                                const struct delete_range_request *r)
{
    struct key_range bounds;
    struct schema *s;
    enum err e = record_begin_write(op, t, r->store, &s);

    if (!e && !op->cursor) {
        op->progress[0] = op->progress[1] = 0; /* of a run that lost */
        e = range_of_request(op, s, r->range, &bounds);
        if (!e) {
            op->cursor = cursor_new(op, t, t->snapshot, s, &bounds, r->reverse, false);
            if (!op->cursor)
                e = failure_set(&op->failure, ERR_NOMEM, "out of memory for a cursor");
        }
    }
    if (!e)
        e = delete_range_steps(op, t, s, r->limit);
    if (e == ERR_END) {
        ASSERT(!op->progress[1]); /* what was met is deleted */
        *r->deleted = op->progress[0];
        e = ERR_OK;
    }
    if (e != ERR_WAIT)
        records_range_forget(op);
    return e;
}

static enum err delete_range_step(struct op *op, struct txn *t, void *request)
{
    const struct delete_range_request *r = request;
    enum err e;

    ASSERT(t->snapshot); /* T-3 */
    if (op->is_ending) {
        *r->deleted = op->progress[0];
        return ERR_OK;
    }
    statement_begin(op, t->is_autocommit ? NULL : t);
    e = delete_range_in(op, t, r);
    if (e == ERR_OK)
        op->progress[0] = *r->deleted; /* for the calls in which the commit waits */
    return e;
}

enum err record_delete_range(struct op *op, struct txn *t, struct slice store,
                             struct slice range, uint64_t limit, bool reverse,
                             uint64_t *deleted)
{
    struct delete_range_request r = {store, range, limit, reverse, deleted};
    enum err e;

    *deleted = 0;
    e = auto_write(op, t, delete_range_step, &r);
    ASSERT(e == ERR_WAIT || !op->cursor); /* it would outlive its transaction */
    if (e != ERR_WAIT)
        op->progress[0] = 0;
    return e;
}

/* What the staged keys of a range change about what the root says of it: records
 * in progress[0] (as a signed number), bytes in progress[1]. */
static enum err count_staged(struct op *op, const struct view *v, uint32_t store)
{
    ASSERT(op->cursor);
    for (unsigned steps = 0;; steps++) {
        struct record *r = NULL;
        struct slice key, value, in_root = SLICE_NONE;
        enum err e;

        if (steps == STEPS_A_TURN) {
            wait_yield(op->db->primary, &op->wait);
            return ERR_WAIT;
        }
        e = cursor_current_pending(op->cursor, &key, &r);
        if (e == ERR_NOT_FOUND)
            e = cursor_step(op, op->cursor, &key, &r, &value);
        if (e)
            return e == ERR_END ? ERR_OK : e;
        decided_note(op, r->stamp);
        e = tree_get(op->db->primary, v->root, store, key, &op->wait, &in_root, &op->failure);
        if (e == ERR_WAIT)
            cursor_keep_pending(op->cursor, r);
        if (e && e != ERR_NOT_FOUND)
            return e;
        if (!e) {
            op->progress[0]--;
            op->progress[1] -= key.size + in_root.size;
        }
        if (!record_is_delete(r)) {
            op->progress[0]++;
            op->progress[1] += key.size + r->value_size;
        }
        op_release(op); /* the next key is in another page */
    }
}

static enum err count_root(struct op *op, const struct view *v, uint32_t store,
                           const struct key_range *range, uint64_t *records, uint64_t *bytes)
{
    struct tree_facts facts = {0};
    uint64_t below = 0, upto = 0;
    enum err e = ERR_OK;

    ASSERT(v->root_commit <= v->commit);
    if (range->empty || !root_tree_facts(v->root, store, &facts)) {
        *records = *bytes = 0;
        return ERR_OK;
    }
    if (range->from_size)
        e = tree_rank(op->db->primary, v->root, store,
                      slice_make(range->from, range->from_size), &op->wait, &below,
                      &op->failure);
    if (!e)
        e = tree_rank(op->db->primary, v->root, store,
                      range->to_size ? slice_make(range->to, range->to_size) : SLICE_NONE,
                      &op->wait, &upto, &op->failure);
    if (e)
        return e;
    *records = upto > below ? upto - below : 0;
    ASSERT(*records <= facts.records);
    *bytes = facts.records
                 ? (uint64_t)((double)facts.bytes * (double)*records / (double)facts.records)
                 : 0;
    return ERR_OK;
}

/* A damaged tree and its side hold versions of the same keys: only walking them counts. */
static enum err count_walked(struct op *op, uint64_t *records, uint64_t *bytes)
{
    ASSERT(op->cursor);
    for (unsigned steps = 0;; steps++) {
        struct record *r;
        struct slice key, value;
        enum err e;

        if (steps == STEPS_A_TURN) {
            wait_yield(op->db->primary, &op->wait);
            return ERR_WAIT;
        }
        e = cursor_step(op, op->cursor, &key, &r, &value);
        if (e == ERR_END) {
            *records = *bytes = 0;
            return ERR_OK;
        }
        if (e)
            return e;
        if (r)
            decided_note(op, r->stamp);
        if (r && record_is_delete(r))
            continue;
        op->progress[0]++;
        op->progress[1] += key.size + value.size;
    }
}

struct counting { /* what is counted */
    struct txn *txn; /* NULL: of no transaction */
    struct snapshot *snapshot;
    struct schema *schema;
    const struct key_range *bounds;
};

static enum err count_begin(struct op *op, const struct counting *c, const struct view *v)
{
    struct tree_facts facts;
    bool walks = root_tree_facts(v->root, c->schema->number, &facts) && facts.has_side;

    ASSERT(!op->cursor && c->schema);
    op->cursor = cursor_new(op, c->txn, c->snapshot, c->schema, c->bounds, false, !walks);
    return op->cursor ? ERR_OK
                      : failure_set(&op->failure, ERR_NOMEM, "out of memory for a cursor");
}

static enum err count_all(struct op *op, const struct counting *c, uint64_t *records,
                          uint64_t *bytes)
{
    struct view v = view_of(c->snapshot, c->txn ? &c->txn->write_set : NULL);
    const struct key_range *bounds = c->bounds;
    enum err e = ERR_OK;

    ASSERT(c->snapshot);
    if (c->txn && !bounds->empty && !op->cursor) /* once, though this goes on over turns */
        e = reads_note_range(op, c->txn, c->schema, slice_make(bounds->from, bounds->from_size),
                             slice_make(bounds->to, bounds->to_size));
    if (!e && !op->cursor)
        e = count_begin(op, c, &v);
    if (!e && !cursor_is_only_staged(op->cursor)) {
        e = count_walked(op, records, bytes);
    } else if (!e) {
        e = count_staged(op, &v, c->schema->number);
        if (!e)
            e = count_root(op, &v, c->schema->number, bounds, records, bytes);
    }
    if (!e) {
        *records += op->progress[0];
        *bytes += op->progress[1];
    }
    if (e != ERR_WAIT)
        records_range_forget(op);
    return e;
}

enum err records_count_in(struct op *op, struct txn *t, struct schema *s,
                          const struct key_range *bounds, uint64_t *records, uint64_t *bytes)
{
    struct counting c = {t, t->snapshot, s, bounds};

    ASSERT(t->db == op->db);
    return count_all(op, &c, records, bytes);
}

enum err records_count_at(struct op *op, struct txn *t, struct snapshot *snapshot,
                          struct schema *s, const struct key_range *bounds, uint64_t *records)
{
    struct counting c = {t, snapshot, s, bounds};
    uint64_t bytes;

    ASSERT(!t || t->snapshot == snapshot);
    return count_all(op, &c, records, &bytes);
}

static enum err count_in(struct op *op, struct txn *t, struct slice store, struct slice range,
                         uint64_t *records, uint64_t *bytes)
{
    struct key_range bounds;
    struct schema *s;
    enum err e = catalogue_find(op, t, t->snapshot->commit, store, &s);

    ASSERT(e || t->snapshot); /* T-3 */
    if (!e)
        e = range_of_request(op, s, range, &bounds);
    ASSERT(e || (!s->of && !s->is_dropped)); /* a name leads to a store that there is */
    if (!e)
        return records_count_in(op, t, s, &bounds, records, bytes);
    records_range_forget(op);
    return e;
}

static enum err record_measure(struct op *op, struct txn *t, struct slice store,
                               struct slice range, uint64_t *records, uint64_t *bytes)
{
    struct txn *in = t;
    bool again;
    enum err e = auto_begin(op, &in, true);

    *records = *bytes = 0;
    if (!e)
        e = count_in(op, in, store, range, records, bytes);
    else
        records_range_forget(op);
    ASSERT(e == ERR_WAIT || !op->cursor);
    return auto_end(op, t, e, &again);
}

enum err record_count(struct op *op, struct txn *t, struct slice store, struct slice range,
                      uint64_t *records)
{
    uint64_t bytes;

    return record_measure(op, t, store, range, records, &bytes);
}

enum err record_size(struct op *op, struct txn *t, struct slice store, struct slice range,
                     uint64_t *bytes)
{
    uint64_t records;

    return record_measure(op, t, store, range, &records, bytes);
}
