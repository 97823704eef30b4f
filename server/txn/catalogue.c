#include "server/txn/catalogue.h"

#include "server/base/assert.h"
#include "server/storage/arena.h"
#include "server/storage/index_definition.h"
#include "server/txn/catalogue_internal.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/index_row.h"

#include <string.h>
#include <xxhash.h>

#define SHELF_OF(link) LIST_ENTRY(link, struct shelf, in_numbers)

/* ---- names ---- */

static uint64_t name_hash(const struct catalogue *c, struct store_name of)
{
    return XXH3_64bits_withSeed(of.name.data, of.name.size, c->seed + of.database->id);
}

static struct catalogue_entry *entry_find(struct catalogue *c, struct store_name of)
{
    struct hash_link *link = hash_table_first(&c->names, name_hash(c, of));

    for (; link; link = hash_table_next(&c->names, link)) {
        struct catalogue_entry *e = ENTRY_OF(link);

        if (e->database == of.database &&
            slice_equal(slice_make(e->name, e->name_size), of.name))
            return e;
    }
    return NULL;
}

static struct catalogue_entry *entry_make(struct catalogue *c, struct store_name of)
{
    struct catalogue_entry *e = entry_find(c, of);
    struct slice name = of.name;

    if (e)
        return e;
    ASSERT(name.size <= UINT16_MAX);
    e = os_alloc(c->os, sizeof *e + name.size);
    if (!e)
        return NULL;
    memset(e, 0, sizeof *e);
    list_init(&e->writers);
    e->name_size = (uint16_t)name.size;
    memcpy(e->name, name.data, name.size);
    e->database = database_ref(of.database);
    list_init(&e->in_database);
    list_push_back(&e->database->entries, &e->in_database);
    hash_table_insert(&c->names, &e->in_names, name_hash(c, of));
    c->bytes += entry_bytes(e);
    return e;
}

void entry_unref(struct catalogue *c, struct catalogue_entry *e)
{
    ASSERT(e->refs > 0);
    if (--e->refs > 0)
        return;
    ASSERT(!e->newest && list_is_empty(&e->writers));
    hash_table_remove(&c->names, &e->in_names);
    ASSERT(c->bytes >= entry_bytes(e));
    c->bytes -= entry_bytes(e);
    list_remove(&e->in_database);
    database_unref(&c->databases, e->database);
    os_free(c->os, e, entry_bytes(e));
}

/* ---- numbers ---- */

static struct shelf *shelf_find(struct catalogue *c, uint32_t number)
{
    struct hash_link *link = hash_table_first(&c->numbers, hash_pair(number, c->seed));

    for (; link; link = hash_table_next(&c->numbers, link)) {
        if (SHELF_OF(link)->number == number)
            return SHELF_OF(link);
    }
    return NULL;
}

struct shelf *shelf_make(struct catalogue *c, uint32_t number)
{
    struct shelf *shelf = shelf_find(c, number);

    if (shelf)
        return shelf;
    shelf = os_alloc(c->os, sizeof *shelf);
    if (!shelf)
        return NULL;
    memset(shelf, 0, sizeof *shelf);
    shelf->number = number;
    list_init(&shelf->in_ended);
    list_init(&shelf->in_counting);
    list_init(&shelf->uses);
    hash_table_insert(&c->numbers, &shelf->in_numbers, hash_pair(number, c->seed));
    c->bytes += sizeof *shelf;
    return shelf;
}

void shelf_unref(struct catalogue *c, struct shelf *shelf)
{
    ASSERT(shelf->refs > 0);
    shelf->refs--;
    shelf_try_free(c, shelf);
}

static void shelf_leave_origin(struct catalogue *c, struct shelf *shelf)
{
    struct shelf *origin = shelf->origin;

    ASSERT(!origin || (!origin->origin && origin != shelf)); /* C-4 */
    shelf->origin = NULL;
    if (origin)
        shelf_unref(c, origin); /* once, no deeper: C-4 */
}

