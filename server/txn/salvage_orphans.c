/* Trees whose stores have no definition, because both copies of a page of definitions are lost:
 * older pages that were replaced, and not written over yet, may name them; else they get names. */
#include "server/base/assert.h"
#include "server/storage/key.h"
#include "server/storage/key_show.h"
#include "server/storage/page_find.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/database.h"
#include "server/txn/index_row.h"
#include "server/txn/salvage_run.h"
#include "server/txn/vault.h"

#include <stdio.h>

#define PROBED 50 /* records that are looked at before a tree is taken for a store's */

static bool is_index_of(const struct definition *d, uint32_t number)
{
    struct msgpack_cursor at = msgpack_open(d->indexes);
    struct index_row row;
    uint32_t count;

    if (slice_is_none(d->indexes) || msgpack_read_array(&at, &count))
        return false;
    ASSERT(at.at <= at.end);
    while (count-- && index_row_read(&at, &row) == ERR_OK)
        if (row.number == number)
            return true;
    return false;
}

/* Whether a tree is a store of which a row is there, or an index of one. */
static bool is_known(const struct salvage_run *r, uint32_t number)
{
    for (size_t i = 0; i < r->store_count; i++) {
        struct definition d;

        if (r->stores[i].number == number)
            return true;
        if (r->stores[i].number && catalogue_row_read(r->stores[i].row, &d) == ERR_OK &&
            is_index_of(&d, number))
            return true;
    }
    ASSERT(number);
    return false;
}

static bool is_orphan(const struct salvage_run *r, const struct tree_info *info)
{
    ASSERT(r->tree_count > 0);
    return info->store > 0 && info->store < VAULT_STORE && !is_known(r, info->store);
}

/* ---- rows in older pages ---- */

static void store_forget(struct salvage_run *r, size_t i)
{
    struct salvage_store *n = &r->stores[i];

    ASSERT(i < r->store_count);
    os_free(r->s->from, (void *)(uintptr_t)n->key.data, n->key.size + 1);
    os_free(r->s->from, (void *)(uintptr_t)n->row.data, n->row.size + 1);
    memmove(n, n + 1, (r->store_count - i - 1) * sizeof *n);
    r->store_count--;
}

/* A row that was in use when the page was written. The youngest of a store, and of a name, counts;
 * but one that stands in the tree itself always does. */
static enum err old_row(struct salvage_run *r, struct slice key, struct slice row,
                        uint64_t birth)
{
    uint8_t names[KEY_PLAIN_BYTES_MAX];
    struct row_name of;
    struct definition d;
    enum err e;

    if (catalogue_row_name(key, names, &of) != ERR_OK || slice_is_none(of.name) ||
        catalogue_row_read(row, &d) != ERR_OK || !salvage_tree(r, d.number))
        return ERR_OK;
    for (size_t i = 0; i < r->store_count; i++) {
        const struct salvage_store *n = &r->stores[i];

        if ((n->number == d.number || slice_equal(n->key, key)) &&
            (!n->birth || n->birth >= birth))
            return ERR_OK;
    }
    for (size_t i = r->store_count; i-- > 0;) {
        const struct salvage_store *n = &r->stores[i];

        if (n->number == d.number || slice_equal(n->key, key))
            store_forget(r, i);
    }
    ASSERT(d.number > 0 && key.size > 0);
    e = salvage_take_row(r, key, row);
    if (!e)
        r->stores[r->store_count - 1].birth = birth;
    return e == ERR_CORRUPT ? ERR_OK : e;
}

static enum err old_rows(struct salvage_run *r)
{
    struct page_finder finder;
    struct page_label label;
    struct page *page;
    uint64_t at;
    enum err e = page_finder_init(&finder, r->s->from, r->file);

    while (!e && !(e = page_finder_next(&finder, &label, &page, &at))) {
        for (unsigned i = 0; !e && i < page->count && label.level == 0; i++)
            if (label.store == PRIMARY_STORE_TWICE)
                e = old_row(r, page_key(page, i), page_value(page, i), label.ptr.birth);
        page_free(r->s->from, page);
    }
    page_finder_fini(&finder);
    ASSERT(e);
    return e == ERR_END ? ERR_OK : e;
}

/* Whether the log takes the name of an older page away, or gives it to another store: the store may
 * have been called otherwise by then, and would have no name behind that. But one that was cleared
 * is to go. */
static bool loses_name(const struct salvage_run *r, const struct salvage_store *n)
{
    const struct salvage_wal_row *of = salvage_wal_row_of(r, n->key);
    struct definition d;

    ASSERT(n->birth && n->number);
    return of && (!of->number || catalogue_row_read(of->row, &d) != ERR_OK ||
                  (d.number != n->number && d.follows != n->number));
}

/* What the log says of a store is newer than any page. */
static void prefer_wal(struct salvage_run *r)
{
    ASSERT(r->store_count <= r->store_room);
    for (size_t i = r->store_count; i-- > 0;) {
        const struct salvage_store *n = &r->stores[i];

        if (n->birth && n->number && (salvage_wal_row(r, n->number) || loses_name(r, n)))
            store_forget(r, i);
    }
}

/* ---- those that the log names ---- */

/* Which store has the name; store_count: none has. */
static size_t find_named(const struct salvage_run *r, struct slice key)
{
    size_t i = 0;

    ASSERT(key.size > 0);
    while (i < r->store_count && !slice_equal(r->stores[i].key, key))
        i++;
    return i;
}

/* Whether the log says nothing of the name before that row does, and no store has it. */
static bool is_free(const struct salvage_run *r, const struct salvage_wal_row *n)
{
    ASSERT(salvage_wal_row_of(r, n->key));
    return salvage_wal_row_of(r, n->key) == n && find_named(r, n->key) == r->store_count;
}

