/* The catalogue: which stores there are, for every snapshot that is open.
 *
 * Definitions are rows of store 0, so they commit, recover and conflict like
 * records; this is the same in memory: for each name a chain of versions, newest
 * first. A store that is cleared gets a new number, and its old tree ends whole: so
 * clearing is O(1) and readers of old snapshots keep what they see. A name's entry
 * is never freed, so that it can hang in transactions' lists. */
#include "server/base/assert.h"
#include "server/txn/db_internal.h"
#include "server/txn/reads.h"

#include <stdio.h>
#include <xxhash.h>

#define CATALOGUE_BUCKETS 4096

static struct catalogue_entry *entry_new(struct db *db, struct slice name)
{
    struct catalogue_entry *e = os_alloc(db->os, sizeof *e + name.size);

    if (!e)
        return NULL;
    e->chain = NULL;
    e->newest = NULL;
    list_init(&e->writers);
    e->name_size = (uint16_t)name.size;
    memcpy(e->name, name.data, name.size);
    return e;
}

struct catalogue_entry *catalogue_entry_of(struct db *db, struct slice name, bool make)
{
    struct catalogue *c = &db->catalogue;
    struct catalogue_entry **bucket =
        &c->buckets[XXH3_64bits_withSeed(name.data, name.size, db->hash_seed) &
                    (c->bucket_count - 1)];
    struct catalogue_entry *e;

    for (e = *bucket; e; e = e->chain) {
        if (slice_equal(slice_make(e->name, e->name_size), name))
            return e;
    }
    if (!make)
        return NULL;
    e = entry_new(db, name);
    if (!e)
        return NULL;
    e->chain = *bucket;
    *bucket = e;
    c->entries++;
    return e;
}

static struct generator *generator_of(struct db *db, uint32_t number)
{
    struct generator *g;

    for (g = db->catalogue.generators; g; g = g->next) {
        if (g->number == number)
            return g;
    }
    g = os_alloc(db->os, sizeof *g);
    if (!g)
        return NULL;
    g->number = number;
    g->counter = 0;
    g->next = db->catalogue.generators;
    db->catalogue.generators = g;
    return g;
}

enum err catalogue_note_tree(struct db *db, uint32_t number, uint64_t counter)
{
    if (number > db->catalogue.last_number)
        db->catalogue.last_number = number;
    if (counter) {
        struct generator *g = generator_of(db, number);

        if (!g)
            return ERR_NOMEM;
        if (counter > g->counter)
            g->counter = counter;
    }
    return ERR_OK;
}

struct slice schema_name(const struct schema *s)
{
    return slice_make(s->entry->name, s->entry->name_size);
}

/* ---- rows ---- */

size_t catalogue_row_key(struct slice name, uint8_t *to)
{
    uint8_t text[STORE_NAME_BYTES_MAX + MSGPACK_HEAD_MAX];
    size_t put = 0;

    if (name.size > STORE_NAME_BYTES_MAX)
        name.size = STORE_NAME_BYTES_MAX; /* no store can have it */
    key_encode_value(slice_make(text, msgpack_put_text(text, name)), false, to, KEY_BYTES_MAX,
                     &put);
    return put;
}

size_t schema_write_row(uint32_t number, const struct key_spec *spec, bool generate,
                        bool last_writer_wins, uint8_t *to, size_t room)
{
    uint8_t *at = to;
    size_t size;

    if (room < 64)
        return 0;
    at += msgpack_put_map_head(at, 2 + generate + last_writer_wins);
    at += msgpack_put_text(at, slice_text("number"));
    at += msgpack_put_uint(at, number);
    if (generate) {
        at += msgpack_put_text(at, slice_text("generate"));
        at += msgpack_put_bool(at, true);
    }
    if (last_writer_wins) {
        at += msgpack_put_text(at, slice_text("last"));
        at += msgpack_put_bool(at, true);
    }
    at += msgpack_put_text(at, slice_text("key"));
    size = key_spec_write(spec, at, room - (size_t)(at - to));
    return size ? (size_t)(at - to) + size : 0;
}

static enum err schema_read_field(struct schema *s, struct msgpack_cursor *c)
{
    struct slice name;
    uint64_t number;
    const char *why;
    enum err e = msgpack_read_text(c, &name);

    if (e)
        return e;
    if (slice_equal(name, slice_text("number"))) {
        e = msgpack_read_uint(c, &number);
        s->number = (uint32_t)number;
    } else if (slice_equal(name, slice_text("generate"))) {
        e = msgpack_read_bool(c, &s->generate);
    } else if (slice_equal(name, slice_text("last"))) {
        e = msgpack_read_bool(c, &s->last_writer_wins);
    } else if (slice_equal(name, slice_text("key"))) {
        e = msgpack_skip(c, MSGPACK_DEPTH_MAX, &s->key);
        if (!e)
            e = key_spec_read(s->key, &s->spec, &why);
    } else {
        e = ERR_BAD_REQUEST;
    }
    return e;
}

