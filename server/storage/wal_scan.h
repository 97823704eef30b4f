/* wal_scan.h - reading the batches of a log that is being written, a slice at a time, as a check.
 *
 * From a position up to what was durable when it began: nobody writes there any more. Segments
 * that are retired meanwhile end the scan early (wal_scan_is_overtaken).
 *
 * Threads: begin and is_overtaken, the loop; run, any thread. */
#ifndef HOLDFAST_STORAGE_WAL_SCAN_H
#define HOLDFAST_STORAGE_WAL_SCAN_H

#include "server/storage/findings.h"
#include "server/storage/scratch.h"
#include "server/storage/wal.h"

struct wal_scan {
    struct os *os;
    struct findings *to; /* the caller's */
    struct wal_replay replay; /* gets each piece; ERR_CORRUPT from it is a finding */
    uint64_t salt, segment_bytes;
    uint64_t place; /* of the next batch */
    uint64_t end;
    struct os_file *file; /* owned; of the segment at hand */
    uint64_t number;      /* of it */
    struct scratch memory;
    uint64_t bytes, batches;
    uint64_t epoch, previous; /* of the last batch */
    struct finding lost; /* why it cannot go on; to be told unless it was overtaken */
    bool is_lost;
};

void wal_scan_begin(struct wal_scan *s, const struct wal *w, uint64_t position,
                    const struct wal_replay *replay, struct findings *to);
void wal_scan_fini(struct wal_scan *s);
/* Read about bytes_max. ERR_WAIT: there is more; ERR_OK: that was all, or is_lost; ERR_NOMEM. */
enum err wal_scan_run(struct wal_scan *s, uint64_t bytes_max);
/* What it could not read has been given up by the log meanwhile. */
bool wal_scan_is_overtaken(const struct wal_scan *s, const struct wal *w);

#endif
