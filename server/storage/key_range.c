/* key_range.c - ranges as clients give them become bounds in encoded bytes.
 *
 * Every bound is the encoding of some leading parts, and stands for all keys that
 * begin so (a whole key begins with itself only). `from` is that encoding, or its
 * successor to leave those keys out; `to` the same the other way round. */
#include "server/storage/key_internal.h"

#include "server/base/assert.h"

enum range_name {
    RANGE_GT,
    RANGE_GTE,
    RANGE_LT,
    RANGE_LTE,
    RANGE_EQ,
    RANGE_PREFIX,
    RANGE_STARTS,
    RANGE_NAME_COUNT,
};

static const char *const range_names[RANGE_NAME_COUNT] = {
    [RANGE_GT] = "gt",         [RANGE_GTE] = "gte", [RANGE_LT] = "lt",
    [RANGE_LTE] = "lte",       [RANGE_EQ] = "eq",   [RANGE_PREFIX] = "prefix",
    [RANGE_STARTS] = "starts",
};

/* The range as a map, taken apart. */
struct range_bounds {
    struct msgpack_cursor at[RANGE_NAME_COUNT]; /* the value; at NULL: not given */
    unsigned count;                             /* how many are given */
};

static bool is_given(const struct range_bounds *b, enum range_name name)
{
    ASSERT(name < RANGE_NAME_COUNT);
    return b->at[name].at != NULL;
}

static enum err range_refuse(const char **why, const char *text)
{
    ASSERT(text);
    *why = text;
    return ERR_BAD_REQUEST;
}

static enum range_name name_find(struct slice name)
{
    enum range_name i = 0;

    while (i < RANGE_NAME_COUNT && !slice_equal(name, slice_text(range_names[i])))
        i++;
    ASSERT(i <= RANGE_NAME_COUNT);
    return i;
}

/* Take the map apart; what the values are is seen later. */
static enum err bounds_read(struct msgpack_cursor *c, struct range_bounds *b, const char **why)
{
    uint32_t pairs;

    if (msgpack_read_map(c, &pairs))
        return range_refuse(why, "expected nil or a map");
    while (pairs-- > 0) {
        struct slice text;
        enum range_name name = RANGE_NAME_COUNT;

        if (!msgpack_read_text(c, &text))
            name = name_find(text);
        if (name == RANGE_NAME_COUNT)
            return range_refuse(why, "unknown field; a range takes " KEY_RANGE_FIELDS);
        if (is_given(b, name))
            return range_refuse(why, "a field is given twice");
        b->at[name] = *c;
        b->count++;
        ASSERT(b->count <= RANGE_NAME_COUNT);
        if (msgpack_skip(c, MSGPACK_DEPTH_MAX, NULL))
            return range_refuse(why, "invalid MessagePack");
    }
    if (!msgpack_at_end(c))
        return range_refuse(why, "invalid MessagePack");
    return ERR_OK;
}

struct slice key_range_unknown(struct slice range)
{
    struct msgpack_cursor c = msgpack_open(range);
    struct slice name = SLICE_NONE;
    uint32_t pairs;

    ASSERT(!slice_is_none(range));
    if (msgpack_read_map(&c, &pairs))
        return SLICE_NONE;
    while (pairs-- > 0) {
        if (msgpack_read_text(&c, &name))
            return SLICE_NONE;
        if (name_find(name) == RANGE_NAME_COUNT)
            return name;
        if (msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL))
            return SLICE_NONE;
    }
    return SLICE_NONE;
}

static enum err bounds_check(const struct range_bounds *b, const char **why)
{
    bool alone =
        is_given(b, RANGE_EQ) || is_given(b, RANGE_PREFIX) || is_given(b, RANGE_STARTS);

    ASSERT(b->count <= RANGE_NAME_COUNT);
    if (alone && b->count > 1)
        return range_refuse(why, "eq, prefix and starts cannot be combined with other fields");
    if (is_given(b, RANGE_GT) && is_given(b, RANGE_GTE))
        return range_refuse(why, "gt and gte cannot be combined");
    if (is_given(b, RANGE_LT) && is_given(b, RANGE_LTE))
        return range_refuse(why, "lt and lte cannot be combined");
    return ERR_OK;
}

/* Encode the bound at c: for a key of one part a value, else an array of up to as many
 * parts as the key has. With starts, the last one is a beginning: its end is left off. */