static enum err schema_read_row(struct schema *s)
{
    struct msgpack_cursor c = msgpack_open(slice_make(s->row, s->row_size));
    uint32_t pairs;
    enum err e = msgpack_read_map(&c, &pairs);

    while (!e && pairs-- > 0)
        e = schema_read_field(s, &c);
    if (!e && (!msgpack_at_end(&c) || !s->number || slice_is_none(s->key)))
        e = ERR_BAD_REQUEST;
    return e;
}

void schema_free(struct db *db, struct schema *s)
{
    os_free(db->os, s->spare, sizeof *s->spare);
    os_free(db->os, s, sizeof *s + s->row_size);
}

static struct schema *schema_alloc(struct db *db, struct catalogue_entry *e, struct slice row)
{
    struct schema *s = os_alloc(db->os, sizeof *s + row.size);

    if (!s)
        return NULL;
    memset(s, 0, sizeof *s);
    list_init(&s->in_txn);
    s->entry = e;
    s->row_size = row.size;
    s->is_dropped = slice_is_none(row);
    if (row.size)
        memcpy(s->row, row.data, row.size);
    s->spare = os_alloc(db->os, sizeof *s->spare);
    if (!s->spare) {
        schema_free(db, s);
        return NULL;
    }
    return s;
}

enum err schema_new(struct db *db, struct catalogue_entry *entry, struct slice row,
                    struct schema **out, struct failure *f)
{
    struct schema *s = schema_alloc(db, entry, row);
    struct generator *g;
    enum err e = ERR_OK;

    *out = NULL;
    if (!s)
        return failure_set(f, ERR_NOMEM, "no memory for the definition of a store");
    if (!s->is_dropped) {
        e = schema_read_row(s);
        if (e) {
            e = failure_set(f, ERR_CORRUPT, "the definition of store \"%s\" is damaged",
                            text_show(slice_make(entry->name, entry->name_size)));
        } else {
            g = generator_of(db, s->number);
            if (g)
                s->counter = &g->counter;
            else
                e = failure_set(f, ERR_NOMEM, "no memory for the definition of a store");
        }
    }
    if (e)
        schema_free(db, s);
    else
        *out = s;
    return e;
}

/* ---- versions ---- */

#define NEAR_STEPS_MAX 100000 /* of work that a mistyped name may make */
#define NEAR_EDITS_MAX 2

/* Whether a name may be shown to whoever sees the commit: without waiting for anything. */
static bool is_shown(const struct db *db, const struct catalogue_entry *e, uint64_t commit)
{
    const struct schema *s = e->newest;

    return s && !s->is_dropped && s->commit <= commit && s->commit <= db->durable;
}

/* The store whose name is nearest to one that no store has; none: none is near. */
static struct slice catalogue_near(const struct db *db, uint64_t commit, struct slice name)
{
    const struct catalogue *c = &db->catalogue;
    unsigned least = NEAR_EDITS_MAX + 1;
    struct slice best = SLICE_NONE;
    size_t steps = 0;

    for (size_t b = 0; b < c->bucket_count && steps < NEAR_STEPS_MAX; b++, steps++) {
        for (struct catalogue_entry *e = c->buckets[b]; e; e = e->chain, steps += 16) {
            struct slice other = slice_make(e->name, e->name_size);
            unsigned edits;

            if (!is_shown(db, e, commit) || other.size > name.size + NEAR_EDITS_MAX ||
                name.size > other.size + NEAR_EDITS_MAX)
                continue;
            steps += name.size * other.size;
            edits = text_distance(name, other);
            if (edits > least || edits >= name.size || edits > NEAR_EDITS_MAX ||
                (edits == least && slice_compare(other, best) > 0))
                continue;
            least = edits;
            best = other;
        }
    }
    return best;
}

static enum err catalogue_no_store(struct op *op, uint64_t commit, struct slice name)
{
    struct failure *f = &op->failure;
    struct slice near = catalogue_near(op->db, commit, name);

    if (slice_is_none(near))
        failure_set(f, ERR_NO_STORE, "store \"%s\" does not exist", text_show(name));
    else
        failure_set(f, ERR_NO_STORE, "store \"%s\" does not exist; did you mean \"%s\"?",
                    text_show(name), text_show(near));
    failure_set_store(f, ERR_NO_STORE, name);
    failure_set_near(f, ERR_NO_STORE, near);
    return ERR_NO_STORE;
}

