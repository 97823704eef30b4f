#include "server/txn/check_data.h"

#include "server/base/assert.h"
#include "server/storage/primary_scan.h"
#include "server/storage/wal.h"
#include "server/txn/check_rows.h"
#include "server/txn/commit_check.h"
#include "server/txn/tree_names.h"

#define SLICE_BYTES (4u << 20)
#define SLICE_STEPS 20000
#define CACHE_BYTES (UINT64_C(64) << 20)

static void tell_progress(const struct check_data *c, const char *phase, uint64_t done,
                          uint64_t all)
{
    ASSERT(phase && phase[0]);
    if (c->progress)
        c->progress(c->context, phase, done, all);
}

static void found_add(struct check_data *c, const struct failure *f)
{
    struct finding n = {.offset = f->offset, .store = FINDING_NO_STORE};

    ASSERT(f->error);
    memcpy(n.file, f->file[0] ? f->file : PRIMARY_FILE,
           f->file[0] ? sizeof n.file - 1 : sizeof PRIMARY_FILE);
    findings_add(c->to, &n, "%s", f->text);
}

/* p may be NULL: then trees have no names. */
static void tell_found(struct check_data *c, struct primary *p)
{
    char tree[TREE_NAME_BYTES] = "";

    ASSERT(c->told <= c->to->count);
    for (; c->told < c->to->count; c->told++) {
        const struct finding *n = &c->to->items[c->told];

        if (p)
            tree_name_of_root(p, primary_root(p), n->store, tree);
        c->found(c->context, n, tree);
    }
}

/* ---- the log ---- */

struct data_log {
    struct check_data *c;
    struct commit_check commits;
};

static enum err log_piece(void *context, uint64_t number, bool first, bool last,
                          struct slice bytes, struct failure *f)
{
    struct data_log *log = context;
    uint64_t before = log->c->counts.wal_bytes / SLICE_BYTES;

    ASSERT(number > 0);
    log->c->counts.wal_bytes += bytes.size;
    if (log->c->counts.wal_bytes / SLICE_BYTES != before)
        tell_progress(log->c, "wal", log->c->counts.wal_bytes, 0);
    return commit_check_piece(&log->commits, number, first, last, bytes, f);
}

static enum err check_log(struct os *os, struct check_data *c, struct primary *p,
                          struct failure *f)
{
    const struct root_facts *root = root_facts(primary_root(p));
    struct data_log log = {.c = c};
    struct wal_options options = {.segment_bytes = c->options.segment_bytes,
                                  .in_flight_max = 1,
                                  .spare_segments = 2,
                                  .is_read_only = true};
    struct wal_replay replay = {.context = &log, .piece = log_piece};
    struct wal_numbers numbers = {root->version_reserved, root->commit_reserved};
    struct wal_stats stats;
    struct wal *w = NULL;
    struct failure why;
    enum err e;

    ASSERT(!p || root->number > 0);
    failure_init(&why);
    primary_identity(p, options.identity);
    e = wal_open(os, &options, NULL, &replay, root->log_position, &numbers, &w, &why);
    if (w) {
        wal_stats(w, &stats);
        c->counts.batches = stats.batches;
        wal_close(w, true);
    }
    if (e == ERR_NOT_FOUND && !why.file[0]) {
        struct finding n = {.file = "wal", .store = FINDING_NO_STORE};

        if (root->log_position) /* else it begins with the first start, as after a restore */
            findings_add(c->to, &n, "the WAL is missing");
        e = ERR_OK;
    } else if (e == ERR_CORRUPT || e == ERR_IO) {
        found_add(c, &why);
        e = ERR_OK;
    }
    if (e)
        failure_copy(f, &why);
    failure_clear(&why);
    return e;
}

/* ---- the data file ---- */

static enum err check_pages(struct check_data *c, struct primary_scan *s)
{
    enum err e = primary_scan_map(s);

    ASSERT(s->r);
    if (e)
        return e;
    do {
        tell_progress(c, "pages", s->tree.bytes, primary_scan_bytes(s));
        e = primary_scan_run(s, SLICE_BYTES);
    } while (e == ERR_WAIT);
    c->counts.pages = s->tree.pages;
    c->counts.page_bytes = s->tree.bytes;
    c->counts.page_bytes_all = primary_scan_bytes(s);
    c->counts.records_all = primary_scan_records(s);
    if (!e)
        primary_scan_settle(s);
    return e;
}

static enum err check_rows(struct os *os, struct check_data *c, struct primary *p)
{
    struct check_rows rows;
    bool has_more;
    enum err e;

    check_rows_init(&rows, p, os, primary_root(p), c->to);
    primary_read_blocking(p, true);
    do {
        e = check_rows_run(&rows, SLICE_STEPS, &has_more);
        tell_progress(c, "records", rows.records + rows.entries, 0);
        ASSERT(e != ERR_WAIT || has_more);
    } while (e == ERR_WAIT);
    primary_read_blocking(p, false);
    c->counts.stores = rows.stores_done;
    c->counts.records = rows.records;
    c->counts.entries = rows.entries;
    check_rows_fini(&rows);
    return e;
}

static enum err check_primary(struct os *os, struct check_data *c, struct primary *p,
                              struct failure *f)
{
    struct primary_scan scan;
    enum err e;

    ASSERT(c->found);
    primary_scan_slots(p, c->to);
    e = primary_scan_begin(&scan, p, true, c->to);
    if (!e) {
        e = check_pages(c, &scan);
        primary_scan_end(&scan);
    }
    tell_found(c, p);
    if (!e)
        e = check_rows(os, c, p);
    tell_found(c, p);
    return e ? failure_set(f, e, "%s", err_message(e)) : ERR_OK;
}

enum err check_data_run(struct os *os, struct check_data *c, struct failure *f)
{
    struct primary_options options = {.cache_bytes = CACHE_BYTES, .is_read_only = true};
    struct os_file *lock = NULL;
    struct primary *p = NULL;
    enum err e = os->ops->dir_lock(os, &lock);

    memset(&c->counts, 0, sizeof c->counts);
    c->told = 0;
    if (e)
        return failure_set(f, e,
                           e == ERR_LOCKED
                               ? "the data directory is in use by another server; check "
                                 "it with `holdfast check-data` while it runs"
                               : "the data directory cannot be locked");
    e = primary_open(os, &options, &p, f);
    if (!e)
        e = check_primary(os, c, p, f);
    if (!e)
        e = check_log(os, c, p, f);
    tell_found(c, p);
    if (p)
        primary_close(p, true);
    if (lock)
        os->ops->file_close(lock);
    return e;
}
