/* msgpack_scan.c - where does a value end that arrives in pieces?
 *
 * The scanner remembers how many values are still to come at each depth and how
 * many payload bytes to step over, so that no byte is looked at twice but those
 * of a head that was cut (at most nine). Elements are counted when they are
 * announced, not when they come, so that a claim is refused as a claim. */
#include "proto/msgpack_internal.h"

void msgpack_scan_init(struct msgpack_scan *s)
{
    s->offset = 0;
    s->pending = 0;
    s->elements = 1;
    s->depth = 0;
    s->left[0] = 1;
}

/* Take in what a head announces; its own bytes become pending. */
static enum err scan_take(struct msgpack_scan *s, const struct msgpack_step *step,
                          const struct msgpack_limits *limits)
{
    uint64_t room = limits->bytes_max - s->offset;

    if (step->bytes > room)
        return ERR_TOO_LARGE;
    s->left[s->depth]--;
    s->pending = (size_t)step->bytes;
    if (!step->is_container)
        return ERR_OK;
    if (s->depth >= limits->depth_max || s->depth >= MSGPACK_DEPTH_MAX)
        return ERR_TOO_LARGE;
    if (step->children > room - step->bytes)
        return ERR_TOO_LARGE;
    s->elements += step->children;
    if (s->elements > limits->elements_max)
        return ERR_TOO_LARGE;
    s->left[++s->depth] = step->children;
    return ERR_OK;
}

enum err msgpack_scan_feed(struct msgpack_scan *s, const uint8_t *data, size_t size,
                           const struct msgpack_limits *limits)
{
    for (;;) {
        struct msgpack_step step;
        size_t room = size - s->offset;
        enum err e;

        if (s->pending) {
            size_t n = s->pending < room ? s->pending : room;

            s->offset += n;
            s->pending -= n;
            room -= n;
            if (s->pending)
                break;
        }
        while (s->left[s->depth] == 0) {
            if (s->depth == 0)
                return ERR_OK;
            s->depth--;
        }
        if (room == 0)
            break;
        e = msgpack_step_read(data + s->offset, room, &step);
        if (e == ERR_END)
            break;
        if (!e)
            e = scan_take(s, &step, limits);
        if (MSGPACK_UNLIKELY(e))
            return e;
    }
    /* All bytes at hand are the value's, and it needs more. */
    return size >= limits->bytes_max ? ERR_TOO_LARGE : ERR_WAIT;
}
