#include "server/storage/wal_format.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"

#include <xxhash.h>

#define CHECKED_FROM 16 /* the checksum covers what is behind magic and checksum */

static const uint8_t segment_magic[8] = {'H', 'F', 'L', 'O', 'G', 'S', 'E', 'G'};
static const uint8_t batch_magic[8] = {'H', 'F', 'L', 'O', 'G', 'B', 'A', 'T'};
static const uint8_t mark_magic[][8] = {
    [WAL_MARK_FAILED] = {'H', 'F', 'L', 'O', 'G', 'E', 'N', 'D'},
    [WAL_MARK_CLOSED] = {'H', 'F', 'L', 'O', 'G', 'C', 'L', 'O'},
};

static uint64_t checksum(const uint8_t *from, size_t size, uint64_t salt)
{
    ASSERT(size > CHECKED_FROM);
    return XXH3_64bits_withSeed(from + CHECKED_FROM, size - CHECKED_FROM, salt);
}

static void seal(const uint8_t *magic, uint8_t *to, size_t size, uint64_t salt)
{
    ASSERT(size >= CHECKED_FROM + 4);
    memcpy(to, magic, 8);
    bytes_put_le32(to + 16, WAL_FORMAT);
    bytes_put_le64(to + 8, checksum(to, size, salt));
}

static enum err unseal(const uint8_t *magic, const uint8_t *from, size_t size, uint64_t salt)
{
    if (memcmp(from, magic, 8) != 0)
        return ERR_CORRUPT;
    if (bytes_get_le64(from + 8) != checksum(from, size, salt))
        return ERR_CORRUPT;
    return bytes_get_le32(from + 16) == WAL_FORMAT ? ERR_OK : ERR_FORMAT;
}

void wal_segment_header_encode(const struct wal_segment_header *header, uint8_t *to)
{
    ASSERT(header->segment_bytes % WAL_SECTOR_BYTES == 0);
    memset(to, 0, WAL_SECTOR_BYTES);
    bytes_put_le64(to + 24, header->number);
    bytes_put_le64(to + 32, header->segment_bytes);
    bytes_put_le64(to + 40, header->epoch);
    bytes_put_le64(to + 48, header->salt);
    memcpy(to + 56, header->identity, WAL_IDENTITY_BYTES);
    seal(segment_magic, to, WAL_SECTOR_BYTES, 0);
}

enum err wal_segment_header_decode(const uint8_t *from, struct wal_segment_header *out)
{
    enum err e = unseal(segment_magic, from, WAL_SECTOR_BYTES, 0);

    if (e)
        return e;
    out->number = bytes_get_le64(from + 24);
    out->segment_bytes = bytes_get_le64(from + 32);
    out->epoch = bytes_get_le64(from + 40);
    out->salt = bytes_get_le64(from + 48);
    memcpy(out->identity, from + 56, WAL_IDENTITY_BYTES);
    return ERR_OK;
}

void wal_batch_encode(const struct wal_batch *batch, uint64_t salt, uint8_t *to)
{
    ASSERT(batch->used >= WAL_HEADER_BYTES && batch->used <= batch->span);
    ASSERT(batch->span % WAL_SECTOR_BYTES == 0);
    ASSERT(batch->position % WAL_SECTOR_BYTES == 0);
    ASSERT(batch->fragments == 0 || batch->first_item > 0);
    memset(to, 0, WAL_HEADER_BYTES);
    memset(to + batch->used, 0, batch->span - batch->used);
    bytes_put_le32(to + 20, batch->flags);
    bytes_put_le64(to + 24, batch->epoch);
    bytes_put_le64(to + 32, batch->position);
    bytes_put_le64(to + 40, batch->previous);
    bytes_put_le64(to + 48, batch->synced);
    bytes_put_le64(to + 56, batch->numbers.version);
    bytes_put_le64(to + 64, batch->numbers.commit);
    bytes_put_le64(to + 72, batch->first_item);
    bytes_put_le32(to + 80, batch->fragments);
    bytes_put_le32(to + 84, batch->used);
    bytes_put_le32(to + 88, batch->span);
    bytes_put_le64(to + 96, batch->time_ms);
    if (batch->identity)
        memcpy(to + 104, batch->identity, WAL_IDENTITY_BYTES);
    seal(batch_magic, to, batch->span, salt);
}

