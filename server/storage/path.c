#include "server/storage/path.h"

#include "server/base/assert.h"
#include "server/storage/value_size.h"

static enum err path_refuse(const char **why, const char *text)
{
    ASSERT(text);
    *why = text;
    return ERR_BAD_REQUEST;
}

enum err path_step_read(struct msgpack_cursor *c, struct path_step *out, const char **why)
{
    uint64_t place;

    out->place = 0;
    if (!msgpack_read_text(c, &out->name))
        return msgpack_text_is_utf8(out->name)
                   ? ERR_OK
                   : path_refuse(why, "a step of a path is not valid UTF-8");
    out->name = SLICE_NONE;
    if (msgpack_read_uint(c, &place) || place > UINT32_MAX)
        return path_refuse(why,
                           "each step of a path must be a string, or an integer from 0 for "
                           "an array element");
    out->place = (uint32_t)place;
    return ERR_OK;
}

enum err path_read(struct slice text, struct path_step *steps, unsigned room, unsigned *count,
                   const char **why)
{
    struct msgpack_cursor c = msgpack_open(text);
    enum msgpack_type type;
    uint32_t given = 1;
    enum err e = ERR_OK;

    if (msgpack_peek(&c, &type) || (type != MSGPACK_TEXT && msgpack_read_array(&c, &given)))
        return path_refuse(why, "a path must be a string or a list of steps");
    if (given > PATH_STEPS_MAX || given > room)
        return path_refuse(why, given > PATH_STEPS_MAX
                                    ? "a path can have at most 16 steps"
                                    : "the paths have too many steps in all");
    ASSERT(given <= room);
    *count = given;
    for (uint32_t i = 0; i < given && !e; i++)
        e = path_step_read(&c, &steps[i], why);
    return e;
}

const uint8_t value_sizes[256] = {
    [0x00 ... 0x7f] = 1, [0x80] = 1,  [0x90] = 1,  [0xc0] = 1,          [0xa0] = 1,
    [0xa1] = 2,          [0xa2] = 3,  [0xa3] = 4,  [0xa4] = 5,          [0xa5] = 6,
    [0xa6] = 7,          [0xa7] = 8,  [0xa8] = 9,  [0xa9] = 10,         [0xaa] = 11,
    [0xab] = 12,         [0xac] = 13, [0xad] = 14, [0xae] = 15,         [0xaf] = 16,
    [0xb0] = 17,         [0xb1] = 18, [0xb2] = 19, [0xb3] = 20,         [0xb4] = 21,
    [0xb5] = 22,         [0xb6] = 23, [0xb7] = 24, [0xb8] = 25,         [0xb9] = 26,
    [0xba] = 27,         [0xbb] = 28, [0xbc] = 29, [0xbd] = 30,         [0xbe] = 31,
    [0xbf] = 32,         [0xc2] = 1,  [0xc3] = 1,  [0xca] = 5,          [0xcb] = 9,
    [0xcc] = 2,          [0xcd] = 3,  [0xce] = 5,  [0xcf] = 9,          [0xd0] = 2,
    [0xd1] = 3,          [0xd2] = 5,  [0xd3] = 9,  [0xd4] = 3,          [0xd5] = 4,
    [0xd6] = 6,          [0xd7] = 10, [0xd8] = 18, [0xe0 ... 0xff] = 1,
};

static inline void value_skip(struct msgpack_cursor *c)
{
    size_t size = c->at < c->end ? value_size(*c->at) : 0;

    if (size && size <= (size_t)(c->end - c->at))
        c->at += size;
    else
        msgpack_skip(c, MSGPACK_DEPTH_MAX, NULL);
}

/* Whether the name that begins at c is the field, which has at most 31 bytes; it moves behind
 * it. Written in a longer form than need be, it is found by the caller. */
static inline bool short_name_is(struct msgpack_cursor *c, struct slice field)
{
    if ((size_t)(c->end - c->at) <= field.size || *c->at != (0xa0 | field.size) ||
        c->at[1] != *field.data || memcmp(c->at + 1, field.data, field.size) != 0)
        return false;
    c->at += 1 + field.size;
    return true;
}

/* Any other name. */
static bool long_name_is(struct msgpack_cursor c, struct slice field)
{
    struct slice name;

    return !msgpack_read_text(&c, &name) && slice_equal(name, field);
}

/* c is behind a map's head: move it to the field's value. Queries do it for every record that
 * they look at: short names and values of known sizes are passed over in place. */
static bool field_find(struct msgpack_cursor *c, uint32_t pairs, struct slice field)
{
    bool is_short = field.size < 32 && field.size > 0;

    while (pairs-- > 0) {
        struct msgpack_cursor name = *c;

        if (is_short && short_name_is(c, field))
            return true;
        value_skip(c);
        if ((!is_short || (name.at < name.end && *name.at >= 0xd9)) &&
            long_name_is(name, field))
            return true;
        value_skip(c);
    }
    return false;
}

bool path_equal(const struct value_path *a, const struct value_path *b)
{
    ASSERT(a->count <= PATH_STEPS_MAX || b->count <= PATH_STEPS_MAX);
    if (a->count != b->count)
        return false;
    for (unsigned i = 0; i < a->count; i++)
        if (slice_is_none(a->steps[i].name) != slice_is_none(b->steps[i].name) ||
            !slice_equal(a->steps[i].name, b->steps[i].name) ||
            a->steps[i].place != b->steps[i].place)
            return false;
    return true;
}

struct slice path_find(const struct value_path *path, struct slice document)
{
    struct msgpack_cursor c = msgpack_open(document);
    struct slice value = SLICE_NONE;

    ASSERT(path->count <= PATH_STEPS_MAX);
    for (unsigned i = 0; i < path->count; i++) {
        const struct path_step *step = &path->steps[i];
        bool is_field = !slice_is_none(step->name);
        struct msgpack_token t;

        if (is_field && c.at < c.end && (*c.at & 0xf0) == 0x80) { /* a map of few fields */
            uint32_t pairs = *c.at++ & 0x0f;

            if (!field_find(&c, pairs, step->name))
                return SLICE_NONE;
            continue;
        }
        if (msgpack_read(&c, &t) || t.type != (is_field ? MSGPACK_MAP : MSGPACK_ARRAY))
            return SLICE_NONE;
        if (is_field ? !field_find(&c, t.count, step->name) : step->place >= t.count)
            return SLICE_NONE;
        for (uint32_t n = 0; !is_field && n < step->place; n++)
            value_skip(&c);
    }
    return msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value) ? SLICE_NONE : value;
}
