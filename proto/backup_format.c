/* backup_format.c - see backup_format.h. */
#include "proto/backup_format.h"

#include <endian.h>

#define XXH_INLINE_ALL /* the client links no libxxhash */
#include <xxhash.h>

static const uint8_t magic[8] = {'H', 'F', 'B', 'A', 'C', 'K', 'U', 'P'};

enum header_at { /* bytes from the header's beginning */
                 AT_MAGIC = 0,
                 AT_CHECKSUM = 8,
                 AT_FORMAT = 16,
                 AT_PAGE_BYTES = 20,
                 AT_IDENTITY = 24,
                 AT_ROOT = 40,
                 AT_COMMIT = 48,
                 AT_BASE = 56,
                 AT_BASE_COMMIT = 64,
                 AT_TIME = 72,
                 AT_LOG_POSITION = 80,
                 AT_BYTES = 88,
                 AT_META = 128,
};

enum head_at { /* of a page, or of the end */
               AT_KIND = 0,
               AT_PACKED = 4,
               AT_OFFSET = 8,
               AT_TWIN = 12,
               AT_BIRTH = 16, /* end: pages */
               AT_SUM = 24,   /* end: bytes */
               AT_STORE = 32,
               AT_IMAGE = 36,
               AT_LEVEL = 40,
               AT_LINK = 48,
};

enum head_kind { HEAD_PAGE = 1, HEAD_END = 2 };

_Static_assert(AT_META + BACKUP_META_BYTES == BACKUP_HEADER_BYTES, "the meta page ends it");
_Static_assert(AT_LINK + 8 == BACKUP_HEAD_BYTES, "the link ends it");
_Static_assert(sizeof(XXH3_state_t) + 63 <= sizeof((struct backup_hash){{0}}.state),
               "it has room");

static void put32(uint8_t *to, uint32_t n)
{
    n = htole32(n);
    memcpy(to, &n, sizeof n);
}

static void put64(uint8_t *to, uint64_t n)
{
    n = htole64(n);
    memcpy(to, &n, sizeof n);
}

static uint32_t get32(const uint8_t *from)
{
    uint32_t n;

    memcpy(&n, from, sizeof n);
    return le32toh(n);
}

static uint64_t get64(const uint8_t *from)
{
    uint64_t n;

    memcpy(&n, from, sizeof n);
    return le64toh(n);
}

/* ---- writing ---- */

uint64_t backup_header_encode(const struct backup_header *header,
                              uint8_t to[BACKUP_HEADER_BYTES])
{
    uint64_t sum;

    memset(to, 0, AT_META);
    memcpy(to + AT_MAGIC, magic, sizeof magic);
    put32(to + AT_FORMAT, BACKUP_FORMAT);
    put32(to + AT_PAGE_BYTES, header->page_bytes);
    memcpy(to + AT_IDENTITY, header->identity, BACKUP_IDENTITY_BYTES);
    put64(to + AT_ROOT, header->root);
    put64(to + AT_COMMIT, header->commit);
    put64(to + AT_BASE, header->base);
    put64(to + AT_BASE_COMMIT, header->base_commit);
    put64(to + AT_TIME, header->time_ms);
    put64(to + AT_LOG_POSITION, header->log_position);
    put64(to + AT_BYTES, header->bytes);
    memcpy(to + AT_META, header->meta, BACKUP_META_BYTES);
    sum = XXH3_64bits(to + AT_FORMAT, BACKUP_HEADER_BYTES - AT_FORMAT);
    put64(to + AT_CHECKSUM, sum);
    return sum;
}

static uint64_t head_end(uint8_t *to, uint64_t chain)
{
    uint64_t link = XXH3_64bits_withSeed(to, AT_LINK, chain);

    put64(to + AT_LINK, link);
    return link;
}

