/* Lives and deaths: what happens at each step, crashes, restarts and the end. */
#include "server/txn/catalogue.h"
#include "server/txn/db_struct.h"
#include "tests/sim/life_internal.h"
#include "tests/sim/totals.h"

#include <stdio.h>
#include <stdlib.h>

static void life_on_failed(void *context, const struct failure *why)
{
    struct life *l = context;

    (void)why;
    l->is_failed = true;
}

/* Only what has rotted may be called damaged. */
static void life_on_damage(struct life *l, enum event event, const void *facts)
{
    const struct event_store_damaged *damaged = facts;
    const struct event_copy_damaged *copy = facts;

    if (event == EVENT_store_damaged) {
        LIFE_CHECK(l,
                   l->victim < MODEL_STORES &&
                       (life_store_of_tree(l, (uint32_t)damaged->store) == l->victim ||
                        slice_equal(damaged->name, life_store_name(l->victim)) ||
                        (l->options->indexes && !damaged->name.size)), /* while it starts */
                   "store %llu is called damaged that is not",
                   (unsigned long long)damaged->store);
        l->counts->damaged += !l->is_damaged;
        l->is_damaged = true;
    }
    if (event == EVENT_copy_damaged) {
        LIFE_CHECK(l, l->is_copy_rotten || l->options->faults, /* a read may fail */
                   "a copy is called damaged that is not, at offset %llu",
                   (unsigned long long)copy->offset);
        l->counts->copies_met++;
    }
}

static void life_on_event(void *context, enum event event, const void *facts)
{
    const struct event_amalgamated *amalgamated = facts;
    struct life *l = context;
    char text[512];

    l->counts->scrubs += event == EVENT_scrubbed;
    LIFE_CHECK(l,
               event != EVENT_scrub_finding || l->victim < MODEL_STORES || l->is_copy_rotten ||
                   l->options->faults || sim_is_off(l->sim),
               "the scrub finds something");
    if (event == EVENT_amalgamated) {
        l->counts->amalgamations++;
        l->counts->roots += amalgamated->roots - 1;
    }
    life_on_damage(l, event, facts);
    life_on_index(l, event, facts);
    if (event == EVENT_stage_sealed)
        l->counts->rotations++;
    if (sim_knobs(l->sim)->trace)
        fprintf(stderr, "# %s%.*s\n", event_name(event),
                (int)event_write(event, facts, text, sizeof text), text);
}

static void life_end_request(struct actor *a)
{
    if (a->cursor)
        cursor_close(a->cursor);
    a->cursor = NULL;
    if (a->act != ACT_NONE)
        op_fini(&a->op);
    a->act = ACT_NONE;
}

/* What is held for the oldest transactions is over the limit: they have ended. */
static void life_end_expired(struct life *l)
{
    for (unsigned i = 0; i < l->options->actors && (l->is_tight || l->has_lock_limits); i++) {
        struct actor *a = &l->actors[i];
        const struct failure *why = a->txn ? txn_failure(a->txn) : NULL;
        bool held;

        if (!why || why->error != ERR_TXN_EXPIRED)
            continue;
        held = why->limit && strcmp(why->limit, "held_bytes") == 0;
        if (why->limit && strcmp(why->limit, "lock-idle") == 0)
            judge_lock_idle(l, a);
        else
            LIFE_CHECK(l,
                       strstr(why->text, "held-max") || strstr(why->text, "roots-memory") ||
                           (a->begin.held_bytes && strstr(why->text, "held_bytes")),
                       "it expired by itself: %s", why->text);
        if (a->act != ACT_NONE && !a->autocommit)
            life_end_request(a);
        txn_rollback(a->txn);
        actor_forget(a);
        l->counts->expired++;
        l->counts->own_limits += held;
    }
}

