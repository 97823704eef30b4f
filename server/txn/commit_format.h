/* commit_format.h - a commit as bytes in the log: a head, then its records in the
 * order in which they were written. All numbers are little-endian.
 *
 *   head:   0  8  version of the transaction
 *           8  1  flags: 1 durability "interval"
 *           9  1  bytes of the label, which follow
 *   record: 0  4  store number
 *           4  1  flags: 1 the key is deleted
 *           5  2  bytes of the key
 *           7  4  bytes of the value
 *          11     key, value
 *
 * A piece of a commit in the log ends with a whole record, but where a record is larger
 * than COMMIT_WHOLE_BYTES_MAX: such a one is cut anywhere, and goes on where the next
 * piece begins. So the log needs no room for the largest record at once.
 *
 * Written and read here and nowhere else. Threads: any. */
#ifndef HOLDFAST_TXN_COMMIT_FORMAT_H
#define HOLDFAST_TXN_COMMIT_FORMAT_H

#include "server/storage/stage.h"

#define COMMIT_HEAD_BYTES 10
#define COMMIT_FLAG_INTERVAL 1
#define COMMIT_RECORD_HEAD_BYTES 11
#define COMMIT_RECORD_DELETE 1
#define COMMIT_WHOLE_BYTES_MAX (1u << 20) /* a record of more may be cut */
#define COMMIT_CUT_BYTES_MIN 4096u        /* no part of one, but its last, is smaller */

/* ---- writing ---- */

/* Bytes that a record takes. */
static inline uint64_t commit_record_bytes(uint64_t key_size, uint64_t value_size)
{
    return COMMIT_RECORD_HEAD_BYTES + key_size + value_size;
}

/* wal_item.encode of a stamp's item: its commit, but for entries of indexes, which replay makes
 * again. Reads only what nobody changes once the commit is queued. */
size_t commit_encode(struct wal_item *item, uint8_t *to, size_t room, bool *last);

/* ---- reading ---- */

struct commit_head {
    uint64_t version;
    struct slice label; /* in the bytes */
    bool is_interval;
    size_t size; /* of the head, with the label */
};
/* false: it is cut. */
bool commit_head_read(struct slice bytes, struct commit_head *out);

struct commit_record { /* its head */
    uint32_t store;
    uint8_t flags;
    uint16_t key_size;
    uint32_t value_size;
    uint64_t size; /* of the record, with key and value */
};
/* false: the head is not all there; the rest may be cut. */
bool commit_record_read(struct slice bytes, struct commit_record *out);
/* Whether a commit can have had it; NULL, or what is wrong with it. */
const char *commit_record_wrong(const struct commit_record *r);
/* Of a record that is all there; the value is none if the key is deleted. */
struct slice commit_record_key(struct slice bytes, const struct commit_record *r);
struct slice commit_record_value(struct slice bytes, const struct commit_record *r);

#endif
