/* stage.h - ordered in-memory indexes of record versions: write-sets and stages.
 *
 * A write-set is what one transaction has written, its own until it commits. A
 * stage is what many have committed. Both are the same thing: for each store a
 * list of records in key order, and an index that says where in it to begin to walk; in a
 * stage all versions of a key hang on its first record in one chain, newest first.
 * Linking a write-set into a stage at commit sets pointers of records that are there, so it
 * cannot fail (the index does without a record for which it has no memory); the memory
 * itself changes hands by arena_splice. A small write-set is copied instead, if there is
 * memory, so that its own serves the next transaction. A very large one becomes a stage as it
 * is.
 *
 *   OPEN --seal--> SEALED --pick--> AMALGAMATING --done--> AMALGAMATED --free-->
 *                    ^------- failed ------'
 *
 * Invariants: S-1 only an OPEN stage takes writes; S-2 commits of a newer stage are
 * all greater; S-3 a sealed stage never changes once its last commit is durable; S-4 the keys
 * of a store ascend, each once, and `records` counts them; S-5 versions of a key fall in commits,
 * which lie between the stage's first and its last; S-6 `records` and `value_bytes` of the stage
 * count every version that was linked, those that were pruned too; S-7 a store stands in the
 * bucket of its number. stage_check judges S-4 to S-7.
 *
 * Threads: loop; a sealed stage may be read on the merge lane. */
#ifndef HOLDFAST_STORAGE_STAGE_H
#define HOLDFAST_STORAGE_STAGE_H

#include "proto/slice.h"
#include "server/base/list.h"
#include "server/storage/arena.h"
#include "server/storage/chains.h"
#include "server/storage/stage_index.h"
#include "server/storage/wal.h"

struct record;
struct txn;
struct write_undo;

/* What all records of one transaction share; allocated in its arena, shared with the
 * stage at commit. */
struct stamp {
    uint64_t commit;      /* 0 until the transaction commits */
    uint64_t version;     /* of the transaction */
    struct txn *owner;    /* while it is open; NULL afterwards */
    struct stamp *next;   /* the next that is not durable yet; the committer's list */
    struct record *first; /* in order of writing, by log_next */
    struct record *last;
    uint64_t records;
    struct wal_item item; /* the commit in the log */
    enum durability durability;        /* durability "interval": answered before the sync */
    bool superseded;      /* it has an older version in its stage: prune when durable */
    struct slice label;   /* for people; behind the stamp in its memory; size 0: none */
};

/* Give it a copy of the label; there is room for it behind the stamp. */
static inline void stamp_set_label(struct stamp *s, struct slice label)
{
    s->label = slice_make(s + 1, label.size);
    if (label.size)
        memcpy(s + 1, label.data, label.size);
}

struct record {
    struct stamp *stamp;
    struct record *log_next; /* the next that the same transaction wrote */
    const uint8_t *value;    /* in the same arena; NULL: deleted */
    union {
        struct {                   /* in a stage, linked */
            struct record *newest; /* the newest version; NULL: this one */
            struct record *older;  /* the version before this one */
        };
        struct chain_link in_intents; /* in a write-set: the table of open writes */
    };
    struct record *next; /* the following key of the store, NULL at the end */
    uint32_t value_size;
    uint32_t store;
    uint16_t key_size;
    bool last_writer_wins : 1; /* of a store without conflicts */
    bool is_entry : 1;         /* of an index: not in the log, which has its record */
    bool is_new : 1; /* an entry that its transaction wrote where there was none */
    uint8_t key[];
};

/* One store within a stage. Lives in the arena, or in its owner's memory (the first
 * of a write-set), or by itself (a spare, which such a first one becomes when it is
 * linked). */
struct stage_store {
    struct stage_store *chain; /* of the same bucket; of the list of spares */
    struct list_link in_stage; /* stage.stores */
    uint32_t store;
    bool is_spare;        /* allocated by itself */
    uint64_t records;     /* keys */
    struct record *first; /* the list in key order */
    struct stage_index index;
    bool is_indexed; /* the index knows every record: no walking is needed */
    uint16_t shared; /* loose: bytes that all keys share at the beginning */
};

enum stage_state { STAGE_OPEN, STAGE_SEALED, STAGE_AMALGAMATING, STAGE_AMALGAMATED };

