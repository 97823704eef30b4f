#include "server/storage/index_definition.h"

#include "server/base/assert.h"
#include "server/storage/condition.h"

static enum err refuse(struct failure *f, const char *option, const char *why)
{
    ASSERT(option && why);
    return failure_set(f, ERR_BAD_REQUEST, "%s: %s", option, why);
}

/* ---- key ---- */

static enum err one_path_read(struct msgpack_cursor *c, struct index_definition *d,
                              struct failure *f)
{
    struct value_path *path = &d->paths[d->path_count];
    const char *why = "a path is missing";
    struct slice text;

    ASSERT(d->part_count > 0 && d->step_count <= INDEX_STEPS_MAX);
    ASSERT(d->path_count <= INDEX_PATHS_MAX);
    if (d->path_count == INDEX_PATHS_MAX)
        return refuse(f, "key", "an index can have at most 32 paths");
    if (msgpack_skip(c, MSGPACK_DEPTH_MAX, &text) ||
        path_read(text, &d->steps[d->step_count], INDEX_STEPS_MAX - d->step_count, &path->count,
                  &why))
        return refuse(f, "key", why);
    path->steps = &d->steps[d->step_count];
    d->step_count += path->count;
    d->path_count++;
    d->parts[d->part_count - 1].path_count++;
    return ERR_OK;
}

static enum err any_read(struct msgpack_cursor *c, struct index_definition *d,
                         struct failure *f)
{
    uint32_t count;
    enum err e = ERR_OK;

    ASSERT(d->part_count > 0 && d->parts[d->part_count - 1].path_count == 0);
    if (msgpack_read_array(c, &count) || !count)
        return refuse(f, "key", "any must be a list of paths");
    while (count-- > 0 && !e)
        e = one_path_read(c, d, f);
    return e;
}

static enum err order_read(struct msgpack_cursor *c, struct index_part *part, struct failure *f)
{
    struct slice order;

    if (msgpack_read_text(c, &order))
        order = SLICE_NONE;
    part->descending = slice_equal(order, slice_text("desc"));
    if (!part->descending && !slice_equal(order, slice_text("asc")))
        return refuse(f, "key", "order must be \"asc\" or \"desc\"");
    return ERR_OK;
}

/* {path, order} or {any, order}; c is behind the head. */
static enum err part_map_read(struct msgpack_cursor *c, uint32_t pairs,
                              struct index_definition *d, struct failure *f)
{
    struct index_part *part = &d->parts[d->part_count - 1];
    enum err e = ERR_OK;

    ASSERT(d->part_count > 0 && part->path_count == 0);
    for (uint32_t i = 0; i < pairs && !e; i++) {
        struct slice name;

        if (msgpack_read_text(c, &name))
            name = SLICE_NONE;
        if (slice_equal(name, slice_text("path")) && !part->path_count)
            e = one_path_read(c, d, f);
        else if (slice_equal(name, slice_text("any")) && !part->path_count)
            e = any_read(c, d, f);
        else if (slice_equal(name, slice_text("order")))
            e = order_read(c, part, f);
        else
            e = refuse(f, "key", "a part takes either path or any, and order");
    }
    if (!e && !part->path_count)
        e = refuse(f, "key", "a part needs a path");
    return e;
}

static enum err part_read(struct msgpack_cursor *c, struct index_definition *d,
                          struct failure *f)
{
    uint32_t pairs;

    ASSERT(d->part_count <= KEY_PARTS_MAX);
    if (d->part_count == KEY_PARTS_MAX)
        return refuse(f, "key", "an index can have at most 16 parts");
    d->parts[d->part_count++] = (struct index_part){false, d->path_count, 0};
    if (!msgpack_read_map(c, &pairs))
        return part_map_read(c, pairs, d, f);
    return one_path_read(c, d, f);
}

static enum err key_read(struct slice key, struct index_definition *d, struct failure *f)
{
    struct msgpack_cursor c = msgpack_open(key);
    enum msgpack_type type = MSGPACK_NIL;
    uint32_t count;
    enum err e = ERR_OK;

