/* datum.c - reading, writing, making and telling apart. datum_number.c has arithmetic,
 * datum_text.c what is done with texts, datum_order.c order and hashes, datum_cast.c casts. */
#include "server/query/datum_internal.h"

#include "server/base/assert.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define FLOAT_32_TAG 0xca
#define FLOAT_32_BYTES 5

enum datum_fault datum_refuse(struct datum_memory *m, enum datum_fault fault,
                              const char *format, ...)
{
    va_list list;

    ASSERT(fault != DATUM_OK);
    va_start(list, format);
    vsnprintf(m->why, sizeof m->why, format, list);
    va_end(list);
    return fault;
}

void *datum_alloc(struct datum_memory *m, size_t size, enum datum_fault *fault)
{
    void *memory;

    if (size > m->bytes_max || m->arena->bytes > m->bytes_max - size) {
        *fault = datum_refuse(m, DATUM_LIMIT, "the query needs more than %llu bytes of memory",
                              (unsigned long long)m->bytes_max);
        return NULL;
    }
    memory = arena_alloc(m->arena, size);
    *fault = memory ? DATUM_OK : datum_refuse(m, DATUM_NOMEM, "out of memory");
    return memory;
}

/* ---- from bytes ---- */

static struct datum read_extension(const struct msgpack_token *t, struct slice value)
{
    struct datum d = {.type = DATUM_EXTENSION, .bytes = value};
    int64_t seconds;
    uint32_t nanoseconds;

    if (t->ext_type == -1 && !msgpack_token_timestamp(t, &seconds, &nanoseconds))
        return datum_timestamp(seconds, nanoseconds);
    return d;
}

/* Any value but those that datum_read takes in place. */
struct datum datum_read_wide(struct slice value)
{
    struct msgpack_cursor c = msgpack_open(value);
    struct msgpack_token t;
    struct datum d = {.type = DATUM_MISSING};

    if (slice_is_none(value) || msgpack_read(&c, &t))
        return d;
    switch (t.type) {
    case MSGPACK_NIL: return datum_null();
    case MSGPACK_FALSE:
    case MSGPACK_TRUE: return datum_boolean(t.type == MSGPACK_TRUE);
    case MSGPACK_UINT: return datum_unsigned(t.uint);
    case MSGPACK_INT: return datum_integer(t.integer);
    case MSGPACK_FLOAT:
        d = datum_double(t.real);
        d.single = *value.data == FLOAT_32_TAG;
        return d;
    case MSGPACK_TEXT: return datum_text(t.bytes);
    case MSGPACK_BINARY:
        d.type = DATUM_BINARY;
        d.bytes = t.bytes;
        return d;
    case MSGPACK_ARRAY: d.type = DATUM_ARRAY; break;
    case MSGPACK_MAP: d.type = DATUM_MAP; break;
    case MSGPACK_EXT: return read_extension(&t, value);
    }
    d.bytes = value;
    return d;
}

struct datum datum_read(struct slice value)
{
    struct datum d;

    datum_read_to(value, &d);
    return d;
}

struct datum datum_field(const struct datum *map, struct slice name)
{
    const struct path_step step = {.name = name.data ? name : slice_make("", 0)};
    const struct value_path path = {&step, 1};

    return map->type == DATUM_MAP ? datum_at_path(&path, map->bytes)
                                  : (struct datum){.type = DATUM_MISSING};
}

struct datum datum_element(const struct datum *array, int64_t place)
{
    const struct path_step step = {.place = (uint32_t)place};
    const struct value_path path = {&step, 1};

    if (array->type != DATUM_ARRAY || place < 0 || place > UINT32_MAX)
        return (struct datum){.type = DATUM_MISSING};
    return datum_at_path(&path, array->bytes);
}

/* ---- to bytes ---- */

static size_t head_size(size_t size, bool is_binary)
{
    if (!is_binary && size < 32)
        return 1;
    return size < 256 ? 2 : size < 65536 ? 3 : 5;
}