#define STAGE_BUCKETS 64 /* at first; a write-set has one */
#define STAGE_FEW_STORES 8 /* of a write-set, in one bucket */
#define STAGE_BUCKET_STORES 2 /* on average in a bucket, beyond which there are more buckets */

struct stage {
    enum stage_state state;
    uint64_t number;       /* in order of making */
    uint64_t first_commit; /* 0: nothing committed into it yet */
    uint64_t last_commit;
    uint64_t records;      /* versions */
    uint64_t value_bytes;  /* of keys and values, versions all */
    uint64_t log_position; /* sealed: every later commit lies at or behind it in the log */
    struct arena arena;
    bool is_loose;              /* stage_fill was called since the last stage_settle */
    bool has_ledger;            /* conflict checks need it no more: a ledger has its keys */
    struct stage *below;        /* the next older stage */
    struct stage *above;        /* the next newer one */
    struct list_link stores;    /* all of them, newest first */
    size_t store_count;
    /* The same by their numbers. Without memory for more buckets the chains get longer. */
    struct stage_store **buckets;
    size_t bucket_mask;
    size_t bucket_bytes;        /* that are allocated by themselves; 0: none are */
    struct stage_store *single; /* the first bucket of a write-set */
    bool is_write_set;
    /* What it allocates from: its own arena, or the open stage's for a write-set that is
     * linked before anybody else runs. */
    struct arena *memory;
    struct stage_store *room; /* a write-set's: its owner's, for the first store; or NULL */
    bool is_absorbed;         /* a write-set's: its records lie in a stage's memory */
    unsigned savepoints;      /* a write-set's: how many are set; write_set.c */
    bool keeps_values;        /* a write-set's: a value that is replaced stays as it was */
    struct write_undo *undo;  /* values that were replaced since the first of them */
    uint64_t entries;         /* a write-set's: how many of its records are entries of indexes, */
    uint64_t entry_bytes;     /* and those of value_bytes that are theirs */
    bool has_voids;           /* a write-set's: some may be void */
    struct os *os;
};

/* Stores ready to be put into a stage, so that linking a write-set takes no memory. */
struct stage_spares {
    struct stage_store *first;
    size_t count;
};

/* An empty open stage, NULL when memory is short. */
struct stage *stage_new(struct os *os, uint64_t number);
void stage_free(struct stage *s);

/* An empty write-set in the caller's memory; room (may be NULL) is lent for its first store. */
void write_set_init(struct stage *s, struct os *os, struct stage_store *room);
void write_set_fini(struct stage *s);

/* Whether a stage that is not loose keeps S-4 to S-7. Looks at every record; for tests. */
bool stage_check(const struct stage *s);

void stage_move(struct stage *s, enum stage_state next);
const char *stage_state_name(enum stage_state state);

static inline struct slice record_key(const struct record *r)
{
    return slice_make(r->key, r->key_size);
}

static inline struct slice record_value(const struct record *r)
{
    return slice_make(r->value, r->value_size);
}

static inline bool record_is_delete(const struct record *r)
{
    return r->value == NULL;
}

/* An entry that its transaction has put and taken back: nothing has come of it. */
static inline bool record_is_void(const struct record *r)
{
    return r->is_new && !r->value;
}

static inline struct record *record_newest(struct record *linked)
{
    return linked->newest ? linked->newest : linked;
}

/* The newest version of a linked record with commit <= limit; NULL if there is none. */
struct record *record_visible(struct record *linked, uint64_t limit);

/* ---- write-sets ---- */

/* Bytes that a record of that key and value takes, for limits and accounting. */
uint64_t record_bytes(struct slice key, struct slice value);

/* Write key in the write-set: value data NULL deletes. A key written before keeps its record
 * and gets the new value. *fresh tells whether the record is new (then it is also appended
 * to stamp's list). NULL: no memory, nothing has changed. */
struct record *write_set_put(struct stage *write_set, struct stamp *stamp, uint32_t store,
                             struct slice key, struct slice value, bool *fresh);

/* r, which write_set_put has just made, is an entry of an index. */
void write_set_mark_entry(struct stage *write_set, struct record *r, bool is_new);
/* Take out all entries that are void; gone(context, r) is called for each before it goes. No
 * savepoint is set, and nobody stands in it. */
void write_set_drop_voids(struct stage *write_set, struct stamp *stamp,
                          void (*gone)(void *context, struct record *r), void *context);

