/* db_internal.h - what the files of txn/ share: the database, transactions and
 * snapshots from the inside. Nothing outside txn/ includes this.
 *
 * Invariants, cited by asserts:
 *   T-1 stages stand in db.newest_stage -> below in falling order of commits;
 *       only the newest may be open.
 *   T-2 db.writers stand in the order in which they began, so their snapshots' commits
 *       never fall; db.snapshots_by_commit is sorted.
 *   T-3 a doomed transaction holds nothing: no snapshot, no write-set, no reservation. What it
 *       had written may be on its way out of the tables (leaving.h).
 *   T-4 a record in a write-set is in db.intents unless its transaction is large, its
 *       store takes the last writer, or it has been doomed. Records of those that are leaving
 *       may be there, too.
 *   T-5 a request that writes more than once runs under its transaction's statement, or is its
 *       own transaction.
 *   T-6 a cursor that has let go of its snapshot stands nowhere: not in a stage, not in a page.
 *   T-7 between calls, txn.usage is what the transaction takes, and db.usage is their sum. */
#ifndef HOLDFAST_TXN_DB_INTERNAL_H
#define HOLDFAST_TXN_DB_INTERNAL_H

#include "proto/msgpack.h"
#include "server/storage/key.h"
#include "server/storage/ledger.h"
#include "server/storage/primary.h"
#include "server/storage/stage.h"
#include "server/storage/wal.h"
#include "server/txn/catalogue.h"
#include "server/txn/commit_marks.h"
#include "server/txn/cursor.h"
#include "server/txn/damage.h"
#include "server/txn/db.h"
#include "server/txn/decided.h"
#include "server/txn/generator.h"
#include "server/txn/intents.h"
#include "server/txn/leaving.h"
#include "server/txn/numbers.h"
#include "server/txn/op.h"
#include "server/txn/pulse.h"
#include "server/txn/read_set.h"
#include "server/txn/records.h"
#include "server/txn/replies.h"
#include "server/txn/statement.h"
#include "server/txn/stores.h"
#include "server/txn/txn.h"
#include "server/txn/usage.h"

/* What is read: own writes first, then stages from top down, then the root. A value:
 * whoever keeps it beyond a turn holds the snapshot that it came from. */
struct view {
    uint64_t commit;      /* sees commits up to here */
    uint64_t root_commit; /* what the root holds already */
    struct stage *own;    /* write-set; NULL: none */
    struct stage *top;
    struct root *root;
};

struct snapshot { /* shared by all that began at the same moment */
    uint64_t commit;
    uint64_t root_commit;
    struct root *root; /* holds a reference */
    struct stage *top;
    uint32_t refs;
    uint32_t busy;      /* cursors that stand in its stages and root: it cannot move now */
    struct root *moved; /* the root that it moves to when it can; holds a reference */
    uint64_t taken_ms;
    struct list_link in_taken;  /* db.snapshots */
    struct list_link in_commit; /* db.snapshots_by_commit */
    struct list_link
        versions; /* superseded definitions that no newer one sees (schema.in_queue) */
};

/* A store that a transaction has written. */
struct txn_store {
    struct txn_store *next;
    struct txn *txn;
    struct schema *schema;
    struct list_link in_entry; /* catalogue_entry.writers */
    struct chain_link
        in_written; /* db.written_stores, if the transaction has written in many */
};

#define TXN_FEW_STORES 8u /* written by a transaction, which a walk finds soon enough */

