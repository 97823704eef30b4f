/* replies.h - what a reply has to wait for (rule 3), and who is waiting. Two queues, each in
 * order of commits: for the sync, and then for what only has to be written.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_REPLIES_H
#define HOLDFAST_TXN_REPLIES_H

#include "server/txn/numbers.h"

struct decided_wait { /* the caller's memory, lent until told is called or it is cancelled */
    void (*told)(struct decided_wait *w, enum err e); /* ERR_OK, or ERR_LOG_FAILED */
    struct decided decided;
    struct list_link in_queue;
};

struct replies {
    struct numbers *numbers;        /* borrowed */
    struct pulse *pulse;            /* borrowed */
    struct list_link synced_waits;  /* decided_wait by decided.synced */
    struct list_link written_waits; /* decided_wait by decided.written */
    struct list_link lost_waits;    /* after the log failed */
    bool has_failed;
};

void replies_init(struct replies *r, struct numbers *numbers, struct pulse *pulse);

/* true: the answer may be told now. false: told will be called later, from the loop. */
bool replies_wait(struct replies *r, struct decided decided, struct decided_wait *w);
void replies_release(struct replies *r); /* after durable or written moved */
/* The log has failed: all who wait, and will wait, are told ERR_LOG_FAILED. */
void replies_fail(struct replies *r);
void replies_turn(struct replies *r); /* tells those who came after it */

#endif
