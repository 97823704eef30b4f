/* Indexes of the lives: made, dropped, read, and compared with their records.
 *
 * Each store has up to three, by names; each is of one of four kinds over the documents of
 * life_value: the value itself; the same, unique and descending; its class; both classes, multi. */
#include "server/storage/index_definition.h"
#include "tests/sim/life_internal.h"

#include <stdlib.h>

#define KINDS 4

enum kind { KIND_VALUE = 1, KIND_UNIQUE, KIND_CLASS, KIND_MULTI };

struct expected_row {
    uint64_t at; /* the index key */
    uint64_t value;
    unsigned key;
};

static struct slice index_name(unsigned index)
{
    static const char *const names[MODEL_INDEXES] = {"first", "second", "third"};

    return slice_text(names[index]);
}

static struct slice index_options(uint64_t kind)
{
    static const char *const options[] = {
        [KIND_VALUE] = "\x81\xa3key\x91\x91\x00",
        [KIND_UNIQUE] = "\x82\xa3key\x91\x82\xa4path\x91\x00\xa5order\xa4"
                        "desc\xa6unique\xc3",
        [KIND_CLASS] = "\x81\xa3key\x91\x91\x02",
        [KIND_MULTI] = "\x82\xa3key\x91\x91\x03\xa5multi\xc3",
    };
    static const size_t sizes[] = {
        [KIND_VALUE] = 8, [KIND_UNIQUE] = 33, [KIND_CLASS] = 8, [KIND_MULTI] = 15};

    return slice_make(options[kind], sizes[kind]);
}

/* The index keys of a value. */
static unsigned index_keys(uint64_t kind, uint64_t value, uint64_t keys[2])
{
    keys[0] = kind == KIND_VALUE || kind == KIND_UNIQUE ? value : value % 5;
    keys[1] = value % 7;
    return kind == KIND_MULTI && keys[0] != keys[1] ? 2 : 1;
}

uint64_t actor_index(const struct life *l, const struct actor *a, unsigned store,
                     unsigned index)
{
    if (!a->autocommit && a->txn && (a->changed[store] || a->indexed[store]))
        return a->indexes[store][index];
    return model_index(&l->model, store, index, actor_at(a));
}

uint64_t model_entries(const struct life *l, uint64_t *indexes)
{
    uint64_t entries = 0, keys[2], decided;

    *indexes = 0;
    for (unsigned s = 0; s < MODEL_STORES; s++) {
        for (unsigned i = 0; i < MODEL_INDEXES; i++) {
            uint64_t kind = model_index(&l->model, s, i, UINT64_MAX);

            *indexes += kind != 0;
            for (unsigned k = 0; k < MODEL_KEYS && kind; k++) {
                uint64_t value = model_get(&l->model, s, k, UINT64_MAX, &decided);

                entries += value ? index_keys(kind, value, keys) : 0;
            }
        }
    }
    return entries;
}

void life_check_indexes(struct life *l)
{
    struct failure f;
    enum err e;

    if (!l->options->indexes)
        return;
    failure_init(&f);
    e = db_check_indexes(l->db, &f);
    LIFE_CHECK(l,
               e == ERR_OK || (e != ERR_CORRUPT && life_excuses(l, e)) ||
                   (e == ERR_CORRUPT && l->victim < MODEL_STORES),
               "the check of indexes answered %s: %s", err_name(e), f.text);
    failure_clear(&f);
    l->counts->index_checks += e == ERR_OK;
}

struct kinds {
    struct life *life;
    struct slice store;
    uint64_t *kinds;
};

static uint64_t kind_of(struct life *l, struct slice definition)
{
    struct index_definition d;
    struct failure f;

    failure_init(&f);
    LIFE_CHECK(l, index_definition_read(definition, &d, &f) == ERR_OK,
               "a definition cannot be read: %s", f.text);
    if (d.multi || d.unique)
        return d.multi ? KIND_MULTI : KIND_UNIQUE;
    return d.steps[0].place == 2 ? KIND_CLASS : KIND_VALUE;
}

static void note_kinds(void *context, const struct store_info *info)
{
    struct kinds *k = context;

    for (unsigned i = 0; i < info->index_count && slice_equal(info->name, k->store); i++) {
        struct store_index index = store_info_index(info, i);

        for (unsigned n = 0; n < MODEL_INDEXES; n++) {
            if (slice_equal(index.name, index_name(n)))
                k->kinds[n] = kind_of(k->life, index.definition);
        }
    }
}

