#include "server/txn/tree_names.h"

#include "server/base/assert.h"
#include "server/storage/findings.h"
#include "server/storage/key.h"
#include "server/storage/root.h"
#include "server/txn/catalogue.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/index_row.h"
#include "server/txn/tokens.h"

#include <stdio.h>

/* false: its name must be looked for. */
static bool is_fixed(uint32_t number, char *to)
{
    const char *fixed = NULL;

    if (number == ROOT_CATALOGUE)
        fixed = "the tree of trees";
    else if (number == FINDING_NO_STORE)
        fixed = "";
    else if (number == PRIMARY_STORE_TWICE)
        fixed = "the definitions of stores";
    else if (number == TOKENS_STORE)
        fixed = "the tokens of commits";
    ASSERT(to);
    snprintf(to, TREE_NAME_BYTES, "%s", fixed ? fixed : "");
    return fixed;
}

/* A side tree is told with its store. */
static const char *name_prefix(uint32_t *number)
{
    bool is_side = *number >= PRIMARY_STORES_END;

    ASSERT(*number != ROOT_CATALOGUE);
    if (is_side)
        *number -= PRIMARY_STORES_END;
    return is_side ? "changes kept beside damaged " : "";
}

const char *store_show(struct row_name of, char *to)
{
    if (slice_equal(of.database, slice_text(DATABASE_MAIN)))
        snprintf(to, STORE_SHOWN_BYTES, "\"%s\"", text_show(of.name));
    else
        snprintf(to, STORE_SHOWN_BYTES, "\"%s\" of database \"%s\"", text_show(of.name),
                 text_show(of.database));
    ASSERT(to[0]);
    return to;
}

static void name_put(char *to, const char *prefix, struct row_name of, struct slice index)
{
    char store[STORE_SHOWN_BYTES];

    store_show(of, store);
    if (slice_is_none(index))
        snprintf(to, TREE_NAME_BYTES, "%sstore %s", prefix, store);
    else
        snprintf(to, TREE_NAME_BYTES, "%sindex \"%s\" of store %s", prefix, text_show(index),
                 store);
    ASSERT(to[0]);
}

static void name_unknown(char *to, const char *prefix, uint32_t number)
{
    snprintf(to, TREE_NAME_BYTES, "%stree %lu, whose store no longer exists", prefix,
             (unsigned long)number);
    ASSERT(to[0]);
}

const char *tree_name(struct catalogue *c, uint32_t number, char *to)
{
    const struct schema *s;
    const char *prefix;

    ASSERT(c && to);
    if (is_fixed(number, to))
        return to;
    prefix = name_prefix(&number);
    s = catalogue_by_number(c, number);
    if (s)
        name_put(to, prefix,
                 (struct row_name){database_name(schema_database(s)), schema_name(s)},
                 s->of ? s->index : SLICE_NONE);
    else
        name_unknown(to, prefix, number);
    return to;
}

/* Whether the row of a store defines the tree. */
static bool row_has(struct slice row, uint32_t number, struct slice *index)
{
    struct definition d;
    struct msgpack_cursor at;
    uint32_t count = 0;

    ASSERT(number > 0);
    *index = SLICE_NONE;
    if (catalogue_row_read(row, &d) != ERR_OK)
        return false;
    if (d.number == number)
        return true;
    at = msgpack_open(d.indexes);
    if (slice_is_none(d.indexes) || msgpack_read_array(&at, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct index_row n;

        if (index_row_read(&at, &n) != ERR_OK)
            return false;
        if (n.number == number) {
            *index = n.name;
            return true;
        }
    }
    return false;
}

static void nobody_waits(struct wait *w)
{
    ASSERT(!w->pending);
}

const char *tree_name_of_root(struct primary *p, struct root *r, uint32_t number, char *to)
{
    uint8_t room[KEY_PLAIN_BYTES_MAX];
    const char *prefix;
    struct tree_cursor c;
    struct failure f;
    struct wait w;
    enum err e;

    ASSERT(p && r);
    if (is_fixed(number, to))
        return to;
    prefix = name_prefix(&number);
    name_unknown(to, prefix, number);
    failure_init(&f);
    wait_init(&w, nobody_waits);
    primary_read_blocking(p, true);
    tree_cursor_init(&c, r, PRIMARY_STORE_TWICE);
    e = tree_cursor_seek(&c, slice_make("", 0), false, &w, &f);
    while (!e && c.valid) {
        struct row_name of;
        struct slice index;

        if (!slice_is_none(c.value) && row_has(c.value, number, &index) &&
            catalogue_row_name(c.key, room, &of) == ERR_OK) {
            name_put(to, prefix, of, index);
            break;
        }
        e = tree_cursor_next(&c, &w, &f);
    }
    if (e)
        snprintf(to, TREE_NAME_BYTES, "%stree %lu", prefix, (unsigned long)number);
    tree_cursor_fini(&c);
    wait_release(p, &w);
    primary_read_blocking(p, false);
    failure_clear(&f);
    return to;
}
