#include "tests/unit/path_rig.h"

#include "server/txn/check_data.h"
#include "server/txn/commit.h"
#include "server/txn/index_read.h"
#include "server/txn/indexes.h"
#include "server/txn/database.h"
#include "server/txn/lock_wait.h"
#include "server/txn/opening.h"
#include "server/txn/outcome.h"
#include "server/txn/savepoints.h"
#include "server/txn/tokens.h"
#include "server/txn/upgrade.h"
#include "tests/sim/totals.h"
#include "tests/unit/notation.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const store_names[PATH_STORES] = {"a", "b", "c", "d", "u"};

/* ---- what is there ---- */

static uint64_t hash_of(struct slice value)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < value.size; i++)
        hash = (hash ^ value.data[i]) * UINT64_C(0x100000001b3);
    return hash | 1;
}

static void read_store(struct core_rig *rig, unsigned s, struct path_state *out)
{
    struct source source = {.store = slice_text(store_names[s]), .index = slice_text("low")};
    uint8_t room[16];
    struct slice value;
    enum err e;

    e = CORE_CALL(rig, index_find_source(&rig->op, NULL, &source));
    MUST(e == ERR_OK || e == ERR_NO_STORE || e == ERR_NO_INDEX);
    out->has_store[s] = e != ERR_NO_STORE;
    out->has_index[s] = e == ERR_OK;
    for (unsigned key = 0; key < PATH_KEYS && out->has_store[s]; key++) {
        e = CORE_CALL(rig, record_get(&rig->op, NULL, source.store,
                                      slice_make(room, msgpack_put_uint(room, key)), &value));
        MUST_EQ(e, ERR_OK);
        out->values[s][key] = slice_is_none(value) ? 0 : hash_of(value);
    }
}

void path_look(struct core_rig *rig, struct path_state *out)
{
    memset(out, 0, sizeof *out);
    core_settle(rig);
    for (unsigned s = 0; s < PATH_STORES; s++)
        read_store(rig, s, out);
    core_end_op(rig);
}

bool path_is_right(const struct path_run *run, const struct path_state *state)
{
    bool before = memcmp(state, &run->states[run->done], sizeof *state) == 0;
    bool behind = run->done + 1 < run->state_count &&
                  memcmp(state, &run->states[run->done + 1], sizeof *state) == 0;

    return before || behind;
}

static void path_found(void *context, const struct finding *n, const char *tree)
{
    (void)context;
    (void)n;
    (void)tree;
}

void path_check_disk(struct core_rig *rig)
{
    struct findings found;
    struct check_data c = {.options = rig->options, .to = &found, .found = path_found};
    struct failure f;

    failure_init(&f);
    findings_init(&found, sim_table(rig->sim));
    if (check_data_run(sim_table(rig->sim), &c, &f) != ERR_OK)
        ck_abort_msg("the check of the disk does not go through: %s", f.text);
    if (found
            .damaged) /* a meta page that was being written is written again by the next start */
        ck_abort_msg("the check of the disk finds something wrong at %s:%llu: %s",
                     found.items[0].file, (unsigned long long)found.items[0].offset,
                     found.items[0].text);
    findings_fini(&found);
}

/* ---- a run ---- */

void path_open(struct path_run *run, uint64_t seed)
{
    struct core_rig *rig = &run->rig;
    struct buffer index = packed("{\"key\": [[0]]}");

    core_open_on(rig, sim_new(seed));
    rig->options.segment_bytes = 256 << 10; /* so that a commit of a path reaches over some */
    core_restart(rig, false);
    MUST_EQ(core_create(rig, NULL, "a", NULL), ERR_OK);
    MUST_EQ(core_create(rig, NULL, "b", NULL), ERR_OK);
    MUST_EQ(core_create_index(rig, NULL, "a", "low", buffer_slice(&index)), ERR_OK);
    for (unsigned key = 0; key < 8; key++)
        core_set(rig, "a", key, 100 + key);
    MUST_EQ(core_put_large(rig, NULL, "b", 0, 9000), ERR_OK);
    core_amalgamate(rig);
    core_set(rig, "a", 3, 203);
    core_set(rig, "b", 1, 201);
    core_rotate(rig);
    core_set(rig, "a", 4, 204);
    core_settle(rig);
    core_end_op(rig);
    buffer_fini(&index);
}