struct txn {
    struct db *db;
    uint64_t version;
    struct txn_options options; /* slices point into the texts below */
    struct snapshot *snapshot;  /* NULL once doomed */
    struct stage write_set;
    struct stamp *stamp;        /* NULL until the first write */
    struct txn_store *stores;   /* written; the first is store_room, the others in the arena */
    unsigned store_count;       /* of them; all are in db.written_stores once there were too many */
    struct list_link schemas;   /* definitions made and not yet committed */
    struct list_link cursors;   /* its open ones; cursor.in_txn */
    struct op *at_work;         /* the request that was last called on it; NULL: it has ended */
    struct statement statement; /* the request that writes more than once; statement.h */
    struct departure departure; /* of what it has written, when it has ended; leaving.h */
    uint64_t schemas_made;      /* how often it has changed a definition */
    struct generator_use
        *uses;              /* of generators; the first is use_room, the others in the arena */
    struct commit_marks commit_marks; /* where its records take the number of the commit */
    uint64_t log_reserved;  /* bytes of the log */
    struct stage *spare[2]; /* for a write-set that becomes a stage of its own */
    bool is_large;          /* over link_bytes_max: not in db.intents */
    bool is_autocommit;
    bool is_single;      /* one write: written and committed before anybody else runs */
    bool is_conditional; /* ... by itself, and it holds only for what it has found */
    bool is_counted;     /* in db.open_count */
    struct reads *reads; /* what it has read, if it is serializable */
    struct range_check *range_check; /* of a read that is not noted yet; reads.c */
    uint64_t range_check_bytes;      /* of memory that it takes */
    struct usage usage;              /* what has been counted for it */
    enum durability
        winner_durability; /* the winner that doomed it asked for less than a sync */
    uint64_t begun_ms, used_ms;
    struct list_link in_open;    /* db.open */
    struct list_link in_writers; /* db.writers: all that may write, by snapshot */
    struct list_link in_large;   /* db.large */
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

struct amalgamation;

/* Giving space on the disk back (reclaim.c). */
struct reclaiming {
    struct db *db;
    struct os_job job;
    struct reclaim *reclaim; /* under way, or NULL */
    uint64_t upto;           /* the commit of the root when it began */
    uint64_t reclaimed;      /* of the last one that ended */
    uint64_t due_ms;         /* when the next begins if no pass comes between; 0: none is due */
};

struct db {
    struct os *os;
    struct db_options options;
    struct pulse pulse;
    struct os_file *lock;
    struct primary *primary;
    struct wal *wal;
    struct msgpack_memory check_memory; /* the same os, for checks of documents */
    uint64_t hash_seed;                 /* of the hash tables over client keys and names */

    struct numbers numbers;
    struct replies replies;

    /* stages */
    struct stage *newest_stage;
    struct stage *oldest_stage;
    uint64_t stage_count_made;
    uint64_t staged_bytes; /* arenas of stages not yet amalgamated, the open one included */
    uint64_t sealed_bytes; /* those sealed or amalgamating */
    uint64_t held_bytes;   /* amalgamated and still there */
    struct stage_spares spares; /* as many as open writers may need at their commits */
    size_t spares_needed;
    struct chains
        written_stores; /* txn_store of transactions with many, by transaction and number */
    struct list_link ledgers; /* newest first */
    uint64_t ledger_bytes;    /* in memory */
    uint64_t ledger_disk_bytes;
    bool unstage_due; /* something that was held may be free */
    unsigned sealed_count;
    uint64_t sealed_ms;      /* since when one of them has waited for a pass */
    uint64_t sealed_last_ms; /* since when none has joined them */

    /* transactions */
    struct list_link open;
    struct list_link writers;
    struct list_link large;
    struct list_link tellings;           /* commits whose losers are not all told; losers.c */
    struct list_link waiting_for_losers; /* op.in_waiting, until all are */
    struct leaving leaving;              /* ended ones that still stand in the tables */
    struct list_link snapshots;
    struct list_link snapshots_by_commit;
    struct list_link cursors; /* all that are open; cursor.c */
    uint64_t open_count;
    struct list_link txn_pool; /* ended ones, to be used again */
    unsigned txn_pool_count;
    struct list_link snapshot_pool; /* likewise, by in_taken */
    unsigned snapshot_pool_count;
    struct list_link cursor_pool; /* likewise */
    unsigned cursor_pool_count;
    struct intents intents;
    struct read_set read_set; /* of open serializable transactions */
    struct usage usage;       /* the sum over open transactions */
    struct catalogue catalogue;
    struct stamp *undurable_first, *undurable_last;

    /* waiting */
    struct list_link undoing; /* transactions whose failed statement is being taken back */
    struct list_link tasks;

    struct amalgamation *amalgamation;
    uint64_t amalgamate_upto; /* asked for by an operator or the tests */
    uint64_t pass_retry_ms;   /* after a pass that failed or was put off: not before */
    enum err pass_error;      /* why the last pass failed; ERR_OK: it did not */
    bool is_merging;          /* the primary is a pass's, or a reclaiming's */
    struct reclaiming reclaiming;
    struct damage damage; /* stores that are damaged */

    bool log_failed;
    struct failure log_failure;
    void (*closed)(void *context);
    void *closed_context;
    uint64_t next_tick_ms;

    struct arena garbage; /* of freed stages and large write-sets; goes turn by turn */

