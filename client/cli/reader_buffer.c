/* reader_buffer.c - the bytes of a file as they come, and how far they have been taken. */
#include "client/cli/reader_internal.h"

#include <errno.h>
#include <stdarg.h>

#define READ_BYTES (256u << 10)

enum reader_result reader_fail(struct reader *r, uint64_t line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(r->why, sizeof r->why, format, args);
    va_end(args);
    r->failed_line = line;
    return READER_FAILED;
}

bool reader_fill(struct reader *r)
{
    struct hf_pack *b = &r->buffer;
    uint8_t *to;
    size_t n;

    if (r->at > 0) {
        memmove(b->data, b->data + r->at, b->size - r->at);
        b->size -= r->at;
        r->newline = r->newline >= r->at ? r->newline - r->at : 0;
        r->at = 0;
    }
    if (b->size > READER_RECORD_BYTES_MAX) {
        reader_fail(r, r->line, "the record is longer than %u MiB",
                    READER_RECORD_BYTES_MAX >> 20);
        return false;
    }
    to = hf_pack_reserve(b, READ_BYTES);
    if (!to) {
        reader_fail(r, 0, "out of memory");
        return false;
    }
    n = fread(to, 1, READ_BYTES, r->file);
    b->size += n;
    r->at_end = n == 0;
    if (n == READ_BYTES || !ferror(r->file))
        return true;
    if (r->packed && (errno == EILSEQ || errno == ENODATA))
        reader_fail(r, r->line,
                    errno == EILSEQ ? "the gzip data is damaged"
                                    : "the gzip data is truncated: the file is incomplete");
    else
        reader_fail(r, r->line, "cannot read: %s", strerror(errno));
    return false;
}

/* Take bytes, counting lines. */
void reader_take(struct reader *r, size_t size)
{
    const uint8_t *from = r->buffer.data + r->at, *end = from + size;

    while (from < end && (from = memchr(from, '\n', (size_t)(end - from))) != NULL) {
        r->line++;
        from++;
    }
    r->at += size;
    r->taken += size;
}
