/* The database as a whole: opening, turning, closing. */
#include "server/txn/db.h"

#include "server/base/assert.h"
#include "server/storage/restore.h"
#include "server/txn/amalgamate.h"
#include "server/txn/backup.h"
#include "server/txn/catalogue.h"
#include "server/txn/check.h"
#include "server/txn/commit.h"
#include "server/txn/cursors_internal.h"
#include "server/txn/damage.h"
#include "server/txn/damage_say.h"
#include "server/txn/db_fail.h"
#include "server/txn/db_options.h"
#include "server/txn/db_struct.h"
#include "server/txn/expiry.h"
#include "server/txn/health.h"
#include "server/txn/index_build.h"
#include "server/txn/intents.h"
#include "server/txn/leaving.h"
#include "server/txn/lock_wait.h"
#include "server/txn/losers.h"
#include "server/txn/numbers.h"
#include "server/txn/opening.h"
#include "server/txn/outcome.h"
#include "server/txn/pulse.h"
#include "server/txn/quotas.h"
#include "server/txn/read_set.h"
#include "server/txn/reads.h"
#include "server/txn/reclaim.h"
#include "server/txn/recovery.h"
#include "server/txn/replies.h"
#include "server/txn/scrub.h"
#include "server/txn/snapshot.h"
#include "server/txn/stages.h"
#include "server/txn/statement.h"
#include "server/txn/tasks.h"
#include "server/txn/txn.h"
#include "server/txn/txn_pool.h"
#include "server/txn/txn_struct.h"
#include "server/txn/unstage.h"
#include "server/txn/written.h"

#include <stdarg.h>
#include <stdio.h>

#define DIRECT_BYTES_MAX (64u << 10) /* of the log, copied in some ten microseconds */
#define CLOSE_RECORDS_MAX 2000 /* merged by a clean stop: as many pages, some MiB */
#define CLOSE_BYTES_MAX (UINT64_C(8) << 20)
#define READS_FREED_A_TURN 4000 /* points and ranges of transactions that have ended */

/* ---- replies ---- */

bool db_wait_decided(struct db *db, struct decided decided, struct decided_wait *w)
{
    ASSERT(decided.synced <= db->numbers.last_commit &&
           decided.written <= db->numbers.last_commit);
    return replies_wait(&db->replies, decided, w);
}

void db_cancel_wait(struct decided_wait *w)
{
    list_remove(&w->in_queue);
}

uint64_t db_answered(const struct db *db)
{
    ASSERT(db->numbers.answered <= db->numbers.last_commit); /* V-1 */
    return db->numbers.answered;
}

uint64_t db_taken_bytes(const struct db *db)
{
    ASSERT(db->stages.newest);
    return db->stages.taken_bytes;
}

void db_note_answered(struct db *db, uint64_t commit)
{
    ASSERT(commit <= db->numbers.last_commit);
    numbers_note_answered(&db->numbers, commit);
}

/* ---- what those above it stand on ---- */

struct os *db_os(const struct db *db)
{
    ASSERT(db->os);
    return db->os;
}

uint64_t db_hash_seed(const struct db *db)
{
    return db->hash_seed;
}

uint64_t db_definitions(const struct db *db)
{
    ASSERT(db->catalogue.self);
    return db->catalogue.changes;
}

void db_discard(struct db *db, struct arena *arena)
{
    ASSERT(db->stages.newest);
    stage_stack_discard(&db->stages, arena);
}

struct backups *db_backups(struct db *db)
{
    ASSERT(db->primary);
    return &db->backups;
}

/* ---- databases ---- */

enum err db_use_database(struct db *db, struct slice name, struct database **out,
                         struct failure *f)
{
    *out = NULL;
    if (name.size > DATABASE_NAME_BYTES_MAX || !msgpack_text_is_utf8(name))
        return failure_set(f, ERR_BAD_REQUEST,
                           "invalid database name: expected UTF-8 of at most %d bytes",
                           DATABASE_NAME_BYTES_MAX);
    ASSERT(db->catalogue.databases.main);
    *out = database_use(&db->catalogue.databases, name);
    return *out ? ERR_OK : failure_set(f, ERR_NOMEM, "out of memory for a database");
}

