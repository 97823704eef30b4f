/* slice.h - a run of bytes that somebody else owns.
 *
 * A slice is a value: pass it by value, never keep it longer than its owner
 * says. A slice with data NULL is "none"; a slice of size 0 with data set is
 * an empty text or key, which is a value like any other. */
#ifndef HOLDFAST_PROTO_SLICE_H
#define HOLDFAST_PROTO_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; /* borrowed; NULL: none */
    size_t size;         /* bytes */
};

#define SLICE_NONE ((struct slice){NULL, 0})

static inline struct slice slice_make(const void *data, size_t size)
{
    return (struct slice){(const uint8_t *)data, size};
}

/* The bytes of a C string without its terminator. */
static inline struct slice slice_text(const char *text)
{
    return slice_make(text, strlen(text));
}

static inline bool slice_is_none(struct slice s)
{
    return s.data == NULL;
}

/* memcmp order, a shorter one first where one is the beginning of the other. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;

    if (order)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_starts_with(struct slice s, struct slice beginning)
{
    return s.size >= beginning.size &&
           (beginning.size == 0 || memcmp(s.data, beginning.data, beginning.size) == 0);
}

#endif
