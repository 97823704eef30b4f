/* update_read.c - a list of changes, as a client gives it. */
#include "server/txn/update_read.h"

#include "server/base/assert.h"
#include "server/txn/update_number.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define PATH_SHOWN_BYTES 96
#define VALUE_HEADS_MAX 32 /* heads that a change makes longer, and a number */

static const struct operator_info {
    const char *name;
    bool takes_value;
} operators[UPDATE_OPERATORS] = {
    [UPDATE_SET] = {"set", true},        [UPDATE_UNSET] = {"unset", false},
    [UPDATE_ADD] = {"add", true},        [UPDATE_MIN] = {"min", true},
    [UPDATE_MAX] = {"max", true},        [UPDATE_APPEND] = {"append", true},
    [UPDATE_COMMIT] = {"commit", false},
};

const char *update_kind(const struct msgpack_token *t)
{
    static const char *const names[] = {
        [MSGPACK_NIL] = "nil",
        [MSGPACK_FALSE] = "a boolean",
        [MSGPACK_TRUE] = "a boolean",
        [MSGPACK_UINT] = "a number",
        [MSGPACK_INT] = "a number",
        [MSGPACK_FLOAT] = "a number",
        [MSGPACK_TEXT] = "text",
        [MSGPACK_BINARY] = "binary",
        [MSGPACK_ARRAY] = "an array",
        [MSGPACK_MAP] = "a map",
        [MSGPACK_EXT] = "an extension type",
    };

    ASSERT(t->type < sizeof names / sizeof names[0] && names[t->type]);
    if (t->type == MSGPACK_FLOAT && isnan(t->real))
        return "NaN";
    return t->type == MSGPACK_EXT && t->ext_type == -1 ? "a timestamp" : names[t->type];
}

/* A path as people write it: "name", or ["name", 0]. */
static void path_show(struct slice path, char *to, size_t room)
{
    struct msgpack_cursor c = msgpack_open(path);
    size_t used = 0;
    struct slice name;
    uint64_t place;
    uint32_t count;

    if (!msgpack_read_text(&c, &name)) {
        snprintf(to, room, "\"%s\"", text_show(name));
        return;
    }
    if (msgpack_read_array(&c, &count)) {
        snprintf(to, room, "?");
        return;
    }
    used += (size_t)snprintf(to, room, "[");
    for (uint32_t i = 0; i < count && used < room; i++) {
        const char *comma = i ? ", " : "";

        if (!msgpack_read_text(&c, &name)) {
            used +=
                (size_t)snprintf(to + used, room - used, "%s\"%s\"", comma, text_show(name));
        } else if (!msgpack_read_uint(&c, &place)) {
            used += (size_t)snprintf(to + used, room - used, "%s%llu", comma,
                                     (unsigned long long)place);
        } else {
            used += (size_t)snprintf(to + used, room - used, "%s?", comma);
            break;
        }
    }
    if (used < room)
        snprintf(to + used, room - used, "]");
}

enum err update_refuse(struct failure *f, enum err e, const struct update_change *change,
                       const char *format, ...)
{
    char path[PATH_SHOWN_BYTES], what[FAILURE_TEXT_BYTES];
    va_list args;

    ASSERT(e && change->number > 0 && change->what < UPDATE_OPERATORS);
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    path_show(change->path_text, path, sizeof path);
    return failure_set(f, e, "update: change %u, %s of %s: %s", change->number,
                       operators[change->what].name, path, what);
}

static enum err malformed(struct failure *f, uint32_t number, const char *why)
{
    ASSERT(number > 0);
    return failure_set(f, ERR_BAD_REQUEST, "update: change %u: %s", number, why);
}

static enum err operator_read(struct msgpack_cursor *c, struct update_change *out,
                              struct failure *f)
{
    struct slice name;

    ASSERT(out->number > 0);
    if (msgpack_read_text(c, &name))
        return malformed(f, out->number, "a change must begin with the name of an operator");
    for (unsigned i = 0; i < UPDATE_OPERATORS; i++) {
        if (slice_equal(name, slice_text(operators[i].name))) {
            out->what = (enum update_operator)i;
            return ERR_OK;
        }
    }
    return failure_set(f, ERR_BAD_REQUEST,
                       "update: change %u: unknown operator \"%s\"; expected set, unset, add, "
                       "min, max, append or commit",
                       out->number, text_show(name));
}

