/* pack.c - a growing buffer that MessagePack is written into. */
#include "client/lib/holdfast.h"
#include "client/lib/frame.h"
#include "proto/msgpack.h"

#include <stdlib.h>

#define PACK_CAPACITY_FIRST 256

void hf_pack_init(struct hf_pack *p)
{
    memset(p, 0, sizeof *p);
}

void hf_pack_fini(struct hf_pack *p)
{
    free(p->data);
    hf_pack_init(p);
}

void hf_pack_reset(struct hf_pack *p)
{
    p->size = 0;
    p->failed = false;
}

uint8_t *hf_pack_reserve(struct hf_pack *p, size_t size)
{
    size_t capacity = p->capacity ? p->capacity : PACK_CAPACITY_FIRST;
    uint8_t *data;

    if (p->failed || size > SIZE_MAX / 4 - p->size) {
        p->failed = true;
        return NULL;
    }
    if (p->size + size <= p->capacity)
        return p->data + p->size;
    while (capacity < p->size + size)
        capacity *= 2;
    data = realloc(p->data, capacity);
    if (!data) {
        p->failed = true;
        return NULL;
    }
    p->data = data;
    p->capacity = capacity;
    return data + p->size;
}

static void pack_payload(struct hf_pack *p, struct hf_bytes bytes)
{
    uint8_t *to = hf_pack_reserve(p, bytes.size);

    if (!to || bytes.size == 0)
        return;
    memcpy(to, bytes.data, bytes.size);
    p->size += bytes.size;
}

void hf_pack_nil(struct hf_pack *p)
{
    uint8_t *to = hf_pack_reserve(p, MSGPACK_HEAD_MAX);

    if (to)
        p->size += msgpack_put_nil(to);
}

void hf_pack_bool(struct hf_pack *p, bool b)
{
    uint8_t *to = hf_pack_reserve(p, MSGPACK_HEAD_MAX);

    if (to)
        p->size += msgpack_put_bool(to, b);
}

void hf_pack_int(struct hf_pack *p, int64_t n)
{
    uint8_t *to = hf_pack_reserve(p, MSGPACK_HEAD_MAX);

    if (to)
        p->size += msgpack_put_int(to, n);
}

void hf_pack_uint(struct hf_pack *p, uint64_t n)
{
    uint8_t *to = hf_pack_reserve(p, MSGPACK_HEAD_MAX);

    if (to)
        p->size += msgpack_put_uint(to, n);
}

void hf_pack_double(struct hf_pack *p, double d)
{
    uint8_t *to = hf_pack_reserve(p, MSGPACK_HEAD_MAX);

    if (to)
        p->size += msgpack_put_double(to, d);
}

void hf_pack_text(struct hf_pack *p, const char *text)
{
    hf_pack_text_bytes(p, (struct hf_bytes){text, strlen(text)});
}

/* Lengths in MessagePack have 32 bits. */
static uint8_t *pack_reserve_head(struct hf_pack *p, size_t payload)
{
    if (payload > UINT32_MAX)
        p->failed = true;
    return hf_pack_reserve(p, MSGPACK_HEAD_MAX);
}

void hf_pack_text_bytes(struct hf_pack *p, struct hf_bytes text)
{
    uint8_t *to = pack_reserve_head(p, text.size);

    if (!to)
        return;
    p->size += msgpack_put_text_head(to, (uint32_t)text.size);
    pack_payload(p, text);
}

void hf_pack_binary(struct hf_pack *p, struct hf_bytes bytes)
{
    uint8_t *to = pack_reserve_head(p, bytes.size);

    if (!to)
        return;
    p->size += msgpack_put_binary_head(to, (uint32_t)bytes.size);
    pack_payload(p, bytes);
}

void hf_pack_array(struct hf_pack *p, uint32_t count)
{
    uint8_t *to = hf_pack_reserve(p, MSGPACK_HEAD_MAX);

    if (to)
        p->size += msgpack_put_array_head(to, count);
}

void hf_pack_map(struct hf_pack *p, uint32_t pairs)
{
    uint8_t *to = hf_pack_reserve(p, MSGPACK_HEAD_MAX);

    if (to)
        p->size += msgpack_put_map_head(to, pairs);
}

void hf_pack_timestamp(struct hf_pack *p, int64_t seconds, uint32_t nanoseconds)
{
    uint8_t *to = hf_pack_reserve(p, 15);

    if (to)
        p->size += msgpack_put_timestamp(to, seconds, nanoseconds);
}

/* fixext for the sizes that have one, else ext 8, 16 or 32: the size, then the type. */
void hf_pack_ext(struct hf_pack *p, int8_t type, struct hf_bytes payload)
{
    uint8_t *to = pack_reserve_head(p, payload.size);
    uint32_t size = (uint32_t)payload.size;
    size_t put = 0;

    if (!to)
        return;
    if (size == 1 || size == 2 || size == 4 || size == 8 || size == 16) {
        to[put++] = (uint8_t)(0xd4 + __builtin_ctz(size));
    } else if (size <= UINT8_MAX) {
        to[put++] = 0xc7;
        to[put++] = (uint8_t)size;
    } else if (size <= UINT16_MAX) {
        to[put++] = 0xc8;
        to[put++] = (uint8_t)(size >> 8);
        to[put++] = (uint8_t)size;
    } else {
        to[put++] = 0xc9;
        for (int shift = 24; shift >= 0; shift -= 8)
            to[put++] = (uint8_t)(size >> shift);
    }
    to[put++] = (uint8_t)type;
    p->size += put;
    pack_payload(p, payload);
}

void hf_pack_raw(struct hf_pack *p, struct hf_bytes values)
{
    if (!values.data)
        hf_pack_nil(p);
    else
        pack_payload(p, values);
}

size_t hf_value_size(struct hf_bytes bytes)
{
    struct slice rest = slice_make(bytes.data, bytes.size);
    struct slice value;

    return frame_take(&rest, &value) ? value.size : 0;
}
