#include "server/txn/dump.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/storage/key_show.h"
#include "server/storage/page_find.h"
#include "server/storage/root.h"
#include "server/storage/slot.h"
#include "server/storage/wal_format.h"
#include "server/txn/commit_format.h"
#include "server/txn/tokens.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE_BYTES 1024
#define MAGIC_BYTES 8

static void say(struct file_dump *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct file_dump *d, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list args;

    ASSERT(d->line);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    d->line(d->context, text);
}

static enum err nothing_at(struct failure *f, uint64_t offset, const char *why)
{
    ASSERT(why[0]);
    return failure_set(f, ERR_CORRUPT, "offset %" PRIu64 ": %s", offset, why);
}

/* ---- the data file ---- */

static void say_ptr(struct file_dump *d, const char *what, const struct page_ptr *ptr)
{
    ASSERT(ptr->packed > 0);
    say(d,
        "%spage at offset %" PRIu64 ", birth %" PRIu64 ", %" PRIu32 " bytes packed, %" PRIu32
        " unpacked, checksum %016" PRIx64 ", %" PRIu64 " records of %" PRIu64 " bytes, %" PRIu64
        " units below",
        what, page_at(ptr), ptr->birth, ptr->packed, ptr->image, ptr->checksum, ptr->records,
        ptr->bytes, ptr->units);
    if (ptr->twin)
        say(d, "    its copy at offset %" PRIu64, (uint64_t)ptr->twin * PAGE_UNIT_BYTES);
}

static const char *tree_kind(uint32_t store, char *to, size_t room)
{
    if (store == ROOT_CATALOGUE)
        snprintf(to, room, "the tree of trees");
    else if (store >= PRIMARY_STORES_END)
        snprintf(to, room, "side tree of tree %" PRIu32, store - PRIMARY_STORES_END);
    else if (store == TOKENS_STORE)
        snprintf(to, room, "tree of the tokens of commits");
    else if (store == PRIMARY_STORE_TWICE)
        snprintf(to, room, "tree of the definitions of stores");
    else
        snprintf(to, room, "tree %" PRIu32, store);
    ASSERT(to[0]);
    return to;
}

#define TREE_KIND(store) tree_kind((store), (char[64]){0}, 64)

static enum err dump_slot(struct file_dump *d, unsigned place, struct failure *f)
{
    uint8_t bytes[SLOT_BYTES];
    struct slot s;
    size_t got = 0;
    uint64_t at = (uint64_t)place * SLOT_BYTES;
    enum err e = d->os->ops->file_read(d->file, at, bytes, sizeof bytes, &got);

    ASSERT(place < SLOT_COUNT);
    if (e)
        return failure_set(f, e, "%s", err_message(e));
    e = got == sizeof bytes ? slot_decode(&s, place, bytes) : ERR_CORRUPT;
    if (e) {
        say(d, "offset %" PRIu64 ": meta page %u: %s", at, place,
            e == ERR_FORMAT ? "of another format" : "damaged");
        return e;
    }
    say(d,
        "offset %" PRIu64 ": meta page %u, format %u: root %" PRIu64 ", commit %" PRIu64
        ", WAL from position %" PRIu64 ", %" PRIu32 " trees, %" PRIu64 " units",
        at, place, SLOT_FORMAT, s.facts.number, s.facts.commit, s.facts.log_position, s.trees,
        s.units);
    say(d,
        "    pages of %" PRIu32 " bytes; root numbers below %" PRIu64
        ", transaction ids up to %" PRIu64 " and commits up to %" PRIu64 " are reserved",
        s.page_bytes, s.number_limit, s.facts.version_reserved, s.facts.commit_reserved);
    say(d, "    database %s", bytes_show(slice_make(s.uuid, sizeof s.uuid), (char[48]){0}, 48));
    if (s.height)
        say_ptr(d, "    tree of trees: ", &s.catalogue);
    return ERR_OK;
}

