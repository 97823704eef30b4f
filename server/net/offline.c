#include "server/net/offline.h"

#include "server/base/assert.h"
#include "server/net/daemon.h"
#include "server/os/os_posix.h"
#include "server/txn/check_data.h"
#include "server/txn/dump.h"
#include "server/txn/salvage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define PROGRESS_MS 2000 /* between two lines */

struct offline { /* a data directory that is open for one command */
    struct os_posix *posix;
    struct os *os;
    uint64_t told_ms;
};

static void complain(const char *why)
{
    fprintf(stderr, "holdfastd: %s\n", why);
}

static int offline_open(struct offline *o, const char *directory)
{
    char why[512];
    enum err e = os_posix_open(directory, false, &o->posix, why, sizeof why);

    o->os = e ? NULL : os_posix_table(o->posix);
    if (e)
        complain(why);
    if (e == ERR_NOT_FOUND)
        return EX_NOINPUT;
    o->told_ms = e ? 0 : os_now_ms(o->os);
    return e ? daemon_exit_code(e) : EX_OK;
}

static int offline_failed(const struct failure *f, enum err e)
{
    if (f->file[0])
        fprintf(stderr, "holdfastd: %s: %s (file %s, offset %" PRIu64 ")\n", err_name(e),
                f->text, f->file, f->offset);
    else
        fprintf(stderr, "holdfastd: %s: %s\n", err_name(e),
                f->text[0] ? f->text : err_message(e));
    return e == ERR_NOT_FOUND ? EX_NOINPUT : daemon_exit_code(e);
}

/* Where somebody looks on. */
static void tell_progress(void *context, const char *phase, uint64_t done, uint64_t all)
{
    struct offline *o = context;
    uint64_t now = os_now_ms(o->os);

    if (now - o->told_ms < PROGRESS_MS)
        return;
    o->told_ms = now;
    if (all)
        fprintf(stderr, "holdfastd: %s: %" PRIu64 " %%\n", phase,
                done < all ? 100 * done / all : 100);
    else
        fprintf(stderr, "holdfastd: %s: %" PRIu64 " done\n", phase, done);
}

/* ---- check ---- */

static void print_finding(void *context, const struct finding *n, const char *tree)
{
    ASSERT(context && n->file[0]);
    printf("%s, offset %" PRIu64 ": %s%s%s%s\n", n->file, n->offset, tree, tree[0] ? ": " : "",
           n->text, n->is_repaired ? " (no data is lost)" : "");
}

static void print_counts(const struct findings *found, const struct check_counts *n)
{
    printf("checked: %" PRIu64 " pages, %" PRIu64 " stores, %" PRIu64 " records, %" PRIu64
           " index entries, %" PRIu64 " WAL batches\n",
           n->pages, n->stores, n->records, n->entries, n->batches);
    if (findings_all(found) > found->count)
        printf("%" PRIu64 " more findings are not shown\n", findings_all(found) - found->count);
    if (found->damaged)
        printf("damage: %" PRIu64 " findings\n", found->damaged);
    else if (found->repaired)
        printf("no data is lost; the server repairs the findings above\n");
    else
        printf("no damage found\n");
}

int offline_check(const struct command_line *line, const struct options *options)
{
    struct offline o = {0};
    struct findings found;
    struct check_data check = {
        .to = &found, .found = print_finding, .progress = tell_progress, .context = &o};
    struct failure f;
    int code = offline_open(&o, line->values[0]);
    enum err e;

    if (code)
        return code;
    failure_init(&f);
    findings_init(&found, o.os);
    db_options_default(&check.options);
    e = check_data_run(o.os, &check, &f);
    if (!e || findings_all(&found))
        print_counts(&found, &check.counts);
    code = e ? offline_failed(&f, e) : found.damaged ? EX_DATAERR : EX_OK;
    findings_fini(&found);
    failure_clear(&f);
    os_posix_close(o.posix);
    return code;
}

/* ---- dump ---- */

static void print_line(void *context, const char *text)
{
    ASSERT(!context);
    puts(text);
}

/* The directory that a file is in, and its name there. */
static bool path_split(const char *path, char *directory, size_t room, const char **name)
{
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) : 0;

    *name = slash ? slash + 1 : path;
    ASSERT(*name);
    if (size >= room || !**name)
        return false;
    memcpy(directory, path, size);
    directory[size] = '\0';
    if (!size)
        memcpy(directory, slash ? "/" : ".", 2);
    return true;
}

static int dump_opened(struct offline *o, const char *name, uint64_t offset)
{
    struct file_dump dump = {.os = o->os, .line = print_line};
    struct failure f;
    int code;
    enum err e;

    failure_init(&f);
    e = os_file_open(o->os, name, OS_READ, &dump.file);
    if (e)
        failure_set(&f, e, "the file cannot be opened");
    else
        e = dump_file(&dump, offset, &f);
    if (dump.file)
        o->os->ops->file_close(dump.file);
    code = e ? offline_failed(&f, e) : EX_OK;
    failure_clear(&f);
    return code;
}

int offline_dump(const struct command_line *line)
{
    struct offline o = {0};
    uint64_t offset = UINT64_MAX;
    char directory[4096], *end = NULL;
    const char *name;
    int code;

    if (line->value_count == 2) {
        offset = strtoull(line->values[1], &end, 0);
        if (*end || line->values[1][0] < '0' || line->values[1][0] > '9') {
            complain("--dump-file: OFFSET must be a number of bytes");
            return EX_USAGE;
        }
    }
    if (!path_split(line->values[0], directory, sizeof directory, &name)) {
        complain("--dump-file: expected the path of a file");
        return EX_USAGE;
    }
    code = offline_open(&o, directory);
    if (!code)
        code = dump_opened(&o, name, offset);
    os_posix_close(o.posix);
    return code;
}

/* ---- salvage ---- */

static void print_loss(void *context, const char *text)
{
    ASSERT(context);
    puts(text);
}

static int salvage_opened(struct offline *from, struct offline *to)
{
    struct salvage salvage = {.from = from->os,
                              .to = to->os,
                              .lost = print_loss,
                              .progress = tell_progress,
                              .context = from};
    struct failure f;
    int code;
    enum err e;

    failure_init(&f);
    e = salvage_run(&salvage, &f);
    if (!e) {
        printf("salvaged: %" PRIu64 " stores, %" PRIu64 " records, %" PRIu64
               " bytes of the WAL; indexes are built when a server first opens the directory\n",
               salvage.stores, salvage.records, salvage.wal_bytes);
        printf(salvage.losses ? "some data could not be read; see above\n"
                              : "everything was read\n");
    }
    code = e ? offline_failed(&f, e) : salvage.losses ? EX_DATAERR : EX_OK;
    failure_clear(&f);
    return code;
}

int offline_salvage(const struct command_line *line, const struct options *options)
{
    struct offline from = {0}, to = {0};
    char why[512];
    int code = offline_open(&from, line->values[0]);
    enum err e;

    ASSERT(options && line->value_count == 2);
    if (code)
        return code;
    e = os_posix_open(line->values[1], true, &to.posix, why, sizeof why);
    if (e) {
        complain(why);
        code = EX_CANTCREAT;
    } else {
        to.os = os_posix_table(to.posix);
        code = salvage_opened(&from, &to);
    }
    os_posix_close(to.posix);
    os_posix_close(from.posix);
    return code;
}
