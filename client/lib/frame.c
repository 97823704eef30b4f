#include "client/lib/frame.h"

/* What follows the first byte of a value. */
struct head {
    uint8_t size_bytes; /* bytes of length or count after the first */
    uint8_t fixed;      /* further payload bytes that every value of the kind has */
    bool broken;
    enum { HEAD_PLAIN, HEAD_PAYLOAD, HEAD_ARRAY, HEAD_MAP } kind;
};

/* From 0xc0 to 0xdf; the rest is told by its upper bits. */
static const struct head heads[32] = {
    [0x00] = {0, 0, false, HEAD_PLAIN},   [0x01] = {0, 0, true, HEAD_PLAIN},
    [0x02] = {0, 0, false, HEAD_PLAIN},   [0x03] = {0, 0, false, HEAD_PLAIN},
    [0x04] = {1, 0, false, HEAD_PAYLOAD}, [0x05] = {2, 0, false, HEAD_PAYLOAD},
    [0x06] = {4, 0, false, HEAD_PAYLOAD}, [0x07] = {1, 1, false, HEAD_PAYLOAD},
    [0x08] = {2, 1, false, HEAD_PAYLOAD}, [0x09] = {4, 1, false, HEAD_PAYLOAD},
    [0x0a] = {0, 4, false, HEAD_PLAIN},   [0x0b] = {0, 8, false, HEAD_PLAIN},
    [0x0c] = {0, 1, false, HEAD_PLAIN},   [0x0d] = {0, 2, false, HEAD_PLAIN},
    [0x0e] = {0, 4, false, HEAD_PLAIN},   [0x0f] = {0, 8, false, HEAD_PLAIN},
    [0x10] = {0, 1, false, HEAD_PLAIN},   [0x11] = {0, 2, false, HEAD_PLAIN},
    [0x12] = {0, 4, false, HEAD_PLAIN},   [0x13] = {0, 8, false, HEAD_PLAIN},
    [0x14] = {0, 2, false, HEAD_PLAIN},   [0x15] = {0, 3, false, HEAD_PLAIN},
    [0x16] = {0, 5, false, HEAD_PLAIN},   [0x17] = {0, 9, false, HEAD_PLAIN},
    [0x18] = {0, 17, false, HEAD_PLAIN},  [0x19] = {1, 0, false, HEAD_PAYLOAD},
    [0x1a] = {2, 0, false, HEAD_PAYLOAD}, [0x1b] = {4, 0, false, HEAD_PAYLOAD},
    [0x1c] = {2, 0, false, HEAD_ARRAY},   [0x1d] = {4, 0, false, HEAD_ARRAY},
    [0x1e] = {2, 0, false, HEAD_MAP},     [0x1f] = {4, 0, false, HEAD_MAP},
};

/* Whether the head at data is all there; then *skip gets its bytes with its payload and
 * *values the values inside. */
static enum frame_state head_read(const uint8_t *data, size_t size, uint64_t *skip,
                                  uint64_t *values)
{
    uint8_t first = data[0];
    const struct head *head;
    uint64_t number = 0;

    *skip = 1;
    *values = 0;
    if (first < 0x80 || first >= 0xe0) /* small integers */
        return FRAME_WHOLE;
    if (first < 0x90) {
        *values = 2 * (uint64_t)(first & 0x0f);
        return FRAME_WHOLE;
    }
    if (first < 0xa0) {
        *values = first & 0x0f;
        return FRAME_WHOLE;
    }
    if (first < 0xc0) {
        *skip = 1 + (uint64_t)(first & 0x1f);
        return FRAME_WHOLE;
    }
    head = &heads[first - 0xc0];
    if (head->broken)
        return FRAME_BROKEN;
    if (size < 1 + (size_t)head->size_bytes)
        return FRAME_MORE;
    for (unsigned i = 0; i < head->size_bytes; i++)
        number = number << 8 | data[1 + i];
    *skip = 1 + (uint64_t)head->size_bytes + head->fixed;
    if (head->kind == HEAD_PAYLOAD)
        *skip += number;
    else if (head->kind != HEAD_PLAIN)
        *values = head->kind == HEAD_MAP ? 2 * number : number;
    return FRAME_WHOLE;
}

enum frame_state frame_scan_feed(struct frame_scan *s, struct slice bytes)
{
    /* offset may lie beyond the bytes at hand: a payload is stepped over at once. */
    while (s->todo > 0 && s->offset < bytes.size) {
        uint64_t skip, values;
        enum frame_state state =
            head_read(bytes.data + s->offset, bytes.size - s->offset, &skip, &values);

        if (state != FRAME_WHOLE)
            return state;
        s->offset += skip;
        s->todo += values;
        s->todo--;
    }
    return s->todo == 0 && s->offset <= bytes.size ? FRAME_WHOLE : FRAME_MORE;
}

bool frame_take(struct slice *bytes, struct slice *value)
{
    struct frame_scan scan;

    frame_scan_init(&scan);
    if (frame_scan_feed(&scan, *bytes) != FRAME_WHOLE)
        return false;
    *value = slice_make(bytes->data, scan.offset);
    *bytes = slice_make(bytes->data + scan.offset, bytes->size - scan.offset);
    return true;
}