static void shelf_free(struct catalogue *c, struct shelf *shelf)
{
    ASSERT(!shelf->live && !shelf->refs && list_is_empty(&shelf->uses)); /* C-2 */
    ASSERT(c->bytes >= sizeof *shelf);
    shelf_leave_origin(c, shelf);
    list_remove(&shelf->in_ended);
    list_remove(&shelf->in_counting);
    hash_table_remove(&c->numbers, &shelf->in_numbers);
    c->bytes -= sizeof *shelf;
    os_free(c->os, shelf, sizeof *shelf);
}

void shelf_try_free(struct catalogue *c, struct shelf *shelf)
{
    ASSERT(shelf->live <= c->versions);
    if (!shelf->refs && !shelf->live && !list_is_linked(&shelf->in_ended))
        shelf_free(c, shelf);
}

/* ---- versions in memory ---- */

/* A spec that is only as long as it has parts, and the last part as it has steps. */
static size_t spec_bytes(const struct key_spec *spec)
{
    const struct key_part *last;

    if (!spec->part_count)
        return offsetof(struct key_spec, parts);
    last = &spec->parts[spec->part_count - 1];
    return offsetof(struct key_spec, parts) + (spec->part_count - 1) * sizeof *last +
           offsetof(struct key_part, steps) + last->step_count * sizeof last->steps[0];
}

static struct schema *schema_alloc(struct catalogue *c, const struct key_spec *spec,
                                   struct slice key, struct slice label)
{
    size_t head = offsetof(struct schema, spec) + spec_bytes(spec);
    size_t size = head + key.size + label.size;
    struct schema *s = os_alloc(c->os, size);
    uint8_t *at;

    ASSERT(label.size <= TEXT_LABEL_BYTES_MAX);
    if (!s)
        return NULL;
    at = (uint8_t *)s + head;
    memset(s, 0, head);
    s->size = size;
    s->refs = 1;
    list_init(&s->in_queue);
    s->key = slice_make(at, key.size);
    if (key.size)
        memcpy(at, key.data, key.size);
    s->label = slice_make(at + key.size, label.size);
    if (label.size)
        memcpy(at + key.size, label.data, label.size);
    c->bytes += size;
    c->versions++;
    ASSERT(s->key.size + s->label.size < s->size);
    return s;
}

static void shelf_forget(struct catalogue *c, struct shelf *shelf, const struct schema *s)
{
    ASSERT(!shelf || shelf->number == s->number);
    if (!shelf)
        return;
    if (shelf->newest == s)
        shelf->newest = NULL;
    shelf_unref(c, shelf);
}

/* The memory of its indexes. */
static void schema_free_indexes(struct catalogue *c, struct schema *s)
{
    ASSERT(!s->of && s->index_count <= s->index_room);
    for (unsigned i = 0; i < s->index_count; i++) {
        c->bytes -= s->indexes[i]->size;
        os_free(c->os, s->indexes[i], s->indexes[i]->size);
    }
    c->bytes -= s->index_room * sizeof *s->indexes;
    os_free(c->os, s->indexes, s->index_room * sizeof *s->indexes);
    s->indexes = NULL;
    s->index_count = s->index_room = 0;
}

static void schema_free(struct catalogue *c, struct schema *s)
{
    struct catalogue_entry *e = s->entry;
    struct shelf *shelf = s->shelf;

    ASSERT(s->refs == 0 && !s->txn);
    ASSERT(c->bytes >= s->size && c->versions > 0);
    ASSERT(!list_is_linked(&s->in_queue) && !s->older && !s->newer && !s->of);
    for (unsigned i = 0; i < s->index_count; i++)
        shelf_forget(c, s->indexes[i]->shelf, s->indexes[i]);
    schema_free_indexes(c, s);
    shelf_forget(c, shelf, s);
    c->bytes -= s->size;
    c->versions--;
    os_free(c->os, s, s->size);
    if (e)
        entry_unref(c, e);
}

