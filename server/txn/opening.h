/* opening.h - opening a database: one queue for each, in order of arrival.
 *
 * attach, an upgrade and a drop wait there until they are in front. What an attach finds then
 * decides: it is attached, refused, or keeps the claim so that its opener can upgrade. An upgrade
 * or a drop in front asks all other openers of the database to leave, waits until they have, and
 * then locks the whole database (upgrade.h). Who has never attached is not asked; its writers meet
 * the lock.
 *
 * A claim that an attach keeps is lost when it is not used within upgrade_begin_ms, and who is
 * asked has answered after versionchange_ms. Waiting until openers leave has no bound of its own.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_OPENING_H
#define HOLDFAST_TXN_OPENING_H

#include "server/txn/op.h"
#include "server/txn/openers.h"

struct attach {
    bool has_version; /* in */
    uint64_t wait_ms; /* in: for its claim; UINT64_MAX: without end */
    uint64_t version; /* in: wanted */
    uint64_t found;   /* out: the database's */
    bool may_upgrade; /* out: it is not attached; the claim is its own until it has upgraded */
};

/* ERR_WAIT: call again when woken. ERR_BAD_VERSION: the database has a greater one; ERR_CANCELLED:
 * o was detached; ERR_LOCK_TIMEOUT; after any error o is what it was. */
enum err opening_attach(struct op *op, struct opener *o, struct attach *attach);

/* For upgrade.h: a claim in front asks the others to leave, and is called again until they have.
 * blocked: called once if some have answered and not left; must not call the core. ERR_WAIT, or
 * what has ended the claim, which is freed then. */
enum err opening_clear(struct op *op, struct claim *claim, void (*blocked)(struct op *op));
/* The claim has been ended meanwhile: its failure, and it is freed; else ERR_OK. */
enum err opening_check(struct op *op);
/* As a limit of time that the request has given. */
void opening_wait_until(struct op *op, uint64_t wait_ms);
/* The transaction that was begun for the claim, and not handed on. */
void opening_rollback(struct claim *claim);

/* database: in use (a reference), taken over; opening_end ends it. */
void opening_begin(struct opener *o, struct db *db, struct database *database);
/* o is none any more: its claim ends, with its request (CANCELLED) or its transaction. */
void opening_end(struct opener *o);
/* op ends, and with it its claim. */
void opening_op_ends(struct op *op);

/* In a turn of the loop: requests that may go on are woken. */
void opening_turn(struct db *db);
/* What is over by time. Returns when to call again, UINT64_MAX: not needed. */
uint64_t opening_tick(struct db *db);

/* Whether the invariants of openers.h hold in all databases; for tests. */
bool opening_check_all(const struct db *db);

#endif
