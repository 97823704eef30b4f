/* Records in a transaction or by themselves: find the store's definition, encode the
 * key, look where the view says. */
#include "server/txn/records.h"

#include "server/base/assert.h"
#include "server/storage/key_show.h"
#include "server/txn/auto.h"
#include "server/txn/catalogue.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/db_struct.h"
#include "server/txn/generated_key.h"
#include "server/txn/generator.h"
#include "server/txn/lookup.h"
#include "server/txn/op.h"
#include "server/txn/reads.h"
#include "server/txn/record_see.h"
#include "server/txn/records_internal.h"
#include "server/txn/savepoint.h"
#include "server/txn/snapshot.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_struct.h"
#include "server/txn/view.h"
#include "server/txn/write.h"

/* What a read by itself sees: its transaction if it had to wait, else the present. */
static enum err read_view(struct op *op, struct txn *t, struct view *v)
{
    enum err e;

    if (!t)
        t = op->own;
    if (t) {
        e = txn_check(op, t);
        if (e)
            return e;
        ASSERT(t->db == op->db && t->snapshot); /* T-3: one that is doomed was refused */
        *v = view_of(t->snapshot, &t->write_set);
        return ERR_OK;
    }
    failure_clear(&op->failure);
    *v = view_answered(op);
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
    failure_set(&op->failure, ERR_BAD_KEY, "%s%s%s%s", what[0] ? "invalid " : "", what,
                what[0] ? ": " : "", why);
    failure_set_store(&op->failure, ERR_BAD_KEY, schema_name(s));
    if (s->of)
        failure_set_index(&op->failure, ERR_BAD_KEY, s->index);
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
    if (s->of)
        failure_set_index(&op->failure, ERR_TOO_LARGE, s->index);
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
    ASSERT(e || (*size > 0 && *size <= KEY_BYTES_MAX)); /* replay refuses an empty key */
    return e ? record_refuse_key(op, s, key, "key", why) : ERR_OK;
}

enum err record_check_new_key(struct op *op, const struct schema *s, size_t size)
{
    ASSERT(size > 0);
    return size > op->db->options.key_bytes_max ? key_too_large(op, s, size) : ERR_OK;
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

/* Without a transaction a record is written by itself, if nothing else goes with it. */
static enum err begin_alone(struct op *op, struct slice store, struct schema **schema)
{
    enum err e = catalogue_look(op, NULL, op->db->numbers.last_commit, store, schema);

    ASSERT(!op->own && !op->needs_txn);
    op->needs_txn = !e && ((*schema)->index_count || (*schema)->generate);
    return op->needs_txn ? ERR_WAIT : e;
}

struct view record_view(const struct op *op, struct txn *t)
{
    ASSERT(!t || t->snapshot); /* T-3 */
    return t ? view_of(t->snapshot, &t->write_set)
             : view_now(op->db, op->db->numbers.last_commit);
}

enum err record_begin_write(struct op *op, struct txn *t, struct slice store,
                            struct schema **schema)
{
    if (!t)
        return begin_alone(op, store, schema);
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
    if (e == ERR_WAIT)
        return op_yield(op);
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

/* The record has that part of the key, and it cannot be one. */
static enum err put_refuse_field(struct op *op, const struct schema *s, unsigned part,
                                 const char *why)
{
    const struct key_part *p = &s->spec.parts[part];

    ASSERT(part < s->spec.part_count);
    failure_set(&op->failure, ERR_BAD_KEY,
                "invalid key in the record: field \"%s\", which is part %u of the key: %s%s",
                KEY_PATH_SHOW(p), part + 1, why,
                why == key_refused_map
                    ? "; for a nested field, create the store with a path such as "
                      "[[\"address\", \"city\"]]"
                    : "");
    return record_refuse_key(op, s, SLICE_NONE, "", "");
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
        return record_refuse_key(op, s, SLICE_NONE, "",
                                 "this store needs an explicit key: put STORE VALUE KEY");
    }
    if (!slice_is_none(key))
        return record_refuse_key(
            op, s, key, "",
            "this store takes the key from the record; remove the explicit key");
    e = key_of_document(&s->spec, put->value, put->key, &put->key_size, &part, &why);
    if (e == ERR_NOT_FOUND && s->generate)
        return put_generate(op, t, s, put);
    if (e == ERR_NOT_FOUND) {
        const struct key_part *p = &s->spec.parts[part];

        failure_set(&op->failure, ERR_BAD_KEY,
                    "the record has no field \"%s\", which is part %u of the key",
                    KEY_PATH_SHOW(p), part + 1);
        return record_refuse_key(op, s, SLICE_NONE, "", "");
    }
    if (e == ERR_TOO_LARGE)
        return key_too_large(op, s, put->value.size);
    return e ? put_refuse_field(op, s, part, why) : ERR_OK;
}

static enum err put_check_absent(struct op *op, struct txn *t, const struct schema *s,
                                 struct slice key)
{
    struct view v = record_view(op, t);
    struct slice there;
    enum err e = record_read(op, t, &v, s, key, &there);

    ASSERT(e || !t || t->snapshot); /* T-3 */
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

static enum err write_in(struct op *op, struct txn *t, struct schema *s, struct slice key,
                         struct slice value)
{
    struct write w = {key, value};
    struct record *r;

    ASSERT(!t || t->snapshot); /* T-3 */
    return t ? write_record(op, t, s, key, value) : write_alone(op, s, &w, &r);
}

/* Write it, and then its key is used up: a put that fails has used none. */
enum err record_write(struct op *op, struct txn *t, struct schema *s, struct slice key,
                      struct slice value, bool is_generated)
{
    struct generator_use *use = NULL;
    enum err e;

    if (t && s->generate) {
        ASSERT(s->shelf && s->shelf->number == s->number);
        use = generator_use_of(&op->db->catalogue, t, s->shelf, &t->uses, &t->use_room);
        if (!use)
            return failure_set(&op->failure, ERR_NOMEM, "out of memory for the record");
        if (savepoint_keep_use(t, use) != ERR_OK)
            return failure_set(&op->failure, ERR_NOMEM, "out of memory for the record");
    }
    ASSERT(key.size > 0 && key.size <= KEY_BYTES_MAX);
    e = write_in(op, t, s, key, value);
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
        if (e)
            failure_set_store(&op->failure, e, schema_name(s));
    }
    if (!e)
        e = put_find_key(op, t, s, r->key, put);
    if (!e)
        e = record_check_new_key(op, s, put->key_size);
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
    if (!t)
        return;
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
    e = auto_write_one(op, t, put_step, &r);
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
    v = record_view(op, t);
    e = record_read(op, t, &v, s, slice_make(encoded, size), &there);
    if (e || slice_is_none(there))
        return e;
    ASSERT(!t || t->snapshot); /* T-3 */
    e = write_in(op, t, s, slice_make(encoded, size), SLICE_NONE);
    *r->existed = !e;
    return e;
}

enum err record_delete(struct op *op, struct txn *t, struct slice store, struct slice key,
                       bool *existed)
{
    struct delete_request r = {store, key, existed};

    *existed = false;
    return auto_write_one(op, t, delete_step, &r);
}
