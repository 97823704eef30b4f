/* database.h - the databases that there are: names that keep stores apart.
 *
 * All databases share one log, one data file and one loop; each has its own catalogue of stores
 * (catalogue.h finds a store by its database and name) and its own version, a number that only
 * an upgrade changes. A database exists from its first commit, which is the first that creates a
 * store in it or upgrades it: that commit writes its row (catalogue_row.h), and dropping it deletes
 * the row. "main" of a data directory from before has stores and no row; it exists by them.
 *
 * A name that somebody uses, or that has a quota, has a struct database, whether the database
 * exists or not. It is freed with its last user, but not before a crash can no longer bring its
 * database back.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DATABASE_H
#define HOLDFAST_TXN_DATABASE_H

#include "proto/slice.h"
#include "server/base/list.h"
#include "server/os/os.h"
#include "server/storage/durability.h"
#include "server/storage/hash_table.h"
#include "server/txn/locks.h"
#include "server/txn/opening_struct.h"
#include "server/txn/quota_struct.h"

#include <stdbool.h>

#define DATABASE_NAME_BYTES_MAX 255
#define DATABASE_VERSION_MAX (UINT64_C(1) << 53)
#define DATABASE_MAIN "main" /* of a connection that names none */

struct database {
    struct hash_link in_names;
    struct list_link in_idle; /* databases.idle: nobody uses it, and it does not exist */
    uint64_t refs;            /* names of stores, transactions, requests, connections */
    uint64_t id;              /* of this struct, never used again; 0: main */
    bool is_marked;           /* the newest commit that wrote its row did not delete it */
    uint64_t stores;          /* newest committed definitions */
    uint64_t version;         /* as the row says; 0: it has never been upgraded */
    uint64_t changed;         /* the commit that wrote or deleted its row last; 0: none */
    uint64_t dropped;         /* the commit that deleted it last */
    enum durability durability; /* that commit asked for less than a sync */
    struct locks locks; /* on its stores, and on itself */
    struct opening opening;     /* who has it open, and who wants to */
    struct list_link entries;   /* catalogue_entry.in_database: names in it */
    struct quota quota;
    uint16_t name_size;
    uint8_t name[];
};

struct databases {
    struct os *os;
    uint64_t seed;
    struct hash_table names;
    struct list_link idle;
    struct lock_turns turns; /* of all locks */
    struct database *main; /* always there */
    uint64_t last_id;
    uint64_t count; /* that exist */
    uint64_t bytes;
};

/* ERR_NOMEM. */
enum err databases_init(struct databases *d, struct os *os, uint64_t seed);
void databases_fini(struct databases *d);

static inline struct slice database_name(const struct database *d)
{
    return slice_make(d->name, d->name_size);
}

static inline bool database_exists(const struct database *d)
{
    return d->is_marked || d->stores > 0;
}

/* NULL: nobody uses that name, and no such database exists. */
struct database *database_find(struct databases *all, struct slice name);
/* The same with a reference; where nobody has used the name it is made. NULL: no memory. */
struct database *database_use(struct databases *all, struct slice name);
struct database *database_ref(struct database *d);
void database_unref(struct databases *all, struct database *d);

/* What a commit has written as its row: a version; or the row is deleted. */
struct database_row {
    bool is_deleted;
    uint64_t version;
};
/* The commit is made. Cannot fail. */
void database_publish(struct databases *all, struct database *d, const struct database_row *row,
                      uint64_t commit, enum durability durability);
/* One more newest definition of a store, or one less. */
void database_add_store(struct databases *all, struct database *d);
void database_remove_store(struct databases *all, struct database *d);

/* Aborts unless the counts are right; stores: of all of them. For tests. */
void databases_check(const struct databases *all, uint64_t stores);

/* Whether something is freed by databases_reclaim. */
bool databases_have_garbage(const struct databases *all, uint64_t durable);
/* Free one that nobody uses; what ended it is durable. false: there is none. */
bool databases_reclaim(struct databases *all, uint64_t durable);

#endif