/* A commit has been acknowledged. */
static void path_did(struct path_run *run)
{
    totals_add(TOTAL_TRANSACTIONS, 1);
    if (!run->learns) {
        run->done++;
        return;
    }
    MUST(run->state_count < PATH_STATES);
    path_look(&run->rig, &run->states[run->state_count++]);
}

void path_end(struct path_run *run)
{
    core_end_op(&run->rig);
    if (run->cursor)
        cursor_close(run->cursor);
    run->cursor = NULL;
    if (run->backup)
        backup_close(run->backup);
    run->backup = NULL;
    for (unsigned i = 0; i < sizeof run->txns / sizeof *run->txns; i++) {
        if (run->txns[i])
            txn_rollback(run->txns[i]);
        run->txns[i] = NULL;
    }
    if (run->has_opener)
        opening_end(&run->opener);
    run->has_opener = false;
}

enum err path_walk(struct path_run *run, const struct path *const *of, unsigned count)
{
    enum err e = ERR_OK;

    for (unsigned i = 0; i < count; i++) {
        enum err this = of[i]->walk(run);

        path_end(run);
        if (this == ERR_IO || this == ERR_LOG_FAILED || this == ERR_NOMEM ||
            this == ERR_NO_SPACE || this == ERR_OVERLOADED)
            return this;
        e = e ? e : this; /* a store that another path has dropped, perhaps */
    }
    return e;
}

void path_learn(struct path_run *run, const struct path *const *of, unsigned count)
{
    memset(run, 0, sizeof *run);
    run->learns = true;
    path_open(run, 1);
    path_look(&run->rig, &run->states[run->state_count++]);
    path_walk(run, of, count);
    core_close(&run->rig);
    run->learns = false;
}

/* ---- paths ---- */

/* The answer of the last call may be told, and it was a commit. */
static enum err acknowledge(struct path_run *run, enum err e)
{
    if (!e)
        e = core_acknowledge(&run->rig);
    if (!e)
        path_did(run);
    return e;
}

static enum err begin(struct path_run *run, unsigned n, const struct txn_options *options)
{
    struct txn_options o = options ? *options : (struct txn_options){0};

    if (!slice_is_none(o.lock))
        return CORE_CALL(&run->rig, lock_begin(&run->rig.op, &o, &run->txns[n]));
    return CORE_CALL(&run->rig, txn_begin(&run->rig.op, &o, &run->txns[n]));
}

static enum err commit(struct path_run *run, unsigned n)
{
    struct txn *t = run->txns[n];
    uint64_t number;
    enum err e = CORE_CALL(&run->rig, txn_commit(&run->rig.op, t, SLICE_NONE, &number));

    if (e == ERR_IO && sim_is_off(run->rig.sim))
        return e; /* it waited, and is still open */
    run->txns[n] = NULL;
    return acknowledge(run, e);
}

static enum err walk_put(struct path_run *run)
{
    return acknowledge(run, core_put(&run->rig, NULL, "a", 5, 305));
}

static enum err walk_put_large(struct path_run *run)
{
    return acknowledge(run, core_put_large(&run->rig, NULL, "b", 2, 30000));
}

static enum err walk_delete(struct path_run *run)
{
    return acknowledge(run, core_delete(&run->rig, NULL, "a", 3, NULL));
}

static enum err walk_delete_range(struct path_run *run)
{
    uint64_t deleted;

    return acknowledge(run, core_delete_range(&run->rig, NULL, "a", 2, 7, &deleted));
}

static enum err walk_commit(struct path_run *run)
{
    struct core_rig *rig = &run->rig;
    enum err e = begin(run, 0, NULL);

