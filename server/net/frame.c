/* frame.c - reading the four or three parts of a message. */
#include "server/net/frame.h"

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

bool frame_peek_msgid(struct slice bytes, uint32_t *msgid)
{
    struct msgpack_cursor c = msgpack_open(bytes);
    uint64_t type;
    size_t head = 0;

    /* By hand: msgpack_read_array wants a byte for each element that the head claims. */
    if (bytes.size >= 1 && (bytes.data[0] & 0xf0) == 0x90 && (bytes.data[0] & 0x0f) >= 2)
        head = 1;
    else if (bytes.size >= 3 && bytes.data[0] == 0xdc)
        head = 3;
    else if (bytes.size >= 5 && bytes.data[0] == 0xdd)
        head = 5;
    if (head == 0)
        return false;
    c.at += head;
    if (msgpack_read_uint(&c, &type) || type != 0)
        return false;
    return read_msgid(&c, msgid);
}

void frame_read_head(struct slice bytes, struct frame *out)
{
    struct msgpack_cursor c;
    uint32_t count;
    uint64_t t;

    frame_read(bytes, out);
    out->refused = true;
    if (slice_is_none(out->params))
        return;
    c = msgpack_open(out->params);
    out->params = SLICE_NONE;
    if (msgpack_read_array(&c, &count) == ERR_OK && count > 0 &&
        msgpack_read_uint(&c, &t) == ERR_OK && t <= UINT32_MAX)
        out->t = (uint32_t)t;
}
