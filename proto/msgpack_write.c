/* msgpack_write.c - the writer: the shortest form of each value.
 *
 * The caller has made the room; nothing here can fail. */
#include "proto/msgpack_internal.h"

static size_t put8(uint8_t *to, uint8_t head, uint8_t n)
{
    to[0] = head;
    to[1] = n;
    return 2;
}

static size_t put16(uint8_t *to, uint8_t head, uint16_t n)
{
    to[0] = head;
    n = htobe16(n);
    memcpy(to + 1, &n, sizeof n);
    return 3;
}

static size_t put32(uint8_t *to, uint8_t head, uint32_t n)
{
    to[0] = head;
    n = htobe32(n);
    memcpy(to + 1, &n, sizeof n);
    return 5;
}

static size_t put64(uint8_t *to, uint8_t head, uint64_t n)
{
    to[0] = head;
    n = htobe64(n);
    memcpy(to + 1, &n, sizeof n);
    return 9;
}

size_t msgpack_put_nil(uint8_t *to)
{
    *to = 0xc0;
    return 1;
}

size_t msgpack_put_bool(uint8_t *to, bool b)
{
    *to = b ? 0xc3 : 0xc2;
    return 1;
}

size_t msgpack_put_uint(uint8_t *to, uint64_t n)
{
    if (n < 0x80) {
        *to = (uint8_t)n;
        return 1;
    }
    if (n <= UINT8_MAX)
        return put8(to, 0xcc, (uint8_t)n);
    if (n <= UINT16_MAX)
        return put16(to, 0xcd, (uint16_t)n);
    if (n <= UINT32_MAX)
        return put32(to, 0xce, (uint32_t)n);
    return put64(to, 0xcf, n);
}

size_t msgpack_put_int(uint8_t *to, int64_t n)
{
    if (n >= 0)
        return msgpack_put_uint(to, (uint64_t)n);
    if (n >= -32) {
        *to = (uint8_t)n;
        return 1;
    }
    if (n >= INT8_MIN)
        return put8(to, 0xd0, (uint8_t)n);
    if (n >= INT16_MIN)
        return put16(to, 0xd1, (uint16_t)n);
    if (n >= INT32_MIN)
        return put32(to, 0xd2, (uint32_t)n);
    return put64(to, 0xd3, (uint64_t)n);
}

size_t msgpack_put_double(uint8_t *to, double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof bits);
    return put64(to, 0xcb, bits);
}

size_t msgpack_put_text_head(uint8_t *to, uint32_t size)
{
    if (size < 32) {
        *to = (uint8_t)(0xa0 | size);
        return 1;
    }
    if (size <= UINT8_MAX)
        return put8(to, 0xd9, (uint8_t)size);
    if (size <= UINT16_MAX)
        return put16(to, 0xda, (uint16_t)size);
    return put32(to, 0xdb, size);
}

size_t msgpack_put_binary_head(uint8_t *to, uint32_t size)
{
    if (size <= UINT8_MAX)
        return put8(to, 0xc4, (uint8_t)size);
    if (size <= UINT16_MAX)
        return put16(to, 0xc5, (uint16_t)size);
    return put32(to, 0xc6, size);
}

size_t msgpack_put_array_head(uint8_t *to, uint32_t count)
{
    if (count < 16) {
        *to = (uint8_t)(0x90 | count);
        return 1;
    }
    if (count <= UINT16_MAX)
        return put16(to, 0xdc, (uint16_t)count);
    return put32(to, 0xdd, count);
}

size_t msgpack_put_map_head(uint8_t *to, uint32_t pairs)
{
    if (pairs < 16) {
        *to = (uint8_t)(0x80 | pairs);
        return 1;
    }
    if (pairs <= UINT16_MAX)
        return put16(to, 0xde, (uint16_t)pairs);
    return put32(to, 0xdf, pairs);
}

static size_t put_payload(uint8_t *to, size_t head, struct slice payload)
{
    if (payload.size)
        memcpy(to + head, payload.data, payload.size);
    return head + payload.size;
}

size_t msgpack_put_text(uint8_t *to, struct slice text)
{
    return put_payload(to, msgpack_put_text_head(to, (uint32_t)text.size), text);
}

size_t msgpack_put_binary(uint8_t *to, struct slice bytes)
{
    return put_payload(to, msgpack_put_binary_head(to, (uint32_t)bytes.size), bytes);
}

size_t msgpack_put_timestamp(uint8_t *to, int64_t seconds, uint32_t nanoseconds)
{
    uint32_t parts = htobe32(nanoseconds);

    if ((uint64_t)seconds >> 34) {
        uint64_t whole = htobe64((uint64_t)seconds);

        to[0] = 0xc7;
        to[1] = 12;
        to[2] = 0xff;
        memcpy(to + 3, &parts, sizeof parts);
        memcpy(to + 7, &whole, sizeof whole);
        return 15;
    }
    if (nanoseconds || (uint64_t)seconds > UINT32_MAX) {
        uint64_t both = htobe64((uint64_t)nanoseconds << 34 | (uint64_t)seconds);

        to[0] = 0xd7;
        to[1] = 0xff;
        memcpy(to + 2, &both, sizeof both);
        return 10;
    }
    to[0] = 0xd6;
    to[1] = 0xff;
    parts = htobe32((uint32_t)seconds);
    memcpy(to + 2, &parts, sizeof parts);
    return 6;
}
