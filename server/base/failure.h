/* failure.h - an error with all that can be said of it.
 *
 * enum err tells our code what to do; a failure tells a person (and the
 * client) what happened, where, and what to do about it. The first failure is
 * kept: failure_set on one that is set already changes nothing. */
#ifndef HOLDFAST_BASE_FAILURE_H
#define HOLDFAST_BASE_FAILURE_H

#include "proto/error.h"
#include "proto/slice.h"

#include <stdint.h>

#define FAILURE_TEXT_BYTES 256
#define FAILURE_NAME_BYTES 256
#define FAILURE_LABEL_BYTES 64

enum conflict_kind {
    CONFLICT_NONE,
    CONFLICT_WRITE,
    CONFLICT_GREATEST_VERSION,
    CONFLICT_UNIQUE,
    CONFLICT_READ,
    CONFLICT_SCHEMA,
};

struct failure {
    enum err error;                    /* ERR_OK: nothing is set */
    bool maybe_committed;              /* the commit asked for may survive */
    uint32_t retry_after_ms;           /* 0: unsaid */
    char text[FAILURE_TEXT_BYTES];     /* what, where and what to do; terminated */
    char file[FAILURE_NAME_BYTES];     /* CORRUPT, IO: the file; "" unsaid */
    uint64_t offset;                   /* CORRUPT, IO: where in it, bytes */
    enum conflict_kind conflict;       /* CONFLICT: its kind; else CONFLICT_NONE */
    char store[FAILURE_NAME_BYTES];    /* CONFLICT: the store's name */
    uint8_t *key;                      /* owned (malloc); the key as MessagePack; NULL unsaid */
    size_t key_size;                   /* bytes */
    uint64_t winner_version;           /* CONFLICT */
    uint64_t winner_commit;            /* CONFLICT; 0: the winner is still open */
    char winner_label[FAILURE_LABEL_BYTES]; /* CONFLICT; "" where there is none */
};

void failure_init(struct failure *f);

/* Free what it owns and make it as after init. */
void failure_reset(struct failure *f);
/* The same, cheap where nothing is set: requests do it at every step. */
static inline void failure_clear(struct failure *f)
{
    if (f->error != ERR_OK || f->key)
        failure_reset(f);
}

/* Say e with text as of printf; returns e. f may be NULL. */
enum err failure_set(struct failure *f, enum err e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for damage and I/O: says file and offset (bytes) too. */
enum err failure_set_at(struct failure *f, enum err e, const char *file, uint64_t offset,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Keep a copy of key (MessagePack); when memory is short the key stays unsaid. */
void failure_set_key(struct failure *f, struct slice key);

/* Deep copy; when memory is short the key is left out. to is initialised or set. */
void failure_copy(struct failure *to, const struct failure *from);

/* "write", "greatest-version", "unique", "read", "schema". */
const char *conflict_kind_name(enum conflict_kind kind);

#endif
