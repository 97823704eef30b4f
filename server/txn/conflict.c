#include "server/txn/conflict.h"

#include "server/base/assert.h"
#include "server/storage/ledger.h"
#include "server/storage/primary.h"
#include "server/txn/catalogue.h"
#include "server/txn/db_options.h"
#include "server/txn/entries.h"
#include "server/txn/snapshots.h"
#include "server/txn/stage_stack.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"

struct winner winner_of(const struct stamp *s)
{
    return (struct winner){s->version, s->commit, s->durability, s->label};
}

enum conflict_kind conflict_kind_of(uint32_t store, const struct schema *schema)
{
    ASSERT(!schema || schema->number == store || store == CATALOGUE_STORE);
    if (store == CATALOGUE_STORE)
        return CONFLICT_SCHEMA;
    return schema && schema->of ? CONFLICT_UNIQUE : CONFLICT_WRITE;
}

/* The part of key that a client may see, in the client's form; its size, 0: it cannot be shown. */
static size_t conflict_show_key(const struct schema *schema, struct slice key, uint8_t *plain)
{
    size_t size = 0;

    ASSERT(schema->entry);
    if (schema->of) /* without the key of the record */
        key.size = entry_index_size(schema, key);
    if (!key.size)
        return 0;
    return key_decode_known(&schema->spec, key, plain, KEY_PLAIN_BYTES_MAX, &size) == ERR_OK
               ? size
               : 0;
}

static const char *conflict_deed(enum conflict_kind kind, struct slice store)
{
    switch (kind) {
    case CONFLICT_GREATEST_VERSION: return "is newer and wrote the record";
    case CONFLICT_SCHEMA: return store.size ? "changed the store" : "dropped the database";
    case CONFLICT_READ: return "overwrote what this one read";
    case CONFLICT_UNIQUE: return "wrote a record with the same key in a unique index";
    case CONFLICT_LOCK: return "locked the store";
    default: return "wrote the record";
    }
}

/* Who has won, and by what. */
static void conflict_say(struct failure *f, enum conflict_kind kind, struct slice store,
                         const struct winner *winner)
{
    failure_clear(f);
    failure_set(
        f, ERR_CONFLICT,
        "conflicts with transaction %llu%s%s%s, which %s first; retry from the beginning",
        (unsigned long long)winner->version, winner->label.size ? " (" : "",
        winner->label.size ? text_show(winner->label) : "", winner->label.size ? ")" : "",
        conflict_deed(kind, store));
    f->conflict = kind;
    failure_set_store(f, ERR_CONFLICT, store);
    f->winner_version = winner->version;
    f->winner_commit = winner->commit;
    text_label_set(&f->winner_label, winner->label);
}

void conflict_describe_lock(struct failure *f, struct slice store, const struct winner *winner)
{
    ASSERT(winner->version && !winner->commit);
    conflict_say(f, CONFLICT_LOCK, store, winner);
}

/* The store that a key of schema (NULL: unknown) is in; empty: in none. plain has
 * KEY_PLAIN_BYTES_MAX, and the name may lie in it. */
static struct slice conflict_store(const struct schema *schema, struct slice key,
                                   uint8_t *plain)
{
    struct row_name of;

    if (!schema)
        return slice_text("");
    /* what is written is the definition of the store that the key names, or its database */
    if (schema->number != CATALOGUE_STORE || slice_is_none(key) ||
        catalogue_row_name(key, plain, &of) != ERR_OK)
        return schema_name(schema);
    return slice_is_none(of.name) ? slice_text("") : of.name;
}

void conflict_describe(struct failure *f, enum conflict_kind kind, const struct schema *schema,
                       struct slice key, const struct winner *winner)
{
    uint8_t plain[KEY_PLAIN_BYTES_MAX];
    size_t size = 0;
    struct slice name = conflict_store(schema, key, plain);

    if (schema && !slice_is_none(key) && schema->number != CATALOGUE_STORE)
        size = conflict_show_key(schema, key, plain);
    ASSERT(winner->version && (winner->commit != 0) == (kind != CONFLICT_GREATEST_VERSION));
    conflict_say(f, kind, name, winner);
    if (schema && schema->of)
        failure_set_index(f, ERR_CONFLICT, schema->index);
    if (size && kind != CONFLICT_SCHEMA)
        failure_set_key(f, ERR_CONFLICT, slice_make(plain, size));
}

