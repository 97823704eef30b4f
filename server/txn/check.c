#include "server/txn/check.h"

#include "server/base/assert.h"
#include "server/storage/primary_scan.h"
#include "server/storage/wal_scan.h"
#include "server/txn/catalogue.h"
#include "server/txn/check_rows.h"
#include "server/txn/commit_check.h"
#include "server/txn/damage_say.h"
#include "server/txn/db_struct.h"
#include "server/txn/pulse.h"

#define SLICE_BYTES (1u << 20) /* of pages or batches, read in one job */
#define SLICE_SHARE 4          /* of the steps of a turn: records and entries */
#define STEPS_A_LOOK 16        /* at the clock */

enum check_phase { CHECK_WAL, CHECK_MAP, CHECK_PAGES, CHECK_ROWS, CHECK_DONE };

struct check_run {
    struct db *db;
    struct online_check *owner; /* NULL: it was cancelled, and goes when its job is back */
    struct list_link in_leaving; /* db.checks_leaving */
    enum check_phase phase;
    struct os_job job;
    enum check_phase job_phase; /* the loop may end the check meanwhile */
    bool is_out;      /* the job is under way */
    bool is_mapping;  /* it has the merge lane */
    bool has_scan;
    bool is_waiting;  /* for pages */
    enum err result;  /* of the job */
    uint64_t begun_ms;
    uint64_t snapshot;
    struct findings found;
    struct check_counts counts;
    struct commit_check commits;
    struct wal_scan wal;
    struct primary_scan scan;
    struct check_rows rows;
    uint64_t paced_ms; /* its share of the time is used up: until then, about; 0: it is not */
    size_t noted; /* findings of stores that were noted as damage */
};

/* ---- beginning and ending ---- */

enum err online_check_begin(struct db *db, struct online_check *c, struct failure *f)
{
    struct check_run *run;
    struct wal_replay replay;

    ASSERT(c->done);
    if (db->check)
        return failure_set(f, ERR_OVERLOADED, "a check is already running; see holds");
    if (db->log_failed)
        return failure_set(f, ERR_LOG_FAILED, "%s", err_message(ERR_LOG_FAILED));
    run = os_alloc(db->os, sizeof *run);
    if (!run)
        return failure_set(f, ERR_NOMEM, "out of memory for a check");
    memset(run, 0, sizeof *run);
    run->db = db;
    run->owner = c;
    run->begun_ms = os_now_ms(db->os);
    db->check_pace.share = db->options.build_share;
    list_init(&run->in_leaving);
    findings_init(&run->found, db->os);
    replay = (struct wal_replay){.context = &run->commits, .piece = commit_check_piece};
    wal_scan_begin(&run->wal, db->wal, root_facts(primary_root(db->primary))->log_position,
                   &replay, &run->found);
    run->snapshot = root_facts(primary_root(db->primary))->commit;
    db->check = run;
    c->run = run;
    pulse_wake(&db->pulse);
    ASSERT(run->phase == CHECK_WAL);
    return ERR_OK;
}

/* Give back what it holds of the database. */
static void run_leave(struct check_run *run)
{
    ASSERT(!run->is_out);
    check_rows_fini(&run->rows);
    run->rows.os = NULL;
    if (run->has_scan)
        primary_scan_end(&run->scan);
    run->has_scan = false;
    if (run->db->check == run)
        run->db->check = NULL;
}

static void run_free(struct check_run *run)
{
    struct db *db = run->db;

    ASSERT(!run->owner);
    list_remove(&run->in_leaving);
    run_leave(run);
    wal_scan_fini(&run->wal);
    findings_fini(&run->found);
    os_free(db->os, run, sizeof *run);
}

/* Tell the owner, who keeps what was found. */
static void run_end(struct check_run *run, enum err e)
{
    ASSERT(run->owner && run->phase != CHECK_DONE);
    run->phase = CHECK_DONE;
    if (!run->is_out)
        run_leave(run);
    run->owner->done(run->owner, e);
}

void online_check_end(struct online_check *c)
{
    struct check_run *run = c->run;

    ASSERT(!run || run->db);
    c->run = NULL;
    if (!run)
        return;
    ASSERT(run->owner == c);
    run->owner = NULL;
    if (!run->is_out) {
        run_free(run);
        return;
    }
    list_push_back(&run->db->checks_leaving, &run->in_leaving);
    if (run->db->check == run)
        run->db->check = NULL;
}

const struct findings *online_check_findings(const struct online_check *c)
{
    ASSERT(c->run->phase == CHECK_DONE);
    return &c->run->found;
}

