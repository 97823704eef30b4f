/* tasks.h - what operators ask of the stages, and wait for.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_TASKS_H
#define HOLDFAST_TXN_TASKS_H

#include "server/base/failure.h"
#include "server/base/list.h"

struct db;

/* Each asks; done is called once, from the loop. rotate: the open stage is sealed (at
 * once). amalgamate: sealed, merged and unstaged as far as rule 7 allows, and what no root needs
 * any more is given back to the system. */
struct db_task {
    void (*done)(struct db_task *task, enum err e, const struct failure *f);
    struct list_link in_queue; /* the core's use */
    uint64_t upto;             /* the core's use */
};
void db_rotate(struct db *db, struct db_task *task);
void db_amalgamate(struct db *db, struct db_task *task);
void db_cancel_task(struct db_task *task);

/* In a turn: tell those for whom it is done. */
void tasks_turn(struct db *db);
/* Tell all that it will not be. */
void tasks_fail(struct db *db, enum err e, const struct failure *f);

#endif
