#include "server/txn/check_rows.h"

#include "server/base/assert.h"
#include "server/base/msgpack_show.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/entries.h"
#include "server/storage/key_show.h"
#include "server/txn/index_row.h"

#include <stdio.h>

struct check_index {
    struct index_definition is;
    struct key_spec spec;
    struct slice name; /* borrowed from the row */
    uint32_t number;
    bool is_ready;
    bool is_skipped; /* damage that was told makes it incomparable */
    bool is_bad;     /* an entry was not right */
    uint64_t there, wanted; /* entries */
};

static void *rows_alloc(void *os, size_t bytes)
{
    ASSERT(bytes > 0);
    return os_alloc(os, bytes);
}

static void rows_free(void *os, void *memory, size_t bytes)
{
    ASSERT(memory || !bytes);
    os_free(os, memory, bytes);
}

static void nobody_waits(struct wait *w)
{
    ASSERT(!w->pending);
}

void check_rows_init(struct check_rows *c, struct primary *p, struct os *os, struct root *r,
                     struct findings *to)
{
    memset(c, 0, sizeof *c);
    c->os = os;
    c->p = p;
    c->r = r;
    c->to = to;
    c->memory = (struct msgpack_memory){rows_alloc, rows_free, os};
    failure_init(&c->f);
    wait_init(&c->w, nobody_waits);
    tree_cursor_init(&c->stores, r, PRIMARY_STORE_TWICE);
    index_entries_init(&c->made, os, UINT32_MAX);
    ASSERT(c->state == CHECK_ROWS_STORE);
}

static void cursor_end(struct check_rows *c)
{
    if (c->has_cursor)
        tree_cursor_fini(&c->cursor);
    c->has_cursor = c->is_pending = false;
    ASSERT(!c->has_cursor);
}

static void store_end(struct check_rows *c)
{
    ASSERT(c->indexes || !c->index_count);
    cursor_end(c);
    os_free(c->os, c->indexes, c->index_count * sizeof *c->indexes);
    c->indexes = NULL;
    c->index_count = 0;
    c->state = CHECK_ROWS_STORE;
}

void check_rows_fini(struct check_rows *c)
{
    if (!c->os)
        return;
    ASSERT(c->p);
    store_end(c);
    tree_cursor_fini(&c->stores);
    wait_release(c->p, &c->w);
    index_entries_fini(&c->made);
    scratch_fini(c->os, &c->row);
    failure_clear(&c->f);
}

/* ---- saying ---- */

static struct finding about(const struct tree_cursor *at, uint32_t store)
{
    struct finding n = {.file = PRIMARY_FILE, .store = store};

    ASSERT(at->valid);
    n.offset = tree_cursor_offset(at);
    return n;
}

static void tell_record(struct check_rows *c, const char *what)
{
    struct finding n = about(&c->cursor, c->number);

    ASSERT(c->name[0]);
    findings_add(c->to, &n, "the record %s of store %s: %s", KEY_SHOW(&c->spec, c->cursor.key),
                 c->name, what);
}

static void tell_entry(struct check_rows *c, struct check_index *index, const char *what)
{
    struct finding n = about(&c->cursor, index->number);

    ASSERT(index->is_ready);
    index->is_bad = true;
    findings_add(c->to, &n, "index \"%s\" of store %s: the entry %s %s", text_show(index->name),
                 c->name, bytes_show(c->cursor.key, (char[64]){0}, 64), what);
}

/* Why something cannot be compared. Damaged pages were told by whoever read them all. */
static void tell_unread(struct check_rows *c, const char *what, struct slice index)
{
    struct finding n = {.file = PRIMARY_FILE, .store = c->number};

    ASSERT(c->f.error);
    n.offset = c->f.offset;
    if (slice_is_none(index))
        findings_add(c->to, &n, "%s of store %s: %s", what, c->name, c->f.text);
    else
        findings_add(c->to, &n, "%s \"%s\" of store %s: %s", what, text_show(index), c->name,
                     c->f.text);
    failure_clear(&c->f);
}

/* ---- walking ---- */