bool wal_batch_resembles(const uint8_t *from, uint64_t position)
{
    return memcmp(from, batch_magic, 8) == 0 && bytes_get_le64(from + 32) == position;
}

uint64_t wal_batch_span(const uint8_t *from, uint64_t room, uint64_t position)
{
    uint64_t span = bytes_get_le32(from + 88);

    ASSERT(room >= WAL_SECTOR_BYTES);
    if (!wal_batch_resembles(from, position) || span > room || span % WAL_SECTOR_BYTES != 0)
        return 0;
    ASSERT(span <= room);
    return span;
}

/* The fields are believed only after the checksum holds, but span is needed to
 * compute it: it is bounded first, by what is there. */
enum err wal_batch_decode(const uint8_t *from, uint64_t room, uint64_t salt, uint64_t position,
                          struct wal_batch *out)
{
    uint64_t span = room < WAL_SECTOR_BYTES ? 0 : wal_batch_span(from, room, position);
    ASSERT(span <= room);
    enum err e;

    if (!span)
        return ERR_CORRUPT;
    e = unseal(batch_magic, from, span, salt);
    if (e)
        return e;
    out->flags = bytes_get_le32(from + 20);
    out->epoch = bytes_get_le64(from + 24);
    out->position = bytes_get_le64(from + 32);
    out->previous = bytes_get_le64(from + 40);
    out->synced = bytes_get_le64(from + 48);
    out->numbers.version = bytes_get_le64(from + 56);
    out->numbers.commit = bytes_get_le64(from + 64);
    out->first_item = bytes_get_le64(from + 72);
    out->fragments = bytes_get_le32(from + 80);
    out->used = bytes_get_le32(from + 84);
    out->span = (uint32_t)span;
    out->time_ms = bytes_get_le64(from + 96);
    out->identity = from + 104;
    return out->used >= WAL_HEADER_BYTES && out->used <= span ? ERR_OK : ERR_CORRUPT;
}

void wal_fragment_encode(const struct wal_fragment *fragment, uint8_t *to)
{
    ASSERT(fragment->number > 0);
    ASSERT((fragment->flags & ~(WAL_FRAGMENT_FIRST | WAL_FRAGMENT_LAST)) == 0);
    bytes_put_le64(to, fragment->number);
    bytes_put_le32(to + 8, fragment->bytes);
    bytes_put_le32(to + 12, fragment->flags);
}

void wal_fragment_decode(const uint8_t *from, struct wal_fragment *out)
{
    out->number = bytes_get_le64(from);
    out->bytes = bytes_get_le32(from + 8);
    out->flags = bytes_get_le32(from + 12);
}

void wal_mark_encode(const struct wal_mark *mark, enum wal_mark_kind kind, uint8_t *to)
{
    ASSERT(kind == WAL_MARK_FAILED || kind == WAL_MARK_CLOSED);
    ASSERT(mark->position == WAL_MARK_NONE || mark->position % WAL_SECTOR_BYTES == 0);
    memset(to, 0, WAL_MARK_BYTES);
    memcpy(to + 24, mark->identity, WAL_IDENTITY_BYTES);
    bytes_put_le64(to + 40, mark->epoch);
    bytes_put_le64(to + 48, mark->position);
    seal(mark_magic[kind], to, WAL_MARK_BYTES, 0);
}

enum err wal_mark_decode(const uint8_t *from, enum wal_mark_kind kind, struct wal_mark *out)
{
    enum err e = unseal(mark_magic[kind], from, WAL_MARK_BYTES, 0);

    if (e)
        return e;
    memcpy(out->identity, from + 24, WAL_IDENTITY_BYTES);
    out->epoch = bytes_get_le64(from + 40);
    out->position = bytes_get_le64(from + 48);
    return ERR_OK;
}
