/* net_buffer.c - growing memory, counted. */
#include "server/net/net_buffer.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"

#include <stdlib.h>

#define ARRAY_HEAD_BYTES 5
#define MAP_HEAD_BYTES 3
#define BUFFER_LEAST 1024
#define BUFFER_STEP ((size_t)1 << 20) /* doubling up to here, then by so much */

static void resize(struct net_buffer *b, uint8_t *data, size_t room)
{
    ASSERT(b->used <= room || !data);
    if (room > b->room)
        account_add(b->account, b->kind, room - b->room);
    else
        account_sub(b->account, b->kind, b->room - room);
    b->data = data;
    b->room = room;
}

void net_buffer_fini(struct net_buffer *b)
{
    free(b->data);
    resize(b, NULL, 0);
    b->used = 0;
    b->failed = false;
}

uint8_t *net_buffer_reserve_more(struct net_buffer *b, size_t size)
{
    size_t room = b->room ? b->room : BUFFER_LEAST;
    size_t least = b->used + size;
    uint8_t *data;

    if (b->failed || size > SIZE_MAX / 4 || b->used > SIZE_MAX / 4) {
        b->failed = true;
        return NULL;
    }
    while (room < least && room < BUFFER_STEP)
        room *= 2;
    if (room < least) /* the system moves such memory without copying it */
        room = (least + BUFFER_STEP - 1) / BUFFER_STEP * BUFFER_STEP;
    data = realloc(b->data, room);
    if (!data) {
        b->failed = true;
        return NULL;
    }
    resize(b, data, room);
    return b->data + b->used;
}

void net_buffer_append(struct net_buffer *b, const void *bytes, size_t size)
{
    uint8_t *to = net_buffer_reserve(b, size);

    if (!to || !size)
        return;
    memcpy(to, bytes, size);
    b->used += size;
}

void net_buffer_clear(struct net_buffer *b, size_t keep)
{
    b->used = 0;
    b->failed = false;
    if (b->room > keep)
        net_buffer_fini(b);
}

void net_buffer_drop(struct net_buffer *b, size_t size)
{
    ASSERT(size <= b->used);
    b->used -= size;
    if (b->used)
        memmove(b->data, b->data + size, b->used);
}

void net_buffer_trim(struct net_buffer *b, size_t keep)
{
    uint8_t *data;

    if (b->used > keep || b->room <= keep)
        return;
    data = realloc(b->data, keep);
    if (data)
        resize(b, data, keep);
}

void net_buffer_swap(struct net_buffer *a, struct net_buffer *b)
{
    struct net_buffer was = *a;

    a->used = b->used;
    a->failed = b->failed;
    b->used = was.used;
    b->failed = was.failed;
    resize(a, b->data, b->room);
    resize(b, was.data, was.room);
}

size_t put_array_later(struct net_buffer *b)
{
    size_t place = b->used;
    uint8_t *to = net_buffer_reserve(b, ARRAY_HEAD_BYTES);

    if (to) {
        to[0] = 0xdd; /* array 32: clients decide how many there are */
        b->used += ARRAY_HEAD_BYTES;
    }
    return place;
}

void put_array_now(struct net_buffer *b, size_t place, uint32_t count)
{
    if (b->failed)
        return;
    ASSERT(place + ARRAY_HEAD_BYTES <= b->used && b->data[place] == 0xdd);
    bytes_put_be32(b->data + place + 1, count);
}

size_t put_map_later(struct net_buffer *b)
{
    size_t place = b->used;
    uint8_t *to = net_buffer_reserve(b, MAP_HEAD_BYTES);

    if (to) {
        to[0] = 0xde; /* map 16 */
        b->used += MAP_HEAD_BYTES;
    }
    return place;
}

void put_map_now(struct net_buffer *b, size_t place, uint32_t pairs)
{
    ASSERT(pairs <= UINT16_MAX);
    if (b->failed)
        return;
    ASSERT(place + MAP_HEAD_BYTES <= b->used && b->data[place] == 0xde);
    bytes_put_be16(b->data + place + 1, (uint16_t)pairs);
}