/* The next row of a cursor; pages of the one before are let go. ERR_END. */
static enum err row_next(struct check_rows *c, struct tree_cursor *at, bool *has_begun)
{
    enum err e;

    ASSERT(at->p == c->p && at->r == c->r);
    if (*has_begun) {
        e = at->valid ? tree_cursor_next(at, &c->w, &c->f) : ERR_END;
    } else {
        e = tree_cursor_seek(at, slice_make("", 0), false, &c->w, &c->f);
        *has_begun = e == ERR_OK;
    }
    if (e == ERR_WAIT)
        return e;
    wait_release(c->p, &c->w);
    if (!e && !at->valid)
        e = ERR_END;
    return e;
}

/* The next row of the tree at hand, whose value is there. ERR_OK also while is_pending. */
static enum err tree_next(struct check_rows *c, uint32_t number)
{
    enum err e = ERR_OK;

    if (c->is_pending)
        return ERR_OK;
    if (!c->has_cursor) {
        tree_cursor_init(&c->cursor, c->r, number);
        c->has_cursor = true;
        c->next_entry = 0;
    }
    ASSERT(c->cursor.store == number);
    do {
        bool has_begun = c->cursor.valid;

        e = row_next(c, &c->cursor, &has_begun);
    } while (!e && slice_is_none(c->cursor.value));
    c->is_pending = !e;
    c->next_entry = 0;
    return e;
}

/* ---- the definitions ---- */

static enum err index_open(struct check_rows *c, struct msgpack_cursor *at,
                           struct check_index *index)
{
    struct index_row row;
    enum err e = index_row_read(at, &row);

    ASSERT(at->at <= at->end);
    memset(index, 0, sizeof *index);
    if (e)
        return ERR_CORRUPT;
    index->name = row.name;
    index->number = row.number;
    index->is_ready = row.state == INDEX_READY;
    if (index_definition_read(row.definition, &index->is, &c->f) != ERR_OK) {
        failure_clear(&c->f);
        return ERR_CORRUPT;
    }
    index_definition_spec(&index->is, &index->spec);
    return ERR_OK;
}

static enum err indexes_open(struct check_rows *c, struct slice indexes)
{
    struct msgpack_cursor at = msgpack_open(indexes);
    uint32_t count;
    enum err e = ERR_OK;

    ASSERT(!c->indexes);
    if (slice_is_none(indexes))
        return ERR_OK;
    if (msgpack_read_array(&at, &count) || count > indexes.size)
        return ERR_CORRUPT;
    if (!count)
        return ERR_OK;
    c->indexes = os_alloc(c->os, count * sizeof *c->indexes);
    if (!c->indexes)
        return ERR_NOMEM;
    c->index_count = count;
    for (uint32_t i = 0; i < count && !e; i++)
        e = index_open(c, &at, &c->indexes[i]);
    return e;
}

/* The row of a store, which is copied. ERR_END: it is not one of a store. */
static enum err store_open(struct check_rows *c)
{
    struct slice key = c->stores.key, value = c->stores.value;
    struct row_name of;
    uint8_t room[KEY_PLAIN_BYTES_MAX];
    struct definition d;
    uint64_t version;
    enum err e = scratch_reserve(c->os, &c->row, value.size, 0);

    ASSERT(c->stores.valid && !c->indexes);
    if (e)
        return e;
    memcpy(c->row.data, value.data, value.size);
    c->row_size = value.size;
    if (catalogue_row_name(key, room, &of))
        return ERR_CORRUPT;
    if (slice_is_none(of.name)) /* a database's own */
        return database_row_read(value, &version) ? ERR_CORRUPT : ERR_END;
    store_show(of, c->name);
    if (catalogue_row_read(slice_make(c->row.data, c->row_size), &d) ||
        key_spec_read(d.key, &c->spec, NULL))
        return ERR_CORRUPT;
    c->number = d.number;
    return indexes_open(c, d.indexes);
}

static enum err step_store(struct check_rows *c)
{
    enum err e = row_next(c, &c->stores, &c->has_begun);