void db_leave_database(struct db *db, struct database *d)
{
    ASSERT(d->refs > 0);
    database_unref(&db->catalogue.databases, d);
    pulse_wake(&db->pulse); /* it may be freed */
}

/* ---- identity ---- */

void db_identity(const struct db *db, uint8_t *to)
{
    ASSERT(db->primary);
    primary_identity(db->primary, to);
}

/* ---- damage ---- */

static void db_on_damage(void *context, uint32_t store, uint64_t offset)
{
    struct db *db = context;
    struct tree_damage damage = {.store = store, .offset = offset};

    ASSERT(store < PRIMARY_STORES_END);
    damage_say(&db->damage, &damage); /* where there is no memory the next read meets it */
}

static void db_on_bad_copy(void *context, uint64_t offset)
{
    struct db *db = context;

    ASSERT(db->primary && offset % PAGE_UNIT_BYTES == 0);
    PULSE_TELL(&db->pulse, copy_damaged, .file = PRIMARY_FILE, .offset = offset,
               .text = "the other copy is used; the next amalgamation rewrites both");
}

static void db_load_damage(void *context, const struct tree_damage *damage)
{
    struct db *db = context;

    ASSERT(damage->store < PRIMARY_STORES_END);
    damage_say(&db->damage, damage);
}

/* ---- what the log says ---- */

static void db_on_reserved(void *context, struct wal_numbers numbers)
{
    struct db *db = context;

    ASSERT(numbers.version >= db->numbers.reserved.version &&
           numbers.commit >= db->numbers.reserved.commit);
    db->numbers.reserved = numbers;
    ASSERT(db->numbers.reserved.commit <= db->numbers.asked.commit); /* V-1 */
}

static void db_on_log_failed(void *context, enum err e, const char *text)
{
    ASSERT(e != ERR_OK);
    db_fail(context, e, text);
}

static void db_on_room(void *context)
{
    struct db *db = context;
    struct wal_stats wal;

    ASSERT(db->wal);
    wal_stats(db->wal, &wal);
    db->health.no_space = wal.error == ERR_NO_SPACE;
    pulse_room_changed(&db->pulse);
}

static void db_on_pages(void *context)
{
    struct db *db = context;

    pulse_wake(&db->pulse);
}

/* ---- opening ---- */

/* The directory is held here, the data file when it is opened. Neither is a file that is there
 * for the lock only: such a one can be removed, and another then be made and held. */
static enum err db_open_lock(struct db *db, struct failure *f)
{
    enum err e = db->os->ops->dir_lock(db->os, &db->lock);

    ASSERT(e || db->lock);
    if (e == ERR_LOCKED)
        failure_set(f, e, "the data directory is in use by another server");
    else if (e)
        failure_set(f, e, "cannot lock the data directory: %s", err_message(e));
    return e;
}

/* What a restore has not finished is not a database. */
static enum err db_open_check(struct db *db, struct failure *f)
{
    bool unfinished = false;
    enum err e;

    ASSERT(db->lock);
    if (db->options.is_restoring)
        return ERR_OK;
    e = restore_is_unfinished(db->os, &unfinished);
    if (e)
        return failure_set(f, e, "cannot read the data directory: %s", err_message(e));
    if (unfinished)
        return failure_set_at(f, ERR_CORRUPT, RESTORE_MARK, 0,
                              "the data directory holds an unfinished restore; delete the "
                              "directory and restore again");
    return ERR_OK;
}

struct load_trees {
    struct db *db;
    enum err result;
};

static void db_load_tree(void *context, uint32_t store, const struct tree_facts *facts)
{
    struct load_trees *load = context;

    ASSERT(load->db->primary && list_is_empty(&load->db->txns.open)); /* at the start */
    if (!load->result && store == CATALOGUE_STORE && facts->counter > 0)
        load->result = catalogue_note_tree(&load->db->catalogue, (uint32_t)facts->counter, 0);
    else if (!load->result && store != TOKENS_STORE && store != VAULT_STORE)
        load->result = catalogue_note_tree(&load->db->catalogue, store, facts->counter);
}

