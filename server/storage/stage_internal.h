/* stage_internal.h - what the files of the stages share. */
#ifndef HOLDFAST_STORAGE_STAGE_INTERNAL_H
#define HOLDFAST_STORAGE_STAGE_INTERNAL_H

#include "server/storage/stage.h"

#define STAGE_UNINDEXED 16 /* so short a list is walked: most write-sets need no index */

/* A record that is in no list yet; NULL: no memory. */
struct record *record_new(struct stage *s, struct stamp *stamp, uint32_t store,
                          struct slice key, struct slice value);
/* Append to what the stamp's transaction wrote. */
void stamp_add(struct stamp *stamp, struct record *r);
/* Keep the value that r has, which is about to be replaced. false: no memory. */
bool write_set_keep_value(struct stage *write_set, struct record *r);
/* The stage must have none of that number; NULL: no memory. */
struct stage_store *stage_store_new(struct stage *s, uint32_t store);
/* It is in the stage no more; its memory stays. */
void stage_drop_store(struct stage *s, struct stage_store *st);
void stage_note_commit(struct stage *s, uint64_t commit);

#endif