void life_read_indexes(struct life *l, unsigned store, uint64_t kinds[MODEL_INDEXES])
{
    struct actor *a = &l->actors[0];
    struct kinds k = {l, life_store_name(store), kinds};
    enum err e;

    memset(kinds, 0, MODEL_INDEXES * sizeof *kinds);
    if (!l->options->indexes)
        return;
    op_init(&a->op, l->db, actor_wake);
    while ((e = stores_list(&a->op, NULL, NULL, note_kinds, &k)) == ERR_WAIT) {
        for (a->is_woken = false; !a->is_woken;)
            life_settle(l);
    }
    op_fini(&a->op);
    if (e == ERR_TXN_EXPIRED && l->is_tight) { /* it is a reader, too */
        life_read_indexes(l, store, kinds);
        return;
    }
    LIFE_CHECK(l, e == ERR_OK, "after a restart the stores cannot be listed: %s", err_name(e));
}

/* ---- builds in the background ---- */

void life_on_index(struct life *l, enum event event, const void *facts)
{
    const struct event_index_failed *failed = facts;
    const struct event_index_ready *ready = facts;
    struct slice store = SLICE_NONE;
    uint64_t commit = 0;

    if (event == EVENT_index_failed) { /* replay could not read it, or too many entries */
        LIFE_CHECK(l,
                   l->options->faults || l->is_tight ||
                       (l->victim < MODEL_STORES &&
                        slice_equal(failed->store, life_store_name(l->victim))),
                   "the build of index %llu has failed", (unsigned long long)failed->number);
        l->has_failed_build = true;
        store = failed->store;
        commit = failed->commit;
    } else if (event == EVENT_index_ready) {
        store = ready->store;
        commit = ready->commit;
    } else {
        return;
    }
    for (unsigned s = 0; s < MODEL_STORES; s++) {
        if (slice_equal(store, life_store_name(s)))
            life_commit_ready(l, s, commit);
    }
    l->counts->builds++;
}

static void count_builds(void *context, const struct store_info *info)
{
    for (unsigned i = 0; i < info->index_count; i++)
        *(unsigned *)context += store_info_index(info, i).state == INDEX_BUILDING;
}

void life_end_builds(struct life *l)
{
    struct actor *a = &l->actors[0];
    unsigned building = l->options->indexes > 0;

    for (unsigned tries = 0; building; tries++) {
        enum err e;

        LIFE_CHECK(l, tries < 2000, "%u indexes are not ready at the end", building);
        for (unsigned i = 0; i < 10; i++)
            life_settle(l);
        building = 0;
        op_init(&a->op, l->db, actor_wake);
        while ((e = stores_list(&a->op, NULL, NULL, count_builds, &building)) == ERR_WAIT) {
            for (a->is_woken = false; !a->is_woken;)
                life_settle(l);
        }
        op_fini(&a->op);
        if (e == ERR_TXN_EXPIRED && l->is_tight)
            building = 1;
    }
}

/* ---- asking ---- */

void index_draw(struct life *l, struct actor *a)
{
    bool changes = sim_chance(l->sim, 14);
    uint64_t decided;

    a->index = (unsigned)sim_random(l->sim, MODEL_INDEXES);
    a->index_kind = 1 + (unsigned)sim_random(l->sim, KINDS);
    a->index_to =
        (a->index + 1 + (unsigned)sim_random(l->sim, MODEL_INDEXES - 1)) % MODEL_INDEXES;
    if (changes) {
        unsigned r = (unsigned)sim_random(l->sim, 10);

        a->autocommit = a->autocommit || a->read_only || sim_chance(l->sim, 50);
        a->act = r < 6 ? ACT_INDEX_CREATE : r < 8 ? ACT_INDEX_DROP : ACT_INDEX_RENAME;
        a->index_online = a->autocommit && sim_chance(l->sim, 50);
        return;
    }
    a->act = sim_chance(l->sim, 50) ? ACT_INDEX_GET : ACT_INDEX_SCAN;
    a->key = (unsigned)sim_random(l->sim, MODEL_KEYS);
    a->index_value = model_get(&l->model, a->store, a->key, UINT64_MAX, &decided);
    if (!a->index_value || sim_chance(l->sim, 10))
        a->index_value = sim_random(l->sim, 10);
}

static enum err index_ask_get(struct life *l, struct actor *a, struct txn *t,
                              struct slice *value)
{
    struct source source = {life_store_name(a->store), index_name(a->index)};
    uint64_t kind = actor_index(l, a, a->store, a->index), keys[2] = {0};
    uint8_t room[3][16];
    struct slice key, asked[3], values[3];
    unsigned done;
    enum err e;