static enum err db_open_primary(struct db *db, struct failure *f)
{
    struct primary_options options = {.page_bytes = db->options.page_bytes,
                                      .cache_bytes = db->options.cache_bytes};
    struct load_trees load = {db, ERR_OK};
    enum err e = primary_open(db->os, &options, &db->primary, f);

    ASSERT(!db->wal);
    if (e)
        return e;
    db->backups.primary = db->primary;
    primary_on_ready(db->primary, db_on_pages, db);
    root_each_tree(primary_root(db->primary), db_load_tree, &load);
    if (load.result)
        return failure_set(f, load.result, "out of memory for the catalogue");
    primary_read_blocking(db->primary, true);
    e = recovery_load_catalogue(db, f);
    if (!e)
        e = recovery_load_tokens(db, f);
    if (!e)
        e = recovery_load_vault(db, f);
    primary_read_blocking(db->primary, false);
    if (!e) {
        primary_on_bad_copy(db->primary, db_on_bad_copy, db);
        primary_on_damage(db->primary, db_on_damage, db);
        primary_each_damage(db->primary, db_load_damage, db);
    }
    return e;
}

static enum err db_open_log(struct db *db, struct failure *f)
{
    const struct root_facts *root = root_facts(primary_root(db->primary));
    struct wal_options options = {.segment_bytes = db->options.segment_bytes,
                                  .in_flight_max = db->options.log_in_flight,
                                  .spare_segments = 2,
                                  .interval_ms = db->options.interval_ms,
                                  .direct_bytes_max = DIRECT_BYTES_MAX,
                                  .keep = db->options.keep,
                                  .keep_context = db->options.keep_context,
                                  .numbers_ahead = NUMBERS_AHEAD};
    struct wal_events events = {
        db,  commit_on_written, commit_on_durable, db_on_reserved, db_on_log_failed, db_on_room,
        NULL};
    struct wal_numbers numbers = {root->version_reserved, root->commit_reserved};
    struct recovery recovery;
    struct wal_replay replay = {&recovery, recovery_piece, recovery_batch};
    uint64_t begun = os_now_ms(db->os);
    enum err e;

    ASSERT(!db->wal && db->stages.newest);
    primary_identity(db->primary, options.identity);
    db->numbers.last_commit = root->commit;
    recovery_init(&recovery, db);
    e = wal_open(db->os, &options, &events, &replay, root->log_position, &numbers, &db->wal, f);
    if (!e)
        e = recovery_end(&recovery, f);
    recovery_fini(&recovery);
    if (!e)
        e = wal_begin(db->wal, wal_epoch(db->wal) + 1, f);
    if (e)
        return e;
    PULSE_TELL(&db->pulse, recovered, .root = root->number, .commits = recovery.replayed,
               .bytes = db->stages.staged_bytes, .ms = os_now_ms(db->os) - begun);
    ASSERT(db->numbers.last_commit >= root->commit); /* the log goes on behind the root */
    numbers_start(&db->numbers, numbers);
    return ERR_OK;
}

static void *check_alloc(void *os, size_t bytes)
{
    ASSERT(bytes > 0);
    return os_alloc(os, bytes);
}

static void check_free(void *os, void *memory, size_t bytes)
{
    os_free(os, memory, bytes);
}

static enum err db_open_txns(struct db *db)
{
    struct txns_ground ground = {.os = db->os,
                                 .options = &db->options,
                                 .pulse = &db->pulse,
                                 .numbers = &db->numbers,
                                 .stages = &db->stages,
                                 .catalogue = &db->catalogue};
    enum err e = txns_init(&db->txns, &ground, os_now_ms(db->os), EXPIRY_STEP_MS);

    entries_init(&db->txns.entries, db->os, db->options.index_entries_max);
    leaving_init(&db->txns.leaving, db->options.slice_steps);
    return e;
}

