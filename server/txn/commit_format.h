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
 * piece begins. So the log needs no room for the largest record at once. */
#ifndef HOLDFAST_TXN_COMMIT_FORMAT_H
#define HOLDFAST_TXN_COMMIT_FORMAT_H

#define COMMIT_HEAD_BYTES 10
#define COMMIT_FLAG_INTERVAL 1
#define COMMIT_RECORD_HEAD_BYTES 11
#define COMMIT_RECORD_DELETE 1
#define COMMIT_WHOLE_BYTES_MAX (1u << 20) /* a record of more may be cut */
#define COMMIT_CUT_BYTES_MIN 4096u        /* no part of one, but its last, is smaller */

#endif
