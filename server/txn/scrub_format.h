/* scrub_format.h - how far the scrub is, as the bytes of the file `scrub`.
 *
 * The file is only a memory: where it is missing, torn or of another format the scrub begins
 * anew, so it is never synced (docs/formats.md).
 *
 * Threads: any. */
#ifndef HOLDFAST_TXN_SCRUB_FORMAT_H
#define HOLDFAST_TXN_SCRUB_FORMAT_H

#include "server/storage/tree_scan.h"

#define SCRUB_FILE "scrub"
#define SCRUB_FORMAT 1u
#define SCRUB_HEAD_BYTES 72u
#define SCRUB_BYTES (SCRUB_HEAD_BYTES + KEY_BYTES_MAX + 8u)

struct scrub_progress {
    struct tree_scan_place place; /* what comes next */
    uint64_t begun_ms;            /* this round, since 1970; 0: none has been begun */
    uint64_t finished_ms;         /* the last whole round; 0: there was none */
    uint64_t pages, bytes;        /* read in this round */
    uint64_t found, found_before; /* wrong in this round, in the last whole one */
};

void scrub_encode(const struct scrub_progress *p, uint8_t to[SCRUB_BYTES]);
/* ERR_CORRUPT, ERR_FORMAT: another version's. */
enum err scrub_decode(const uint8_t from[SCRUB_BYTES], struct scrub_progress *out);

#endif