    ASSERT(c->state == CHECK_ROWS_STORE);
    if (e == ERR_CORRUPT || e == ERR_IO) {
        struct finding n = {.file = PRIMARY_FILE, .offset = c->f.offset};

        findings_add(c->to, &n, "the remaining store definitions cannot be read: %s",
                     c->f.text);
        failure_clear(&c->f);
        return ERR_END;
    }
    if (e || slice_is_none(c->stores.value))
        return e;
    snprintf(c->name, sizeof c->name, "(unknown)");
    e = store_open(c);
    if (e == ERR_CORRUPT) {
        struct finding n = about(&c->stores, PRIMARY_STORE_TWICE);

        findings_add(c->to, &n, "the definition of store %s is malformed", c->name);
        store_end(c);
        return ERR_OK;
    }
    if (e == ERR_END)
        return ERR_OK;
    if (!e)
        c->state = CHECK_ROWS_RECORDS;
    return e;
}

/* ---- records ---- */

static void check_key(struct check_rows *c)
{
    uint8_t key[KEY_BYTES_MAX];
    const char *why = NULL;
    unsigned part;
    size_t size;

    ASSERT(c->cursor.valid);
    if (c->spec.is_explicit)
        return;
    if (key_of_document(&c->spec, c->cursor.value, key, &size, &part, &why))
        tell_record(c, "its fields do not yield a key");
    else if (!slice_equal(slice_make(key, size), c->cursor.key))
        tell_record(c, "its fields yield a different key");
}

/* Entries of the record at hand in one index; false: it cannot be compared. */
static enum err entries_of(struct check_rows *c, struct check_index *index)
{
    enum err e =
        index_entries_make(&c->made, &index->is, c->cursor.value, c->cursor.key, &c->f);

    if (e && e != ERR_NOMEM) {
        tell_unread(c, "index", index->name);
        index->is_skipped = true;
        return ERR_END;
    }
    return e;
}

static enum err step_record(struct check_rows *c)
{
    const char *why = NULL;
    enum err e = tree_next(c, c->number);

    ASSERT(c->state == CHECK_ROWS_RECORDS);
    if (e == ERR_CORRUPT || e == ERR_IO) {
        tell_unread(c, "the rest of the records", SLICE_NONE);
        store_end(c);
        return ERR_OK;
    }
    if (e == ERR_END) {
        cursor_end(c);
        c->index = 0;
        c->state = CHECK_ROWS_ENTRIES;
        return ERR_OK;
    }
    if (e)
        return e;
    c->is_pending = false;
    c->records++;
    e = msgpack_check_document_with(c->cursor.value, MSGPACK_DEPTH_MAX, &c->memory, &why);
    if (e == ERR_NOMEM)
        return e;
    if (e) {
        tell_record(c, why ? why : "it is not valid MessagePack");
        return ERR_OK;
    }
    check_key(c);
    e = ERR_OK;
    for (unsigned i = 0; i < c->index_count && e != ERR_NOMEM; i++) {
        struct check_index *index = &c->indexes[i];

        e = index->is_ready && !index->is_skipped ? entries_of(c, index) : ERR_END;
        if (!e)
            index->wanted += c->made.count;
    }
    return e == ERR_NOMEM ? e : ERR_OK;
}

/* ---- entries ---- */

static void index_end(struct check_rows *c)
{
    ASSERT(c->index <= c->index_count);
    cursor_end(c);
    c->index++;
    c->state = CHECK_ROWS_ENTRIES;
    if (c->index >= c->index_count) {
        c->stores_done++;
        store_end(c);
    }
}

static void index_skip(struct check_rows *c, struct check_index *index)
{
    ASSERT(c->f.error);
    tell_unread(c, "the rest of index", index->name);
    index->is_skipped = true;
    index_end(c);
}

/* The entry that the cursor stands on. */
static enum err check_entry(struct check_rows *c, struct check_index *index)
{
    struct slice entry = c->cursor.key, key = c->cursor.value, document;
    size_t size = entry.size;
    enum err e;

