/* wal_recover.c - open the log: find its end, replay, tell a torn tail from damage.
 *
 * The chain: from the position that the root names, batch after batch, each valid
 * for its place and of an epoch no lower than the one before it. It ends where
 * there is no such batch. What lies behind that end is then searched for evidence: a
 * valid batch, or the mark of a clean stop, that says that more was synced. If there is one,
 * the end is damage in the middle and the log is refused; else it is the tail, and is
 * cut: wal_begin writes a batch of a new epoch over its beginning and syncs it, so that
 * nothing behind it can join the chain again.
 *
 * A crash at any moment in here leaves the same end, or the new epoch's batch as the
 * end. A failed sync of that batch leaves a mark, as any failed sync does.
 *
 * All is read past the system's memory, where that can be done: after a failed sync that may
 * show what the disk never got, and a start that believed it would lose it later. */
#include "server/storage/wal_internal.h"

#define WINDOW_BYTES (256u << 10) /* what is read at once stays in the processor's cache */

struct wal_recovery {
    struct wal *w;
    const struct wal_replay *replay;
    struct failure *f;
    struct os_file *file; /* owned; the segment being looked at */
    void *memory;         /* owned; what buffer lies in, and what alignment takes */
    uint8_t *buffer;      /* aligned; a window of it */
    size_t buffer_bytes;
    uint64_t window;      /* where the window begins in the file */
    size_t window_bytes;  /* what of it is read */
    const uint8_t *batch; /* the last one that batch_at found; borrowed until the next */
    enum err list_error;
    bool is_read_only;
    uint64_t batches; /* of the chain */
    bool salted; /* w->salt and the segments' size are known */
    uint64_t segment_bytes;
    struct wal_mark marks[WAL_MARKS];
    unsigned mark_count;
    uint64_t closed; /* a clean stop has said that the log has all up to here; 0: none has */

    /* the chain */
    uint64_t raw;               /* where it ends, so far */
    uint64_t place;             /* where the next batch would be */
    uint64_t epoch;             /* of its last batch */
    uint64_t previous;          /* position of its last batch; 0: none yet */
    uint64_t proven;            /* durable, as its batches say */
    uint64_t item;              /* number of the last item seen */
    struct wal_numbers numbers; /* what the first batch will reserve */
    struct wal_numbers found;   /* the greatest ones reserved before */
    uint64_t numbers_ahead;
    uint64_t end_offset; /* in the file: what is to blame if the end is damage */

    /* behind it */
    uint64_t evidence;  /* somebody says that so much was synced */
    uint64_t epoch_max; /* of all that was seen */
};

/* ---- limits ---- */

static void limits_of(struct wal_limits *l, uint64_t piece)
{
    uint64_t overhead = WAL_HEADER_BYTES + WAL_FRAGMENT_BYTES;

    l->piece_bytes = piece;
    l->stream_bytes_min = piece / 3;
    l->batch_bytes = wal_round_up(overhead + piece + l->stream_bytes_min);
    l->whole_bytes =
        l->batch_bytes < WAL_WHOLE_BYTES_MAX ? l->batch_bytes : WAL_WHOLE_BYTES_MAX;
    l->tail_bytes = wal_round_up(overhead + piece);
    if (l->tail_bytes < l->whole_bytes)
        l->tail_bytes = l->whole_bytes;
    l->tail_bytes += WAL_SECTOR_BYTES;
    ASSERT(l->whole_bytes <= l->batch_bytes);
    ASSERT(l->tail_bytes > l->piece_bytes);
}

static uint64_t segment_bytes_min(uint64_t piece_bytes_max)
{
    struct wal_limits l;

    limits_of(&l, piece_bytes_max);
    ASSERT(l.batch_bytes % WAL_SECTOR_BYTES == 0);
    return WAL_SECTOR_BYTES + l.batch_bytes + l.tail_bytes;
}

