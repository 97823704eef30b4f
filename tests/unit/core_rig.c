#include "tests/unit/core_rig.h"

#include "server/txn/database_list.h"
#include "server/txn/indexes.h"
#include "tests/sim/totals.h"

#include <stdlib.h>
#include <string.h>

static void core_wake(struct op *op)
{
    struct core_rig *rig =
        (struct core_rig *)(void *)((char *)op - offsetof(struct core_rig, op));

    rig->is_woken = true;
}

static void core_on_ready(void *context)
{
    ((struct core_rig *)context)->is_ready = true;
}

static void core_on_failed(void *context, const struct failure *why)
{
    (void)why;
    ((struct core_rig *)context)->has_failed = true;
}

static void core_on_event(void *context, enum event event, const void *facts)
{
    const struct event_amalgamated *amalgamated = facts;

    if (event == EVENT_store_damaged)
        ((struct core_rig *)context)->damaged++;
    if (event == EVENT_index_ready)
        ((struct core_rig *)context)->built++;
    if (event == EVENT_amalgamated)
        ((struct core_rig *)context)->intermediate += (unsigned)amalgamated->roots - 1;
}

enum err core_try_open(struct core_rig *rig)
{
    struct db_events events = {rig, core_on_ready, core_on_failed, core_on_event};
    struct failure f;
    enum err e;

    failure_init(&f);
    rig->has_failed = false;
    rig->db = NULL;
    e = db_open(sim_table(rig->sim), &rig->options, &events, &rig->db, &f);
    failure_clear(&f);
    return e;
}

static void core_start(struct core_rig *rig)
{
    MUST_EQ(core_try_open(rig), ERR_OK);
}

void core_open(struct core_rig *rig, uint64_t seed)
{
    core_open_on(rig, sim_new(seed));
}

void core_open_on(struct core_rig *rig, struct sim *sim)
{
    memset(rig, 0, sizeof *rig);
    rig->sim = sim;
    db_options_default(&rig->options);
    rig->options.manual = true;
    rig->options.page_bytes = 4096;
    rig->options.segment_bytes = UINT64_C(16) << 20;
    core_start(rig);
}

void core_end_op(struct core_rig *rig)
{
    if (rig->has_op)
        op_fini(&rig->op);
    rig->has_op = false;
}

void core_begin_op(struct core_rig *rig)
{
    core_end_op(rig);
    op_init(&rig->op, rig->db, core_wake);
    rig->has_op = true;
    rig->is_woken = false;
}

void core_turn(struct core_rig *rig)
{
    db_turn(rig->db);
    db_tick(rig->db);
    if (!sim_step(rig->sim))
        sim_advance_ms(rig->sim, 1);
}

enum err core_wait(struct core_rig *rig)
{
    for (unsigned i = 0; !rig->is_woken; i++) {
        if (sim_is_off(rig->sim))
            return ERR_IO;
        MUST(i < 1000000);
        core_turn(rig);
    }
    rig->is_woken = false;
    return ERR_WAIT;
}

void core_settle(struct core_rig *rig)
{
    do {
        db_turn(rig->db);
        db_tick(rig->db);
    } while (sim_step(rig->sim));
    db_turn(rig->db);
    MUST(db_check(rig->db));
    MUST_EQ(db_check_indexes(rig->db, NULL), ERR_OK);
}

enum err core_create_index(struct core_rig *rig, struct txn *t, const char *store,
                           const char *name, struct slice options)
{
    return CORE_CALL(rig,
                     index_create(&rig->op, t, slice_text(store), slice_text(name), options));
}

enum err core_drop_index(struct core_rig *rig, struct txn *t, const char *store,
                         const char *name)
{
    return CORE_CALL(rig, index_drop(&rig->op, t, slice_text(store), slice_text(name)));
}

enum err core_rename_index(struct core_rig *rig, struct txn *t, const char *store,
                           const char *name, const char *new_name)
{
    return CORE_CALL(rig, index_rename(&rig->op, t, slice_text(store), slice_text(name),
                                       slice_text(new_name)));
}

void core_rest(struct core_rig *rig, uint64_t ms)
{
    for (uint64_t step = 0; step < ms; step += 100) {
        sim_advance_ms(rig->sim, 100);
        core_settle(rig);
    }
}

static void core_closed(void *context)
{
    *(bool *)context = true;
}

static void core_stop(struct core_rig *rig)
{
    bool closed = false;
    unsigned turns = 0;

    core_end_op(rig);
    db_close(rig->db, core_closed, &closed);
    while (!closed) {
        MUST(turns++ < 1000000);
        core_turn(rig);
    }
    db_free(rig->db, false);
    rig->db = NULL;
}

