/* unit_set.h - a set of units of the data file, one bit for each: a 4096th of the file.
 *
 * Threads: one at a time. */
#ifndef HOLDFAST_STORAGE_UNIT_SET_H
#define HOLDFAST_STORAGE_UNIT_SET_H

#include "server/base/assert.h"
#include "server/os/os.h"

struct unit_set {
    struct os *os;
    uint64_t *words; /* owned */
    uint64_t room;   /* units that fit */
    uint64_t count;  /* in the set */
};

static inline void unit_set_init(struct unit_set *s, struct os *os)
{
    *s = (struct unit_set){.os = os};
}
void unit_set_fini(struct unit_set *s);
/* Put [start, start + count) in; *had (may be NULL): some of it was in already. ERR_NOMEM. */
enum err unit_set_add(struct unit_set *s, uint64_t start, uint64_t count, bool *had);
/* Whether all of [start, start + count) is in. */
bool unit_set_has(const struct unit_set *s, uint64_t start, uint64_t count);

static inline bool unit_set_has_one(const struct unit_set *s, uint64_t unit)
{
    return unit < s->room && s->words[unit / 64] >> unit % 64 & 1;
}

#endif