void schema_unref(struct catalogue *c, struct schema *s)
{
    s = schema_store(s);
    ASSERT(s->refs > 0 && s->refs <= SCHEMA_REFS_MAX);
    if (--s->refs == 0)
        schema_free(c, s);
}

/* The key option read again from where the version keeps it: the spec borrows from there. */
static void schema_set(struct schema *s, const struct definition *d)
{
    struct key_spec spec = {.part_count = 0};
    enum err e = key_spec_read(s->key, &spec, NULL);

    ASSERT(!e); /* it was read before */
    ASSERT(s->shelf && s->shelf->number == d->number);
    ASSERT(spec.part_count > 0);
    memcpy(&s->spec, &spec, spec_bytes(&spec));
    s->number = d->number;
    s->generate = d->generate;
    s->last_writer_wins = d->last_writer_wins;
    s->used = d->used;
    s->follows = d->follows;
    s->shelf->generate = d->generate;
    s->shelf->descending = spec.parts[0].descending;
}

/* ---- indexes of a version ---- */

struct schema *schema_index(const struct schema *s, struct slice name)
{
    ASSERT(!s->of);
    ASSERT(!s->of);
    for (unsigned i = 0; i < s->index_count; i++) {
        if (slice_equal(s->indexes[i]->index, name))
            return s->indexes[i];
    }
    return NULL;
}

/* With room for its definition, and behind that for the bytes that it is read from. */
static struct schema *index_alloc(struct catalogue *c, const struct key_spec *spec,
                                  const struct index_row *row)
{
    size_t head = arena_round_up(offsetof(struct schema, spec) + spec_bytes(spec));
    size_t size = head + sizeof(struct index_definition) + row->definition.size +
                  row->name.size + row->why.size;
    struct schema *s = os_alloc(c->os, size);
    uint8_t *at = (uint8_t *)s + head;

    ASSERT(row->number > 0 && row->name.size <= INDEX_NAME_BYTES_MAX);
    if (!s)
        return NULL;
    memset(s, 0, head);
    s->size = size;
    list_init(&s->in_queue);
    s->is = (struct index_definition *)(void *)at;
    at += sizeof(struct index_definition);
    memcpy(at, row->definition.data, row->definition.size);
    s->key = slice_make(at, row->definition.size);
    at += row->definition.size;
    memcpy(at, row->name.data, row->name.size);
    s->index = slice_make(at, row->name.size);
    at += row->name.size;
    if (row->why.size)
        memcpy(at, row->why.data, row->why.size);
    s->why = row->why.size ? slice_make(at, row->why.size) : SLICE_NONE;
    s->state = row->state;
    s->is_unmade = row->is_unmade;
    s->number = row->number;
    c->bytes += size;
    return s;
}

/* One more of store, whose list has room. */
static enum err index_make(struct catalogue *c, struct schema *store,
                           const struct index_row *row)
{
    struct index_definition d;
    struct key_spec spec;
    struct failure why;
    struct schema *s;
    enum err e;

    failure_init(&why);
    e = index_definition_read(row->definition, &d, &why);
    failure_clear(&why);
    if (e)
        return ERR_CORRUPT;
    index_definition_spec(&d, &spec);
    s = index_alloc(c, &spec, row);
    if (!s)
        return ERR_NOMEM;
    /* again, so that it borrows from there */
    e = index_definition_read(s->key, (struct index_definition *)(uintptr_t)s->is, &why);
    ASSERT(!e);
    memcpy(&s->spec, &spec, spec_bytes(&spec));
    s->unique = s->is->unique;
    s->of = store;
    s->entry = store->entry;
    s->label = store->label;
    store->indexes[store->index_count++] = s;
    s->shelf = shelf_make(c, row->number);
    if (!s->shelf)
        return ERR_NOMEM;
    s->shelf->refs++;
    return ERR_OK;
}

