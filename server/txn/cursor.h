/* cursor.h - walking a range of a store.
 *
 * A cursor in a transaction sees what the transaction writes meanwhile and is
 * to be closed before the transaction ends (the caller keeps the list). Without one it holds a
 * snapshot of its own until it is closed. It stands between rows: turning round
 * gives the last row again.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_CURSOR_H
#define HOLDFAST_TXN_CURSOR_H

#include "server/storage/key.h"
#include "server/txn/cursors.h"
#include "server/txn/op.h"
#include "server/txn/txn.h"

struct cursor_options {
    bool reverse;
    uint64_t limit;  /* rows in all; UINT64_MAX: no limit */
    uint64_t offset; /* rows to pass over at the beginning; with unique: index keys */
    struct slice index; /* of the store; none: the store itself */
    bool unique;        /* of an index: the first row of each index key */
    bool only_keys;     /* of an index: values are not wanted */
    bool only_values;   /* keys are not wanted */
    bool only_index_keys; /* of an index: of each entry nothing but its own key is wanted */
    bool runs; /* rows may be given in runs, without a look at anything between them */
};

struct key_range;
struct schema;

struct cursor_row {     /* borrowed until the next call on the cursor or op_release */
    struct slice key;   /* in the client's form */
    struct slice value; /* the record; none of an index with only_keys */
    struct slice index_key; /* of an index, in the client's form; none of a store */
    struct slice encoded;   /* the key of the record, as it is kept */
};

/* range: MessagePack, or none for all. ERR_NO_STORE, ERR_BAD_REQUEST, ERR_BAD_KEY, ... May
 * answer ERR_WAIT (then *out is not set and the same call is made again). */
enum err cursor_open(struct op *op, struct txn *t, struct slice store, struct slice range,
                     const struct cursor_options *options, struct cursor **out);

/* A cursor over nothing, which holds what a request sees that is to open many cursors over it: of
 * t, or (t NULL) a snapshot of its own, as cursor_open takes it. */
enum err cursor_open_anchor(struct op *op, struct txn *t, struct cursor **out);
/* Whether what the anchor sees is still there. ERR_TXN_EXPIRED, ERR_TXN_KILLED, ... */
enum err cursor_check_anchor(struct op *op, struct cursor *anchor);
/* The store of that name as the anchor sees it, a read like any other; borrowed as long as the
 * anchor sees it. ERR_NO_STORE. */
enum err cursor_find_store(struct op *op, struct cursor *anchor, struct slice name,
                           struct schema **out);
/* A cursor over encoded bounds of a store or index that the anchor sees. */
enum err cursor_open_over(struct op *op, struct cursor *anchor, struct schema *s,
                          const struct key_range *range, const struct cursor_options *options,
                          struct cursor **out);

/* How many records of a store, or entries of an index, are within the bounds, as the anchor sees
 * them: from the counts of the tree and a look at what is staged. ERR_WAIT. */
enum err cursor_count_over(struct op *op, struct cursor *anchor, struct schema *s,
                           const struct key_range *range, uint64_t *records);

/* The next row in the cursor's direction. ERR_END: there is none (a later call after turning
 * or moving may find some). ERR_WAIT: nothing has moved; call again. ERR_TXN_EXPIRED: too much
 * was held for it. */
enum err cursor_next(struct op *op, struct cursor *c, struct cursor_row *row);

/* ERR_END: it is known, without waiting, that no row is ahead. ERR_OK: one may be. */
enum err cursor_look(struct op *op, struct cursor *c);

/* Remember the place, for cursor_back: a page that cannot be told was not given. */
void cursor_mark(struct cursor *c);
/* Stand where the cursor stood when it was marked, and go the way it went. */
void cursor_back(struct cursor *c);

/* Go the other way from here on. */
void cursor_set_direction(struct cursor *c, bool reverse);

/* Only the first row of each index key from here on, or every row. In reverse the row of an index
 * key is the one with the least record key. Nothing over a store. */
void cursor_set_unique(struct cursor *c, bool unique);
/* Pass over so many of the next rows; with unique: index keys. */
void cursor_skip(struct cursor *c, uint64_t rows);

/* Go on from the first row at or beyond key, in the direction of the cursor: a row with that
 * very key comes first either way. Over an index it is an index key, or {index, key} for one
 * entry. ERR_WAIT. */
enum err cursor_move_to(struct op *op, struct cursor *c, struct slice key);

/* ---- for operators ---- */

struct cursor_hold {
    uint64_t snapshot, age_ms;
    uint64_t bytes; /* of memory, its own */
    uint64_t held;  /* stages that its snapshot reads, bytes */
    uint64_t disk;  /* as root_only_bytes */
};

/* What a cursor outside of a transaction keeps; false: it is in one, or has been ended. */
bool cursor_hold(const struct cursor *c, struct cursor_hold *out);

#endif
