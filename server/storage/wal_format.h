/* wal_format.h - the log's bytes: segment header, batch, fragment, mark of failure.
 *
 * Pure functions between structs and bytes; docs/formats.md, section "Log", has
 * the tables. A checksum stands behind the magic and covers all that follows
 * it, so that in every version of the format the first 20 bytes mean the same:
 * magic, checksum, format version. A checksum that holds with a version that is
 * not ours is therefore a newer format, not damage.
 *
 * Batches are checksummed with the log's salt, which no client knows: a document
 * that contains the image of a batch can never pass for one, nor can a batch of another
 * database's log. Segments and marks name their database. */
#ifndef HOLDFAST_STORAGE_WAL_FORMAT_H
#define HOLDFAST_STORAGE_WAL_FORMAT_H

#include "server/storage/wal.h"

#define WAL_FORMAT 2

#define WAL_HEADER_BYTES 128  /* of a batch */
#define WAL_FRAGMENT_BYTES 16 /* of a fragment's header */
#define WAL_MARK_BYTES 56
#define WAL_MARK_NONE UINT64_MAX /* a mark that says nothing */

#define WAL_BATCH_SKIP 1u  /* the next batch is in the next segment */
#define WAL_BATCH_EPOCH 2u /* the first of its epoch: everything older behind it is stale */

#define WAL_FRAGMENT_FIRST 1u
#define WAL_FRAGMENT_LAST 2u

struct wal_segment_header {
    uint64_t number;                      /* the file's name */
    uint64_t segment_bytes;               /* the same in all segments */
    uint64_t epoch;                       /* at its (re)use */
    uint64_t salt;                        /* of the log; the same in all segments */
    uint8_t identity[WAL_IDENTITY_BYTES]; /* of the database */
};

struct wal_batch {
    uint32_t flags;
    uint64_t epoch;
    uint64_t position; /* of its first byte */
    uint64_t previous; /* position of the batch before; 0: not known */
    uint64_t synced;   /* durable with all who must have it, up to here, when it was issued */
    struct wal_numbers numbers;
    uint64_t first_item; /* number of the first fragment's item; 0: no fragments */
    uint32_t fragments;
    uint32_t used;    /* bytes, header included */
    uint32_t span;    /* bytes up to the next batch, whole sectors */
    uint64_t time_ms; /* when it was issued by the system's clock, since 1970; may go back */
    /* Borrowed: the database that it was issued in, zeros where nobody said so; after decode, in
     * the bytes. It says where the batch comes from; what makes it this log's is the salt. */
    const uint8_t *identity;
};

struct wal_fragment {
    uint64_t number; /* the item's */
    uint32_t bytes;  /* of the item, behind this header */
    uint32_t flags;
};

/* FAILED: what lies at or behind position and is of epoch or older is not to be believed,
 * although the system's memory may still show it. CLOSED: the log does not end before
 * position. */
enum wal_mark_kind { WAL_MARK_FAILED, WAL_MARK_CLOSED };

struct wal_mark {
    uint8_t identity[WAL_IDENTITY_BYTES]; /* of the database */
    uint64_t epoch;
    uint64_t position; /* WAL_MARK_NONE: the mark says nothing */
};

static inline uint64_t wal_round_up(uint64_t bytes)
{
    return (bytes + WAL_SECTOR_BYTES - 1) / WAL_SECTOR_BYTES * WAL_SECTOR_BYTES;
}

/* to: one sector. */
void wal_segment_header_encode(const struct wal_segment_header *header, uint8_t *to);
/* from: one sector. ERR_OK; ERR_CORRUPT: no valid header; ERR_FORMAT: a newer one. */
enum err wal_segment_header_decode(const uint8_t *from, struct wal_segment_header *out);

/* Put the header in front of what is in to already ([WAL_HEADER_BYTES, used)), zeros
 * behind it, and the checksum over all of span. */
void wal_batch_encode(const struct wal_batch *batch, uint64_t salt, uint8_t *to);
/* Whether the beginning of a batch header for this position is there, rotten or not. */
bool wal_batch_resembles(const uint8_t *from, uint64_t position);
/* from: one sector. The bytes that the batch there claims to take, not verified, if it resembles
 * one and they are whole sectors within room; else 0. */
uint64_t wal_batch_span(const uint8_t *from, uint64_t room, uint64_t position);
/* room: bytes that are there. ERR_OK; ERR_CORRUPT: no valid batch for this position;
 * ERR_FORMAT: a newer one. */
enum err wal_batch_decode(const uint8_t *from, uint64_t room, uint64_t salt, uint64_t position,
                          struct wal_batch *out);

void wal_fragment_encode(const struct wal_fragment *fragment, uint8_t *to);
void wal_fragment_decode(const uint8_t *from, struct wal_fragment *out);

/* to and from: WAL_MARK_BYTES. */
void wal_mark_encode(const struct wal_mark *mark, enum wal_mark_kind kind, uint8_t *to);
/* ERR_OK; ERR_CORRUPT; ERR_FORMAT. */
enum err wal_mark_decode(const uint8_t *from, enum wal_mark_kind kind, struct wal_mark *out);

#endif