enum err db_open(struct os *os, const struct db_options *options,
                 const struct db_events *events, struct db **out, struct failure *f)
{
    struct db *db = os_alloc(os, sizeof *db);
    struct stage *first;
    enum err e;

    ASSERT(os && options && events);
    *out = NULL;
    if (!db)
        return failure_set(f, ERR_NOMEM, "out of memory for the database");
    memset(db, 0, sizeof *db);
    db->os = os;
    db->options = *options;
    failure_init(&db->log_failure);
    stage_stack_init(&db->stages, os);
    db->lock_waits.os = os;
    db->lock_waits.pulse = &db->pulse;
    db->lock_waits.turns = lock_turns_of(db);
    lock_wait_init(&db->lock_waits, os_now_ms(os));
    snapshots_init(&db->snapshots);
    cursor_pool_init(&db->cursors, os);
    db->cursors.catalogue = &db->catalogue;
    db->cursors.pulse = &db->pulse;
    db->cursors.stages = &db->stages;
    openings_init(&db->openings, os, &db->catalogue.databases, &db->pulse);
    list_init(&db->tasks);
    backups_init(&db->backups, os, &db->pulse);
    list_init(&db->checks_leaving);
    tellings_init(&db->tellings);
    replies_init(&db->replies, &db->numbers, &db->pulse);
    pulse_init(&db->pulse, events, os_now_ms(os));
    damage_init(&db->damage, os, &db->catalogue, &db->pulse);
    os->ops->random(os, &db->hash_seed, sizeof db->hash_seed);
    db->check_memory = (struct msgpack_memory){check_alloc, check_free, os};
    e = db_open_txns(db) ? failure_set(f, ERR_NOMEM, "out of memory for the database")
                         : db_open_lock(db, f);
    if (!e)
        e = db_open_check(db, f);
    if (!e && (amalgamate_init(db) || intents_init(&db->txns.intents, os, db->hash_seed) ||
               written_init(&db->txns) || reads_init(&db->txns, db->hash_seed) ||
               catalogue_init(&db->catalogue, os, db->hash_seed) ||
               tokens_init(&db->tokens, os, db->hash_seed) ||
               vault_init(&db->vault, os, db->hash_seed)))
        e = failure_set(f, ERR_NOMEM, "out of memory for the database");
    db->tokens.max = options->tokens_max;
    db->tokens.keep_ms = options->tokens_ms;
    first = e ? NULL : stage_new(os, ++db->stages.made);
    if (!e && !first)
        e = failure_set(f, ERR_NOMEM, "out of memory for the database");
    if (!e) {
        stage_stack_push(&db->stages, first);
        e = db_open_primary(db, f);
    }
    if (!e)
        e = db_open_log(db, f);
    if (!e)
        e = quotas_load(db, f);
    if (!e) {
        db->builds.work = index_build_new(db);
        if (!db->builds.work)
            e = failure_set(f, ERR_NOMEM, "out of memory for the database");
    }
    if (e) {
        db_free(db, true);
        return e;
    }
    scrub_init(&db->scrub, os, db->primary, &db->pulse, &db->damage);
    scrub_begin(&db->scrub, db->options.scrub_ms);
    *out = db;
    return e;
}

/* ---- turning ---- */

static uint64_t merged_upto(const struct db *db)
{
    return root_facts(primary_root(db->primary))->commit;
}

uint64_t db_replay_bytes(struct db *db)
{
    bool is_empty = true;

    for (const struct stage *s = db->stages.newest; s; s = s->below)
        is_empty = is_empty && (!s->last_commit || s->last_commit <= merged_upto(db));
    return is_empty
               ? 0
               : wal_position(db->wal) - root_facts(primary_root(db->primary))->log_position;
}

static void db_try_close(struct db *db)
{
    void (*closed)(void *context) = db->closed;

    ASSERT(!db->pulse.is_in_turn);
    if (!closed || db->passes.is_merging || db->backups.running || wal_is_busy(db->wal) ||
        primary_is_busy(db->primary) || check_is_busy(db) || db->scrub.is_out)
        return;
    if ((db->undurable.first || db->passes.asked_upto > merged_upto(db)) && !db->log_failed)
        return; /* the last pass ends, or fails, and then nothing is asked for */
    db->closed = NULL;
    closed(db->closed_context);
}

