/* upgrade.h - changing a database's version and schema with nobody else in it, and dropping it.
 *
 * Both are a place in the database's queue (opening.h), then a transaction with the whole database
 * locked (lock_wait.h). The version is a record of that transaction, so a crash at any moment
 * leaves version and schema as they were, or as the commit has made them.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_UPGRADE_H
#define HOLDFAST_TXN_UPGRADE_H

#include "server/txn/op.h"
#include "server/txn/openers.h"
#include "server/txn/txn_options.h"

struct upgrade {
    struct opener *opener; /* NULL: unknown, or it has gone meanwhile */
    uint64_t to;
    const struct txn_options *options; /* its lock is the whole database, whatever it says */
    /* Openers have been asked and are still attached; called once, must not call the core. */
    void (*blocked)(struct op *op);
};

/* Asks the others to leave, waits until they have, and begins the transaction: when that commits,
 * the version is `to` and the opener is attached; when it is rolled back, the opener is not.
 * ERR_WAIT: the same call again. ERR_BAD_VERSION: the database has that version, or a greater one.
 * ERR_BAD_REQUEST: it is not an opener, its claim is lost, or it is upgrading already.
 * ERR_CANCELLED: the opener was detached. ERR_LOCK_TIMEOUT: options.wait_ms is over. */
enum err upgrade_begin(struct op *op, const struct upgrade *upgrade, struct txn **out);

struct database_drop {
    struct slice name;
    uint64_t wait_ms; /* UINT64_MAX: without end */
    void (*blocked)(struct op *op);
    uint64_t version; /* out: it had; 0: it did not exist, or was never upgraded */
};

/* Drops the database with all of its stores, as one commit. op's database is that one from now on.
 * ERR_WAIT; errors as of upgrade_begin, or as of a commit. */
enum err database_drop(struct op *op, struct database_drop *drop);

#endif