static enum err limits_set(struct wal *w, const struct wal_options *options,
                           uint64_t segment_bytes, struct failure *f)
{
    struct wal_limits *l = &w->limits;
    uint64_t piece = options->piece_bytes_max ? options->piece_bytes_max : WAL_PIECE_BYTES_MAX;

    ASSERT(piece > 0);
    limits_of(l, piece);
    l->segment_bytes = segment_bytes;
    l->reserve_bytes = segment_bytes / WAL_RESERVE_SHARE;
    if (piece < WAL_SECTOR_BYTES || segment_bytes % WAL_SECTOR_BYTES ||
        segment_bytes > WAL_SEGMENT_BYTES_MAX || segment_bytes < segment_bytes_min(piece))
        return failure_set(
            f, ERR_BAD_REQUEST,
            "the WAL has segments of %llu bytes; expected at least %llu, in whole "
            "sectors",
            (unsigned long long)segment_bytes, (unsigned long long)segment_bytes_min(piece));
    if (options->in_flight_max < 1 || options->in_flight_max > WAL_IN_FLIGHT_MAX ||
        options->spare_segments < 2)
        return failure_set(
            f, ERR_BAD_REQUEST,
            "the WAL needs 1 to 8 batches in flight and 2 or more spare segments");
    return ERR_OK;
}

/* ---- files ---- */

static enum err fail_at(struct wal_recovery *r, enum err e, uint64_t number, uint64_t offset,
                        const char *text)
{
    char path[WAL_PATH_BYTES];

    ASSERT(e != ERR_OK && e != ERR_END);
    wal_segment_path(number, path);
    return failure_set_at(r->f, e, path, offset, "%s", text);
}

/* What the replay could not read is in the batch there. */
static void place_at(struct wal_recovery *r, enum err e, uint64_t number, uint64_t offset)
{
    char path[WAL_PATH_BYTES];

    wal_segment_path(number, path);
    failure_set_place(r->f, e, path, offset);
}

static enum err buffer_make(struct wal_recovery *r, uint64_t bytes)
{
    struct os *os = r->w->os;

    ASSERT(bytes >= WAL_SECTOR_BYTES);
    os_free(os, r->memory, r->buffer_bytes + WAL_SECTOR_BYTES);
    r->buffer_bytes = bytes;
    r->memory = os_alloc(os, bytes + WAL_SECTOR_BYTES);
    r->buffer = (uint8_t *)wal_round_up((uintptr_t)r->memory);
    return r->memory ? ERR_OK : ERR_NOMEM;
}

static void file_close(struct wal_recovery *r)
{
    if (r->file)
        r->w->os->ops->file_close(r->file);
    r->file = NULL;
    ASSERT(!r->file);
}

static void list_each(void *context, const char *name)
{
    struct wal_recovery *r = context;
    struct wal_segment *s;
    uint64_t number;

    if (r->list_error || !wal_segment_parse(name, &number))
        return;
    r->list_error = wal_segment_new(r->w, number, &s);
    if (!r->list_error)
        wal_segment_insert(&r->w->segments, s);
}

static enum err list_files(struct wal_recovery *r)
{
    struct os *os = r->w->os;
    enum err e = r->is_read_only ? ERR_OK : os->ops->dir_make(os, WAL_DIRECTORY);

    ASSERT(list_is_empty(&r->w->segments));
    if (!e && !r->is_read_only)
        e = os->ops->dir_sync(os, "");
    if (!e)
        e = os->ops->dir_list(os, WAL_DIRECTORY, list_each, r);
    if (!e)
        e = r->list_error;
    /* What a killed process renamed or made may not be durable yet. */
    if (!e && !r->is_read_only)
        e = os->ops->dir_sync(os, WAL_DIRECTORY);
    return e;
}

