/* fuzz_key.c - any bytes as values to encode, as encoded keys, as key options, ranges
 * and documents. The first byte chooses parts and directions. */
#include "fuzz.h"

#include "server/storage/key.h"

void fuzz_seed(struct dice *d, struct buffer *out)
{
    uint8_t encoded[KEY_BYTES_MAX];
    struct buffer value = {NULL, 0, 0};
    size_t size;

    buffer_put_byte(out, (uint8_t)dice_next(d));
    switch (dice_below(d, 4)) {
    case 0: /* two values: their order */
        value_make_key(d, 2, out);
        value_make_key(d, 2, out);
        break;
    case 1: /* an encoded key */
        value_make_key(d, 2, &value);
        if (!key_encode_value(buffer_slice(&value), (out->data[0] & 4) != 0, encoded,
                              sizeof encoded, &size))
            buffer_put(out, encoded, size);
        break;
    case 2: { /* a range */
        static const char *const names[] = {"gt", "gte", "lt", "lte", "eq", "prefix", "starts"};
        uint32_t pairs = (uint32_t)dice_below(d, 3);

        value_put_map_head(d, pairs, out);
        while (pairs-- > 0) {
            value_put_text(d, slice_text(names[dice_below(d, 7)]), out);
            value_make_key(d, 2, out);
        }
        break;
    }
    default: /* a document, or an option */ value_make(d, 3, out);
    }
    buffer_fini(&value);
    if (out->size > 8192)
        out->size = 8192;
}

static void make_spec(struct key_spec *spec, uint8_t choice)
{
    memset(spec, 0, sizeof *spec);
    spec->part_count = 1 + (choice & 3) % 3;
    for (unsigned i = 0; i < spec->part_count; i++) {
        spec->parts[i].descending = choice >> (2 + i) & 1;
        spec->parts[i].step_count = 1;
        spec->parts[i].steps[0] = slice_text(i == 0 ? "a" : i == 1 ? "" : "id");
    }
}

static bool unpack(struct slice s, msgpack_unpacked *u)
{
    size_t offset = 0;

    msgpack_unpacked_init(u);
    return msgpack_unpack_next(u, (const char *)s.data, s.size, &offset) ==
               MSGPACK_UNPACK_SUCCESS &&
           offset == s.size;
}

/* What is encoded comes back, as a key equal to it, and encodes to the same bytes. */
static void check_decode(const struct key_spec *spec, struct slice encoded)
{
    uint8_t plain[KEY_PLAIN_BYTES_MAX];
    uint8_t again[KEY_BYTES_MAX];
    size_t plain_size, again_size;
    enum err e = key_decode(spec, encoded, plain, sizeof plain, &plain_size);

    FUZZ_CHECK(e == ERR_OK || e == ERR_CORRUPT);
    if (e)
        return;
    FUZZ_CHECK(key_encode(spec, slice_make(plain, plain_size), again, &again_size, NULL) ==
               ERR_OK);
    FUZZ_CHECK(slice_equal(slice_make(again, again_size), encoded));
}

/* Two values one after the other: their bytes are ordered as the model says. */
static void check_order(struct slice all, bool descending)
{
    struct msgpack_cursor c = msgpack_open(all);
    struct slice a, b;
    msgpack_unpacked u, v;
    uint8_t to[2][KEY_BYTES_MAX];
    size_t sizes[2];

    if (msgpack_skip(&c, 30, &a) || msgpack_skip(&c, 30, &b))
        return;
    if (unpack(a, &u) && unpack(b, &v) && object_is_key(&u.data) && object_is_key(&v.data)) {
        enum err e = key_encode_value(a, descending, to[0], sizeof to[0], &sizes[0]);
        enum err f = key_encode_value(b, descending, to[1], sizeof to[1], &sizes[1]);

        FUZZ_CHECK(e == ERR_OK || e == ERR_TOO_LARGE);
        FUZZ_CHECK(f == ERR_OK || f == ERR_TOO_LARGE);
        if (!e && !f) {
            int wanted = object_key_order(&u.data, &v.data);
            int order = slice_compare(slice_make(to[0], sizes[0]), slice_make(to[1], sizes[1]));

            if (descending)
                order = -order;
            FUZZ_CHECK((order > 0) == (wanted > 0) && (order < 0) == (wanted < 0));
        }
    } else {
        FUZZ_CHECK(key_encode_value(a, descending, to[0], sizeof to[0], &sizes[0]) ||
                   key_encode_value(b, descending, to[1], sizeof to[1], &sizes[1]));
    }
    msgpack_unpacked_destroy(&u);
    msgpack_unpacked_destroy(&v);
}

static void check_option(struct slice option)
{
    struct key_spec spec, again;
    uint8_t to[KEY_PARTS_MAX * KEY_STEPS_MAX * 8 + 16384];
    uint8_t more[sizeof to];
    size_t size;

    if (key_spec_read(option, &spec, NULL))
        return;
    size = key_spec_write(&spec, to, sizeof to);
    if (size == 0)
        return;
    FUZZ_CHECK(key_spec_read(slice_make(to, size), &again, NULL) == ERR_OK);
    FUZZ_CHECK(key_spec_write(&again, more, sizeof more) == size);
    FUZZ_CHECK(memcmp(to, more, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct key_range range;
    uint8_t to[KEY_BYTES_MAX];
    struct key_spec spec;
    struct slice all;
    size_t to_size;
    unsigned part;
    const char *why;

    if (size == 0)
        return 0;
    make_spec(&spec, data[0]);
    all = slice_make(data + 1, size - 1);
    check_decode(&spec, all);
    check_order(all, spec.parts[0].descending);
    check_option(all);
    if (!key_encode(&spec, all, to, &to_size, &why))
        check_decode(&spec, slice_make(to, to_size));
    if (!key_of_document(&spec, all, to, &to_size, &part, &why))
        check_decode(&spec, slice_make(to, to_size));
    if (!key_range_read(&spec, all, &range, &why))
        FUZZ_CHECK(range.from_size <= sizeof range.from && range.to_size <= sizeof range.to);
    return 0;
}