    if (!e)
        e = core_put(rig, run->txns[0], "a", 6, 406);
    if (!e)
        e = core_put(rig, run->txns[0], "b", 3, 403);
    if (!e)
        e = CORE_CALL(rig, txn_savepoint(&rig->op, run->txns[0], slice_text("s")));
    if (!e)
        e = core_delete(rig, run->txns[0], "a", 0, NULL);
    if (!e)
        e = CORE_CALL(rig, txn_rollback_to(&rig->op, run->txns[0], slice_text("s")));
    if (!e)
        e = core_delete(rig, run->txns[0], "a", 1, NULL);
    return e ? e : commit(run, 0);
}

static enum err walk_rollback(struct path_run *run)
{
    enum err e = begin(run, 0, NULL);

    if (!e)
        e = core_put(&run->rig, run->txns[0], "a", 6, 506);
    if (!e)
        e = core_clear(&run->rig, run->txns[0], "b");
    return e; /* path_end rolls it back */
}

static enum err walk_create(struct path_run *run)
{
    struct buffer index = packed("{\"key\": [[0]]}");
    enum err e = begin(run, 0, NULL);

    if (!e)
        e = core_create(&run->rig, run->txns[0], "c", NULL);
    if (!e)
        e = core_put(&run->rig, run->txns[0], "c", 1, 601);
    if (!e)
        e = core_create_index(&run->rig, run->txns[0], "c", "low", buffer_slice(&index));
    buffer_fini(&index);
    return e ? e : commit(run, 0);
}

static enum err walk_drop(struct path_run *run)
{
    return acknowledge(run, core_drop(&run->rig, NULL, "b"));
}

static enum err walk_clear(struct path_run *run)
{
    return acknowledge(run, core_clear(&run->rig, NULL, "a"));
}

static enum err walk_rename(struct path_run *run)
{
    return acknowledge(run, core_rename(&run->rig, NULL, "b", "d"));
}

static enum err walk_index(struct path_run *run)
{
    struct buffer index = packed("{\"key\": [[0]]}");
    enum err e = core_create_index(&run->rig, NULL, "b", "low", buffer_slice(&index));

    buffer_fini(&index);
    e = acknowledge(run, e);
    return e ? e : acknowledge(run, core_drop_index(&run->rig, NULL, "a", "low"));
}

/* Built in the background: no record changes, and every index that is ready has its entries. */
static enum err walk_index_online(struct path_run *run)
{
    struct buffer index = packed("{\"key\": [[0]], \"online\": T}");
    enum err e = core_create_index(&run->rig, NULL, "a", "built", buffer_slice(&index));

    buffer_fini(&index);
    e = acknowledge(run, e);
    for (unsigned i = 0; i < 100 && !e && !sim_is_off(run->rig.sim); i++)
        core_turn(&run->rig);
    return e ? e : acknowledge(run, core_put(&run->rig, NULL, "a", 9, 909));
}

static enum err walk_rotate(struct path_run *run)
{
    return core_try_task(&run->rig, db_rotate);
}

static enum err walk_amalgamate(struct path_run *run)
{
    return core_try_task(&run->rig, db_amalgamate);
}

/* With a writer and a reader that are older: a ledger, which goes to the disk, and a root. */
static enum err walk_amalgamate_beside_old(struct path_run *run)
{
    struct txn_options reads = {.read_only = true};
    struct core_rig *rig = &run->rig;
    uint64_t value;
    enum err e = begin(run, 0, NULL);

    if (!e)
        e = begin(run, 1, &reads);
    if (!e)
        e = core_put(rig, run->txns[0], "a", 7, 707);
    if (!e)
        e = acknowledge(run, core_put(rig, NULL, "a", 2, 702));
    if (!e)
        e = core_try_task(rig, db_amalgamate);
    if (!e)
        e = acknowledge(run, core_put(rig, NULL, "b", 2, 703));
    if (!e)
        e = core_try_task(rig, db_amalgamate);
    if (!e)
        e = core_get(rig, run->txns[1], "a", 2, &value);
    if (!e && value != 102 && !run->learns && !sim_is_off(rig->sim))
        MUST(value == 0 || value >= 100); /* what it saw before another path has run */
    return e ? e : commit(run, 0);
}

