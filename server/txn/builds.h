/* builds.h - what a database keeps of indexes that are made in the background (index_build.h).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_BUILDS_H
#define HOLDFAST_TXN_BUILDS_H

#include "server/txn/pace.h"

#include <stdbool.h>
#include <stdint.h>

struct index_build;

struct builds {
    struct index_build *work; /* the builder; owned */
    bool is_due;              /* there may be an index that is not being made */
    uint32_t number;          /* of the one that is being made; 0: none is */
    uint64_t built;           /* records of its store that have their entries */
    struct pace pace;         /* its slices */
};

#endif
