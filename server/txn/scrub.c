#include "server/txn/scrub.h"

#include "server/base/assert.h"
#include "server/storage/primary.h"
#include "server/storage/root.h"
#include "server/txn/damage_say.h"
#include "server/txn/pulse.h"
#include "server/txn/scrub_struct.h"

#define SLICE_BYTES (1u << 20) /* read in one job */
#define START_MS 60000         /* a start has other things to do first; at most */
#define START_SHARE 16         /* ... this part of a round */
#define PAUSE_MIN_MS 20        /* 50 MiB a second at most, however short the round */
#define SAVE_MS 60000

/* ---- the file ---- */

static bool progress_read(struct os *os, struct scrub_progress *out)
{
    uint8_t bytes[SCRUB_BYTES];
    struct os_file *file;
    size_t got = 0;
    enum err e;

    memset(out, 0, sizeof *out);
    if (os_file_open(os, SCRUB_FILE, OS_READ, &file) != ERR_OK)
        return false;
    e = os->ops->file_read(file, 0, bytes, sizeof bytes, &got);
    os->ops->file_close(file);
    ASSERT(got <= sizeof bytes);
    return !e && got == sizeof bytes && scrub_decode(bytes, out) == ERR_OK;
}

/* In the job. What fails is tried again in a minute, and costs a part of a round at most. */
static void progress_write(struct os *os, const uint8_t *bytes)
{
    struct os_file *file;

    if (os_file_open(os, SCRUB_FILE, OS_WRITE | OS_CREATE, &file) != ERR_OK)
        return;
    os->ops->file_write(file, 0, bytes, SCRUB_BYTES);
    os->ops->file_close(file);
}

static uint64_t wall_ms(struct os *os)
{
    ASSERT(os->ops->day_ms);
    return os->ops->day_ms(os);
}

/* ---- pace ---- */

static uint64_t root_bytes(const struct scrub *s)
{
    ASSERT(s->primary);
    return (uint64_t)primary_root(s->primary)->units * PAGE_UNIT_BYTES;
}

/* Until the next slice, if the whole file takes scrub_ms. */
static uint64_t pause_ms(const struct scrub *s, uint64_t bytes)
{
    uint64_t all = root_bytes(s), every = s->every_ms;

    if (bytes > all)
        bytes = all;
    all = all > bytes ? all : bytes;
    every = all ? (uint64_t)((double)every * (double)bytes / (double)all) : every;
    ASSERT(bytes <= all);
    return every > PAUSE_MIN_MS ? every : PAUSE_MIN_MS;
}

void scrub_init(struct scrub *s, struct os *os, struct primary *primary, struct pulse *pulse,
                struct damage *damage)
{
    ASSERT(os && primary && pulse && damage);
    s->os = os;
    s->primary = primary;
    s->pulse = pulse;
    s->damage = damage;
}

void scrub_begin(struct scrub *s, uint64_t every)
{
    uint64_t wait = every / START_SHARE < START_MS ? every / START_SHARE : START_MS;

    ASSERT(s->os && !s->is_out);
    s->every_ms = every;
    s->due_ms = UINT64_MAX;
    findings_init(&s->found, s->os);
    if (!every)
        return;
    if (progress_read(s->os, &s->at) && !s->at.begun_ms && s->at.finished_ms) {
        uint64_t now = wall_ms(s->os);
        uint64_t age = now > s->at.finished_ms ? now - s->at.finished_ms : 0;

        if (every > age && every - age > wait)
            wait = every - age;
    }
    ASSERT(wait <= every);
    s->due_ms = os_now_ms(s->os) + wait;
    s->saved_ms = os_now_ms(s->os);
}

uint64_t scrub_next_ms(const struct scrub *s)
{
    ASSERT(s->os);
    return s->is_out || s->is_stopping ? UINT64_MAX : s->due_ms;
}

/* ---- a slice ---- */

static void slice_run(struct os_job *job)
{
    struct scrub *s = LIST_ENTRY(job, struct scrub, job);

    ASSERT(s->is_out && s->root); /* the root is held meanwhile */
    if (s->saves)
        progress_write(s->os, s->bytes);
    s->result = tree_scan_run(&s->scan, SLICE_BYTES);
}

static bool is_told(struct scrub *s, uint64_t offset)
{
    for (unsigned i = 0; i < s->told_count; i++)
        if (s->told[i] == offset)
            return true;
    ASSERT(s->told_count <= SCRUB_TOLD);
    if (s->told_count < SCRUB_TOLD)
        s->told[s->told_count++] = offset;
    return false;
}

