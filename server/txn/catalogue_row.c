#include "server/txn/catalogue_row.h"

#include "server/base/assert.h"
#include "proto/msgpack.h"
#include "server/storage/key.h"
#include "server/txn/database.h"

#define ROW_HEAD_BYTES_MAX 96 /* all but the key */

/* The stores of "main" have their names as keys, as all stores had before there were other
 * databases; those of another one an array of both names, which stands behind all texts. */
static bool row_is_of_main(struct row_name of)
{
    ASSERT(of.database.data || !of.database.size);
    return !slice_is_none(of.name) && slice_equal(of.database, slice_text(DATABASE_MAIN));
}

size_t catalogue_row_key(struct row_name of, uint8_t *to)
{
    uint8_t plain[MSGPACK_HEAD_MAX * 3 + DATABASE_NAME_BYTES_MAX + STORE_NAME_BYTES_MAX];
    size_t size = 0, put = 0;

    ASSERT(of.database.size <= DATABASE_NAME_BYTES_MAX);
    if (of.name.size > STORE_NAME_BYTES_MAX)
        of.name.size = STORE_NAME_BYTES_MAX; /* no store can have it */
    if (!row_is_of_main(of)) {
        size = msgpack_put_array_head(plain, slice_is_none(of.name) ? 1 : 2);
        size += msgpack_put_text(plain + size, of.database);
    }
    if (!slice_is_none(of.name))
        size += msgpack_put_text(plain + size, of.name);
    key_encode_value(slice_make(plain, size), false, to, KEY_BYTES_MAX, &put);
    ASSERT(put > 0 && put <= KEY_BYTES_MAX);
    return put;
}

size_t catalogue_rows_begin(struct slice database, uint8_t *to)
{
    struct row_name of = {database, slice_text("")};
    size_t size = catalogue_row_key(of, to);

    /* without the end of the empty name (00 01), and that of the array (00): what is left ends
     * with the tag of a text, with which all names begin */
    size -= row_is_of_main(of) ? 2 : 3;
    ASSERT(size > 0 && size < KEY_BYTES_MAX);
    return size;
}

static enum err read_name(struct msgpack_cursor *c, size_t max, struct slice *name)
{
    enum err e = msgpack_read_text(c, name);

    ASSERT(c->at <= c->end && max > 0);
    return !e && name->size > max ? ERR_CORRUPT : e;
}

enum err catalogue_row_name(struct slice key, uint8_t *room, struct row_name *of)
{
    static const struct key_spec explicit_key = {.is_explicit = true, .part_count = 1};
    struct msgpack_cursor c;
    enum msgpack_type type;
    uint32_t count = 0;
    size_t size;
    enum err e;

    *of = (struct row_name){slice_text(DATABASE_MAIN), SLICE_NONE};
    if (key_decode(&explicit_key, key, room, KEY_PLAIN_BYTES_MAX, &size) != ERR_OK)
        return ERR_CORRUPT;
    c = msgpack_open(slice_make(room, size));
    if (msgpack_peek(&c, &type) != ERR_OK)
        return ERR_CORRUPT;
    if (type != MSGPACK_ARRAY)
        return read_name(&c, STORE_NAME_BYTES_MAX, &of->name) ? ERR_CORRUPT : ERR_OK;
    e = msgpack_read_array(&c, &count);
    if (!e && count != 1 && count != 2)
        e = ERR_CORRUPT;
    if (!e)
        e = read_name(&c, DATABASE_NAME_BYTES_MAX, &of->database);
    if (!e && count == 2)
        e = read_name(&c, STORE_NAME_BYTES_MAX, &of->name);
    ASSERT(e || of->database.size <= DATABASE_NAME_BYTES_MAX);
    return e ? ERR_CORRUPT : ERR_OK;
}

static size_t put_number_field(uint8_t *at, const char *name, uint64_t n)
{
    size_t size = msgpack_put_text(at, slice_text(name));

    ASSERT(size > 1);
    return size + msgpack_put_uint(at + size, n);
}

static size_t put_flag_field(uint8_t *at, const char *name)
{
    size_t size = msgpack_put_text(at, slice_text(name));

    ASSERT(size > 1);
    return size + msgpack_put_bool(at + size, true);
}