/* The name of a store in the new data file, where the log begins. n is its first row there, up to
 * which it has kept its name. Then that has become another's, or nobody's, if n has not the same:
 * so it is among the names of which that commit is the first to say something. Which of those is
 * the right one may be open, and does not matter: with that commit it has the name in n, and no
 * other. NULL: none is left. */
static const struct salvage_wal_row *name_in_wal(const struct salvage_run *r,
                                                 const struct salvage_wal_row *n)
{
    const struct salvage_wal_row *end = r->wal_rows + r->wal_row_count;

    ASSERT(n->number > 0);
    if (is_free(r, n))
        return n;
    for (const struct salvage_wal_row *m = r->wal_rows; m < end; m++)
        if (m->commit == n->commit && is_free(r, m))
            return m;
    return NULL;
}

static enum err adopt_from_wal(struct salvage_run *r)
{
    enum err e = ERR_OK;

    for (size_t i = 0; i < r->tree_count && !e; i++) {
        uint32_t number = r->trees[i].store;
        const struct salvage_wal_row *n, *name;

        if (!is_orphan(r, &r->trees[i]) || !(n = salvage_wal_row(r, number)) ||
            !(name = name_in_wal(r, n)))
            continue;
        ASSERT(n->row.size > 0);
        salvage_lose(r,
                     "the definition of store %s (number %lu) is lost: the next one, which the "
                     "WAL has, is used",
                     KEY_SHOW_PARTS(n->key), (unsigned long)number);
        e = salvage_take_row(r, name->key, n->row);
    }
    return e;
}

static void tell_old_rows(struct salvage_run *r)
{
    ASSERT(r->store_count <= r->store_room);
    for (size_t i = 0; i < r->store_count; i++)
        if (r->stores[i].birth)
            salvage_lose(r,
                         "the definition of store %s (number %lu) is lost: an older one, which "
                         "had been superseded, is used",
                         KEY_SHOW_PARTS(r->stores[i].key), (unsigned long)r->stores[i].number);
}

/* ---- those that nothing names ---- */

static void nobody_is_told(void *context, const struct tree_loss *loss)
{
    (void)context;
    (void)loss;
}

/* Records have a value, which is one document, and a key that reads as one value. */
static enum err looks_like_store(struct salvage_run *r, const struct tree_info *info, bool *out)
{
    static const struct key_spec explicit_key = {.is_explicit = true, .part_count = 1};
    struct tree_rescue t;
    struct slice key, value;
    enum err e = ERR_OK;

    *out = true;
    ASSERT(info->store > 0 && info->store < VAULT_STORE);
    tree_rescue_init(&t, r->s->from, r->file, info);
    t.lost = nobody_is_told;
    for (unsigned i = 0; i < PROBED && *out && !e; i++) {
        uint8_t plain[KEY_PLAIN_BYTES_MAX];
        struct msgpack_cursor c;
        size_t size;

        e = tree_rescue_next(&t, &key, &value);
        if (e)
            break;
        c = msgpack_open(value);
        *out = value.size && msgpack_skip(&c, 1, NULL) == ERR_OK && msgpack_at_end(&c) &&
               key_decode(&explicit_key, key, plain, sizeof plain, &size) == ERR_OK;
    }
    tree_rescue_fini(&t);
    return e == ERR_END ? ERR_OK : e;
}

/* lost-NUMBER, or lost-NUMBER-2 and so on: a name that no store has, and that the log does not give
 * to another. */
static size_t make_up_key(const struct salvage_run *r, uint32_t number, char name[32],
                          uint8_t *key)
{
    struct row_name of = {.database = slice_text(DATABASE_MAIN)};
    size_t size;

    ASSERT(number > 0);
    snprintf(name, 32, "lost-%lu", (unsigned long)number);
    for (unsigned long next = 2;; next++) {
        of.name = slice_text(name);
        size = catalogue_row_key(of, key);
        ASSERT(size > 0 && size <= KEY_BYTES_MAX);
        if (find_named(r, slice_make(key, size)) == r->store_count &&
            !salvage_wal_row_of(r, slice_make(key, size)))
            return size;
        snprintf(name, 32, "lost-%lu-%lu", (unsigned long)number, next);
    }
}

static enum err name_store(struct salvage_run *r, uint32_t number)
{
    struct definition d = {.number = number, .key = slice_text("\xc0")};
    uint8_t key[KEY_BYTES_MAX], row[256];
    char name[32];
    size_t size = make_up_key(r, number, name, key);

    ASSERT(size > 0);
    salvage_lose(
        r,
        "the definition of store number %lu is lost: its records are in store \"%s\" of "
        "database \"%s\", which has explicit keys; its indexes are lost",
        (unsigned long)number, name, DATABASE_MAIN);
    return salvage_take_row(r, slice_make(key, size),
                            slice_make(row, catalogue_row_write(&d, row, sizeof row)));
}

enum err salvage_adopt_orphans(struct salvage_run *r)
{
    enum err e = salvage_wal_rows(r);

    if (!e)
        e = old_rows(r);
    if (!e) {
        prefer_wal(r);
        e = adopt_from_wal(r);
        tell_old_rows(r);
    }
    for (size_t i = 0; i < r->tree_count && !e; i++) {
        bool is_store = false;

        ASSERT(r->tree_count <= r->tree_room);
        if (!is_orphan(r, &r->trees[i]))
            continue;
        e = looks_like_store(r, &r->trees[i], &is_store);
        if (!e && is_store)
            e = name_store(r, r->trees[i].store);
        else if (!e)
            salvage_lose(
                r,
                "tree number %lu belongs to no known store: it is an index, or a store with "
                "multi-part keys, and is not copied",
                (unsigned long)r->trees[i].store);
    }
    return e;
}