    ASSERT(c->cursor.valid && index->is_ready);
    if (slice_equal(entry, index_progress_key()))
        return ERR_OK;
    index->there++;
    c->entries++;
    if (!index->is.unique && key_split(&index->spec, entry, &size)) {
        tell_entry(c, index, "is malformed");
        return ERR_OK;
    }
    if (!index->is.unique)
        key = slice_make(entry.data + size, entry.size - size);
    e = tree_get(c->r, c->number, key, &c->w, &document, &c->f);
    if (e == ERR_WAIT) {
        index->there--;
        c->entries--;
        return e;
    }
    if (e == ERR_NOT_FOUND) {
        tell_entry(c, index, "points to a record that does not exist");
        return ERR_OK;
    }
    if (e)
        return e;
    e = index_entries_make(&c->made, &index->is, document, key, &c->f);
    if (e == ERR_NOMEM)
        return e;
    failure_clear(&c->f);
    for (uint32_t i = 0; !e && i < c->made.count; i++)
        if (slice_equal(index_entry_key(&c->made, i), slice_make(entry.data, size)))
            return ERR_OK;
    tell_entry(c, index, "does not match its record");
    return ERR_OK;
}

static enum err step_entry(struct check_rows *c)
{
    struct check_index *index;
    enum err e;

    ASSERT(c->state == CHECK_ROWS_ENTRIES);
    if (c->index >= c->index_count || !c->indexes[c->index].is_ready ||
        c->indexes[c->index].is_skipped) {
        index_end(c);
        return ERR_OK;
    }
    index = &c->indexes[c->index];
    e = tree_next(c, index->number);
    if (!e)
        e = check_entry(c, index);
    if (e == ERR_CORRUPT || e == ERR_IO) {
        index_skip(c, index);
        return ERR_OK;
    }
    if (e == ERR_END) {
        cursor_end(c);
        if (index->there == index->wanted && !index->is_bad)
            index_end(c);
        else
            c->state = CHECK_ROWS_MISSING;
        return ERR_OK;
    }
    if (!e)
        c->is_pending = false;
    return e;
}

/* ---- what is missing ---- */

static enum err check_missing(struct check_rows *c, struct check_index *index)
{
    enum err e = entries_of(c, index);

    ASSERT(c->cursor.valid);
    if (e)
        return e;
    for (; c->next_entry < c->made.count; c->next_entry++) {
        struct slice entry = index->is.unique ? index_entry_key(&c->made, c->next_entry)
                                              : index_entry_at(&c->made, c->next_entry);
        struct slice value;

        e = tree_get(c->r, index->number, entry, &c->w, &value, &c->f);
        if (e == ERR_NOT_FOUND ||
            (!e && index->is.unique && !slice_equal(value, c->cursor.key))) {
            struct finding n = about(&c->cursor, index->number);

            findings_add(c->to, &n,
                         "index \"%s\" of store %s: an entry for the record %s is missing",
                         text_show(index->name), c->name, KEY_SHOW(&c->spec, c->cursor.key));
        } else if (e) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err step_missing(struct check_rows *c)
{
    struct check_index *index = &c->indexes[c->index];
    enum err e = tree_next(c, c->number);

    ASSERT(c->state == CHECK_ROWS_MISSING && index->is_ready);
    if (!e)
        e = check_missing(c, index);
    if (e == ERR_CORRUPT || e == ERR_IO) {
        index_skip(c, index);
        return ERR_OK;
    }
    if (e == ERR_END) {
        index_end(c);
        return ERR_OK;
    }
    if (!e)
        c->is_pending = false;
    return e;
}

/* ---- slices ---- */

static enum err rows_step(struct check_rows *c)
{
    ASSERT(c->r && c->to);
    switch (c->state) {
    case CHECK_ROWS_STORE: return step_store(c);
    case CHECK_ROWS_RECORDS: return step_record(c);
    case CHECK_ROWS_ENTRIES: return step_entry(c);
    case CHECK_ROWS_MISSING: return step_missing(c);
    }
    return ERR_INTERNAL;
}

enum err check_rows_run(struct check_rows *c, unsigned steps, bool *has_more)
{
    enum err e = ERR_OK;

    ASSERT(steps > 0);
    *has_more = false;
    while (!e && steps) {
        e = rows_step(c);
        steps--;
    }
    if (!e) {
        *has_more = true;
        return ERR_WAIT;
    }
    return e == ERR_END ? ERR_OK : e;
}
