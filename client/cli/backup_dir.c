/* backup_dir.c - see backup_dir.h. */
#include "client/cli/backup_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES (1u << 20)

static int failed(const struct backup_dir *d, const char *what)
{
    return cli_usage(d->cli, "%s: %s: %s", d->path, what, strerror(errno));
}

static int damaged(struct cli *cli, const char *path, const struct backup_reader *r)
{
    return cli_usage(cli, "%s/%s: %s (offset %llu)", path, BACKUP_FILE, r->why,
                     (unsigned long long)r->why_at);
}

/* ---- writing ---- */

int backup_dir_begin(struct backup_dir *d, struct cli *cli, const char *path)
{
    memset(d, 0, sizeof *d);
    d->cli = cli;
    d->path = path;
    d->fd = d->file = -1;
    backup_reader_init(&d->reader, NULL);
    if (mkdir(path, 0700) == 0)
        d->made = true;
    else if (errno != EEXIST)
        return failed(d, "cannot create the directory");
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0)
        return failed(d, "cannot open the directory");
    if (faccessat(d->fd, BACKUP_FILE, F_OK, 0) == 0)
        return cli_usage(
            cli, "%s already holds a backup; each backup has a directory of its own", path);
    unlinkat(d->fd, BACKUP_BASE_FILE, 0); /* of one that was not finished */
    d->file = openat(d->fd, BACKUP_FILE_PART, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return d->file < 0 ? failed(d, "cannot create the file " BACKUP_FILE_PART) : CLI_OK;
}