    msgpack_peek(&c, &type);
    if (type == MSGPACK_TEXT || type == MSGPACK_MAP)
        return part_read(&c, d, f);
    if (msgpack_read_array(&c, &count) || !count)
        return refuse(f, "key", "expected a path, or a list of at least one part");
    while (count-- > 0 && !e)
        e = part_read(&c, d, f);
    return e;
}

/* ---- the other options ---- */

static enum err types_read(struct slice types, struct index_definition *d, struct failure *f)
{
    struct msgpack_cursor c = msgpack_open(types);
    uint32_t count;

    if (msgpack_read_array(&c, &count) || !count)
        return refuse(f, "types", "expected a list of at least one type");
    d->types = 0;
    while (count-- > 0) {
        struct slice name = SLICE_NONE;
        unsigned type = msgpack_read_text(&c, &name) ? 0 : value_type_named(name);

        if (!type)
            return refuse(f, "types",
                          "expected nil, boolean, number, timestamp, text, binary or array");
        if (d->types & type)
            return refuse(f, "types", "each type can be named once");
        d->types |= type;
    }
    ASSERT(d->types && !(d->types & ~VALUE_TYPES_ALL));
    return ERR_OK;
}

static enum err bool_read(struct slice value, const char *option, bool *out, struct failure *f)
{
    struct msgpack_cursor c = msgpack_open(value);

    return msgpack_read_bool(&c, out) ? refuse(f, option, "expected true or false") : ERR_OK;
}

static enum err option_read(struct slice name, struct slice value, struct index_definition *d,
                            struct failure *f)
{
    if (slice_equal(name, slice_text("key")))
        return key_read(value, d, f);
    if (slice_equal(name, slice_text("unique")))
        return bool_read(value, "unique", &d->unique, f);
    if (slice_equal(name, slice_text("online")))
        return bool_read(value, "online", &d->online, f);
    if (slice_equal(name, slice_text("multi")))
        return bool_read(value, "multi", &d->multi, f);
    if (slice_equal(name, slice_text("types")))
        return types_read(value, d, f);
    if (slice_equal(name, slice_text("where"))) {
        d->where = value;
        return condition_check(value, f);
    }
    return failure_set(
        f, ERR_BAD_REQUEST,
        "unknown option \"%s\" of an index; expected key, unique, multi, types or "
        "where",
        text_show(name));
}

enum err index_definition_read(struct slice options, struct index_definition *out,
                               struct failure *f)
{
    struct msgpack_cursor c = msgpack_open(options);
    uint32_t pairs;
    enum err e = ERR_OK;

    ASSERT(f);
    out->unique = out->multi = out->online = false;
    out->types = VALUE_TYPES_ALL;
    out->part_count = out->path_count = out->step_count = 0;
    out->where = SLICE_NONE;
    if (options.size > INDEX_OPTIONS_BYTES_MAX)
        return failure_set(f, ERR_TOO_LARGE, "index options: %zu bytes, the limit is %d",
                           options.size, INDEX_OPTIONS_BYTES_MAX);
    if (msgpack_read_map(&c, &pairs))
        return failure_set(f, ERR_BAD_REQUEST, "the options of an index must be a map");
    while (pairs-- > 0 && !e) {
        struct slice name, value;

        if (msgpack_read_text(&c, &name) || msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value))
            return failure_set(f, ERR_BAD_REQUEST, "the names of options must be strings");
        e = option_read(name, value, out, f);
    }
    if (!e && !out->part_count)
        e = refuse(f, "key", "an index needs a key");
    if (!e && out->multi && out->part_count > 1)
        e = refuse(f, "multi", "a multi-entry index has exactly one part");
    ASSERT(e || (out->part_count <= KEY_PARTS_MAX && out->path_count >= out->part_count));
    return e;
}

/* ---- writing ---- */

/* Counts on beyond its room, so that one test at the end is enough. */
struct writer {
    uint8_t *to;
    size_t room, size;
};

static void put(struct writer *w, const void *bytes, size_t size)
{
    ASSERT(w->size + size >= w->size);
    if (size <= w->room && w->size <= w->room - size && size)
        memcpy(w->to + w->size, bytes, size);
    w->size += size;
}

