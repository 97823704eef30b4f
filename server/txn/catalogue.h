/* catalogue.h - which databases and stores there are, for every snapshot that is open.
 *
 * Definitions are rows of store 0, so they commit, recover and conflict like records; this is
 * the same in memory. Three things, each found by hashing:
 *
 *   entry   a name in a database; its versions hang on it, newest first
 *   schema  one version of a definition: a draft of an open transaction, then committed
 *   shelf   what belongs to a store's number over all of its versions: the generator's
 *           counter, and the commit with which its tree ends
 *
 * A version is freed with its last reader: when the commit that superseded it is durable and no
 * snapshot is left that sees it. A name is freed with its last version, a shelf with the last
 * version that has its number, but not before a root is without its tree. Clearing a store
 * gives it a new number, and its old tree ends whole: clearing is O(1), and readers of old
 * snapshots keep what they see.
 *
 * Invariants, cited by asserts:
 *   C-1 the versions of an entry stand in falling order of commits, and only the newest has
 *       not been superseded.
 *   C-2 shelf.live counts the newest versions with its number; a shelf with live 0 after a
 *       commit has ended with that commit or before.
 *   C-3 what is in `waiting` is sorted by the commit that must be durable.
 *   C-4 a shelf that has an origin is of one open transaction's drafts; its origin has none.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_CATALOGUE_H
#define HOLDFAST_TXN_CATALOGUE_H

#include "proto/slice.h"
#include "server/base/failure.h"
#include "server/base/list.h"
#include "server/os/os.h"
#include "server/storage/durability.h"
#include "server/storage/hash_table.h"
#include "server/storage/key.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/database.h"
#include "server/txn/index_row.h"

#define CATALOGUE_STORE 0u                    /* the store of store definitions: name -> row */
#define SCHEMA_REFS_MAX \
    (UINT32_MAX / 2)                 /* more has been freed already, and filled by the tests */
#define CATALOGUE_RECLAIM_STEPS 1000 /* versions and shelves looked at in a turn, to be freed */

struct index_definition;
struct txn;

struct shelf {
    struct hash_link in_numbers;
    uint32_t number;
    uint32_t live; /* newest committed versions with this number */
    uint32_t refs; /* versions, and uses of its generator */
    bool generate;
    bool descending;       /* its key, of one part */
    struct schema *newest; /* the last version with this number that was committed; or NULL */
    uint64_t born;         /* the commit that first had a definition with it, or, of an index that
                              was unmade, one that is ready; 0: none has */
    bool is_unmade;        /* its newest version is an index as index_row.h says */
    uint64_t ended;        /* the commit with which it ended; 0: it has not */
    struct list_link in_ended; /* catalogue.ending, then .ended, ascending by commit */
    /* the generator (generator.h) */
    uint64_t used;                /* numbers up to here are used by commits */
    uint64_t used_commit;         /* the last one that used any */
    enum durability used_durability;           /* it asked for less than a sync */
    uint64_t base;                /* used up before it had any record, */
    uint64_t base_commit;         /* by the commit that made it */
    struct list_link in_counting; /* catalogue.counting */
    struct list_link uses; /* generator_use.in_shelf, ascending by the last number given */
    /* Until the commit that makes it: where the store that it clears keeps its counter, so that
     * whoever still writes there is given other numbers. Holds a reference; NULL: nowhere. */
    struct shelf *origin;
};

struct catalogue_entry { /* a name */
    struct hash_link in_names;
    struct database *database; /* a reference */
    struct list_link in_database; /* database.entries */
    struct schema *newest;    /* committed versions, newest first; may be NULL */
    struct list_link writers; /* txn_store.in_entry of open writers */
    uint32_t refs;            /* schemas that have this name */
    uint16_t name_size;
    uint8_t name[];
};

/* One version of a store's definition; or, as a part of it (of), an index of the store: that has
 * a number and a tree of its own, in which its entries are the records (entries.h). */
