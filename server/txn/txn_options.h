/* txn_options.h - what a transaction is asked to be.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_TXN_OPTIONS_H
#define HOLDFAST_TXN_TXN_OPTIONS_H

#include "proto/slice.h"
#include "server/storage/durability.h"

#include <stdbool.h>
#include <stdint.h>

struct txn;
struct usage;

struct txn_options {
    bool serializable;
    bool read_only;
    bool greatest_version; /* loses at its write to a newer open writer of the record, too */
    bool carry_on;         /* on_error "continue" */
    enum durability durability;         /* durability "interval": answered before the sync */
    uint64_t timeout_ms;   /* life; 0: none */
    uint64_t idle_ms;      /* 0: the database's default */
    uint64_t write_bytes;  /* limit of its own for what it writes; 0: none */
    uint64_t read_bytes;   /* likewise for what is kept of its reads */
    uint64_t held_bytes;   /* likewise for what is held on its behalf */
    struct slice label;    /* text for people; cut to TEXT_LABEL_BYTES_MAX; may be none */
    struct slice client;   /* where it comes from, for people; cut likewise */
    struct slice lock;     /* as lock_option.h reads it; none: no lock */
    uint64_t wait_ms;      /* for the lock; 0: not at all; UINT64_MAX: without end */
    bool waits_to_write;   /* a lock that it meets at a write is waited for: it is run again */
    uint64_t version;      /* the core's own: given already; 0: a new one */
    struct usage *usage;   /* of the client; lives longer than its transactions; may be NULL */
    /* May be NULL; called as soon as the transaction is doomed by somebody else (a winner,
     * expiry, a kill), from the loop; must not call the core. */
    void (*on_doomed)(struct txn *t, void *context);
    void *context;
};

#endif
