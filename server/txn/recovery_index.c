#include "server/txn/recovery_index.h"

#include "server/base/assert.h"
#include "server/txn/catalogue_row.h"

#include <xxhash.h>
#include "server/txn/catalogue.h"
#include "server/txn/cursor_internal.h"
#include "server/txn/damage.h"
#include "server/txn/damage_say.h"
#include "server/txn/db_struct.h"
#include "server/txn/op.h"
#include "server/txn/snapshot.h"

static const struct key_range everything = {.from_size = 0};

static struct record *record_of(const struct chain_link *link)
{
    return LIST_ENTRY(link, struct record, in_intents);
}

static uint64_t key_hash(const struct chains *h, uint32_t store, struct slice key)
{
    return XXH3_64bits_withSeed(key.data, key.size, h->seed + store);
}

static uint64_t seen_hash(const struct chains *h, const struct chain_link *link)
{
    ASSERT(record_of(link)->key_size > 0);
    return key_hash(h, record_of(link)->store, record_key(record_of(link)));
}

static void nobody_waits(struct op *op)
{
    (void)op;
}

void recovery_index_init(struct recovery_index *r, struct db *db)
{
    memset(r, 0, sizeof *r);
    r->db = db;
    ASSERT(txns_oldest_writer(&db->txns) == UINT64_MAX); /* nobody writes beside it */
    wait_init(&r->wait, NULL);
    write_set_init(&r->changes, db->os, NULL);
}

void recovery_index_fini(struct recovery_index *r)
{
    if (r->is_open)
        recovery_index_settle(r);
    ASSERT(!r->is_open);
    write_set_fini(&r->changes);
}

/* ---- what is in the open stage ---- */

static struct record *seen_find(const struct recovery_index *r, uint32_t store,
                                struct slice key)
{
    struct chain_link *link =
        r->is_open ? chains_first(&r->seen, key_hash(&r->seen, store, key)) : NULL;

    ASSERT(key.size > 0);
    for (; link; link = link->next) {
        if (record_of(link)->store == store && slice_equal(record_key(record_of(link)), key))
            return record_of(link);
    }
    return NULL;
}

/* It is in the stage like any other from here on. */
static void seen_let_go(struct record *record)
{
    ASSERT(record->stamp->commit);
    record->newest = NULL;
    record->older = NULL;
}

void recovery_index_settle(struct recovery_index *r)
{
    if (!r->is_open)
        return;
    for (size_t b = 0; b < r->seen.buckets; b++) {
        struct chain_link *link = chains_first(&r->seen, b);

        while (link) {
            struct record *record = record_of(link);

            link = link->next;
            seen_let_go(record);
        }
    }
    chains_fini(&r->seen);
    r->is_open = false;
}

/* The definition of a store with indexes; NULL: it has none, or is no store. */
static struct schema *indexed_store(struct db *db, uint32_t number)
{
    struct schema *s =
        number == CATALOGUE_STORE ? NULL : catalogue_by_number(&db->catalogue, number);

    ASSERT(db->stages.newest->state == STAGE_OPEN); /* T-1 */
    return s && !s->of && s->index_count ? s : NULL;
}

/* Its entries are looked up while it is made again, too. */
static bool is_building_unique(struct db *db, uint32_t number)
{
    const struct schema *s = catalogue_by_number(&db->catalogue, number);

    ASSERT(!s || s->number == number);
    return s && s->of && s->unique && s->state == INDEX_BUILDING;
}

void recovery_index_note(struct recovery_index *r, struct stamp *stamp)
{
    ASSERT(stamp->commit && !stamp->owner);
    if (!r->is_open)
        return;
    for (struct record *n = stamp->first; n; n = n->log_next) {
        struct record *before;

        if (n->is_entry ? !is_building_unique(r->db, n->store)
                        : !indexed_store(r->db, n->store))
            continue;
        before = seen_find(r, n->store, record_key(n));
        chain_link_init(&n->in_intents);
        if (before) {
            chains_replace(&before->in_intents, &n->in_intents);
            seen_let_go(before);
        } else {
            chains_add(&r->seen, &n->in_intents, seen_hash(&r->seen, &n->in_intents));
        }
    }
}

