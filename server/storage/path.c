#include "server/storage/path.h"

#include "server/base/assert.h"

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

/* c is behind a map's head: move it to the field's value. */
static bool field_find(struct msgpack_cursor *c, uint32_t pairs, struct slice field)
{
    while (pairs-- > 0) {
        struct msgpack_cursor text = *c;
        struct slice name;

        msgpack_skip(c, MSGPACK_DEPTH_MAX, NULL);
        if (!msgpack_read_text(&text, &name) && slice_equal(name, field))
            return true;
        msgpack_skip(c, MSGPACK_DEPTH_MAX, NULL);
    }
    return false;
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

        if (msgpack_read(&c, &t) || t.type != (is_field ? MSGPACK_MAP : MSGPACK_ARRAY))
            return SLICE_NONE;
        if (is_field ? !field_find(&c, t.count, step->name) : step->place >= t.count)
            return SLICE_NONE;
        for (uint32_t n = 0; !is_field && n < step->place; n++)
            msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL);
    }
    return msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value) ? SLICE_NONE : value;
}
