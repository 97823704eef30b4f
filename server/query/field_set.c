/* field_set.c - see field_set.h. */
#include "server/query/field_set.h"

#include "server/query/datum_internal.h"
#include "server/storage/value_size.h"

#include <endian.h>

#define NONE (-1)
#define SHORT_NAME_MAX 31 /* bytes whose number is in the first byte */

int field_set_add(struct field_set *set, struct slice name)
{
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

/* A name that is not the shape's, which is learnt if there is a place for it (s not NULL). False: the
 * record ends within it. */
static __attribute__((noinline)) bool name_read(const struct field_set *set,
                                                struct shape_field *s, struct msgpack_cursor *c,
                                                int *field)
{
    const uint8_t *from = c->at;
    struct slice name, whole;

    *field = NONE;
    if (msgpack_skip(c, MSGPACK_DEPTH_MAX, &whole))
        return false;
    if (!msgpack_read_text(&(struct msgpack_cursor){from, c->end}, &name))
        *field = field_named(set, name);
    if (s && whole.size <= SHORT_NAME_MAX + 1 && (*from & 0xe0) == 0xa0)
        shape_learn(s, from, whole.size, *field);
    return true;
}

/* ---- values ---- */

static inline bool value_pass(struct msgpack_cursor *c)
{
    size_t size = c->at < c->end ? value_size(*c->at) : 0;

    if (!size || size > (size_t)(c->end - c->at))
        return msgpack_skip(c, MSGPACK_DEPTH_MAX, NULL) == ERR_OK;
    c->at += size;
    return true;
}

static inline bool value_read(struct msgpack_cursor *c, struct datum *out)
{
    size_t size = c->at < c->end ? value_size(*c->at) : 0;
    struct slice value = slice_make(c->at, size);

    if (!size || size > (size_t)(c->end - c->at)) {
        if (msgpack_skip(c, MSGPACK_DEPTH_MAX, &value))
            return false;
    } else {
        c->at += size;
    }
    datum_read_to(value, out);
    return true;
}

/* How many fields the map at hand has; 0: it is none. */
static uint32_t pairs_of(struct msgpack_cursor *c)
{
    struct msgpack_token t;

    if (c->at < c->end && (*c->at & 0xf0) == 0x80)
        return *c->at++ & 0x0f;
    return msgpack_read(c, &t) || t.type != MSGPACK_MAP ? 0 : t.count;
}

void field_set_read(const struct field_set *set, struct field_shape *shape, struct slice record,
                    struct datum *out)
{
    struct msgpack_cursor c = msgpack_open(record);
    uint32_t pairs = slice_is_none(record) ? 0 : pairs_of(&c);
    uint32_t left = set->count == FIELDS_MAX ? UINT32_MAX : (UINT32_C(1) << set->count) - 1;

    for (uint32_t i = 0; i < pairs && left; i++) {
        struct shape_field *s = i < SHAPE_FIELDS_MAX ? &shape->at[i] : NULL;
        size_t bytes = (size_t)(c.end - c.at);
        int field;

        if (s && bytes >= sizeof(uint64_t) && name_is(s, c.at, bytes)) {
            c.at += s->size;
            field = s->field;
        } else if (!name_read(set, s, &c, &field)) {
            break;
        }
        if (field < 0 || !(left & UINT32_C(1) << field)) {
            if (!value_pass(&c))
                break;
            continue;
        }
        if (!value_read(&c, &out[field]))
            break;
        left &= ~(UINT32_C(1) << field);
    }
    for (; left; left &= left - 1)
        out[__builtin_ctz(left)] = (struct datum){.type = DATUM_MISSING};
}