/* ---- one record ---- */

/* What it replaces; none: nothing. */
static enum err record_before(struct recovery_index *r, uint32_t store, struct slice key,
                              struct slice *value, struct failure *f)
{
    struct db *db = r->db;
    struct record *found = seen_find(r, store, key);
    enum err e;

    ASSERT(r->db->stages.newest->state == STAGE_OPEN); /* T-1 */
    for (struct stage *s = db->stages.newest->below; s && !found; s = s->below) {
        found = stage_find(s, store, key);
        if (found)
            found = record_newest(found);
    }
    *value = found ? record_value(found) : SLICE_NONE;
    if (found)
        return ERR_OK;
    e = tree_get(primary_root(db->primary), store, key, &r->wait, value, f);
    ASSERT(e != ERR_WAIT); /* db_open reads without jobs */
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* A change of an entry among those of the commit. In a unique index one record may take the key
 * that another leaves, in either order. */
static enum err change_add(struct recovery_index *r, const struct entry *n, struct slice record,
                           struct failure *f)
{
    struct record *there = stage_find(&r->changes, n->index->number, n->key);
    struct slice before;
    bool fresh;

    ASSERT(n->index->of && n->key.size > 0);
    if (n->index->unique && slice_is_none(n->value) && there && !record_is_delete(there) &&
        !slice_equal(record_value(there), record))
        return ERR_OK;
    if (n->index->unique && n->index->state == INDEX_BUILDING && slice_is_none(n->value) &&
        !there) {
        enum err e = record_before(r, n->index->number, n->key, &before, f);

        if (e || (!slice_is_none(before) && !slice_equal(before, record)))
            return e; /* it is another record's (entries_change.c) */
    }
    if (!write_set_put(&r->changes, &r->made, n->index->number, n->key, n->value, &fresh))
        return failure_set(f, ERR_NOMEM, "out of memory for the entries of an index");
    return ERR_OK;
}

static enum err changes_add(struct recovery_index *r, struct schema *index, struct slice key,
                            const struct entry_versions *record, struct failure *f)
{
    struct entries *s = &r->db->txns.entries;
    enum err e;

    ASSERT(index->of && !slice_is_none(key));
    entries_reset(s);
    e = entries_add_difference(s, index, key, record, f);
    for (const struct entry *n = s->first; n && !e; n = n->next)
        e = change_add(r, n, key, f);
    return e;
}

/* What it would take to make entries of the index again cannot be read: it is lost, until it is
 * dropped, and the server starts all the same. */
static enum err index_lose(struct recovery_index *r, const struct schema *index, enum err e,
                           struct failure *f)
{
    struct tree_damage damage = {index->number, true, f->offset};

    ASSERT(index->of && e);
    if ((e != ERR_CORRUPT && e != ERR_IO) || damage_say(&r->db->damage, &damage) == ERR_NOMEM)
        return e;
    failure_clear(f);
    return ERR_OK;
}

/* The same of all indexes of the store. */
static enum err indexes_lose(struct recovery_index *r, const struct schema *s, enum err e,
                             struct failure *f)
{
    uint64_t offset = f->offset;

    ASSERT(s->index_count > 0 && !s->of);
    for (unsigned i = 0; i < s->index_count; i++) {
        f->offset = offset;
        if (index_lose(r, s->indexes[i], e, f))
            return e;
    }
    return ERR_OK;
}

static bool is_lost(const struct recovery_index *r, const struct schema *index)
{
    const struct tree_damage *damage = damage_find(&r->db->damage, index->number);

    ASSERT(index->of);
    return damage && damage->is_lost;
}

/* One that was created since the others were lost is kept. */
static bool are_all_lost(const struct recovery_index *r, const struct schema *s)
{
    ASSERT(s->index_count > 0);
    for (unsigned i = 0; i < s->index_count; i++) {
        if (!is_lost(r, s->indexes[i]))
            return false;
    }
    return true;
}

static enum err record_change(struct recovery_index *r, const struct record *n,
                              struct failure *f)
{
    struct schema *s = indexed_store(r->db, n->store);
    struct entry_versions record = {SLICE_NONE, record_value(n)};
    enum err e;