uint64_t backup_page_encode(const struct backup_page *page, uint64_t chain,
                            uint8_t to[BACKUP_HEAD_BYTES])
{
    put32(to + AT_KIND, HEAD_PAGE);
    put32(to + AT_PACKED, page->packed);
    put32(to + AT_OFFSET, page->offset);
    put32(to + AT_TWIN, page->twin);
    put64(to + AT_BIRTH, page->birth);
    put64(to + AT_SUM, page->checksum);
    put32(to + AT_STORE, page->store);
    put32(to + AT_IMAGE, page->image);
    put32(to + AT_LEVEL, page->level);
    put32(to + AT_LEVEL + 4, 0);
    return head_end(to, chain);
}

uint64_t backup_end_encode(uint64_t pages, uint64_t bytes, uint64_t chain,
                           uint8_t to[BACKUP_HEAD_BYTES])
{
    memset(to, 0, BACKUP_HEAD_BYTES);
    put32(to + AT_KIND, HEAD_END);
    put64(to + AT_BIRTH, pages);
    put64(to + AT_SUM, bytes);
    return head_end(to, chain);
}

/* ---- a page's checksum ---- */

/* It must lie on 64 bytes, which not all memory does. */
static XXH3_state_t *state_of(const struct backup_hash *h)
{
    return (XXH3_state_t *)(((uintptr_t)h->state + 63) & ~(uintptr_t)63);
}

void backup_hash_begin(struct backup_hash *h, const struct backup_page *page)
{
    /* As page_checksum has it. */
    uint64_t seed = page->offset * UINT64_C(0x9e3779b97f4a7c15) ^
                    (page->birth + 1) * UINT64_C(0xc2b2ae3d27d4eb4f);

    XXH3_INITSTATE(state_of(h));
    XXH3_64bits_reset_withSeed(state_of(h), seed);
}

void backup_hash_add(struct backup_hash *h, struct slice bytes)
{
    XXH3_64bits_update(state_of(h), bytes.data, bytes.size);
}

bool backup_hash_matches(const struct backup_hash *h, const struct backup_page *page)
{
    return XXH3_64bits_digest(state_of(h)) == page->checksum;
}

/* ---- reading ---- */

void backup_reader_init(struct backup_reader *r, const struct backup_sink *sink)
{
    memset(r, 0, sizeof *r);
    if (sink)
        r->sink = *sink;
}

static enum err refuse(struct backup_reader *r, enum err e, const char *why, uint64_t at)
{
    r->why = why;
    r->why_at = at;
    return e;
}

/* Gather size bytes in the buffer. false: they have not all come. */
static bool gather(struct backup_reader *r, struct slice *bytes, size_t size)
{
    size_t part = size - r->have < bytes->size ? size - r->have : bytes->size;

    memcpy(r->buffer + r->have, bytes->data, part);
    r->have += part;
    r->offset += part;
    bytes->data += part;
    bytes->size -= part;
    return r->have == size;
}

static enum err header_read(struct backup_reader *r)
{
    struct backup_header *h = &r->header;
    const uint8_t *from = r->buffer;

    r->have = 0;
    if (memcmp(from + AT_MAGIC, magic, sizeof magic) != 0)
        return refuse(r, ERR_CORRUPT, "the file is not a backup", 0);
    if (get32(from + AT_FORMAT) > BACKUP_FORMAT)
        return refuse(r, ERR_FORMAT, "the backup was written by a newer version", 0);
    r->chain = get64(from + AT_CHECKSUM);
    if (XXH3_64bits(from + AT_FORMAT, BACKUP_HEADER_BYTES - AT_FORMAT) != r->chain)
        return refuse(r, ERR_CORRUPT, "the header of the backup is damaged", 0);
    h->page_bytes = get32(from + AT_PAGE_BYTES);
    memcpy(h->identity, from + AT_IDENTITY, BACKUP_IDENTITY_BYTES);
    h->root = get64(from + AT_ROOT);
    h->commit = get64(from + AT_COMMIT);
    h->base = get64(from + AT_BASE);
    h->base_commit = get64(from + AT_BASE_COMMIT);
    h->time_ms = get64(from + AT_TIME);
    h->log_position = get64(from + AT_LOG_POSITION);
    h->bytes = get64(from + AT_BYTES);
    memcpy(h->meta, from + AT_META, BACKUP_META_BYTES);
    r->has_header = true;
    return r->sink.header ? r->sink.header(r->sink.context, h) : ERR_OK;
}