static enum err bound_encode(const struct key_spec *spec, struct msgpack_cursor c,
                             bool is_starts, uint8_t *to, size_t *size, const char **why)
{
    struct key_writer w = {to, to + KEY_BYTES_MAX};
    enum msgpack_type type = MSGPACK_NIL;
    uint32_t count = 1;
    enum err e = ERR_OK;

    ASSERT(spec->part_count > 0 && spec->part_count <= KEY_PARTS_MAX);
    *why = NULL;
    if (spec->part_count > 1 && msgpack_read_array(&c, &count))
        *why = "in a range, a key of several parts is an array of its leading parts";
    else if (count > spec->part_count)
        *why = "the range has more parts than the key";
    else if (is_starts && count == 0)
        *why = "starts needs at least one part";
    if (*why)
        return ERR_BAD_KEY;
    for (uint32_t i = 0; i < count && !e; i++) {
        msgpack_peek(&c, &type);
        e = key_part_encode(&c, spec->parts[i].descending, &w, why);
    }
    if (e)
        return e;
    *size = (size_t)(w.at - to);
    ASSERT(*size <= KEY_BYTES_MAX);
    if (is_starts) {
        if (type != MSGPACK_TEXT && type != MSGPACK_BINARY) {
            *why = "the last part of starts must be a text or binary";
            return ERR_BAD_KEY;
        }
        ASSERT(*size >= KEY_BYTES_END_SIZE);
        *size -= KEY_BYTES_END_SIZE;
    }
    return ERR_OK;
}

/* eq, prefix, starts: all keys that begin so. */
static enum err beginning_read(const struct key_spec *spec, const struct range_bounds *b,
                               struct key_range *out, const char **why)
{
    enum range_name name = is_given(b, RANGE_EQ)       ? RANGE_EQ
                           : is_given(b, RANGE_PREFIX) ? RANGE_PREFIX
                                                       : RANGE_STARTS;
    enum err e;

    ASSERT(b->count == 1);
    e = bound_encode(spec, b->at[name], name == RANGE_STARTS, out->from, &out->from_size, why);
    if (e)
        return e;
    memcpy(out->to, out->from, out->from_size);
    out->to_size = out->from_size;
    if (!key_successor(out->to, &out->to_size))
        out->to_size = 0; /* no parts: all keys begin so */
    ASSERT(out->to_size <= out->from_size);
    return ERR_OK;
}

static enum err from_read(const struct key_spec *spec, const struct range_bounds *b,
                          struct key_range *out, const char **why)
{
    enum range_name name = is_given(b, RANGE_GT) ? RANGE_GT : RANGE_GTE;
    enum err e;

    if (!is_given(b, name))
        return ERR_OK;
    e = bound_encode(spec, b->at[name], false, out->from, &out->from_size, why);
    if (!e && name == RANGE_GT && !key_successor(out->from, &out->from_size))
        out->empty = true; /* no parts: all keys are left out */
    ASSERT(out->from_size <= KEY_BYTES_MAX);
    return e;
}

static enum err to_read(const struct key_spec *spec, const struct range_bounds *b,
                        struct key_range *out, const char **why)
{
    enum range_name name = is_given(b, RANGE_LT) ? RANGE_LT : RANGE_LTE;
    enum err e;

    if (!is_given(b, name))
        return ERR_OK;
    e = bound_encode(spec, b->at[name], false, out->to, &out->to_size, why);
    if (e)
        return e;
    if (out->to_size == 0) {
        out->empty = name == RANGE_LT || out->empty; /* no parts: before them is nothing */
    } else if (name == RANGE_LTE) {
        bool there_is = key_successor(out->to, &out->to_size);

        ASSERT(there_is); /* no tag, nor its complement, is 0xff */
    }
    ASSERT(out->to_size <= KEY_BYTES_MAX);
    return ERR_OK;
}

enum err key_range_read(const struct key_spec *spec, struct slice range, struct key_range *out,
                        const char **why)
{
    struct msgpack_cursor c = msgpack_open(range);
    struct range_bounds b = {.count = 0};
    const char *reason = NULL;
    enum err e;

    out->from_size = out->to_size = 0;
    out->empty = false;
    if (range.size == 0 || (range.size == 1 && *range.data == 0xc0))
        return ERR_OK;
    e = bounds_read(&c, &b, &reason);
    if (!e)
        e = bounds_check(&b, &reason);
    if (e)
        goto done;
    if (is_given(&b, RANGE_EQ) || is_given(&b, RANGE_PREFIX) || is_given(&b, RANGE_STARTS)) {
        e = beginning_read(spec, &b, out, &reason);
    } else {
        e = from_read(spec, &b, out, &reason);
        if (!e)
            e = to_read(spec, &b, out, &reason);
    }
    if (!e && out->to_size > 0 &&
        slice_compare(slice_make(out->from, out->from_size),
                      slice_make(out->to, out->to_size)) >= 0)
        out->empty = true;
done:
    if (e && why)
        *why = reason;
    return e;
}
