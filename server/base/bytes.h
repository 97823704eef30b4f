/* bytes.h - numbers as bytes: little-endian for our files, big-endian for keys
 * that memcmp must order. */
#ifndef HOLDFAST_BASE_BYTES_H
#define HOLDFAST_BASE_BYTES_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BYTES_DEFINE(bits)                                                  \
    static inline void bytes_put_le##bits(uint8_t *to, uint##bits##_t n)    \
    {                                                                       \
        n = htole##bits(n);                                                 \
        memcpy(to, &n, sizeof n);                                           \
    }                                                                       \
    static inline uint##bits##_t bytes_get_le##bits(const uint8_t *from)    \
    {                                                                       \
        uint##bits##_t n;                                                   \
        memcpy(&n, from, sizeof n);                                         \
        return le##bits##toh(n);                                            \
    }                                                                       \
    static inline void bytes_put_be##bits(uint8_t *to, uint##bits##_t n)    \
    {                                                                       \
        n = htobe##bits(n);                                                 \
        memcpy(to, &n, sizeof n);                                           \
    }                                                                       \
    static inline uint##bits##_t bytes_get_be##bits(const uint8_t *from)    \
    {                                                                       \
        uint##bits##_t n;                                                   \
        memcpy(&n, from, sizeof n);                                         \
        return be##bits##toh(n);                                            \
    }

BYTES_DEFINE(16)
BYTES_DEFINE(32)
BYTES_DEFINE(64)

#undef BYTES_DEFINE

#define BYTES_VARINT_MAX 10

/* Seven bits a byte, the least first; all but the last have the eighth set. Returns how many. */
static inline size_t bytes_put_varint(uint8_t *to, uint64_t n)
{
    size_t size = 0;

    while (n >= 0x80) {
        to[size++] = (uint8_t)(n | 0x80);
        n >>= 7;
    }
    to[size++] = (uint8_t)n;
    return size;
}

#endif
