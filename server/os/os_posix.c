/* os_posix.c - files, clock, chance and memory of a real machine.
 *
 * Each function tries until it is done (short reads and writes, EINTR), and
 * translates errno on the line where it arrives. What a person should know of a
 * failure goes to the report, what our code should do is the error returned. */
#include "server/os/os_posix.h"

#include "server/base/assert.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PATH_PART_BYTES_MAX 255
#define ZEROS_BYTES (64 * 1024)
#define SHORT_READS_MAX 100 /* in one read, of blocks that come by half */

struct os_posix {
    struct os os;  /* first: the table is at this address */
    int directory; /* owned; the data directory */
    os_posix_report *report;
    void *report_context;
    void (*submit)(void *context, struct os_job *job);
    void *submit_context;
    struct list_link queued; /* jobs, when they are run inline */
};

struct os_file {
    struct os_posix *posix; /* borrowed */
    int fd;                 /* owned */
    atomic_bool no_nowait;  /* the file system knows no RWF_NOWAIT */
    atomic_bool uncached;   /* opened with O_DIRECT */
    char path[];            /* for reports */
};

static struct os_posix *posix_of(struct os *os)
{
    return (struct os_posix *)(void *)os;
}

/* What our code is told of errno. */
static enum err error_from(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR: return ERR_NOT_FOUND;
    case EEXIST: return ERR_LOCKED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ERR_NO_SPACE;
    case ENOMEM:
    case EMFILE:
    case ENFILE: return ERR_NOMEM;
    default: return ERR_IO;
    }
}

/* Translate and tell. */
static enum err posix_error(struct os_posix *posix, const char *operation, const char *path,
                            int number)
{
    enum err e = error_from(number);

    if (e != ERR_NOT_FOUND && e != ERR_LOCKED && posix->report)
        posix->report(posix->report_context, operation, path, number);
    return e;
}

static enum err file_error(struct os_file *file, const char *operation, int number)
{
    return posix_error(file->posix, operation, file->path, number);
}

/* close may say EINTR or EIO; the descriptor is gone all the same, and whoever
 * needed the bytes has synced them before. */
