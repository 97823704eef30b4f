/* wal_internal.h - what the files of the log share.
 *
 * A position is a byte offset in an endless log; segment number = position /
 * segment_bytes. The first sector of a segment is its header. A "raw" position
 * is where a batch ended; the next batch's place is the same, or one sector
 * further where a segment begins (wal_place).
 *
 *   retired files        live segments           ready segments
 *   (below the trim)   [oldest ... current]   [prepared, unused ...]
 *         |                                          ^
 *         +------ prepare: rename, new header -------+
 *
 * Room. What was reserved must fit whatever the cutting into batches does. A
 * segment's last tail_bytes do not count as room, since that much may be left
 * when what is next does not fit; a large item is charged two sectors for each
 * stream_bytes_min, since each of its batches holds at least that much. So a
 * skip to the next segment never takes room, and a batch never takes more room
 * than the reservation that it uses up. */
#ifndef HOLDFAST_STORAGE_WAL_INTERNAL_H
#define HOLDFAST_STORAGE_WAL_INTERNAL_H

#include "server/base/assert.h"
#include "server/storage/wal.h"
#include "server/storage/wal_format.h"

#include <stdatomic.h>

#define WAL_WHOLE_BYTES_MAX (1u << 20)    /* a batch of whole items */
#define WAL_GATHER_BYTES (64u << 10)      /* so much queued is worth a batch of its own */
#define WAL_ZEROS_BYTES (256u << 10)      /* one write when a segment is filled */
#define WAL_MARKS (WAL_IN_FLIGHT_MAX + 1) /* one a flight, one for the beginning */
#define WAL_SEGMENT_BYTES_MAX (1u << 30)
#define WAL_RESERVE_SHARE 16        /* of a segment, left for what frees space: one in 16 */
#define WAL_RETRY_MS 1000           /* between preparations that found no space */
#define WAL_DIRECT_SLOW_NS 10000000 /* a write of the loop that took longer has waited */
#define WAL_DIRECT_PAUSE_MS 1000    /* then the lane writes for so long */

struct wal_segment {
    struct list_link in_list; /* in wal.segments or wal.retired, ascending by number */
    uint64_t number;          /* the file's name */
    /* Owned; one for each flight, by its index, all opened before the first batch is written
     * (I-W4). NULL: not open. */
    struct os_file *files[WAL_IN_FLIGHT_MAX];
    unsigned users; /* batches in flight in it */
    bool valid;     /* recovery: the header is good and the file has its size */
    bool resembles; /* recovery: a batch is at its first place, good or rotten */
};

/* Hands whole segments to an archive (wal_keep.c). */
struct wal_keep {
    enum err (*keep)(void *context, struct os *os, const char *path); /* NULL: there is none */
    void *context;
    struct os_job job;
    struct wal *wal;    /* for the job */
    bool running;
    uint64_t number;    /* of the segment at hand */
    uint64_t next;      /* all whole segments below have been kept */
    uint64_t kept;      /* since the start */
    uint64_t failed_ms; /* when it failed last */
    enum err error;     /* of the last one; OK: it was kept */
    enum err result;    /* the job's */
};

struct wal_limits { /* derived from the options */
    uint64_t segment_bytes;
    uint64_t piece_bytes;      /* a piece of an item, at most */
    uint64_t batch_bytes;      /* a batch with fragments of one large item, at most */
    uint64_t whole_bytes;      /* a batch of whole items, at most; larger items are cut */
    uint64_t tail_bytes;       /* of each segment, not counted as room */
    uint64_t reserve_bytes;    /* left for what frees space */
    uint64_t stream_bytes_min; /* a batch of a large item: no less, or it ends a segment */
};

enum wal_prepare_kind {
    WAL_PREPARE_MAKE,   /* a new file, zeros written */
    WAL_PREPARE_REUSE,  /* a retired file, renamed */
    WAL_PREPARE_REMOVE, /* a retired file too many */
};

