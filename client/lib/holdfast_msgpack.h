/* holdfast_msgpack.h - libholdfast beside msgpack-c, for programs that use both.
 *
 * Objects of msgpack-c become bytes of a request, and results become objects. The library itself
 * needs no msgpack-c: what is here is compiled into the program that includes it, which links
 * -lmsgpackc (or -lmsgpack-c) itself.
 *
 *     struct hf_pack key = {0};
 *     msgpack_packer packer;
 *
 *     hf_msgpack_packer_init(&packer, &key);
 *     msgpack_pack_int(&packer, 7);
 *
 *     msgpack_unpacked record;
 *
 *     msgpack_unpacked_init(&record);
 *     e = hf_get(c, NULL, "people", hf_pack_bytes(&key), &found);
 *     if (e == HF_OK && hf_msgpack_unpack(found, &record) == HF_OK)
 *         msgpack_object_print(stdout, record.data);
 *     msgpack_unpacked_destroy(&record);
 *     hf_pack_fini(&key);
 */
#ifndef HOLDFAST_MSGPACK_H
#define HOLDFAST_MSGPACK_H

#include "holdfast.h"

#include <msgpack.h>

/* A msgpack_packer_write. */
static inline int hf_msgpack_write(void *pack, const char *data, size_t size)
{
    struct hf_pack *p = (struct hf_pack *)pack;
    uint8_t *to = hf_pack_reserve(p, size);

    if (!to)
        return -1;
    if (size > 0)
        memcpy(to, data, size);
    p->size += size;
    return 0;
}

/* A packer of msgpack-c that appends to p, which may also be what hf_call_begin gave. */
static inline void hf_msgpack_packer_init(msgpack_packer *packer, struct hf_pack *p)
{
    msgpack_packer_init(packer, p, hf_msgpack_write);
}

/* Append an object. HF_OK or HF_MEMORY. */
static inline int hf_msgpack_pack(struct hf_pack *p, msgpack_object object)
{
    msgpack_packer packer;

    hf_msgpack_packer_init(&packer, p);
    return msgpack_pack_object(&packer, object) == 0 ? HF_OK : HF_MEMORY;
}

/* What a buffer of msgpack-c holds, as a key, value or range. Borrowed from it. */
static inline struct hf_bytes hf_msgpack_bytes(const msgpack_sbuffer *buffer)
{
    struct hf_bytes bytes = {buffer->data, buffer->size};

    return bytes;
}

/* The value as an object; its texts and binaries borrow from value. The caller has initialised
 * *out and destroys it. HF_OK; HF_ABSENT: value is none; HF_MALFORMED: no whole value, or deeper
 * than msgpack-c reads (32); HF_MEMORY. */
static inline int hf_msgpack_unpack(struct hf_bytes value, msgpack_unpacked *out)
{
    size_t offset = 0;

    if (!value.data)
        return HF_ABSENT;
    switch (msgpack_unpack_next(out, (const char *)value.data, value.size, &offset)) {
    case MSGPACK_UNPACK_SUCCESS:
    case MSGPACK_UNPACK_EXTRA_BYTES: return HF_OK;
    case MSGPACK_UNPACK_NOMEM_ERROR: return HF_MEMORY;
    default: return HF_MALFORMED;
    }
}

#endif