struct schema {
    struct catalogue_entry *entry;
    struct schema *older, *newer; /* in the entry, once it is committed */
    struct shelf *shelf;
    uint32_t refs; /* its entry or transaction, cursors, writers of the store */
    uint32_t number;
    struct schema *of;       /* of an index: the definition that it is a part of; else NULL */
    struct schema **indexes; /* of a store, in the order of its row; owned */
    unsigned index_count, index_room;
    struct slice index; /* of an index: its name; none: it is a store */
    bool unique;        /* of an index */
    enum index_state state;            /* of an index */
    bool is_unmade;                    /* likewise: index_row.h */
    struct slice why;                  /* of an index that has FAILED; behind its name */
    const struct index_definition *is; /* of an index: what it is, read from key */
    uint64_t commit; /* 0: a draft */
    uint64_t version;
    uint64_t superseded; /* the commit that has put another in its place; 0: none */
    enum durability durability;
    bool is_dropped; /* from here on there is no store of that name */
    bool creates;    /* a draft: it is counted in quota.creating of its database */
    bool generate;
    bool last_writer_wins;
    uint64_t used;              /* as in the row */
    uint32_t follows;           /* as in the row */
    uint32_t ends;              /* a draft: the number that ends with it for its transaction */
    struct schema *before;      /* a draft: what its transaction had of that store; a reference */
    const struct txn *txn;      /* whose draft it is; NULL: it is committed */
    struct hash_link in_drafts; /* by transaction and entry */
    struct hash_link in_ends;   /* by transaction and number */
    /* txn.schemas; then catalogue.waiting, snapshot.versions or catalogue.unread */
    struct list_link in_queue;
    struct slice label;   /* of its transaction; behind the spec */
    struct slice key;     /* the key option as kept, an index's definition; behind the spec */
    size_t size;          /* bytes allocated, without its indexes */
    struct key_spec spec; /* the last, and only as long as it has parts */
};

struct catalogue {
    struct os *os;
    uint64_t seed;
    struct hash_table names;   /* entries */
    struct hash_table numbers; /* shelves */
    struct hash_table drafts;
    struct hash_table ends;
    struct hash_table uses;   /* generator_use */
    struct databases databases;
    struct schema *self;      /* the definition of the store of definitions */
    struct schema *marks;     /* the same for rows that conflict with nobody (database_mark.c) */
    uint32_t last_number;     /* store numbers given */
    struct list_link waiting; /* superseded versions, and drops, until that is durable */
    struct list_link unread;  /* versions whose last reader has ended */
    struct list_link ending;  /* shelves whose live fell to 0 in the commit at hand */
    struct list_link ended; /* shelves that ended, oldest first, until a root is without them */
    struct list_link counting; /* shelves with a counter that no root has, by used_commit */
    uint64_t rooted;           /* shelves that ended up to here may go */
    uint64_t bytes;            /* of all of it, tables left out */
    uint64_t stores;           /* newest versions that are not dropped */
    uint64_t indexes;          /* of those */
    uint64_t versions;         /* schemas */
    uint64_t changes;          /* definitions published, ever: what was made of them is outdated */
    uint64_t steps;            /* versions looked at, ever: tests count them */
};

/* ERR_NOMEM. */
enum err catalogue_init(struct catalogue *c, struct os *os, uint64_t seed);
/* Every draft has been freed, and every reference given back. */
void catalogue_fini(struct catalogue *c);
/* Everything is as the invariants say; tests. Aborts. */
void catalogue_check(const struct catalogue *c);

/* Bytes kept: what `catalogue-max` limits. */
uint64_t catalogue_bytes(const struct catalogue *c);
/* What has been looked at, ever: entries, versions, shelves, drafts and uses; for tests. */
uint64_t catalogue_steps(const struct catalogue *c);

/* ---- finding ---- */

struct store_name {
    struct database *database;
    struct slice name;
};

/* The version of a name as of a commit, and (t may be NULL) as t has changed it: dropped ones
 * too. NULL: there has been none, as far as anybody can still see. */
struct schema *catalogue_version(struct catalogue *c, const struct txn *t, uint64_t commit,
                                 struct store_name name);
/* The newest committed definition with that number; NULL: it has ended. */
struct schema *catalogue_by_number(struct catalogue *c, uint32_t number);
/* The same of a store that has ended, too, as long as somebody sees it. */
struct schema *catalogue_last_by_number(struct catalogue *c, uint32_t number);
/* t's draft that ends the store of that number: by clearing it or (is_dropped) dropping it.
 * NULL: it goes on. */