static void life_turn(struct life *l)
{
    struct db_status status;

    db_turn(l->db);
    db_tick(l->db);
    life_end_expired(l);
    judge_lock_limits(l);
    LIFE_CHECK(l, db_check(l->db), "what is written or read is not where it must be");
    if (l->options->indexes && sim_chance(l->sim, 1))
        life_check_indexes(l);
    db_status(l->db, &status);
    l->merged = status.primary.commit;
    l->on_disk = status.ledger_disk_bytes > 0;
    l->counts->spilled += l->on_disk;
    l->counts->tokens_deleted += status.tokens_forgotten < l->tokens_forgotten;
    l->tokens_forgotten = status.tokens_forgotten;
}

/* Let time pass until what was waited for has come. */
void life_settle(struct life *l)
{
    life_turn(l);
    if (!sim_step(l->sim))
        sim_advance_ms(l->sim, 50);
    life_end_expired(l);
}

static bool life_open(struct life *l)
{
    struct db_events events = {l, NULL, life_on_failed, life_on_event};
    struct failure f;
    enum err e;

    failure_init(&f);
    l->is_failed = false;
    life_check_disk(l);
    e = db_open(sim_table(l->sim), &l->db_options, &events, &l->db, &f);
    if (e && (sim_is_off(l->sim) || life_excuses(l, e))) {
        failure_clear(&f);
        return false;
    }
    LIFE_CHECK(l, e == ERR_OK, "opening answered %s: %s %s %llu", err_name(e), f.text, f.file,
               (unsigned long long)f.offset);
    return true;
}

static void life_abandon(struct life *l)
{
    for (unsigned i = 0; i < l->options->actors; i++) {
        struct actor *a = &l->actors[i];

        life_end_request(a);
        if (a->txn)
            txn_rollback(a->txn);
        actor_forget(a);
    }
    memset(l->promises, 0, sizeof l->promises);
    memset(l->tasks, 0, sizeof l->tasks);
    life_check_forget(l);
    life_backup_forget(l);
    db_free(l->db, true);
    l->db = NULL;
    LIFE_CHECK(l, sim_alloc_outstanding(l->sim) == 0, "%llu bytes were not given back",
               (unsigned long long)sim_alloc_outstanding(l->sim));
}

#define STATE_UNKNOWN UINT64_MAX /* the page that would say it has rotted */
#define STATE_INDEXES (MODEL_KEYS + 1) /* behind keys and the store: the kinds of its indexes */
#define STATE_SIZE (STATE_INDEXES + MODEL_INDEXES)

/* What the opened database holds, key by key; 0: nothing. */
static void life_read_all(struct life *l, uint64_t state[MODEL_STORES][STATE_SIZE])
{
    struct actor *a = &l->actors[0];

    for (unsigned s = 0; s < MODEL_STORES; s++) {
        for (unsigned k = 0; k < MODEL_KEYS; k++) {
            uint8_t room[16];
            struct slice value;
            enum err e;

            op_init(&a->op, l->db, actor_wake);
            for (;;) {
                e = record_get(&a->op, NULL, life_store_name(s), life_key(k, room), &value);
                if (e != ERR_WAIT)
                    break;
                for (a->is_woken = false; !a->is_woken;)
                    life_settle(l);
            }
            if (e == ERR_CORRUPT && s == l->victim) {
                state[s][MODEL_KEYS] = true;
                state[s][k] = STATE_UNKNOWN;
                op_fini(&a->op);
                continue;
            }
            LIFE_CHECK(l, e == ERR_OK || e == ERR_NO_STORE,
                       "after a restart a get answered %s: %s", err_name(e),
                       a->op.failure.text);
            state[s][MODEL_KEYS] = e == ERR_OK;
            state[s][k] = e || slice_is_none(value) ? 0 : life_read_value(l, value);
            op_fini(&a->op);
        }
        life_read_indexes(l, s, &state[s][STATE_INDEXES]);
    }
}

