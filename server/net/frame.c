/* frame.c - reading the four or three parts of a message. */
#include "server/net/frame.h"

#define FRAME_HEAD_BYTES_MAX \
    23 /* of an array's head, a type and a msgid in their longest forms */

static void broken(struct frame *f, const char *why)
{
    f->kind = FRAME_BROKEN;
    f->why = why;
}

static bool read_msgid(struct msgpack_cursor *c, uint32_t *msgid)
{
    uint64_t n;

    if (msgpack_read_uint(c, &n) || n > UINT32_MAX)
        return false;
    *msgid = (uint32_t)n;
    return true;
}

/* Method and params; what is of a wrong type stays none and is an error of the request. */
static void read_call(struct msgpack_cursor *c, struct frame *f)
{
    struct slice raw;

    if (msgpack_read_text(c, &f->method)) {
        f->method = SLICE_NONE;
        msgpack_skip(c, MSGPACK_DEPTH_MAX, &raw);
    }
    f->params = slice_make(c->at, (size_t)(c->end - c->at));
}

void frame_read(struct slice bytes, struct frame *out)
{
    struct msgpack_cursor c = msgpack_open(bytes);
    uint32_t count;
    uint64_t type;

    *out = (struct frame){.kind = FRAME_BROKEN};
    if (msgpack_read_array(&c, &count)) {
        broken(out, "a message must be an array");
        return;
    }
    if (count == 0 || msgpack_read_uint(&c, &type)) {
        broken(out, "the first element of a message must be its type, an integer");
        return;
    }
    if (type == 0) {
        out->addressed = count >= 2 && read_msgid(&c, &out->msgid);
        if (count != 4)
            broken(out, "a request must have four elements: [0, msgid, method, params]");
        else if (!out->addressed)
            broken(out, "msgid must be an integer from 0 to 4294967295");
        else {
            out->kind = FRAME_REQUEST;
            read_call(&c, out);
        }
        return;
    }
    if (type == 2) {
        if (count != 3) {
            broken(out, "a notification must have three elements: [2, method, params]");
            return;
        }
        out->kind = FRAME_NOTIFICATION;
        read_call(&c, out);
        return;
    }
    broken(out, type == 1 ? "unexpected response: the server sent no request"
                          : "the type of a message must be 0 (request) or 2 (notification)");
}

/* The head of an array or a map. By hand: msgpack_read_array wants a byte for each element that
 * the head claims, and of a message that is not whole they are not at hand. ERR_BAD_REQUEST: it is
 * neither. */
static enum err read_container(struct msgpack_cursor *c, bool *is_map, uint32_t *count)
{
    size_t room = (size_t)(c->end - c->at);
    uint8_t first = room ? *c->at : 0;
    size_t width = first == 0xdc || first == 0xde ? 2 : 4;

    if (!room)
        return ERR_END;
    *is_map = (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf;
    if ((first & 0xf0) == 0x90 || (first & 0xf0) == 0x80) {
        *count = first & 0x0f;
        c->at++;
        return ERR_OK;
    }
    if (first < 0xdc || first > 0xdf)
        return ERR_BAD_REQUEST;
    if (room < 1 + width)
        return ERR_END;
    *count = 0;
    for (size_t i = 1; i <= width; i++)
        *count = *count << 8 | c->at[i];
    c->at += 1 + width;
    return ERR_OK;
}

bool frame_peek_msgid(struct slice bytes, uint32_t *msgid)
{
    struct msgpack_cursor c = msgpack_open(bytes);
    uint64_t type;
    uint32_t count;
    bool is_map;

    if (read_container(&c, &is_map, &count) || is_map || count < 2 ||
        msgpack_read_uint(&c, &type) || type != 0)
        return false;
    return read_msgid(&c, msgid);
}

/* Move to the value of "t" in a map of so many pairs. */
static enum err find_t(struct msgpack_cursor *c, uint32_t count)
{
    for (; count; count--) {
        struct msgpack_cursor before = *c;
        struct slice name;
        enum err e = msgpack_read_text(c, &name);

        if (e == ERR_OK && slice_equal(name, slice_text("t")))
            return ERR_OK;
        *c = before;
        e = msgpack_skip(c, MSGPACK_DEPTH_MAX, NULL);
        if (!e)
            e = msgpack_skip(c, MSGPACK_DEPTH_MAX, NULL);
        if (e)
            return e;
    }
    return ERR_BAD_REQUEST;
}

enum err frame_read_handle(struct slice params, uint32_t *t)
{
    struct msgpack_cursor c = msgpack_open(params);
    uint32_t count = 1;
    bool is_map = false;
    uint64_t n;
    enum err e = read_container(&c, &is_map, &count);

    *t = 0;
    if (e == ERR_OK)
        e = is_map ? find_t(&c, count) : count ? ERR_OK : ERR_BAD_REQUEST;
    else if (e == ERR_BAD_REQUEST)
        e = ERR_OK; /* bare, no array around it */
    if (!e)
        e = msgpack_read_uint(&c, &n);
    if (!e && n <= UINT32_MAX)
        *t = (uint32_t)n;
    return e == ERR_END ? ERR_END : ERR_OK;
}

bool frame_read_head(struct slice bytes, struct frame *out)
{
    bool is_whole = true;

    frame_read(bytes, out);
    out->refused = true;
    if (out->kind == FRAME_BROKEN) /* perhaps only because there is too little of it */
        return bytes.size >= FRAME_HEAD_BYTES_MAX;
    if (!slice_is_none(out->params))
        is_whole = frame_read_handle(out->params, &out->t) == ERR_OK;
    out->params = SLICE_NONE;
    return is_whole;
}
