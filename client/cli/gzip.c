#include "client/cli/gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_BYTES 65536
#define GZIP_WINDOW (15 + 16) /* zlib's sign for a head and an end of gzip */

struct gzip {
    FILE *file; /* borrowed */
    z_stream z;
    unsigned char bytes[GZIP_BYTES]; /* packed */
    bool writes;
    bool member_ended; /* reading: what follows is a further member, or the end */
};

bool gzip_is(FILE *file)
{
    int first = getc(file), second;

    if (first != 0x1f) {
        ungetc(first, file);
        return false;
    }
    /* One byte can be put back, so the second is looked at and the first is trusted: no text of
     * ours begins with it. */
    second = getc(file);
    ungetc(second, file);
    return second == 0x8b;
}

/* More packed bytes. False: errno. */
static bool gzip_fill(struct gzip *g)
{
    size_t n = fread(g->bytes, 1, sizeof g->bytes, g->file);

    g->z.next_in = g->bytes;
    g->z.avail_in = (unsigned)n;
    return n > 0 || !ferror(g->file);
}

static ssize_t gzip_read(void *cookie, char *to, size_t room)
{
    struct gzip *g = cookie;
    int status = Z_OK;

    g->z.next_out = (unsigned char *)to;
    g->z.avail_out = (unsigned)room;
    while (g->z.avail_out == room) {
        if (g->z.avail_in == 0 && !gzip_fill(g))
            return -1;
        if (g->z.avail_in == 0) { /* the end of the file */
            errno = ENODATA;
            return g->member_ended ? 0 : -1;
        }
        if (g->member_ended && inflateReset(&g->z) != Z_OK)
            break;
        g->member_ended = false;
        status = inflate(&g->z, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            break;
        g->member_ended = status == Z_STREAM_END;
    }
    if (g->z.avail_out < room)
        return (ssize_t)(room - g->z.avail_out);
    errno = status == Z_MEM_ERROR ? ENOMEM : EILSEQ;
    return -1;
}

/* Pack what z has, and write what comes of it. */
static bool gzip_flush(struct gzip *g, int flush)
{
    do {
        size_t size;

        g->z.next_out = g->bytes;
        g->z.avail_out = sizeof g->bytes;
        deflate(&g->z, flush);
        size = sizeof g->bytes - g->z.avail_out;
        if (fwrite(g->bytes, 1, size, g->file) != size)
            return false;
    } while (g->z.avail_out == 0);
    return true;
}

static ssize_t gzip_write(void *cookie, const char *from, size_t size)
{
    struct gzip *g = cookie;

    g->z.next_in = (unsigned char *)from;
    g->z.avail_in = (unsigned)size;
    return gzip_flush(g, Z_NO_FLUSH) ? (ssize_t)size : 0;
}

static int gzip_close(void *cookie)
{
    struct gzip *g = cookie;
    bool ok = true;

    if (g->writes) {
        ok = gzip_flush(g, Z_FINISH) && fflush(g->file) == 0;
        deflateEnd(&g->z);
    } else {
        inflateEnd(&g->z);
    }
    free(g);
    return ok ? 0 : EOF;
}

static FILE *gzip_open(FILE *file, bool writes)
{
    cookie_io_functions_t functions = {
        .read = writes ? NULL : gzip_read,
        .write = writes ? gzip_write : NULL,
        .close = gzip_close,
    };
    struct gzip *g = calloc(1, sizeof *g);
    FILE *opened;
    int status;

    if (!g)
        return NULL;
    g->file = file;
    g->writes = writes;
    status = writes ? deflateInit2(&g->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
                                   Z_DEFAULT_STRATEGY)
                    : inflateInit2(&g->z, GZIP_WINDOW);
    if (status != Z_OK) {
        free(g);
        return NULL;
    }
    if (!writes) { /* gzip_is has taken the first byte of the head */
        static unsigned char first[] = {0x1f};

        g->z.next_in = first;
        g->z.avail_in = 1;
    }
    opened = fopencookie(g, writes ? "w" : "r", functions);
    if (!opened)
        gzip_close(g);
    return opened;
}

FILE *gzip_reader(FILE *file)
{
    return gzip_open(file, false);
}

FILE *gzip_writer(FILE *file)
{
    return gzip_open(file, true);
}