/* Take a good header's word for the salt and size of all segments. */
static enum err header_take(struct wal_recovery *r, struct wal_segment *s, uint64_t size,
                            const struct wal_segment_header *header)
{
    if (memcmp(header->identity, r->w->us.identity, WAL_IDENTITY_BYTES) != 0)
        return fail_at(r, ERR_CORRUPT, s->number, 0,
                       "the WAL segment and the data file belong to different databases");
    if (r->salted && (header->salt != r->w->salt || header->segment_bytes != r->segment_bytes))
        return fail_at(r, ERR_CORRUPT, s->number, 0, "the segment belongs to another WAL");
    if (header->epoch > r->epoch_max)
        r->epoch_max = header->epoch;
    r->salted = true;
    r->w->salt = header->salt;
    r->segment_bytes = header->segment_bytes;
    /* Another number: renamed for reuse, not ready yet. */
    s->valid = header->number == s->number && size >= header->segment_bytes;
    return ERR_OK;
}

static enum err header_read(struct wal_recovery *r, struct wal_segment *s)
{
    const struct os_ops *ops = r->w->os->ops;
    struct wal_segment_header header;
    char path[WAL_PATH_BYTES];
    uint64_t size = 0;
    size_t got = 0;
    enum err e;

    ASSERT(!r->file);
    wal_segment_path(s->number, path);
    e = os_file_open(r->w->os, path, OS_READ | OS_UNCACHED, &r->file);
    if (!e)
        e = ops->file_size(r->file, &size);
    if (!e)
        e = ops->file_read(r->file, 0, r->buffer, WAL_SECTOR_BYTES, &got);
    ASSERT(e || got <= WAL_SECTOR_BYTES);
    file_close(r);
    if (e)
        return fail_at(r, e, s->number, 0, "the header of a WAL segment could not be read");
    memset(r->buffer + got, 0, WAL_SECTOR_BYTES - got);
    e = wal_segment_header_decode(r->buffer, &header);
    if (e == ERR_FORMAT)
        return fail_at(r, e, s->number, 0, "the WAL was written by another version");
    return e ? ERR_OK : header_take(r, s, size, &header);
}

static enum err marks_read(struct wal_recovery *r)
{
    struct wal *w = r->w;
    struct wal_mark closed;
    unsigned count;
    enum err e =
        wal_marks_read(w->os, &wal_failed_file, &w->us, r->marks, &r->mark_count, r->f);

    if (!e)
        e = wal_marks_read(w->os, &wal_closed_file, &w->us, &closed, &count, r->f);
    if (!e && count)
        r->closed = closed.position;
    w->has_marks = r->mark_count > 0;
    ASSERT(r->mark_count <= WAL_MARKS);
    return e;
}

static struct wal_segment *find(struct wal_recovery *r, uint64_t number)
{
    LIST_EACH (link, &r->w->segments)
        if (wal_segment_of(link)->number == number)
            return wal_segment_of(link);
    return NULL;
}

/* *out: size bytes of the open segment from offset on, borrowed until the next call; zeros where
 * the file is short. A batch may be larger than a window is otherwise. */
static enum err window(struct wal_recovery *r, const struct wal_segment *s, uint64_t offset,
                       size_t size, const uint8_t **out)
{
    size_t part =
        r->segment_bytes - offset < WINDOW_BYTES ? r->segment_bytes - offset : WINDOW_BYTES;
    size_t got = 0;
    enum err e = ERR_OK;

    ASSERT(offset + size <= r->segment_bytes);
    if (offset >= r->window && offset + size <= r->window + r->window_bytes) {
        *out = r->buffer + (offset - r->window);
        return ERR_OK;
    }
    *out = NULL;
    if (part < size)
        part = size;
    r->window_bytes = 0;
    if (part > r->buffer_bytes)
        e = buffer_make(r, part);
    if (e)
        return failure_set(r->f, e, "out of memory for a WAL batch");
    e = r->w->os->ops->file_read(r->file, offset, r->buffer, part, &got);
    if (e)
        return fail_at(r, e, s->number, offset, "a WAL segment could not be read");
    memset(r->buffer + got, 0, part - got);
    r->window = offset;
    r->window_bytes = part;
    *out = r->buffer;
    return ERR_OK;
}

/* Open the segment to look at it, and see whether it has been written to. */
static enum err look(struct wal_recovery *r, struct wal_segment *s)
{
    char path[WAL_PATH_BYTES];
    const uint8_t *first;
    enum err e;

