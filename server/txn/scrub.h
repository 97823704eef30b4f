/* scrub.h - every page of the data file is read now and then, so that rot is found while there is
 * still a backup from before it.
 *
 *     IDLE --due--> a slice: the durable root is held, a job reads about SLICE_BYTES from where the
 *                   last slice ended, the root is let go --> IDLE, due again after a pause
 *
 * The pauses are such that a round through the file takes about scrub_ms, so the disk is hardly
 * busy with it; what it looks for is what tree_scan.h says. Nothing is held between slices, so a
 * round sees each page as of another root; what is written after the round has passed it is read in
 * the next one. How far it is stands in the file `scrub` (scrub_format.h), about once a minute, and
 * a start goes on from there. Damage of a store is noted as all damage is (damage.h).
 *
 * Threads: loop only, but for the job. */
#ifndef HOLDFAST_TXN_SCRUB_H
#define HOLDFAST_TXN_SCRUB_H

#include "server/txn/scrub_format.h"

struct damage;
struct os;
struct primary;
struct pulse;
struct scrub;

/* What it works with is borrowed. */
void scrub_init(struct scrub *s, struct os *os, struct primary *primary, struct pulse *pulse,
                struct damage *damage);
/* A round in every_ms. Blocks: reads how far the last start was. Nothing if it is 0. */
void scrub_begin(struct scrub *s, uint64_t every_ms);
/* At the end of a turn, unless the log has failed: begin a slice that is due. */
void scrub_turn(struct scrub *s);
/* When scrub_turn must be called, ms on the table's clock; UINT64_MAX: not needed. */
uint64_t scrub_next_ms(const struct scrub *s);
void scrub_stop(struct scrub *s);
/* At the end, or (abandoned) in the middle of a slice. */
void scrub_fini(struct scrub *s);

struct scrub_status {
    uint64_t every_ms; /* a round in so long; 0: off */
    unsigned percent;  /* of this round, about */
    struct scrub_progress at;
};
void scrub_status_of(const struct scrub *s, struct scrub_status *out);

#endif