static void core_check_floor(struct core_rig *rig)
{
    MUST_EQ(sim_alloc_outstanding(rig->sim), 0);
    MUST_EQ(sim_open_files(rig->sim), 0);
}

void core_close(struct core_rig *rig)
{
    core_stop(rig);
    core_check_floor(rig);
    sim_free(rig->sim);
}

void core_restart(struct core_rig *rig, bool crash)
{
    if (crash) {
        core_end_op(rig);
        sim_crash(rig->sim);
        db_free(rig->db, true);
    } else {
        core_stop(rig);
    }
    core_check_floor(rig);
    core_start(rig);
}

struct txn *core_begin(struct core_rig *rig, const char *label,
                       const struct txn_options *options)
{
    struct txn_options o = options ? *options : (struct txn_options){0};
    struct txn *t;

    core_begin_op(rig);
    o.label = slice_text(label);
    MUST_EQ(txn_begin(&rig->op, &o, &t), ERR_OK);
    return t;
}

enum err core_commit(struct core_rig *rig, struct txn *t, uint64_t *commit)
{
    uint64_t number;

    enum err e = CORE_CALL(rig, txn_commit(&rig->op, t, SLICE_NONE, commit ? commit : &number));

    totals_add(TOTAL_TRANSACTIONS, !e);
    return e;
}

void core_rollback(struct core_rig *rig, struct txn *t)
{
    core_end_op(rig);
    txn_rollback(t);
}

/* ---- records ---- */

#define CORE_PAD 24 /* bytes after the number, so that a damaged record is seen */

static struct slice core_key(unsigned key, uint8_t room[16])
{
    return slice_make(room, msgpack_put_uint(room, key));
}

static struct slice core_document(uint64_t value, uint8_t room[64])
{
    size_t size = msgpack_put_array_head(room, 2);

    size += msgpack_put_uint(room + size, value);
    size += msgpack_put_binary_head(room + size, CORE_PAD);
    memset(room + size, (int)(value & 0x7f), CORE_PAD);
    return slice_make(room, size + CORE_PAD);
}

static uint64_t core_read(struct slice document)
{
    struct msgpack_cursor c = msgpack_open(document);
    uint8_t room[64];
    uint32_t count;
    uint64_t value;

    MUST_EQ(msgpack_read_array(&c, &count), ERR_OK);
    MUST_EQ(msgpack_read_uint(&c, &value), ERR_OK);
    MUST(slice_equal(document, core_document(value, room)));
    return value;
}

struct slice core_range(unsigned from, unsigned to, uint8_t room[64])
{
    size_t size = msgpack_put_map_head(room, 2);

    size += msgpack_put_text(room + size, slice_text("gte"));
    size += msgpack_put_uint(room + size, from);
    size += msgpack_put_text(room + size, slice_text("lt"));
    size += msgpack_put_uint(room + size, to);
    return slice_make(room, size);
}

enum err core_list(struct core_rig *rig, struct txn *t,
                   void (*each)(void *context, const struct store_info *info), void *context,
                   uint64_t *calls)
{
    return CORE_CALL(rig, (++*calls, stores_list(&rig->op, t, NULL, each, context)));
}

static enum err core_write(struct core_rig *rig, struct txn *t, const char *store, unsigned key,
                           uint64_t value, bool insert)
{
    uint8_t key_room[16], value_room[64], *out = malloc(KEY_PLAIN_BYTES_MAX);
    struct slice key_out;
    enum err e;

    e = CORE_CALL(rig,
                  record_put(&rig->op, t, slice_text(store), core_document(value, value_room),
                             core_key(key, key_room), insert, out, &key_out));
    free(out);
    return e;
}

enum err core_put(struct core_rig *rig, struct txn *t, const char *store, unsigned key,
                  uint64_t value)
{
    return core_write(rig, t, store, key, value, false);
}

enum err core_insert(struct core_rig *rig, struct txn *t, const char *store, unsigned key,
                     uint64_t value)
{
    return core_write(rig, t, store, key, value, true);
}

enum err core_generate(struct core_rig *rig, struct txn *t, const char *store, uint64_t *key)
{
    uint8_t room[KEY_PLAIN_BYTES_MAX], value[16];
    struct slice record = slice_make(value, msgpack_put_uint(value, 1)), given;
    struct msgpack_cursor c;
    enum err e = CORE_CALL(rig, record_put(&rig->op, t, slice_text(store), record, SLICE_NONE,
                                           false, room, &given));