enum err update_change_read(struct msgpack_cursor *c, uint32_t number,
                            struct update_change *out, struct failure *f)
{
    const char *why;
    uint32_t parts;
    enum err e;

    ASSERT(number > 0);
    out->number = number;
    out->value = SLICE_NONE;
    if (msgpack_read_array(c, &parts) || parts < 2 || parts > 3)
        return malformed(f, number, "expected [operator, path] or [operator, path, value]");
    e = operator_read(c, out, f);
    if (e)
        return e;
    if (msgpack_skip(c, MSGPACK_DEPTH_MAX, &out->path_text) ||
        (parts == 3 && msgpack_skip(c, MSGPACK_DEPTH_MAX, &out->value)))
        return malformed(f, number, "the list is truncated");
    if (operators[out->what].takes_value != (parts == 3))
        return update_refuse(f, ERR_BAD_REQUEST, out,
                             parts == 3 ? "it takes no value" : "a value is missing");
    ASSERT(out->what < UPDATE_OPERATORS && out->path_text.size > 0);
    if (path_read(out->path_text, out->path.steps, PATH_STEPS_MAX, &out->path.count, &why))
        return malformed(f, number, why);
    return ERR_OK;
}

/* What is wrong with a change whatever the document is. */
static enum err change_check(const struct update_change *change, struct failure *f)
{
    struct msgpack_cursor c = msgpack_open(change->value);
    struct msgpack_token value = {.type = MSGPACK_NIL};
    int order;

    ASSERT(change->what < UPDATE_OPERATORS);
    if (!change->path.count && change->what == UPDATE_UNSET)
        return update_refuse(f, ERR_BAD_VALUE, change,
                             "the record itself cannot be unset; use delete");
    if (slice_is_none(change->value))
        return ERR_OK;
    msgpack_read(&c, &value);
    if (!change->path.count && change->what == UPDATE_SET && value.type == MSGPACK_NIL)
        return update_refuse(f, ERR_BAD_VALUE, change, "a record cannot be nil; use delete");
    if (change->what == UPDATE_ADD && value.type != MSGPACK_UINT && value.type != MSGPACK_INT &&
        value.type != MSGPACK_FLOAT)
        return update_refuse(f, ERR_BAD_VALUE, change, "expected a number, found %s",
                             update_kind(&value));
    if ((change->what == UPDATE_ADD || change->what == UPDATE_MIN ||
         change->what == UPDATE_MAX) &&
        !update_compare(change->value, change->value, &order))
        return update_refuse(f, ERR_BAD_VALUE, change,
                             value.type == MSGPACK_FLOAT
                                 ? "expected a number, found %s"
                                 : "expected a number, a timestamp, text or binary, found %s",
                             update_kind(&value));
    return ERR_OK;
}

size_t update_put_room(const struct update_path *path, struct slice value)
{
    size_t room = value.size + VALUE_HEADS_MAX;

    ASSERT(path->count <= PATH_STEPS_MAX);
    for (unsigned i = 0; i < path->count; i++) /* a map with one field for each name */
        room += path->steps[i].name.size + 1 + MSGPACK_HEAD_MAX;
    return room;
}

enum err update_measure(struct slice changes, struct update_needs *needs, struct failure *f)
{
    struct msgpack_cursor c = msgpack_open(changes);
    enum err e = ERR_OK;

    *needs = (struct update_needs){0};
    if (msgpack_read_array(&c, &needs->changes))
        return failure_set(f, ERR_BAD_REQUEST, "update: expected a list of changes");
    for (uint32_t i = 0; i < needs->changes && !e; i++) {
        struct update_change change;
        size_t growth;

        e = update_change_read(&c, i + 1, &change, f);
        if (!e)
            e = change_check(&change, f);
        if (e)
            return e;
        growth = update_put_room(&change.path, change.value);
        ASSERT(change.number == i + 1 && growth > change.value.size);
        needs->growth += growth;
        if (growth > needs->growth_max)
            needs->growth_max = growth;
    }
    return e;
}

size_t update_room(const struct update_needs *needs, size_t size, size_t bytes_max)
{
    size_t most = (bytes_max > size ? bytes_max - size : 0) + needs->growth_max;

    ASSERT(needs->growth_max <= needs->growth);
    return size + (needs->growth < most ? needs->growth : most);
}
