/* faults.c - calls of the system that fail, are interrupted or do less than they were asked for,
 * and clocks that go ahead: preloaded into the daemon or the client.
 *
 * The file HOLDFAST_FAULTS is mapped: a test writes there what is to fail, and reads how often each
 * call has been made. The order is that of struct faults, all 64-bit numbers (faults.py). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum call {
    SOCKET,
    BIND,
    LISTEN,
    ACCEPT,
    CONNECT,
    POLL,
    RECEIVE,
    SEND,
    OPEN,
    READ,
    WRITE,
    SYNC,
    SIZE,
    CALLS
};

struct faults {
    _Atomic uint64_t call, n, stays,
        number; /* the n-th such call fails so (errno); n 0: none */
    _Atomic uint64_t fired;
    _Atomic uint64_t trouble; /* of three calls one is interrupted and one is short; 0: none */
    _Atomic uint64_t interrupted, shortened;
    _Atomic uint64_t ahead_ms; /* all clocks show so much more */
    _Atomic uint64_t counts[CALLS];
};

static struct faults nothing;
static struct faults *faults = &nothing;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("HOLDFAST_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped;

    if (fd < 0)
        return;
    mapped = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        faults = mapped;
}

/* Whether this call fails; errno says how. */
static int fails(enum call call)
{
    uint64_t n, left;

    faults->counts[call]++;
    n = faults->n;
    if (!n || faults->call != call)
        return 0;
    do {
        left = n > 1 ? n - 1 : faults->stays ? 1 : 0;
    } while (n && !atomic_compare_exchange_weak(&faults->n, &n, left));
    if (n != 1)
        return 0;
    faults->fired++;
    errno = (int)faults->number;
    return 1;
}

/* 0: go on; 1: it is to be interrupted (errno); 2: it is to be short. */
static int troubled(void)
{
    uint64_t n = faults->trouble;

    if (!n)
        return 0;
    n = atomic_fetch_add(&faults->trouble, 1) * UINT64_C(6364136223846793005) >> 40;
    if (n % 3 == 1) {
        faults->interrupted++;
        errno = EINTR;
    }
    return n % 3;
}

/* Less than size, in whole units of unit, and more than nothing. */
static size_t shorter(size_t size, size_t unit)
{
    size_t units = size / unit;

    if (units < 2)
        return size;
    faults->shortened++;
    return unit * (1 + (size_t)faults->trouble * 7919 % (units - 1));
}

static size_t unit_of(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && flags & O_DIRECT ? 512 : 1;
}

static int is_socket(int fd)
{
    int before = errno, kind;
    socklen_t size = sizeof kind;
    int is = getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) == 0;

    errno = before;
    return is;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
    *(void **)&real = dlsym(RTLD_NEXT, #name)

/* ---- the clock ---- */

int clock_gettime(clockid_t clock, struct timespec *out)
{
    REAL(clock_gettime);
    uint64_t ahead = faults->ahead_ms;
    int result = real(clock, out);

    out->tv_sec += (time_t)(ahead / 1000);
    out->tv_nsec += (long)(ahead % 1000) * 1000000;
    if (out->tv_nsec >= 1000000000) {
        out->tv_nsec -= 1000000000;
        out->tv_sec++;
    }
    return result;
}

/* ---- sockets ---- */

int socket(int family, int type, int protocol)
{
    REAL(socket);
    return fails(SOCKET) ? -1 : real(family, type, protocol);
}

int bind(int fd, const struct sockaddr *to, socklen_t size)
{
    REAL(bind);
    return fails(BIND) ? -1 : real(fd, to, size);
}

int listen(int fd, int backlog)
{
    REAL(listen);
    return fails(LISTEN) ? -1 : real(fd, backlog);
}

int accept4(int fd, struct sockaddr *from, socklen_t *size, int flags)
{
    REAL(accept4);
    return fails(ACCEPT) || troubled() == 1 ? -1 : real(fd, from, size, flags);
}

int connect(int fd, const struct sockaddr *to, socklen_t size)
{
    REAL(connect);
    return fails(CONNECT) ? -1 : real(fd, to, size);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    REAL(poll);
    return fails(POLL) || troubled() == 1 ? -1 : real(fds, count, timeout);
}

ssize_t read(int fd, void *to, size_t size)
{
    REAL(read);
    if (is_socket(fd)) {
        int trouble = fails(RECEIVE) ? 1 : troubled();

        if (trouble == 1)
            return -1;
        if (trouble == 2)
            size = shorter(size, 1) % 64 + 1;
    }
    return real(fd, to, size);
}

ssize_t recv(int fd, void *to, size_t size, int flags)
{
    REAL(recv);
    int trouble = fails(RECEIVE) ? 1 : troubled();

    return trouble == 1 ? -1
                        : real(fd, to, trouble == 2 ? shorter(size, 1) % 64 + 1 : size, flags);
}

ssize_t write(int fd, const void *from, size_t size)
{
    REAL(write);
    if (is_socket(fd)) {
        int trouble = fails(SEND) ? 1 : troubled();

        if (trouble == 1)
            return -1;
        if (trouble == 2)
            size = shorter(size, 1);
    }
    return real(fd, from, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(writev);
    if (is_socket(fd) && (fails(SEND) || troubled() == 1))
        return -1;
    return real(fd, parts, count);
}

ssize_t send(int fd, const void *from, size_t size, int flags)
{
    REAL(send);
    int trouble = fails(SEND) ? 1 : troubled();

    return trouble == 1 ? -1 : real(fd, from, trouble == 2 ? shorter(size, 1) : size, flags);
}

/* ---- files ---- */

int openat(int directory, const char *path, int flags, ...)
{
    REAL(openat);
    va_list rest;
    mode_t mode;

    va_start(rest, flags);
    mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (fails(OPEN))
        return -1;
    if (!(flags & (O_PATH | O_DIRECTORY)) && troubled() == 1)
        return -1;
    return real(directory, path, flags, mode);
}

ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
    REAL(pread);
    int trouble = fails(READ) ? 1 : troubled();

    return trouble == 1
               ? -1
               : real(fd, to, trouble == 2 ? shorter(size, unit_of(fd)) : size, offset);
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    REAL(preadv2);
    int trouble = fails(READ) ? 1 : troubled();
    struct iovec part = parts[0];

    if (trouble == 1)
        return -1;
    if (trouble == 2 && count == 1)
        part.iov_len = shorter(part.iov_len, 1);
    return real(fd, count == 1 ? &part : parts, count, offset, flags);
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t offset)
{
    REAL(pwrite);
    int trouble = fails(WRITE) ? 1 : troubled();

    return trouble == 1
               ? -1
               : real(fd, from, trouble == 2 ? shorter(size, unit_of(fd)) : size, offset);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return fails(SYNC) ? -1 : real(fd);
}

int fsync(int fd)
{
    REAL(fsync);
    return fails(SYNC) ? -1 : real(fd);
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);
    return fails(SIZE) || troubled() == 1 ? -1 : real(fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    REAL(fallocate);
    return fails(SIZE) || troubled() == 1 ? -1 : real(fd, mode, offset, size);
}