/* Branches are read again by each slice below them, and what is wrong with them is told once. */
static void slice_tell(struct scrub *s)
{
    ASSERT(!s->is_out); /* what the job has found is the loop's again */
    for (size_t i = 0; i < s->found.count; i++) {
        const struct finding *n = &s->found.items[i];
        bool may_tell = s->told_count < SCRUB_TOLD;

        if (is_told(s, n->offset))
            continue;
        s->at.found++;
        if (may_tell)
            PULSE_TELL(s->pulse, scrub_finding, .file = n->file, .offset = n->offset,
                       .repaired = n->is_repaired ? "yes" : "no", .text = n->text);
    }
    damage_say_findings(s->damage, &s->found, 0);
    findings_fini(&s->found);
    findings_init(&s->found, s->os);
}

static void round_end(struct scrub *s)
{
    ASSERT(s->result == ERR_OK && s->at.begun_ms);
    s->at.finished_ms = wall_ms(s->os);
    PULSE_TELL(
        s->pulse, scrubbed, .pages = s->at.pages, .bytes = s->at.bytes, .findings = s->at.found,
        .ms = s->at.finished_ms > s->at.begun_ms ? s->at.finished_ms - s->at.begun_ms : 0);
    s->at.found_before = s->at.found;
    s->at.begun_ms = s->at.pages = s->at.bytes = s->at.found = 0;
    s->told_count = 0;
    s->saved_ms = 0; /* with the next slice */
}

static void slice_done(struct os_job *job)
{
    struct scrub *s = LIST_ENTRY(job, struct scrub, job);

    ASSERT(s->is_out && s->root);
    s->is_out = false;
    s->at.pages += s->scan.pages;
    s->at.bytes += s->scan.bytes;
    s->due_ms = os_now_ms(s->os) + pause_ms(s, s->scan.bytes);
    if (s->result == ERR_WAIT)
        tree_scan_place_of(&s->scan, &s->at.place);
    else if (s->result == ERR_OK)
        memset(&s->at.place, 0, sizeof s->at.place);
    slice_tell(s);
    if (s->result == ERR_OK)
        round_end(s);
    tree_scan_fini(&s->scan);
    root_unref(s->root);
    s->root = NULL;
    pulse_wake(s->pulse);
}

void scrub_turn(struct scrub *s)
{
    uint64_t now = os_now_ms(s->os);

    ASSERT(!s->pulse->is_in_turn);
    if (s->is_out || s->is_stopping || now < s->due_ms)
        return;
    ASSERT(!s->root && !s->found.count); /* nothing is held between slices */
    s->root = root_ref(primary_root(s->primary));
    s->due_ms = now + START_MS; /* if it cannot begin */
    if (tree_scan_init(&s->scan, s->os, s->root, &s->found) != ERR_OK) {
        tree_scan_fini(&s->scan);
        root_unref(s->root);
        s->root = NULL;
        return;
    }
    if (!s->at.begun_ms)
        s->at.begun_ms = wall_ms(s->os);
    tree_scan_from(&s->scan, &s->at.place);
    s->saves = now >= s->saved_ms + SAVE_MS;
    if (s->saves) {
        s->saved_ms = now;
        scrub_encode(&s->at, s->bytes);
    }
    ASSERT(s->at.begun_ms && s->root);
    s->is_out = true;
    s->job.run = slice_run;
    s->job.done = slice_done;
    s->job.lane = OS_LANE_READ;
    os_job_submit(s->os, &s->job);
}

void scrub_stop(struct scrub *s)
{
    ASSERT(s->os);
    s->is_stopping = true;
}

void scrub_fini(struct scrub *s)
{
    if (!s->os)
        return;
    if (s->root) {
        tree_scan_fini(&s->scan);
        root_unref(s->root);
    }
    s->root = NULL;
    findings_fini(&s->found);
    s->os = NULL;
}

void scrub_status_of(const struct scrub *s, struct scrub_status *out)
{
    uint64_t all = root_bytes(s);

    ASSERT(s->os && (s->root != NULL) == s->is_out);
    out->every_ms = s->every_ms;
    out->at = s->at;
    out->percent = !s->at.begun_ms      ? 0
                   : s->at.bytes >= all ? 100
                                        : (unsigned)(100 * s->at.bytes / all);
}
