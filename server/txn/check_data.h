/* check_data.h - a data directory that nobody has open is checked, without writing to it.
 *
 * The newest root: both meta pages, every page, its place, its keys and sums; each record and each
 * index, both ways; the log from the root's position on, as a start would read it. Memory: a
 * page cache, three bits for each unit of the file, one path of pages.
 *
 * Threads: one; blocks. */
#ifndef HOLDFAST_TXN_CHECK_DATA_H
#define HOLDFAST_TXN_CHECK_DATA_H

#include "server/storage/findings.h"
#include "server/txn/check.h"
#include "server/txn/db_options.h"

struct check_data {
    struct db_options options;
    struct findings *to; /* the caller's */
    /* Each finding that is kept, when its phase is over. tree: which store or index, in words,
     * or "". */
    void (*found)(void *context, const struct finding *n, const char *tree);
    /* Each time another part of a phase is done; may be NULL. all 0: unknown. */
    void (*progress)(void *context, const char *phase, uint64_t done, uint64_t all);
    void *context;
    struct check_counts counts; /* out */
    size_t told;                /* findings */
};

/* ERR_OK: it went through, whatever was found. Else what could not be opened or read is in f, and
 * what was found before that in the findings: ERR_CORRUPT, ERR_FORMAT, ERR_LOCKED, ERR_NOT_FOUND,
 * ERR_IO, ERR_NOMEM. */
enum err check_data_run(struct os *os, struct check_data *c, struct failure *f);

#endif