    uint64_t steps; /* records looked at for conflicts, losers that were told, ever */
    uint64_t begun, committed, rolled_back, conflicts, expired, killed;
    uint64_t amalgamations, amalgamated_bytes;
};

/* ---- db.c ---- */
/* The log, or what counts as it, has failed: final. */
void db_fail(struct db *db, enum err e, const char *text);

/* ---- snapshot.c ---- */
/* NULL: no memory. */
struct snapshot *snapshot_take(struct db *db, uint64_t commit);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct db *db, struct snapshot *s);
void snapshot_pool_free(struct db *db);
bool snapshot_sees(void *db, uint64_t from, uint64_t to); /* for stage_prune */
/* For catalogue_reclaim. */
struct list_link *snapshot_versions(void *db, uint64_t from, uint64_t to);
/* Whether an open snapshot reads from the stage. */
bool snapshot_needs_stage(const struct db *db, const struct stage *s);
/* Bytes of amalgamated stages that the snapshot still reads. */
uint64_t snapshot_held_bytes(const struct db *db, const struct snapshot *s);
/* The oldest snapshot that reads from the stage; NULL: none does. */
struct snapshot *snapshot_oldest_in(const struct db *db, const struct stage *s);
/* Snapshots that see all that is in root, and no root as new, go over to it. */
void snapshots_move(struct db *db, struct root *root);
/* A cursor stands in what the snapshot reads, or has left it. */
void snapshot_enter(struct snapshot *s);
void snapshot_leave(struct db *db, struct snapshot *s);
struct view view_of(const struct snapshot *s, struct stage *own);
/* The view an autocommit read takes, without holding anything: valid for this turn only. */
struct view view_now(const struct db *db, uint64_t commit);
/* The record of a key that the view sees in write-set and stages (it may be a delete),
 * NULL: ask the root. */
struct record *view_find(const struct view *v, uint32_t store, struct slice key);
/* The next stage that the view reads below s (s NULL: the first). */
struct stage *view_next_stage(const struct view *v, struct stage *s);

/* ---- stages.c ---- */
enum err stages_rotate(struct db *db);            /* seal the open stage if anything is in it */
void stages_push(struct db *db, struct stage *s); /* on top */
void stages_unstage(struct db *db); /* look at the turn's end what rule 7 allows to free */
void stages_free_unneeded(struct db *db);
/* Ledgers: the newest one; and one that nobody asks any more, which is freed. */
void ledgers_add(struct db *db, struct ledger *l);
void ledgers_remove(struct db *db, struct ledger *l);
/* Take an arena that nobody needs any more; it may be large, so it is freed by and by. */
void stages_discard(struct db *db, struct arena *arena);
/* Free some of what was discarded; once a turn, at its very end. */
void stages_collect(struct db *db);
/* Link a commit's write-set into the open stage; it is rotated if it is full. */
void stages_commit_into(struct db *db, struct txn *t, struct stamp *stamp);
/* Before anybody learns where the stamp is: a small write-set moves into the open stage's
 * memory. Returns where the stamp is then. */
struct stamp *stages_absorb(struct db *db, struct txn *t, struct stamp *stamp);
void stages_commit_as(struct db *db, struct txn *t, struct stamp *stamp);
void stages_close_adopted(struct db *db, struct txn *t);

/* ---- tracker.c ---- */
enum err tracker_check_write(struct op *op, struct txn *t, const struct schema *schema,
                             struct slice key);
enum err tracker_check_schema(struct op *op, struct txn *t, const struct schema *schema);
enum err written_init(struct db *db); /* ERR_NOMEM */
void written_fini(struct db *db);
void written_remove_intents(struct txn *t);
void written_remove_intent(struct txn *t, struct record *r);
enum err written_note_store(struct txn *t, struct schema *schema);
void written_forget_stores(struct txn *t);
/* Forget the stores written since; NULL: all. */
void written_forget_stores_since(struct txn *t, struct txn_store *since);
struct txn_store *written_store_of(const struct txn *t, uint32_t number); /* NULL: none */
void written_become_large(struct txn *t);
uint64_t tracker_oldest_writer(const struct db *db); /* least snapshot commit; UINT64_MAX */

/* ---- losers.c ---- */
/* The least commit whose losers are not all told: its stage stays; UINT64_MAX: none. */
uint64_t losers_oldest(const struct db *db);

