/* primary_scan.h - a check of everything that the durable root reaches, while the database runs
 * or before anybody uses it.
 *
 *     primary_scan_begin    loop: takes the durable root; no merge or reclaiming is under way,
 *                           and none may begin before
 *     primary_scan_map      merge lane, once: copies what is recorded as used
 *     primary_scan_run      any lane, until it is done: tree_scan.h
 *     primary_scan_settle   any lane, once: compares the space that was found with the record
 *     primary_scan_end      loop
 *
 * Between begin and end the root is held, so that nothing that it reaches is written over.
 * Without maps only the pages are looked at, and primary_scan_map and _settle are not called.
 *
 * Threads: as said. */
#ifndef HOLDFAST_STORAGE_PRIMARY_SCAN_H
#define HOLDFAST_STORAGE_PRIMARY_SCAN_H

#include "server/storage/primary.h"
#include "server/storage/tree_scan.h"

struct primary_scan {
    struct primary *p;
    struct root *r;        /* one reference */
    struct tree_scan tree;
    struct unit_set found; /* units that the root reaches, and the meta pages */
    struct unit_set used;  /* units recorded as used when it began */
    struct unit_set other; /* those that other roots, or ledgers, need */
    uint64_t leaked_units; /* known to be used by nobody: damage has hidden them */
    bool has_maps;
};

/* ERR_NOMEM, ERR_IO, ERR_NOT_FOUND; all is given back then. to: the caller's, until end. */
enum err primary_scan_begin(struct primary_scan *s, struct primary *p, bool has_maps,
                            struct findings *to);
/* ERR_NOMEM. */
enum err primary_scan_map(struct primary_scan *s);
enum err primary_scan_run(struct primary_scan *s, uint64_t bytes_max);
void primary_scan_settle(struct primary_scan *s);
void primary_scan_end(struct primary_scan *s);
/* Bytes of pages that the root reaches: what primary_scan_run is to read, about. */
uint64_t primary_scan_bytes(const struct primary_scan *s);
/* Records that it holds. */
uint64_t primary_scan_records(const struct primary_scan *s);

/* Both meta pages as they are on the disk. Blocks; before anybody uses the file. */
void primary_scan_slots(struct primary *p, struct findings *to);

#endif
