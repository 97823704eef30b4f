/* slot.h - the two root slots at the beginning of the primary.
 *
 * Each is a block of 4096 bytes that names one root; docs/formats.md has the byte
 * table. The checksum covers the slot's place too, so a slot written to the
 * other's place is no slot. Both are written at each switch, one after the other
 * with a sync between, so at any moment one of them is whole.
 *
 * Threads: any; keeps no state. */
#ifndef HOLDFAST_STORAGE_SLOT_H
#define HOLDFAST_STORAGE_SLOT_H

#include "server/base/failure.h"
#include "server/storage/page.h"
#include "server/storage/primary.h"

#define SLOT_BYTES 4096u
#define SLOT_COUNT 2u
#define SLOT_UNITS \
    (SLOT_COUNT * SLOT_BYTES / PAGE_UNIT_BYTES) /* both, at the file's beginning */
#define SLOT_FORMAT 2u

struct slot {
    uint32_t page_bytes; /* soft target of an unpacked page */
    uint8_t uuid[16];    /* of the file, random */
    struct root_facts facts;
    uint64_t number_limit;     /* every number of a root that was ever given is below it */
    uint64_t units;            /* in the extents that the root reaches */
    uint32_t trees;            /* stores in the catalogue */
    uint32_t height;           /* of the catalogue tree; 0: it is empty */
    struct page_ptr catalogue; /* its top page */
};

/* The block of that place. */
void slot_encode(const struct slot *slot, unsigned place, uint8_t to[SLOT_BYTES]);

/* ERR_CORRUPT: no slot of that place; ERR_FORMAT: one of a newer format. */
enum err slot_decode(struct slot *slot, unsigned place, const uint8_t from[SLOT_BYTES]);
/* What the bytes say, whatever the checksum says of them. false: it is impossible. */
bool slot_decode_unchecked(struct slot *slot, const uint8_t from[SLOT_BYTES]);

/* Read both and keep the newest that is whole; *place says which. ERR_CORRUPT, ERR_FORMAT,
 * ERR_IO. */
enum err slot_read_newest(struct os *os, struct os_file *file, struct slot *slot,
                          unsigned *place, struct failure *f);

/* Write one and sync. *sync_failed: it was the sync that failed. */
enum err slot_write(struct os *os, struct os_file *file, const struct slot *slot,
                    unsigned place, bool *sync_failed);

#endif
