/* count.c - counts what the daemon asks of the system: preloaded into it.
 *
 * The counters lie in the file HOLDFAST_COUNT, mapped, so that a test reads them whenever it
 * likes: pieces of memory taken (malloc, calloc, realloc that grows something, the aligned
 * forms) by the loop's thread and by the others, and what is read from and written to
 * sockets, call by call. The order is that of enum counter, each a 64-bit number. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum counter { TAKEN_BY_LOOP, TAKEN_BY_OTHERS, SOCKET_READS, SOCKET_WRITES, COUNTERS };

static uint64_t ignored[COUNTERS];
static _Atomic uint64_t *counters = (_Atomic uint64_t *)ignored;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("HOLDFAST_COUNT");
    int fd = path ? open(path, O_RDWR) : -1;
    void *mapped;

    if (fd < 0)
        return;
    mapped = mmap(NULL, sizeof ignored, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        counters = mapped;
}

/* ---- memory ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static void taken(void)
{
    counters[gettid() == getpid() ? TAKEN_BY_LOOP : TAKEN_BY_OTHERS]++;
}

void *malloc(size_t size)
{
    taken();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    taken();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    taken();
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size)
{
    taken();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    *out = memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}

/* ---- sockets ---- */

static void count_call(int fd, enum counter counter)
{
    int before = errno, kind;
    socklen_t size = sizeof kind;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) == 0)
        counters[counter]++;
    errno = before;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

ssize_t read(int fd, void *to, size_t size)
{
    REAL(read);
    count_call(fd, SOCKET_READS);
    return real(fd, to, size);
}

ssize_t readv(int fd, const struct iovec *parts, int count)
{
    REAL(readv);
    count_call(fd, SOCKET_READS);
    return real(fd, parts, count);
}

ssize_t recv(int fd, void *to, size_t size, int flags)
{
    REAL(recv);
    count_call(fd, SOCKET_READS);
    return real(fd, to, size, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    REAL(recvmsg);
    count_call(fd, SOCKET_READS);
    return real(fd, message, flags);
}

ssize_t write(int fd, const void *from, size_t size)
{
    REAL(write);
    count_call(fd, SOCKET_WRITES);
    return real(fd, from, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(writev);
    count_call(fd, SOCKET_WRITES);
    return real(fd, parts, count);
}

ssize_t send(int fd, const void *from, size_t size, int flags)
{
    REAL(send);
    count_call(fd, SOCKET_WRITES);
    return real(fd, from, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    REAL(sendmsg);
    count_call(fd, SOCKET_WRITES);
    return real(fd, message, flags);
}
