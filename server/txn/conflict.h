/* conflict.h - finding who has won, and saying so.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_CONFLICT_H
#define HOLDFAST_TXN_CONFLICT_H

#include "server/base/failure.h"
#include "server/storage/durability.h"
#include "server/storage/key.h"
#include "server/txn/op.h"

struct schema;
struct stamp;
struct txn;

struct winner {
    uint64_t version;
    uint64_t commit; /* 0: still open */
    enum durability durability;   /* it asked for less than a sync */
    struct slice label;
};

struct winner winner_of(const struct stamp *s);

/* What a conflict of two writes of a key is, in the store of that number (schema may be NULL). */
enum conflict_kind conflict_kind_of(uint32_t store, const struct schema *schema);

/* Say in f why a transaction loses. key is encoded; none where there is none. */
void conflict_describe(struct failure *f, enum conflict_kind kind, const struct schema *schema,
                       struct slice key, const struct winner *winner);

/* The same where the winner has locked the store of that name. */
void conflict_describe_lock(struct failure *f, struct slice store, const struct winner *winner);

/* Say in f, a CONFLICT, which stores t has written, definitions included, and the one that it has
 * attempted to write (none: it has not): the first CONFLICT_WROTE_MAX of them. */
#define CONFLICT_WROTE_MAX 15
void conflict_note_wrote(struct failure *f, const struct txn *t, struct slice attempted);
/* The same for a write of a key of schema, which may be NULL. */
void conflict_note_attempt(struct failure *f, const struct txn *t, const struct schema *schema,
                           struct slice key);

/* Both: ERR_OK, or ERR_NOT_FOUND: nobody. What is on disk may have to be waited for: ERR_WAIT; or
 * cannot be read: ERR_CORRUPT, ERR_IO, ERR_NOMEM, which say so in op. The label found is good
 * until the op lets go of its pages. */

/* Who committed the newest version of the key after t's snapshot, wherever it is held: in a
 * stage, or in the ledger of one that is gone. */
enum err conflict_find_newer(struct op *op, const struct txn *t, uint32_t store,
                             struct slice key, struct winner *out);

/* The same, in stages alone: for commits that are not told yet, whose stages stay. */
enum err conflict_find_staged(const struct txn *t, uint32_t store, struct slice key,
                              struct winner *out);

struct conflict_range { /* from <= key < to; size 0: no bound */
    uint32_t store;
    struct slice from, to;
};

struct conflict_walk { /* where looking through a range goes on; all zero: at its beginning */
    uint64_t stage;     /* number of the stage where it stands; those above it are done */
    bool is_staged;     /* all stages are done */
    size_t at_size;
    uint8_t at[KEY_BYTES_MAX];
};

struct conflict_found {
    struct winner winner;
    struct slice key; /* in a stage, or in room */
    uint8_t room[KEY_BYTES_MAX];
};

/* Who committed anything in the range after t's snapshot, in a stage or in a ledger. ERR_WAIT:
 * go on with the same walk; what is committed meanwhile may go unseen. */
enum err conflict_find_newer_in_range(struct op *op, const struct txn *t,
                                      const struct conflict_range *range,
                                      struct conflict_walk *walk, struct conflict_found *out);
/* The same, in stages alone, as far as txns.steps = until. */
enum err conflict_find_staged_in_range(const struct txn *t, const struct conflict_range *range,
                                       struct conflict_walk *walk, uint64_t until,
                                       struct conflict_found *out);

#endif