static enum err schema_make_indexes(struct catalogue *c, struct schema *s, struct slice list)
{
    struct msgpack_cursor at = msgpack_open(list);
    size_t bytes;
    uint32_t count;
    enum err e;

    ASSERT(!s->of && !s->indexes && s->entry);
    if (slice_is_none(list))
        return ERR_OK;
    if (msgpack_read_array(&at, &count) != ERR_OK)
        return ERR_CORRUPT;
    if (!count)
        return ERR_OK;
    bytes = count * sizeof *s->indexes;
    s->indexes = os_alloc(c->os, bytes);
    if (!s->indexes)
        return ERR_NOMEM;
    c->bytes += bytes;
    s->index_room = count;
    e = ERR_OK;
    for (uint32_t i = 0; i < count && !e; i++) {
        struct index_row row;

        e = index_row_read(&at, &row) == ERR_OK ? index_make(c, s, &row) : ERR_CORRUPT;
    }
    return e;
}

/* d is read: its key is good. */
static enum err schema_make(struct catalogue *c, const struct definition *d,
                            const struct key_spec *spec, struct slice label,
                            struct schema **out)
{
    struct schema *s = schema_alloc(c, spec, d ? d->key : SLICE_NONE, label);

    ASSERT(!d || d->number <= CATALOGUE_NUMBER_MAX);
    *out = s;
    if (!s)
        return ERR_NOMEM;
    s->is_dropped = !d;
    if (!d)
        return ERR_OK;
    s->shelf = shelf_make(c, d->number);
    if (!s->shelf) {
        schema_unref(c, s);
        return ERR_NOMEM;
    }
    s->shelf->refs++;
    schema_set(s, d);
    return ERR_OK;
}

/* An index's definition begins with that of its store: its name and label. */
static enum err schema_finish(struct catalogue *c, struct schema *s,
                              struct catalogue_entry *entry, const struct definition *d)
{
    enum err e;

    ASSERT(!s->entry && !s->commit);
    s->entry = entry;
    e = d ? schema_make_indexes(c, s, d->indexes) : ERR_OK;
    if (e)
        schema_unref(c, s); /* and its entry */
    return e;
}

enum err catalogue_make(struct catalogue *c, struct store_name name, const struct definition *d,
                        struct slice label, struct schema **out)
{
    struct key_spec spec = {.part_count = 0};
    struct catalogue_entry *entry;
    enum err e;

    ASSERT(!d || d->number <= CATALOGUE_NUMBER_MAX);
    *out = NULL;
    if (d && key_spec_read(d->key, &spec, NULL) != ERR_OK)
        return ERR_CORRUPT;
    entry = entry_make(c, name);
    if (!entry)
        return ERR_NOMEM;
    entry->refs++;
    e = schema_make(c, d, &spec, label, out);
    if (e)
        entry_unref(c, entry);
    else
        e = schema_finish(c, *out, entry, d);
    if (e)
        *out = NULL;
    return e;
}

/* ---- finding ---- */

static uint64_t draft_hash(const struct txn *t, uint64_t of)
{
    return hash_pair((uintptr_t)t, of);
}

static struct schema *draft_find(struct catalogue *c, const struct txn *t,
                                 const struct catalogue_entry *e)
{
    struct hash_link *link;

    if (!t || !c->drafts.count)
        return NULL;
    link = hash_table_first(&c->drafts, draft_hash(t, (uintptr_t)e));
    for (; link; link = hash_table_next(&c->drafts, link)) {
        struct schema *s = LIST_ENTRY(link, struct schema, in_drafts);

        ASSERT(!s->commit);
        if (s->txn == t && s->entry == e)
            return s;
    }
    return NULL;
}

struct schema *catalogue_version(struct catalogue *c, const struct txn *t, uint64_t commit,
                                 struct store_name name)
{
    struct catalogue_entry *e = entry_find(c, name);
    struct schema *s = e ? draft_find(c, t, e) : NULL;