    index_keys(kind ? kind : KIND_VALUE, a->index_value, keys);
    key = slice_make(room[0], msgpack_put_uint(room[0], keys[0]));
    if (!t || !a->reverse)
        return index_get(&a->op, t, &source, key, value);
    asked[0] = slice_make(room[1], msgpack_put_uint(room[1], keys[0] + 1));
    asked[1] = key;
    asked[2] = slice_make(room[2], msgpack_put_uint(room[2], keys[0] / 2));
    e = index_get_many(&a->op, t, &source, asked, 3, values, &done);
    LIFE_CHECK(l, e || done == 3, "of three keys %u were read", done);
    *value = e ? SLICE_NONE : values[1];
    return e;
}

/* ---- scans ---- */

static bool is_before(const struct expected_row *a, const struct expected_row *b, uint64_t kind)
{
    if (a->at != b->at)
        return (a->at < b->at) != (kind == KIND_UNIQUE);
    return a->key < b->key;
}

/* All rows of the index as a sees it, in ascending order of entries. */
static unsigned expected_rows(const struct life *l, const struct actor *a,
                              struct expected_row rows[2 * MODEL_KEYS])
{
    uint64_t kind = actor_index(l, a, a->store, a->index), keys[2], decided;
    unsigned count = 0;

    for (unsigned k = 0; k < MODEL_KEYS; k++) {
        uint64_t value = actor_expect(l, a, a->store, k, actor_at(a), &decided);
        unsigned n = value ? index_keys(kind, value, keys) : 0;

        for (unsigned i = 0; i < n; i++) {
            struct expected_row row = {keys[i], value, k};
            unsigned at = count++;

            for (; at > 0 && is_before(&row, &rows[at - 1], kind); at--)
                rows[at] = rows[at - 1];
            rows[at] = row;
        }
    }
    return count;
}

static void index_check_row(struct life *l, struct actor *a, const struct cursor_row *row)
{
    struct expected_row rows[2 * MODEL_KEYS], *want;
    unsigned count = expected_rows(l, a, rows);
    struct msgpack_cursor key, index_key;
    uint64_t got_key = 0, got_at = 0, decided;

    if (!row) {
        LIFE_CHECK(l, a->scan_at == count, "a scan of index %u of store %u ended at %u of %u",
                   a->index, a->store, a->scan_at, count);
        return;
    }
    LIFE_CHECK(l, a->scan_at < count, "a scan of index %u of store %u gave more than %u rows",
               a->index, a->store, count);
    want = &rows[a->reverse ? count - 1 - a->scan_at : a->scan_at];
    a->scan_at++;
    key = msgpack_open(row->key);
    index_key = msgpack_open(row->index_key);
    LIFE_CHECK(
        l,
        msgpack_read_uint(&key, &got_key) == ERR_OK &&
            msgpack_read_uint(&index_key, &got_at) == ERR_OK && got_key == want->key &&
            got_at == want->at && life_read_value(l, row->value) == want->value,
        "a scan of index %u of store %u at %llu gave %llu of key %llu, the model %llu of "
        "key %u",
        a->index, a->store, (unsigned long long)actor_at(a), (unsigned long long)got_at,
        (unsigned long long)got_key, (unsigned long long)want->at, want->key);
    actor_expect(l, a, a->store, want->key, actor_at(a), &decided);
    life_reply(l, a, decided);
}

static enum err index_ask_scan(struct life *l, struct actor *a, struct txn *t)
{
    struct cursor_options options = {.reverse = a->reverse,
                                     .limit = UINT64_MAX,
                                     .index = index_name(a->index),
                                     .runs = true};
    enum err e = ERR_OK;

    if (!a->cursor)
        e = cursor_open(&a->op, t, life_store_name(a->store), SLICE_NONE, &options, &a->cursor);
    while (!e) {
        struct cursor_row row;

        e = cursor_next(&a->op, a->cursor, &row);
        if (!e || e == ERR_END)
            index_check_row(l, a, e ? NULL : &row);
    }
    return e;
}

/* With `online`, as one more pair of the options. */
static enum err index_make(struct actor *a, struct txn *t, struct slice store,
                           struct slice name)
{
    static const uint8_t online[] = "\xa6online\xc3";
    struct slice options = index_options(a->index_kind);
    uint8_t room[64];