static bool state_is(const struct life *l, uint64_t state[MODEL_STORES][STATE_SIZE],
                     uint64_t commit)
{
    uint64_t decided;

    for (unsigned s = 0; s < MODEL_STORES; s++) {
        if (model_has_store(&l->model, s, commit) != (state[s][MODEL_KEYS] != 0))
            return false;
        for (unsigned k = 0; k < MODEL_KEYS; k++) {
            if (state[s][k] != STATE_UNKNOWN &&
                model_get(&l->model, s, k, commit, &decided) != state[s][k])
                return false;
        }
        for (unsigned i = 0; i < MODEL_INDEXES; i++) {
            if (model_index(&l->model, s, i, commit) != state[s][STATE_INDEXES + i])
                return false;
        }
    }
    return true;
}

/* Whether what the model has of the victim's record at a commit was guessed after a restart. */
static bool is_guessed(const struct life *l, unsigned key, uint64_t commit)
{
    uint64_t decided;

    model_get(&l->model, l->victim, key, commit, &decided);
    return decided > l->guessed[key].over && decided <= l->guessed[key].upto;
}

bool life_records_are(struct life *l, uint64_t commit)
{
    static uint64_t state[MODEL_STORES][STATE_SIZE];

    life_read_all(l, state);
    for (unsigned s = 0; s < MODEL_STORES; s++)
        for (unsigned i = 0; i < MODEL_INDEXES; i++)
            state[s][STATE_INDEXES + i] = model_index(&l->model, s, i, commit);
    for (unsigned k = 0; k < MODEL_KEYS && l->victim < MODEL_STORES; k++) {
        if (is_guessed(l, k, commit))
            state[l->victim][k] = STATE_UNKNOWN;
    }
    return state_is(l, state, commit);
}

static int commit_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x < y) - (x > y);
}

/* A damaged page hides which of two commits was the last that is left: an older one than the one
 * taken fits as well. They differ only in what cannot be read here; what is restored of a backup
 * may show it, for a page whose label alone has rotted comes with a new label. */
static void life_note_guesses(struct life *l, uint64_t older, uint64_t taken)
{
    uint64_t decided;

    for (unsigned k = 0; k < MODEL_KEYS && l->victim < MODEL_STORES; k++) {
        struct life_guess *g = &l->guessed[k];

        if (model_get(&l->model, l->victim, k, older, &decided) ==
            model_get(&l->model, l->victim, k, taken, &decided))
            continue;
        g->over = g->upto && g->over < older ? g->over : older;
        g->upto = taken;
    }
}

/* Rules 1 and 2: the state is a prefix of the commits that holds all that were told. */
static void life_check_prefix(struct life *l, uint64_t least)
{
    static uint64_t state[MODEL_STORES][STATE_SIZE];
    uint64_t *commits = malloc(sizeof *commits * 1000000);
    uint64_t taken = 0;
    size_t count = 0;
    bool found = false;

    life_read_all(l, state);
    for (unsigned s = 0; s < MODEL_STORES; s++) {
        for (unsigned k = 0; k <= MODEL_KEYS; k++) {
            const struct model_history *h =
                k == MODEL_KEYS ? &l->model.stores[s] : &l->model.keys[s][k];

            for (size_t i = h->count; i-- > 0 && h->versions[i].commit > least;)
                commits[count++] = h->versions[i].commit;
        }
    }
    commits[count++] = least;
    qsort(commits, count, sizeof *commits, commit_order);
    for (size_t i = 0; i < count; i++) { /* the newest first */
        if ((i && commits[i] == commits[i - 1]) || !state_is(l, state, commits[i]))
            continue;
        if (found)
            life_note_guesses(l, commits[i], taken);
        else
            taken = commits[i];
        found = true;
    }
    l->counts->lost += found && l->model.last_commit > taken;
    if (found)
        model_cut(&l->model, taken);
    free(commits);
    totals_add(TOTAL_LOST, !found);
    LIFE_CHECK(l, found, "after a restart the state is no prefix that holds commit %llu",
               (unsigned long long)least);
}