static int write_all(const struct backup_dir *d, int fd, struct slice bytes)
{
    while (bytes.size) {
        ssize_t n = write(fd, bytes.data, bytes.size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(d, "cannot write");
        bytes.data += n;
        bytes.size -= (size_t)n;
    }
    return CLI_OK;
}

int backup_dir_write(struct backup_dir *d, struct slice bytes)
{
    if (backup_reader_feed(&d->reader, bytes) != ERR_OK)
        return cli_usage(d->cli, "the server sent a damaged backup: %s (offset %llu)",
                         d->reader.why, (unsigned long long)d->reader.why_at);
    return write_all(d, d->file, bytes);
}

/* How to find the base again: beside this one, by its name; else by its whole path. */
static int write_base(const struct backup_dir *d, const char *base)
{
    char ours[PATH_MAX], theirs[PATH_MAX], line[PATH_MAX + 8];
    char *ours_at, *theirs_at;
    int fd, exit_code;

    if (!realpath(d->path, ours) || !realpath(base, theirs))
        return failed(d, "cannot find the base");
    ours_at = strrchr(ours, '/');
    theirs_at = strrchr(theirs, '/');
    if (ours_at - ours == theirs_at - theirs &&
        strncmp(ours, theirs, (size_t)(ours_at - ours)) == 0)
        snprintf(line, sizeof line, "../%s\n", theirs_at + 1);
    else
        snprintf(line, sizeof line, "%s\n", theirs);
    fd = openat(d->fd, BACKUP_BASE_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(d, "cannot create the file " BACKUP_BASE_FILE);
    exit_code = write_all(d, fd, slice_text(line));
    if (exit_code == CLI_OK && fsync(fd) != 0)
        exit_code = failed(d, "cannot sync");
    close(fd);
    return exit_code;
}

/* All of the file through a reader. */
static int read_back(struct cli *cli, const char *path, int fd, struct progress *progress,
                     struct backup_reader *r)
{
    uint8_t *buffer = malloc(READ_BYTES);
    int exit_code = CLI_OK;
    ssize_t n;

    if (!buffer)
        return cli_usage(cli, "out of memory");
    backup_reader_init(r, NULL);
    while ((n = pread(fd, buffer, READ_BYTES, (off_t)r->offset)) != 0 && exit_code == CLI_OK) {
        if (n < 0 && errno != EINTR)
            exit_code = cli_usage(cli, "%s: cannot read: %s", path, strerror(errno));
        else if (n > 0 && backup_reader_feed(r, slice_make(buffer, (size_t)n)) != ERR_OK)
            exit_code = damaged(cli, path, r);
        progress_update(progress, r->offset, r->pages);
    }
    if (exit_code == CLI_OK && backup_reader_end(r) != ERR_OK)
        exit_code = damaged(cli, path, r);
    free(buffer);
    return exit_code;
}

int backup_dir_end(struct backup_dir *d, const char *base, struct progress *progress)
{
    struct backup_header sent = d->reader.header;
    int exit_code = CLI_OK;

    if (backup_reader_end(&d->reader) != ERR_OK)
        return cli_usage(d->cli, "the server sent an incomplete backup");
    if (fsync(d->file) != 0)
        return failed(d, "cannot sync");
    posix_fadvise(d->file, 0, 0, POSIX_FADV_DONTNEED); /* so that the disk is read */
    exit_code = read_back(d->cli, d->path, d->file, progress, &d->reader);
    if (exit_code == CLI_OK &&
        (sent.root != d->reader.header.root || sent.commit != d->reader.header.commit))
        exit_code = cli_usage(d->cli, "%s differs from what was written", d->path);
    if (exit_code == CLI_OK && base)
        exit_code = write_base(d, base);
    if (exit_code == CLI_OK && renameat(d->fd, BACKUP_FILE_PART, d->fd, BACKUP_FILE) != 0)
        exit_code = failed(d, "cannot rename " BACKUP_FILE_PART);
    if (exit_code == CLI_OK && fsync(d->fd) != 0)
        exit_code = failed(d, "cannot sync the directory");
    return exit_code;
}

void backup_dir_fini(struct backup_dir *d, bool keep)
{
    if (d->file >= 0) {
        close(d->file);
        if (!keep) {
            unlinkat(d->fd, BACKUP_FILE_PART, 0);
            unlinkat(d->fd, BACKUP_BASE_FILE, 0);
        }
    }
    if (d->fd >= 0)
        close(d->fd);
    if (!keep && d->made)
        rmdir(d->path);
    d->file = d->fd = -1;
}

/* ---- reading ---- */

static int open_pages(struct cli *cli, const char *path)
{
    char file[PATH_MAX];
    int fd, n = snprintf(file, sizeof file, "%s/" BACKUP_FILE, path);

    errno = ENAMETOOLONG;
    fd = n > 0 && (size_t)n < sizeof file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        cli_usage(cli, "%s contains no complete backup: %s: %s", path, BACKUP_FILE,
                  strerror(errno));
    return fd;
}

int backup_dir_verify(struct cli *cli, const char *path, struct progress *progress,
                      struct backup_reader *out)
{
    int fd = open_pages(cli, path), exit_code;
    struct stat status;

    if (fd < 0)
        return CLI_USAGE;
    if (fstat(fd, &status) == 0)
        progress->total = (uint64_t)status.st_size;
    exit_code = read_back(cli, path, fd, progress, out);
    close(fd);
    return exit_code;
}

int backup_dir_header(struct cli *cli, const char *path, struct backup_header *out)
{
    struct backup_reader *r = malloc(sizeof *r);
    uint8_t bytes[BACKUP_HEADER_BYTES];
    int fd = r ? open_pages(cli, path) : -1, exit_code = CLI_USAGE;
    ssize_t n;

    if (fd >= 0) {
        backup_reader_init(r, NULL);
        n = pread(fd, bytes, sizeof bytes, 0);
        exit_code = CLI_OK;
        if (n < 0)
            exit_code = cli_usage(cli, "%s: cannot read: %s", path, strerror(errno));
        else if (backup_reader_feed(r, slice_make(bytes, (size_t)n)) != ERR_OK)
            exit_code = damaged(cli, path, r);
        else if (!r->has_header)
            exit_code = cli_usage(cli, "%s/%s is truncated", path, BACKUP_FILE);
        *out = r->header;
        close(fd);
    }
    free(r);
    return exit_code;
}