size_t datum_size(const struct datum *d)
{
    uint8_t head[MSGPACK_HEAD_MAX + 6]; /* a timestamp has 15 bytes */

    static_assert(sizeof head >= 15, "the longest timestamp");
    switch ((enum datum_type)d->type) {
    case DATUM_TEXT:
    case DATUM_BINARY: return head_size(d->bytes.size, d->type == DATUM_BINARY) + d->bytes.size;
    case DATUM_ARRAY:
    case DATUM_MAP:
    case DATUM_EXTENSION: return d->bytes.size;
    default: return datum_write(d, head);
    }
}

static size_t write_double(const struct datum *d, uint8_t *to)
{
    float single = (float)d->real;
    uint32_t bits;

    if (!d->single)
        return msgpack_put_double(to, d->real);
    memcpy(&bits, &single, sizeof bits);
    to[0] = FLOAT_32_TAG;
    for (unsigned i = 0; i < 4; i++)
        to[1 + i] = (uint8_t)(bits >> (24 - 8 * i));
    return FLOAT_32_BYTES;
}

size_t datum_write(const struct datum *d, uint8_t *to)
{
    switch ((enum datum_type)d->type) {
    case DATUM_MISSING:
    case DATUM_NULL: return msgpack_put_nil(to);
    case DATUM_BOOLEAN: return msgpack_put_bool(to, d->boolean);
    case DATUM_INTEGER: return msgpack_put_int(to, d->integer);
    case DATUM_UNSIGNED: return msgpack_put_uint(to, d->uint);
    case DATUM_DOUBLE: return write_double(d, to);
    case DATUM_TIMESTAMP: return msgpack_put_timestamp(to, d->seconds, d->nanoseconds);
    case DATUM_TEXT: return msgpack_put_text(to, d->bytes);
    case DATUM_BINARY: return msgpack_put_binary(to, d->bytes);
    case DATUM_ARRAY:
    case DATUM_MAP:
    case DATUM_EXTENSION: break;
    }
    memcpy(to, d->bytes.data, d->bytes.size);
    return d->bytes.size;
}

/* ---- walks ---- */

static struct datum_walk walk_open(const struct datum *d, enum datum_type type)
{
    struct datum_walk w = {{NULL, NULL}, 0};
    struct msgpack_token t;

    if (d->type != type)
        return w;
    w.c = msgpack_open(d->bytes);
    if (!msgpack_read(&w.c, &t))
        w.left = t.count;
    return w;
}

struct datum_walk datum_elements(const struct datum *array)
{
    return walk_open(array, DATUM_ARRAY);
}

struct datum_walk datum_fields(const struct datum *map)
{
    return walk_open(map, DATUM_MAP);
}

bool datum_next_element(struct datum_walk *w, struct datum *out)
{
    struct slice value;

    if (!w->left || msgpack_skip(&w->c, MSGPACK_DEPTH_MAX, &value))
        return false;
    w->left--;
    *out = datum_read(value);
    return true;
}

bool datum_next_field(struct datum_walk *w, struct datum *name, struct datum *out)
{
    struct slice key, value;

    if (!w->left || msgpack_skip(&w->c, MSGPACK_DEPTH_MAX, &key) ||
        msgpack_skip(&w->c, MSGPACK_DEPTH_MAX, &value))
        return false;
    w->left--;
    *name = datum_read(key);
    *out = datum_read(value);
    return true;
}

/* ---- makers ---- */

enum datum_fault datum_made(struct datum_memory *m, enum datum_type type, struct slice bytes,
                            struct datum *out)
{
    struct msgpack_cursor c = msgpack_open(bytes);

    if (msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL))
        return datum_refuse(m, DATUM_LIMIT, "the value is nested more than %u levels deep",
                            MSGPACK_DEPTH_MAX);
    *out = (struct datum){.type = (uint8_t)type, .bytes = bytes};
    return DATUM_OK;
}