static enum err walk_backup(struct path_run *run)
{
    struct backup_options options = {.chunk_bytes = 8192, .identity = SLICE_NONE};
    struct slice bytes = SLICE_NONE;
    uint64_t position = 0;
    bool last = false;
    enum err e = core_try_task(&run->rig, db_amalgamate);

    if (!e)
        e = core_backup(&run->rig, &options, &run->backup);
    while (!e && !last) {
        e = core_backup_read(&run->rig, run->backup, position, &bytes, &last);
        if (!e)
            position += bytes.size;
    }
    return e;
}

static void checked(struct online_check *c, enum err e)
{
    (void)e;
    c->done = NULL;
}

static enum err walk_check(struct path_run *run)
{
    static struct online_check check;
    struct failure f;
    enum err e;

    failure_init(&f);
    check = (struct online_check){.done = checked};
    core_end_op(&run->rig);
    e = online_check_begin(run->rig.db, &check, &f);
    failure_clear(&f);
    for (unsigned i = 0; !e && check.done && !sim_is_off(run->rig.sim); i++) {
        MUST(i < 1000000);
        core_turn(&run->rig);
    }
    if (!e)
        online_check_end(&check);
    return e;
}

/* Both ways, and by the index, beside writes. */
static enum err walk_cursors(struct path_run *run)
{
    struct cursor_options options = {.limit = UINT64_MAX};
    struct cursor_row row;
    enum err e = ERR_OK;

    for (unsigned i = 0; i < 3 && !e; i++) {
        unsigned rows = 0;

        options.reverse = i == 1;
        options.index = i == 2 ? slice_text("low") : SLICE_NONE;
        e = CORE_CALL(&run->rig, cursor_open(&run->rig.op, NULL, slice_text("a"), SLICE_NONE,
                                             &options, &run->cursor));
        while (!e) {
            e = CORE_CALL(&run->rig, cursor_next(&run->rig.op, run->cursor, &row));
            rows += !e;
            if (!e && rows == 4)
                cursor_set_direction(run->cursor, !options.reverse);
            if (!e && rows == 6)
                cursor_set_direction(run->cursor, options.reverse);
        }
        if (run->cursor) {
            core_end_op(&run->rig);
            cursor_close(run->cursor);
        }
        run->cursor = NULL;
        if (e == ERR_END)
            e = ERR_OK;
    }
    return e;
}

/* Of a write-set that becomes a stage of its own, and is larger than a batch. */
static enum err walk_large_commit(struct path_run *run)
{
    enum err e = begin(run, 0, NULL);

    for (unsigned key = 0; key < PATH_KEYS && !e; key++)
        e = core_put_large(&run->rig, run->txns[0], "b", key, 20000 + key);
    return e ? e : commit(run, 0);
}

static void opener_told(struct opener *o, enum opener_event event)
{
    (void)o;
    (void)event;
}

static void nobody_blocks(struct op *op)
{
    (void)op;
}

/* The database's version and a store of it, as one commit. */
static enum err walk_upgrade(struct path_run *run)
{
    struct core_rig *rig = &run->rig;
    struct txn_options options = {.wait_ms = UINT64_MAX};
    struct upgrade upgrade = {
        .opener = &run->opener, .to = 1, .options = &options, .blocked = nobody_blocks};
    struct attach attach = {.has_version = true, .wait_ms = UINT64_MAX, .version = 1};
    struct database *d;
    struct failure f;
    enum err e;

