#include "client/cli/out_file.h"
#include "client/cli/gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The permissions of the file that is replaced, or those of any new file. */
static mode_t beside_mode(const struct out_file *b)
{
    struct stat info;
    mode_t mask;

    if (stat(b->target, &info) == 0)
        return info.st_mode & 0777;
    mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

/* NULL: errno. */
static FILE *beside_open(struct out_file *b, const char *path)
{
    FILE *file;
    int fd, n;

    if (!realpath(path, b->target))
        snprintf(b->target, sizeof b->target, "%s", path);
    n = snprintf(b->partial, sizeof b->partial, "%s.partial-XXXXXX", b->target);
    if (n < 0 || (size_t)n >= sizeof b->partial) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    fd = mkostemp(b->partial, O_CLOEXEC);
    if (fd < 0)
        return NULL;
    file = fdopen(fd, "w");
    if (!file || fchmod(fd, beside_mode(b)) != 0) {
        int e = errno;

        unlink(b->partial);
        if (file)
            fclose(file);
        else
            close(fd);
        errno = e;
        return NULL;
    }
    return file;
}

/* Whether path is there and no file that one could replace: a device, a pipe, a folder. */
static bool is_special(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

/* The file that bytes go to in the end. NULL: errno. */
static FILE *open_lower(struct out_file *f, struct cli *cli)
{
    bool special;

    if (strcmp(f->path, "-") == 0)
        return cli->out;
    special = is_special(f->path);
    f->keeps = !special;
    return special ? fopen(f->path, "we") : beside_open(f, f->path);
}

bool out_file_open(struct out_file *f, struct cli *cli, const char *path, bool gzip)
{
    memset(f, 0, sizeof *f);
    f->path = path;
    f->lower = open_lower(f, cli);
    if (!f->lower) {
        cli_usage(cli, "cannot open %s: %s", path, strerror(errno));
        return false;
    }
    f->out = gzip ? gzip_writer(f->lower) : f->lower;
    if (f->out)
        return true;
    cli_usage(cli, "out of memory");
    out_file_close(f, cli, CLI_USAGE);
    return false;
}

/* Let everything out. False: errno. */
static bool finish(struct out_file *f, struct cli *cli, bool sync)
{
    bool ok = !f->out || (fflush(f->out) == 0 && !ferror(f->out));
    int e = ok ? 0 : errno;

    if (f->out && f->out != f->lower && fclose(f->out) != 0 && !e)
        e = errno;
    if ((fflush(f->lower) != 0 || ferror(f->lower)) && !e)
        e = errno;
    if (sync && !e && fsync(fileno(f->lower)) != 0)
        e = errno;
    if (f->lower != cli->out && fclose(f->lower) != 0 && !e)
        e = errno;
    errno = e;
    return e == 0;
}

int out_file_close(struct out_file *f, struct cli *cli, int exit_code)
{
    if (!finish(f, cli, f->keeps))
        exit_code = cli_usage(cli, "cannot write %s: %s", f->path, strerror(errno));
    if (f->keeps && exit_code == CLI_OK && rename(f->partial, f->target) != 0)
        exit_code = cli_usage(cli, "cannot replace %s: %s", f->path, strerror(errno));
    if (f->keeps && exit_code != CLI_OK)
        unlink(f->partial);
    return exit_code;
}
