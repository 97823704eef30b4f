/* call.c - positional parameters and the map of options. */
#include "server/net/call.h"

#include "server/net/frame.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_name(struct slice text)
{
    return text.size >= 1 && text.size <= 255 && msgpack_text_is_utf8(text);
}

static bool read_source(struct msgpack_cursor *c, struct call_value *out)
{
    uint32_t count;
    struct slice index;

    out->indexed = false;
    if (msgpack_read_text(c, &out->text) == ERR_OK)
        return is_name(out->text);
    out->indexed = true;
    return msgpack_read_array(c, &count) == ERR_OK && count == 2 &&
           msgpack_read_text(c, &out->text) == ERR_OK && is_name(out->text) &&
           msgpack_read_text(c, &index) == ERR_OK && is_name(index);
}

static bool read_binary(struct msgpack_cursor *c, struct slice *out)
{
    struct msgpack_token token;

    if (msgpack_read(c, &token) != ERR_OK || token.type != MSGPACK_BINARY)
        return false;
    *out = token.bytes;
    return true;
}

/* One parameter that is not nil: its extent is out->raw, its type is. false: wrong type. */
static bool read_param(enum param_type type, enum msgpack_type is, struct call_value *out)
{
    struct msgpack_cursor c = msgpack_open(out->raw);

    switch (type) {
    case PARAM_HANDLE:
        return msgpack_read_uint(&c, &out->number) == ERR_OK && out->number <= UINT32_MAX;
    case PARAM_TEXT:
        return msgpack_read_text(&c, &out->text) == ERR_OK && msgpack_text_is_utf8(out->text);
    case PARAM_NAME: return msgpack_read_text(&c, &out->text) == ERR_OK && is_name(out->text);
    case PARAM_SOURCE: return read_source(&c, out);
    case PARAM_RANGE:
    case PARAM_MAP: return is == MSGPACK_MAP;
    case PARAM_LIST: return is == MSGPACK_ARRAY;
    case PARAM_NUMBER: return msgpack_read_uint(&c, &out->number) == ERR_OK;
    case PARAM_BINARY: return read_binary(&c, &out->text);
    case PARAM_ANY:
    case PARAM_NONE: break;
    }
    return true;
}

static const char *param_wish(enum param_type type)
{
    static const char *const wishes[] = {
        [PARAM_NONE] = "",
        [PARAM_HANDLE] = "a transaction handle from 1 to 4294967295 (0 or nil: autocommit)",
        [PARAM_NAME] = "a name: 1 to 255 bytes of UTF-8",
        [PARAM_SOURCE] = "a store name or [store, index]",
        [PARAM_ANY] = "a value",
        [PARAM_RANGE] = "a range: a map; {} is the whole store",
        [PARAM_LIST] = "an array",
        [PARAM_MAP] = "a map",
        [PARAM_NUMBER] = "a non-negative integer",
        [PARAM_BINARY] = "binary",
        [PARAM_TEXT] = "a text (valid UTF-8)",
    };

    return wishes[type];
}

enum err call_read_value(struct msgpack_cursor *cursor, enum option_value type,
                         struct call_value *out)
{
    struct msgpack_token token;
    struct msgpack_cursor inside;
    bool ok = true;

    if (msgpack_skip(cursor, MSGPACK_DEPTH_MAX, &out->raw))
        return ERR_BAD_REQUEST;
    inside = msgpack_open(out->raw);
    if (msgpack_read(&inside, &token))
        return ERR_BAD_REQUEST;
    switch (type) {
    case OPTION_VALUE_NUMBER:
        ok = token.type == MSGPACK_UINT;
        out->number = token.uint;
        break;
    case OPTION_VALUE_BOOL:
        ok = token.type == MSGPACK_TRUE || token.type == MSGPACK_FALSE;
        out->number = token.type == MSGPACK_TRUE;
        break;
    case OPTION_VALUE_TEXT:
        ok = token.type == MSGPACK_TEXT && msgpack_text_is_utf8(token.bytes);
        out->text = token.bytes;
        break;
    case OPTION_VALUE_BINARY:
        ok = token.type == MSGPACK_BINARY;
        out->text = token.bytes;
        break;
    case OPTION_VALUE_ANY: break;
    }
    return ok ? ERR_OK : ERR_BAD_REQUEST;
}

