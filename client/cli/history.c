#include "client/cli/history.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool history_path(char *path, size_t room)
{
    const char *given = getenv("HOLDFAST_HISTORY"), *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int size;

    if (given)
        size = snprintf(path, room, "%s", given);
    else if (state && state[0] == '/')
        size = snprintf(path, room, "%s/holdfast/history", state);
    else if (home && home[0] == '/')
        size = snprintf(path, room, "%s/.local/state/holdfast/history", home);
    else
        return false;
    return size > 0 && (size_t)size < room;
}

bool history_keeps(const char *line)
{
    return line[0] != ' ' && line[0] != '\0' && !strcasestr(line, "password");
}

/* All lines as they stand, or NULL; *count gets how many. */
static char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "re");
    char *text = NULL;
    long end;

    if (!f)
        return NULL;
    if (fseek(f, 0, SEEK_END) == 0 && (end = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0)
        text = malloc((size_t)end + 1);
    if (text) {
        *size = fread(text, 1, (size_t)end, f);
        text[*size] = '\0';
    }
    fclose(f);
    return text;
}

/* Where the last HISTORY_LINES lines begin; *count gets how many there are in all. */
static char *last_lines(char *text, size_t size, size_t *count)
{
    char *at = text + size;
    size_t lines = 0;

    *count = 0;
    for (const char *c = text; c < text + size; c++)
        *count += *c == '\n';
    if (at > text && at[-1] == '\n')
        at--;
    while (at > text && (at[-1] != '\n' || ++lines < HISTORY_LINES))
        at--;
    return at;
}

/* Write the file anew with what is kept. */
static void cut(const char *path, const char *kept)
{
    char beside[4096];
    int fd;
    bool ok;

    if ((size_t)snprintf(beside, sizeof beside, "%s.%ld", path, (long)getpid()) >=
        sizeof beside)
        return;
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    ok = write(fd, kept, strlen(kept)) == (ssize_t)strlen(kept);
    close(fd);
    if (!ok || rename(beside, path) != 0)
        unlink(beside);
}

void history_load(const char *path, void (*take)(void *ctx, const char *line), void *ctx)
{
    size_t size = 0, count;
    char *text = read_file(path, &size), *from, *rest, *line;

    if (!text)
        return;
    from = last_lines(text, size, &count);
    if (count >= 2 * HISTORY_LINES)
        cut(path, from);
    rest = from;
    while ((line = strsep(&rest, "\n")) != NULL)
        if (line[0] != '\0')
            take(ctx, line);
    free(text);
}

/* The directories above path. */
static void make_directories(char *path)
{
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
}

void history_append(const char *path, const char *line)
{
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC;
    size_t size = strlen(line);
    char *copy = malloc(size + 1), *directory = strdup(path);
    int fd = open(path, flags, 0600);

    if (fd < 0 && directory) {
        make_directories(directory);
        fd = open(path, flags, 0600);
    }
    if (fd >= 0 && copy) {
        memcpy(copy, line, size);
        copy[size] = '\n';
        fchmod(fd, 0600);
        if (write(fd, copy, size + 1) != (ssize_t)size + 1)
            lseek(fd, 0, SEEK_END); /* the disk is full: this line is lost */
    }
    if (fd >= 0)
        close(fd);
    free(copy);
    free(directory);
}
