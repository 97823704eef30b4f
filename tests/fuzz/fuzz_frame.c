/* fuzz_frame.c - any bytes as what a client sends: scanned in pieces, taken apart, and read
 * as calls of every method. The oracle is ourselves: pieces and the whole agree, and what is
 * found lies within the input. */
#include "fuzz.h"

#include "server/net/call.h"
#include "server/net/frame.h"

static const struct msgpack_limits limits = {1 << 20, 10000, MSGPACK_DEPTH_MAX};

void fuzz_seed(struct dice *d, struct buffer *out)
{
    const struct method *m = &method_table[dice_below(d, METHOD_COUNT)];
    bool notification = dice_below(d, 4) == 0;
    uint32_t params = (uint32_t)dice_below(d, 6);

    buffer_put_byte(out, notification ? 0x93 : 0x94);
    buffer_put_byte(out, notification ? 2 : 0);
    if (!notification)
        buffer_put_byte(out, (uint8_t)dice_below(d, 128));
    value_put_text(d, slice_text(m->name), out);
    buffer_put_byte(out, (uint8_t)(0x90 | params));
    while (params-- > 0) {
        switch (dice_below(d, 4)) {
        case 0: buffer_put_byte(out, (uint8_t)dice_below(d, 10)); break;
        case 1: value_put_text(d, slice_text("store"), out); break;
        case 2: {
            uint32_t pairs = (uint32_t)dice_below(d, 3);

            value_put_map_head(d, pairs, out);
            while (pairs-- > 0) {
                value_put_text(
                    d, slice_text(method_options[dice_below(d, OPTION_ID_COUNT)].name), out);
                value_make(d, 1, out);
            }
            break;
        }
        default: value_make(d, 3, out);
        }
    }
}

static bool is_within(struct slice part, struct slice whole)
{
    return slice_is_none(part) ||
           (part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

static void read_as_every_method(const struct frame *f, struct slice whole)
{
    static struct call call; /* large */

    for (unsigned i = 0; i < METHOD_COUNT; i++) {
        struct failure failure;

        failure_init(&failure);
        if (call_read(&call, &method_table[i], f->params, i & 1, &failure)) {
            FUZZ_CHECK(failure.error == ERR_BAD_REQUEST && failure.text[0]);
            continue;
        }
        for (unsigned p = 0; p < METHOD_PARAMS_MAX && method_table[i].params[p].type; p++)
            if (!(i & 1) || p > 0 || !(method_table[i].flags & METHOD_TAKES_T))
                FUZZ_CHECK(is_within(call.params[method_table[i].params[p].id].raw, whole));
        for (unsigned o = 0; o < OPTION_ID_COUNT; o++)
            if (call_has(&call, o))
                FUZZ_CHECK(is_within(call.options[o].raw, whole));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = exact_copy(slice_make(data, size));
    struct slice whole = slice_make(bytes, size);
    struct msgpack_scan at_once, in_pieces;
    enum err e, pieces = ERR_WAIT;
    uint32_t msgid;
    struct frame f;

    msgpack_scan_init(&at_once);
    msgpack_scan_init(&in_pieces);
    e = msgpack_scan_feed(&at_once, bytes, size, &limits);
    for (size_t n = 1; n <= size && pieces == ERR_WAIT; n++)
        pieces = msgpack_scan_feed(&in_pieces, bytes, n, &limits);
    FUZZ_CHECK(e == pieces || size == 0);
    frame_peek_msgid(whole, &msgid);
    if (e == ERR_OK && size) {
        FUZZ_CHECK(at_once.offset == in_pieces.offset && at_once.offset <= size);
        whole.size = at_once.offset;
        frame_read(whole, &f);
        FUZZ_CHECK(is_within(f.method, whole) && is_within(f.params, whole));
        FUZZ_CHECK((f.kind == FRAME_BROKEN) == (f.why != NULL));
        if (f.kind != FRAME_BROKEN)
            read_as_every_method(&f, whole);
    }
    free(bytes);
    return 0;
}
