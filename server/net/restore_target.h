/* restore_target.h - how far a restore goes: to a commit, to a moment, or as far as the WAL does.
 *
 * Threads: any; keeps no state. */
#ifndef HOLDFAST_NET_RESTORE_TARGET_H
#define HOLDFAST_NET_RESTORE_TARGET_H

#include "server/base/failure.h"
#include "server/net/restore_request.h"

#include <stdint.h>

struct restore_target {
    uint64_t commit;  /* none behind it; 0: no such bound */
    uint64_t time_ms; /* since 1970; nothing that was written later; 0: no such bound */
};

/* What the request says. ERR_BAD_REQUEST: it says two things, or none that can be read. */
enum err restore_target_read(const struct restore_request *request, struct restore_target *out,
                             struct failure *f);

/* Whether a backup of that commit, begun at that time, is not behind the target; has_wal: there is
 * a WAL to go on with. ERR_BAD_REQUEST. */
enum err restore_target_check(const struct restore_target *target, uint64_t commit,
                              uint64_t time_ms, bool has_wal, struct failure *f);

#endif