    *key = 0;
    if (e)
        return e;
    c = msgpack_open(given);
    MUST_EQ(msgpack_read_uint(&c, key), ERR_OK);
    return e;
}

enum err core_delete(struct core_rig *rig, struct txn *t, const char *store, unsigned key,
                     bool *existed)
{
    uint8_t room[16];
    bool there;

    return CORE_CALL(rig, record_delete(&rig->op, t, slice_text(store), core_key(key, room),
                                        existed ? existed : &there));
}

enum err core_get(struct core_rig *rig, struct txn *t, const char *store, unsigned key,
                  uint64_t *value)
{
    uint8_t room[16];
    struct slice found;
    enum err e =
        CORE_CALL(rig, record_get(&rig->op, t, slice_text(store), core_key(key, room), &found));

    *value = e || slice_is_none(found) ? 0 : core_read(found);
    return e;
}

enum err core_count(struct core_rig *rig, struct txn *t, const char *store, unsigned from,
                    unsigned to, uint64_t *count)
{
    uint8_t room[64];

    return CORE_CALL(
        rig, record_count(&rig->op, t, slice_text(store), core_range(from, to, room), count));
}

enum err core_delete_range(struct core_rig *rig, struct txn *t, const char *store,
                           unsigned from, unsigned to, uint64_t *deleted)
{
    uint8_t room[64];

    return CORE_CALL(rig, record_delete_range(&rig->op, t, slice_text(store),
                                              core_range(from, to, room), UINT64_MAX, false,
                                              deleted));
}

enum err core_scan(struct core_rig *rig, struct txn *t, const char *store, unsigned from,
                   unsigned to, const struct cursor_options *options, unsigned *keys,
                   uint64_t *values, unsigned *count)
{
    struct cursor_row row;
    struct cursor *c = NULL;
    uint8_t room[64];
    enum err e = CORE_CALL(rig, cursor_open(&rig->op, t, slice_text(store),
                                            core_range(from, to, room), options, &c));

    *count = 0;
    while (!e) {
        struct msgpack_cursor key;
        uint64_t n;

        while ((e = cursor_next(&rig->op, c, &row)) == ERR_WAIT &&
               (e = core_wait(rig)) == ERR_WAIT) {
        }
        if (e)
            break;
        key = msgpack_open(row.key);
        MUST_EQ(msgpack_read_uint(&key, &n), ERR_OK);
        keys[*count] = (unsigned)n;
        values[(*count)++] = core_read(row.value);
    }
    if (c)
        cursor_close(c);
    return e == ERR_END ? ERR_OK : e;
}

/* ---- stores ---- */

enum err core_create(struct core_rig *rig, struct txn *t, const char *store,
                     const struct store_options *options)
{
    struct store_options plain = {0};

    return CORE_CALL(rig,
                     store_create(&rig->op, t, slice_text(store), options ? options : &plain));
}

enum err core_clear(struct core_rig *rig, struct txn *t, const char *store)
{
    return CORE_CALL(rig, store_clear(&rig->op, t, slice_text(store)));
}

enum err core_drop(struct core_rig *rig, struct txn *t, const char *store)
{
    return CORE_CALL(rig, store_drop(&rig->op, t, slice_text(store)));
}

enum err core_rename(struct core_rig *rig, struct txn *t, const char *store, const char *to)
{
    return CORE_CALL(rig, store_rename(&rig->op, t, slice_text(store), slice_text(to)));
}

void core_set(struct core_rig *rig, const char *store, unsigned key, uint64_t value)
{
    MUST_EQ(core_put(rig, NULL, store, key, value), ERR_OK);
}

uint64_t core_value(struct core_rig *rig, const char *store, unsigned key)
{
    uint64_t value;

    core_settle(rig); /* autocommit reads see what is durable */
    MUST_EQ(core_get(rig, NULL, store, key, &value), ERR_OK);
    return value;
}

/* ---- large records ---- */

static struct slice core_noise(unsigned key, size_t bytes)
{
    uint8_t *data = malloc(bytes);
    uint64_t state = key * UINT64_C(0x9e3779b97f4a7c15) + bytes;

    data[0] = 0xc6; /* binary */
    for (unsigned i = 0; i < 4; i++)
        data[1 + i] = (uint8_t)((bytes - 5) >> (24 - 8 * i));
    for (size_t i = 5; i < bytes; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        data[i] = (uint8_t)(state >> 56);
    }
    return slice_make(data, bytes);
}

