/* slot.c - the root slots as bytes. */
#include "server/storage/slot.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"

#include <xxhash.h>

static const uint8_t slot_magic[8] = {'H', 'F', 'P', 'R', 'I', 'M', 'R', 'Y'};

enum slot_at { /* bytes from the slot's beginning */
               AT_MAGIC = 0,
               AT_FORMAT = 8,
               AT_PAGE_BYTES = 12,
               AT_UUID = 16,
               AT_NUMBER = 32,
               AT_NUMBER_LIMIT = 40,
               AT_COMMIT = 48,
               AT_LOG_POSITION = 56,
               AT_VERSION_RESERVED = 64,
               AT_COMMIT_RESERVED = 72,
               AT_UNITS = 80,
               AT_TREES = 88,
               AT_HEIGHT = 92,
               AT_CATALOGUE = 96, /* 56 bytes: see put_ptr */
               AT_END = 152,      /* zeros from here */
               AT_CHECKSUM = SLOT_BYTES - 8,
};

static void put_ptr(uint8_t *to, const struct page_ptr *ptr)
{
    ASSERT(ptr->packed <= ptr->image);
    bytes_put_le64(to, ptr->checksum);
    bytes_put_le32(to + 8, ptr->offset);
    bytes_put_le32(to + 12, ptr->twin);
    bytes_put_le64(to + 16, ptr->birth);
    bytes_put_le64(to + 24, ptr->records);
    bytes_put_le64(to + 32, ptr->bytes);
    bytes_put_le64(to + 40, ptr->units);
    bytes_put_le32(to + 48, ptr->packed);
    bytes_put_le32(to + 52, ptr->image);
}

static void get_ptr(const uint8_t *from, struct page_ptr *ptr)
{
    ptr->checksum = bytes_get_le64(from);
    ptr->offset = bytes_get_le32(from + 8);
    ptr->twin = bytes_get_le32(from + 12);
    ptr->birth = bytes_get_le64(from + 16);
    ptr->records = bytes_get_le64(from + 24);
    ptr->bytes = bytes_get_le64(from + 32);
    ptr->units = bytes_get_le64(from + 40);
    ptr->packed = bytes_get_le32(from + 48);
    ptr->image = bytes_get_le32(from + 52);
}

static uint64_t slot_checksum(const uint8_t *bytes, unsigned place)
{
    ASSERT(place < SLOT_COUNT);
    return XXH3_64bits_withSeed(bytes, AT_CHECKSUM, place + 1);
}

static bool slot_is_sane(const struct slot *slot)
{
    const struct page_ptr *top = &slot->catalogue;

    if (slot->page_bytes < 512 || slot->page_bytes > (1u << 20) ||
        slot->height >= PAGE_LEVELS_MAX || slot->facts.number >= slot->number_limit)
        return false;
    if (slot->height == 0)
        return slot->trees == 0;
    return top->packed > 0 && top->packed <= top->image && top->image > PAGE_HEADER_BYTES &&
           top->image <= PAGE_IMAGE_BYTES_MAX;
}

void slot_encode(const struct slot *slot, unsigned place, uint8_t to[SLOT_BYTES])
{
    ASSERT(place < SLOT_COUNT && slot->facts.number < slot->number_limit);
    ASSERT(slot_is_sane(slot)); /* checked again on the way back */
    memset(to, 0, SLOT_BYTES);
    memcpy(to + AT_MAGIC, slot_magic, sizeof slot_magic);
    bytes_put_le32(to + AT_FORMAT, SLOT_FORMAT);
    bytes_put_le32(to + AT_PAGE_BYTES, slot->page_bytes);
    memcpy(to + AT_UUID, slot->uuid, sizeof slot->uuid);
    bytes_put_le64(to + AT_NUMBER, slot->facts.number);
    bytes_put_le64(to + AT_NUMBER_LIMIT, slot->number_limit);
    bytes_put_le64(to + AT_COMMIT, slot->facts.commit);
    bytes_put_le64(to + AT_LOG_POSITION, slot->facts.log_position);
    bytes_put_le64(to + AT_VERSION_RESERVED, slot->facts.version_reserved);
    bytes_put_le64(to + AT_COMMIT_RESERVED, slot->facts.commit_reserved);
    bytes_put_le64(to + AT_UNITS, slot->units);
    bytes_put_le32(to + AT_TREES, slot->trees);
    bytes_put_le32(to + AT_HEIGHT, slot->height);
    put_ptr(to + AT_CATALOGUE, &slot->catalogue);
    bytes_put_le64(to + AT_CHECKSUM, slot_checksum(to, place));
}