#define WROTE_LOOKED_MAX \
    1000 /* one transaction may have written many stores, and many may lose */

/* Names of stores, each once: the first CONFLICT_WROTE_MAX. */
struct wrote {
    struct slice names[CONFLICT_WROTE_MAX];
    unsigned count, looked;
};

static bool wrote_goes_on(struct wrote *w)
{
    return w->count < CONFLICT_WROTE_MAX && w->looked++ < WROTE_LOOKED_MAX;
}

static void wrote_add(struct wrote *w, struct slice name)
{
    for (unsigned i = 0; i < w->count; i++) {
        if (slice_equal(w->names[i], name))
            return;
    }
    if (name.size && w->count < CONFLICT_WROTE_MAX)
        w->names[w->count++] = name;
}

void conflict_note_attempt(struct failure *f, const struct txn *t, const struct schema *schema,
                           struct slice key)
{
    uint8_t plain[KEY_PLAIN_BYTES_MAX];

    conflict_note_wrote(f, t, conflict_store(schema, key, plain));
}

void conflict_note_wrote(struct failure *f, const struct txn *t, struct slice attempted)
{
    uint8_t
        list[MSGPACK_HEAD_MAX + CONFLICT_WROTE_MAX * (MSGPACK_HEAD_MAX + TEXT_NAME_BYTES_MAX)];
    uint8_t *at = list + 1; /* so few have a head of one byte */
    struct wrote w = {.count = 0};

    if (f->error != ERR_CONFLICT || t->is_autocommit || !slice_is_none(f->wrote))
        return;
    for (const struct txn_store *s = t->stores; s && wrote_goes_on(&w); s = s->next) {
        if (s->schema->number != CATALOGUE_STORE)
            wrote_add(&w, schema_name(s->schema));
    }
    LIST_EACH (link, &t->schemas) {
        if (!wrote_goes_on(&w))
            break;
        wrote_add(&w, schema_name(LIST_ENTRY(link, struct schema, in_queue)));
    }
    if (!slice_is_none(attempted))
        wrote_add(&w, attempted);
    for (unsigned i = 0; i < w.count; i++)
        at += msgpack_put_text(at, w.names[i]);
    msgpack_put_array_head(list, w.count);
    failure_set_wrote(f, ERR_CONFLICT, slice_make(list, (size_t)(at - list)));
}

static struct winner winner_of_entry(const struct ledger_entry *entry)
{
    return (struct winner){entry->version, entry->commit, entry->durability, entry->label};
}

/* If the key is in a ledger with a commit above *newest, that is the winner. All that must be
 * read is asked for before anything is waited for. */
static enum err conflict_ask_ledgers(struct op *op, const struct txn *t, uint32_t store,
                                     struct slice key, struct winner *newest)
{
    bool wait = false;

    ASSERT(t->snapshot && newest->commit >= t->snapshot->commit);
    LIST_EACH (link, &t->all->stages->ledgers) {
        const struct ledger *l = LIST_ENTRY(link, struct ledger, in_db);
        struct ledger_entry entry;
        enum err e;

        if (l->last_commit <= newest->commit)
            continue;
        e = ledger_find(l, store, key, &op->wait, &entry, &op->failure);
        if (e == ERR_OK && entry.commit > newest->commit)
            *newest = winner_of_entry(&entry);
        else if (e == ERR_WAIT)
            wait = true;
        else if (e && e != ERR_NOT_FOUND)
            return e;
    }
    return wait ? ERR_WAIT : ERR_OK;
}

enum err conflict_find_staged(const struct txn *t, uint32_t store, struct slice key,
                              struct winner *out)
{
    uint64_t snapshot = t->snapshot->commit;

