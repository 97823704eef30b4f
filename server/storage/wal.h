/* wal.h - the commit log: ordered items made durable in batches.
 *
 * Knows bytes and positions; knows nothing of keys, transactions or sockets. An
 * item is a run of bytes (one commit) with a number that grows from item to
 * item. Queued items leave in batches: each is encoded and checksummed on the
 * log's lane, written on a sector boundary of a preallocated, already written
 * segment, and synced. Several batches may be in flight; an item is durable
 * when its batch and all earlier ones are. A large item is cut into fragments
 * over several batches; the next item follows its last fragment. A small batch that needs
 * no sync is encoded and written by the caller's thread, in wal_kick: it only goes to the
 * system's memory, and that takes less than waking another thread.
 *
 * A batch carries epoch, position, length, where the batch before it is, the position known
 * to be synced when it was issued and the numbers reserved, all under its checksum
 * (XXH3-64, with a salt that no client knows). At recovery damage is in the middle, and
 * refused, if a valid later batch, or the mark of a clean stop, says that more was synced;
 * else it is the tail, and is cut. docs/formats.md has the byte tables.
 *
 * A failed write or sync is final: on_failed, nothing more is acknowledged. Each flight has
 * open files of its own, since the system tells a failure once to each. It
 * leaves a mark in wal/failed, so that the next start does not believe what only
 * the system's cache has; and where it can, that start reads past the cache.
 *
 * Others may have to have a batch, too (wal_options.is_confirmed): then it is lent out
 * when it is issued (on_issued) and durable when it is synced here and wal_confirmed has
 * passed it.
 *
 * Threads: loop only; encode is called on the log's lane, or in wal_kick.
 * Files: wal/NNNNNNNNNNNNNNNN (segment number in hex), wal/failed, wal/closed. */
#ifndef HOLDFAST_STORAGE_WAL_H
#define HOLDFAST_STORAGE_WAL_H

#include "proto/slice.h"
#include "server/base/failure.h"
#include "server/base/list.h"
#include "server/os/os.h"
#include "server/storage/durability.h"

#define WAL_SECTOR_BYTES 4096
#define WAL_DIRECTORY "wal"
#define WAL_PATH_BYTES 32
#define WAL_IDENTITY_BYTES 16
#define WAL_IN_FLIGHT_MAX 8
#define WAL_PIECE_BYTES_MAX (6u << 20) /* the default of piece_bytes_max */

/* The path of a segment's file; to has WAL_PATH_BYTES. */
void wal_segment_path(uint64_t number, char *to);
/* false: the name is not one of a segment. */
bool wal_segment_parse(const char *name, uint64_t *number);

struct wal; /* opaque, owned by the core */

/* One item: the caller's memory, lent from wal_append until on_durable has named
 * a number at or above it (or the log is closed). */
struct wal_item {
    struct list_link in_queue;  /* the log's own use */
    uint64_t number;            /* grows from item to item; not 0 */
    enum durability durability; /* INTERVAL: it may wait for the interval's sync */
    uint64_t bytes;             /* at least what encode will put in total */
    /* Put the next piece, cut where the item may be cut, into at most room bytes; return the bytes
     * put. Pieces that follow each other in one batch are joined in replay. 0 with *last
     * false means that room is too small for the next record, which never happens with room
     * >= piece_bytes_max. Set *last with the last piece. Any thread; reads only what nobody
     * changes. */
    size_t (*encode)(struct wal_item *item, uint8_t *to, size_t room, bool *last);
    uint64_t progress; /* encode's own use; 0 at wal_append */
    void *at;          /* encode's own use; NULL at wal_append */
};

struct wal_numbers { /* reserved ahead so that no crash makes one used twice */
    uint64_t version;
    uint64_t commit;
};

