/* ledger.h - what conflict checks need of stages that are gone: their keys, each with
 * its last commit and version, in immutable packed blocks in memory, or in a spill on disk.
 *
 * A ledger is built in key order by the amalgamation pass, when an open writer is
 * older than the stages; with it the stages need not be kept for that writer. A new
 * ledger takes in older ones of about its size, so that there are few to ask.
 *
 * A block is one store's: entries of (bytes shared with the key before, the rest
 * of the key, commit, version, label), numbers as varints against the ledger's base. On
 * disk (spill.h) the value of a key is (commit, version, flags, label), and the page's mark
 * its greatest commit. Nothing of it survives a restart, as no transaction does.
 *
 * Threads: building where the pass runs, as said; walking any; asking the loop. */
#ifndef HOLDFAST_STORAGE_LEDGER_H
#define HOLDFAST_STORAGE_LEDGER_H

#include "proto/slice.h"
#include "server/base/list.h"
#include "server/base/text.h"
#include "server/os/os.h"
#include "server/storage/durability.h"
#include "server/storage/key.h"
#include "server/storage/spill.h"

#define LEDGER_BLOCK_BYTES 1024

struct ledger_entry {
    uint64_t commit;
    uint64_t version;
    struct slice label; /* lives as long as the ledger, on disk as the wait that found it */
    enum durability durability;      /* the commit asked for less than a sync */
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
    struct list_link in_db;             /* newest first */
    uint64_t first_commit, last_commit; /* what it covers: every commit between them */
    uint64_t base_commit, base_version;
    uint64_t keys;
    uint64_t bytes;               /* in memory */
    uint64_t disk_bytes;          /* on disk */
    struct ledger_block **blocks; /* ascending by store and first key */
    size_t block_count, block_room;
    struct text_label *labels;
    size_t label_count, label_room;
    bool is_lent;                /* a pass is reading it: not to be freed */
    bool is_unreadable;          /* the disk did not give it back whole: in no newer one */
    struct primary *primary;     /* on disk; NULL: in memory */
    struct spill *spill;         /* on disk, once it is whole */
    struct spill_writer *writer; /* on disk, while it is built */
    /* while it is built */
    uint8_t last_key[KEY_BYTES_MAX];
    size_t last_size;
};

/* An empty one in memory; NULL: no memory. Loop. */
struct ledger *ledger_new(struct os *os, uint64_t base_commit, uint64_t base_version);
/* Let it be on disk, before anything is in it. Errors of spill_begin. Loop. */
enum err ledger_spill(struct ledger *l, struct primary *p);
/* Loop. */
void ledger_free(struct ledger *l);

/* Append, in ascending order of (store, key). ERR_NOMEM; on disk also ERR_NO_SPACE, ERR_IO,
 * ERR_LOG_FAILED. On disk on the merge lane. */
enum err ledger_add(struct ledger *l, uint32_t store, struct slice key,
                    const struct ledger_entry *entry);
/* All is added; the same errors, on the same thread. */
enum err ledger_close(struct ledger *l);
/* It may be asked from now on. Loop; cannot fail. */
void ledger_finish(struct ledger *l);

/* Finding: ERR_OK, ERR_NOT_FOUND; on disk also ERR_WAIT, and ERR_CORRUPT, ERR_IO and
 * ERR_NOMEM, which set f. Loop. */

/* The entry of a key. */
enum err ledger_find(const struct ledger *l, uint32_t store, struct slice key, struct wait *w,
                     struct ledger_entry *out, struct failure *f);

struct ledger_range { /* keys with from <= key < to whose commit is after */
    uint32_t store;
    struct slice from, to; /* to of size 0: no bound */
    uint64_t after;
};
/* Some key of the range. key_room has KEY_BYTES_MAX bytes. */
enum err ledger_find_in_range(const struct ledger *l, const struct ledger_range *range,
                              struct wait *w, struct ledger_entry *out, uint8_t *key_room,
                              struct slice *key, struct failure *f);

/* Walking all of it in order. What is on disk is read on the way, blocking: merge lane. */
struct ledger_cursor {
    const struct ledger *ledger;
    struct spill_reader reader; /* of a ledger on disk */
    size_t block, offset;
    uint32_t at;    /* entries of the block that were read */
    uint32_t store; /* of the entry at hand */
    struct ledger_entry entry;
    size_t key_size;
    bool valid;
    uint8_t key[KEY_BYTES_MAX];
};
/* Stand before the first. */
void ledger_cursor_init(struct ledger_cursor *c, const struct ledger *l);
void ledger_cursor_fini(struct ledger_cursor *c);
/* valid is false at the end. ERR_CORRUPT, ERR_IO, ERR_NOMEM. */
enum err ledger_cursor_next(struct ledger_cursor *c);

#endif
