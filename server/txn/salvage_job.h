/* salvage_job.h - what a salvage is asked for, and what it has come to (salvage.h). */
#ifndef HOLDFAST_TXN_SALVAGE_JOB_H
#define HOLDFAST_TXN_SALVAGE_JOB_H

#include "server/base/failure.h"
#include "server/os/os.h"

struct salvage {
    struct os *from, *to; /* to: an empty directory */
    /* Something could not be read, or had to be guessed: a line. */
    void (*lost)(void *context, const char *text);
    void (*progress)(void *context, const char *phase, uint64_t done, uint64_t all);
    void *context;
    /* out */
    uint64_t stores, records, losses, wal_bytes;
};

#endif
