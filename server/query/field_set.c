/* field_set.c - see field_set.h. */
#include "server/query/field_set.h"

#include "server/base/assert.h"

#include "server/query/datum_internal.h"
#include "server/storage/value_size.h"

#include <endian.h>

#define NONE (-1)
#define SHORT_NAME_MAX 31 /* bytes whose number is in the first byte */

int field_set_add(struct field_set *set, struct slice name)
{
    ASSERT(set->count <= FIELDS_MAX);
    for (unsigned i = 0; i < set->count; i++)
        if (slice_equal(set->names[i], name))
            return (int)i;
    if (set->count == FIELDS_MAX)
        return NONE;
    set->names[set->count] = name;
    return (int)set->count++;
}

/* ---- names ---- */

static inline uint64_t eight_bytes(const uint8_t *at)
{
    uint64_t n;

    memcpy(&n, at, sizeof n);
    return n;
}

/* Whether the name at hand, of which at least eight bytes follow, is that of the shape. */
static inline bool name_is(const struct shape_field *s, const uint8_t *at, size_t left)
{
    if ((eight_bytes(at) ^ eight_bytes(s->name)) & s->mask)
        return false;
    if (s->size <= sizeof(uint64_t))
        return s->size != 0;
    return s->size <= left && memcmp(at + sizeof(uint64_t), s->name + sizeof(uint64_t),
                                     s->size - sizeof(uint64_t)) == 0;
}

static void shape_learn(struct shape_field *s, const uint8_t *name, size_t size, int field)
{
    memset(s->name, 0, sizeof s->name);
    memcpy(s->name, name, size);
    s->mask = size >= sizeof s->mask ? UINT64_MAX : htole64((UINT64_C(1) << (8 * size)) - 1);
    s->size = (uint8_t)size;
    s->field = (int8_t)field;
}

static int field_named(const struct field_set *set, struct slice name)
{
    for (unsigned i = 0; i < set->count; i++)
        if (slice_equal(set->names[i], name))
            return (int)i;
    return NONE;
}

/* What follows is walked over by a place in a register, `at`, that functions answer anew: NULL, the
 * record ends within what is there. */

/* A name that is not the shape's, which is learnt if there is a place for it (s not NULL). */
static __attribute__((noinline)) const uint8_t *name_read(const struct field_set *set,
                                                          struct shape_field *s,
                                                          const uint8_t *at, const uint8_t *end,
                                                          int *field)
{
    struct msgpack_cursor c = {at, end};
    struct slice name, whole;

    *field = NONE;
    if (msgpack_skip(&c, MSGPACK_DEPTH_MAX, &whole))
        return NULL;
    if (!msgpack_read_text(&(struct msgpack_cursor){at, end}, &name))
        *field = field_named(set, name);
    if (s && whole.size <= SHORT_NAME_MAX + 1 && (*at & 0xe0) == 0xa0)
        shape_learn(s, at, whole.size, *field);
    return c.at;
}

/* ---- values ---- */

static __attribute__((noinline)) const uint8_t *value_pass_long(const uint8_t *at,
                                                                const uint8_t *end)
{
    struct msgpack_cursor c = {at, end};

    return msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL) ? NULL : c.at;
}

static inline const uint8_t *value_pass(const uint8_t *at, const uint8_t *end)
{
    size_t size = at < end ? value_size(*at) : 0;

    return size && size <= (size_t)(end - at) ? at + size : value_pass_long(at, end);
}

static inline const uint8_t *value_read(const uint8_t *at, const uint8_t *end,
                                        struct datum *out)
{
    const uint8_t *behind = value_pass(at, end);

    if (behind)
        datum_read_to(slice_make(at, (size_t)(behind - at)), out);
    return behind;
}

/* How many fields the map at hand has, which *at goes into; 0: it is none. */
static uint32_t pairs_of(const uint8_t **at, const uint8_t *end)
{
    struct msgpack_cursor c = {*at, end};
    struct msgpack_token t;

    if (*at < end && (**at & 0xf0) == 0x80)
        return *(*at)++ & 0x0f;
    if (msgpack_read(&c, &t) || t.type != MSGPACK_MAP)
        return 0;
    *at = c.at;
    return t.count;
}

/* The fields of so many pairs, of those that are left; what is not found stays in the answer. */
static uint32_t pairs_read(const struct field_set *set, struct field_shape *shape,
                           const uint8_t *at, const uint8_t *end, uint32_t pairs, uint32_t left,
                           struct datum *out)
{
    for (uint32_t i = 0; i < pairs && left; i++) {
        struct shape_field *s = i < SHAPE_FIELDS_MAX ? &shape->at[i] : NULL;
        int field, other;

        if (s && end - at >= (ptrdiff_t)sizeof(uint64_t) &&
            name_is(s, at, (size_t)(end - at))) {
            at += s->size;
            field = s->field;
        } else {
            at = name_read(set, s, at, end, &other);
            field = other;
            if (!at)
                break;
        }
        if (field < 0 || !(left & UINT32_C(1) << field)) {
            at = value_pass(at, end);
        } else {
            at = value_read(at, end, &out[field]);
            left &= ~((uint32_t)(at != NULL) << field);
        }
        if (!at)
            break;
    }
    return left;
}

void field_set_read(const struct field_set *set, struct field_shape *shape, struct slice record,
                    struct datum *out)
{
    const uint8_t *at = record.data, *end = at ? at + record.size : at;
    uint32_t pairs = slice_is_none(record) ? 0 : pairs_of(&at, end);
    uint32_t left = set->count == FIELDS_MAX ? UINT32_MAX : (UINT32_C(1) << set->count) - 1;

    left = pairs_read(set, shape, at, end, pairs, left, out);
    for (; left; left &= left - 1)
        out[__builtin_ctz(left)] = (struct datum){.type = DATUM_MISSING};
}
