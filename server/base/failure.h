/* failure.h - an error with all that can be said of it.
 *
 * enum err tells our code what to do; a failure tells a person (and the
 * client) what happened, where, and what to do about it. The first failure is
 * kept: failure_set on one that is set already changes nothing. */
#ifndef HOLDFAST_BASE_FAILURE_H
#define HOLDFAST_BASE_FAILURE_H

#include "proto/error.h"
#include "proto/slice.h"
#include "server/base/assert.h"
#include "server/base/text.h"

#include <stdint.h>

#define FAILURE_TEXT_BYTES 256
#define FAILURE_FILE_BYTES 256

enum conflict_kind {
    CONFLICT_NONE,
    CONFLICT_WRITE,
    CONFLICT_GREATEST_VERSION,
    CONFLICT_UNIQUE,
    CONFLICT_READ,
    CONFLICT_SCHEMA,
    CONFLICT_LOCK,
};

struct failure {
    enum err error;                    /* ERR_OK: nothing is set */
    bool maybe_committed;              /* the commit asked for may survive */
    uint32_t retry_after_ms;           /* 0: unsaid */
    char text[FAILURE_TEXT_BYTES];     /* what, where and what to do; terminated */
    char file[FAILURE_FILE_BYTES];     /* CORRUPT, IO: the file; "" unsaid */
    uint64_t offset;                   /* CORRUPT, IO: where in it, bytes */
    enum conflict_kind conflict;       /* CONFLICT: its kind; else CONFLICT_NONE */
    struct text_name store;            /* the store's name; size 0: unsaid */
    struct slice key;                  /* owned (malloc), MessagePack; none: unsaid */
    struct slice index;                /* the same: the index's name */
    struct slice record;               /* NOT_UNIQUE: the key of the other record, as key */
    struct slice near;                 /* the same: the name there is that is nearest */
    struct slice wrote;                /* the same: CONFLICT: stores that the loser wrote */
    const char *limit;                 /* TOO_LARGE: the option's name; QUOTA_EXCEEDED: of what;
                                          static; NULL unsaid */
    uint64_t limit_max;                /* TOO_LARGE: its value */
    uint64_t limit_size;               /* TOO_LARGE: what was met */
    uint32_t line, column;             /* of a query's text, from 1; 0: unsaid */
    bool has_version;                  /* BAD_VERSION: */
    uint64_t version;                  /* that the database has */
    uint64_t winner_version;           /* CONFLICT */
    uint64_t winner_commit;            /* CONFLICT; 0: the winner is still open */
    struct text_label winner_label;    /* CONFLICT; size 0: there is none */
};

void failure_init(struct failure *f);

/* Free what it owns and make it as after init. */
COLD void failure_reset(struct failure *f);
/* The same, cheap where nothing is set: requests do it at every step. */
static inline void failure_clear(struct failure *f)
{
    if (f->error != ERR_OK || f->key.data)
        failure_reset(f);
}

/* Say e with text as of printf; returns e. f may be NULL. */
COLD enum err failure_set(struct failure *f, enum err e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for damage and I/O: says file and offset (bytes) too. */
COLD enum err failure_set_at(struct failure *f, enum err e, const char *file, uint64_t offset,
                             const char *format, ...) __attribute__((format(printf, 5, 6)));

/* An error e that was set where its place was not known happened there. */
COLD void failure_set_place(struct failure *f, enum err e, const char *file, uint64_t offset);

/* Details beside the text. They belong to the error that is set: call them behind failure_set
 * with the same e, which is one: what leads to a call here is taken for rare, and compiled small
 * and out of the way. Where f keeps an earlier error, or is NULL, they do nothing. Copies are
 * made; when memory is short the detail stays unsaid. */
COLD void failure_set_store(struct failure *f, enum err e, struct slice name);
COLD void failure_set_key(struct failure *f, enum err e, struct slice key);       /* MessagePack */
COLD void failure_set_record(struct failure *f, enum err e, struct slice key);    /* MessagePack */
COLD void failure_set_index(struct failure *f, enum err e, struct slice name);
COLD void failure_set_wrote(struct failure *f, enum err e,
                            struct slice stores); /* MessagePack */
COLD void failure_set_near(struct failure *f, enum err e, struct slice name);
COLD void failure_set_version(struct failure *f, enum err e, uint64_t version);
/* Where in the text of a query, from 1. */
COLD void failure_set_line(struct failure *f, enum err e, uint32_t line, uint32_t column);

/* The limit that the error, which is set, is about: its details. option: a static text. */
COLD void failure_note_limit(struct failure *f, const char *option, uint64_t max,
                             uint64_t size);
/* TOO_LARGE with its text and details: size is over max, which the option sets. Returns the
 * error. */
COLD enum err failure_set_limit(struct failure *f, const char *option, uint64_t max,
                                uint64_t size, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Deep copy; when memory is short the key is left out. to is initialised or set. */
void failure_copy(struct failure *to, const struct failure *from);

/* "write", "greatest-version", "unique", "read", "schema", "lock". */
const char *conflict_kind_name(enum conflict_kind kind);

#endif