/* Makes one segment ready: on a lane of its own, or at once while the log is opened. */
struct wal_prepare {
    struct os_job job;
    struct wal *wal; /* for done only */
    struct os *os;
    bool running;
    enum wal_prepare_kind kind;
    struct wal_segment *segment; /* owned while running; only the loop looks inside */
    uint64_t from;               /* REUSE, REMOVE: the file's number */
    struct wal_segment_header header;
    uint8_t *buffer; /* owned; WAL_ZEROS_BYTES */
    /* out */
    bool renamed; /* the file is named header.number now */
    unsigned files_wanted;
    struct os_file *files[WAL_IN_FLIGHT_MAX]; /* open and ready, if result is OK */
    enum err result;
};

enum wal_flight_kind {
    WAL_FLIGHT_WHOLE,  /* whole items, or none: its end is known when it is issued */
    WAL_FLIGHT_STREAM, /* fragments of one large item: its end is known when it is done */
    WAL_FLIGHT_SYNC,   /* no batch: makes durable what was written unsynced */
};

/* A batch in flight. The loop fills it, the lane runs it, the loop takes it back. */
struct wal_flight {
    struct os_job job;
    struct list_link in_list; /* wal.free or wal.flying (by position) */
    struct wal *wal;          /* for done only */
    struct os *os;
    enum wal_flight_kind kind;
    unsigned index; /* in wal.flights */
    bool sync;
    bool done;
    bool is_encoded;       /* the loop has done it */
    bool is_written;       /* counted so */
    uint64_t covers;       /* once it is: number of the last item that its sync makes durable */
    uint64_t answers_from; /* raw: what its failure makes doubtful begins here */
    struct wal_segment *segment; /* only the loop looks inside */
    struct os_file *file;        /* the segment's for this flight */
    struct os_file *marks;       /* wal/failed */
    const uint8_t *identity;     /* of the database */
    atomic_bool *has_doubt;      /* set when it fails, before anybody is told */
    uint64_t offset;             /* of the batch in the file */
    uint64_t salt;
    struct wal_batch batch; /* used and span: the lane's, when it streams */
    uint8_t *buffer;        /* aligned; in memory, or the log's stream buffer */
    void *memory;           /* owned; whole_bytes and what alignment takes */
    struct list_link items; /* WHOLE: lent by the caller */
    unsigned item_count;
    uint64_t last_item; /* number of the last item that ends here (SYNC: before it); 0: none */
    struct wal_item *stream; /* STREAM: lent by the caller */
    bool stream_first;
    uint64_t stream_room; /* bytes, header included */
    /* out */
    uint64_t stream_put; /* bytes of the item */
    bool stream_last;
    enum err result;
    const char *what; /* "write" or "sync": what failed */
};

/* The last batch, if the loop wrote it and it takes one sector: it may grow there. */
struct wal_tail {
    bool is_open;
    struct wal_batch batch; /* as it was written */
    uint64_t begin;         /* raw: the position before it */
    uint8_t *buffer;        /* its bytes; aligned, one sector */
    void *memory;           /* owned; what buffer lies in */
};

struct wal {
    struct os *os;
    struct wal_events events;
    struct wal_limits limits;
    unsigned in_flight_max, spare_segments;
    uint32_t interval_ms;
    uint32_t direct_bytes_max;
    uint64_t salt;
    uint64_t epoch;     /* that is written; before wal_begin: the greatest one seen */
    struct wal_mark us; /* what marks of ours say, all but the position */
    bool has_begun;     /* wal_begin has been called */

    /* files */
    struct os_file *marks;       /* owned; wal/failed */
    struct os_file *closed;      /* owned; wal/closed */
    bool has_marks;              /* recovery found some */
    struct list_link segments;   /* live and ready, ascending, without a gap */
    struct list_link retired;    /* files that may be reused */
    struct wal_segment *current; /* in segments: where the last batch went */
    unsigned live, ready, retired_count;
    unsigned live_peak; /* how many segments were live at a time, slowly forgotten */
    uint64_t oldest;    /* trimmed up to here */
    struct wal_prepare prepare;
    struct wal_keep keep;
    enum err prepare_error; /* of the last preparation: OK, NO_SPACE or NOMEM */
    enum err
        room_error; /* the same, but a preparation that is under way clears it at its end */
    uint64_t prepare_failed_ms;
    uint64_t demand; /* the largest reservation that was told to wait */
    bool waiting;    /* on_room is owed */