enum datum_fault datum_make_array(struct datum_memory *m, const struct datum *items,
                                  uint32_t count, struct datum *out)
{
    size_t room = MSGPACK_HEAD_MAX, size;
    enum datum_fault fault;
    uint8_t *to;

    for (uint32_t i = 0; i < count; i++)
        room += datum_size(&items[i]);
    to = datum_alloc(m, room, &fault);
    if (!to)
        return fault;
    size = msgpack_put_array_head(to, count);
    for (uint32_t i = 0; i < count; i++)
        size += datum_write(&items[i], to + size);
    ASSERT(size <= room);
    return datum_made(m, DATUM_ARRAY, slice_make(to, size), out);
}

/* Whether the field is in the map: it has a value, and no later one has its name. */
static bool field_counts(const struct slice *names, const struct datum *values, uint32_t count,
                         uint32_t i)
{
    if (datum_is_missing(&values[i]))
        return false;
    for (uint32_t n = i + 1; n < count; n++) {
        if (!datum_is_missing(&values[n]) && slice_equal(names[n], names[i]))
            return false;
    }
    return true;
}

enum datum_fault datum_make_map(struct datum_memory *m, const struct slice *names,
                                const struct datum *values, uint32_t count, struct datum *out)
{
    size_t room = MSGPACK_HEAD_MAX, size;
    enum datum_fault fault;
    uint32_t fields = 0;
    uint8_t *to;

    for (uint32_t i = 0; i < count; i++) {
        room += MSGPACK_HEAD_MAX + names[i].size + datum_size(&values[i]);
        fields += field_counts(names, values, count, i);
    }
    to = datum_alloc(m, room, &fault);
    if (!to)
        return fault;
    size = msgpack_put_map_head(to, fields);
    for (uint32_t i = 0; i < count; i++) {
        if (!field_counts(names, values, count, i))
            continue;
        size += msgpack_put_text(to + size, names[i]);
        size += datum_write(&values[i], to + size);
    }
    ASSERT(size <= room);
    return datum_made(m, DATUM_MAP, slice_make(to, size), out);
}

enum datum_fault datum_copy(struct datum_memory *m, const struct datum *d, struct datum *out)
{
    enum datum_fault fault;
    uint8_t *to;

    *out = *d;
    if (d->type < DATUM_TEXT)
        return DATUM_OK;
    to = datum_alloc(m, d->bytes.size + !d->bytes.size, &fault);
    if (!to)
        return fault;
    if (d->bytes.size)
        memcpy(to, d->bytes.data, d->bytes.size);
    out->bytes = slice_make(to, d->bytes.size);
    return DATUM_OK;
}

/* ---- what it is ---- */

const char *datum_type_name(const struct datum *d)
{
    static const char *const names[] = {
        [DATUM_MISSING] = "missing",
        [DATUM_NULL] = "null",
        [DATUM_BOOLEAN] = "boolean",
        [DATUM_INTEGER] = "integer",
        [DATUM_UNSIGNED] = "integer",
        [DATUM_DOUBLE] = "double",
        [DATUM_TIMESTAMP] = "timestamp",
        [DATUM_TEXT] = "text",
        [DATUM_BINARY] = "binary",
        [DATUM_ARRAY] = "array",
        [DATUM_MAP] = "map",
        [DATUM_EXTENSION] = "extension",
    };

    ASSERT(d->type < sizeof names / sizeof names[0]);
    return names[d->type];
}

enum datum_fault datum_truth_of(struct datum_memory *m, const struct datum *d,
                                enum datum_truth *out)
{
    if (datum_is_null(d))
        *out = DATUM_IS_UNKNOWN;
    else if (d->type == DATUM_BOOLEAN)
        *out = d->boolean ? DATUM_IS_TRUE : DATUM_IS_FALSE;
    else
        return datum_refuse(m, DATUM_WRONG_TYPE,
                            "expected a condition (true, false or null), got %s",
                            datum_type_name(d));
    return DATUM_OK;
}