const struct check_counts *online_check_counts(const struct online_check *c)
{
    ASSERT(c->run->phase == CHECK_DONE);
    return &c->run->counts;
}

uint64_t online_check_snapshot(const struct online_check *c)
{
    ASSERT(c->run->phase == CHECK_DONE);
    return c->run->snapshot;
}

const char *db_tree_name(struct db *db, uint32_t store, char *to)
{
    return tree_name(&db->catalogue, store, to);
}

void check_stop(struct db *db)
{
    ASSERT(!db->check || db->check->db == db);
    if (db->check && db->check->owner && db->check->phase != CHECK_DONE)
        run_end(db->check, ERR_SHUTDOWN);
}

bool check_is_busy(const struct db *db)
{
    ASSERT(db->checks_leaving.next);
    return db->check || !list_is_empty(&db->checks_leaving);
}

static void run_abandon(struct check_run *run)
{
    ASSERT(run->db);
    run->is_out = false; /* it never comes back */
    if (run->owner)
        run->owner->run = NULL;
    run->owner = NULL;
    run_free(run);
}

void check_abandon(struct db *db)
{
    if (!db->checks_leaving.next)
        return;
    while (!list_is_empty(&db->checks_leaving))
        run_abandon(LIST_ENTRY(list_first(&db->checks_leaving), struct check_run, in_leaving));
    if (db->check)
        run_abandon(db->check);
}

/* ---- jobs ---- */

static void check_job_run(struct os_job *job)
{
    struct check_run *run = LIST_ENTRY(job, struct check_run, job);

    if (run->job_phase == CHECK_WAL)
        run->result = wal_scan_run(&run->wal, SLICE_BYTES);
    else if (run->job_phase == CHECK_MAP)
        run->result = primary_scan_map(&run->scan);
    else
        run->result = primary_scan_run(&run->scan, SLICE_BYTES);
    if (run->job_phase == CHECK_PAGES && run->result == ERR_OK)
        primary_scan_settle(&run->scan);
}

static void check_count(struct check_run *run)
{
    struct check_counts *n = &run->counts;

    ASSERT(!run->is_out);
    n->batches = run->wal.batches;
    n->wal_bytes = run->wal.bytes;
    n->wal_to = run->wal.place;
    n->stores = run->rows.stores_done;
    n->records = run->rows.records;
    n->entries = run->rows.entries;
    if (!run->has_scan)
        return;
    n->pages = run->scan.tree.pages;
    n->page_bytes = run->scan.tree.bytes;
    n->page_bytes_all = primary_scan_bytes(&run->scan);
}

static void check_wal_end(struct check_run *run)
{
    struct wal_scan *s = &run->wal;

    ASSERT(run->phase == CHECK_WAL && !run->has_scan);
    run->counts.is_wal_overtaken = s->is_lost && wal_scan_is_overtaken(s, run->db->wal);
    if (s->is_lost && !run->counts.is_wal_overtaken)
        findings_add(&run->found, &s->lost, "%s", s->lost.text);
    run->phase = CHECK_MAP;
}

static void check_woken(struct wait *w)
{
    ASSERT(!w->pending);
    pulse_wake(&LIST_ENTRY(w, struct check_run, rows.w)->db->pulse);
}

static void check_rows_begin(struct check_run *run)
{
    struct db *db = run->db;

    ASSERT(run->phase == CHECK_PAGES);
    run->phase = CHECK_ROWS;
    check_rows_init(&run->rows, db->primary, db->os, run->scan.r, &run->found);
    run->rows.w.wake = check_woken;
}

static void check_job_done(struct os_job *job)
{
    struct check_run *run = LIST_ENTRY(job, struct check_run, job);
    struct db *db = run->db;

    ASSERT(run->is_out);
    run->is_out = false;
    if (run->is_mapping)
        db->passes.is_merging = run->is_mapping = false;
    pulse_wake(&db->pulse);
    if (!run->owner || run->phase == CHECK_DONE) {
        if (run->owner)
            run_leave(run);
        else
            run_free(run);
        return;
    }
    check_count(run);
    /* What the pages of a store have come to is what any reader would have met. */
    run->noted = run->phase == CHECK_PAGES
                     ? damage_say_findings(&db->damage, &run->found, run->noted)
                     : run->found.count;
    if (run->result == ERR_WAIT)
        return;
    if (run->result)
        run_end(run, run->result);
    else if (run->phase == CHECK_WAL)
        check_wal_end(run);
    else if (run->phase == CHECK_MAP)
        run->phase = CHECK_PAGES;
    else
        check_rows_begin(run);
}

