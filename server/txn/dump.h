/* dump.h - what stands in a file of a data directory, in words: meta pages, pages, segments and
 * batches of the log, marks.
 *
 * Nothing is written, and nothing but the file is read: a page is shown by its label, a batch by
 * its own header. Threads: one; blocks. Memory: one page or batch. */
#ifndef HOLDFAST_TXN_DUMP_H
#define HOLDFAST_TXN_DUMP_H

#include "server/base/failure.h"
#include "server/os/os.h"

struct file_dump {
    struct os *os;
    struct os_file *file; /* the caller's */
    /* A line, without its end. */
    void (*line)(void *context, const char *text);
    void *context;
};

/* Without offset (UINT64_MAX): what stands where in the file, a line each. With one: all that is
 * in the page, meta page or batch that begins there. ERR_CORRUPT: it is no file of ours, or nothing
 * whole begins there; ERR_FORMAT, ERR_IO, ERR_NOMEM. */
enum err dump_file(struct file_dump *d, uint64_t offset, struct failure *f);

#endif
