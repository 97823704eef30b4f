/* ledger.h - what conflict checks need of stages that are gone: their keys, each with
 * its last commit and version, in immutable packed blocks.
 *
 * A ledger is built in key order by the amalgamation pass, when an open writer is
 * older than the stages; with it the stages need not be kept for that writer. A new
 * ledger takes in older ones of about its size, so that there are few to ask.
 *
 * A block is one store's: entries of (bytes shared with the key before, the rest
 * of the key, commit, version, label), numbers as varints against the ledger's base.
 * Nothing of it is on disk: transactions do not survive a restart.
 *
 * Threads: the builder where the pass runs; a finished ledger any, it never changes. */
#ifndef HOLDFAST_STORE_LEDGER_H
#define HOLDFAST_STORE_LEDGER_H

#include "proto/slice.h"
#include "server/base/list.h"
#include "server/os/os.h"
#include "server/store/key.h"

#define LEDGER_BLOCK_BYTES 4096
#define LEDGER_LABEL_BYTES 64

struct ledger_entry {
    uint64_t commit;
    uint64_t version;
    const char *label; /* terminated; as long as the ledger */
    bool interval;     /* the commit asked for less than a sync */
};

struct ledger_block {
    uint32_t store;
    uint32_t count;      /* entries */
    uint32_t used;       /* bytes of data */
    uint32_t room;       /* bytes of data */
    uint64_t commit_max; /* of its entries */
    uint8_t data[];
};

struct ledger {
    struct os *os;
    struct list_link in_db;      /* newest first */
    uint64_t first_commit, last_commit; /* what it covers: every commit between them */
    uint64_t base_commit, base_version;
    uint64_t keys, bytes;
    struct ledger_block **blocks; /* ascending by store and first key */
    size_t block_count, block_room;
    char (*labels)[LEDGER_LABEL_BYTES];
    size_t label_count, label_room;
    bool is_lent;                /* a pass is reading it: not to be freed */
    bool is_taken;               /* a newer one has what it had */
    /* while it is built */
    uint8_t last_key[KEY_BYTES_MAX];
    size_t last_size;
};

/* An empty one; NULL: no memory. */
struct ledger *ledger_new(struct os *os, uint64_t base_commit, uint64_t base_version);
void ledger_free(struct ledger *l);

/* Append, in ascending order of (store, key). ERR_NOMEM. */
enum err ledger_add(struct ledger *l, uint32_t store, struct slice key,
                    const struct ledger_entry *entry);

/* The entry of a key; false: it has none. */
bool ledger_find(const struct ledger *l, uint32_t store, struct slice key,
                 struct ledger_entry *out);

/* Some key with from <= key < to (to of size 0: no bound) whose commit is after; false: there is
 * none. key_room has KEY_BYTES_MAX bytes. */
bool ledger_find_in_range(const struct ledger *l, uint32_t store, struct slice from,
                          struct slice to, uint64_t after, struct ledger_entry *out,
                          uint8_t *key_room, struct slice *key);

/* Walking all of it in order. */
struct ledger_cursor {
    const struct ledger *ledger;
    size_t block, offset;
    uint32_t at;              /* entries of the block that were read */
    uint32_t store;           /* of the entry at hand */
    struct ledger_entry entry;
    size_t key_size;
    bool valid;
    uint8_t key[KEY_BYTES_MAX];
};
void ledger_cursor_init(struct ledger_cursor *c, const struct ledger *l);
void ledger_cursor_next(struct ledger_cursor *c);

#endif