static void life_die(struct life *l)
{
    bool kill = sim_chance(l->sim, 30) && !sim_is_off(l->sim);
    uint64_t least = l->told;

    if (kill) {
        l->counts->kills++;
        if (l->told_kill > least && !l->is_failed)
            least = l->told_kill;
        sim_kill(l->sim);
        if (sim_chance(l->sim, 50))
            sim_forget(l->sim);
    } else {
        l->counts->crashes++;
        sim_crash(l->sim);
    }
    life_abandon(l);
    while (!life_open(l)) {
        /* the power went off, or a fault struck, while it recovered */
        sim_crash(l->sim);
        kill = false;
        least = l->told;
        LIFE_CHECK(l, sim_alloc_outstanding(l->sim) == 0, "a failed open leaks %llu bytes",
                   (unsigned long long)sim_alloc_outstanding(l->sim));
    }
    if (sim_chance(l->sim, 20))
        least = l->told; /* a second crash may follow before anybody reads */
    life_check_prefix(l, least);
    life_cut_generated(l, least);
    life_cut_tokens(l, least);
    life_check_indexes(l);
    /* what was read back has been told */
    l->told = l->told_kill = l->model.last_commit;
}

static void life_fault(struct life *l)
{
    switch (sim_random(l->sim, 6)) {
    case 0: sim_fail_at(l->sim, SIM_FAULT_WRITE, 1 + sim_random(l->sim, 20)); break;
    case 1: sim_fail_at(l->sim, SIM_FAULT_SYNC, 1 + sim_random(l->sim, 20)); break;
    case 2:
        sim_set_disk_limit(l->sim, sim_disk_used(l->sim) + sim_random(l->sim, 1 << 20));
        break;
    case 3: sim_fail_alloc_at(l->sim, 1 + sim_random(l->sim, 200)); break;
    case 4: sim_fail_at(l->sim, SIM_FAULT_READ, 1 + sim_random(l->sim, 20)); break;
    default:
        sim_fail_clear(l->sim);
        sim_set_disk_limit(l->sim, SIM_LIMIT_NONE);
        break;
    }
}

static void task_done(struct db_task *task, enum err e, const struct failure *f)
{
    (void)e;
    (void)f;
    list_init(&task->in_queue);
}

static void life_operate(struct life *l)
{
    struct db_task *task = &l->tasks[sim_random(l->sim, LIFE_TASKS)];

    if (task->done && list_is_linked(&task->in_queue))
        return; /* it is still under way */
    task->done = task_done;
    list_init(&task->in_queue);
    if (sim_chance(l->sim, 50))
        db_rotate(l->db, task);
    else
        db_amalgamate(l->db, task);
}

static void life_step(struct life *l)
{
    uint64_t dice = sim_random(l->sim, 10000);

    if (l->is_failed || sim_is_off(l->sim) || dice < l->options->crashes) {
        life_die(l);
    } else if (dice < l->options->crashes + (l->options->tiny ? 2 : 20)) {
        sim_power_off_after(l->sim, sim_random(l->sim, 60));
    } else if (dice < 150) {
        life_operate(l);
    } else if (dice >= 9980) {
        life_check_online(l);
    } else if (dice >= 9850) {
        life_back_up(l);
    } else if (l->options->faults && dice < 180) {
        life_fault(l);
    } else if (l->options->rots && dice < 190) {
        life_rot(l);
    } else if (dice < 300) {
        sim_advance_ms(l->sim, sim_random(l->sim, sim_chance(l->sim, 10) ? 1000 : 100));
    } else if (dice < 330) {
        sim_stall_lane(l->sim, (enum os_lane)sim_random(l->sim, OS_LANE_COUNT),
                       sim_chance(l->sim, 30));
    } else if (dice < 3000) {
        sim_step(l->sim);
        life_end_expired(l);
    } else if (dice < 5000) {
        life_turn(l);
    } else {
        actor_act(l, &l->actors[sim_random(l->sim, l->options->actors)]);
    }
}

/* After all: everything ends, nothing is held, a clean restart finds all of it. */
static void life_closed(void *context)
{
    *(bool *)context = true;
}