/* In slices: whoever ends last may leave much behind. */
static void db_reclaim_catalogue(struct db *db)
{
    struct snapshot_finger finger = snapshot_finger(&db->snapshots);
    struct catalogue_readers readers = {&finger, snapshot_versions};

    ASSERT(db->catalogue.rooted <= db->numbers.durable);
    if (snapshots_pass_on(db, CATALOGUE_RECLAIM_STEPS))
        pulse_wake(&db->pulse);
    if (catalogue_reclaim(&db->catalogue, db->numbers.durable, &readers,
                          CATALOGUE_RECLAIM_STEPS))
        pulse_wake(&db->pulse);
}

void db_turn(struct db *db)
{
    bool grants_left;

    ASSERT(db->stages.newest->state == STAGE_OPEN && !db->stages.newest->above); /* T-1 */
    pulse_turn_begin(&db->pulse, os_now_ms(db->os));
    losers_turn(db);
    grants_left = lock_wait_turn(db);
    if (leaving_turn(&db->txns.leaving, db->options.slice_steps))
        pulse_wake(&db->pulse);
    pulse_wake_waiting(&db->pulse);
    primary_wake(db->primary);
    statements_turn(&db->txns);
    reclaim_turn(db);
    amalgamate_turn(db);
    stages_free_unneeded(&db->txns, &db->snapshots, tellings_oldest(&db->tellings));
    opening_turn(db);
    tasks_turn(db);
    backups_turn(&db->backups);
    outcome_turn(db);
    index_build_turn(db->builds.work);
    replies_turn(&db->replies);
    health_turn(db);
    pulse_turn_end(&db->pulse);
    if (grants_left || locks_due(lock_turns_of(db)))
        pulse_wake(&db->pulse);
    wal_kick(db->wal); /* it may tell of what it has written, or that it has failed */
    db_reclaim_catalogue(db);
    stages_collect(db);
    check_turn(db);
    if (!db->log_failed)
        scrub_turn(&db->scrub);
    if (read_set_collect(&db->txns.read_set, READS_FREED_A_TURN) ||
        !tellings_are_over(&db->tellings))
        pulse_wake(&db->pulse);
    db_try_close(db);
    ASSERT(db->stages.staged_bytes >= db->stages.sealed_bytes);
}

uint64_t db_tick(struct db *db)
{
    uint64_t next, wal_next, locks_next, opening_next;

    ASSERT(db->wal && !db->pulse.is_in_turn);
    db->pulse.now_ms = os_now_ms(db->os);
    next = expiry_turn(&db->txns);
    locks_next = lock_wait_tick(db);
    if (locks_next < next)
        next = locks_next;
    wal_next = wal_tick(db->wal, db->pulse.now_ms);
    opening_next = opening_tick(db);
    if (opening_next < next)
        next = opening_next;
    if (tokens_next_ms(&db->tokens) <= db->pulse.now_ms)
        pulse_wake(&db->pulse);
    if (tokens_next_ms(&db->tokens) != UINT64_MAX && db->pulse.now_ms + EXPIRY_STEP_MS < next)
        next = db->pulse.now_ms + EXPIRY_STEP_MS;
    if (db_next_pass_ms(db) < next)
        next = db_next_pass_ms(db);
    if (db->stages.sealed_count && !db->passes.is_merging &&
        db->pulse.now_ms >= db->passes.retry_ms)
        pulse_wake(&db->pulse);
    if (index_build_next_ms(db->builds.work) <= db->pulse.now_ms ||
        check_next_ms(db) <= db->pulse.now_ms)
        pulse_wake(&db->pulse);
    if (db->reclaiming.due_ms && db->pulse.now_ms >= db->reclaiming.due_ms)
        pulse_wake(&db->pulse);
    if (scrub_next_ms(&db->scrub) <= db->pulse.now_ms)
        pulse_wake(&db->pulse);
    else if (scrub_next_ms(&db->scrub) < next)
        next = scrub_next_ms(&db->scrub);
    return wal_next < next ? wal_next : next;
}

