/* fuzz_msgpack.c - any bytes at all, to the cursor, the scanner and the check, beside
 * msgpack-c: what it takes we take, with the same shape, and the other way round. */
#include "fuzz.h"

#include "proto/msgpack.h"

#define ORACLE_DEPTH_MAX 30 /* msgpack-c gives up at 32 */

void fuzz_seed(struct dice *d, struct buffer *out)
{
    do
        value_make(d, 5, out);
    while (dice_below(d, 4) == 0);
    if (out->size > 8192)
        out->size = 8192;
}

/* Read the tokens of one value and put them again in their shortest form. */
static void rewrite(struct msgpack_cursor *c, struct buffer *out)
{
    uint8_t head[15];
    uint64_t todo = 1;

    while (todo > 0) {
        const uint8_t *start = c->at;
        struct msgpack_token t;

        FUZZ_CHECK(msgpack_read(c, &t) == ERR_OK);
        todo--;
        switch (t.type) {
        case MSGPACK_NIL: buffer_put(out, head, msgpack_put_nil(head)); break;
        case MSGPACK_FALSE:
        case MSGPACK_TRUE:
            buffer_put(out, head, msgpack_put_bool(head, t.type == MSGPACK_TRUE));
            break;
        case MSGPACK_UINT: buffer_put(out, head, msgpack_put_uint(head, t.uint)); break;
        case MSGPACK_INT: buffer_put(out, head, msgpack_put_int(head, t.integer)); break;
        case MSGPACK_FLOAT: buffer_put(out, head, msgpack_put_double(head, t.real)); break;
        case MSGPACK_TEXT:
            buffer_put(out, head, msgpack_put_text_head(head, (uint32_t)t.bytes.size));
            buffer_put(out, t.bytes.data, t.bytes.size);
            break;
        case MSGPACK_BINARY:
            buffer_put(out, head, msgpack_put_binary_head(head, (uint32_t)t.bytes.size));
            buffer_put(out, t.bytes.data, t.bytes.size);
            break;
        case MSGPACK_ARRAY:
            buffer_put(out, head, msgpack_put_array_head(head, t.count));
            todo += t.count;
            break;
        case MSGPACK_MAP:
            buffer_put(out, head, msgpack_put_map_head(head, t.count));
            todo += 2 * (uint64_t)t.count;
            break;
        case MSGPACK_EXT: buffer_put(out, start, (size_t)(c->at - start)); break;
        }
    }
}

/* The scanner, given the bytes in steps, ends where msgpack_skip does. */
static void check_scan(struct slice all, enum err skipped, size_t length)
{
    static const struct msgpack_limits limits = {SIZE_MAX / 2, SIZE_MAX, MSGPACK_DEPTH_MAX};
    struct msgpack_scan scan;
    enum err e = ERR_WAIT;
    size_t at_hand = 0;

    msgpack_scan_init(&scan);
    for (size_t step = 1; e == ERR_WAIT && at_hand < all.size; step = step % 7 + 1) {
        at_hand = at_hand + step < all.size ? at_hand + step : all.size;
        e = msgpack_scan_feed(&scan, all.data, at_hand, &limits);
    }
    if (skipped == ERR_OK)
        FUZZ_CHECK(e == ERR_OK && scan.offset == length);
    else if (skipped == ERR_END) /* a count that is not covered is the end at once */
        FUZZ_CHECK(e != ERR_OK);
    else
        FUZZ_CHECK(e == skipped);
}

/* msgpack-c takes memory for claims; without this one value would take all there is. */
static bool is_cut(struct slice all)
{
    struct msgpack_cursor c = msgpack_open(all);
    uint64_t todo = 1;
    struct msgpack_token t;

    for (; todo > 0; todo--) {
        enum err e = msgpack_read(&c, &t);

        if (e)
            return e == ERR_END;
        if (t.type == MSGPACK_ARRAY)
            todo += t.count;
        else if (t.type == MSGPACK_MAP)
            todo += 2 * (uint64_t)t.count;
    }
    return false;
}

static void check_oracle(struct slice all, enum err skipped, size_t length)
{
    struct msgpack_cursor c = msgpack_open(all);
    struct buffer written = {NULL, 0, 0};
    msgpack_unpacked u, v;
    size_t offset = 0;
    bool taken;

    if (is_cut(all)) {
        FUZZ_CHECK(skipped != ERR_OK);
        return;
    }
    msgpack_unpacked_init(&u);
    msgpack_unpacked_init(&v);
    taken = msgpack_unpack_next(&u, (const char *)all.data, all.size, &offset) ==
            MSGPACK_UNPACK_SUCCESS;
    if (taken)
        FUZZ_CHECK(skipped == ERR_OK && offset == length);
    c = msgpack_open(all);
    if (!taken && msgpack_skip(&c, ORACLE_DEPTH_MAX, NULL) == ERR_OK)
        FUZZ_CHECK(!"msgpack-c takes less than we do");
    if (taken) {
        enum err e = msgpack_check_document(slice_make(all.data, length), 64, NULL);
        bool fine = object_is_utf8(&u.data) && !object_has_double_key(&u.data);

        FUZZ_CHECK((e == ERR_OK) == fine);
        c = msgpack_open(all);
        rewrite(&c, &written);
        offset = 0;
        FUZZ_CHECK(msgpack_unpack_next(&v, (const char *)written.data, written.size, &offset) ==
                   MSGPACK_UNPACK_SUCCESS);
        FUZZ_CHECK(offset == written.size && object_equal(&u.data, &v.data));
    }
    buffer_fini(&written);
    msgpack_unpacked_destroy(&u);
    msgpack_unpacked_destroy(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_make(data, size);
    struct msgpack_cursor c = msgpack_open(all);
    struct slice value = SLICE_NONE;
    enum msgpack_type type;
    enum err e = msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value);

    FUZZ_CHECK(c.at == (e ? data : data + value.size));
    check_scan(all, e, value.size);
    check_oracle(all, e, value.size);
    if (e || value.size != size)
        FUZZ_CHECK(msgpack_check_document(all, MSGPACK_DEPTH_MAX, NULL) != ERR_OK);
    if (!e)
        FUZZ_CHECK(msgpack_peek(&(struct msgpack_cursor){data, data + size}, &type) == ERR_OK);
    return 0;
}
