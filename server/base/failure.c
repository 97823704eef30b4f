#include "server/base/failure.h"

#include "server/base/assert.h"

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
    f->store.size = 0;
    f->key = f->index = f->near = f->wrote = f->record = SLICE_NONE;
    f->limit = NULL;
    f->limit_max = 0;
    f->limit_size = 0;
    f->line = f->column = 0;
    f->has_version = false;
    f->winner_version = 0;
    f->winner_commit = 0;
    f->winner_label.size = 0;
}

static void drop(struct slice *owned)
{
    free((void *)(uintptr_t)owned->data);
    *owned = SLICE_NONE;
}

void failure_reset(struct failure *f)
{
    drop(&f->key);
    drop(&f->index);
    drop(&f->near);
    drop(&f->wrote);
    drop(&f->record);
    failure_init(f);
}

/* The one place where a text for people is made. */
static void set_text(struct failure *f, enum err e, const char *format, va_list args)
{
    f->error = e;
    vsnprintf(f->text, sizeof f->text, format, args);
    text_repair(f->text);
}

enum err failure_set(struct failure *f, enum err e, const char *format, ...)
{
    va_list args;

    if (!f || f->error != ERR_OK)
        return e;
    va_start(args, format);
    set_text(f, e, format, args);
    va_end(args);
    return e;
}

enum err failure_set_at(struct failure *f, enum err e, const char *file, uint64_t offset,
                        const char *format, ...)
{
    va_list args;

    if (!f || f->error != ERR_OK)
        return e;
    snprintf(f->file, sizeof f->file, "%s", file);
    text_repair(f->file);
    f->offset = offset;
    va_start(args, format);
    set_text(f, e, format, args);
    va_end(args);
    return e;
}

void failure_set_place(struct failure *f, enum err e, const char *file, uint64_t offset)
{
    if (!f || f->error != e || f->file[0])
        return;
    snprintf(f->file, sizeof f->file, "%s", file);
    text_repair(f->file);
    f->offset = offset;
}

void failure_note_limit(struct failure *f, const char *option, uint64_t max, uint64_t size)
{
    f->limit = option;
    f->limit_max = max;
    f->limit_size = size;
}

enum err failure_set_limit(struct failure *f, const char *option, uint64_t max, uint64_t size,
                           const char *format, ...)
{
    va_list args;

    if (!f || f->error != ERR_OK)
        return ERR_TOO_LARGE;
    va_start(args, format);
    set_text(f, ERR_TOO_LARGE, format, args);
    va_end(args);
    failure_note_limit(f, option, max, size);
    return ERR_TOO_LARGE;
}

static void keep(struct slice *owned, struct slice bytes)
{
    uint8_t *copy;

    drop(owned);
    if (slice_is_none(bytes))
        return;
    copy = malloc(bytes.size ? bytes.size : 1);
    if (!copy)
        return;
    memcpy(copy, bytes.data, bytes.size);
    *owned = slice_make(copy, bytes.size);
}

/* Whether what is said of e is said of the error that f has. */
static bool is_of(const struct failure *f, enum err e)
{
    ASSERT(e != ERR_OK); /* else who calls is cold too, as the compiler sees it */
    return f && f->error == e;
}

void failure_set_store(struct failure *f, enum err e, struct slice name)
{
    if (is_of(f, e))
        text_name_set(&f->store, name);
}

void failure_set_key(struct failure *f, enum err e, struct slice key)
{
    if (is_of(f, e))
        keep(&f->key, key);
}

void failure_set_record(struct failure *f, enum err e, struct slice key)
{
    if (is_of(f, e))
        keep(&f->record, key);
}

void failure_set_index(struct failure *f, enum err e, struct slice name)
{
    if (is_of(f, e))
        keep(&f->index, text_cut(name, TEXT_NAME_BYTES_MAX));
}

void failure_set_wrote(struct failure *f, enum err e, struct slice stores)
{
    if (is_of(f, e))
        keep(&f->wrote, stores);
}

void failure_set_near(struct failure *f, enum err e, struct slice name)
{
    if (is_of(f, e))
        keep(&f->near, text_cut(name, TEXT_NAME_BYTES_MAX));
}

void failure_set_version(struct failure *f, enum err e, uint64_t version)
{
    if (!is_of(f, e))
        return;
    f->has_version = true;
    f->version = version;
}

void failure_set_line(struct failure *f, enum err e, uint32_t line, uint32_t column)
{
    if (!is_of(f, e))
        return;
    f->line = line;
    f->column = column;
}

void failure_copy(struct failure *to, const struct failure *from)
{
    struct slice key = to->key, index = to->index, near = to->near, wrote = to->wrote,
                 record = to->record;

    *to = *from;
    to->key = key;
    to->index = index;
    to->near = near;
    to->wrote = wrote;
    to->record = record;
    keep(&to->key, from->key);
    keep(&to->index, from->index);
    keep(&to->near, from->near);
    keep(&to->wrote, from->wrote);
    keep(&to->record, from->record);
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
        [CONFLICT_LOCK] = "lock",
    };

    return names[kind];
}
