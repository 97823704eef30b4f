#include "server/txn/scrub_format.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"

#include <xxhash.h>

static const char magic[8] = "hfscrub";

#define PLACE_IS_BEGUN 1u

void scrub_encode(const struct scrub_progress *p, uint8_t to[SCRUB_BYTES])
{
    ASSERT(p->place.key_size <= KEY_BYTES_MAX);
    memset(to, 0, SCRUB_BYTES);
    memcpy(to, magic, sizeof magic);
    bytes_put_le32(to + 8, SCRUB_FORMAT);
    bytes_put_le32(to + 12, p->place.is_begun ? PLACE_IS_BEGUN : 0);
    bytes_put_le64(to + 16, p->begun_ms);
    bytes_put_le64(to + 24, p->finished_ms);
    bytes_put_le64(to + 32, p->pages);
    bytes_put_le64(to + 40, p->bytes);
    bytes_put_le64(to + 48, p->found);
    bytes_put_le64(to + 56, p->found_before);
    bytes_put_le32(to + 64, p->place.store);
    bytes_put_le32(to + 68, (uint32_t)p->place.key_size);
    memcpy(to + SCRUB_HEAD_BYTES, p->place.key, p->place.key_size);
    bytes_put_le64(to + SCRUB_BYTES - 8, XXH3_64bits(to, SCRUB_BYTES - 8));
}

enum err scrub_decode(const uint8_t from[SCRUB_BYTES], struct scrub_progress *out)
{
    memset(out, 0, sizeof *out);
    if (memcmp(from, magic, sizeof magic) != 0)
        return ERR_CORRUPT;
    if (bytes_get_le32(from + 8) != SCRUB_FORMAT)
        return ERR_FORMAT;
    if (bytes_get_le64(from + SCRUB_BYTES - 8) != XXH3_64bits(from, SCRUB_BYTES - 8) ||
        bytes_get_le32(from + 68) > KEY_BYTES_MAX)
        return ERR_CORRUPT;
    out->place.is_begun = bytes_get_le32(from + 12) & PLACE_IS_BEGUN;
    out->begun_ms = bytes_get_le64(from + 16);
    out->finished_ms = bytes_get_le64(from + 24);
    out->pages = bytes_get_le64(from + 32);
    out->bytes = bytes_get_le64(from + 40);
    out->found = bytes_get_le64(from + 48);
    out->found_before = bytes_get_le64(from + 56);
    out->place.store = bytes_get_le32(from + 64);
    out->place.key_size = bytes_get_le32(from + 68);
    memcpy(out->place.key, from + SCRUB_HEAD_BYTES, out->place.key_size);
    return ERR_OK;
}
