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
 * A piece of a commit in the log always ends with a whole record. */
#ifndef HOLDFAST_TXN_COMMIT_FORMAT_H
#define HOLDFAST_TXN_COMMIT_FORMAT_H

#define COMMIT_HEAD_BYTES 10
#define COMMIT_FLAG_INTERVAL 1
#define COMMIT_RECORD_HEAD_BYTES 11
#define COMMIT_RECORD_DELETE 1

#endif
