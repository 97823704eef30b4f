#include "server/net/offline.h"

#include "server/base/assert.h"
#include "server/net/daemon.h"
#include "server/os/os_posix.h"
#include "server/txn/check_data.h"

#include <inttypes.h>
#include <stdio.h>
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
           n->text, n->is_repaired ? " (nothing is lost)" : "");
}

static void print_counts(const struct findings *found, const struct check_counts *n)
{
    printf("checked: %" PRIu64 " pages, %" PRIu64 " stores, %" PRIu64 " records, %" PRIu64
           " index entries, %" PRIu64 " WAL batches\n",
           n->pages, n->stores, n->records, n->entries, n->batches);
    if (findings_all(found) > found->count)
        printf("%" PRIu64 " further findings are not shown\n",
               findings_all(found) - found->count);
    if (found->damaged)
        printf("damage: %" PRIu64 " findings\n", found->damaged);
    else if (found->repaired)
        printf("nothing is lost; the server repairs what is named above\n");
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
    check.options.index_entries_max = (uint32_t)options->index_entries;
    e = check_data_run(o.os, &check, &f);
    if (!e || findings_all(&found))
        print_counts(&found, &check.counts);
    code = e ? offline_failed(&f, e) : found.damaged ? EX_DATAERR : EX_OK;
    findings_fini(&found);
    failure_clear(&f);
    os_posix_close(o.posix);
    return code;
}
