#include "server/base/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void failure_init(struct failure *f)
{
    f->error = ERR_OK;
    f->maybe_committed = false;
    f->retry_after_ms = 0;
    f->text[0] = '\0';
    f->file[0] = '\0';
    f->offset = 0;
    f->conflict = CONFLICT_NONE;
    f->store[0] = '\0';
    f->key = NULL;
    f->key_size = 0;
    f->winner_version = 0;
    f->winner_commit = 0;
    f->winner_label[0] = '\0';
}

void failure_reset(struct failure *f)
{
    free(f->key);
    failure_init(f);
}

enum err failure_set(struct failure *f, enum err e, const char *format, ...)
{
    va_list args;

    if (!f || f->error != ERR_OK)
        return e;
    f->error = e;
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    return e;
}

enum err failure_set_at(struct failure *f, enum err e, const char *file, uint64_t offset,
                        const char *format, ...)
{
    va_list args;

    if (!f || f->error != ERR_OK)
        return e;
    f->error = e;
    snprintf(f->file, sizeof f->file, "%s", file);
    f->offset = offset;
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    return e;
}

void failure_set_key(struct failure *f, struct slice key)
{
    free(f->key);
    f->key = NULL;
    f->key_size = 0;
    if (slice_is_none(key))
        return;
    f->key = malloc(key.size ? key.size : 1);
    if (!f->key)
        return;
    memcpy(f->key, key.data, key.size);
    f->key_size = key.size;
}

void failure_copy(struct failure *to, const struct failure *from)
{
    struct slice key = slice_make(from->key, from->key_size);

    free(to->key);
    *to = *from;
    to->key = NULL;
    to->key_size = 0;
    failure_set_key(to, key);
}

const char *conflict_kind_name(enum conflict_kind kind)
{
    static const char *const names[] = {
        [CONFLICT_NONE] = "none",
        [CONFLICT_WRITE] = "write",
        [CONFLICT_GREATEST_VERSION] = "greatest-version",
        [CONFLICT_UNIQUE] = "unique",
        [CONFLICT_READ] = "read",
        [CONFLICT_SCHEMA] = "schema",
    };

    return names[kind];
}