    ASSERT(!n->is_entry && n->stamp->commit);
    if (!s || are_all_lost(r, s))
        return ERR_OK;
    e = record_before(r, n->store, record_key(n), &record.before, f);
    if (e) {
        wait_release(r->db->primary, &r->wait);
        return indexes_lose(r, s, e, f);
    }
    for (unsigned i = 0; i < s->index_count && !e; i++) {
        if (s->indexes[i]->state == INDEX_FAILED || is_lost(r, s->indexes[i]))
            continue;
        e = changes_add(r, s->indexes[i], record_key(n), &record, f);
        if (e) /* it has been read, too, while it is made */
            e = index_lose(r, s->indexes[i], e, f);
    }
    wait_release(r->db->primary, &r->wait);
    return e;
}

/* ---- an index that the commit has created ---- */

static bool store_has_records(const struct db *db, uint32_t store)
{
    struct tree_facts facts;

    ASSERT(store != CATALOGUE_STORE);
    if (root_tree_facts(primary_root(db->primary), store, &facts))
        return true;
    for (const struct stage *s = db->stages.newest; s; s = s->below) {
        if (stage_store_of(s, store))
            return true;
    }
    return false;
}

static bool is_built(const struct db *db, const struct schema *index, uint64_t commit)
{
    ASSERT(index->of && commit > 0);
    return index->state == INDEX_READY && index->shelf->born == commit &&
           index->of->shelf->born != commit && store_has_records(db, index->of->number);
}

/* The store of a definition among the records of a commit; NULL: it has no indexes. */
static struct schema *defined_store(struct db *db, const struct record *n)
{
    uint8_t room[KEY_PLAIN_BYTES_MAX];
    struct schema *s;
    struct row_name of;
    struct database *d;

    ASSERT(n->stamp->commit);
    if (n->store != CATALOGUE_STORE || record_is_delete(n) ||
        catalogue_row_name(record_key(n), room, &of) != ERR_OK || slice_is_none(of.name))
        return NULL;
    d = database_find(&db->catalogue.databases, of.database);
    ASSERT(d); /* it has just been loaded */
    s = catalogue_version(&db->catalogue, NULL, n->stamp->commit,
                          (struct store_name){d, of.name});
    return s && !s->is_dropped && s->index_count ? s : NULL;
}

bool recovery_index_builds(const struct recovery_index *r, const struct stamp *stamp)
{
    ASSERT(stamp->commit && !stamp->owner);
    for (const struct record *n = stamp->first; n; n = n->log_next) {
        struct schema *s = defined_store(r->db, n);

        for (unsigned i = 0; s && i < s->index_count; i++) {
            if (is_built(r->db, s->indexes[i], stamp->commit))
                return true;
        }
    }
    return false;
}

static enum err build_walk(struct recovery_index *r, struct cursor *c, struct schema *index)
{
    ASSERT(!c->schema->of && c->schema == index->of);
    for (;;) {
        struct entry_versions record = {SLICE_NONE, SLICE_NONE};
        struct slice key;
        struct record *found;
        enum err e = cursor_step(&r->op, c, &key, &found, &record.after);

        if (e == ERR_WAIT) { /* it only lets others have a turn */
            op_release(&r->op);
            continue;
        }
        if (e)
            return e == ERR_END ? ERR_OK : e;
        if (!found || !record_is_delete(found))
            e = changes_add(r, index, key, &record, &r->op.failure);
        op_release(&r->op);
        if (e)
            return e;
    }
}

/* Over all that was committed before. */
static enum err build_index(struct recovery_index *r, struct schema *index, struct failure *f)
{
    struct db *db = r->db;
    struct snapshot *snapshot = snapshot_take(db, db->numbers.last_commit);
    struct cursor *c = NULL;
    enum err e = ERR_NOMEM;

