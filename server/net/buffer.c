/* buffer.c - doubling memory, counted. */
#include "server/net/buffer.h"

#include "server/base/assert.h"

#include <stdlib.h>

#define BUFFER_LEAST 1024

static size_t total;

size_t buffer_total(void)
{
    return total;
}

void buffer_fini(struct buffer *b)
{
    total -= b->room;
    free(b->data);
    *b = BUFFER_EMPTY;
}

uint8_t *buffer_reserve_more(struct buffer *b, size_t size)
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

void buffer_append(struct buffer *b, const void *bytes, size_t size)
{
    uint8_t *to = buffer_reserve(b, size);

    if (!to || !size)
        return;
    memcpy(to, bytes, size);
    b->used += size;
}

void buffer_clear(struct buffer *b, size_t keep)
{
    b->used = 0;
    b->failed = false;
    if (b->room > keep)
        buffer_fini(b);
}

void buffer_swap(struct buffer *a, struct buffer *b)
{
    struct buffer c = *a;

    *a = *b;
    *b = c;
}

size_t put_array_later(struct buffer *b)
{
    size_t place = b->used;
    uint8_t *to = buffer_reserve(b, 3);

    if (to) {
        to[0] = 0xdc; /* array 16 */
        b->used += 3;
    }
    return place;
}

void put_array_now(struct buffer *b, size_t place, uint32_t count)
{
    ASSERT(count <= 65535);
    if (b->failed)
        return;
    b->data[place + 1] = (uint8_t)(count >> 8);
    b->data[place + 2] = (uint8_t)count;
}