/* Nothing is open: after a pass nothing is held, and the primary has what the model has. */
static void life_check_floor(struct life *l)
{
    struct db_task task = {.done = task_done};
    bool may_have_horizon = l->db_options.tokens_deleted_at_once < 1000; /* a row, too */
    uint64_t tokens, rows;
    struct db_status status;
    uint64_t records = 0, stores = 0, indexes, entries = model_entries(l, &indexes), decided;

    for (unsigned turns = 0;; turns++) { /* forgotten tokens are deleted, which is a commit */
        life_settle(l);
        db_status(l->db, &status);
        if (status.tokens_forgotten < l->db_options.tokens_deleted_at_once)
            break;
        LIFE_CHECK(l, turns < 10000, "forgotten tokens are not deleted");
    }
    for (unsigned i = 0; i < 20; i++)
        life_settle(l);
    list_init(&task.in_queue);
    db_amalgamate(l->db, &task);
    while (list_is_linked(&task.in_queue))
        life_settle(l);
    for (unsigned i = 0; i < 100; i++)
        life_settle(l);
    if (l->has_generated) {
        stores = 1;
        records = life_generated_records(l);
    }
    for (unsigned s = 0; s < MODEL_STORES; s++) {
        stores += model_has_store(&l->model, s, UINT64_MAX);
        for (unsigned k = 0; k < MODEL_KEYS; k++)
            records += model_get(&l->model, s, k, UINT64_MAX, &decided) != 0;
    }
    db_status(l->db, &status);
    LIFE_CHECK(l, status.stages == 1 && status.ledgers == 0 && status.open_txns == 0,
               "at the end there are %llu stages, %llu ledgers, %llu transactions",
               (unsigned long long)status.stages, (unsigned long long)status.ledgers,
               (unsigned long long)status.open_txns);
    LIFE_CHECK(l, status.databases <= 1 && (status.databases || !stores),
               "%llu stores are in %llu databases", (unsigned long long)stores,
               (unsigned long long)status.databases);
    tokens = status.tokens + status.tokens_forgotten;
    rows = records + stores + entries + tokens + status.databases;
    LIFE_CHECK(
        l,
        l->has_failed_build ||
            (status.primary.trees <= stores + indexes + 1 + (tokens > 0 || may_have_horizon) &&
             (status.primary.records - (status.primary.records > rows && may_have_horizon) ==
                  rows ||
              (l->options->rots && tokens && /* rows of those forgotten before a restart stay */
               status.primary.records > records + stores + entries))),
        "the primary has %llu records in %llu trees, the model %llu in %llu stores, and %llu "
        "entries in %llu indexes; %llu tokens",
        (unsigned long long)status.primary.records, (unsigned long long)status.primary.trees,
        (unsigned long long)records, (unsigned long long)stores, (unsigned long long)entries,
        (unsigned long long)indexes, (unsigned long long)tokens);
    life_check_indexes(l);
}

/* Passes go on beside the damage; with its store that ends. */
static void life_heal(struct life *l)
{
    struct db_task task = {.done = task_done};
    struct actor *a = &l->actors[0];
    struct db_status status;

    if (l->victim == MODEL_STORES)
        return;
    list_init(&task.in_queue);
    for (unsigned pass = 0; pass <= MODEL_INDEXES; pass++) { /* each may meet another tree */
        db_amalgamate(l->db, &task);
        while (list_is_linked(&task.in_queue))
            life_settle(l);
        for (unsigned i = 0; i < 100; i++)
            life_settle(l);
    }
    db_status(l->db, &status);
    LIFE_CHECK(l, status.stages == 1, "beside damage there are %llu stages after a pass",
               (unsigned long long)status.stages);
    a->store = l->victim;
    a->act = ACT_DROP;
    a->autocommit = true;
    op_init(&a->op, l->db, actor_wake);
    while (!actor_call(l, a)) {
        while (!a->is_woken)
            life_settle(l);
    }
    op_fini(&a->op);
    a->act = ACT_NONE;
}

