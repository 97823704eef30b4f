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
    s->dropped = 0;
    s->pending = 0;
    s->elements = 1;
    s->depth = 0;
    s->over = false;
    s->left[0] = 1;
}

/* Find the end of a value that is over a limit: how deep it is need not be known for that. */
static enum err scan_over(struct msgpack_scan *s, const uint8_t *data, size_t size,
                          const struct msgpack_limits *limits)
{
    const size_t max = limits->bytes_max - s->dropped;
    enum err e = ERR_OK;

    for (;;) {
        struct msgpack_step step;

        if (s->pending > size - s->offset) {
            s->pending -= size - s->offset;
            s->offset = size;
            e = ERR_WAIT;
            break;
        }
        s->offset += s->pending;
        s->pending = 0;
        if (!s->owed)
            return ERR_OK;
        e = s->offset == size ? ERR_END
                              : msgpack_step_read(data + s->offset, size - s->offset, &step);
        if (e)
            break;
        s->owed += (step.is_container ? step.children : 0) - 1;
        if (step.bytes > max - s->offset || s->owed > max - s->offset - step.bytes) {
            e = ERR_TOO_LARGE;
            break;
        }
        s->pending = step.bytes;
    }
    if (e == ERR_WAIT || e == ERR_END)
        e = size >= max ? ERR_TOO_LARGE : ERR_WAIT;
    if (e != ERR_WAIT)
        s->over = false;
    return e;
}

/* The container of so many children, whose head is at offset, is over a limit. */
static enum err begin_over(struct msgpack_scan *s, size_t offset,
                           const struct msgpack_step *step, size_t max)
{
    s->offset = offset;
    s->pending = step->bytes;
    s->owed = step->children;
    for (unsigned i = 0; i <= s->depth; i++)
        s->owed += s->left[i];
    s->over = s->owed <= max - offset - step->bytes;
    return ERR_TOO_LARGE;
}

/* What each step reads and writes lives in locals on the way: the offset above all, which
 * each step waits for. */
enum err msgpack_scan_feed(struct msgpack_scan *s, const uint8_t *data, size_t size,
                           const struct msgpack_limits *limits)
{
    size_t offset = s->offset;
    uint64_t pending = s->pending;
    uint64_t now = s->left[s->depth]; /* values still to come at this depth */
    unsigned depth = s->depth;
    const size_t max = limits->bytes_max - s->dropped; /* of what is at hand and comes */
    const size_t end = size < max ? size : max;

    if (MSGPACK_UNLIKELY(s->over))
        return scan_over(s, data, size, limits);
    for (;;) {
        struct msgpack_step step;
        size_t scalar;
        enum err e;

        if (pending > size - offset) {
            pending -= size - offset;
            offset = size;
            break;
        }
        offset += pending;
        pending = 0;
        while (now == 0) {
            if (depth == 0) {
                s->offset = offset;
                s->pending = 0;
                s->depth = 0;
                s->left[0] = 0;
                return ERR_OK;
            }
            now = s->left[--depth];
        }
        if (offset == size)
            break;
        scalar = msgpack_scalars[data[offset]];
        if (scalar && offset + scalar <= end) {
            offset += scalar;
            now--;
            continue;
        }
        e = msgpack_step_read(data + offset, size - offset, &step);
        if (e == ERR_END)
            break; /* a part of the head: look at it again when there is more */
        if (!e && step.bytes > max - offset)
            e = ERR_TOO_LARGE;
        if (MSGPACK_UNLIKELY(e))
            return e;
        now--;
        pending = step.bytes;
        if (!step.is_container)
            continue;
        if (step.children > max - offset - step.bytes)
            return ERR_TOO_LARGE;
        s->elements += step.children;
        if (depth >= limits->depth_max || depth >= MSGPACK_DEPTH_MAX ||
            s->elements > limits->elements_max) {
            s->depth = depth;
            s->left[depth] = now;
            return begin_over(s, offset, &step, max);
        }
        s->left[depth++] = now;
        now = step.children;
    }
    s->offset = offset;
    s->pending = (size_t)pending;
    s->depth = depth;
    s->left[depth] = now;
    /* All bytes at hand are the value's, and it needs more. */
    return size >= max ? ERR_TOO_LARGE : ERR_WAIT;
}

size_t msgpack_scan_drop(struct msgpack_scan *s)
{
    size_t bytes = s->offset;

    s->dropped += bytes;
    s->offset = 0;
    return bytes;
}
