/* Which trees and stores a damaged data file has. */
#include "server/base/assert.h"
#include "server/storage/key_show.h"
#include "server/storage/scratch.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/index_row.h"
#include "server/txn/salvage_run.h"
#include "server/txn/tokens.h"
#include "server/txn/tree_names.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void salvage_lose(struct salvage_run *r, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ASSERT(text[0] && r->s->lost);
    r->s->losses++;
    r->s->lost(r->s->context, text);
}

const struct tree_info *salvage_tree(const struct salvage_run *r, uint32_t number)
{
    for (size_t i = 0; i < r->tree_count; i++)
        if (r->trees[i].store == number)
            return &r->trees[i];
    ASSERT(r->tree_count <= r->tree_room);
    return NULL;
}

static enum err tree_add(struct salvage_run *r, const struct tree_info *info)
{
    enum err e = items_grow(r->s->from, (void **)&r->trees, r->tree_count, &r->tree_room,
                            sizeof *r->trees);

    ASSERT(info->store != ROOT_CATALOGUE);
    if (!e)
        r->trees[r->tree_count++] = *info;
    return e;
}

/* ---- the tree of trees ---- */

static const char *tree_in_words(const struct salvage_run *r, uint32_t number, char *to)
{
    uint32_t store = number >= PRIMARY_STORES_END ? number - PRIMARY_STORES_END : number;
    uint8_t room[KEY_PLAIN_BYTES_MAX];
    char name[STORE_SHOWN_BYTES];
    struct row_name of;

    if (number == ROOT_CATALOGUE)
        return "the tree of trees";
    if (number == PRIMARY_STORE_TWICE)
        return "the definitions of stores";
    if (number == TOKENS_STORE)
        return "the tokens of commits";
    for (size_t i = 0; i < r->store_count; i++) {
        if (r->stores[i].number != store ||
            catalogue_row_name(r->stores[i].key, room, &of) != ERR_OK)
            continue;
        snprintf(to, TREE_NAME_BYTES, "store %s", store_show(of, name));
        return to;
    }
    snprintf(to, TREE_NAME_BYTES, "store number %lu", (unsigned long)store);
    ASSERT(to[0]);
    return to;
}

void salvage_tell_loss(void *run, const struct tree_loss *loss)
{
    struct salvage_run *r = run;
    char name[TREE_NAME_BYTES];
    const char *tree = tree_in_words(r, loss->store, name);
    const char *low = loss->low.size ? KEY_SHOW_PARTS(loss->low) : "the first";
    const char *high = loss->high.data ? KEY_SHOW_PARTS(loss->high) : "the end";

    ASSERT(loss->store == ROOT_CATALOGUE || r->store_count <= r->store_room);
    if (loss->store == ROOT_CATALOGUE)
        r->lacks_trees = true;
    if (loss->store == PRIMARY_STORE_TWICE)
        r->lacks_stores = true;
    if (!loss->level)
        salvage_lose(
            r,
            "primary, offset %llu: %s: %s: %llu records are lost, with keys from %s up "
            "to %s",
            (unsigned long long)loss->offset, tree, loss->why,
            (unsigned long long)loss->records, low, high);
    else
        salvage_lose(r,
                     "primary, offset %llu: %s: a branch is damaged: of %llu records below it, "
                     "with keys from %s up to %s, %llu were found by their pages%s",
                     (unsigned long long)loss->offset, tree, (unsigned long long)loss->records,
                     low, high, (unsigned long long)loss->found,
                     loss->found == loss->records ? ", as many as there were"
                                                  : "; deleted ones may be among them");
}

static enum err trees_read(struct salvage_run *r)
{
    struct tree_info catalogue = {.store = ROOT_CATALOGUE,
                                  .height = r->slot.height,
                                  .top = r->slot.catalogue},
                     info;
    struct tree_rescue t;
    struct slice key, value;
    enum err e = ERR_OK;

    ASSERT(r->has_slot);
    tree_rescue_init(&t, r->s->from, r->file, &catalogue);
    t.lost = salvage_tell_loss;
    t.context = r;
    while (!e && !(e = tree_rescue_next(&t, &key, &value)))
        if (tree_info_decode(&info, key, value))
            e = tree_add(r, &info);
    tree_rescue_fini(&t);
    return e == ERR_END ? ERR_OK : e;
}

/* ---- by labels ---- */

/* Of each tree that is not known the youngest page of the highest level. */
static enum err trees_guess(struct salvage_run *r)
{
    size_t known = r->tree_count;
    struct page_finder finder;
    struct page_label label;
    struct page *page;
    uint64_t at;
    enum err e = page_finder_init(&finder, r->s->from, r->file);

    while (!e && !(e = page_finder_next(&finder, &label, &page, &at))) {
        struct tree_info info = {
            .store = label.store, .height = label.level + 1, .top = label.ptr};
        struct tree_info *have = (struct tree_info *)salvage_tree(r, label.store);

        page_free(r->s->from, page);
        if (label.store == ROOT_CATALOGUE || label.ptr.offset != at ||
            (have && (size_t)(have - r->trees) < known))
            continue;
        if (!have)
            e = tree_add(r, &info);
        else if (info.top.birth > have->top.birth ||
                 (info.top.birth == have->top.birth && info.height > have->height))
            *have = info;
    }
    page_finder_fini(&finder);
    for (size_t i = known; i < r->tree_count; i++)
        r->trees[i].counter = 0;
    ASSERT(r->tree_count >= known);
    return e == ERR_END ? ERR_OK : e;
}