#define LEAST_CATALOGUE_BYTES (UINT64_C(1) << 20)

static void life_end(struct life *l)
{
    bool closed = false;

    sim_fail_clear(l->sim);
    sim_power_off_after(l->sim, SIM_LIMIT_NONE);
    sim_set_disk_limit(l->sim, SIM_LIMIT_NONE);
    for (int lane = 0; lane < OS_LANE_COUNT; lane++)
        sim_stall_lane(l->sim, (enum os_lane)lane, false);
    life_end_waits(l);
    for (unsigned i = 0; i < l->options->actors; i++) {
        struct actor *a = &l->actors[i];

        life_end_request(a);
        if (a->txn)
            txn_rollback(a->txn);
        actor_forget(a);
    }
    life_backup_forget(l);
    db_close(l->db, life_closed, &closed);
    for (unsigned i = 0; !closed && i < 100000 && !l->is_failed; i++)
        life_settle(l);
    LIFE_CHECK(l, closed || l->is_failed, "the database does not close");
    if (l->is_failed) {
        sim_crash(l->sim);
        life_abandon(l);
    } else {
        memset(l->promises, 0, sizeof l->promises);
        memset(l->tasks, 0, sizeof l->tasks);
        life_check_forget(l);
        db_free(l->db, false);
        l->told = l->model.last_commit; /* a clean end loses nothing */
        if (sim_chance(l->sim, 50))
            sim_crash(l->sim);
    }
    /* so small that one definition may take more than the eighth that is there for drops beyond it;
     * a server's is 1 MiB or more */
    if (l->db_options.catalogue_bytes_max < LEAST_CATALOGUE_BYTES)
        l->db_options.catalogue_bytes_max = LEAST_CATALOGUE_BYTES;
    LIFE_CHECK(l, life_open(l), "the last open failed");
    life_check_prefix(l, l->told);
    life_cut_generated(l, l->told);
    life_check_indexes(l);
    life_heal(l);
    life_end_builds(l);
    life_check_floor(l);
    l->is_failed = true; /* so that the rest is abandoned */
    sim_crash(l->sim);
    life_abandon(l);
    LIFE_CHECK(l, sim_open_files(l->sim) == 0, "files are left open");
}

static void life_make_stores(struct life *l)
{
    for (unsigned s = 0; s < MODEL_STORES; s++) {
        struct actor *a = &l->actors[0];

        l->model.last_writer_wins[s] = s == MODEL_STORES - 1;
        a->store = s;
        a->act = ACT_CREATE;
        a->autocommit = true;
        op_init(&a->op, l->db, actor_wake);
        while (!actor_call(l, a)) {
            while (!a->is_woken)
                life_settle(l);
        }
        op_fini(&a->op);
        a->act = ACT_NONE;
    }
}

/* Limits that are met all the time: each, or none of that kind. */
static void life_tighten(struct life *l)
{
    struct db_options *o = &l->db_options;

    if (sim_chance(l->sim, 50))
        o->writes_total_max = UINT64_C(1000) << sim_random(l->sim, 8);
    if (sim_chance(l->sim, 50))
        o->txn_bytes_max = UINT64_C(1000) << sim_random(l->sim, 8);
    if (sim_chance(l->sim, 50))
        o->value_bytes_max = UINT64_C(100) << sim_random(l->sim, 5);
    if (sim_chance(l->sim, 50))
        o->open_txns_max = 2 + sim_random(l->sim, l->options->actors);
    if (sim_chance(l->sim, 50))
        o->held_bytes_max = UINT64_C(1000) << sim_random(l->sim, 8);
    if (sim_chance(l->sim, 50)) {
        o->tokens_max = 1 + sim_random(l->sim, 8);
        o->tokens_deleted_at_once = 1 + (unsigned)sim_random(l->sim, 30);
    }
    if (sim_chance(l->sim, 50)) /* of its stores alone, and up to some versions of each */
        o->catalogue_bytes_max = 4096 + sim_random(l->sim, 4096);
    if (sim_chance(l->sim, 50))
        o->roots_bytes_max = UINT64_C(500) << sim_random(l->sim, 6);
    if (sim_chance(l->sim, 50))
        o->indexes_max = 1 + (uint32_t)sim_random(l->sim, 4);
    if (sim_chance(l->sim, 50))
        o->index_entries_max = 1 + (uint32_t)sim_random(l->sim, 4);
    if (sim_chance(l->sim, 20)) /* of some keys, of all of an index, or of none */
        o->key_bytes_max = 4 + (uint32_t)sim_random(l->sim, 20);
}