enum err core_put_large(struct core_rig *rig, struct txn *t, const char *store, unsigned key,
                        size_t bytes)
{
    uint8_t key_room[16], *out = malloc(KEY_PLAIN_BYTES_MAX);
    struct slice value = core_noise(key, bytes), key_out;
    enum err e = CORE_CALL(rig, record_put(&rig->op, t, slice_text(store), value,
                                           core_key(key, key_room), false, out, &key_out));

    free((void *)(uintptr_t)value.data);
    free(out);
    return e;
}

void core_set_quota(struct core_rig *rig, const struct quota_limits *limits)
{
    MUST_EQ(CORE_CALL(rig, quotas_set(&rig->op, slice_text("main"), limits)), ERR_OK);
}

static bool core_sees(void *context, struct slice name)
{
    (void)context;
    return name.size > 0;
}

static void core_note_bytes(void *context, const struct database_info *info)
{
    *(uint64_t *)context = info->bytes;
}

uint64_t core_bytes(struct core_rig *rig)
{
    uint64_t bytes = 0;
    struct database_listing listing = {
        .context = &bytes, .sees = core_sees, .each = core_note_bytes};

    MUST_EQ(CORE_CALL(rig, databases_list(&rig->op, &listing)), ERR_OK);
    return bytes;
}

bool core_has_large(struct core_rig *rig, const char *store, unsigned key, size_t bytes)
{
    uint8_t key_room[16];
    struct slice value, expected = core_noise(key, bytes);
    enum err e;
    bool same;

    core_settle(rig);
    e = CORE_CALL(
        rig, record_get(&rig->op, NULL, slice_text(store), core_key(key, key_room), &value));
    same = e == ERR_OK && slice_equal(value, expected);
    free((void *)(uintptr_t)expected.data);
    return same;
}

/* ---- operators ---- */

static void core_task_done(struct db_task *task, enum err e, const struct failure *f)
{
    struct core_rig *rig =
        (struct core_rig *)(void *)((char *)task - offsetof(struct core_rig, task));

    (void)f;
    rig->task_error = e;
    task->done = NULL;
}

enum err core_try_task(struct core_rig *rig, void (*ask)(struct db *db, struct db_task *task))
{
    core_end_op(rig);
    rig->task = (struct db_task){.done = core_task_done};
    ask(rig->db, &rig->task);
    for (unsigned i = 0; rig->task.done; i++) {
        if (sim_is_off(rig->sim))
            return ERR_IO;
        MUST(i < 1000000);
        core_turn(rig);
    }
    return rig->task_error;
}

static void core_task(struct core_rig *rig, void (*ask)(struct db *db, struct db_task *task))
{
    MUST_EQ(core_try_task(rig, ask), ERR_OK);
    core_settle(rig);
}

void core_rotate(struct core_rig *rig)
{
    core_task(rig, db_rotate);
}

void core_amalgamate(struct core_rig *rig)
{
    core_task(rig, db_amalgamate);
}

struct db_status core_status(struct core_rig *rig)
{
    struct db_status status;

    db_status(rig->db, &status);
    return status;
}

static void core_told(struct decided_wait *w, enum err e)
{
    struct core_rig *rig =
        (struct core_rig *)(void *)((char *)w - offsetof(struct core_rig, answer));

    rig->answer_error = e;
}

enum err core_acknowledge(struct core_rig *rig)
{
    rig->answer = (struct decided_wait){.told = core_told};
    rig->answer_error = ERR_WAIT;
    if (db_wait_decided(rig->db, rig->op.decided, &rig->answer))
        return ERR_OK;
    for (unsigned i = 0; rig->answer_error == ERR_WAIT; i++) {
        if (sim_is_off(rig->sim))
            return ERR_IO;
        MUST(i < 1000000);
        core_turn(rig);
    }
    return rig->answer_error;
}

bool core_may_tell(struct core_rig *rig)
{
    bool now;

    rig->answer = (struct decided_wait){.told = core_told};
    now = db_wait_decided(rig->db, rig->op.decided, &rig->answer);
    if (!now)
        db_cancel_wait(&rig->answer);
    return now;
}

enum err core_backup(struct core_rig *rig, const struct backup_options *options,
                     struct backup **out)
{
    return CORE_CALL(rig, backup_open(&rig->op, db_backups(rig->db), options, out));
}

enum err core_backup_read(struct core_rig *rig, struct backup *b, uint64_t position,
                          struct slice *bytes, bool *last)
{
    return CORE_CALL(rig, backup_read(&rig->op, b, position, bytes, last));
}

void core_backup_ask(struct core_rig *rig, struct backup *b, uint64_t position)
{
    struct slice bytes;
    bool last;

    core_begin_op(rig);
    MUST_EQ(backup_read(&rig->op, b, position, &bytes, &last), ERR_WAIT);
}
