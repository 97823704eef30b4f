/* root_stream.c - see root_stream.h.
 *
 * The walk goes down the tree of trees first, then each tree, a page before those below it.
 * Branches are unpacked, since they say where to go on; so are pages that have a copy, to have the
 * one that is whole. All others are leaves: they are read straight into the chunk, in parts where
 * they do not fit, and only their checksum is looked at. */
#include "server/storage/root_stream.h"

#include "proto/backup_format.h"
#include "server/storage/primary_internal.h"

_Static_assert(SLOT_BYTES == BACKUP_META_BYTES, "a meta page is one");
_Static_assert(BACKUP_LEVEL_MAX == PAGE_LEVELS_MAX - 1, "levels of pages");

struct branch_step { /* a branch on the way down */
    struct page *page;
    unsigned next; /* child */
};

struct root_stream {
    struct primary *p;
    struct root *root; /* a reference */
    struct root_stream_options options;
    uint64_t time_ms;

    /* The job's while it runs. */
    struct branch_step path[PAGE_LEVELS_MAX];
    unsigned depth;
    size_t tree;    /* the next one: 0 the tree of trees, then root.infos */
    uint32_t store; /* whose pages come */
    struct page_ptr ptr;    /* the page at hand */
    uint32_t left;          /* bytes of it that have not been put */
    const uint8_t *whole;   /* its bytes, in scratch; NULL: they are read as they are put */
    struct backup_hash hash; /* over those that were */
    struct page_scratch scratch;
    struct page *branch; /* the page at hand, to be gone into when it has been put; or NULL */
    uint64_t chain, pages, bytes; /* as backup_format.h says */
    bool has_header, has_end;
    uint8_t *chunk; /* options.chunk_bytes */
    size_t used;
    enum err result;
    const char *why;
};

enum err root_stream_new(struct primary *p, struct root *r,
                         const struct root_stream_options *options, struct root_stream **out)
{
    struct root_stream *s = os_alloc(p->os, sizeof *s);

    ASSERT(options->chunk_bytes >= BACKUP_HEADER_BYTES && options->base <= r->facts.number);
    ASSERT(r == p->durable); /* so that every later one grows from it */
    *out = NULL;
    if (!s)
        return ERR_NOMEM;
    memset(s, 0, sizeof *s);
    s->p = p;
    s->options = *options;
    s->time_ms = p->os->ops->day_ms(p->os);
    s->chunk = os_alloc(p->os, options->chunk_bytes);
    if (!s->chunk) {
        os_free(p->os, s, sizeof *s);
        return ERR_NOMEM;
    }
    s->root = root_ref(r);
    *out = s;
    return ERR_OK;
}

void root_stream_free(struct root_stream *s)
{
    struct os *os;

    if (!s)
        return;
    os = s->p->os;
    page_free(os, s->branch);
    while (s->depth)
        page_free(os, s->path[--s->depth].page);
    page_scratch_fini(os, &s->scratch);
    os_free(os, s->chunk, s->options.chunk_bytes);
    root_unref(s->root);
    os_free(os, s, sizeof *s);
}

/* ---- in the job ---- */

static void put_header(struct root_stream *s)
{
    const struct root_facts *facts = &s->root->facts;
    struct backup_header header = {.root = facts->number,
                                   .commit = facts->commit,
                                   .base = s->options.base,
                                   .base_commit = s->options.base_commit,
                                   .time_ms = s->time_ms,
                                   .log_position = facts->log_position,
                                   .bytes = root_stream_bytes(s),
                                   .page_bytes = s->p->page_bytes};
    struct slot slot;

    primary_slot_of(s->p, s->root, facts->number + 1, &slot);
    slot_encode(&slot, 0, header.meta);
    memcpy(header.identity, s->p->uuid, BACKUP_IDENTITY_BYTES);
    s->chain = backup_header_encode(&header, s->chunk);
    s->used = BACKUP_HEADER_BYTES;
    s->has_header = true;
}

/* Whether a page is to be sent, and what is below it looked at. */
static bool is_wanted(const struct root_stream *s, const struct page_ptr *ptr)
{
    return !s->options.base || ptr->birth > s->options.base;
}

/* The next page in s->ptr, and its level. false: there is none. */
static bool next_page(struct root_stream *s, unsigned *level)
{
    while (s->depth) {
        struct branch_step *step = &s->path[s->depth - 1];

        if (step->next == step->page->count) {
            page_free(s->p->os, step->page);
            s->depth--;
            continue;
        }
        s->ptr = step->page->children[step->next++];
        *level = step->page->level - 1;
        if (is_wanted(s, &s->ptr))
            return true;
    }
    for (; s->tree <= s->root->count;) {
        const struct tree_info *info = s->tree ? &s->root->infos[s->tree - 1] : NULL;
        uint32_t height = info ? info->height : s->root->catalogue_height;

        s->tree++;
        if (!height)
            continue;
        s->store = info ? info->store : ROOT_CATALOGUE;
        s->ptr = info ? info->top : s->root->catalogue;
        *level = height - 1;
        if (is_wanted(s, &s->ptr))
            return true;
    }
    return false;
}