/* NULL: there is none. */
static struct schema *schema_seen(struct op *op, struct txn *t, uint64_t commit,
                                  struct slice name)
{
    struct catalogue_entry *e = catalogue_entry_of(op->db, name, false);
    struct schema *s = NULL;

    if (e && t) {
        for (struct list_link *link = t->schemas.previous; link != &t->schemas;
             link = link->previous) {
            struct schema *own = LIST_ENTRY(link, struct schema, in_txn);

            if (own->entry == e) {
                s = own;
                break;
            }
        }
    }
    if (e && !s) {
        s = e->newest;
        while (s && s->commit > commit)
            s = s->older;
        if (s && s->commit > op->db->durable)
            op_note_commit(op, s->commit, s->interval); /* the catalogue decides, too */
    }
    return s && !s->is_dropped ? s : NULL;
}

enum err catalogue_look(struct op *op, struct txn *t, uint64_t commit, struct slice name,
                        struct schema **out)
{
    *out = schema_seen(op, t, commit, name);
    return *out ? ERR_OK : catalogue_no_store(op, commit, name);
}

enum err catalogue_find_other(struct op *op, struct txn *t, struct slice name,
                              struct schema **out)
{
    enum err e = reads_note_name(op, t, name);

    *out = e ? NULL : schema_seen(op, t, t->snapshot->commit, name);
    return e;
}

enum err catalogue_find(struct op *op, struct txn *t, uint64_t commit, struct slice name,
                        struct schema **out)
{
    enum err e = ERR_OK;

    if (t)
        e = reads_note_name(op, t, name);
    return e ? e : catalogue_look(op, t, commit, name, out);
}

static bool entry_has_number(const struct catalogue_entry *e, uint32_t number)
{
    return e->newest && !e->newest->is_dropped && e->newest->number == number;
}

struct schema *catalogue_by_number(struct db *db, uint32_t number)
{
    struct catalogue *c = &db->catalogue;

    if (c->by_number && entry_has_number(c->by_number, number))
        return c->by_number->newest;
    for (size_t b = 0; b < c->bucket_count; b++) {
        for (struct catalogue_entry *e = c->buckets[b]; e; e = e->chain) {
            if (entry_has_number(e, number)) {
                c->by_number = e; /* entries stay for ever */
                return e->newest;
            }
        }
    }
    return NULL;
}

/* Versions below the one that the oldest open snapshot sees are seen by nobody. */
static void catalogue_prune(struct db *db, struct catalogue_entry *e)
{
    uint64_t oldest = db->answered;
    struct schema *s = e->newest;

    if (!list_is_empty(&db->snapshots_by_commit)) {
        uint64_t commit =
            LIST_ENTRY(db->snapshots_by_commit.next, struct snapshot, in_commit)->commit;

        if (commit < oldest)
            oldest = commit;
    }
    while (s && s->commit > oldest)
        s = s->older;
    while (s && s->older) {
        struct schema *older = s->older;

        s->older = older->older;
        schema_free(db, older);
    }
}

static void catalogue_push_retired(struct db *db, struct retired *r, uint32_t number,
                                   uint64_t commit)
{
    struct catalogue *c = &db->catalogue;

    r->next = NULL;
    r->number = number;
    r->commit = commit;
    if (c->retired_last)
        c->retired_last->next = r;
    else
        c->retired = r;
    c->retired_last = r;
}

void catalogue_settle(struct db *db, uint64_t commit)
{
    struct catalogue *c = &db->catalogue;
    struct retired **at = &c->retired;

    c->retired_last = NULL;
    while (*at) {
        struct retired *r = *at;

        if (r->commit == commit && catalogue_by_number(db, r->number)) {
            *at = r->next;
            os_free(db->os, r, sizeof *r);
        } else {
            c->retired_last = r;
            at = &r->next;
        }
    }
}

enum err catalogue_note_orphan(struct db *db, uint32_t number, uint64_t commit)
{
    struct retired *r;

    if (number > db->catalogue.last_number)
        db->catalogue.last_number = number; /* rule 4 */
    for (r = db->catalogue.retired; r; r = r->next) {
        if (r->number == number)
            return ERR_OK;
    }
    r = os_alloc(db->os, sizeof *r);
    if (!r)
        return ERR_NOMEM;
    catalogue_push_retired(db, r, number, commit);
    return ERR_OK;
}

