#include "server/query/aggregate.h"

#include "server/base/assert.h"
#include "server/query/datum_internal.h"

#include <math.h>

#define CHUNK_BYTES_FIRST 256u
#define CHUNK_BYTES_MAX (64u << 10)
#define ROOM_FIRST 32u

/* A piece of what array_agg gathers. */
struct aggregate_chunk {
    struct aggregate_chunk *next;
    size_t used, size; /* of bytes */
    uint8_t bytes[];
};

static const struct {
    const char *name;
    enum aggregate_kind kind;
} kinds[] = {
    {"count", AGGREGATE_COUNT}, {"sum", AGGREGATE_SUM}, {"avg", AGGREGATE_AVG},
    {"min", AGGREGATE_MIN},     {"max", AGGREGATE_MAX}, {"array_agg", AGGREGATE_ARRAY_AGG},
};

enum aggregate_kind aggregate_named(struct slice name, bool is_star)
{
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (name.size != strlen(kinds[i].name) ||
            strncasecmp((const char *)name.data, kinds[i].name, name.size) != 0)
            continue;
        if (is_star)
            return kinds[i].kind == AGGREGATE_COUNT ? AGGREGATE_COUNT_ROWS : AGGREGATE_NONE;
        return kinds[i].kind;
    }
    return AGGREGATE_NONE;
}

enum datum_fault aggregate_init(struct datum_memory *m, struct aggregate *a,
                                enum aggregate_kind kind, bool is_distinct, uint64_t seed)
{
    enum datum_fault fault = DATUM_OK;

    ASSERT(kind != AGGREGATE_NONE);
    memset(a, 0, sizeof *a);
    a->kind = (uint8_t)kind;
    /* The least or greatest of equal values is the same one. */
    if (!is_distinct || kind == AGGREGATE_MIN || kind == AGGREGATE_MAX)
        return DATUM_OK;
    a->distinct = datum_alloc(m, sizeof *a->distinct, &fault);
    if (a->distinct)
        value_set_init(a->distinct, seed);
    return fault;
}

static __int128 whole_sum(const struct aggregate *a)
{
    return (__int128)((unsigned __int128)(uint64_t)a->whole_high << 64 | a->whole_low);
}

static enum datum_fault add_number(struct datum_memory *m, struct aggregate *a,
                                   const struct datum *d)
{
    enum datum_fault fault;
    __int128 sum;

    if (!datum_is_number(d))
        return datum_refuse(m, DATUM_WRONG_TYPE, "%s expects numbers, got %s",
                            a->kind == AGGREGATE_SUM ? "sum" : "avg", datum_type_name(d));
    if (d->type != DATUM_DOUBLE) {
        /* 2^64 values of 64 bits fit. */
        sum = whole_sum(a) + datum_whole(d);
        a->whole_low = (uint64_t)sum;
        a->whole_high = (int64_t)(sum >> 64);
        return DATUM_OK;
    }
    if (!a->reals) {
        a->reals = datum_alloc(m, sizeof *a->reals, &fault);
        if (!a->reals)
            return fault;
        exact_sum_init(a->reals);
    }
    exact_sum_add(a->reals, d->real);
    return DATUM_OK;
}

/* Keep d as the best; its bytes go where those of the last one were, if there is room. */
static enum datum_fault keep_best(struct datum_memory *m, struct aggregate *a,
                                  const struct datum *d)
{
    enum datum_fault fault;

    if (d->type >= DATUM_TEXT && d->bytes.size > a->room_size) {
        size_t size = a->room_size ? a->room_size : ROOM_FIRST;
        uint8_t *room;

        while (size < d->bytes.size)
            size *= 2;
        room = datum_alloc(m, size, &fault);
        if (!room)
            return fault;
        a->room = room;
        a->room_size = size;
    }
    a->best = *d;
    if (d->type >= DATUM_TEXT && d->bytes.size) {
        memcpy(a->room, d->bytes.data, d->bytes.size);
        a->best.bytes.data = a->room;
    }
    return DATUM_OK;
}