static void put_text(struct writer *w, struct slice text)
{
    uint8_t head[MSGPACK_HEAD_MAX];

    ASSERT(!slice_is_none(text));
    put(w, head, msgpack_put_text_head(head, (uint32_t)text.size));
    put(w, text.data, text.size);
}

static void put_head(struct writer *w, bool is_map, uint32_t count)
{
    uint8_t head[MSGPACK_HEAD_MAX];

    put(w, head,
        is_map ? msgpack_put_map_head(head, count) : msgpack_put_array_head(head, count));
}

/* A path of one field is its name; any other one a list. */
static void put_path(struct writer *w, const struct value_path *path)
{
    uint8_t head[MSGPACK_HEAD_MAX];

    ASSERT(path->count <= PATH_STEPS_MAX);
    if (path->count != 1 || slice_is_none(path->steps[0].name))
        put_head(w, false, path->count);
    for (unsigned i = 0; i < path->count; i++) {
        if (slice_is_none(path->steps[i].name))
            put(w, head, msgpack_put_uint(head, path->steps[i].place));
        else
            put_text(w, path->steps[i].name);
    }
}

static void put_part(struct writer *w, const struct index_definition *d,
                     const struct index_part *part)
{
    bool is_plain = part->path_count == 1 && !part->descending;

    ASSERT(part->path_count > 0 && part->first_path + part->path_count <= d->path_count);
    if (!is_plain) {
        put_head(w, true, 1 + part->descending);
        put_text(w, slice_text(part->path_count > 1 ? "any" : "path"));
    }
    if (part->path_count > 1)
        put_head(w, false, part->path_count);
    for (unsigned i = 0; i < part->path_count; i++)
        put_path(w, &d->paths[part->first_path + i]);
    if (part->descending) {
        put_text(w, slice_text("order"));
        put_text(w, slice_text("desc"));
    }
}

/* One field, ascending: its name alone. */
static bool key_is_plain(const struct index_definition *d)
{
    const struct value_path *path = &d->paths[0];

    ASSERT(d->part_count > 0);
    return d->part_count == 1 && d->path_count == 1 && !d->parts[0].descending &&
           path->count == 1 && !slice_is_none(path->steps[0].name);
}

static void put_types(struct writer *w, unsigned types)
{
    ASSERT(types && !(types & ~VALUE_TYPES_ALL));
    put_text(w, slice_text("types"));
    put_head(w, false, (uint32_t)__builtin_popcount(types));
    for (unsigned type = 1; type <= types; type <<= 1) {
        if (types & type)
            put_text(w, slice_text(value_type_name(type)));
    }
}

size_t index_definition_write(const struct index_definition *d, uint8_t *to, size_t room)
{
    struct writer w = {to, room, 0};
    bool has_types = d->types != VALUE_TYPES_ALL, has_where = !slice_is_none(d->where);
    uint8_t byte;

    ASSERT(d->types && d->part_count > 0);
    put_head(&w, true, 3u + has_types + has_where);
    put_text(&w, slice_text("key"));
    if (!key_is_plain(d))
        put_head(&w, false, d->part_count);
    for (unsigned i = 0; i < d->part_count; i++)
        put_part(&w, d, &d->parts[i]);
    put_text(&w, slice_text("unique"));
    put(&w, &byte, msgpack_put_bool(&byte, d->unique));
    put_text(&w, slice_text("multi"));
    put(&w, &byte, msgpack_put_bool(&byte, d->multi));
    if (has_types)
        put_types(&w, d->types);
    if (has_where) {
        put_text(&w, slice_text("where"));
        put(&w, d->where.data, d->where.size);
    }
    return w.size <= room ? w.size : 0;
}

void index_definition_spec(const struct index_definition *d, struct key_spec *out)
{
    ASSERT(d->part_count > 0 && d->part_count <= KEY_PARTS_MAX);
    out->is_explicit = false;
    out->part_count = d->part_count;
    for (unsigned i = 0; i < d->part_count; i++) {
        out->parts[i].descending = d->parts[i].descending;
        out->parts[i].step_count = 0;
    }
}
