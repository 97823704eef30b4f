/* txn_struct.h - an open transaction from the inside: what it has written, read, and holds.
 * Its invariants stand with those of the database (T-, db_struct.h).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_TXN_STRUCT_H
#define HOLDFAST_TXN_TXN_STRUCT_H

#include "server/base/deadline.h"
#include "server/base/failure.h"
#include "server/storage/hash_table.h"
#include "server/storage/stage.h"
#include "server/txn/catalogue.h"
#include "server/txn/commit_marks.h"
#include "server/txn/generator.h"
#include "server/txn/op.h"
#include "server/txn/txn_options.h"

struct lock_request;
struct claim;
struct txns;

struct savepoint {
    struct write_mark writes;
    struct txn_store *stores;  /* the last that had been written before it; NULL: none */
    struct list_link *schemas; /* the last definition made before it, or the list's head */
    struct generator_note *generators; /* the last that had been kept before it */
    struct commit_mark *marks;         /* likewise */
    struct build_note *builds;         /* likewise */
};

/* One that its owner has given a name; savepoints.h. */
struct named_savepoint {
    struct named_savepoint *before; /* set earlier */
    struct savepoint savepoint;
    size_t name_size;
    uint8_t name[];
};

/* The statement of a transaction; embedded in it. */
struct statement {
    struct savepoint savepoint;
    struct op *op;               /* the request at work; NULL: none */
    bool is_open;                /* the savepoint is set */
    bool is_undoing;             /* it failed, and is being taken back */
    struct list_link in_undoing; /* txns.undoing */
};

/* A transaction on its way out; embedded in it; leaving.h */
struct departure {
    struct list_link in_leaving;
    struct record *at;   /* the next that leaves the table of open writes */
    struct arena memory; /* of what it has written */
    bool is_freed;       /* its owner has let go of the transaction */
};

/* A store that a transaction has written. */
struct txn_store {
    struct txn_store *next;
    struct txn *txn;
    struct schema *schema;
    struct list_link in_entry; /* catalogue_entry.writers */
    struct chain_link
        in_written; /* txns.written_stores, if the transaction has written in many */
};

#define TXN_FEW_STORES 8u /* written by a transaction, which a walk finds soon enough */

/* A store over which a transaction has made an index. */
struct build_note {
    struct build_note *next;
    uint32_t store;
};

struct txn {
    struct db *db;
    struct txns *all; /* those of db, with what they stand on */
    struct database *database; /* whose stores it names; a reference */
    uint64_t version;
    struct txn_options options; /* slices point into the texts below */
    struct snapshot *snapshot;  /* NULL once doomed */
    struct stage write_set;
    struct stamp *stamp;        /* NULL until the first write */
    struct decided decided;     /* by which commits what it has written was decided */
    struct txn_store *stores;   /* written; the first is store_room, the others in the arena */
    unsigned store_count;       /* all are in txns.written_stores once there were too many */
    struct list_link schemas;   /* definitions made and not yet committed */
    struct list_link cursors;   /* its open ones; cursor.in_txn */
    struct op *at_work;         /* the request that was last called on it; NULL: it has ended */
    struct statement statement; /* the request that writes more than once; statement.h */
    struct departure departure; /* of what it has written, when it has ended; leaving.h */
    uint64_t schemas_made;      /* how often it has changed a definition */
    struct generator_use
        *uses;              /* of generators; the first is use_room, the others in the arena */
    struct generator_note *generator_notes; /* for savepoints; in the arena */
    uint64_t savepoints_set;                /* ever */
    struct named_savepoint *named;          /* the newest; owned */
    uint64_t named_count, named_bytes;
    struct commit_marks commit_marks; /* where its records take the number of the commit */
    uint64_t log_reserved;  /* bytes of the log */
    struct stage *spare[2]; /* for a write-set that becomes a stage of its own */
    bool is_large;          /* over link_bytes_max: not in txns.intents */
    bool is_servers; /* what clients may write is no limit of it */
    bool is_autocommit;
    bool is_single;      /* one write: written and committed before anybody else runs */
    bool is_conditional; /* ... by itself, and it holds only for what it has found */
    bool is_counted;     /* in txns.count */
    struct claim *claim;   /* of an upgrade (openers.h), or NULL */
    bool writes_database; /* it may have written its database's row (database_change.h) */
    struct build_note *builds; /* in the arena */
    struct record *token;      /* in the write-set, while it commits; or NULL */
    struct reads *reads; /* what it has read, if it is serializable or makes an index */
    struct range_check *range_check; /* of a read that is not noted yet; reads.c */
    uint64_t range_check_bytes;      /* of memory that it takes */
    struct usage usage;              /* what has been counted for it */
    uint64_t quota_bytes; /* likewise in quota.open of its database */
    enum durability
        winner_durability; /* the winner that doomed it asked for less than a sync */
    uint64_t begun_ms, used_ms;
    struct deadline expiry;      /* in txns.expiries unless it is autocommit; expiry.h */
    struct list_link in_open;    /* txns.open */
    struct hash_link in_killable; /* txns.killable, unless it is autocommit */
    struct list_link in_defining; /* txns.defining: while it may have made definitions */
    struct lock_request *lock;    /* what it has locked; owned, or NULL */
    struct list_link in_writers; /* txns.writers: all that may write, by snapshot */
    struct list_link in_large;   /* txns.large */
    /* While it is large: the commit that it is compared with, and the next record that is looked
     * up, its own or the winner's; and the last that it has been compared with. */
    uint64_t tell_commit, told_commit;
    struct record *tell_at;
    bool tell_by_own;
    /* What txn_begin does not clear as a whole. */
    struct failure failure; /* set: doomed */
    struct failure stale;   /* set: what it read was overwritten; it may not write */
    struct txn_store store_room;
    struct generator_use use_room;
    struct stage_store stage_room; /* of the write-set's first store */
    struct arena kept;             /* memory for the write-set, from transactions before */
    struct text_label label;
    struct text_label client;
};

#endif