    if (!e || s)
        return s;
    for (s = e->newest; s && s->commit > commit; s = s->older)
        c->steps++;
    ASSERT(!s || (s->commit && s->commit <= commit));
    return s && s->superseded && s->superseded <= commit ? NULL : s;
}

struct list_link *catalogue_writers(struct catalogue *c, struct store_name name)
{
    struct catalogue_entry *e = entry_find(c, name);

    return e ? &e->writers : NULL;
}

struct schema *catalogue_last_by_number(struct catalogue *c, uint32_t number)
{
    struct shelf *shelf = shelf_find(c, number);

    ASSERT(!shelf || shelf->number == number);
    return shelf ? shelf->newest : NULL;
}

struct schema *catalogue_by_number(struct catalogue *c, uint32_t number)
{
    struct schema *s = catalogue_last_by_number(c, number);

    ASSERT(!s || s->number == number);
    return s && s->shelf->live ? s : NULL;
}

struct schema *catalogue_draft_ending(struct catalogue *c, const struct txn *t, uint32_t number)
{
    struct hash_link *link = hash_table_first(&c->ends, draft_hash(t, number));

    for (; link; link = hash_table_next(&c->ends, link)) {
        struct schema *s = LIST_ENTRY(link, struct schema, in_ends);

        if (s->txn == t && s->ends == number)
            return s;
    }
    return NULL;
}

/* ---- drafts ---- */

/* A new number, which only the transaction of s has yet, goes on counting where that of the
 * cleared store does. */
static void shelf_go_on(struct catalogue *c, struct shelf *shelf, const struct schema *s)
{
    struct shelf *origin = s->follows ? shelf_find(c, s->follows) : NULL;

    ASSERT(!shelf->live && shelf == s->shelf);
    if (s->used > shelf->used)
        shelf->used = s->used;
    if (!origin || shelf->origin)
        return;
    ASSERT(origin != shelf && !origin->origin); /* C-4 */
    shelf->origin = origin;
    origin->refs++;
}

void catalogue_draft(struct catalogue *c, struct schema *s, const struct txn *t, uint32_t ends)
{
    ASSERT(!s->commit && !s->txn);
    ASSERT(t && s->refs > 0);
    s->txn = t;
    s->ends = ends;
    hash_table_insert(&c->drafts, &s->in_drafts, draft_hash(t, (uintptr_t)s->entry));
    if (ends)
        hash_table_insert(&c->ends, &s->in_ends, draft_hash(t, ends));
    if (s->shelf && !s->shelf->live)
        shelf_go_on(c, s->shelf, s);
}

void catalogue_draft_creates(struct schema *s)
{
    ASSERT(s->txn && !s->commit && !s->is_dropped && !s->creates);
    s->creates = true;
    schema_database(s)->quota.creating++;
}

static void draft_end(struct catalogue *c, struct schema *s)
{
    ASSERT(schema_database(s)->quota.creating >= s->creates); /* */
    schema_database(s)->quota.creating -= s->creates;
    s->creates = false;
    ASSERT(s->txn || !s->in_drafts.is_in);
    hash_table_remove(&c->drafts, &s->in_drafts);
    hash_table_remove(&c->ends, &s->in_ends);
    list_remove(&s->in_queue);
    s->txn = NULL;
    s->ends = 0;
    if (s->before)
        schema_unref(c, s->before);
    s->before = NULL;
}

void catalogue_discard(struct catalogue *c, struct schema *s)
{
    ASSERT(!s->commit);
    ASSERT(!s->older && !s->newer);
    draft_end(c, s);
    schema_unref(c, s);
}

/* ---- commits ---- */

static void shelf_leave(struct catalogue *c, struct shelf *shelf)
{
    ASSERT(shelf->live > 0); /* C-2 */
    ASSERT(!shelf->ended);
    if (--shelf->live == 0)
        list_push_back(&c->ending, &shelf->in_ended);
}

