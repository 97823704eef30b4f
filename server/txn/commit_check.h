/* commit_check.h - whether the pieces of the log are commits (commit_format.h), without keeping
 * anything of them.
 *
 * Threads: any, one at a time. */
#ifndef HOLDFAST_TXN_COMMIT_CHECK_H
#define HOLDFAST_TXN_COMMIT_CHECK_H

#include "server/base/failure.h"

#include <stdbool.h>
#include <stdint.h>

struct commit_check {     /* zeroed: at the beginning */
    uint64_t number;      /* of the commit at hand; 0: none */
    uint64_t left;        /* bytes of the record at hand that come in later pieces */
    uint64_t commits, records;
};

/* As wal_replay.piece; context is the check. A commit that began before the first piece is
 * passed over. ERR_CORRUPT. */
enum err commit_check_piece(void *context, uint64_t number, bool first, bool last,
                            struct slice bytes, struct failure *f);

#endif
