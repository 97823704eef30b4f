/* values_model.c - what is equal, what is before what: plainly written, over the
 * objects of msgpack-c. */
#include "values.h"

#include <math.h>

static uint64_t double_bits(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static bool is_float(const msgpack_object *o)
{
    return o->type == MSGPACK_OBJECT_FLOAT32 || o->type == MSGPACK_OBJECT_FLOAT64;
}

bool object_equal(const msgpack_object *a, const msgpack_object *b)
{
    if (is_float(a) && is_float(b))
        return double_bits(a->via.f64) == double_bits(b->via.f64);
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case MSGPACK_OBJECT_NIL: return true;
    case MSGPACK_OBJECT_BOOLEAN: return a->via.boolean == b->via.boolean;
    case MSGPACK_OBJECT_POSITIVE_INTEGER: return a->via.u64 == b->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: return a->via.i64 == b->via.i64;
    case MSGPACK_OBJECT_STR:
        return slice_equal(slice_make(a->via.str.ptr, a->via.str.size),
                           slice_make(b->via.str.ptr, b->via.str.size));
    case MSGPACK_OBJECT_BIN:
        return slice_equal(slice_make(a->via.bin.ptr, a->via.bin.size),
                           slice_make(b->via.bin.ptr, b->via.bin.size));
    case MSGPACK_OBJECT_EXT:
        return a->via.ext.type == b->via.ext.type &&
               slice_equal(slice_make(a->via.ext.ptr, a->via.ext.size),
                           slice_make(b->via.ext.ptr, b->via.ext.size));
    case MSGPACK_OBJECT_ARRAY:
        if (a->via.array.size != b->via.array.size)
            return false;
        for (uint32_t i = 0; i < a->via.array.size; i++)
            if (!object_equal(&a->via.array.ptr[i], &b->via.array.ptr[i]))
                return false;
        return true;
    case MSGPACK_OBJECT_MAP:
        if (a->via.map.size != b->via.map.size)
            return false;
        for (uint32_t i = 0; i < a->via.map.size; i++)
            if (!object_equal(&a->via.map.ptr[i].key, &b->via.map.ptr[i].key) ||
                !object_equal(&a->via.map.ptr[i].val, &b->via.map.ptr[i].val))
                return false;
        return true;
    default: return false;
    }
}

/* Whether some value in it (itself too) is as judge says. */
static bool object_any(const msgpack_object *o, bool (*judge)(const msgpack_object *o))
{
    if (judge(o))
        return true;
    if (o->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < o->via.array.size; i++)
            if (object_any(&o->via.array.ptr[i], judge))
                return true;
    } else if (o->type == MSGPACK_OBJECT_MAP) {
        for (uint32_t i = 0; i < o->via.map.size; i++)
            if (object_any(&o->via.map.ptr[i].key, judge) ||
                object_any(&o->via.map.ptr[i].val, judge))
                return true;
    }
    return false;
}

static bool map_has_double_key(const msgpack_object *o)
{
    if (o->type != MSGPACK_OBJECT_MAP)
        return false;
    for (uint32_t i = 0; i < o->via.map.size; i++)
        for (uint32_t j = 0; j < i; j++)
            if (object_equal(&o->via.map.ptr[i].key, &o->via.map.ptr[j].key))
                return true;
    return false;
}

bool object_has_double_key(const msgpack_object *o)
{
    return object_any(o, map_has_double_key);
}

/* By code points: decode, then ask whether it was the shortest form of a legal one. */
static bool is_bad_text(const msgpack_object *o)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *p;
    size_t left;

    if (o->type != MSGPACK_OBJECT_STR)
        return false;
    p = (const uint8_t *)o->via.str.ptr;
    left = o->via.str.size;
    while (left > 0) {
        unsigned size = *p < 0x80 ? 1 : *p < 0xc0 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
        uint32_t code = size == 1 ? *p : *p & (0x7fu >> size);

        if (size == 0 || size > left || *p >= 0xf8)
            return true;
        for (unsigned i = 1; i < size; i++) {
            if (p[i] < 0x80 || p[i] >= 0xc0)
                return true;
            code = code << 6 | (p[i] & 0x3f);
        }
        if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return true;
        p += size;
        left -= size;
    }
    return false;
}

bool object_is_utf8(const msgpack_object *o)
{
    return !object_any(o, is_bad_text);
}

static bool timestamp_of(const msgpack_object *o, msgpack_timestamp *t)
{
    return msgpack_object_to_timestamp(o, t) && t->tv_nsec < 1000000000;
}

static bool is_no_key(const msgpack_object *o)
{
    msgpack_timestamp t;

    if (o->type == MSGPACK_OBJECT_EXT)
        return !timestamp_of(o, &t);
    return o->type == MSGPACK_OBJECT_MAP || (is_float(o) && isnan(o->via.f64)) ||
           is_bad_text(o);
}

bool object_is_key(const msgpack_object *o)
{
    return !object_any(o, is_no_key);
}

static int type_rank(const msgpack_object *o)
{
    switch (o->type) {
    case MSGPACK_OBJECT_NIL: return 0;
    case MSGPACK_OBJECT_BOOLEAN: return o->via.boolean ? 2 : 1;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: return 3;
    case MSGPACK_OBJECT_EXT: return 4;
    case MSGPACK_OBJECT_STR: return 5;
    case MSGPACK_OBJECT_BIN: return 6;
    default: return 7;
    }
}

/* 64 bits of mantissa hold every integer and every double of ours exactly. */
static long double number_of(const msgpack_object *o)
{
    if (is_float(o))
        return (long double)o->via.f64;
    if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return (long double)o->via.i64;
    return (long double)o->via.u64;
}

static int timestamp_order(const msgpack_object *a, const msgpack_object *b)
{
    msgpack_timestamp t = {0, 0};
    msgpack_timestamp u = {0, 0};

    timestamp_of(a, &t);
    timestamp_of(b, &u);
    if (t.tv_sec != u.tv_sec)
        return t.tv_sec < u.tv_sec ? -1 : 1;
    return (t.tv_nsec > u.tv_nsec) - (t.tv_nsec < u.tv_nsec);
}

static int array_order(const msgpack_object_array *a, const msgpack_object_array *b)
{
    for (uint32_t i = 0; i < a->size && i < b->size; i++) {
        int order = object_key_order(&a->ptr[i], &b->ptr[i]);

        if (order)
            return order;
    }
    return (a->size > b->size) - (a->size < b->size);
}

int object_key_order(const msgpack_object *a, const msgpack_object *b)
{
    int rank = type_rank(a);
    int order = rank - type_rank(b);

    if (order)
        return order;
    switch (rank) {
    case 3: {
        long double x = number_of(a);
        long double y = number_of(b);

        return (x > y) - (x < y);
    }
    case 4: return timestamp_order(a, b);
    case 5:
        return slice_compare(slice_make(a->via.str.ptr, a->via.str.size),
                             slice_make(b->via.str.ptr, b->via.str.size));
    case 6:
        return slice_compare(slice_make(a->via.bin.ptr, a->via.bin.size),
                             slice_make(b->via.bin.ptr, b->via.bin.size));
    case 7: return array_order(&a->via.array, &b->via.array);
    default: return 0;
    }
}
