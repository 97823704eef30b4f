#include "server/txn/catalogue_row.h"

#include "server/base/assert.h"
#include "proto/msgpack.h"
#include "server/storage/key.h"

#define ROW_HEAD_BYTES_MAX 96 /* all but the key */

size_t catalogue_row_key(struct slice name, uint8_t *to)
{
    uint8_t text[STORE_NAME_BYTES_MAX + MSGPACK_HEAD_MAX];
    size_t put = 0;

    if (name.size > STORE_NAME_BYTES_MAX)
        name.size = STORE_NAME_BYTES_MAX; /* no store can have it */
    key_encode_value(slice_make(text, msgpack_put_text(text, name)), false, to, KEY_BYTES_MAX,
                     &put);
    ASSERT(put > 0 && put <= KEY_BYTES_MAX);
    return put;
}

enum err catalogue_row_name(struct slice key, uint8_t *room, struct slice *name)
{
    static const struct key_spec explicit_key = {.is_explicit = true, .part_count = 1};
    struct msgpack_cursor c;
    size_t size;

    if (key_decode(&explicit_key, key, room, KEY_PLAIN_BYTES_MAX, &size) != ERR_OK)
        return ERR_CORRUPT;
    c = msgpack_open(slice_make(room, size));
    return msgpack_read_text(&c, name) == ERR_OK && name->size <= STORE_NAME_BYTES_MAX
               ? ERR_OK
               : ERR_CORRUPT;
}

static size_t put_number_field(uint8_t *at, const char *name, uint64_t n)
{
    size_t size = msgpack_put_text(at, slice_text(name));

    return size + msgpack_put_uint(at + size, n);
}

static size_t put_flag_field(uint8_t *at, const char *name)
{
    size_t size = msgpack_put_text(at, slice_text(name));

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
    return e;
}
