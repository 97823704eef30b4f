/* sim_restore.h - backups restored onto another simulated machine. */
#ifndef HOLDFAST_TESTS_SIM_SIM_RESTORE_H
#define HOLDFAST_TESTS_SIM_SIM_RESTORE_H

#include "server/base/failure.h"
#include "tests/sim/sim_os.h"

/* Backups as they were sent, the oldest first, onto a machine with an empty disk. */
enum err sim_restore(struct sim *target, const struct slice *backups, unsigned count,
                     struct failure *f);

#endif
