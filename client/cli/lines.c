#include "client/cli/lines.h"

#include <errno.h>
#include <sys/stat.h>

#define READ_BYTES (256u << 10)

bool lines_open(struct lines *l, const char *path, FILE *standard)
{
    struct stat info;

    memset(l, 0, sizeof *l);
    l->owned = path && strcmp(path, "-") != 0;
    l->file = l->owned ? fopen(path, "re") : standard;
    if (!l->file)
        return false;
    if (fstat(fileno(l->file), &info) == 0 && S_ISREG(info.st_mode))
        l->bytes_total = (uint64_t)info.st_size;
    return true;
}

void lines_close(struct lines *l)
{
    if (l->owned && l->file)
        fclose(l->file);
    hf_pack_fini(&l->buffer);
}

/* Read more behind what is there; the beginning that was given out goes. */
static enum lines_result lines_fill(struct lines *l)
{
    struct hf_pack *b = &l->buffer;
    uint8_t *to;
    size_t n;

    if (l->at > 0) {
        memmove(b->data, b->data + l->at, b->size - l->at);
        b->size -= l->at;
        l->at = 0;
    }
    if (b->size > LINES_BYTES_MAX)
        return LINES_TOO_LONG;
    to = hf_pack_reserve(b, READ_BYTES);
    if (!to) {
        errno = ENOMEM;
        return LINES_FAILED;
    }
    n = fread(to, 1, READ_BYTES, l->file);
    b->size += n;
    if (n < READ_BYTES && ferror(l->file))
        return LINES_FAILED;
    l->end = n == 0;
    return LINES_ONE;
}

enum lines_result lines_next(struct lines *l, struct slice *line)
{
    size_t searched = 0;
    const uint8_t *newline;

    for (;;) {
        size_t held = l->buffer.size - l->at;
        enum lines_result result;

        newline = held > searched
                      ? memchr(l->buffer.data + l->at + searched, '\n', held - searched)
                      : NULL;
        if (newline || l->end)
            break;
        searched = held;
        result = lines_fill(l);
        if (result != LINES_ONE)
            return result;
    }
    if (!newline && l->at == l->buffer.size)
        return LINES_END;
    *line =
        slice_make(l->buffer.data + l->at, newline ? (size_t)(newline - l->buffer.data) - l->at
                                                   : l->buffer.size - l->at);
    l->at += line->size + (newline != NULL);
    l->bytes += line->size + (newline != NULL);
    l->number++;
    if (l->number == 1 && slice_starts_with(*line, slice_text("\xef\xbb\xbf")))
        *line = slice_make(line->data + 3, line->size - 3);
    return LINES_ONE;
}