static void fd_close(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

/* ---- paths ---- */

/* A place below the data directory: a directory's descriptor and a name in it. */
struct place {
    int directory; /* the data directory's own, or owned if opened is set */
    bool opened;
    const char *name; /* points into the path */
};

static void place_fini(struct place *place)
{
    if (place->opened)
        fd_close(place->directory);
}

/* Go down to the last part. On failure errno is returned, 0 means found. */
static int place_init(struct place *place, struct os_posix *posix, const char *path)
{
    const char *slash;

    *place = (struct place){.directory = posix->directory};
    ASSERT(path[0] != '/');
    while ((slash = strchr(path, '/')) != NULL) {
        char part[PATH_PART_BYTES_MAX + 1];
        size_t size = (size_t)(slash - path);
        int next;

        ASSERT(size > 0 && size < sizeof part);
        memcpy(part, path, size);
        part[size] = 0;
        ASSERT(strcmp(part, "..") != 0);
        next = openat(place->directory, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0) {
            int number = errno;

            place_fini(place);
            return number;
        }
        place_fini(place);
        place->directory = next;
        place->opened = true;
        path = slash + 1;
    }
    ASSERT(strcmp(path, "..") != 0);
    place->name = path;
    return 0;
}

/* A readable descriptor of a directory; "" is the data directory. */
static int directory_open(struct os_posix *posix, const char *path, int *fd)
{
    struct place place;
    int number = place_init(&place, posix, path);

    *fd = -1;
    if (number)
        return number;
    *fd = openat(place.directory, place.name[0] ? place.name : ".",
                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    number = *fd < 0 ? errno : 0;
    place_fini(&place);
    return number;
}

/* ---- files ---- */

static int open_flags(unsigned flags)
{
    int system = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

    system |= flags & OS_WRITE ? O_RDWR : O_RDONLY;
    if (flags & OS_CREATE)
        system |= O_CREAT;
    if ((flags & OS_CREATE) && (flags & OS_EXCLUSIVE))
        system |= O_EXCL;
    if (flags & OS_UNCACHED)
        system |= O_DIRECT;
    return system;
}

/* A directory, pipe or device in a file's place is no file of ours. */
static int fd_check_regular(int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return errno;
    return S_ISREG(status.st_mode) ? 0 : EISDIR;
}

/* Returns errno; 0 is good. */
static int fd_open(const struct place *place, int flags, int *fd)
{
    do
        *fd = openat(place->directory, place->name, flags, 0600);
    while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? errno : 0;
}

static enum err posix_file_open(struct os *os, const char *path, unsigned flags,
                                struct os_file **out)
{
    struct os_posix *posix = posix_of(os);
    struct os_file *file = NULL;
    struct place place;
    int fd = -1;
    int number;

    ASSERT(flags & (OS_READ | OS_WRITE));
    *out = NULL;
    number = place_init(&place, posix, path);
    if (number)
        return posix_error(posix, "open", path, number);
    file = malloc(sizeof *file + strlen(path) + 1);
    if (!file) {
        number = ENOMEM;
        goto done;
    }
    number = fd_open(&place, open_flags(flags), &fd);
    if (number == EINVAL && flags & OS_UNCACHED) {
        flags &= ~(unsigned)OS_UNCACHED; /* the file system cannot read past its memory */
        number = fd_open(&place, open_flags(flags), &fd);
    }
    if (!number)
        number = fd_check_regular(fd);
    if (number)
        goto done;
    file->posix = posix;
    file->fd = fd;
    atomic_init(&file->no_nowait, false);
    atomic_init(&file->uncached, flags & OS_UNCACHED);
    memcpy(file->path, path, strlen(path) + 1);
    *out = file;
    file = NULL;
    fd = -1;
done:
    fd_close(fd);
    free(file);
    place_fini(&place);
    return number ? posix_error(posix, "open", path, number) : ERR_OK;
}

static void posix_file_close(struct os_file *file)
{
    if (!file)
        return;
    fd_close(file->fd);
    free(file);
}

/* A file system may take O_DIRECT and then refuse to read so (a larger block, a layer on
 * top). False: it was not that. */
static bool file_cache(struct os_file *file)
{
    int flags = fcntl(file->fd, F_GETFL);

    if (!atomic_exchange(&file->uncached, false) || flags < 0)
        return false;
    return fcntl(file->fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

static enum err posix_file_size(struct os_file *file, uint64_t *out)
{
    struct stat status;

    *out = 0;
    if (fstat(file->fd, &status) != 0)
        return file_error(file, "stat", errno);
    *out = (uint64_t)status.st_size;
    return ERR_OK;
}

/* An uncached read has ended within a block, behind which nothing can be asked for. ERR_END: it is
 * the end of the file; ERR_OK: the block is asked for again, which *count bounds. */
static enum err file_read_short(struct os_file *file, uint64_t offset, size_t *got,
                                unsigned *count)
{
    uint64_t size;
    enum err e = posix_file_size(file, &size);

    if (e || offset + *got >= size)
        return e ? e : ERR_END;
    *got -= *got % OS_UNCACHED_BYTES;
    return ++*count < SHORT_READS_MAX ? ERR_OK : file_error(file, "read", EIO);
}

static enum err posix_file_read(struct os_file *file, uint64_t offset, void *to, size_t size,
                                size_t *got)
{
    unsigned shorts = 0;
    enum err e;

    *got = 0;
    while (*got < size) {
        ssize_t n = pread(file->fd, (uint8_t *)to + *got, size - *got, (off_t)(offset + *got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EINVAL && file_cache(file))
            continue;
        if (n < 0)
            return file_error(file, "read", errno);
        *got += (size_t)n;
        if (n == 0)
            break;
        if (!file->uncached || *got % OS_UNCACHED_BYTES == 0)
            continue;
        e = file_read_short(file, offset, got, &shorts);
        if (e)
            return e == ERR_END ? ERR_OK : e;
    }
    return ERR_OK;
}

/* Where the file system cannot say whether it would wait, a worker asks it. */
static enum err posix_file_read_nowait(struct os_file *file, uint64_t offset, void *to,
                                       size_t size, size_t *got)
{
    *got = 0;
    if (atomic_load_explicit(&file->no_nowait, memory_order_relaxed))
        return ERR_WAIT;
    while (*got < size) {
        struct iovec part = {(uint8_t *)to + *got, size - *got};
        ssize_t n = preadv2(file->fd, &part, 1, (off_t)(offset + *got), RWF_NOWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int number = errno;

            *got = 0;
            if (number == EAGAIN)
                return ERR_WAIT;
            if (number != EOPNOTSUPP && number != ENOSYS)
                return file_error(file, "read", number);
            atomic_store_explicit(&file->no_nowait, true, memory_order_relaxed);
            return ERR_WAIT;
        }
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return ERR_OK;
}

static enum err posix_file_write(struct os_file *file, uint64_t offset, const void *from,
                                 size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n =
            pwrite(file->fd, (const uint8_t *)from + done, size - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_error(file, "write", errno);
        if (n == 0)
            return file_error(file, "write", EIO); /* the system makes no progress */
        done += (size_t)n;
    }
    return ERR_OK;
}

/* fdatasync, not fsync: on Linux it also writes the file's size and the map of its
 * blocks whenever they are needed to read the data back, so a file that grew is
 * safe; only times are left out. Never tried again, not even after EINTR: what a
 * failed sync covered may be marked clean without being on the disk. */
static enum err posix_file_sync(struct os_file *file)
{
    return fdatasync(file->fd) == 0 ? ERR_OK : file_error(file, "sync", errno);
}

static enum err posix_file_truncate(struct os_file *file, uint64_t size)
{
    int result;

    do
        result = ftruncate(file->fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result == 0 ? ERR_OK : file_error(file, "truncate", errno);
}

/* For file systems without fallocate: write zeros behind the end. What is before
 * it has space already, as long as no truncate made the file longer. */
static enum err file_fill(struct os_file *file, uint64_t size)
{
    uint64_t at;
    uint8_t *zeros;
    enum err e = posix_file_size(file, &at);

    if (e)
        return e;
    zeros = calloc(1, ZEROS_BYTES);
    if (!zeros)
        return file_error(file, "allocate", ENOMEM);
    while (!e && at < size) {
        size_t part = size - at < ZEROS_BYTES ? (size_t)(size - at) : ZEROS_BYTES;

        e = posix_file_write(file, at, zeros, part);
        at += part;
    }
    free(zeros);
    return e;
}

static enum err posix_file_allocate(struct os_file *file, uint64_t size)
{
    int result;

    if (size == 0)
        return ERR_OK; /* which fallocate calls invalid */
    do
        result = fallocate(file->fd, 0, 0, (off_t)size);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return ERR_OK;
    if (errno == EOPNOTSUPP || errno == ENOSYS)
        return file_fill(file, size);
    return file_error(file, "allocate", errno);
}

static enum err posix_file_punch(struct os_file *file, uint64_t offset, uint64_t size)
{
    int result;

    if (size == 0)
        return ERR_OK; /* which fallocate calls invalid */
    do
        result = fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                           (off_t)size);
    while (result != 0 && errno == EINTR);
    if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
        return ERR_OK;
    return file_error(file, "punch", errno);
}

/* A lock of the open file, not of the process: it ends when the descriptor is
 * closed, by a kill too, so no stale lock can block a start; and another open of
 * the same file in this process does not drop it, as with plain POSIX locks. */
static enum err posix_file_lock(struct os_file *file)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(file->fd, F_OFD_SETLK, &lock) == 0)
        return ERR_OK;
    if (errno == EAGAIN || errno == EACCES)
        return ERR_LOCKED;
    return file_error(file, "lock", errno);
}

/* ---- directories ---- */

/* flock, since a directory cannot be opened for writing, which the other kind of lock asks for.
 * It is of the open directory, too, and ends with its descriptor. Network file systems know
 * none for directories: there the lock of the data file has to do. */
static enum err posix_dir_lock(struct os *os, struct os_file **out)
{
    struct os_posix *posix = posix_of(os);
    struct os_file *file = calloc(1, sizeof *file + 1);
    int number = file ? directory_open(posix, "", &file->fd) : ENOMEM;
    int result = -1;

    *out = NULL;
    if (!number) {
        file->posix = posix;
        do
            result = flock(file->fd, LOCK_EX | LOCK_NB);
        while (result != 0 && errno == EINTR);
        if (result == 0)
            *out = file;
        else if (errno == EWOULDBLOCK)
            number = EEXIST; /* which reads ERR_LOCKED */
        else if (errno != EBADF && errno != EINVAL && errno != ENOLCK && errno != EOPNOTSUPP)
            number = errno;
    }
    if (file && !*out) {
        fd_close(file->fd);
        free(file);
    }
    return number ? posix_error(posix, "lock directory", "", number) : ERR_OK;
}

static enum err posix_file_rename(struct os *os, const char *from, const char *to)
{
    struct os_posix *posix = posix_of(os);
    struct place source, target;
    int number = place_init(&source, posix, from);

    if (number)
        return posix_error(posix, "rename", from, number);
    number = place_init(&target, posix, to);
    if (!number) {
        if (renameat(source.directory, source.name, target.directory, target.name) != 0)
            number = errno;
        place_fini(&target);
    }
    place_fini(&source);
    return number ? posix_error(posix, "rename", from, number) : ERR_OK;
}

static enum err posix_file_remove(struct os *os, const char *path)
{
    struct os_posix *posix = posix_of(os);
    struct place place;
    int number = place_init(&place, posix, path);

    if (!number) {
        if (unlinkat(place.directory, place.name, 0) != 0)
            number = errno;
        place_fini(&place);
    }
    return number ? posix_error(posix, "remove", path, number) : ERR_OK;
}

static enum err posix_dir_make(struct os *os, const char *path)
{
    struct os_posix *posix = posix_of(os);
    struct place place;
    struct stat status;
    int number = place_init(&place, posix, path);

    if (!number) {
        if (mkdirat(place.directory, place.name, 0700) != 0)
            number = errno;
        if (number == EEXIST &&
            fstatat(place.directory, place.name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            number = S_ISDIR(status.st_mode) ? 0 : EIO;
        place_fini(&place);
    }
    return number ? posix_error(posix, "make directory", path, number) : ERR_OK;
}

static enum err posix_dir_sync(struct os *os, const char *path)
{
    struct os_posix *posix = posix_of(os);
    int fd;
    int number = directory_open(posix, path, &fd);

    if (!number && fsync(fd) != 0)
        number = errno;
    fd_close(fd);
    return number ? posix_error(posix, "sync directory", path, number) : ERR_OK;
}

static enum err posix_dir_list(struct os *os, const char *path,
                               void (*each)(void *context, const char *name), void *context)
{
    struct os_posix *posix = posix_of(os);
    DIR *directory = NULL;
    int fd;
    int number = directory_open(posix, path, &fd);

    if (number)
        return posix_error(posix, "list", path, number);
    directory = fdopendir(fd);
    if (!directory) {
        number = errno;
        fd_close(fd);
        return posix_error(posix, "list", path, number);
    }
    for (;;) {
        const struct dirent *entry;

        errno = 0;
        entry = readdir(directory);
        if (!entry) {
            number = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(context, entry->d_name);
    }
    closedir(directory); /* and fd with it */
    return number ? posix_error(posix, "list", path, number) : ERR_OK;
}

static enum err posix_disk_free(struct os *os, uint64_t *out)
{
    struct os_posix *posix = posix_of(os);
    struct statvfs status;

    *out = 0;
    if (fstatvfs(posix->directory, &status) != 0)
        return posix_error(posix, "statvfs", "", errno);
    *out = (uint64_t)status.f_bavail * status.f_frsize;
    return ERR_OK;
}

/* ---- clock, chance, memory ---- */

static uint64_t posix_now_ns(struct os *os)
{
    struct timespec now;
    int result = clock_gettime(CLOCK_MONOTONIC, &now);

    ASSERT(result == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t posix_day_ms(struct os *os)
{
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);

    ASSERT(result == 0);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void posix_random(struct os *os, void *to, size_t size)
{
    uint8_t *at = to;

    while (size > 0) {
        ssize_t n = getrandom(at, size, 0);

        ASSERT(n > 0 || errno == EINTR); /* no chance, no secrets: better to stop */
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
}

static void *posix_alloc(struct os *os, size_t size)
{
    return malloc(size ? size : 1);
}

static void posix_free(struct os *os, void *memory, size_t size)
{
    free(memory);
}

/* ---- jobs ---- */

static void posix_job_submit(struct os *os, struct os_job *job)
{
    struct os_posix *posix = posix_of(os);

    ASSERT(posix->submit && job->run && job->done && job->lane < OS_LANE_COUNT);
    posix->submit(posix->submit_context, job);
}

void os_posix_set_jobs(struct os_posix *posix,
                       void (*submit)(void *context, struct os_job *job), void *context)
{
    ASSERT(list_is_empty(&posix->queued));
    posix->submit = submit;
    posix->submit_context = context;
}

static void inline_submit(void *context, struct os_job *job)
{
    struct os_posix *posix = context;

    list_push_back(&posix->queued, &job->in_lane);
}

void os_posix_run_jobs_inline(struct os_posix *posix)
{
    os_posix_set_jobs(posix, inline_submit, posix);
}

bool os_posix_step(struct os_posix *posix)
{
    struct list_link *link = list_first(&posix->queued);
    struct os_job *job;

    if (!link)
        return false;
    list_remove(link);
    job = LIST_ENTRY(link, struct os_job, in_lane);
    job->run(job);
    job->done(job); /* the job may be gone after this */
    return true;
}

/* ---- the table itself ---- */

static const struct os_ops posix_ops = {
    .file_open = posix_file_open,
    .file_close = posix_file_close,
    .file_read = posix_file_read,
    .file_read_nowait = posix_file_read_nowait,
    .file_write = posix_file_write,
    .file_sync = posix_file_sync,
    .file_size = posix_file_size,
    .file_truncate = posix_file_truncate,
    .file_allocate = posix_file_allocate,
    .file_punch = posix_file_punch,
    .file_lock = posix_file_lock,
    .file_rename = posix_file_rename,
    .file_remove = posix_file_remove,
    .dir_lock = posix_dir_lock,
    .dir_make = posix_dir_make,
    .dir_sync = posix_dir_sync,
    .dir_list = posix_dir_list,
    .disk_free = posix_disk_free,
    .now_ns = posix_now_ns,
    .day_ms = posix_day_ms,
    .random = posix_random,
    .alloc = posix_alloc,
    .free = posix_free,
    .job_submit = posix_job_submit,
};

/* Make the new directory's name durable in its parent. */
static int parent_sync(int directory)
{
    int fd = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int number = 0;

    if (fd < 0)
        return errno == EACCES ? 0 : errno; /* not ours to read, so not ours to sync */
    if (fsync(fd) != 0)
        number = errno;
    fd_close(fd);
    return number;
}

/* Open, and make if asked for. Returns errno; 0 is good. */
static int data_open(const char *directory, bool create, int *out)
{
    bool made = false;
    int number;

    if (create) {
        made = mkdir(directory, 0700) == 0;
        if (!made && errno != EEXIST)
            return errno;
    }
    *out = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out < 0)
        return errno;
    number = made ? parent_sync(*out) : 0;
    return number;
}

enum err os_posix_open(const char *directory, bool create, struct os_posix **out, char *why,
                       size_t why_size)
{
    struct os_posix *posix = NULL;
    struct stat status;
    int fd = -1;
    int number;
    enum err e = ERR_OK;

    *out = NULL;
    if (why_size > 0)
        why[0] = 0;
    number = data_open(directory, create, &fd);
    if (!number && fstat(fd, &status) != 0)
        number = errno;
    if (number) {
        snprintf(why, why_size, "data directory %s: %s%s", directory, strerror(number),
                 number == ENOENT && create ? "; create its parent directory first" : "");
        e = error_from(number);
        goto done;
    }
    if (status.st_mode & S_IWOTH) {
        snprintf(why, why_size, "data directory %s is world-writable; run chmod 0700",
                 directory);
        e = ERR_IO;
        goto done;
    }
    posix = malloc(sizeof *posix);
    if (!posix) {
        snprintf(why, why_size, "data directory %s: out of memory", directory);
        e = ERR_NOMEM;
        goto done;
    }
    *posix = (struct os_posix){.os.ops = &posix_ops, .directory = fd};
    list_init(&posix->queued);
    fd = -1;
    *out = posix;
done:
    fd_close(fd);
    return e;
}

void os_posix_close(struct os_posix *posix)
{
    if (!posix)
        return;
    ASSERT(list_is_empty(&posix->queued));
    fd_close(posix->directory);
    free(posix);
}

struct os *os_posix_table(struct os_posix *posix)
{
    return &posix->os;
}

void os_posix_set_report(struct os_posix *posix, os_posix_report *report, void *context)
{
    posix->report = report;
    posix->report_context = context;
}
