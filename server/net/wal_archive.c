/* wal_archive.c - see wal_archive.h.
 *
 * A segment is copied under another name, synced, and renamed, so that whatever has a segment's
 * name is whole. Its file is used again in place, so a link would not do. One that is there
 * already must be the same: the archive of another database is not written to. */
#include "server/net/wal_archive.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COPY_BYTES (1u << 20)
#define HEADER_BYTES 4096u
#define COMMAND_BYTES (OPTION_TEXT_BYTES + 2 * PATH_MAX)

extern char **environ;

/* ---- the directory ---- */

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static enum err copy_all(struct os *from, struct os_file *in, struct os *to,
                         struct os_file *out)
{
    uint8_t *buffer = malloc(COPY_BYTES);
    uint64_t at = 0;
    size_t got = 0;
    enum err e = buffer ? ERR_OK : ERR_NOMEM;

    do {
        if (!e)
            e = from->ops->file_read(in, at, buffer, COPY_BYTES, &got);
        if (!e && got)
            e = to->ops->file_write(out, at, buffer, got);
        at += got;
    } while (!e && got == COPY_BYTES);
    free(buffer);
    return e ? e : to->ops->file_sync(out);
}

static enum err copy(struct os *from, struct os_file *in, struct os *to, const char *name)
{
    struct os_file *out = NULL;
    char part[64];
    enum err e;

    snprintf(part, sizeof part, "%s.part", name);
    e = os_file_open(to, part, OS_WRITE | OS_CREATE, &out);
    if (!e)
        e = to->ops->file_truncate(out, 0);
    if (!e)
        e = copy_all(from, in, to, out);
    if (out)
        to->ops->file_close(out);
    if (!e)
        e = to->ops->file_rename(to, part, name);
    return e ? e : to->ops->dir_sync(to, "");
}

/* ERR_OK: it is there; ERR_NOT_FOUND: it is not; ERR_CORRUPT: another one is. */
static enum err look(struct os *from, struct os_file *in, struct os *to, const char *name)
{
    uint8_t ours[HEADER_BYTES] = {0}, theirs[HEADER_BYTES] = {1};
    uint64_t size = 0, kept_size = 0;
    struct os_file *kept;
    size_t got;
    enum err e = os_file_open(to, name, OS_READ, &kept);

    if (e)
        return e;
    e = from->ops->file_size(in, &size);
    if (!e)
        e = to->ops->file_size(kept, &kept_size);
    if (!e)
        e = from->ops->file_read(in, 0, ours, sizeof ours, &got);
    if (!e)
        e = to->ops->file_read(kept, 0, theirs, sizeof theirs, &got);
    to->ops->file_close(kept);
    if (!e && (size != kept_size || memcmp(ours, theirs, sizeof ours) != 0))
        e = ERR_CORRUPT;
    return e;
}

static enum err keep_in_directory(const struct wal_archive *a, struct os *os, const char *path)
{
    struct os *to = os_posix_table(a->directory);
    struct os_file *in;
    enum err e = os_file_open(os, path, OS_READ, &in);

    if (e)
        return e;
    e = look(os, in, to, name_of(path));
    if (e == ERR_NOT_FOUND)
        e = copy(os, in, to, name_of(path));
    os->ops->file_close(in);
    return e;
}

/* ---- the command ---- */

/* %p is the segment's path, %f its name, %% a percent sign. false: too long. */
static bool expand(const struct wal_archive *a, const char *path, char to[COMMAND_BYTES])
{
    size_t used = 0;

    for (const char *at = a->command; *at; at++) {
        int n;

        if (at[0] == '%' && at[1] == 'p')
            n = snprintf(to + used, COMMAND_BYTES - used, "%s/%s", a->data, path);
        else if (at[0] == '%' && at[1] == 'f')
            n = snprintf(to + used, COMMAND_BYTES - used, "%s", name_of(path));
        else
            n = snprintf(to + used, COMMAND_BYTES - used, "%c", *at);
        if (at[0] == '%' && (at[1] == 'p' || at[1] == 'f' || at[1] == '%'))
            at++;
        used += (size_t)n;
        if (used >= COMMAND_BYTES)
            return false;
    }
    to[used] = 0;
    return true;
}

/* What it prints goes where the server's events go; signals are as in any program. */
static int spawn(pid_t *pid, char *command)
{
    char sh[] = "sh", c[] = "-c";
    char *words[] = {sh, c, command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, standard;
    int number;

    sigemptyset(&none);
    sigemptyset(&standard);
    sigaddset(&standard, SIGPIPE);
    sigaddset(&standard, SIGXFSZ);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &standard);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    number = posix_spawn(pid, "/bin/sh", &actions, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return number;
}

static enum err run_command(const struct wal_archive *a, const char *path)
{
    char *command = malloc(COMMAND_BYTES);
    int status = -1, got = -1;
    pid_t pid;

    if (command && expand(a, path, command) && spawn(&pid, command) == 0) {
        do
            got = waitpid(pid, &status, 0);
        while (got < 0 && errno == EINTR);
    }
    free(command);
    return got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? ERR_OK : ERR_IO;
}

/* ---- both ---- */

static enum err archive_keep(void *context, struct os *os, const char *path)
{
    const struct wal_archive *a = context;
    enum err e = a->directory ? keep_in_directory(a, os, path) : ERR_OK;

    return !e && a->command[0] ? run_command(a, path) : e;
}

enum err wal_archive_open(struct wal_archive *a, const struct options *options,
                          struct db_options *to, char *why)
{
    enum err e = ERR_OK;

    *a = (struct wal_archive){.command = options->wal_keep_command};
    if (!options->wal_keep[0] && !a->command[0])
        return ERR_OK;
    if (options->wal_keep[0])
        e = os_posix_open(options->wal_keep, true, &a->directory, why, OPTION_ERROR_BYTES);
    if (e)
        return e;
    a->data = realpath(options->data, NULL);
    if (!a->data) {
        snprintf(why, OPTION_ERROR_BYTES, "%s", err_message(ERR_IO));
        wal_archive_close(a);
        return ERR_IO;
    }
    to->keep = archive_keep;
    to->keep_context = a;
    return ERR_OK;
}

void wal_archive_close(struct wal_archive *a)
{
    os_posix_close(a->directory);
    free(a->data);
    a->directory = NULL;
    a->data = NULL;
}