void db_note_clients(struct db *db)
{
    ASSERT(!db->pulse.is_in_turn);
    db->pulse.now_ms = os_now_ms(db->os);
    pace_note_clients(&db->builds.pace);
    pace_note_clients(&db->check_pace);
}

/* Of what a turn may have begun that ends by time: transactions, and waiting for locks and for
 * databases. */
static uint64_t limits_next_ms(const struct db *db)
{
    uint64_t next = deadline_next_ms(&db->txns.expiries);

    ASSERT(next > 0 && db->openings.due_ms > 0);
    if (deadline_next_ms(&db->lock_waits.timeouts) < next)
        next = deadline_next_ms(&db->lock_waits.timeouts);
    return db->openings.due_ms < next ? db->openings.due_ms : next;
}

uint64_t db_next_pass_ms(const struct db *db)
{
    uint64_t next = amalgamate_next_ms(db), sync_next = wal_next_sync_ms(db->wal);
    uint64_t build_next = index_build_next_ms(db->builds.work);
    uint64_t limits_next = limits_next_ms(db);

    ASSERT(db->passes.work);
    if (sync_next < next)
        next = sync_next;
    if (build_next < next)
        next = build_next;
    if (check_next_ms(db) < next)
        next = check_next_ms(db);
    if (limits_next < next)
        next = limits_next;
    return db->reclaiming.due_ms && db->reclaiming.due_ms < next ? db->reclaiming.due_ms : next;
}

/* ---- closing ---- */

/* What is staged, if it is so little that merging it takes no time worth mentioning: the next start
 * need not replay it. The pages that a pass writes are as many as its records at most, about. */
static void close_merge(struct db *db)
{
    uint64_t records = 0;

    for (const struct stage *s = db->stages.newest; s; s = s->below)
        records += s->records;
    if (db->options.manual || db->log_failed || db->passes.error || !records ||
        records > CLOSE_RECORDS_MAX || db->stages.staged_bytes > CLOSE_BYTES_MAX ||
        stages_rotate(db) != ERR_OK || !db->stages.sealed_count)
        return;
    db->passes.asked_upto = db->stages.newest->below->last_commit;
    db->passes.retry_ms = 0;
}

void db_close(struct db *db, void (*closed)(void *context), void *context)
{
    ASSERT(list_is_empty(&db->txns.open));
    ASSERT(closed && !db->closed);
    db->closed = closed;
    db->closed_context = context;
    index_build_stop(db->builds.work);
    check_stop(db);
    scrub_stop(&db->scrub);
    db->passes.asked_upto = 0;
    close_merge(db);
    db->options.manual = true; /* no other pass */
    wal_sync_soon(db->wal);
    pulse_wake(&db->pulse);
}

void db_free(struct db *db, bool abandon)
{
    while (!list_is_empty(&db->txns.open)) {
        struct txn *t = LIST_ENTRY(db->txns.open.next, struct txn, in_open);

        ASSERT(abandon);
        txn_rollback(t);
    }
    if (db->builds.work)
        index_build_free(db->builds.work);
    check_abandon(db);
    scrub_fini(&db->scrub);
    ASSERT(list_is_empty(&db->txns.open));
    leaving_end(&db->txns.leaving);
    tellings_fini(&db->tellings, db->os);
    snapshots_fini(&db->snapshots, db->os);
    cursor_pool_fini(&db->cursors);
    entries_fini(&db->txns.entries);
    amalgamate_fini(db, abandon);
    stage_stack_fini(&db->stages, db->os);
    intents_fini(&db->txns.intents);
    written_fini(&db->txns);
    txns_fini(&db->txns);
    read_set_fini(&db->txns.read_set);
    catalogue_fini(&db->catalogue);
    tokens_fini(&db->tokens);
    backups_fini(&db->backups);
    vault_fini(&db->vault);
    if (db->wal)
        wal_close(db->wal, abandon || db->log_failed);
    if (db->primary)
        primary_close(db->primary, abandon);
    if (db->lock)
        db->os->ops->file_close(db->lock);
    damage_fini(&db->damage);
    failure_clear(&db->log_failure);
    os_free(db->os, db, sizeof *db);
}