static enum datum_fault append(struct datum_memory *m, struct aggregate *a,
                               const struct datum *d)
{
    size_t size = datum_size(d);
    struct aggregate_chunk *chunk = a->last;
    enum datum_fault fault;

    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = chunk ? 2 * chunk->size : CHUNK_BYTES_FIRST;

        if (room > CHUNK_BYTES_MAX)
            room = CHUNK_BYTES_MAX;
        if (room < size)
            room = size;
        chunk = datum_alloc(m, sizeof *chunk + room, &fault);
        if (!chunk)
            return fault;
        *chunk = (struct aggregate_chunk){.size = room};
        if (a->last)
            a->last->next = chunk;
        else
            a->first = chunk;
        a->last = chunk;
    }
    chunk->used += datum_write(d, chunk->bytes + chunk->used);
    a->bytes += size;
    return DATUM_OK;
}

enum datum_fault aggregate_add(struct datum_memory *m, struct aggregate *a,
                               const struct datum *d)
{
    enum datum_fault fault = DATUM_OK;
    bool is_new = true;

    if (a->kind != AGGREGATE_COUNT_ROWS && a->kind != AGGREGATE_ARRAY_AGG && datum_is_null(d))
        return DATUM_OK;
    if (a->distinct)
        fault = value_set_add(m, a->distinct, d, &is_new);
    if (fault || !is_new)
        return fault;
    switch (a->kind) {
    case AGGREGATE_SUM:
    case AGGREGATE_AVG: fault = add_number(m, a, d); break;
    case AGGREGATE_MIN:
        if (!a->count || datum_compare(d, &a->best) < 0)
            fault = keep_best(m, a, d);
        break;
    case AGGREGATE_MAX:
        if (!a->count || datum_compare(d, &a->best) > 0)
            fault = keep_best(m, a, d);
        break;
    case AGGREGATE_ARRAY_AGG: fault = append(m, a, d); break;
    default: break;
    }
    a->count += !fault;
    return fault;
}

static enum datum_fault sum(struct datum_memory *m, const struct aggregate *a,
                            struct datum *out)
{
    struct exact_sum all;
    double result;

    ASSERT(a->kind == AGGREGATE_SUM || a->kind == AGGREGATE_AVG);
    if (a->kind == AGGREGATE_SUM && !a->reals)
        return datum_of_whole(m, whole_sum(a), out);
    if (a->reals)
        all = *a->reals;
    else
        exact_sum_init(&all);
    exact_sum_add_whole(&all, whole_sum(a));
    result = exact_sum_round(&all);
    if (isinf(result) && !all.has_plus && !all.has_minus)
        return datum_refuse(m, DATUM_OVERFLOW, "the sum is out of range for a double");
    *out = datum_double(a->kind == AGGREGATE_SUM ? result : result / (double)a->count);
    return DATUM_OK;
}

static enum datum_fault gather(struct datum_memory *m, const struct aggregate *a,
                               struct datum *out)
{
    enum datum_fault fault;
    uint8_t *to;
    size_t size;

    if (a->count > UINT32_MAX)
        return datum_refuse(m, DATUM_LIMIT, "array_agg has too many values");
    to = datum_alloc(m, MSGPACK_HEAD_MAX + a->bytes, &fault);
    if (!to)
        return fault;
    size = msgpack_put_array_head(to, (uint32_t)a->count);
    for (const struct aggregate_chunk *c = a->first; c; c = c->next) {
        memcpy(to + size, c->bytes, c->used);
        size += c->used;
    }
    return datum_made(m, DATUM_ARRAY, slice_make(to, size), out);
}

enum datum_fault aggregate_result(struct datum_memory *m, struct aggregate *a,
                                  struct datum *out)
{
    if (a->kind == AGGREGATE_COUNT || a->kind == AGGREGATE_COUNT_ROWS) {
        *out = datum_unsigned(a->count);
        return DATUM_OK;
    }
    *out = datum_null();
    if (!a->count)
        return DATUM_OK;
    switch (a->kind) {
    case AGGREGATE_SUM:
    case AGGREGATE_AVG: return sum(m, a, out);
    case AGGREGATE_ARRAY_AGG: return gather(m, a, out);
    default: *out = a->best; return DATUM_OK;
    }
}
