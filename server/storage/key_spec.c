/* key_spec.c - the `key` option of stores and indexes, read and written.
 *
 * What clients may say has several spellings; what is kept and shown has one:
 * nil for explicit keys, a text for one ascending field, else a list of parts, each
 * a text, a list of steps, or {path, order: "desc"}. */
#include "server/base/assert.h"
#include "server/storage/key_internal.h"

static enum err spec_refuse(const char **why, const char *text)
{
    ASSERT(text);
    *why = text;
    return ERR_BAD_REQUEST;
}

static enum err step_read(struct msgpack_cursor *c, bool is_in_list, struct key_part *part,
                          const char **why)
{
    struct slice name;
    uint64_t place;

    ASSERT(part->step_count <= KEY_STEPS_MAX);
    if (msgpack_read_text(c, &name) == ERR_OK) {
        if (!msgpack_text_is_utf8(name))
            return spec_refuse(why, "a step of a key path is not valid UTF-8");
    } else if (is_in_list && msgpack_read_uint(c, &place) == ERR_OK && place <= UINT32_MAX) {
        name = slice_make(NULL, (size_t)place);
    } else {
        return spec_refuse(why, "each step of a key path must be a string, or an integer from "
                                "0 for an array element");
    }
    if (part->step_count == KEY_STEPS_MAX)
        return spec_refuse(why, "a key path can have at most 16 steps");
    part->steps[part->step_count++] = name;
    return ERR_OK;
}

/* A path: a text, or a list of steps. */
static enum err path_read(struct msgpack_cursor *c, struct key_part *part, const char **why)
{
    uint32_t count;
    enum err e = ERR_OK;

    part->step_count = 0;
    if (msgpack_read_array(c, &count))
        return step_read(c, false, part, why);
    while (count-- > 0 && !e)
        e = step_read(c, true, part, why);
    return e;
}

static enum err order_read(struct msgpack_cursor *c, struct key_part *part, const char **why)
{
    struct slice order;

    ASSERT(!part->descending);
    if (!msgpack_read_text(c, &order)) {
        if (slice_equal(order, slice_text("asc")))
            return ERR_OK;
        part->descending = slice_equal(order, slice_text("desc"));
        if (part->descending)
            return ERR_OK;
    }
    return spec_refuse(why, "order must be \"asc\" or \"desc\"");
}

/* {path, order}; c is behind the map's head. */
static enum err part_map_read(struct msgpack_cursor *c, uint32_t pairs, struct key_part *part,
                              const char **why)
{
    bool has_order = false, has_path = false;
    enum err e = ERR_OK;

    ASSERT(part->step_count == 0);
    while (pairs-- > 0 && !e) {
        struct slice name;

        if (msgpack_read_text(c, &name))
            name = SLICE_NONE;
        if (slice_equal(name, slice_text("path")) && !has_path) {
            has_path = true;
            e = path_read(c, part, why);
        } else if (slice_equal(name, slice_text("order")) && !has_order) {
            has_order = true;
            e = order_read(c, part, why);
        } else {
            e = spec_refuse(why, "a key part takes only path and order, each once");
        }
    }
    if (!e && !has_path)
        e = spec_refuse(why, "a key part needs a path");
    ASSERT(e || part->step_count <= KEY_STEPS_MAX);
    return e;
}

/* One part. A list stands for steps here. */
static enum err part_read(struct msgpack_cursor *c, struct key_spec *spec, const char **why)
{
    struct key_part *part;
    uint32_t pairs;

    ASSERT(spec->part_count <= KEY_PARTS_MAX);
    if (spec->part_count == KEY_PARTS_MAX)
        return spec_refuse(why, "a key can have at most 16 parts");
    part = &spec->parts[spec->part_count++];
    part->descending = false;
    part->step_count = 0;
    if (!msgpack_read_map(c, &pairs))
        return part_map_read(c, pairs, part, why);
    return path_read(c, part, why);
}

static void spec_set_explicit(struct key_spec *spec)
{
    ASSERT(spec->part_count == 0);
    spec->is_explicit = true;
    spec->part_count = 1;
    spec->parts[0].descending = false;
    spec->parts[0].step_count = 0;
}