static void check_submit(struct check_run *run, enum os_lane lane)
{
    ASSERT(!run->is_out);
    run->is_out = true;
    run->job_phase = run->phase;
    run->job.run = check_job_run;
    run->job.done = check_job_done;
    run->job.lane = lane;
    os_job_submit(run->db->os, &run->job);
}

/* ---- turns ---- */

static void check_map_begin(struct check_run *run)
{
    struct db *db = run->db;
    enum err e;

    ASSERT(!run->has_scan);
    if (db->passes.is_merging)
        return; /* when that is over there is another turn */
    e = primary_scan_begin(&run->scan, db->primary, true, &run->found);
    if (e) {
        run_end(run, e);
        return;
    }
    run->has_scan = true;
    run->snapshot = root_facts(run->scan.r)->commit;
    run->counts.records_all = primary_scan_records(&run->scan);
    db->passes.is_merging = run->is_mapping = true;
    check_submit(run, OS_LANE_MERGE);
    ASSERT(run->scan.r);
}

/* Rows until the clock ends the slice, or the steps of a turn are done. */
static enum err check_rows_slice(struct check_run *run, uint64_t until_ns, bool *has_more)
{
    unsigned steps = run->db->options.slice_steps / SLICE_SHARE + 1;
    enum err e;

    ASSERT(!run->rows.w.pending);
    do {
        unsigned some = steps < STEPS_A_LOOK ? steps : STEPS_A_LOOK;

        e = check_rows_run(&run->rows, some, has_more);
        steps -= some;
    } while (e == ERR_WAIT && *has_more && steps && os_now_ns(run->db->os) < until_ns);
    return e;
}

static void check_rows_turn(struct check_run *run)
{
    struct db *db = run->db;
    uint64_t now = os_now_ns(db->os), slice;
    bool has_more;
    enum err e;

    ASSERT(run->has_scan && !run->is_out);
    if (run->rows.w.pending)
        return;
    slice = pace_slice_ns(&db->check_pace, now);
    run->paced_ms = slice ? 0 : (now + pace_wait_ns(&db->check_pace)) / 1000000 + 1;
    if (!slice)
        return;
    e = check_rows_slice(run, now + slice, &has_more);
    pace_spend(&db->check_pace, os_now_ns(db->os) - now);
    check_count(run);
    if (e != ERR_WAIT)
        run_end(run, e);
    else if (has_more)
        pulse_wake(&db->pulse);
}

uint64_t check_next_ms(const struct db *db)
{
    const struct check_run *run = db->check;

    ASSERT(!run || run->phase == CHECK_ROWS || !run->paced_ms || run->phase == CHECK_DONE);
    return run && run->phase == CHECK_ROWS && run->paced_ms ? run->paced_ms : UINT64_MAX;
}

void check_turn(struct db *db)
{
    struct check_run *run = db->check;

    ASSERT(!db->pulse.is_in_turn);
    if (!run || run->is_out || !run->owner || run->phase == CHECK_DONE)
        return;
    switch (run->phase) {
    case CHECK_WAL:
    case CHECK_PAGES: check_submit(run, OS_LANE_READ); break;
    case CHECK_MAP: check_map_begin(run); break;
    case CHECK_ROWS: check_rows_turn(run); break;
    case CHECK_DONE: break;
    }
}

static unsigned check_percent(const struct check_run *run)
{
    const struct check_counts *n = &run->counts;
    uint64_t done = run->phase == CHECK_PAGES ? n->page_bytes : n->records;
    uint64_t all = run->phase == CHECK_PAGES ? n->page_bytes_all : n->records_all;

    ASSERT(run->owner);
    if (run->phase < CHECK_PAGES || all == 0)
        return 0;
    return done >= all ? 100 : (unsigned)(100 * done / all);
}

void online_check_status(const struct db *db, struct online_check_status *out)
{
    static const char *const names[] = {"wal", "map", "pages", "rows", "rows"};
    const struct check_run *run = db->check;

    memset(out, 0, sizeof *out);
    if (!run || !run->owner)
        return;
    ASSERT(run->phase <= CHECK_DONE);
    out->phase = names[run->phase];
    out->snapshot = run->snapshot;
    out->age_ms = os_now_ms(db->os) - run->begun_ms;
    out->disk = run->has_scan ? root_only_bytes(run->scan.r) : 0;
    out->counts = run->counts;
    out->percent = check_percent(run);
}