static enum err page_read(struct backup_reader *r)
{
    struct backup_page *p = &r->page;
    const uint8_t *from = r->buffer;

    p->packed = get32(from + AT_PACKED);
    p->offset = get32(from + AT_OFFSET);
    p->twin = get32(from + AT_TWIN);
    p->birth = get64(from + AT_BIRTH);
    p->checksum = get64(from + AT_SUM);
    p->store = get32(from + AT_STORE);
    p->image = get32(from + AT_IMAGE);
    p->level = get32(from + AT_LEVEL);
    if (!p->packed || p->packed > BACKUP_PACKED_MAX || p->packed > p->image ||
        p->image > BACKUP_PACKED_MAX || p->level > BACKUP_LEVEL_MAX ||
        p->offset < BACKUP_OFFSET_MIN || (p->twin && p->twin < BACKUP_OFFSET_MIN) ||
        p->birth > r->header.root || (r->header.base && p->birth <= r->header.base))
        return refuse(r, ERR_CORRUPT, "the backup contains an invalid page",
                      r->offset - BACKUP_HEAD_BYTES);
    r->page_left = p->packed;
    backup_hash_begin(&r->hash, p);
    return ERR_OK;
}

static enum err head_read(struct backup_reader *r)
{
    uint64_t at = r->offset - BACKUP_HEAD_BYTES, link = get64(r->buffer + AT_LINK);

    r->have = 0;
    if (XXH3_64bits_withSeed(r->buffer, AT_LINK, r->chain) != link)
        return refuse(r, ERR_CORRUPT, "a page header in the backup is damaged", at);
    r->chain = link;
    if (get32(r->buffer + AT_KIND) == HEAD_PAGE)
        return page_read(r);
    if (get32(r->buffer + AT_KIND) != HEAD_END || get64(r->buffer + AT_BIRTH) != r->pages ||
        get64(r->buffer + AT_SUM) != at)
        return refuse(r, ERR_CORRUPT, "the trailer of the backup does not match its pages", at);
    r->has_ended = true;
    return ERR_OK;
}

static enum err page_part(struct backup_reader *r, struct slice *bytes)
{
    size_t size = r->page_left < bytes->size ? r->page_left : bytes->size;
    struct slice part = slice_make(bytes->data, size);
    enum err e = ERR_OK;

    backup_hash_add(&r->hash, part);
    if (r->sink.bytes)
        e = r->sink.bytes(r->sink.context, &r->page, r->page.packed - r->page_left, part);
    r->page_left -= (uint32_t)size;
    r->offset += size;
    r->bytes += size;
    bytes->data += size;
    bytes->size -= size;
    if (e || r->page_left)
        return e;
    r->pages++;
    if (!backup_hash_matches(&r->hash, &r->page))
        return refuse(r, ERR_CORRUPT, "the checksum of a page does not match",
                      r->offset - r->page.packed);
    return ERR_OK;
}

enum err backup_reader_feed(struct backup_reader *r, struct slice bytes)
{
    enum err e = ERR_OK;

    while (!e && bytes.size) {
        if (r->has_ended)
            return refuse(r, ERR_CORRUPT, "unexpected data after the end of the backup",
                          r->offset);
        if (!r->has_header)
            e = gather(r, &bytes, BACKUP_HEADER_BYTES) ? header_read(r) : ERR_OK;
        else if (r->page_left)
            e = page_part(r, &bytes);
        else
            e = gather(r, &bytes, BACKUP_HEAD_BYTES) ? head_read(r) : ERR_OK;
    }
    return e;
}

enum err backup_reader_end(struct backup_reader *r)
{
    return r->has_ended ? ERR_OK : refuse(r, ERR_CORRUPT, "the backup is truncated", r->offset);
}