    ASSERT(r->segment_bytes > WAL_SECTOR_BYTES);
    file_close(r);
    r->window_bytes = 0;
    wal_segment_path(s->number, path);
    e = os_file_open(r->w->os, path, OS_READ | OS_UNCACHED, &r->file);
    if (e)
        return fail_at(r, e, s->number, 0, "a WAL segment could not be read");
    e = window(r, s, WAL_SECTOR_BYTES, WAL_SECTOR_BYTES, &first);
    if (!e)
        s->resembles =
            wal_batch_resembles(first, s->number * r->segment_bytes + WAL_SECTOR_BYTES);
    return e;
}

/* ---- the chain ---- */

/* ERR_CORRUPT, without a word: there is no valid batch. ERR_IO, ERR_NOMEM, ERR_FORMAT. */
static enum err batch_at(struct wal_recovery *r, const struct wal_segment *s, uint64_t offset,
                         struct wal_batch *out)
{
    uint64_t number = s->number, position = number * r->segment_bytes + offset;
    uint64_t span;
    enum err e = window(r, s, offset, WAL_SECTOR_BYTES, &r->batch);

    ASSERT(r->file && offset % WAL_SECTOR_BYTES == 0);
    if (e)
        return e;
    span = wal_batch_span(r->batch, r->segment_bytes - offset, position);
    if (!span)
        return ERR_CORRUPT;
    ASSERT(span <= r->segment_bytes - offset || !span);
    e = window(r, s, offset, span, &r->batch);
    if (e)
        return e;
    e = wal_batch_decode(r->batch, span, r->w->salt, position, out);
    if (e == ERR_FORMAT)
        return fail_at(r, e, number, offset, "the WAL was written by another version");
    if (!e && out->epoch > r->epoch_max)
        r->epoch_max = out->epoch;
    return e;
}

static bool batch_follows(const struct wal_recovery *r, const struct wal_batch *b)
{
    unsigned i;

    ASSERT(b->position == r->place);
    ASSERT(r->mark_count <= WAL_MARKS);
    if (b->epoch < r->epoch)
        return false; /* left from before a cut */
    if (r->previous && b->previous && b->previous != r->previous)
        return false;
    for (i = 0; i < r->mark_count; i++)
        if (b->epoch <= r->marks[i].epoch && b->position >= r->marks[i].position)
            return false; /* a sync of it has failed */
    return true;
}

/* Numbers grow, and an item goes on only where it has begun; but the replay may begin in
 * the middle of one. */
static bool fragment_follows(const struct wal_recovery *r, const struct wal_fragment *fragment)
{
    if (fragment->flags & WAL_FRAGMENT_FIRST)
        return fragment->number > r->item;
    return r->item == 0 || fragment->number == r->item;
}

static enum err deliver(struct wal_recovery *r, const struct wal_batch *b, uint64_t number,
                        uint64_t offset)
{
    const uint8_t *at = r->batch + WAL_HEADER_BYTES;
    uint64_t left = b->used - WAL_HEADER_BYTES;
    struct wal_fragment fragment;
    enum err e = ERR_OK;
    uint32_t i;

    ASSERT(b->used >= WAL_HEADER_BYTES && b->used <= b->span);
    if (r->replay->batch)
        r->replay->batch(r->replay->context, b->time_ms);
    for (i = 0; !e && i < b->fragments; i++) {
        if (left < WAL_FRAGMENT_BYTES)
            return fail_at(r, ERR_CORRUPT, number, offset, "a WAL batch is inconsistent");
        wal_fragment_decode(at, &fragment);
        at += WAL_FRAGMENT_BYTES;
        left -= WAL_FRAGMENT_BYTES;
        if (fragment.bytes > left || !fragment_follows(r, &fragment))
            return fail_at(r, ERR_CORRUPT, number, offset, "a WAL batch is inconsistent");
        r->item = fragment.number;
        e = r->replay->piece(
            r->replay->context, fragment.number, fragment.flags & WAL_FRAGMENT_FIRST,
            fragment.flags & WAL_FRAGMENT_LAST, slice_make(at, fragment.bytes), r->f);
        if (e == ERR_CORRUPT)
            place_at(r, e, number, offset);
        at += fragment.bytes;
        left -= fragment.bytes;
    }
    return e;
}

