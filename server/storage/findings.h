/* findings.h - what a check has found, as a bounded list.
 *
 * The first FINDINGS_MAX are kept, all are counted. Where memory is short they are only counted.
 *
 * Threads: one at a time. */
#ifndef HOLDFAST_STORAGE_FINDINGS_H
#define HOLDFAST_STORAGE_FINDINGS_H

#include "server/os/os.h"

#define FINDINGS_MAX 1000
#define FINDING_TEXT_BYTES 400
#define FINDING_FILE_BYTES 32
#define FINDING_NO_STORE \
    (UINT32_MAX - 1) /* it is about no tree; UINT32_MAX is the tree of trees */

struct finding {
    char file[FINDING_FILE_BYTES];
    uint64_t offset;   /* in the file, bytes */
    uint32_t store;    /* number of the tree; FINDING_NO_STORE */
    bool is_repaired;  /* nothing is lost: the server repairs it by itself */
    char text[FINDING_TEXT_BYTES]; /* plain words */
};

struct findings {
    struct os *os;
    struct finding *items; /* owned */
    size_t count, room;
    uint64_t damaged;  /* all that were found, kept or not, */
    uint64_t repaired; /* and those that the server repairs by itself */
};

void findings_init(struct findings *s, struct os *os);
void findings_fini(struct findings *s);
/* file is copied. */
void findings_add(struct findings *s, const struct finding *about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline uint64_t findings_all(const struct findings *s)
{
    return s->damaged + s->repaired;
}

#endif