static int tree_compare(const void *a, const void *b)
{
    uint32_t x = ((const struct tree_info *)a)->store, y = ((const struct tree_info *)b)->store;

    return x < y ? -1 : x > y;
}

enum err salvage_find_trees(struct salvage_run *r)
{
    enum err e = r->has_slot ? trees_read(r) : ERR_OK;

    if (!e && (!r->has_slot || r->lacks_trees)) {
        r->lacks_trees = true;
        e = trees_guess(r);
    }
    if (r->tree_count)
        qsort(r->trees, r->tree_count, sizeof *r->trees, tree_compare);
    ASSERT(e || r->tree_count <= r->tree_room);
    return e;
}

/* ---- definitions ---- */

enum err salvage_keep(struct os *os, struct slice *to, struct slice from)
{
    uint8_t *bytes = os_alloc(os, from.size + 1);

    if (!bytes)
        return ERR_NOMEM;
    ASSERT(from.size > 0);
    memcpy(bytes, from.data, from.size);
    *to = slice_make(bytes, from.size);
    return ERR_OK;
}

/* The indexes as they are, but to be built. Returns bytes put, 0: they are malformed. */
static size_t indexes_write(struct slice indexes, uint8_t *to, size_t room)
{
    struct msgpack_cursor at = msgpack_open(indexes);
    uint32_t count;
    size_t used;

    if (msgpack_read_array(&at, &count))
        return 0;
    ASSERT(room >= MSGPACK_HEAD_MAX);
    used = msgpack_put_array_head(to, count);
    for (uint32_t i = 0; i < count; i++) {
        struct index_row row;
        size_t size;

        if (index_row_read(&at, &row) != ERR_OK)
            return 0;
        if (row.state == INDEX_READY)
            row.state = INDEX_BUILDING;
        row.is_unmade = row.state == INDEX_BUILDING;
        size = index_row_write(&row, to + used, room - used);
        if (!size)
            return 0;
        ASSERT(used + size <= room);
        used += size;
    }
    return used;
}

static enum err row_add(struct salvage_run *r, struct slice key, const struct definition *d,
                        struct slice row)
{
    struct os *os = r->s->from;
    struct salvage_store *n;
    enum err e =
        items_grow(os, (void **)&r->stores, r->store_count, &r->store_room, sizeof *r->stores);

    if (e)
        return e;
    n = &r->stores[r->store_count];
    memset(n, 0, sizeof *n);
    n->number = d ? d->number : 0;
    e = salvage_keep(os, &n->key, key);
    if (!e)
        e = salvage_keep(os, &n->row, row);
    r->store_count += n->key.data != NULL;
    ASSERT(e || n->row.size > 0);
    return e;
}

enum err salvage_take_row(struct salvage_run *r, struct slice key, struct slice value)
{
    size_t room = 2 * value.size + 512;
    uint8_t names[KEY_PLAIN_BYTES_MAX];
    struct row_name of;
    struct definition d;
    uint8_t *memory;
    size_t size = 0;
    enum err e;

    if (catalogue_row_name(key, names, &of) != ERR_OK)
        return ERR_CORRUPT;
    if (slice_is_none(of.name))
        return row_add(r, key, NULL, value);
    if (catalogue_row_read(value, &d) != ERR_OK)
        return ERR_CORRUPT;
    if (slice_is_none(d.indexes))
        return row_add(r, key, &d, value);
    ASSERT(value.size > 0 && room > value.size);
    memory = os_alloc(r->s->from, 2 * room);
    if (!memory)
        return ERR_NOMEM;
    size = indexes_write(d.indexes, memory, room);
    d.indexes = slice_make(memory, size);
    if (size)
        size = catalogue_row_write(&d, memory + room, room);
    e = size ? row_add(r, key, &d, slice_make(memory + room, size)) : ERR_CORRUPT;
    os_free(r->s->from, memory, 2 * room);
    return e;
}

enum err salvage_find_stores(struct salvage_run *r)
{
    const struct tree_info *info = salvage_tree(r, PRIMARY_STORE_TWICE);
    struct tree_rescue t;
    struct slice key, value;
    enum err e = ERR_OK;

    if (!info) {
        if (r->tree_count)
            salvage_lose(r, "the definitions of stores are lost");
        r->lacks_stores = r->tree_count > 0;
        return ERR_OK;
    }
    tree_rescue_init(&t, r->s->from, r->file, info);
    t.lost = salvage_tell_loss;
    t.context = r;
    while (!e && !(e = tree_rescue_next(&t, &key, &value))) {
        e = salvage_take_row(r, key, value);
        if (e == ERR_CORRUPT) {
            salvage_lose(r, "the definition of store %s is malformed", KEY_SHOW_PARTS(key));
            r->lacks_stores = true;
            e = ERR_OK;
        }
    }
    tree_rescue_fini(&t);
    ASSERT(e);
    return e == ERR_END ? ERR_OK : e;
}
