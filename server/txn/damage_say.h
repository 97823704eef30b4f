/* damage_say.h - stores that are damaged on the disk: noted, and said.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DAMAGE_SAY_H
#define HOLDFAST_TXN_DAMAGE_SAY_H

#include "server/storage/findings.h"

struct damage;
struct tree_damage;

/* A store is damaged: note it, and say so. ERR_NOMEM: it will be met again. */
enum err damage_say(struct damage *d, const struct tree_damage *damage);
/* What a check has found in pages of stores, behind the first `noted`. Returns how many there are
 * now. Where there is no memory a reader will meet it. */
size_t damage_say_findings(struct damage *d, const struct findings *found, size_t noted);

#endif