size_t catalogue_row_write(const struct definition *d, uint8_t *to, size_t room)
{
    bool has_indexes = !slice_is_none(d->indexes);
    unsigned fields =
        2u + d->generate + d->last_writer_wins + (d->used > 0) + (d->follows > 0) + has_indexes;
    uint8_t *at = to;

    ASSERT(d->number <= CATALOGUE_NUMBER_MAX && d->key.size > 0);
    if (room < ROW_HEAD_BYTES_MAX + d->key.size + d->indexes.size)
        return 0;
    at += msgpack_put_map_head(at, fields);
    at += put_number_field(at, "number", d->number);
    if (d->generate)
        at += put_flag_field(at, "generate");
    if (d->last_writer_wins)
        at += put_flag_field(at, "last");
    if (d->used)
        at += put_number_field(at, "used", d->used);
    if (d->follows)
        at += put_number_field(at, "follows", d->follows);
    if (has_indexes) {
        at += msgpack_put_text(at, slice_text("indexes"));
        memcpy(at, d->indexes.data, d->indexes.size);
        at += d->indexes.size;
    }
    at += msgpack_put_text(at, slice_text("key"));
    memcpy(at, d->key.data, d->key.size);
    return (size_t)(at - to) + d->key.size;
}

static enum err read_number(struct msgpack_cursor *c, uint32_t *out)
{
    uint64_t n;
    enum err e = msgpack_read_uint(c, &n);

    ASSERT(c->at <= c->end);
    if (!e && n > CATALOGUE_NUMBER_MAX)
        e = ERR_BAD_REQUEST;
    *out = e ? 0 : (uint32_t)n;
    return e;
}

static enum err read_field(struct definition *d, struct msgpack_cursor *c)
{
    struct slice name;
    enum err e = msgpack_read_text(c, &name);

    ASSERT(c->at <= c->end);
    if (e)
        return e;
    if (slice_equal(name, slice_text("number")))
        return read_number(c, &d->number);
    if (slice_equal(name, slice_text("generate")))
        return msgpack_read_bool(c, &d->generate);
    if (slice_equal(name, slice_text("last")))
        return msgpack_read_bool(c, &d->last_writer_wins);
    if (slice_equal(name, slice_text("used")))
        return msgpack_read_uint(c, &d->used);
    if (slice_equal(name, slice_text("follows")))
        return read_number(c, &d->follows);
    if (slice_equal(name, slice_text("key")))
        return msgpack_skip(c, MSGPACK_DEPTH_MAX, &d->key);
    if (slice_equal(name, slice_text("indexes")))
        return msgpack_skip(c, MSGPACK_DEPTH_MAX, &d->indexes);
    return ERR_BAD_REQUEST;
}

enum err catalogue_row_read(struct slice row, struct definition *out)
{
    struct msgpack_cursor c = msgpack_open(row);
    uint32_t pairs;
    enum err e = msgpack_read_map(&c, &pairs);

    memset(out, 0, sizeof *out);
    while (!e && pairs-- > 0)
        e = read_field(out, &c);
    if (!e && (!msgpack_at_end(&c) || !out->number || slice_is_none(out->key)))
        e = ERR_BAD_REQUEST;
    ASSERT(e || out->number <= CATALOGUE_NUMBER_MAX);
    return e;
}

size_t database_row_write(uint64_t version, uint8_t *to)
{
    size_t size = msgpack_put_map_head(to, 1);

    size += put_number_field(to + size, "version", version);
    ASSERT(size <= DATABASE_ROW_BYTES_MAX);
    return size;
}

enum err database_row_read(struct slice row, uint64_t *version)
{
    struct msgpack_cursor c = msgpack_open(row);
    struct slice name;
    uint32_t pairs;
    enum err e = msgpack_read_map(&c, &pairs);

    *version = 0;
    if (!e && pairs != 1)
        e = ERR_BAD_REQUEST;
    if (!e)
        e = msgpack_read_text(&c, &name);
    if (!e && !slice_equal(name, slice_text("version")))
        e = ERR_BAD_REQUEST;
    if (!e)
        e = msgpack_read_uint(&c, version);
    return !e && !msgpack_at_end(&c) ? ERR_BAD_REQUEST : e;
}