static void say_cell(struct file_dump *d, uint32_t store, const struct page *page, unsigned i)
{
    struct slice key = page_key(page, i);
    struct tree_info info;

    ASSERT(i < page->count);
    if (page->level) {
        say(d, "  %u: keys from %s", i,
            store == ROOT_CATALOGUE || !i ? bytes_show(key, (char[64]){0}, 64)
                                          : KEY_SHOW_PARTS(key));
        say_ptr(d, "     ", &page->children[i]);
        return;
    }
    if (store != ROOT_CATALOGUE) {
        struct slice value = page_value(page, i);

        if (value.size)
            say(d, "  %u: %s: %s", i, KEY_SHOW_PARTS(key),
                msgpack_show(value, (char[512]){0}, 512));
        else
            say(d, "  %u: %s", i, KEY_SHOW_PARTS(key));
        return;
    }
    if (!tree_info_decode(&info, key, page_value(page, i))) {
        say(d, "  %u: malformed", i);
        return;
    }
    say(d, "  %u: %s, height %" PRIu32 ", counter %" PRIu64, i, TREE_KIND(info.store),
        info.height, info.counter);
    if (info.height)
        say_ptr(d, "     ", &info.top);
}

static void say_page(struct file_dump *d, uint64_t at, const struct page_label *label)
{
    const struct page_ptr *ptr = &label->ptr;

    ASSERT(ptr->records > 0);
    say(d,
        "offset %" PRIu64 ": %s of %s, level %u, birth %" PRIu64 ", %" PRIu64
        " records, %" PRIu32 " bytes packed%s",
        at, label->level ? "branch" : "leaf", TREE_KIND(label->store), label->level, ptr->birth,
        ptr->records, ptr->packed, page_at(ptr) == at ? "" : "; the second copy");
}

static enum err dump_page(struct file_dump *d, uint64_t offset, struct failure *f)
{
    struct page_finder finder;
    struct page_label label;
    struct page *page = NULL;
    const char *why = "pages begin at multiples of 512";
    enum err e = page_finder_init(&finder, d->os, d->file);

    if (!e)
        e = offset % PAGE_UNIT_BYTES
                ? ERR_CORRUPT
                : page_find_at(&finder, offset / PAGE_UNIT_BYTES, &label, &page, &why);
    if (e) {
        nothing_at(f, offset, why);
    } else {
        ASSERT(page && offset % PAGE_UNIT_BYTES == 0);
        say_page(d, offset, &label);
        say_ptr(d, "  as a pointer to it says: ", &label.ptr);
        for (unsigned i = 0; i < page->count; i++)
            say_cell(d, label.store, page, i);
    }
    page_free(d->os, page);
    page_finder_fini(&finder);
    return e;
}

static enum err dump_pages(struct file_dump *d, struct failure *f)
{
    struct page_finder finder;
    struct page_label label;
    struct page *page;
    uint64_t at;
    enum err e = page_finder_init(&finder, d->os, d->file);

    for (unsigned i = 0; i < SLOT_COUNT && !e; i++) {
        e = dump_slot(d, i, f);
        e = e == ERR_CORRUPT ? ERR_OK : e;
    }
    finder.next = SLOT_UNITS;
    while (!e && !(e = page_finder_next(&finder, &label, &page, &at))) {
        ASSERT(page && at >= SLOT_UNITS);
        say_page(d, at * PAGE_UNIT_BYTES, &label);
        page_free(d->os, page);
    }
    page_finder_fini(&finder);
    return e == ERR_END ? ERR_OK : e;
}

static enum err dump_primary(struct file_dump *d, uint64_t offset, struct failure *f)
{
    ASSERT(d->os && d->file);
    if (offset == UINT64_MAX)
        return dump_pages(d, f);
    if (offset % SLOT_BYTES == 0 && offset / SLOT_BYTES < SLOT_COUNT)
        return dump_slot(d, (unsigned)(offset / SLOT_BYTES), f);
    return dump_page(d, offset, f);
}

/* ---- the log ---- */

/* The records of a piece, as far as they are whole. */
static void say_records(struct file_dump *d, const struct wal_fragment *fragment,
                        const uint8_t *data)
{
    struct slice bytes = slice_make(data, fragment->bytes);
    struct commit_record r;
    struct commit_head head;

    ASSERT(fragment->bytes == 0 || data);
    if (fragment->flags & WAL_FRAGMENT_FIRST) {
        if (!commit_head_read(bytes, &head))
            return;
        say(d, "    transaction %" PRIu64 ", label \"%s\"", head.version,
            text_show(head.label));
        bytes = slice_make(bytes.data + head.size, bytes.size - head.size);
    }
    for (; commit_record_read(bytes, &r) && bytes.size >= r.size;
         bytes = slice_make(bytes.data + r.size, bytes.size - r.size)) {
        struct slice key = commit_record_key(bytes, &r), value = commit_record_value(bytes, &r);

        say(d, "    %s: %s: %s", TREE_KIND(r.store), KEY_SHOW_PARTS(key),
            slice_is_none(value) ? "deleted" : msgpack_show(value, (char[512]){0}, 512));
    }
    if (bytes.size)
        say(d, "    %zu bytes of a record that is cut off off", bytes.size);
}

