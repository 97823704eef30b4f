/* msgpack_internal.h - what the files of msgpack share: big-endian numbers and
 * the one place that knows how far a head reaches. */
#ifndef HOLDFAST_PROTO_MSGPACK_INTERNAL_H
#define HOLDFAST_PROTO_MSGPACK_INTERNAL_H

#include "proto/msgpack.h"

#include <endian.h>

#define MSGPACK_LIKELY(x) __builtin_expect(!!(x), 1)
#define MSGPACK_UNLIKELY(x) __builtin_expect(!!(x), 0)

static inline uint16_t msgpack_get16(const uint8_t *from)
{
    uint16_t n;

    memcpy(&n, from, sizeof n);
    return be16toh(n);
}

static inline uint32_t msgpack_get32(const uint8_t *from)
{
    uint32_t n;

    memcpy(&n, from, sizeof n);
    return be32toh(n);
}

static inline uint64_t msgpack_get64(const uint8_t *from)
{
    uint64_t n;

    memcpy(&n, from, sizeof n);
    return be64toh(n);
}

/* How a value goes on behind its first byte. */
struct msgpack_form {
    uint8_t fixed;    /* bytes before the payload, or of the whole scalar; 0: no such form */
    uint8_t length;   /* width of the length field behind the first byte; 0: none */
    uint8_t per;      /* values for each counted: 1 array, 2 map, 0 no container */
    uint8_t children; /* values that the first byte itself announces */
};

extern const struct msgpack_form msgpack_forms[256];

/* What one step over a head, and the payload of a scalar, takes. */
struct msgpack_step {
    uint64_t bytes;    /* of the scalar, or of the container's head */
    uint64_t children; /* values that follow */
    bool is_container;
};

/* Look at the head at p, of which room > 0 bytes are at hand. ERR_END: the head is
 * cut; ERR_BAD_REQUEST: 0xc1. The payload need not be at hand. */
static inline enum err msgpack_step_read(const uint8_t *p, size_t room,
                                         struct msgpack_step *out)
{
    const struct msgpack_form *form = &msgpack_forms[*p];
    uint64_t n;

    out->is_container = form->per;
    out->bytes = form->fixed;
    out->children = form->children;
    if (MSGPACK_LIKELY(form->length == 0))
        return MSGPACK_LIKELY(form->fixed) ? ERR_OK : ERR_BAD_REQUEST;
    if (room < 1u + form->length)
        return ERR_END;
    n = form->length == 1   ? p[1]
        : form->length == 2 ? msgpack_get16(p + 1)
                            : msgpack_get32(p + 1);
    if (form->per)
        out->children = n * form->per;
    else
        out->bytes += n;
    return ERR_OK;
}

#endif
