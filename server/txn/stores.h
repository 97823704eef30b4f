/* stores.h - making, changing and listing stores, transactionally.
 *
 * As records.h: t may be NULL (autocommit), answers likewise. A committed
 * change of a store dooms every other open writer of it.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_STORES_H
#define HOLDFAST_TXN_STORES_H

#include "server/storage/key.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/index_row.h"
#include "server/txn/op.h"
#include "server/txn/txn.h"

struct schema;

struct store_options {
    struct slice key; /* MessagePack: the `key` option; none: explicit keys */
    bool generate;
    bool last_writer_wins; /* conflict: "none" */
};

/* Each is one statement: what answers an error, or has been given up, has changed nothing.
 * ERR_EXISTS: there is one, it stays as it is. ERR_BAD_REQUEST: a bad name or option.
 * ERR_OVERLOADED: definitions take all of catalogue_bytes_max. */
enum err store_create(struct op *op, struct txn *t, struct slice name,
                      const struct store_options *options);
enum err store_drop(struct op *op, struct txn *t, struct slice name);
enum err store_clear(struct op *op, struct txn *t, struct slice name);
enum err store_rename(struct op *op, struct txn *t, struct slice name, struct slice new_name);

struct store_info { /* borrowed inside the callback */
    struct slice name;
    struct slice key; /* MessagePack, as key_spec_write puts it */
    bool generate;
    bool last_writer_wins;
    bool is_damaged;  /* on the disk: it takes no writes */
    uint64_t records; /* exact, unless it is damaged */
    uint64_t bytes;   /* about */
    unsigned index_count;
    const struct schema *schema; /* for store_info_index */
    uint32_t
        building; /* the index that is being made in the background, by its number; 0: none is */
    uint64_t built;    /* records of its store that have their entries */
    uint64_t next;    /* the number that the transaction would be given next; 0: none are */
};

struct store_index { /* likewise */
    struct slice name;
    struct slice definition; /* a map, as index_definition_write puts it */
    enum index_state state;
    struct slice why; /* of INDEX_FAILED: index_row.h */
    uint64_t built;   /* of INDEX_BUILDING: records that have their entries */
};
/* i is below index_count. */
struct store_index store_info_index(const struct store_info *info, unsigned i);

#define STORES_A_TURN 256 /* listed; then others get their turn */

struct store_page { /* a part of the list */
    struct slice
        from;     /* in: begin with this name or the first behind it; none: with the first */
    bool is_full;      /* each sets it: this store was the last one of the page */
    size_t
        next_size; /* out: of the name with which the next page begins; 0: this was the last */
    uint8_t next[STORE_NAME_BYTES_MAX];
};

/* Call each for every store of the snapshot, ascending by name, while they are counted: what is
 * staged costs a look at each key. Over several turns (ERR_WAIT): a call goes on with the stores
 * that the one before has not given. page: NULL for all of them; else the same at each call. */
enum err stores_list(struct op *op, struct txn *t, struct store_page *page,
                     void (*each)(void *context, const struct store_info *info), void *context);

#endif