static void say_batch(struct file_dump *d, uint64_t offset, const struct wal_batch *b)
{
    ASSERT(b->span > 0);
    say(d,
        "offset %" PRIu64 ": batch at position %" PRIu64 ", epoch %" PRIu64 ", %" PRIu32
        " bytes, %" PRIu32 " fragments from commit %" PRIu64 ", synced up to %" PRIu64
        ", time %" PRIu64 " ms%s%s",
        offset, b->position, b->epoch, b->used, b->fragments, b->first_item, b->synced,
        b->time_ms, b->flags & WAL_BATCH_EPOCH ? ", first of its epoch" : "",
        b->flags & WAL_BATCH_SKIP ? ", the next one is in the next segment" : "");
}

static void say_fragments(struct file_dump *d, const uint8_t *bytes, const struct wal_batch *b)
{
    const uint8_t *at = bytes + WAL_HEADER_BYTES, *end = bytes + b->used;

    say(d,
        "  the batch before it at position %" PRIu64 "; transaction ids up to %" PRIu64
        " and commits up to %" PRIu64 " are reserved",
        b->previous, b->numbers.version, b->numbers.commit);
    say(d, "  database %s",
        bytes_show(slice_make(b->identity, WAL_IDENTITY_BYTES), (char[48]){0}, 48));
    ASSERT(b->used <= b->span);
    for (uint32_t i = 0; i < b->fragments && end - at >= WAL_FRAGMENT_BYTES; i++) {
        struct wal_fragment n;

        wal_fragment_decode(at, &n);
        at += WAL_FRAGMENT_BYTES;
        if (n.bytes > (uint64_t)(end - at))
            break;
        say(d, "  commit %" PRIu64 ": %" PRIu32 " bytes%s%s", n.number, n.bytes,
            n.flags & WAL_FRAGMENT_FIRST ? "" : ", continued from the batch before",
            n.flags & WAL_FRAGMENT_LAST ? "" : ", continued in the next batch");
        say_records(d, &n, at);
        at += n.bytes;
    }
}

struct dump_segment {
    struct wal_segment_header header;
    uint64_t size; /* of the file */
    struct scratch batch;
};

/* ERR_OK: a batch begins there. ERR_CORRUPT: none that is whole. */
static enum err dump_batch(struct file_dump *d, struct dump_segment *s, uint64_t offset,
                           bool whole, uint64_t *span)
{
    uint64_t position = s->header.number * s->header.segment_bytes + offset;
    uint8_t sector[WAL_SECTOR_BYTES];
    struct wal_batch b;
    size_t got = 0;
    enum err e = d->os->ops->file_read(d->file, offset, sector, sizeof sector, &got);

    if (!e && got < sizeof sector)
        return ERR_CORRUPT;
    if (e)
        return e;
    *span = wal_batch_span(sector, s->size - offset, position);
    if (!*span)
        return ERR_CORRUPT;
    e = scratch_reserve(d->os, &s->batch, *span, 0);
    if (!e)
        e = d->os->ops->file_read(d->file, offset, s->batch.data, *span, &got);
    if (!e)
        e = wal_batch_decode(s->batch.data, got, s->header.salt, position, &b);
    if (e == ERR_CORRUPT)
        say(d, "offset %" PRIu64 ": a batch whose checksum does not match", offset);
    if (e)
        return e;
    ASSERT(b.position == position && b.span <= *span);
    say_batch(d, offset, &b);
    if (whole)
        say_fragments(d, s->batch.data, &b);
    return ERR_OK;
}

static void say_segment(struct file_dump *d, const struct wal_segment_header *h)
{
    ASSERT(h->segment_bytes > 0);
    say(d,
        "offset 0: WAL segment %" PRIu64 ", format %u: %" PRIu64
        " bytes, from position %" PRIu64 ", made in epoch %" PRIu64,
        h->number, WAL_FORMAT, h->segment_bytes, h->number * h->segment_bytes, h->epoch);
    say(d, "    database %s",
        bytes_show(slice_make(h->identity, WAL_IDENTITY_BYTES), (char[48]){0}, 48));
}

