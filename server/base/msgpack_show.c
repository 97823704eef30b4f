#include "server/base/msgpack_show.h"

#include "proto/msgpack.h"
#include "server/base/assert.h"
#include "server/base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 16 /* what is deeper is shown as "..." */
#define TAIL 4       /* room for "..." */

struct shown {
    char *to;
    size_t used, room; /* room leaves TAIL out */
    bool is_full;
};

static void show(struct shown *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void show(struct shown *s, const char *format, ...)
{
    va_list args;
    int size;

    if (s->is_full)
        return;
    va_start(args, format);
    size = vsnprintf(s->to + s->used, s->room - s->used, format, args);
    va_end(args);
    ASSERT(size >= 0);
    if ((size_t)size >= s->room - s->used) {
        s->is_full = true;
        memcpy(s->to + s->used, "...", TAIL);
        return;
    }
    s->used += (size_t)size;
}

static void show_bytes(struct shown *s, struct slice bytes)
{
    show(s, "0x");
    for (size_t i = 0; i < bytes.size && !s->is_full; i++)
        show(s, "%02x", bytes.data[i]);
}

static void show_text(struct shown *s, struct slice text)
{
    show(s, "\"");
    while (text.size && !s->is_full) {
        char piece[TEXT_ESCAPE_BYTES + 1];

        piece[text_escape_next(&text, piece)] = '\0';
        show(s, "%s", piece);
    }
    show(s, "\"");
}

static bool show_value(struct shown *s, struct msgpack_cursor *c, unsigned depth);

static bool show_list(struct shown *s, struct msgpack_cursor *c, const struct msgpack_token *t,
                      unsigned depth)
{
    bool is_map = t->type == MSGPACK_MAP;

    show(s, is_map ? "{" : "[");
    if (depth == DEPTH_MAX)
        s->is_full = true;
    for (uint32_t i = 0; i < t->count && !s->is_full; i++) {
        if (i)
            show(s, ",");
        if (!show_value(s, c, depth + 1))
            return false;
        if (is_map) {
            show(s, ":");
            if (!s->is_full && !show_value(s, c, depth + 1))
                return false;
        }
    }
    show(s, is_map ? "}" : "]");
    return true;
}

static bool show_value(struct shown *s, struct msgpack_cursor *c, unsigned depth)
{
    struct msgpack_token t;

    if (msgpack_read(c, &t))
        return false;
    switch (t.type) {
    case MSGPACK_NIL: show(s, "nil"); break;
    case MSGPACK_FALSE: show(s, "false"); break;
    case MSGPACK_TRUE: show(s, "true"); break;
    case MSGPACK_UINT: show(s, "%" PRIu64, t.uint); break;
    case MSGPACK_INT: show(s, "%" PRId64, t.integer); break;
    case MSGPACK_FLOAT: show(s, "%.17g", t.real); break;
    case MSGPACK_TEXT: show_text(s, t.bytes); break;
    case MSGPACK_BINARY: show_bytes(s, t.bytes); break;
    case MSGPACK_EXT:
        show(s, "ext(%d,", t.ext_type);
        show_bytes(s, t.bytes);
        show(s, ")");
        break;
    case MSGPACK_ARRAY:
    case MSGPACK_MAP: return show_list(s, c, &t, depth);
    }
    return true;
}

const char *bytes_show(struct slice bytes, char *to, size_t room)
{
    struct shown s = {.to = to, .room = room - TAIL};

    ASSERT(room >= 2 * TAIL);
    to[0] = '\0';
    show_bytes(&s, bytes);
    return to;
}

const char *msgpack_show(struct slice value, char *to, size_t room)
{
    struct shown s = {.to = to, .room = room - TAIL};
    struct msgpack_cursor c = msgpack_open(value);

    ASSERT(room >= 2 * TAIL);
    to[0] = '\0';
    if (slice_is_none(value) || !show_value(&s, &c, 0))
        return bytes_show(value, to, room);
    return to;
}