    /* what is to be written */
    struct list_link queue; /* of wal_item */
    uint64_t queued_items;
    uint64_t queued;        /* bytes, overheads included, not in a batch yet */
    uint64_t reserved;      /* bytes, by those who have not appended yet */
    uint64_t last_appended; /* number */
    uint64_t stream_left;   /* share of queued that the item now cut still has; 0: none is */
    struct wal_numbers numbers;          /* asked for */
    struct wal_numbers numbers_issued;   /* in a batch */
    struct wal_numbers numbers_reserved; /* durable */

    /* what is being written */
    struct wal_flight *flights; /* owned; in_flight_max of them */
    uint8_t *stream_buffer;     /* aligned; batch_bytes */
    void *stream_memory;        /* owned; what it lies in */
    struct wal_tail tail;
    struct list_link free;
    struct list_link flying;
    unsigned in_flight;
    unsigned items_in_flight;
    bool stream_running;     /* nothing else may be issued: the end is not known */
    bool unsynced_running;   /* no sync may be issued: it would not cover that write */
    bool sync_due;           /* the interval is over */
    uint64_t position;       /* raw end of what was issued */
    uint64_t position_items; /* raw end of the last issued batch that has items */
    uint64_t previous;       /* position of the last issued batch */
    uint64_t synced;         /* raw: durable up to here */
    uint64_t confirmed;      /* raw: others have it up to here; UINT64_MAX: nobody must */
    uint64_t unsynced_begin; /* raw start of the first batch not covered, if there is one */
    uint64_t unsynced_end;   /* raw end of the last unsynced batch issued */
    uint64_t covered;        /* raw: a sync issued covers all before */
    uint64_t dirty_since_ms; /* when the first batch not covered was issued */
    uint64_t direct_from_ms; /* the lane writes everything until then */
    uint64_t last_issued;    /* number of the last item that is issued whole */
    uint64_t last_written;   /* number */
    uint64_t last_durable;   /* number */

    bool failed;
    atomic_bool has_doubt; /* a flight has failed; the loop may not know yet */
    uint64_t batches, syncs, items;
};

/* What holds between any two calls: numbers and positions are in the order in which an item
 * passes them, and the counts say what the lists hold. */
static inline bool wal_is_sane(const struct wal *w)
{
    return w->last_durable <= w->last_written && w->last_written <= w->last_issued &&
           w->last_issued <= w->last_appended && w->position_items <= w->position &&
           w->covered <= w->position && w->unsynced_end <= w->position &&
           w->in_flight <= w->in_flight_max &&
           (w->in_flight == 0) == list_is_empty(&w->flying) &&
           (w->queued == 0) == list_is_empty(&w->queue) &&
           (w->queued_items == 0) == list_is_empty(&w->queue);
}

/* wal_segment.c */
/* ERR_NOMEM. *out is in no list. */
enum err wal_segment_new(struct wal *w, uint64_t number, struct wal_segment **out);
void wal_segment_free(struct wal *w, struct wal_segment *s); /* closes; out of its list */
/* A file of its own for each flight. */
enum err wal_segment_open(struct wal *w, struct wal_segment *s);
void wal_segment_close(struct wal *w, struct wal_segment *s);
void wal_segment_insert(struct list_link *list, struct wal_segment *s); /* by number */
void wal_segment_retire(struct wal *w, struct wal_segment *s);          /* from segments */
/* Choose a file for the segment behind the last and set prepare up. ERR_NOMEM. */
enum err wal_prepare_begin(struct wal *w);
void wal_prepare_run(struct os_job *job);
void wal_prepare_free(struct wal *w); /* what is under way, when the log is freed */
/* Take over what prepare made, or put the file back. */
enum err wal_prepare_end(struct wal *w);
/* Prepare, or remove, in the background if that is needed. */
void wal_prepare_maybe(struct wal *w);

