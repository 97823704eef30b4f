/* frame.h - where one MessagePack value ends, when it may arrive in pieces.
 *
 * What a server sends may nest deeper than any one record, since replies wrap
 * records; so this scanner keeps no stack, only the number of values still to
 * come, and any depth is as good as any other. It looks at each head once and
 * steps over payloads without touching them. */
#ifndef HOLDFAST_LIB_FRAME_H
#define HOLDFAST_LIB_FRAME_H

#include "proto/slice.h"

struct frame_scan {
    size_t offset; /* bytes understood: up to here, counted from the value's first byte */
    uint64_t todo; /* values still to come; 0: the value is whole */
};

enum frame_state {
    FRAME_WHOLE,  /* scan.offset is its length */
    FRAME_MORE,   /* more bytes are needed */
    FRAME_BROKEN, /* byte 0xc1 */
};

static inline void frame_scan_init(struct frame_scan *s)
{
    s->offset = 0;
    s->todo = 1;
}

/* bytes holds the value from its first byte, more of it at each call. */
enum frame_state frame_scan_feed(struct frame_scan *s, struct slice bytes);

/* Take the one value at the beginning of *bytes off it into *value; false if there is no
 * whole one. */
bool frame_take(struct slice *bytes, struct slice *value);

#endif