    ASSERT(t->snapshot); /* T-3 */
    for (struct stage *s = t->all->stages->newest; s; s = s->below) {
        struct record *r;

        if (!s->first_commit)
            continue;
        if (s->last_commit <= snapshot)
            break; /* S-2: and so is all that is older */
        t->all->steps++;
        r = stage_find(s, store, key);
        if (!r)
            continue;
        if (record_newest(r)->stamp->commit <= snapshot)
            break; /* S-2 again; but a newer stage may be gone and in a ledger */
        *out = winner_of(record_newest(r)->stamp);
        ASSERT(out->commit > snapshot);
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

enum err conflict_find_newer(struct op *op, const struct txn *t, uint32_t store,
                             struct slice key, struct winner *out)
{
    uint64_t snapshot = t->snapshot->commit;
    enum err e;

    ASSERT(t->snapshot);
    *out = (struct winner){.commit = snapshot, .label = SLICE_NONE};
    conflict_find_staged(t, store, key, out);
    e = conflict_ask_ledgers(op, t, store, key, out);
    if (!e && out->commit <= snapshot)
        e = ERR_NOT_FOUND;
    ASSERT(e || out->commit > snapshot);
    return e;
}

/* A record of the stage in the range that was committed after the snapshot, from where the walk
 * stands. ERR_WAIT: the steps are used up. */
static enum err conflict_walk_stage(const struct txn *t, const struct stage *s,
                                    const struct conflict_range *range,
                                    struct conflict_walk *walk, uint64_t until,
                                    struct record **out)
{
    const struct stage_store *st = stage_store_of(s, range->store);
    struct slice from =
        s->number == walk->stage ? slice_make(walk->at, walk->at_size) : range->from;

    ASSERT(!s->first_commit || s->first_commit <= s->last_commit);
    for (struct record *r = st ? stage_seek(st, from) : NULL; r; r = record_following(r)) {
        if (range->to.size && slice_compare(record_key(r), range->to) >= 0)
            return ERR_NOT_FOUND;
        if (record_newest(r)->stamp->commit > t->snapshot->commit) {
            *out = r;
            return ERR_OK;
        }
        if (++t->all->steps >= until && record_following(r)) {
            const struct record *next = record_following(r);

            walk->stage = s->number;
            walk->at_size = next->key_size;
            memcpy(walk->at, next->key, next->key_size);
            return ERR_WAIT;
        }
    }
    return ERR_NOT_FOUND;
}

enum err conflict_find_staged_in_range(const struct txn *t, const struct conflict_range *range,
                                       struct conflict_walk *walk, uint64_t until,
                                       struct conflict_found *out)
{
    ASSERT(t->snapshot);
    for (struct stage *s = t->all->stages->newest; s; s = s->below) {
        struct record *r = NULL;
        enum err e;

        if (!s->first_commit || (walk->stage && s->number > walk->stage))
            continue;
        if (s->last_commit <= t->snapshot->commit)
            break;
        t->all->steps++;
        e = conflict_walk_stage(t, s, range, walk, until, &r);
        if (e == ERR_WAIT)
            return e;
        if (e == ERR_OK) {
            out->key = record_key(r);
            out->winner = winner_of(record_newest(r)->stamp);
            ASSERT(out->winner.commit > t->snapshot->commit);
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

enum err conflict_find_newer_in_range(struct op *op, const struct txn *t,
                                      const struct conflict_range *range,
                                      struct conflict_walk *walk, struct conflict_found *out)
{
    uint64_t snapshot = t->snapshot->commit;
    struct ledger_range newer = {range->store, range->from, range->to, snapshot};
    enum err e = ERR_NOT_FOUND;

    ASSERT(t->snapshot);
    if (!walk->is_staged)
        e = conflict_find_staged_in_range(t, range, walk,
                                          t->all->steps + t->all->options->slice_steps, out);
    if (e == ERR_WAIT)
        op_yield(op);
    if (e != ERR_NOT_FOUND)
        return e;
    walk->is_staged = true;
    LIST_EACH (link, &t->all->stages->ledgers) {
        const struct ledger *l = LIST_ENTRY(link, struct ledger, in_db);
        struct ledger_entry entry;

        if (l->last_commit <= snapshot)
            break;
        e = ledger_find_in_range(l, &newer, &op->wait, &entry, out->room, &out->key,
                                 &op->failure);
        if (e == ERR_OK)
            out->winner = winner_of_entry(&entry);
        if (e != ERR_NOT_FOUND)
            return e;
    }
    return ERR_NOT_FOUND;
}