enum err slot_decode(struct slot *slot, unsigned place, const uint8_t from[SLOT_BYTES])
{
    if (memcmp(from + AT_MAGIC, slot_magic, sizeof slot_magic) != 0 ||
        bytes_get_le64(from + AT_CHECKSUM) != slot_checksum(from, place))
        return ERR_CORRUPT;
    /* In every format the magic, the format and the checksum stand where they stand. */
    if (bytes_get_le32(from + AT_FORMAT) != SLOT_FORMAT)
        return ERR_FORMAT;
    return slot_decode_unchecked(slot, from) ? ERR_OK : ERR_CORRUPT;
}

bool slot_decode_unchecked(struct slot *slot, const uint8_t from[SLOT_BYTES])
{
    slot->page_bytes = bytes_get_le32(from + AT_PAGE_BYTES);
    memcpy(slot->uuid, from + AT_UUID, sizeof slot->uuid);
    slot->facts.number = bytes_get_le64(from + AT_NUMBER);
    slot->number_limit = bytes_get_le64(from + AT_NUMBER_LIMIT);
    slot->facts.commit = bytes_get_le64(from + AT_COMMIT);
    slot->facts.log_position = bytes_get_le64(from + AT_LOG_POSITION);
    slot->facts.version_reserved = bytes_get_le64(from + AT_VERSION_RESERVED);
    slot->facts.commit_reserved = bytes_get_le64(from + AT_COMMIT_RESERVED);
    slot->units = bytes_get_le64(from + AT_UNITS);
    slot->trees = bytes_get_le32(from + AT_TREES);
    slot->height = bytes_get_le32(from + AT_HEIGHT);
    get_ptr(from + AT_CATALOGUE, &slot->catalogue);
    return slot_is_sane(slot);
}

enum err slot_read_newest(struct os *os, struct os_file *file, struct slot *slot,
                          unsigned *place, struct failure *f)
{
    uint8_t bytes[SLOT_BYTES];
    bool found = false;

    for (unsigned i = 0; i < SLOT_COUNT; i++) {
        struct slot read;
        size_t got = 0;
        enum err e =
            os->ops->file_read(file, (uint64_t)i * SLOT_BYTES, bytes, SLOT_BYTES, &got);

        if (e)
            return failure_set_at(f, e, PRIMARY_FILE, (uint64_t)i * SLOT_BYTES,
                                  "a meta page could not be read");
        e = got == SLOT_BYTES ? slot_decode(&read, i, bytes) : ERR_CORRUPT;
        if (e == ERR_FORMAT)
            return failure_set_at(
                f, e, PRIMARY_FILE, (uint64_t)i * SLOT_BYTES,
                "the data file has format %u; this version reads and writes format %u",
                (unsigned)bytes_get_le32(bytes + AT_FORMAT), SLOT_FORMAT);
        if (e == ERR_OK && found && memcmp(read.uuid, slot->uuid, sizeof read.uuid) != 0)
            return failure_set_at(f, ERR_CORRUPT, PRIMARY_FILE, (uint64_t)i * SLOT_BYTES,
                                  "the two meta pages belong to different databases");
        if (e == ERR_OK && (!found || read.facts.number > slot->facts.number)) {
            *slot = read;
            *place = i;
            found = true;
        }
    }
    if (!found)
        return failure_set_at(f, ERR_CORRUPT, PRIMARY_FILE, 0,
                              "both meta pages are damaged; restore a backup");
    ASSERT(*place < SLOT_COUNT);
    return ERR_OK;
}

enum err slot_write(struct os *os, struct os_file *file, const struct slot *slot,
                    unsigned place, bool *sync_failed)
{
    uint8_t bytes[SLOT_BYTES];
    enum err e;

    ASSERT(place < SLOT_COUNT);
    *sync_failed = false;
    slot_encode(slot, place, bytes);
    e = os->ops->file_write(file, (uint64_t)place * SLOT_BYTES, bytes, SLOT_BYTES);
    if (e)
        return e;
    e = os->ops->file_sync(file);
    *sync_failed = e != ERR_OK;
    return e;
}
