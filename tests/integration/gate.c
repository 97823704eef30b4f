/* gate.c - a disk that tests can hold, break and fill: preloaded into the daemon.
 *
 * Files in the directory HOLDFAST_GATE say what happens now:
 *   sync       fdatasync waits until it is gone
 *   sync-fails fdatasync fails with EIO
 *   read       reads that may wait do so until it is gone; those that may not say so
 *   full       a write or an allocation that makes a file larger fails with ENOSPC
 * So a test decides what has and has not happened, and none has to sleep. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int is_set(const char *name)
{
    const char *directory = getenv("HOLDFAST_GATE");
    char path[4096];

    if (!directory)
        return 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void wait_while(const char *name)
{
    struct timespec step = {0, 1000000};

    while (is_set(name))
        nanosleep(&step, NULL);
}

int fdatasync(int fd)
{
    static int (*real)(int);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    wait_while("sync");
    if (is_set("sync-fails")) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
    static ssize_t (*real)(int, void *, size_t, off_t);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pread");
    wait_while("read");
    return real(fd, to, size, offset);
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    static ssize_t (*real)(int, const struct iovec *, int, off_t, int);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "preadv2");
    if (is_set("read")) {
        errno = EAGAIN;
        return -1;
    }
    return real(fd, parts, count, offset, flags);
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);
    struct stat st;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pwrite");
    if (is_set("full") && fstat(fd, &st) == 0 && offset + (off_t)size > st.st_size) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, from, size, offset);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    static int (*real)(int, int, off_t, off_t);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fallocate");
    if (is_set("full")) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, mode, offset, size);
}