/* wal_keep.c */
/* Whether the segment must be kept before its file is used for anything else. */
bool wal_keep_wants(const struct wal *w, const struct wal_segment *s);
/* Begin to keep the next one if there is one. */
void wal_keep_maybe(struct wal *w);
/* When to call again, ms on the table's clock; UINT64_MAX: nothing waits. */
uint64_t wal_keep_tick(struct wal *w);

/* wal_mark.c */
struct wal_mark_file {
    const char *path;
    enum wal_mark_kind kind;
    unsigned places;
};
static const struct wal_mark_file wal_failed_file = {"wal/failed", WAL_MARK_FAILED, WAL_MARKS};
static const struct wal_mark_file wal_closed_file = {"wal/closed", WAL_MARK_CLOSED, 1};

/* out: file->places of them; those that say something. ours: identity only. ERR_CORRUPT: of
 * another database. ERR_FORMAT, ERR_IO, ERR_NOMEM. */
enum err wal_marks_read(struct os *os, const struct wal_mark_file *file,
                        const struct wal_mark *ours, struct wal_mark *out, unsigned *count,
                        struct failure *f);
/* Open for writing; make all its places if they are not there. */
enum err wal_marks_open(struct os *os, const struct wal_mark_file *file,
                        const struct wal_mark *ours, struct os_file **out, struct failure *f);
/* They say nothing any more, durably. */
enum err wal_marks_clear(struct os *os, struct os_file *open, const struct wal_mark_file *file,
                         const struct wal_mark *ours, struct failure *f);
/* Any thread. */
void wal_mark_failed(struct os *os, struct os_file *file, unsigned place,
                     const struct wal_mark *mark);
/* Durably. ERR_IO, ERR_NO_SPACE. */
enum err wal_mark_closed(struct os *os, struct os_file *file, const struct wal_mark *mark);

/* wal_flight.c */
void wal_flight_run(struct os_job *job);
/* Put the batch into the buffer; run will not do it again. */
void wal_flight_encode(struct wal_flight *flight);

/* wal_recover.c */
enum err wal_recover(struct wal *w, const struct wal_options *options,
                     const struct wal_replay *replay, uint64_t position,
                     struct wal_numbers *numbers, struct failure *f);

/* wal.c */
struct wal_counted { /* what has been told */
    uint64_t written, durable;
    struct wal_numbers reserved;
};
struct wal_counted wal_counted(const struct wal *w);
/* Tell whoever asked of what has changed since before. */
void wal_tell(struct wal *w, struct wal_counted before);
bool wal_numbers_differ(struct wal_numbers a, struct wal_numbers b);
/* The flight has ended: it is counted when all before it are. */
void wal_flight_settle(struct wal *w, struct wal_flight *flight);
void wal_fail(struct wal *w, enum err e, const char *what, uint64_t segment, uint64_t offset);
void wal_flight_done(struct os_job *job);
bool wal_room_is_short(const struct wal *w, uint64_t bytes, uint64_t spare);

static inline struct wal_segment *wal_segment_of(struct list_link *link)
{
    return LIST_ENTRY(link, struct wal_segment, in_list);
}

/* The first sector's boundary in it. */
static inline uint8_t *wal_align(void *memory)
{
    ASSERT(memory);
    return (uint8_t *)wal_round_up((uint64_t)(uintptr_t)memory);
}

/* Where the batch after the raw position begins. */
static inline uint64_t wal_place(const struct wal *w, uint64_t raw)
{
    ASSERT(raw % WAL_SECTOR_BYTES == 0);
    return raw % w->limits.segment_bytes ? raw : raw + WAL_SECTOR_BYTES;
}

#endif
