/* net_buffer.c - doubling memory, counted. */
#include "server/net/net_buffer.h"

#include "server/base/assert.h"

#include <stdlib.h>

#define BUFFER_LEAST 1024

static size_t total;

size_t net_buffer_total(void)
{
    return total;
}

void net_buffer_fini(struct net_buffer *b)
{
    total -= b->room;
    free(b->data);
    *b = NET_BUFFER_EMPTY;
}

uint8_t *net_buffer_reserve_more(struct net_buffer *b, size_t size)
{
    size_t room = b->room ? b->room : BUFFER_LEAST;
    uint8_t *data;

    if (b->failed || size > SIZE_MAX / 4 || b->used > SIZE_MAX / 4) {
        b->failed = true;
        return NULL;
    }
    while (room - b->used < size)
        room *= 2;
    data = realloc(b->data, room);
    if (!data) {
        b->failed = true;
        return NULL;
    }
    total += room - b->room;
    b->data = data;
    b->room = room;
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

void net_buffer_swap(struct net_buffer *a, struct net_buffer *b)
{
    struct net_buffer c = *a;

    *a = *b;
    *b = c;
}

size_t put_array_later(struct net_buffer *b)
{
    size_t place = b->used;
    uint8_t *to = net_buffer_reserve(b, 3);

    if (to) {
        to[0] = 0xdc; /* array 16 */
        b->used += 3;
    }
    return place;
}

void put_array_now(struct net_buffer *b, size_t place, uint32_t count)
{
    ASSERT(count <= 65535);
    if (b->failed)
        return;
    b->data[place + 1] = (uint8_t)(count >> 8);
    b->data[place + 2] = (uint8_t)count;
}
