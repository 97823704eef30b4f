/* recovery.h - bringing commits back from the log: at the start, and from another one (apply.h).
 *
 * Threads: loop; what it fills is read by nobody before recovery_end. */
#ifndef HOLDFAST_TXN_RECOVERY_H
#define HOLDFAST_TXN_RECOVERY_H

#include "proto/slice.h"
#include "server/base/failure.h"
#include "server/storage/scratch.h"
#include "server/txn/recovery_index.h"

#include <stdint.h>

struct db;
struct shelf;
struct stamp;

struct recovery {
    struct db *db;
    uint64_t bytes_before;  /* of the open stage's memory, counted so far */
    struct stamp *stamp;    /* of the commit at hand, in the open stage's memory; or NULL */
    uint64_t number;        /* its number; 0: none */
    struct scratch cut;     /* a record whose end is in a piece to come */
    size_t cut_size;        /* bytes of it so far */
    uint64_t upto;          /* the root has all up to here */
    uint64_t replayed;      /* commits */
    uint64_t bytes;         /* of pieces */
    uint64_t tell_at;       /* bytes: where it says again how far it is */
    uint64_t begun_ms;
    uint64_t until, until_ms; /* nothing behind this commit, nothing of a batch issued later */
    bool is_past;             /* such a batch has come: nothing is taken any more */
    bool is_live;             /* the database is read meanwhile (apply.h) */
    /* Of the record before, since commits mostly stay with a store; NULL: unknown. */
    struct shelf *shelf;
    struct recovery_index index;
};

void recovery_init(struct recovery *r, struct db *db);
/* The log is at its end: what it held can be found. ERR_NOMEM. */
enum err recovery_end(struct recovery *r, struct failure *f);

/* Whatever has become of it: give its memory back. */
void recovery_fini(struct recovery *r);

/* For wal_replay.piece; context is the recovery. */
enum err recovery_piece(void *context, uint64_t number, bool first, bool last,
                        struct slice bytes, struct failure *f);

/* For wal_replay.batch. */
void recovery_batch(void *context, uint64_t time_ms);

/* The definitions that the root has. */
enum err recovery_load_catalogue(struct db *db, struct failure *f);
/* The tokens in the root, likewise. Where they cannot be read they count as forgotten. */
enum err recovery_load_tokens(struct db *db, struct failure *f);
/* The rows of the server's own in the root, likewise. Where they cannot be read: ERR_CORRUPT. */
enum err recovery_load_vault(struct db *db, struct failure *f);

#endif
