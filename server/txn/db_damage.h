/* db_damage.h - stores that are damaged on the disk: noted, and said.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_DB_DAMAGE_H
#define HOLDFAST_TXN_DB_DAMAGE_H

#include "proto/error.h"

struct db;
struct tree_damage;

/* A store is damaged: note it, and say so. ERR_NOMEM: it will be met again. */
enum err db_note_damage(struct db *db, const struct tree_damage *damage);

#endif