static struct backup_page page_of(const struct root_stream *s, unsigned level)
{
    const struct page_ptr *ptr = &s->ptr;

    ASSERT(level < PAGE_LEVELS_MAX);
    return (struct backup_page){.offset = ptr->offset,
                                .twin = ptr->twin,
                                .birth = ptr->birth,
                                .checksum = ptr->checksum,
                                .packed = ptr->packed,
                                .store = s->store,
                                .image = ptr->image,
                                .level = level};
}

/* Have the page at hand ready to be put. */
static enum err open_page(struct root_stream *s, unsigned level)
{
    struct backup_page page = page_of(s, level);
    enum err e = ERR_OK;

    ASSERT(!s->branch && s->ptr.packed > 0);
    s->whole = NULL;
    s->left = s->ptr.packed;
    if (level > 0 || s->ptr.twin) {
        e = page_read(s->p->os, s->p->file, &s->ptr, s->store, level, false, &s->scratch,
                      &s->branch, &s->why);
        if (e)
            return e;
        s->whole = s->scratch.packed.data + PAGE_LABEL_BYTES;
        if (level == 0) {
            page_free(s->p->os, s->branch);
            s->branch = NULL;
        }
    }
    backup_hash_begin(&s->hash, &page);
    s->chain = backup_page_encode(&page, s->chain, s->chunk + s->used);
    s->used += BACKUP_HEAD_BYTES;
    s->bytes += BACKUP_HEAD_BYTES;
    return ERR_OK;
}

static enum err close_page(struct root_stream *s)
{
    struct backup_page page = page_of(s, 0);

    ASSERT(s->left == 0);
    s->pages++;
    if (s->branch) {
        ASSERT(s->depth < PAGE_LEVELS_MAX);
        s->path[s->depth++] = (struct branch_step){s->branch, 0};
        s->branch = NULL;
    }
    s->why = "the checksum of the page does not match";
    return backup_hash_matches(&s->hash, &page) ? ERR_OK : ERR_CORRUPT;
}

/* As much of the page at hand as there is room for. */
static enum err put_part(struct root_stream *s)
{
    size_t room = s->options.chunk_bytes - s->used, got = 0;
    size_t size = s->left < room ? s->left : room;
    uint32_t at = s->ptr.packed - s->left;
    uint8_t *to = s->chunk + s->used;
    enum err e = ERR_OK;

    if (s->whole) {
        memcpy(to, s->whole + at, size);
    } else {
        s->why = "the file could not be read";
        e = s->p->os->ops->file_read(s->p->file, page_at(&s->ptr) + PAGE_LABEL_BYTES + at, to,
                                     size, &got);
        if (!e && got < size) {
            s->why = "the page lies beyond the end of the file";
            e = ERR_CORRUPT;
        }
    }
    if (e)
        return e;
    backup_hash_add(&s->hash, slice_make(to, size));
    s->used += size;
    s->left -= (uint32_t)size;
    s->bytes += size;
    return s->left ? ERR_OK : close_page(s);
}

static void put_end(struct root_stream *s)
{
    backup_end_encode(s->pages, BACKUP_HEADER_BYTES + s->bytes, s->chain, s->chunk + s->used);
    s->used += BACKUP_HEAD_BYTES;
    s->has_end = true;
}

void root_stream_fill(struct root_stream *s)
{
    unsigned level = 0;
    enum err e = s->result;

    s->used = 0;
    if (!e && !s->has_header)
        put_header(s);
    while (!e && !s->has_end && s->used < s->options.chunk_bytes) {
        if (s->left)
            e = put_part(s);
        else if (s->options.chunk_bytes - s->used < BACKUP_HEAD_BYTES)
            break;
        else if (next_page(s, &level))
            e = open_page(s, level);
        else
            put_end(s);
    }
    s->result = e;
}

/* ---- on the loop ---- */

enum err root_stream_result(struct root_stream *s, struct failure *f)
{
    if (!s->result)
        return ERR_OK;
    if (s->result == ERR_NOMEM)
        return failure_set(f, ERR_NOMEM, "%s", err_message(ERR_NOMEM));
    if (s->store != ROOT_CATALOGUE)
        tree_failed(s->p, s->root, s->store, &s->ptr, s->result);
    return failure_set_at(f, s->result, PRIMARY_FILE, page_at(&s->ptr), "%s", s->why);
}

struct slice root_stream_chunk(const struct root_stream *s)
{
    return slice_make(s->chunk, s->used);
}

bool root_stream_has_ended(const struct root_stream *s)
{
    return s->has_end;
}

const struct root_facts *root_stream_facts(const struct root_stream *s)
{
    return &s->root->facts;
}

uint64_t root_stream_time_ms(const struct root_stream *s)
{
    return s->time_ms;
}

uint64_t root_stream_bytes(const struct root_stream *s)
{
    return s->root->units * PAGE_UNIT_BYTES;
}

uint64_t root_stream_only_bytes(const struct root_stream *s)
{
    return root_only_bytes(s->root);
}

bool root_stream_holds(const struct root_stream *s, const struct root *r)
{
    return s->root == r;
}

size_t root_stream_memory(const struct root_stream *s)
{
    return sizeof *s + s->options.chunk_bytes;
}
