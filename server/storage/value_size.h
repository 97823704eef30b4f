/* value_size.h - how many bytes a value of MessagePack takes, for walks over records.
 *
 * Threads: any. */
#ifndef HOLDFAST_STORAGE_VALUE_SIZE_H
#define HOLDFAST_STORAGE_VALUE_SIZE_H

#include <stddef.h>
#include <stdint.h>

/* The bytes that a value takes by its first one; 0: that is not enough to know. */
extern const uint8_t value_sizes[256];

/* Documents of one store mostly look alike, so what branches decide is known ahead, and the next
 * value can be looked at before this one's size is there; a table alone would make it wait. */
static inline size_t value_size(uint8_t first)
{
    if (first < 0x80 || first >= 0xe0)
        return 1;
    if ((first & 0xe0) == 0xa0)
        return 1u + (first & 0x1f);
    return first == 0xcb ? 9 : value_sizes[first];
}

#endif