    failure_init(&f);
    core_end_op(rig);
    e = db_use_database(rig->db, slice_text(DATABASE_MAIN), &d, &f);
    failure_clear(&f);
    if (e)
        return e;
    opening_begin(&run->opener, rig->db, d);
    run->opener.tell = opener_told;
    run->has_opener = true;
    e = CORE_CALL(rig, opening_attach(&rig->op, &run->opener, &attach));
    if (e || !attach.may_upgrade)
        return e;
    e = CORE_CALL(rig, upgrade_begin(&rig->op, &upgrade, &run->txns[0]));
    if (!e)
        e = core_create(rig, run->txns[0], "u", NULL);
    return e ? e : commit(run, 0);
}

static enum err walk_drop_database(struct path_run *run)
{
    struct database_drop drop = {
        .name = slice_text(DATABASE_MAIN), .wait_ms = UINT64_MAX, .blocked = nobody_blocks};

    return acknowledge(run, CORE_CALL(&run->rig, database_drop(&run->rig.op, &drop)));
}

/* A commit with a token, which is said again: it is applied once. */
static enum err walk_token(struct path_run *run)
{
    static const uint8_t token[TOKEN_BYTES] = {7};
    struct core_rig *rig = &run->rig;
    uint64_t number, again;
    struct txn *t;
    enum err e = begin(run, 0, NULL);

    if (!e)
        e = core_put(rig, run->txns[0], "a", 8, 808);
    if (e)
        return e;
    t = run->txns[0];
    e = CORE_CALL(rig, txn_commit(&rig->op, t, slice_make(token, sizeof token), &number));
    if (e == ERR_IO && sim_is_off(rig->sim))
        return e;
    run->txns[0] = NULL;
    e = acknowledge(run, e);
    if (!e)
        e = CORE_CALL(rig, commit_of_token(&rig->op, slice_make(token, sizeof token), &again));
    MUST(e || again == number || run->learns);
    return e;
}

/* Under a lock of the store, or (NULL) of the database. */
static enum err put_locked(struct path_run *run, const char *store, unsigned key)
{
    struct buffer lock = packed(store ? "{\"exclusive\": [\"a\"]}" : "\"database\"");
    struct txn_options options = {.lock = buffer_slice(&lock), .wait_ms = UINT64_MAX};
    enum err e = begin(run, 0, &options);

    if (!e)
        e = core_put(&run->rig, run->txns[0], "a", key, 1000 + key);
    if (!e)
        e = commit(run, 0);
    core_end_op(&run->rig);
    buffer_fini(&lock);
    return e;
}

static enum err walk_lock(struct path_run *run)
{
    return put_locked(run, NULL, 10);
}

static enum err walk_lock_store(struct path_run *run)
{
    return put_locked(run, "a", 9);
}

enum err path_lock(struct path_run *run)
{
    struct buffer lock = packed("{\"exclusive\": [\"a\"]}");
    struct txn_options options = {.lock = buffer_slice(&lock), .wait_ms = UINT64_MAX};
    enum err e = begin(run, 0, &options);

    path_end(run);
    buffer_fini(&lock);
    return e;
}

const struct path paths[] = {
    {"put", walk_put},
    {"put-large", walk_put_large},
    {"delete", walk_delete},
    {"delete-range", walk_delete_range},
    {"commit", walk_commit},
    {"rollback", walk_rollback},
    {"large-commit", walk_large_commit},
    {"create", walk_create},
    {"drop", walk_drop},
    {"clear", walk_clear},
    {"rename", walk_rename},
    {"index", walk_index},
    {"index-online", walk_index_online},
    {"rotate", walk_rotate},
    {"amalgamate", walk_amalgamate},
    {"amalgamate-beside-old", walk_amalgamate_beside_old},
    {"backup", walk_backup},
    {"check", walk_check},
    {"cursors", walk_cursors},
    {"upgrade", walk_upgrade},
    {"drop-database", walk_drop_database},
    {"token", walk_token},
    {"lock", walk_lock},
    {"lock-store", walk_lock_store},
};
const unsigned path_count = sizeof paths / sizeof *paths;