static void say_options(const struct method *m, bool inner, char *to, size_t room)
{
    size_t used = 0;

    to[0] = '\0';
    for (unsigned i = 0; i < OPTION_ID_COUNT; i++) {
        bool takes = i == OPTION_ID_DEADLINE_MS ? !inner : (m->options >> i) & 1;

        if (takes && used < room)
            used += (size_t)snprintf(to + used, room - used, "%s%s", used ? ", " : "",
                                     method_options[i].name);
    }
}

/* One pair of the options map; c stands at its name. */
static enum err read_option(struct call *c, struct msgpack_cursor *at, bool inner,
                            struct failure *f)
{
    struct slice name;
    enum msgpack_type type;
    unsigned i;

    if (msgpack_read_text(at, &name))
        return failure_set(f, ERR_BAD_REQUEST, "%s: expected an option name (string)",
                           c->method->name);
    i = method_option_find(name);
    if (i == OPTION_ID_COUNT ||
        !(i == OPTION_ID_DEADLINE_MS ? !inner : (c->method->options >> i) & 1)) {
        char takes[160];

        say_options(c->method, inner, takes, sizeof takes);
        return failure_set(f, ERR_BAD_REQUEST, "%s: unknown option \"%s\"; it takes: %s",
                           c->method->name, text_show(name), takes);
    }
    if (call_has(c, i))
        return failure_set(f, ERR_BAD_REQUEST, "%s: option \"%s\" given twice", c->method->name,
                           method_options[i].name);
    /* nil leaves an option out, but where it is a key like others */
    if (i != OPTION_ID_TO && msgpack_peek(at, &type) == ERR_OK && type == MSGPACK_NIL)
        return msgpack_skip(at, 1, NULL);
    if (call_read_value(at, method_options[i].type, &c->options[i]))
        return failure_set(f, ERR_BAD_REQUEST, "%s: option \"%s\" must be a %s",
                           c->method->name, method_options[i].name,
                           option_value_name(method_options[i].type));
    c->given |= UINT64_C(1) << i;
    return ERR_OK;
}

static enum err read_options(struct call *c, struct msgpack_cursor *at, bool inner,
                             struct failure *f)
{
    enum msgpack_type type;
    uint32_t pairs;
    enum err e = ERR_OK;

    if (msgpack_peek(at, &type) == ERR_OK && type == MSGPACK_NIL)
        return msgpack_skip(at, 1, NULL);
    if (msgpack_read_map(at, &pairs))
        return failure_set(f, ERR_BAD_REQUEST,
                           "%s: the last parameter must be a map of options", c->method->name);
    for (uint32_t i = 0; i < pairs && !e; i++)
        e = read_option(c, at, inner, f);
    return e;
}

/* How much there is of a declared parameter. */
enum presence {
    PRESENCE_NONE,
    PRESENCE_MORE, /* and more behind it */
    PRESENCE_LAST, /* nothing is behind it: it needs no reading to know its end */
};

/* The declared parameter at place i. */
static enum err read_declared(struct call *c, unsigned i, struct msgpack_cursor *at,
                              enum presence presence, struct failure *f)
{
    const struct method_param *p = &c->method->params[i];
    struct call_value *value = &c->params[p->id];
    enum msgpack_type type = MSGPACK_NIL;
    bool left_out;