static void chain_add(struct wal_recovery *r, const struct wal_batch *b, uint64_t number)
{
    uint64_t segment_end = (number + 1) * r->segment_bytes;

    ASSERT(b->epoch >= r->epoch);
    ASSERT(b->position == r->place);
    r->raw = b->flags & WAL_BATCH_SKIP ? segment_end : b->position + b->span;
    r->place = wal_place(r->w, r->raw);
    r->epoch = b->epoch;
    r->previous = b->position;
    r->batches++;
    if (b->synced > r->proven)
        r->proven = b->synced;
    if (b->numbers.version > r->numbers.version)
        r->numbers.version = b->numbers.version;
    if (b->numbers.commit > r->numbers.commit)
        r->numbers.commit = b->numbers.commit;
    ASSERT(r->place > b->position && r->raw <= r->place);
}

/* Follow the chain through the segment that is open. ERR_END: it ends in here. */
static enum err chain_walk(struct wal_recovery *r, const struct wal_segment *s)
{
    uint64_t number = s->number;
    struct wal_batch b;
    enum err e;

    ASSERT(r->file && s->valid);
    while (r->place / r->segment_bytes == number) {
        uint64_t offset = r->place % r->segment_bytes;

        e = batch_at(r, s, offset, &b);
        if (e == ERR_CORRUPT || (!e && !batch_follows(r, &b))) {
            r->end_offset = offset;
            return ERR_END;
        }
        if (!e)
            e = deliver(r, &b, number, offset);
        if (e)
            return e;
        chain_add(r, &b, number);
    }
    return ERR_OK;
}

/* Whether the open segment has a batch that ends at the raw position: the log has
 * been as far as the root says. */
static bool reaches(struct wal_recovery *r, const struct wal_segment *s, uint64_t raw)
{
    uint64_t begin = s->number * r->segment_bytes;
    struct wal_batch b;
    uint64_t offset;

    ASSERT(raw % WAL_SECTOR_BYTES == 0);
    for (offset = WAL_SECTOR_BYTES; begin + offset < raw; offset += WAL_SECTOR_BYTES)
        if (!batch_at(r, s, offset, &b) && b.position + b.span == raw)
            return true;
    return false;
}

/* Look at each later sector of the open segment for one who knows of more. */
static enum err search(struct wal_recovery *r, const struct wal_segment *s)
{
    uint64_t begin = s->number * r->segment_bytes;
    struct wal_batch b;
    uint64_t offset;
    enum err e;

    ASSERT(r->file);
    for (offset = WAL_SECTOR_BYTES; offset < r->segment_bytes; offset += WAL_SECTOR_BYTES) {
        if (begin + offset < r->place)
            continue;
        e = batch_at(r, s, offset, &b);
        if (e && e != ERR_CORRUPT)
            return e;
        if (!e && b.synced > r->evidence)
            r->evidence = b.synced;
    }
    return ERR_OK;
}

static enum err search_behind(struct wal_recovery *r, uint64_t number)
{
    enum err e = ERR_OK;

    LIST_EACH (link, &r->w->segments) {
        struct wal_segment *s = wal_segment_of(link);

        if (s->number < number)
            continue;
        e = look(r, s);
        if (!e)
            e = search(r, s);
        if (e)
            break;
    }
    return e;
}

/* The end in a segment that is missing or has no good header is damage also if
 * the files say so: preparations go in order and are synced before any use. */
static enum err check_hole(struct wal_recovery *r, uint64_t number)
{
    struct wal_segment *s = find(r, number);