static void shelf_join(struct catalogue *c, struct shelf *shelf, struct schema *s)
{
    ASSERT(!shelf->ended); /* rule 4 */
    ASSERT(s->shelf == shelf);
    shelf_leave_origin(c, shelf);
    if (shelf->live++ == 0)
        list_remove(&shelf->in_ended); /* a swap of names let it go for a moment */
    shelf->newest = s;
    if (!shelf->born || (shelf->is_unmade && s->state == INDEX_READY))
        shelf->born = schema_store(s)->commit;
    shelf->is_unmade =
        s->is_unmade || (shelf->is_unmade && s->of && s->state == INDEX_BUILDING);
    if (s->number > c->last_number)
        c->last_number = s->number;
    ASSERT(shelf->live > 0 && !shelf->origin); /* C-2, C-4 */
}

/* A store that was cleared goes on counting where the one before it was. */
static void shelf_inherit(struct catalogue *c, const struct schema *s)
{
    struct shelf *shelf = s->shelf, *before = s->follows ? shelf_find(c, s->follows) : NULL;
    uint64_t used = before && before->used > s->used ? before->used : s->used;

    ASSERT(s->commit && s->generate);
    if (!used || shelf->base_commit)
        return;
    if (used > shelf->used) /* it may have used some itself already */
        shelf->used = used;
    shelf->base = used;
    shelf->used_commit = shelf->base_commit = s->commit;
    shelf->used_durability = s->durability;
    list_remove(&shelf->in_counting);
    list_push_back(&c->counting, &shelf->in_counting);
    ASSERT(shelf->used >= shelf->base);
}

/* Another is in its place: it goes when that is durable and nobody reads it. */
static void version_supersede(struct catalogue *c, struct schema *before, struct schema *s)
{
    ASSERT(before->commit <= s->commit && !before->superseded); /* C-1 */
    ASSERT(before->entry == s->entry && !s->older && !before->newer);
    before->superseded = s->commit;
    before->newer = s;
    s->older = before;
    if (!before->is_dropped) {
        shelf_leave(c, before->shelf);
        for (unsigned i = 0; i < before->index_count; i++)
            shelf_leave(c, before->indexes[i]->shelf);
        ASSERT(c->stores > 0 && c->indexes >= before->index_count);
        c->indexes -= before->index_count;
        c->stores--;
        database_remove_store(&c->databases, schema_database(before));
    }
    list_remove(&before->in_queue); /* a drop may be waiting already */
    list_push_back(&c->waiting, &before->in_queue);
}

void catalogue_publish(struct catalogue *c, struct schema *s, uint64_t commit, uint64_t version,
                       enum durability durability)
{
    struct catalogue_entry *e = s->entry;

    ASSERT(commit > 0 && !s->commit);
    ASSERT(e && s->refs > 0);
    draft_end(c, s);
    c->changes++;
    s->commit = commit;
    s->version = version;
    s->durability = durability;
    if (e->newest)
        version_supersede(c, e->newest, s);
    e->newest = s;
    if (s->is_dropped) {
        list_push_back(&c->waiting, &s->in_queue);
        return;
    }
    ASSERT(s->shelf && s->shelf->number == s->number);
    c->stores++;
    database_add_store(&c->databases, schema_database(s));
    shelf_join(c, s->shelf, s);
    for (unsigned i = 0; i < s->index_count; i++)
        shelf_join(c, s->indexes[i]->shelf, s->indexes[i]);
    c->indexes += s->index_count;
    if (s->generate)
        shelf_inherit(c, s);
}

