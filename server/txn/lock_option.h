/* lock_option.h - the option `lock` of a transaction as it comes: "database", or
 * {shared: [stores], exclusive: [stores]}.
 *
 * Threads: any. */
#ifndef HOLDFAST_TXN_LOCK_OPTION_H
#define HOLDFAST_TXN_LOCK_OPTION_H

#include "server/base/failure.h"

enum lock_mode { LOCK_SHARED, LOCK_EXCLUSIVE, LOCK_MODES };

struct lock_option {
    bool is_whole;                  /* the database */
    struct slice names[LOCK_MODES]; /* arrays of texts; none: left out */
    uint32_t counts[LOCK_MODES];
};

/* Every name is text of 1 to 255 bytes of UTF-8. ERR_BAD_REQUEST, with f. */
enum err lock_option_read(struct slice option, struct lock_option *out, struct failure *f);

#endif