struct schema *catalogue_draft_ending(struct catalogue *c, const struct txn *t,
                                      uint32_t number);

static inline struct slice schema_name(const struct schema *s)
{
    return slice_make(s->entry->name, s->entry->name_size);
}

static inline struct database *schema_database(const struct schema *s)
{
    return s->entry->database;
}

/* The store's definition, of it or of its index. */
static inline struct schema *schema_store(const struct schema *s)
{
    return s->of ? s->of : (struct schema *)(uintptr_t)s;
}

/* txn_store.in_entry of those who have written in a store of that name; NULL: none has. */
struct list_link *catalogue_writers(struct catalogue *c, struct store_name name);

/* NULL: the store has no index of that name. */
struct schema *schema_index(const struct schema *s, struct slice name);

static inline struct schema *schema_ref(struct schema *s)
{
    schema_store(s)->refs++;
    return s;
}
void schema_unref(struct catalogue *c, struct schema *s);

/* ---- changing ---- */

/* A definition for a name (d NULL: from here on there is no such store), with the label of its
 * transaction. The caller has the one reference. ERR_NOMEM, ERR_CORRUPT: the key, or an index, is
 * none. */
enum err catalogue_make(struct catalogue *c, struct store_name name, const struct definition *d,
                        struct slice label, struct schema **out);
/* s is t's from now on; ends as in struct schema. The caller keeps the reference, and s in
 * t's list by in_queue. */
void catalogue_draft(struct catalogue *c, struct schema *s, const struct txn *t, uint32_t ends);
/* s, a draft, makes a store that there was not: its database counts it until the draft ends. */
void catalogue_draft_creates(struct schema *s);
/* Of t that goes without a commit: s leaves the list it is in and is freed. */
void catalogue_discard(struct catalogue *c, struct schema *s);
/* s is committed: the reference goes over to its entry. Cannot fail. After the last of a commit,
 * catalogue_settle ends the numbers that no name has any more. */
void catalogue_publish(struct catalogue *c, struct schema *s, uint64_t commit, uint64_t version,
                       enum durability durability);
void catalogue_settle(struct catalogue *c, uint64_t commit);

/* ---- at start ---- */

/* A committed row found at start, of a store or a database, of a transaction with that label.
 * ERR_NOMEM, ERR_CORRUPT. */
enum err catalogue_load(struct catalogue *c, struct slice key, struct slice row,
                        uint64_t commit, uint64_t version, struct slice label,
                        struct failure *f);
/* A root has a tree of that number, with its generator. ERR_NOMEM. */
enum err catalogue_note_tree(struct catalogue *c, uint32_t number, uint64_t used);
/* The commit has written in a store. Where no name has it, the commit itself has made it and
 * ended it again: then its number and its tree are noted. ERR_NOMEM. */
enum err catalogue_note_written(struct catalogue *c, uint32_t number, uint64_t commit,
                                struct shelf **out);

/* ---- letting go ---- */

struct catalogue_readers { /* who may still read a version */
    void *context;
    /* The list of the newest snapshot with from <= commit < to, whose versions come back by
     * catalogue_unread when the last that sees them has ended. NULL: none. Asked with ascending
     * `to` within a call. */
    struct list_link *(*versions)(void *context, uint64_t from, uint64_t to);
};

/* A list of versions that no snapshot sees any more. */
void catalogue_unread(struct catalogue *c, struct list_link *versions);
/* A root is durable that holds all up to the commit. */
void catalogue_rooted(struct catalogue *c, uint64_t commit);
/* Free what nobody needs any more, with commits up to durable durable and answered, about `steps`
 * of it. true: there is more to be done at once. */
bool catalogue_reclaim(struct catalogue *c, uint64_t durable,
                       const struct catalogue_readers *readers, uint64_t steps);
/* Whether catalogue_reclaim has anything to do. */
bool catalogue_has_garbage(const struct catalogue *c, uint64_t durable);

/* ---- for generator.c ---- */

void shelf_unref(struct catalogue *c, struct shelf *shelf);

#endif
