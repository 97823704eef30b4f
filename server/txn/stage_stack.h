/* stage_stack.h - the stages of a database from the newest down, the ledgers of those that are
 * gone, and what all of them take: the one place where that is counted.
 *
 *   made --push--> open --seal--> sealed --amalgamate--> amalgamated --remove--> (gone)
 *
 * Knows stages; knows no transactions, no log and no root: who decides what is sealed, merged and
 * let go is above (stages.h, amalgamate.h, unstage.h).
 *
 * Invariants, cited by asserts:
 *   G-1 stages hang together both ways, from newest down to oldest; only the newest may be open,
 *       and the amalgamated ones are at the bottom.
 *   G-2 staged_bytes are the arenas of stages that are not amalgamated, sealed_bytes those of the
 *       sealed among them, which sealed_count counts, held_bytes those of amalgamated ones.
 *   G-3 ledger_bytes and ledger_disk_bytes are those of the ledgers in the list.
 *
 * Threads: loop only; a pass reads sealed stages, which do not change. */
#ifndef HOLDFAST_TXN_STAGE_STACK_H
#define HOLDFAST_TXN_STAGE_STACK_H

#include "server/storage/ledger.h"
#include "server/storage/stage.h"

struct stage_stack {
    struct stage *newest;
    struct stage *oldest;
    uint64_t made;         /* stages, ever: the number of the last one */
    uint64_t staged_bytes; /* G-2: what the open one has grown by is counted when it is noted */
    uint64_t sealed_bytes;
    uint64_t held_bytes;
    uint64_t taken_bytes; /* that open ones have grown by since the start */
    unsigned sealed_count;
    uint64_t sealed_ms;         /* since when one of them has waited for a pass */
    uint64_t sealed_last_ms;    /* since when none has joined them */
    struct stage_spares spares; /* as many as open writers may need at their commits */
    size_t spares_needed;
    struct list_link ledgers; /* ledger.in_db, newest first */
    uint64_t ledger_bytes;    /* in memory */
    uint64_t ledger_disk_bytes;
    bool unstage_due;     /* a stage that was held may be free */
    bool ledgers_due;     /* a ledger */
    struct arena garbage; /* of freed stages and large write-sets; goes turn by turn */
};

void stage_stack_init(struct stage_stack *all, struct os *os);
/* Every stage and ledger is freed, whatever its state. */
void stage_stack_fini(struct stage_stack *all, struct os *os);

/* An open stage that is empty, on top. */
void stage_stack_push(struct stage_stack *all, struct stage *s);
/* A spare more than open writers may need at their commits. ERR_NOMEM. */
enum err stage_stack_spare(struct stage_stack *all, struct os *os);
/* The open stage's memory has grown since it was `before`. */
void stage_stack_grown(struct stage_stack *all, uint64_t before);
/* The newest, which is not empty, is sealed. */
void stage_stack_seal(struct stage_stack *all, uint64_t now_ms);
/* s is in a durable root; the sealed ones below it are already. */
void stage_stack_amalgamated(struct stage_stack *all, struct stage *s, uint64_t now_ms);
/* An amalgamated one leaves the stack; it is the caller's. */
void stage_stack_remove(struct stage_stack *all, struct stage *s);
/* The newest that is in the durable root already, as all below it are; NULL: none is. */
struct stage *stage_stack_newest_amalgamated(const struct stage_stack *all);

/* Ledgers: the newest one; and one that nobody asks any more, which is freed. */
void ledgers_add(struct stage_stack *all, struct ledger *l);
void ledgers_remove(struct stage_stack *all, struct ledger *l);

/* Take an arena that nobody needs any more; it may be large, so it is freed by and by. */
void stage_stack_discard(struct stage_stack *all, struct arena *arena);

/* G-1 to G-3; false: it is not so. Looks at every stage. */
bool stage_stack_check(const struct stage_stack *all);

#endif