    if (!a->index_online)
        return index_create(&a->op, t, store, name, options);
    memcpy(room, options.data, options.size);
    room[0]++; /* the pairs of the map */
    memcpy(room + options.size, online, sizeof online - 1);
    return index_create(&a->op, t, store, name,
                        slice_make(room, options.size + sizeof online - 1));
}

enum err index_call(struct life *l, struct actor *a, struct txn *t, struct slice *value)
{
    struct slice store = life_store_name(a->store), name = index_name(a->index);

    if (a->act == ACT_INDEX_CREATE)
        return index_make(a, t, store, name);
    if (a->act == ACT_INDEX_DROP)
        return index_drop(&a->op, t, store, name);
    if (a->act == ACT_INDEX_RENAME)
        return index_rename(&a->op, t, store, name, index_name(a->index_to));
    a->is_vague = a->is_vague || (a->serializable && !a->autocommit);
    if (a->act == ACT_INDEX_GET)
        return index_ask_get(l, a, t, value);
    return index_ask_scan(l, a, t);
}

/* ---- judging ---- */

/* What a change answers that meets nobody. now: the kinds of the store's indexes, 0: none. */
static enum err change_expected(const struct life *l, const struct actor *a, bool has_store,
                                const uint64_t now[MODEL_INDEXES])
{
    bool there = now[a->index] != 0;

    if (!has_store)
        return ERR_NO_STORE;
    if (a->act == ACT_INDEX_CREATE)
        return there                                 ? ERR_EXISTS
               : l->model.last_writer_wins[a->store] ? ERR_BAD_REQUEST
                                                     : ERR_OK;
    if (!there)
        return ERR_NO_INDEX;
    return a->act == ACT_INDEX_RENAME && now[a->index_to] ? ERR_EXISTS : ERR_OK;
}

static void change_apply(const struct actor *a, uint64_t kinds[MODEL_INDEXES])
{
    if (a->act == ACT_INDEX_RENAME)
        kinds[a->index_to] = kinds[a->index];
    kinds[a->index] = a->act == ACT_INDEX_CREATE ? a->index_kind : 0;
}

/* One since the snapshot: that which the conflict names, else the newest; NULL: none. */
static const struct model_version *newer_named(const struct actor *a,
                                               const struct model_history *h)
{
    const struct model_version *newer = NULL;

    for (size_t i = h->count; i-- > 0 && h->versions[i].commit > a->snapshot;) {
        if (!newer || h->versions[i].commit == a->op.failure.winner_commit)
            newer = &h->versions[i];
    }
    return newer;
}

/* Somebody has committed what a change within a's transaction loses to: another definition of the
 * store, or, where it is to be read, a record. Which of them it meets first is open. */
static const struct model_version *change_newer(const struct life *l, const struct actor *a)
{
    const struct model_version *newer = newer_named(a, &l->model.stores[a->store]), *v;

    for (unsigned k = 0; k < MODEL_KEYS && a->act == ACT_INDEX_CREATE && !a->changed[a->store];
         k++) {
        v = newer_named(a, &l->model.keys[a->store][k]);
        if (v && (!newer || v->commit == a->op.failure.winner_commit))
            newer = v;
    }
    return newer;
}

/* Within a transaction, together with its data. */
static void judge_change_within(struct life *l, struct actor *a, enum err e)
{
    uint64_t now[MODEL_INDEXES];
    const struct model_version *newer;
    enum err expected;

    if (judge_common(l, a, e))
        return;
    for (unsigned i = 0; i < MODEL_INDEXES; i++)
        now[i] = actor_index(l, a, a->store, i);
    expected = change_expected(l, a, actor_has_store(l, a), now);
    newer = expected ? NULL : change_newer(l, a);
    if (newer) {
        LIFE_CHECK(l, e == ERR_CONFLICT,
                   "%llu changed index %u of store %u, which commit %llu wrote, and got %s",
                   (unsigned long long)a->version, a->index, a->store,
                   (unsigned long long)newer->commit, err_name(e));
        life_reply(l, a, judge_winner(l, a, newer->version, newer->commit));
        actor_lose(a, newer->version, newer->commit);
        return;
    }
    if (a->greatest && e == ERR_CONFLICT) {
        LIFE_CHECK(l, judge_definer(l, a),
                   "greatest version: a change of an index of store %u lost to %llu", a->store,
                   (unsigned long long)a->op.failure.winner_version);
        actor_lose(a, a->op.failure.winner_version, 0);
        return;
    }
    LIFE_CHECK(l, e == expected,
               "a change of index %u of store %u within %llu got %s, not %s: %s", a->index,
               a->store, (unsigned long long)a->version, err_name(e), err_name(expected),
               a->op.failure.text);
    if (e)
        return;
    actor_take_indexes(a, a->store);
    change_apply(a, a->indexes[a->store]);
    a->indexed[a->store] = a->wrote_store[a->store] = true;
    if (a->act == ACT_INDEX_CREATE && !a->changed[a->store]) {
        a->builds[a->store] = true;
        a->is_vague = a->is_vague || a->serializable;
        for (unsigned k = 0; k < MODEL_KEYS; k++)
            actor_read(l, a, a->store, k);
    }
    l->counts->indexes_within++;
}

