/* restore_run.c - see restore_run.h.
 *
 * An incremental backup names the directory of its base, and that of its own, down to a full one:
 * they are written in the other order. */
#include "server/net/restore_run.h"

#include "server/net/daemon.h"
#include "server/net/restore_replay.h"
#include "server/os/os_posix.h"
#include "server/storage/restore.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#define CHAIN_MAX 1000 /* backups, each built on the one before */

struct chain {
    char *paths[CHAIN_MAX]; /* owned; the newest first */
    unsigned count;
};

static int complain(const struct failure *f, enum err e, const char *directory)
{
    const char *text = f->error ? f->text : err_message(e);

    if (f->error && f->file[0])
        fprintf(stderr, "holdfastd: %s: %s (%s/%s, offset %" PRIu64 ")\n", err_name(e), text,
                directory, f->file, f->offset);
    else
        fprintf(stderr, "holdfastd: %s: %s (%s)\n", err_name(e), text, directory);
    return daemon_exit_code(e);
}

static void chain_free(struct chain *c)
{
    for (unsigned i = 0; i < c->count; i++)
        free(c->paths[i]);
}

/* What the file BACKUP_BASE_FILE in the directory says, from the directory's place; false: there is
 * none, the backup is a full one. */
static bool base_of(const char *directory, char base[PATH_MAX])
{
    char path[PATH_MAX], line[PATH_MAX];
    FILE *file;
    int n = snprintf(path, sizeof path, "%s/" BACKUP_BASE_FILE, directory);

    if (n < 0 || (size_t)n >= sizeof path)
        return false;
    file = fopen(path, "re");
    if (!file)
        return false;
    if (!fgets(line, sizeof line, file))
        line[0] = 0;
    fclose(file);
    line[strcspn(line, "\n")] = 0;
    n = line[0] == '/' ? snprintf(base, PATH_MAX, "%s", line)
                       : snprintf(base, PATH_MAX, "%s/%s", directory, line);
    return line[0] && n > 0 && n < PATH_MAX;
}

/* From the newest down to the full one. */
static enum err chain_read(struct chain *c, const char *directory, struct failure *f)
{
    char at[PATH_MAX], base[PATH_MAX];

    snprintf(at, sizeof at, "%s", directory);
    do {
        if (c->count == CHAIN_MAX)
            return failure_set(f, ERR_CORRUPT,
                               "more than %d incremental backups build on each "
                               "other",
                               CHAIN_MAX);
        c->paths[c->count] = strdup(at);
        if (!c->paths[c->count])
            return failure_set(f, ERR_NOMEM, "%s", err_message(ERR_NOMEM));
        c->count++;
        if (!base_of(at, base))
            return ERR_OK;
        memcpy(at, base, sizeof at);
    } while (true);
}

/* One backup of the chain onto what is there. */
static enum err restore_one(struct os *data, const char *directory, bool is_first,
                            struct backup_header *header, struct restore_count *count,
                            struct failure *f)
{
    struct backup_header base = *header;
    struct os_posix *posix;
    char why[512];
    enum err e = os_posix_open(directory, false, &posix, why, sizeof why);

    if (e)
        return failure_set(f, e, "the backup could not be opened: %s", why);
    e = restore_pages(data, os_posix_table(posix), is_first ? NULL : &base, header, count, f);
    os_posix_close(posix);
    return e;
}

static int restore_chain(struct os *data, const struct chain *chain,
                         struct backup_header *header, struct restore_count *count)
{
    struct failure f;
    enum err e = ERR_OK;
    int code = EX_OK;

    failure_init(&f);
    for (unsigned i = chain->count; i > 0 && !e; i--) {
        e = restore_one(data, chain->paths[i - 1], i == chain->count, header, count, &f);
        if (e)
            code = complain(&f, e, chain->paths[i - 1]);
    }
    failure_clear(&f);
    return code;
}

/* What one restore knows on its way. */
struct restoring {
    struct os_posix *posix;
    struct os *data;
    const struct restore_request *request;
    const struct options *options;
    struct restore_target target;
    struct chain chain;
    struct backup_header header; /* of the newest backup */
    struct restore_count count;
    uint64_t commit; /* that has been reached */
};

/* From the pages to a database. */
static enum err finish(struct restoring *r, struct failure *f)
{
    enum err e = restore_root(r->data, &r->header, f);

    r->commit = r->header.commit;
    if (!e && r->request->wal_count)
        e = restore_replay(r->posix, r->request, r->options, &r->header, &r->target, &r->commit,
                           f);
    if (!e)
        e = restore_adopt(r->data, f);
    return e ? e : restore_end(r->data, f);
}

/* What can be said before anything is written. */
static int prepare(struct restoring *r)
{
    const char *backup = r->request->backup;
    struct failure f;
    int code = EX_OK;
    enum err e;

    failure_init(&f);
    e = restore_target_read(r->request, &r->target, &f);
    if (e) {
        complain(&f, e, backup);
        code = EX_USAGE;
    }
    if (!e) {
        e = chain_read(&r->chain, backup, &f);
        if (e)
            code = complain(&f, e, backup);
    }
    if (!e) {
        e = restore_begin(r->data, &f);
        if (e) {
            complain(&f, e, r->options->data);
            code = EX_CANTCREAT;
        }
    }
    failure_clear(&f);
    return code;
}

/* Not before the header is known: it is that of the newest backup, which is read last. */
static int check_target(struct restoring *r)
{
    struct failure f;
    int code = EX_OK;

    failure_init(&f);
    if (restore_target_check(&r->target, r->header.commit, r->header.time_ms,
                             r->request->wal_count > 0, &f)) {
        complain(&f, f.error, r->request->backup);
        code = EX_USAGE;
    }
    failure_clear(&f);
    return code;
}

static int restore_into(struct restoring *r)
{
    struct failure f;
    enum err e;
    int code = prepare(r);

    if (code == EX_OK)
        code = restore_chain(r->data, &r->chain, &r->header, &r->count);
    if (code == EX_OK)
        code = check_target(r);
    if (code != EX_OK)
        return code;
    failure_init(&f);
    e = finish(r, &f);
    if (e)
        code = complain(&f, e, r->options->data);
    failure_clear(&f);
    if (!e)
        printf("restored commit=%" PRIu64 " backups=%u pages=%" PRIu64 " bytes=%" PRIu64
               " data=%s\n",
               r->commit, r->chain.count, r->count.pages, r->count.bytes, r->options->data);
    return code;
}

int restore_run(const struct restore_request *request, const struct options *options)
{
    struct restoring r = {.request = request, .options = options};
    char why[512];
    int code;
    enum err e = os_posix_open(options->data, true, &r.posix, why, sizeof why);

    if (e) {
        fprintf(stderr, "holdfastd: %s\n", why);
        return e == ERR_NOMEM ? EX_OSERR : EX_CANTCREAT;
    }
    r.data = os_posix_table(r.posix);
    code = restore_into(&r);
    chain_free(&r.chain);
    os_posix_close(r.posix);
    return code;
}
