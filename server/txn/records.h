/* records.h - reading and writing records in a transaction.
 *
 * Every function takes a transaction or NULL: then the one call is its own
 * transaction (autocommit), is run again when it loses, and never answers
 * ERR_CONFLICT; op->committed tells its commit. Values and keys are MessagePack;
 * keys in the client's form (key.h). All may answer ERR_WAIT (see op.h),
 * ERR_NO_STORE, ERR_BAD_KEY, ERR_TXN_FAILED-like failures (what doomed t),
 * ERR_CORRUPT, ERR_IO, ERR_NOMEM. Writes also ERR_READ_ONLY, ERR_CONFLICT, ERR_TOO_LARGE,
 * ERR_NO_SPACE, ERR_LOG_FAILED, ERR_OVERLOADED. A call that fails has changed nothing.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_RECORDS_H
#define HOLDFAST_TXN_RECORDS_H

#include "server/storage/key.h"
#include "server/txn/op.h"
#include "server/txn/txn.h"

/* Whether there is such a store: a read of its name. ERR_NO_STORE. */
enum err record_find_store(struct op *op, struct txn *t, struct slice store);

/* *value (borrowed until op_release) is none if there is no such record. */
enum err record_get(struct op *op, struct txn *t, struct slice store, struct slice key,
                    struct slice *value);
enum err record_has(struct op *op, struct txn *t, struct slice store, struct slice key,
                    bool *out);

/* Insert or replace; only_insert: ERR_EXISTS if there is one. key is none where the store
 * takes it from fields or generates it. *key_out: the key in the client's form, put into
 * the caller's key_room (KEY_PLAIN_BYTES_MAX bytes). ERR_BAD_VALUE: nil, or no valid document.
 * A generated key of a store with a key path is put into the document at that path
 * (one part; the record kept is the document with the field added). */
enum err record_put(struct op *op, struct txn *t, struct slice store, struct slice value,
                    struct slice key, bool only_insert, uint8_t *key_room,
                    struct slice *key_out);

/* Changes to the record of a key, in the form of update.h. */
struct record_changes {
    struct slice store, key;
    struct slice changes; /* MessagePack */
    bool upsert;          /* where there is no record, begin with one that has its key alone */
    /* Of a caller that has read the record in this call, in the same transaction: */
    struct slice encoded; /* its key as it is kept; none: key is to be encoded */
    struct slice before;  /* the record; none: it is to be read */
    bool needs_no_value;  /* *value is not wanted */
};

/* *value: the record after it, none if there is none (and upsert is false, so nothing was done);
 * borrowed until the next call. Numbers of the commit are in it only in autocommit; in a
 * transaction they are 0 until then. An autocommit never loses, and is not run again: it is
 * read and written in one step. ERR_BAD_REQUEST, ERR_BAD_VALUE: changes that cannot be made;
 * ERR_BAD_KEY: they alter the key. */
enum err record_update(struct op *op, struct txn *t, const struct record_changes *changes,
                       struct slice *value);

enum err record_delete(struct op *op, struct txn *t, struct slice store, struct slice key,
                       bool *existed);

/* limit UINT64_MAX: all; reverse: the last ones first. */
enum err record_delete_range(struct op *op, struct txn *t, struct slice store,
                             struct slice range, uint64_t limit, bool reverse,
                             uint64_t *deleted);

enum err record_count(struct op *op, struct txn *t, struct slice store, struct slice range,
                      uint64_t *records);
/* Bytes of keys and values, about. */
enum err record_size(struct op *op, struct txn *t, struct slice store, struct slice range,
                     uint64_t *bytes);

#endif
