/* slow_sync.c - a disk whose syncs take longer, by LD_PRELOAD: fsync and fdatasync return SYNC_US
 * microseconds later than the system's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int late(const char *name, int fd)
{
    int (*system_call)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *text = getenv("SYNC_US");
    long us = text ? strtol(text, NULL, 10) : 0;
    struct timespec pause = {us / 1000000, us % 1000000 * 1000};
    int result = system_call(fd);

    while (nanosleep(&pause, &pause) != 0)
        continue;
    return result;
}

int fsync(int fd);
int fdatasync(int fd);

int fsync(int fd)
{
    return late("fsync", fd);
}

int fdatasync(int fd)
{
    return late("fdatasync", fd);
}