static void judge_change(struct life *l, struct actor *a, enum err e)
{
    uint64_t now[MODEL_INDEXES];
    enum err expected;

    if (!a->autocommit) {
        judge_change_within(l, a, e);
        return;
    }
    for (unsigned i = 0; i < MODEL_INDEXES; i++)
        now[i] = model_index(&l->model, a->store, i, UINT64_MAX);
    expected = change_expected(l, a, model_has_store(&l->model, a->store, UINT64_MAX), now);
    if (actor_excuses(l, a, e))
        return;
    LIFE_CHECK(l, e == expected, "a change of index %u of store %u got %s, not %s: %s",
               a->index, a->store, err_name(e), err_name(expected), a->op.failure.text);
    if (e)
        return;
    change_apply(a, now);
    life_commit_indexes(l, NULL, a->store, now, a->op.committed, 0);
    life_reply(l, a, a->op.committed);
    l->counts->index_renames += a->act == ACT_INDEX_RENAME;
    l->counts->indexes++;
}

/* The record with the least key among those that have the index key. */
static void judge_index_get(struct life *l, struct actor *a, struct slice value)
{
    uint64_t kind = actor_index(l, a, a->store, a->index), keys[2], of[2], decided;
    uint64_t got = slice_is_none(value) ? 0 : life_read_value(l, value), expected = 0;

    index_keys(kind, a->index_value, keys);
    for (unsigned k = 0; k < MODEL_KEYS && !expected; k++) {
        uint64_t there = actor_expect(l, a, a->store, k, actor_at(a), &decided);
        unsigned n = there ? index_keys(kind, there, of) : 0;

        if ((n > 0 && of[0] == keys[0]) || (n > 1 && of[1] == keys[0])) {
            expected = there;
            actor_read(l, a, a->store, k);
        }
    }
    LIFE_CHECK(l, got == expected, "get by index %u of store %u at %llu is %llu, not %llu",
               a->index, a->store, (unsigned long long)actor_at(a), (unsigned long long)got,
               (unsigned long long)expected);
    if (expected)
        life_reply(l, a, decided);
    l->counts->index_gets++;
}

void judge_index(struct life *l, struct actor *a, enum err e, struct slice value)
{
    if (a->cursor)
        cursor_close(a->cursor);
    a->cursor = NULL;
    if (a->act >= ACT_INDEX_CREATE && a->act <= ACT_INDEX_RENAME) {
        judge_change(l, a, e);
        return;
    }
    if (e != ERR_END && judge_common(l, a, e))
        return;
    if (!actor_has_store(l, a)) {
        judge_no_store(l, a, e, actor_at(a));
        return;
    }
    if (!actor_index(l, a, a->store, a->index)) {
        LIFE_CHECK(l, e == ERR_NO_INDEX,
                   "index %u of store %u is not there, but the answer is %s", a->index,
                   a->store, err_name(e));
        return;
    }
    if (e == ERR_NO_INDEX && strstr(a->op.failure.text, "is being built")) {
        l->counts->builds_read++;
        return;
    }
    if (e == ERR_NO_INDEX && l->has_failed_build && strstr(a->op.failure.text, "has failed"))
        return;
    LIFE_CHECK(l, e == (a->act == ACT_INDEX_SCAN ? ERR_END : ERR_OK),
               "a read by index %u of store %u answered %s: %s", a->index, a->store,
               err_name(e), a->op.failure.text);
    if (a->act == ACT_INDEX_GET)
        judge_index_get(l, a, value);
    for (unsigned k = 0; k < MODEL_KEYS && a->act == ACT_INDEX_SCAN; k++)
        actor_read(l, a, a->store, k);
    l->counts->index_scans += a->act == ACT_INDEX_SCAN;
}