    ASSERT(index->of && !index->of->is_dropped);
    op_init(&r->op, db, nobody_waits);
    if (snapshot)
        c = cursor_new(&r->op, NULL, snapshot, index->of, &everything, false, false);
    if (c) {
        e = build_walk(r, c, index);
        cursor_close(c);
    }
    if (snapshot)
        snapshot_unref(db, snapshot);
    if (r->op.failure.error)
        failure_copy(f, &r->op.failure);
    else if (e)
        failure_set(f, e, "out of memory for the entries of an index");
    op_fini(&r->op);
    return e ? indexes_lose(r, index->of, e, f) : ERR_OK;
}

static enum err build_indexes(struct recovery_index *r, const struct stamp *stamp,
                              struct failure *f)
{
    enum err e = ERR_OK;

    ASSERT(stamp->commit && !stamp->owner);
    for (const struct record *n = stamp->first; n && !e; n = n->log_next) {
        struct schema *s = defined_store(r->db, n);

        for (unsigned i = 0; s && i < s->index_count && !e; i++) {
            if (is_built(r->db, s->indexes[i], stamp->commit) && !is_lost(r, s->indexes[i]))
                e = build_index(r, s->indexes[i], f);
        }
    }
    return e;
}

/* The last commit of a build in the background takes away the row that says how far it has come. */
static enum err end_builds(struct recovery_index *r, const struct stamp *stamp,
                           struct failure *f)
{
    bool fresh;

    ASSERT(stamp->commit > 0 && !r->changes.savepoints);
    for (const struct record *n = stamp->first; n; n = n->log_next) {
        struct schema *s = defined_store(r->db, n);

        for (unsigned i = 0; s && i < s->index_count; i++) {
            if (s->indexes[i]->state == INDEX_READY &&
                !write_set_put(&r->changes, &r->made, s->indexes[i]->number,
                               index_progress_key(), SLICE_NONE, &fresh))
                return failure_set(f, ERR_NOMEM, "out of memory for the entries of an index");
        }
    }
    return ERR_OK;
}

/* ---- one commit ---- */

/* Into the stage's memory, behind the records. There is nothing to delete in an index that the
 * commit has created. */
static enum err changes_append(struct recovery_index *r, struct stamp *stamp, struct failure *f)
{
    struct db *db = r->db;

    for (const struct record *n = r->made.first; n; n = n->log_next) {
        const struct schema *index = catalogue_by_number(&db->catalogue, n->store);
        struct record *entry;

        ASSERT(index && index->of);
        if (record_is_delete(n) && index->shelf->born == stamp->commit)
            continue;
        entry =
            stage_append(db->stages.newest, stamp, n->store, record_key(n), record_value(n));
        if (!entry)
            return failure_set(f, ERR_NOMEM, "out of memory for the entries of an index");
        ASSERT(!index->unique || record_is_delete(n) ||
               n->value_size > 0); /* the key of its record */
        entry->is_entry = true;
    }
    return ERR_OK;
}

enum err recovery_index_commit(struct recovery_index *r, struct stamp *stamp, struct failure *f)
{
    struct db *db = r->db;
    struct record *last = stamp->last;
    enum err e = ERR_OK;

    ASSERT(stamp->commit && !stamp->owner);
    if (!db->catalogue.indexes)
        return ERR_OK;
    if (!r->is_open) {
        if (chains_init(&r->seen, db->os, db->hash_seed, seen_hash) != ERR_OK)
            return failure_set(f, ERR_NOMEM, "out of memory for the replay of indexes");
        r->is_open = true;
    }
    memset(&r->made, 0, sizeof r->made);
    primary_read_blocking(db->primary, true);
    e = build_indexes(r, stamp, f);
    if (!e)
        e = end_builds(r, stamp, f);
    for (const struct record *n = stamp->first; n && !e; n = n == last ? NULL : n->log_next)
        e = record_change(r, n, f);
    primary_read_blocking(db->primary, false);
    if (!e)
        e = changes_append(r, stamp, f);
    write_set_fini(&r->changes);
    write_set_init(&r->changes, db->os, NULL);
    return e;
}