enum err key_spec_read(struct slice option, struct key_spec *out, const char **why)
{
    struct msgpack_cursor c = msgpack_open(option);
    enum msgpack_type type = MSGPACK_NIL;
    const char *reason = NULL;
    uint32_t count;
    enum err e = ERR_OK;

    out->is_explicit = false;
    out->part_count = 0;
    if (msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL) || !msgpack_at_end(&c)) {
        e = spec_refuse(&reason, "invalid MessagePack");
        goto done;
    }
    c = msgpack_open(option);
    msgpack_peek(&c, &type);
    if (type == MSGPACK_NIL) {
        spec_set_explicit(out);
    } else if (type == MSGPACK_TEXT || type == MSGPACK_MAP) {
        e = part_read(&c, out, &reason);
    } else if (msgpack_read_array(&c, &count)) {
        e = spec_refuse(&reason, "expected a key path or a list of key parts");
    } else if (count == 0) {
        e = spec_refuse(&reason, "a key needs at least one part");
    } else {
        while (count-- > 0 && !e)
            e = part_read(&c, out, &reason);
    }
done:
    if (e && why)
        *why = reason;
    ASSERT(e || (out->part_count > 0 && out->part_count <= KEY_PARTS_MAX));
    return e;
}

/* -- writing -------------------------------------------------------------- */

/* Counts on beyond its room, so that one test at the end is enough. */
struct spec_writer {
    uint8_t *to;
    size_t room;
    size_t size; /* bytes that it took, or would have */
};

static void spec_put(struct spec_writer *w, const void *bytes, size_t size)
{
    ASSERT(w->size + size >= w->size);
    if (size <= w->room && w->size <= w->room - size && size)
        memcpy(w->to + w->size, bytes, size);
    w->size += size;
}

static void spec_put_text(struct spec_writer *w, struct slice text)
{
    uint8_t head[MSGPACK_HEAD_MAX];

    ASSERT(!slice_is_none(text));
    spec_put(w, head, msgpack_put_text_head(head, (uint32_t)text.size));
    spec_put(w, text.data, text.size);
}

static void spec_put_path(struct spec_writer *w, const struct key_part *part)
{
    uint8_t head[MSGPACK_HEAD_MAX];

    ASSERT(part->step_count <= KEY_STEPS_MAX);
    if (part->step_count != 1 || key_step_is_place(part->steps[0]))
        spec_put(w, head, msgpack_put_array_head(head, part->step_count));
    for (unsigned i = 0; i < part->step_count; i++) {
        if (key_step_is_place(part->steps[i]))
            spec_put(w, head, msgpack_put_uint(head, part->steps[i].size));
        else
            spec_put_text(w, part->steps[i]);
    }
}

static void spec_put_part(struct spec_writer *w, const struct key_part *part)
{
    uint8_t head[MSGPACK_HEAD_MAX];

    if (part->descending) {
        spec_put(w, head, msgpack_put_map_head(head, 2));
        spec_put_text(w, slice_text("path"));
    }
    spec_put_path(w, part);
    if (part->descending) {
        spec_put_text(w, slice_text("order"));
        spec_put_text(w, slice_text("desc"));
    }
}

size_t key_spec_write(const struct key_spec *spec, uint8_t *to, size_t room)
{
    struct spec_writer w = {to, room, 0};
    const struct key_part *first = &spec->parts[0];
    uint8_t head[MSGPACK_HEAD_MAX];

    ASSERT(spec->part_count > 0 && spec->part_count <= KEY_PARTS_MAX);
    ASSERT(!spec->is_explicit || (spec->part_count == 1 && first->step_count == 0));
    if (spec->is_explicit) {
        spec_put(&w, head, msgpack_put_nil(head));
    } else if (spec->part_count == 1 && first->step_count == 1 && !first->descending &&
               !key_step_is_place(first->steps[0])) {
        spec_put_text(&w, first->steps[0]);
    } else {
        spec_put(&w, head, msgpack_put_array_head(head, spec->part_count));
        for (unsigned i = 0; i < spec->part_count; i++)
            spec_put_part(&w, &spec->parts[i]);
    }
    return w.size <= room ? w.size : 0;
}