void catalogue_commit(struct db *db, struct schema *s, const struct stamp *stamp)
{
    struct catalogue_entry *e = s->entry;
    struct schema *before = e->newest;

    s->commit = stamp ? stamp->commit : root_facts(primary_root(db->primary))->commit;
    s->version = stamp ? stamp->version : 0;
    s->interval = stamp && stamp->interval;
    if (!s->commit)
        s->commit = 1; /* found in a root: it always was */
    text_label_set(&s->label, stamp ? stamp->label : SLICE_NONE);
    s->older = before;
    e->newest = s;
    if (s->number > db->catalogue.last_number)
        db->catalogue.last_number = s->number;
    if (before && !before->is_dropped && !s->is_dropped && *before->counter > *s->counter)
        *s->counter = *before->counter; /* a cleared store goes on counting */
    if (before && !before->is_dropped && before->number != s->number) {
        catalogue_push_retired(db, s->spare, before->number, s->commit);
        s->spare = NULL;
    }
    catalogue_prune(db, e);
}

enum err catalogue_load(struct db *db, struct slice key, struct slice row,
                        const struct stamp *stamp, struct failure *f)
{
    uint8_t plain[KEY_PLAIN_BYTES_MAX];
    struct msgpack_cursor c;
    struct catalogue_entry *entry;
    struct schema *s;
    struct slice name;
    size_t size;
    enum err e;

    e = key_decode(&db->catalogue.self->spec, key, plain, sizeof plain, &size);
    c = msgpack_open(slice_make(plain, e ? 0 : size));
    if (!e)
        e = msgpack_read_text(&c, &name);
    if (e)
        return failure_set(f, ERR_CORRUPT, "a row of the catalogue has a damaged key");
    entry = catalogue_entry_of(db, name, true);
    if (!entry)
        return failure_set(f, ERR_NOMEM, "no memory for the catalogue");
    e = schema_new(db, entry, row, &s, f);
    if (!e)
        catalogue_commit(db, s, stamp);
    return e;
}

void catalogue_bump(struct schema *s, struct slice encoded_key)
{
    uint8_t plain[KEY_PLAIN_BYTES_MAX];
    struct msgpack_cursor c;
    uint64_t n;
    size_t size;

    if (!s->generate || key_decode(&s->spec, encoded_key, plain, sizeof plain, &size) != ERR_OK)
        return;
    c = msgpack_open(slice_make(plain, size));
    if (msgpack_read_uint(&c, &n) == ERR_OK && n > *s->counter && n < UINT64_C(1) << 53)
        *s->counter = n;
}

/* ---- all of it ---- */

enum err catalogue_init(struct db *db)
{
    static const uint8_t self_row[] = "\x82\xa6number\x00\xa3key\xc0";
    struct catalogue *c = &db->catalogue;
    struct catalogue_entry *e;

    c->bucket_count = CATALOGUE_BUCKETS;
    c->buckets = os_alloc(db->os, c->bucket_count * sizeof *c->buckets);
    if (!c->buckets)
        return ERR_NOMEM;
    memset(c->buckets, 0, c->bucket_count * sizeof *c->buckets);
    e = entry_new(db, slice_text(""));
    if (!e)
        return ERR_NOMEM;
    c->self = schema_alloc(db, e, slice_make(self_row, sizeof self_row - 1));
    if (!c->self) {
        os_free(db->os, e, sizeof *e);
        return ERR_NOMEM;
    }
    c->self->number = CATALOGUE_STORE;
    c->self->spec.is_explicit = true;
    c->self->spec.part_count = 1;
    return ERR_OK;
}

static void catalogue_free_entry(struct db *db, struct catalogue_entry *e)
{
    while (e->newest) {
        struct schema *s = e->newest;

        e->newest = s->older;
        schema_free(db, s);
    }
    os_free(db->os, e, sizeof *e + e->name_size);
}

void catalogue_fini(struct db *db)
{
    struct catalogue *c = &db->catalogue;

    for (size_t b = 0; c->buckets && b < c->bucket_count; b++) {
        while (c->buckets[b]) {
            struct catalogue_entry *e = c->buckets[b];

            c->buckets[b] = e->chain;
            catalogue_free_entry(db, e);
        }
    }
    os_free(db->os, c->buckets, c->bucket_count * sizeof *c->buckets);
    if (c->self) {
        catalogue_free_entry(db, c->self->entry);
        schema_free(db, c->self);
    }
    while (c->generators) {
        struct generator *g = c->generators;

        c->generators = g->next;
        os_free(db->os, g, sizeof *g);
    }
    while (c->retired) {
        struct retired *r = c->retired;

        c->retired = r->next;
        os_free(db->os, r, sizeof *r);
    }
    memset(c, 0, sizeof *c);
}