struct wal_options {
    /* Of a new log; an old one keeps what it was made with. A multiple of
     * WAL_SECTOR_BYTES, at most 1 GiB, at least two batches of the largest piece. */
    uint64_t segment_bytes;
    unsigned
        in_flight_max; /* batches written and synced side by side, 1 to WAL_IN_FLIGHT_MAX */
    unsigned spare_segments;   /* kept prepared ahead, at least 2 */
    uint64_t numbers_ahead;    /* the first batch after the start reserves this many of each */
    uint32_t interval_ms;      /* unsynced items are synced at most this much later */
    uint32_t piece_bytes_max;  /* room that encode may need; 0: WAL_PIECE_BYTES_MAX */
    uint32_t direct_bytes_max; /* an unsynced batch up to this goes in wal_kick; 0: none */
    uint8_t identity[WAL_IDENTITY_BYTES]; /* of the database; files of another are refused */
    bool is_confirmed; /* durable is also only what wal_confirmed has passed */
    bool is_read_only; /* for a check: nothing is written or made durable, and wal_begin may not
                          be called. ERR_NOT_FOUND: the directory of the log is missing */
    /* Keep a copy of the segment whose file is at path, which no longer changes: its file is used
     * again only when this has returned ERR_OK; after an error it is tried again. On a lane, and it
     * may block. It may be asked for what it has kept. NULL: nobody keeps segments. */
    enum err (*keep)(void *context, struct os *os, const char *path);
    void *keep_context;
};

/* Called from the loop, never inside a call of the log but wal_kick, wal_tick and
 * wal_confirmed, at whose end they may come. They may call the log, but not wal_close. */
struct wal_events {
    void *context;
    /* All items up to number have been written: a kill of the process keeps them. */
    void (*on_written)(void *context, uint64_t number);
    /* All items up to number survive power loss; items at or below it are given back. */
    void (*on_durable)(void *context, uint64_t number);
    /* These numbers are reserved durably from now on. */
    void (*on_reserved)(void *context, struct wal_numbers numbers);
    /* Final. Once. */
    void (*on_failed)(void *context, enum err e, const char *text);
    /* Whoever got ERR_WAIT from wal_reserve may try again: room was made, or none could be. */
    void (*on_room)(void *context);
    /* May be NULL. A batch stands at position; its bytes are lent until on_written has named
     * its items, and on_durable too if it is synced; or until the log has failed. With it
     * batches are encoded by the loop, and none grows. It may not call the log. */
    void (*on_issued)(void *context, uint64_t position, struct slice bytes);
};

/* Recovery hands over each piece of each item, in order. An item without its last piece was
 * cut with the log's tail: nobody was told of it; drop it when another number begins, or at
 * the end. Its number counts as used. */
struct wal_replay {
    void *context;
    enum err (*piece)(void *context, uint64_t number, bool first, bool last, struct slice bytes,
                      struct failure *f);
    /* The pieces of a batch follow, which was issued at this time of day, ms since 1970. NULL:
     * nobody asks. */
    void (*batch)(void *context, uint64_t time_ms);
};

/* Open the log below "wal", and replay from position (0: from its beginning;
 * what a root says). Blocks. Items whose first fragment lies before position come without their
 * beginning (first false). Nothing is written: the log is closed until wal_begin, and only
 * wal_epoch, wal_read, wal_stats and wal_close may be called. *numbers: in, reserved as the
 * root knows them; out, the greatest ones found (commit: items' numbers too). ERR_CORRUPT with
 * file and offset: damage in the middle, or a file of another database. ERR_FORMAT: another
 * version. ERR_IO, ERR_NO_SPACE, ERR_NOMEM; ERR_BAD_REQUEST: options that do not suit each
 * other; or what replay returned. events NULL: options.is_read_only, no event ever comes. */
enum err wal_open(struct os *os, const struct wal_options *options,
                  const struct wal_events *events, const struct wal_replay *replay,
                  uint64_t position, struct wal_numbers *numbers, struct wal **out,
                  struct failure *f);

/* The greatest epoch that was seen, or the one that is written. */
uint64_t wal_epoch(const struct wal *w);

/* Begin to write, in an epoch greater than any seen: its first batch is written and synced
 * where the log was cut, so that what was cut cannot come back. Blocks. After an error only
 * wal_close may be called: ERR_IO, ERR_NO_SPACE, ERR_NOMEM. */
enum err wal_begin(struct wal *w, uint64_t epoch, struct failure *f);

/* All others who must have it have the log up to position, durably. It never goes back. */
void wal_confirmed(struct wal *w, uint64_t position);