    ASSERT(r->place / r->segment_bytes == number);
    if (s && s->valid)
        return ERR_OK;
    if (s && s->resembles)
        return fail_at(r, ERR_CORRUPT, number, 0, "the header of a WAL segment is damaged");
    if (s)
        return ERR_OK;
    LIST_EACH (link, &r->w->segments)
        if (wal_segment_of(link)->number > number && wal_segment_of(link)->valid)
            return fail_at(r, ERR_CORRUPT, number, 0, "a WAL segment is missing");
    return ERR_OK;
}

static enum err chain_follow(struct wal_recovery *r, uint64_t position)
{
    enum err e = ERR_OK;
    uint64_t number;

    ASSERT(position % WAL_SECTOR_BYTES == 0);
    r->raw = position;
    r->place = wal_place(r->w, position);
    do {
        struct wal_segment *s;

        number = r->place / r->segment_bytes;
        r->end_offset = 0;
        s = find(r, number);
        if (!s || !s->valid)
            e = ERR_END;
        if (!e)
            e = look(r, s);
        if (!e)
            e = chain_walk(r, s);
        if (e == ERR_END && r->place == position && s && s->valid &&
            position % r->segment_bytes && !reaches(r, s, position))
            return fail_at(r, ERR_CORRUPT, number, r->end_offset,
                           "the WAL ends before the position recorded in the data file");
    } while (!e);
    if (e != ERR_END)
        return e;
    ASSERT(r->raw >= position && r->raw <= r->place);
    e = search_behind(r, number);
    if (!e)
        e = check_hole(r, number);
    if (!e && r->evidence > r->raw)
        e = fail_at(r, ERR_CORRUPT, number, r->end_offset,
                    "the WAL is damaged before its end: valid batches follow");
    if (!e && r->closed > r->raw)
        e = fail_at(r, ERR_CORRUPT, number, r->end_offset,
                    "the WAL ends before the last clean shutdown");
    return e;
}

/* ---- a beginning ---- */

/* No header is good: a log that was not finished being made, or damage. Only
 * segment 0 is made before the first batch, and its header before that. */
static enum err check_unsalted(struct wal_recovery *r, uint64_t position)
{
    struct wal_segment *s = find(r, 0);
    enum err e;

    ASSERT(!r->salted);
    if (position)
        return fail_at(r, ERR_CORRUPT, position / r->segment_bytes, 0, "the WAL is missing");
    if (list_is_empty(&r->w->segments))
        return ERR_OK;
    if (!s)
        return fail_at(r, ERR_CORRUPT, 0, 0, "the first WAL segment is missing");
    e = look(r, s);
    if (e)
        return e;
    if (s->resembles || s->in_list.next != &r->w->segments)
        return fail_at(r, ERR_CORRUPT, 0, 0, "the header of a WAL segment is damaged");
    return ERR_OK;
}

/* What the root names must be there, or be just behind what is there. */
static enum err check_beginning(struct wal_recovery *r, uint64_t position)
{
    uint64_t number = position / r->segment_bytes;
    struct wal_segment *before = number ? find(r, number - 1) : NULL;

    ASSERT(r->salted);
    if (position % WAL_SECTOR_BYTES)
        return fail_at(r, ERR_CORRUPT, number, position % r->segment_bytes,
                       "the data file records an impossible WAL position");
    if (find(r, number) || (position % r->segment_bytes == 0 && before && before->valid))
        return ERR_OK;
    return fail_at(r, ERR_CORRUPT, number, 0, "a WAL segment is missing");
}

/* ---- the cut ---- */

/* Sort the files: below the position, the chain's, prepared ones, the rest. */
static void adopt(struct wal_recovery *r)
{
    struct wal *w = r->w;
    uint64_t end = r->place / r->segment_bytes;
    uint64_t next = end;

    ASSERT(w->live == 0 && w->ready == 0);
    ASSERT(end >= r->raw / r->segment_bytes);
    LIST_EACH_SAFE (link, &w->segments) {
        struct wal_segment *s = wal_segment_of(link);

        /* One that ends at the cut is kept: it may be all that is left of the log. */
        uint64_t s_end = (s->number + 1) * r->segment_bytes;

        if (s->number < end && (s_end > w->oldest || s_end == r->raw)) {
            w->live++;
        } else if (s->number == next && s->valid) {
            next++;
            w->ready++;
        } else {
            wal_segment_retire(w, s);
        }
    }
}