void catalogue_settle(struct catalogue *c, uint64_t commit)
{
    while (!list_is_empty(&c->ending)) {
        struct shelf *shelf = LIST_ENTRY(c->ending.next, struct shelf, in_ended);

        ASSERT(!shelf->live && !shelf->ended);
        list_remove(&shelf->in_ended);
        shelf->ended = commit;
        list_push_back(&c->ended, &shelf->in_ended);
    }
    ASSERT(list_is_empty(&c->ending));
}

/* ---- all of it ---- */

uint64_t catalogue_bytes(const struct catalogue *c)
{
    return c->bytes + c->databases.bytes + hash_table_bytes(&c->databases.names) +
           hash_table_bytes(&c->names) + hash_table_bytes(&c->numbers) +
           hash_table_bytes(&c->drafts) + hash_table_bytes(&c->ends) +
           hash_table_bytes(&c->uses);
}

uint64_t catalogue_steps(const struct catalogue *c)
{
    return c->steps + c->databases.names.steps + c->names.steps + c->numbers.steps +
           c->drafts.steps + c->ends.steps + c->uses.steps;
}

static enum err catalogue_make_self(struct catalogue *c)
{
    static const uint8_t key[] = {0xc0};
    struct definition d = {.number = CATALOGUE_STORE, .key = slice_make(key, sizeof key)};
    struct store_name of = {c->databases.main, slice_text("")};
    enum err e = catalogue_make(c, of, &d, slice_text(""), &c->self);

    if (e)
        return e;
    shelf_join(c, c->self->shelf, c->self);
    c->self->commit = 1; /* it always was */
    ASSERT(c->self->shelf->live == 1); /* C-2 */
    c->marks = os_alloc(c->os, c->self->size);
    if (!c->marks)
        return ERR_NOMEM;
    memcpy(c->marks, c->self, c->self->size);
    list_init(&c->marks->in_queue);
    c->marks->last_writer_wins = true;
    return ERR_OK;
}

enum err catalogue_init(struct catalogue *c, struct os *os, uint64_t seed)
{
    struct hash_table *tables[] = {&c->names, &c->numbers, &c->drafts, &c->ends, &c->uses};
    enum err e = ERR_OK;

    memset(c, 0, sizeof *c);
    c->os = os;
    c->seed = seed;
    list_init(&c->waiting);
    list_init(&c->unread);
    list_init(&c->ending);
    list_init(&c->ended);
    list_init(&c->counting);
    for (size_t i = 0; i < sizeof tables / sizeof *tables && !e; i++)
        e = hash_table_init(tables[i], os);
    if (!e)
        e = databases_init(&c->databases, os, seed);
    return e ? e : catalogue_make_self(c);
}

static void entry_take_down(struct catalogue *c, struct catalogue_entry *e)
{
    ASSERT(!e->in_names.is_in || c->names.count > 0);
    hash_table_remove(&c->names, &e->in_names);
    while (e->newest) {
        struct schema *s = e->newest;

        e->newest = s->older;
        schema_free_indexes(c, s);
        os_free(c->os, s, s->size);
    }
    list_remove(&e->in_database);
    os_free(c->os, e, entry_bytes(e));
}

void catalogue_fini(struct catalogue *c)
{
    struct hash_link *link;
    size_t bucket = 0;

    if (!c->os)
        return;
    if (c->marks)
        os_free(c->os, c->marks, c->self->size);
    if (c->self)
        c->self->entry->newest = c->self;
    while ((link = hash_table_any(&c->names, &bucket)) != NULL)
        entry_take_down(c, ENTRY_OF(link));
    bucket = 0;
    while ((link = hash_table_any(&c->numbers, &bucket)) != NULL) {
        hash_table_remove(&c->numbers, link);
        os_free(c->os, SHELF_OF(link), sizeof(struct shelf));
    }
    hash_table_fini(&c->names);
    hash_table_fini(&c->numbers);
    hash_table_fini(&c->drafts);
    hash_table_fini(&c->ends);
    hash_table_fini(&c->uses);
    databases_fini(&c->databases);
    memset(c, 0, sizeof *c);
}