bool life_run(uint64_t seed, const struct life_options *options, struct life_counts *counts,
              char *why, unsigned why_size)
{
    struct life *l = calloc(1, sizeof *l);
    uint64_t commits = counts->commits;
    volatile bool ok = false;

    l->sim = sim_new(seed);
    l->options = options;
    l->counts = counts;
    l->why = why;
    l->why_size = why_size;
    l->seed = seed;
    l->victim = MODEL_STORES;
    model_init(&l->model);
    for (unsigned i = 0; i < options->actors; i++)
        l->actors[i].life = l;
    db_options_default(&l->db_options);
    l->db_options.stage_bytes = 4096 << (options->tiny ? 0 : sim_random(l->sim, 6));
    l->db_options.staged_bytes_max = l->db_options.stage_bytes * (3 + sim_random(l->sim, 6));
    l->db_options.link_bytes_max = 1024 << sim_random(l->sim, 8);
    l->db_options.held_memory_max =
        options->spills ? 0 : sim_random(l->sim, UINT64_C(2000) << sim_random(l->sim, 10));
    l->db_options.cache_bytes = UINT64_C(16384) << sim_random(l->sim, options->spills ? 2 : 8);
    l->db_options.page_bytes = 4096;
    l->db_options.segment_bytes = UINT64_C(16) << 20;
    l->db_options.log_in_flight = 1 + (unsigned)sim_random(l->sim, 4);
    l->db_options.amalgamate_percent = 10;
    l->db_options.scrub_ms = seed % 2 ? 3000 : 0;
    l->db_options.lock_wait_ms = l->db_options.lock_idle_ms = UINT64_C(3600000);
    l->has_lock_limits = options->locks && sim_chance(l->sim, 60);
    if (l->has_lock_limits) {
        l->db_options.lock_wait_ms = 20 + sim_random(l->sim, 500);
        l->db_options.lock_idle_ms = 20 + sim_random(l->sim, 500);
    }
    l->is_late = sim_chance(l->sim, 50);
    if (l->is_late)
        l->db_options.slice_steps = 1 + (unsigned)sim_random(l->sim, 60);
    l->is_coarse = sim_chance(l->sim, 30);
    if (l->is_coarse) {
        l->db_options.reads_bytes_max = UINT64_C(700) << sim_random(l->sim, 6);
        l->db_options.reads_total_max = UINT64_C(2000) << sim_random(l->sim, 6);
    }
    l->is_tight = sim_chance(l->sim, 30);
    if (l->is_tight)
        life_tighten(l);
    if (setjmp(l->broken) == 0) {
        LIFE_CHECK(l, life_open(l), "the first open failed");
        life_make_stores(l);
        life_make_generated(l);
        for (l->step = 0; l->step < options->steps; l->step++)
            life_step(l);
        if (sim_is_off(l->sim) || l->is_failed)
            life_die(l);
        life_end(l);
        ok = true;
    }
    model_fini(&l->model);
    totals_add(TOTAL_SEEDS, 1);
    totals_add(TOTAL_TRANSACTIONS, counts->commits - commits);
    totals_add(TOTAL_WRONG, !ok);
    if (ok) {
        sim_free(l->sim);
        life_chain_forget(l);
    }
    free(l); /* what a broken life leaves is left, for the debugger */
    return ok;
}
