/* backups.h - what a database keeps of its backups (backup.h).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_BACKUPS_H
#define HOLDFAST_TXN_BACKUPS_H

#include "server/base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct pulse;
struct primary;

struct backups {            /* of a database */
    struct os *os;          /* this and the next two are borrowed */
    struct pulse *pulse;
    struct primary *primary; /* since it is open */
    struct list_link all;   /* those that were closed while their job runs, too */
    unsigned running;       /* jobs */
    bool is_due;            /* somebody is to be woken, or freed */
    uint64_t begun, ended;  /* ever; ended: with their last byte */
};

#endif