/* Read the batch that begins at position, a raw one: where the batch before it ends (the next
 * one behind the end of a segment, too). Its bytes are put in to; it is
 * durable, or, before wal_begin, what was replayed. Blocks. ERR_END: there is none;
 * ERR_NOT_FOUND: the log does not go back so far; ERR_TOO_LARGE: it takes more than room,
 * read->size says how much; ERR_CORRUPT: no batch begins there; ERR_IO, ERR_NOMEM. */
struct wal_read {
    uint64_t position; /* in; out: the one behind it, for the next call */
    uint64_t place;    /* out: where it stands */
    size_t size;       /* out: bytes */
};
enum err wal_read(struct wal *w, struct wal_read *read, uint8_t *to, size_t room);

/* Reserve log space for bytes of items to come. OK; ERR_WAIT: a segment is being
 * prepared, on_room (or on_failed) will follow; ERR_NO_SPACE, ERR_NOMEM: none can be
 * prepared now (it is tried again a second later); ERR_LOG_FAILED. */
enum err wal_reserve(struct wal *w, uint64_t bytes);

/* The same for what lets space be freed, a delete or a dropped store: it may also take the
 * last part of the prepared files (a sixteenth of a segment), which wal_reserve leaves. So an
 * operator can make room on a full disk. */
enum err wal_reserve_to_free(struct wal *w, uint64_t bytes);

/* Give back what was reserved and is not needed. */
void wal_unreserve(struct wal *w, uint64_t bytes);

/* Queue an item for which item->bytes (and WAL_ITEM_OVERHEAD) were reserved; takes that
 * reservation over. Cannot fail. */
#define WAL_ITEM_OVERHEAD (2 * WAL_SECTOR_BYTES)
void wal_append(struct wal *w, struct wal_item *item);

/* Reserve numbers durably: the next batch says so (one is made if there is none to
 * write). */
void wal_reserve_numbers(struct wal *w, struct wal_numbers numbers);

/* Start what is queued, if the width allows: the loop calls this once a turn, after all
 * that is ready has been appended, so that a batch takes all; also in a turn in which only
 * jobs have finished. Small batches without a sync have been written when it returns. */
void wal_kick(struct wal *w);

/* Call after a while when only unsynced items were written; returns when to call again
 * (ms on the table's clock), UINT64_MAX: nothing waits. now_ms UINT64_MAX: sync at once. */
uint64_t wal_tick(struct wal *w, uint64_t now_ms);

/* When wal_tick syncs what was written without, ms on the table's clock (UINT64_MAX: nothing was,
 * or the next kick does). */
uint64_t wal_next_sync_ms(const struct wal *w);

/* Somebody waits for what was written without a sync, or will be: the next kick makes it
 * durable. */
void wal_sync_soon(struct wal *w);

/* A position such that every item appended from now on lies at or behind it: the last batch
 * does not grow any more. */
uint64_t wal_position(struct wal *w);

/* Replay will never start before position (a former wal_position) again: earlier segments
 * are reused. */
void wal_trim(struct wal *w, uint64_t position);

/* It has been quiet: keep no more files than what is live now asks for, whatever was needed
 * before. */
void wal_reclaim(struct wal *w);

struct wal_stats {
    uint64_t position; /* end of what was issued, bytes */
    uint64_t synced;   /* durable up to here */
    uint64_t oldest;   /* the first position that is kept */
    unsigned segments; /* files, spares included */
    uint64_t bytes_on_disk;
    uint64_t batches, syncs, items; /* since start */
    uint64_t reserved;              /* bytes */
    bool failed;
    uint64_t kept;       /* segments, since start */
    enum err keep_error; /* why the last one could not be kept, or OK */
    enum err error; /* LOG_FAILED; NO_SPACE, NOMEM: no segment can be prepared; or OK */
};
void wal_stats(const struct wal *w, struct wal_stats *out);

/* Whether a batch or a preparation is under way or queued (after a failure: under way). */
bool wal_is_busy(const struct wal *w);

/* Close, and sync what was only written; the log may not be busy. Unsynced items, and after
 * a failure queued ones, are given back. If all went well a mark says so: from then on a log
 * that ends earlier is damaged. abandon: a simulated crash, no job of ours will ever
 * finish; just free the memory. */
void wal_close(struct wal *w, bool abandon);

#endif