    value->raw = SLICE_NONE;
    value->number = 0;
    if (presence != PRESENCE_NONE)
        msgpack_peek(at, &type);
    if (presence == PRESENCE_LAST) {
        value->raw = slice_make(at->at, (size_t)(at->end - at->at));
        at->at = at->end;
    } else if (presence == PRESENCE_MORE) {
        if (msgpack_skip(at, MSGPACK_DEPTH_MAX, &value->raw))
            return failure_set(f, ERR_BAD_REQUEST, "%s: truncated parameters", c->method->name);
    }
    left_out = presence == PRESENCE_NONE ||
               (type == MSGPACK_NIL && (p->optional || p->type != PARAM_ANY));
    if (left_out && !p->optional)
        return failure_set(f, ERR_BAD_REQUEST, "%s: missing parameter \"%s\": expected %s",
                           c->method->name, p->name, param_wish(p->type));
    if (left_out)
        value->raw = SLICE_NONE;
    else if (!read_param(p->type, type, value))
        return failure_set(f, ERR_BAD_REQUEST, "%s: parameter \"%s\" must be %s",
                           c->method->name, p->name, param_wish(p->type));
    if (p->type == PARAM_HANDLE)
        c->t = (uint32_t)value->number;
    if (p->type == PARAM_HANDLE && !p->optional && c->t == 0)
        return failure_set(
            f, ERR_BAD_REQUEST,
            "%s: parameter \"t\" must be a transaction handle from 1 to 4294967295",
            c->method->name);
    return ERR_OK;
}

uint32_t call_handle_named(struct slice params)
{
    uint32_t t = 0;

    if (!slice_is_none(params))
        frame_read_handle(params, &t);
    return t;
}

/* 0 where the method's first parameter is not a handle. */
static uint32_t call_handle_of(const struct method *method, struct slice params)
{
    return method->flags & METHOD_OPENER ? 0 : call_handle_named(params);
}

enum err call_read(struct call *c, const struct method *method, struct slice params, bool inner,
                   struct failure *f)
{
    struct msgpack_cursor at = msgpack_open(params);
    unsigned first = inner && (method->flags & METHOD_TAKES_T) ? 1 : 0;
    unsigned declared = first;
    uint32_t count;
    enum err e = ERR_OK;

    c->method = method;
    c->t = 0;
    c->given = 0;
    c->params[PARAM_ID_CURSOR].number =
        0; /* a cursor's number, where there are no parameters */
    if (slice_is_none(params) || msgpack_read_array(&at, &count)) {
        c->t = call_handle_of(method, params);
        return failure_set(f, ERR_BAD_REQUEST, "%s: params must be an array", method->name);
    }
    if (method->flags & METHOD_ABSENT) { /* whatever its parameters will be */
        c->t = call_handle_of(method, params);
        return ERR_OK;
    }
    while (method->params[declared].type != PARAM_NONE)
        declared++;
    for (unsigned i = first; i < declared && !e; i++)
        e = read_declared(c, i, &at,
                          i - first >= count                 ? PRESENCE_NONE
                          : i - first == count - 1 && !inner ? PRESENCE_LAST
                                                             : PRESENCE_MORE,
                          f);
    if (!e && count > declared - first + 1)
        e = failure_set(f, ERR_BAD_REQUEST,
                        "%s: too many parameters: got %" PRIu32
                        ", expected at most %u and a map of options",
                        method->name, count, declared - first);
    if (!e && count > declared - first)
        e = read_options(c, &at, inner, f);
    c->end = at.at;
    return e;
}

enum err call_word_given(const struct call *c, enum method_option option,
                         const char *const *words, unsigned n, unsigned *out, struct failure *f)
{
    struct slice text = c->options[option].text;
    char allowed[128];
    size_t used = 0;

    for (unsigned i = 0; i < n; i++) {
        if (slice_equal(text, slice_text(words[i]))) {
            *out = i;
            return ERR_OK;
        }
    }
    for (unsigned i = 0; i < n; i++)
        used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s\"%s\"",
                                 i ? ", " : "", words[i]);
    return failure_set(f, ERR_BAD_REQUEST, "%s: invalid %s \"%s\"; expected one of %s",
                       c->method->name, method_options[option].name, text_show(text), allowed);
}