/* ---- txn.c ---- */
/* NULL: no memory. Only its kept arena is set. */
struct txn *txn_alloc(struct db *db);
void txn_pool_free(struct db *db);
/* Nothing refers to it any more. */
void txn_dealloc(struct db *db, struct txn *t);
/* The op's request has ended: its transaction is idle from now on. */
void txn_leave(struct op *op);
/* Since when nobody has used it; while its own request waits for the server it is in use. */
uint64_t txn_idle_ms(const struct txn *t);
enum err txn_begin_own(struct op *op, bool read_only, struct txn **out); /* autocommit */
/* Let go of all that t has read, or of where looking through a range goes on. */
void txn_forget_reads(struct txn *t);
void txn_forget_range_check(struct txn *t);
/* The end of t, whatever became of it: nothing of it is left. */
void txn_free(struct txn *t);
enum err txn_first_write(struct op *op, struct txn *t);

/* ---- commit.c ---- */
void commit_on_written(void *db, uint64_t number);
void commit_on_durable(void *db, uint64_t number);
uint64_t commit_log_bytes(struct slice key, struct slice value); /* of one record */
uint64_t commit_log_head_bytes(const struct txn *t);

/* ---- lookup.c ---- */
/* The definition of a name as a snapshot and (t may be NULL) a transaction see it, noted in
 * op; ERR_NO_STORE. */
enum err catalogue_find(struct op *op, struct txn *t, uint64_t commit, struct slice name,
                        struct schema **out);
/* For a name that is to be a new one: *out is NULL if it is free. */
enum err catalogue_find_other(struct op *op, struct txn *t, struct slice name,
                              struct schema **out);
/* The same as catalogue_find without being a read that others may overwrite. */
enum err catalogue_look(struct op *op, struct txn *t, uint64_t commit, struct slice name,
                        struct schema **out);

/* ---- store_list.c ---- */
void stores_forget_list(struct op *op);

/* ---- records.c ---- */
/* Count what t sees of a store in the bounds; works over several turns (op->cursor). */
enum err records_count_in(struct op *op, struct txn *t, struct schema *s,
                          const struct key_range *bounds, uint64_t *records, uint64_t *bytes);

/* ---- write.c ---- */
/* Write one record of t: checks, reserves, writes. value data NULL: delete. */
enum err write_record(struct op *op, struct txn *t, struct schema *schema, struct slice key,
                      struct slice value);

struct write {
    struct slice key, value; /* value data NULL: delete */
};
/* Two different keys of one store; after an error one may be written, for the statement to take
 * back. */
enum err write_two(struct op *op, struct txn *t, struct schema *schema,
                   const struct write w[2]);

/* ---- auto.c ---- */
/* Autocommit: *t is the transaction to work in (t if it is given). */
enum err auto_begin(struct op *op, struct txn **t, bool read_only);
/* The end of a call: result is what it came to. ERR_CONFLICT in an autocommit: rolled back,
 * *again is true. */
enum err auto_end(struct op *op, struct txn *given, enum err result, bool *again);

/* ---- amalgamate.c ---- */
enum err amalgamate_init(struct db *db);
void amalgamate_fini(struct db *db, bool abandon);
void amalgamate_turn(struct db *db); /* start a pass if one is due */
/* When to look again whether one is, though nothing happens; UINT64_MAX: never. */
uint64_t amalgamate_next_ms(const struct db *db);
void tasks_turn(struct db *db);

/* ---- reclaim.c ---- */
void reclaim_turn(struct db *db); /* give space back if it is time */

/* ---- db_damage.c ---- */
/* A store is damaged: note it, and say so. ERR_NOMEM: it will be met again. */
enum err db_note_damage(struct db *db, const struct tree_damage *damage);

/* ---- cursor.c ---- */
/* The next key, deletes included; *record NULL: it is in the root, and value is its value.
 * ERR_END, ERR_WAIT (nothing has moved), ... */
enum err cursor_step(struct op *op, struct cursor *c, struct slice *key, struct record **record,
                     struct slice *value);
/* The same, and the transaction has read what lies between. */
enum err cursor_read(struct op *op, struct cursor *c, struct slice *key, struct record **record,
                     struct slice *value);
/* The key that the last step gave, for a caller that had to wait with it. */
enum err cursor_current(struct cursor *c, struct slice *key);
/* The same with its record, once after cursor_keep_pending; else ERR_NOT_FOUND. */
void cursor_keep_pending(struct cursor *c, struct record *r);
enum err cursor_current_pending(struct cursor *c, struct slice *key, struct record **record);

#endif