static enum err open_segment(struct wal_recovery *r, struct wal_segment *s)
{
    enum err e = wal_segment_open(r->w, s);

    ASSERT(s->users == 0);
    /* A killed process may have left it in the system's cache only. */
    if (!e)
        e = r->w->os->ops->file_sync(s->files[0]);
    return e ? fail_at(r, e, s->number, 0, "a WAL segment could not be opened and synced") : e;
}

/* Make durable all that may not be, open what is written next. */
static enum err open_files(struct wal_recovery *r)
{
    struct wal *w = r->w;
    uint64_t proven = r->proven / r->segment_bytes, end = r->place / r->segment_bytes;
    enum err e = ERR_OK;

    ASSERT(!w->has_begun);
    LIST_EACH (link, &w->segments) {
        struct wal_segment *s = wal_segment_of(link);

        if (!e && s->number >= proven)
            e = open_segment(r, s);
        if (s->number < end)
            wal_segment_close(w, s);
    }
    return e;
}

/* Leave the log so that it can begin behind the cut. */
static enum err cut(struct wal_recovery *r)
{
    struct wal *w = r->w;

    ASSERT(!w->has_begun && w->in_flight == 0);
    if (r->item > r->numbers.commit)
        r->numbers.commit = r->item; /* an item that was cut has used its number up */
    r->found = r->numbers;
    r->numbers.version += r->numbers_ahead;
    r->numbers.commit += r->numbers_ahead;
    w->epoch = r->epoch_max;
    w->position = r->raw;
    w->previous = r->previous;
    w->synced = w->confirmed == UINT64_MAX ? r->raw : r->proven;
    w->last_appended = w->last_issued = w->last_written = w->last_durable = r->item;
    w->numbers = w->numbers_issued = w->numbers_reserved = r->numbers;
    adopt(r);
    ASSERT(w->numbers.commit >= r->item);
    return open_files(r);
}

static enum err read_headers(struct wal_recovery *r)
{
    enum err e = buffer_make(r, WINDOW_BYTES);

    ASSERT(!r->salted);
    LIST_EACH (link, &r->w->segments) {
        if (e)
            break;
        e = header_read(r, wal_segment_of(link));
    }
    return e;
}

enum err wal_recover(struct wal *w, const struct wal_options *options,
                     const struct wal_replay *replay, uint64_t position,
                     struct wal_numbers *numbers, struct failure *f)
{
    struct wal_recovery r = {.w = w,
                             .replay = replay,
                             .f = f,
                             .numbers = *numbers,
                             .is_read_only = options->is_read_only};
    enum err e;

    ASSERT(w->os && !w->current);
    r.segment_bytes = options->segment_bytes;
    r.numbers_ahead = options->numbers_ahead;
    e = list_files(&r);
    if (!e)
        e = read_headers(&r);
    if (!e)
        e = limits_set(w, options, r.segment_bytes, f);
    if (!e)
        e = marks_read(&r);
    if (e)
        goto done;
    w->oldest = position;
    r.proven = position;
    if (r.salted) {
        e = check_beginning(&r, position);
    } else {
        e = check_unsalted(&r, position);
        w->os->ops->random(w->os, &w->salt, sizeof w->salt);
    }
    if (!e)
        e = chain_follow(&r, position);
    if (!e && !r.is_read_only)
        e = cut(&r);
    if (!e && !r.is_read_only)
        *numbers = r.found;
    if (!e && r.is_read_only) {
        w->position = r.raw;
        w->batches = r.batches;
    }
done:
    file_close(&r);
    os_free(w->os, r.memory, r.buffer_bytes + WAL_SECTOR_BYTES);
    return e;
}