static enum err dump_batches(struct file_dump *d, struct dump_segment *s, uint64_t offset)
{
    uint64_t span = 0;
    enum err e;

    if (offset != UINT64_MAX) {
        if (offset % WAL_SECTOR_BYTES || offset >= s->size)
            return ERR_CORRUPT;
        return dump_batch(d, s, offset, true, &span);
    }
    for (offset = WAL_SECTOR_BYTES; offset + WAL_SECTOR_BYTES <= s->size;) {
        e = dump_batch(d, s, offset, false, &span);
        if (e && e != ERR_CORRUPT)
            return e;
        offset += e ? WAL_SECTOR_BYTES : span;
    }
    ASSERT(s->size > 0);
    return ERR_OK;
}

static enum err dump_segment(struct file_dump *d, uint64_t offset, struct failure *f)
{
    struct dump_segment s = {.size = 0};
    uint8_t sector[WAL_SECTOR_BYTES];
    size_t got = 0;
    enum err e = d->os->ops->file_read(d->file, 0, sector, sizeof sector, &got);

    if (!e)
        e = d->os->ops->file_size(d->file, &s.size);
    if (!e && got < sizeof sector)
        e = ERR_CORRUPT;
    if (!e)
        e = wal_segment_header_decode(sector, &s.header);
    if (e)
        return failure_set(f, e, "the header of the WAL segment is %s",
                           e == ERR_FORMAT ? "of another format" : "damaged");
    if (offset == UINT64_MAX || offset == 0)
        say_segment(d, &s.header);
    if (offset != 0)
        e = dump_batches(d, &s, offset);
    if (e == ERR_CORRUPT)
        nothing_at(f, offset, "no intact batch begins at this offset");
    scratch_fini(d->os, &s.batch);
    return e;
}

static enum err dump_marks(struct file_dump *d, enum wal_mark_kind kind)
{
    uint8_t bytes[WAL_MARK_BYTES];
    size_t got = sizeof bytes;
    enum err e = ERR_OK;

    for (uint64_t at = 0; !e && got == sizeof bytes; at += WAL_SECTOR_BYTES) {
        struct wal_mark mark;
        enum err m;

        e = d->os->ops->file_read(d->file, at, bytes, sizeof bytes, &got);
        if (e || got < sizeof bytes)
            break;
        m = wal_mark_decode(bytes, kind, &mark);
        if (m)
            say(d, "offset %" PRIu64 ": a mark that is damaged, or of another format", at);
        else if (mark.position == WAL_MARK_NONE)
            say(d, "offset %" PRIu64 ": an empty mark", at);
        else
            say(d, "offset %" PRIu64 ": %s position %" PRIu64 ", epoch %" PRIu64, at,
                kind == WAL_MARK_CLOSED ? "a clean stop: the WAL does not end before"
                                        : "a sync failed: not believed from",
                mark.position, mark.epoch);
    }
    ASSERT(got <= sizeof bytes);
    return e;
}

/* ---- which ---- */

enum err dump_file(struct file_dump *d, uint64_t offset, struct failure *f)
{
    uint8_t magic[2 * SLOT_BYTES];
    size_t got = 0;
    enum err e = d->os->ops->file_read(d->file, 0, magic, sizeof magic, &got);

    ASSERT(got <= sizeof magic);
    memset(magic + got, 0, sizeof magic - got);
    if (!e && memcmp(magic, "HFLOGSEG", MAGIC_BYTES) == 0)
        e = dump_segment(d, offset, f);
    else if (!e && memcmp(magic, "HFLOGEND", MAGIC_BYTES) == 0)
        e = dump_marks(d, WAL_MARK_FAILED);
    else if (!e && memcmp(magic, "HFLOGCLO", MAGIC_BYTES) == 0)
        e = dump_marks(d, WAL_MARK_CLOSED);
    else if (!e &&
             (memcmp(magic, "HFPRIMRY", MAGIC_BYTES) == 0 ||
              memcmp(magic + SLOT_BYTES, "HFPRIMRY", MAGIC_BYTES) == 0 || offset != UINT64_MAX))
        e = dump_primary(d, offset, f);
    else if (!e)
        e = failure_set(f, ERR_CORRUPT, "neither a data file nor a WAL file");
    return e ? failure_set(f, e, "%s", err_message(e)) : ERR_OK;
}