/* ---- savepoints in a write-set (write_set.c) ---- */

/* A moment of a write-set to which it can be taken back. Savepoints nest: the newest ends
 * first. While one is set, a value that is replaced keeps its bytes, so that it can come back. */
struct write_mark {
    struct record *last;     /* written before it */
    struct write_undo *undo; /* what had been replaced before it */
};

/* Set one; stamp may be NULL while nothing has been written. Cannot fail. */
void write_set_mark(struct stage *write_set, const struct stamp *stamp,
                    struct write_mark *mark);
/* End the newest one; what was written since stays. */
void write_set_unmark(struct stage *write_set);
/* Take back what was written since mark, which stays set; at most steps changes in a call.
 * false: there is more, call again before anything else is written. Nobody may stand in the
 * write-set (cursor_rest). gone(context, r) is called for each record before it goes. The memory
 * stays the write-set's. */
bool write_set_undo(struct stage *write_set, struct stamp *stamp, const struct write_mark *mark,
                    unsigned steps, void (*gone)(void *context, struct record *r),
                    void *context);

/* The record of a key, NULL if there is none. In a stage: the linked one. */
struct record *stage_find(const struct stage *s, uint32_t store, struct slice key);

/* Copy a small write-set and its stamp into the open stage's memory, before it is linked
 * there. Returns the stamp's copy; or stamp, and nothing has changed: it is not small, or
 * there is no memory. */
struct stamp *stage_absorb(struct stage *s, struct stage *write_set, struct stamp *stamp);

/* Link all of write_set into the open stage, its memory too (unless it was absorbed);
 * write_set is empty then. stamp->commit is set. Cannot fail: a write-set with room takes at
 * most one spare (one that was absorbed, one for each of its stores), which must be there. */
void stage_link(struct stage *s, struct stage *write_set, struct stamp *stamp,
                struct stage_spares *spares);

/* Make write_set, whole, the content of s, which is fresh and empty. Spares as above. */
void stage_adopt(struct stage *s, struct stage *write_set, struct stamp *stamp,
                 struct stage_spares *spares);

/* A commit of one record, as it goes into the open stage without a write-set. */
struct stage_put {
    uint64_t commit, version;
    enum durability durability;
    uint32_t store;
    struct slice key, value; /* value data NULL: delete */
    bool last_writer_wins;
};

/* Put it there, in the stage's memory, with a stamp of its own. NULL: no memory, and nothing has
 * changed. */
struct record *stage_put(struct stage *s, const struct stage_put *put);

/* ---- filling a stage from the log ---- */

/* A record of a commit to come, in the stage's memory; it is not in the stage yet. A commit
 * writes a key once. NULL: no memory. */
struct record *stage_append(struct stage *s, struct stamp *stamp, uint32_t store,
                            struct slice key, struct slice value);
/* The commit of stamp is complete: all that was appended for it is the open stage's. Until
 * stage_settle the stage is loose: nobody may look into it, link or move it. ERR_NOMEM: the stage
 * can only be freed. */
enum err stage_fill(struct stage *s, struct stamp *stamp);
/* Put what has come in order. ERR_NOMEM: the stage can only be freed. */
enum err stage_settle(struct stage *s);

/* ERR_NOMEM. */
enum err stage_spares_fill(struct stage_spares *spares, struct os *os, size_t count);
void stage_spares_free(struct stage_spares *spares, struct os *os);

/* The commit of stamp has become durable: take versions that nobody can see any more out of the
 * chains. reader: the commit of the newest open snapshot before that commit; 0: there is none. */
void stage_prune(struct stamp *stamp, uint64_t reader);

/* ---- walking ---- */

/* The store within a stage; NULL: nothing of it is here. It costs the same however many stores are
 * in the stage. */
struct stage_store *stage_store_of(const struct stage *s, uint32_t store);

/* The first linked record with key >= key (size 0: the first), NULL at the end. */
struct record *stage_seek(const struct stage_store *st, struct slice key);
/* The last with key < key; data NULL: the last. */
struct record *stage_seek_below(const struct stage_store *st, struct slice key);

static inline struct record *record_following(const struct record *r)
{
    return r->next;
}

/* How many stores are in it, and their numbers in no order; to has room for as many. */
size_t stage_store_count(const struct stage *s);
void stage_store_numbers(const struct stage *s, uint32_t *to);

#endif
