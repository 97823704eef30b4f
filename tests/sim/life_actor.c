/* Each actor is a client with at most one transaction and one request at a time.
 * A request that has to wait is called again when it is woken; meanwhile others act.
 * What the model says is taken at the moment at which the core decides: a read by
 * its snapshot, a write and a commit when the call comes back. */
#include "server/txn/db_struct.h"
#include "tests/sim/life_internal.h"

#include <stdlib.h>

/* The changes of an update: the whole value becomes another, or the number in it the greater
 * of itself and 0. room has 32 bytes more than the value. */
static struct slice actor_changes(const struct actor *a, struct slice value, uint8_t *room)
{
    static const uint8_t same[] = "\x91\x93\xa3max\x91\x00\x00", whole[] = "\x91\x93\xa3set\x90";
    const size_t head = sizeof whole - 1;

    if (a->reverse)
        return slice_make(same, sizeof same - 1);
    memcpy(room, whole, head);
    memcpy(room + head, value.data, value.size);
    return slice_make(room, head + value.size);
}

static enum err actor_update(struct actor *a, struct txn *t, struct slice value,
                             struct slice *after)
{
    uint8_t key_room[16], *room = malloc(value.size + 32);
    struct record_changes changes = {
        .store = life_store_name(a->store),
        .key = life_key(a->key, key_room),
        .changes = actor_changes(a, value, room),
    };
    enum err e = record_update(&a->op, t, &changes, after);

    free(room);
    return e;
}

/* Up or down. values: in the order of the keys. */
static enum err actor_get_many(struct actor *a, struct txn *t, struct slice values[MODEL_KEYS])
{
    unsigned count = a->key_to > a->key ? a->key_to - a->key : 1, done;
    struct slice keys[MODEL_KEYS], got[MODEL_KEYS];
    uint8_t room[MODEL_KEYS][16];
    enum err e;

    for (unsigned i = 0; i < count; i++)
        keys[i] = life_key(a->reverse ? a->key + count - 1 - i : a->key + i, room[i]);
    e = record_get_many(&a->op, t, life_store_name(a->store), keys, count, got, &done);
    for (unsigned i = 0; !e && i < count; i++)
        values[a->reverse ? count - 1 - i : i] = got[i];
    LIFE_CHECK(a->life, e || done == count, "of %u records %u were read", count, done);
    return e;
}

/* Call the core for the request at work; true: it is finished. */
bool actor_call(struct life *l, struct actor *a)
{
    struct txn *t = a->autocommit ? NULL : a->txn;
    struct store_options made = {.last_writer_wins = l->model.last_writer_wins[a->store]};
    uint8_t key_room[16], range[64], *value_room, *key_out_room;
    struct slice key = life_key(a->key, key_room), name = life_store_name(a->store), value,
                 key_out, after = SLICE_NONE, many[MODEL_KEYS];
    uint64_t number = 0;
    bool existed = false;
    enum err e = ERR_OK;

    value_room = malloc(l->options->pad_max + 64);
    key_out_room = malloc(KEY_PLAIN_BYTES_MAX);
    value = life_value(l, a->value, value_room);
    a->is_woken = false;
    if (t)
        a->used_ms = l->db->pulse.now_ms;
    switch (a->act) {
    case ACT_GET: e = record_get(&a->op, t, name, key, &value); break;
    case ACT_GET_MANY: e = actor_get_many(a, t, many); break;
    case ACT_PUT:
    case ACT_INSERT:
        e = record_put(&a->op, t, name, value, key, a->act == ACT_INSERT, key_out_room,
                       &key_out);
        break;
    case ACT_UPDATE: e = actor_update(a, t, value, &after); break;
    case ACT_DELETE: e = record_delete(&a->op, t, name, key, &existed); break;
    case ACT_COUNT:
        e = record_count(&a->op, t, name, slice_make(range, actor_range(a, range)), &number);
        break;
    case ACT_DELETE_RANGE:
        e = record_delete_range(&a->op, t, name, slice_make(range, actor_range(a, range)),
                                a->limit, a->reverse, &number);
        break;
    case ACT_SCAN: e = scan_step(l, a, t); break;
    case ACT_CLEAR: e = store_clear(&a->op, t, name); break;
    case ACT_DROP: e = store_drop(&a->op, t, name); break;
    case ACT_CREATE: e = store_create(&a->op, t, name, &made); break;
    case ACT_INDEX_CREATE:
    case ACT_INDEX_DROP:
    case ACT_INDEX_RENAME:
    case ACT_INDEX_GET:
    case ACT_INDEX_SCAN: e = index_call(l, a, t, &value); break;
    case ACT_RENAME: e = store_rename(&a->op, t, name, life_store_name(a->store_to)); break;
    case ACT_SAVEPOINT:
    case ACT_ROLLBACK_TO:
    case ACT_RELEASE: e = savepoint_call(a, t); break;
    case ACT_OUTCOME: e = outcome_call(a); break;
    case ACT_GENERATE: e = generate_call(l, a, t, &number); break;
    case ACT_COMMIT:
    case ACT_BEGIN:
    case ACT_NONE: break;
    }
    if (e == ERR_WAIT) {
        l->counts->waits++;
        free(value_room);
        free(key_out_room);
        return false;
    }
    if (a->act < ACT_GENERATE)
        actor_read_name(l, a, a->store);
    if (a->act == ACT_GET || a->act == ACT_INSERT || a->act == ACT_DELETE ||
        a->act == ACT_UPDATE || a->act == ACT_GET_MANY)
        actor_read(l, a, a->store, a->key);
    for (unsigned k = a->key; k < a->key_to; k++) {
        /* where a walk of a range lost is not told; it is over with the transaction anyway */
        if (a->act == ACT_COUNT || a->act == ACT_GET_MANY ||
            (e == ERR_CONFLICT && (a->act == ACT_SCAN || a->act == ACT_DELETE_RANGE)))
            actor_read(l, a, a->store, k);
    }
    if (a->act == ACT_GET)
        judge_get(l, a, e, &value, 1);
    else if (a->act == ACT_GET_MANY)
        judge_get(l, a, e, many, a->key_to > a->key ? a->key_to - a->key : 1);
    else if (a->act == ACT_PUT || a->act == ACT_INSERT)
        judge_put(l, a, e);
    else if (a->act == ACT_UPDATE)
        judge_update(l, a, e, after);
    else if (a->act == ACT_DELETE)
        judge_delete(l, a, e, existed);
    else if (a->act == ACT_COUNT)
        judge_count(l, a, e, number);
    else if (a->act == ACT_DELETE_RANGE)
        judge_delete_range(l, a, e, number);
    else if (a->act == ACT_SCAN)
        scan_finish(l, a, e);
    else if (a->act >= ACT_INDEX_CREATE && a->act <= ACT_INDEX_SCAN)
        judge_index(l, a, e, value);
    else if (a->act == ACT_GENERATE)
        judge_generate(l, a, e, number);
    else if (a->act == ACT_OUTCOME)
        judge_outcome(l, a, e);
    else if (a->act >= ACT_SAVEPOINT)
        judge_savepoint(l, a, e);
    else if (a->act == ACT_RENAME)
        judge_rename(l, a, e);
    else
        judge_store(l, a, e);
    free(value_room);
    free(key_out_room);
    return true;
}

static void actor_request(struct life *l, struct actor *a)
{
    static const enum act acts[] = {ACT_GET,   ACT_GET_MANY, ACT_PUT,          ACT_PUT,
                                    ACT_PUT,   ACT_PUT,      ACT_INSERT,       ACT_DELETE,
                                    ACT_COUNT, ACT_SCAN,     ACT_DELETE_RANGE, ACT_UPDATE};

    a->autocommit = !a->txn || sim_chance(l->sim, 10);
    a->act = acts[sim_random(l->sim, sizeof acts / sizeof *acts)];
    if (a->autocommit && sim_chance(l->sim, 4))
        a->act = ACT_CLEAR + (enum act)sim_random(l->sim, 4);
    if (l->options->rots && a->act >= ACT_CLEAR)
        a->act = ACT_PUT; /* a store keeps its number, by which its pages are known */
    if (!a->autocommit && sim_chance(l->sim, l->options->changes))
        a->act = ACT_CLEAR + (enum act)sim_random(l->sim, 3);
    if (!a->autocommit && sim_chance(l->sim, 8))
        savepoint_draw(l, a);
    else if (!a->autocommit && a->read_only && a->act != ACT_GET && a->act != ACT_GET_MANY &&
             a->act != ACT_COUNT)
        a->act = ACT_SCAN;
    if (a->autocommit && a->act == ACT_GET_MANY)
        a->act = ACT_GET;
    if (a->autocommit)
        outcome_draw(l, a);
    if (a->act < ACT_GENERATE)
        generate_draw(l, a);
    a->store = (unsigned)sim_random(l->sim, MODEL_STORES);
    if (a->act < ACT_GENERATE && l->options->indexes && sim_chance(l->sim, l->options->indexes))
        index_draw(l, a);
    if (a->act == ACT_RENAME) { /* among the stores of one kind, all but the last */
        a->store %= MODEL_STORES - 1;
        a->store_to = (a->store + 1 + (unsigned)sim_random(l->sim, MODEL_STORES - 2)) %
                      (MODEL_STORES - 1);
    }
    if (!a->autocommit && a->builds[a->store] && a->act >= ACT_CLEAR && a->act <= ACT_RENAME)
        a->act = ACT_GET; /* what it loses to then is not told here */
    a->key = (unsigned)sim_random(l->sim, MODEL_KEYS);
    a->key_to = a->key + (unsigned)sim_random(l->sim, MODEL_KEYS - a->key + 1);
    a->limit = sim_chance(l->sim, 50) ? UINT64_MAX : sim_random(l->sim, 5);
    a->reverse = sim_chance(l->sim, 50);
    a->value = ++l->next_value;
    a->asked_ms = l->db->pulse.now_ms;
    a->scan_at = 0;
    a->scan_begun = false;
    a->scan_turns = sim_chance(l->sim, 40) ? (unsigned)sim_random(l->sim, 4) : 0;
    a->scan_offset = a->act == ACT_SCAN && sim_chance(l->sim, 30) ? sim_random(l->sim, 4) : 0;
    a->at = db_answered(l->db);
    a->since = l->model.last_commit;
    if (a->autocommit && a->act == ACT_DELETE_RANGE)
        a->act = ACT_PUT; /* which keys it met is not told */
    op_init(&a->op, l->db, actor_wake);
    if (actor_call(l, a)) {
        op_fini(&a->op);
        a->act = ACT_NONE;
    }
}

static void actor_commit(struct life *l, struct actor *a)
{
    struct txn *t = a->txn;
    uint64_t commit;
    bool wrote = a->made_count > 0;
    enum err e;

    if (a->act == ACT_NONE)
        op_init(&a->op, l->db, actor_wake);
    a->autocommit = false;
    a->is_woken = false;
    e = txn_commit(&a->op, t, token_draw(l, a), &commit);
    a->act = e == ERR_WAIT ? ACT_COMMIT : ACT_NONE;
    if (e == ERR_WAIT) {
        l->counts->waits++;
        return;
    }
    if (judge_token(l, a, e, commit)) {
        life_reply(l, a, commit);
        op_fini(&a->op);
        actor_forget(a);
        return;
    }
    if (a->serializable && e == ERR_CONFLICT) {
        LIFE_CHECK(l, a->is_doomed || a->is_stale || l->is_coarse || a->is_vague,
                   "serializable %llu lost to nobody: %s", (unsigned long long)a->version,
                   a->op.failure.text);
        op_fini(&a->op);
        actor_forget(a);
        return;
    }
    if (a->serializable && e == ERR_OK && commit) {
        l->counts->serializable++;
        judge_reads(l, a);
    }
    if (a->is_doomed) {
        LIFE_CHECK(l, e == ERR_CONFLICT, "the commit of doomed %llu answered %s",
                   (unsigned long long)a->version, err_name(e));
        judge_winner(l, a, a->winner_version, a->winner_commit);
        actor_forget(a);
    } else if (e) {
        LIFE_CHECK(l, commit_excuses(l, a, e), "the commit of %llu answered %s: %s",
                   (unsigned long long)a->version, err_name(e), a->op.failure.text);
        actor_forget(a);
    } else {
        struct actor was = *a;

        generated_commit(l, a, commit);
        actor_forget(a);
        for (unsigned s = 0; s < MODEL_STORES; s++) {
            if (was.changed[s]) {
                wrote = true;
                life_commit_store(l, a, s, was.changed[s] == CHANGE_FRESH, commit, was.version);
                for (unsigned i = 0; i < MODEL_INDEXES; i++)
                    model_change_index(&l->model, s, i, was.indexes[s][i], commit, was.version);
            } else if (was.indexed[s]) {
                wrote = true;
                life_commit_indexes(l, a, s, was.indexes[s], commit, was.version);
                l->counts->indexes_together++;
            }
            for (unsigned k = 0; k < MODEL_KEYS; k++) {
                if (!was.wrote[s][k])
                    continue;
                wrote = true;
                life_commit_put(l, a, s, k, was.writes[s][k], commit, was.version);
            }
        }
        LIFE_CHECK(l, wrote == (commit != 0), "a commit that wrote %d has the number %llu",
                   wrote, (unsigned long long)commit);
        if (wrote) {
            l->counts->commits++;
            life_reply(l, a, commit);
        }
    }
    op_fini(&a->op);
}

/* Its client's deadline has passed: the request has changed nothing. */
static void actor_give_up(struct life *l, struct actor *a)
{
    const struct failure *f = a->txn && !a->autocommit ? txn_failure(a->txn) : NULL;

    if (a->cursor)
        cursor_close(a->cursor);
    a->cursor = NULL;
    op_fini(&a->op);
    l->counts->given_up++;
    if (f && !a->is_doomed) /* by what it had written or read up to there */
        actor_lose(a, f->winner_version, f->winner_commit);
    if (!a->autocommit && a->txn && a->serializable) {
        txn_rollback(a->txn); /* what it has read is not known */
        actor_forget(a);
    }
    a->act = ACT_NONE;
}

/* The request at work was woken. */
void actor_go_on(struct life *l, struct actor *a)
{
    if (a->act == ACT_BEGIN) {
        actor_begin(l, a);
    } else if (a->act == ACT_COMMIT) {
        actor_commit(l, a);
    } else if (actor_call(l, a)) {
        op_fini(&a->op);
        a->act = ACT_NONE;
    }
}

/* Limits of its own, each or none. */
static void limits_draw(struct life *l, struct actor *a)
{
    if (sim_chance(l->sim, 50))
        a->begin.write_bytes = UINT64_C(200) << sim_random(l->sim, 8);
    if (sim_chance(l->sim, 50))
        a->begin.read_bytes = UINT64_C(200) << sim_random(l->sim, 8);
    if (sim_chance(l->sim, 50))
        a->begin.held_bytes = UINT64_C(100) << sim_random(l->sim, 8);
}

void actor_act(struct life *l, struct actor *a)
{
    if (a->act != ACT_NONE) {
        if (sim_chance(l->sim, 4)) {
            actor_give_up(l, a);
            return;
        }
        if (a->act == ACT_BEGIN && sim_chance(l->sim, 3))
            lock_kill(l, a);
        if (a->is_woken)
            actor_go_on(l, a);
        return;
    }
    if (!a->txn && sim_chance(l->sim, 60)) {
        a->begin = (struct txn_options){
            .greatest_version = sim_chance(l->sim, 20),
            .durability = sim_chance(l->sim, 10) ? DURABILITY_INTERVAL : DURABILITY_SYNC,
            .serializable =
                sim_chance(l->sim, l->options->serializable ? l->options->serializable : 40),
            .read_only = sim_chance(l->sim, 15)};
        if (l->is_tight && sim_chance(l->sim, 20))
            limits_draw(l, a);
        lock_draw(l, a);
        actor_begin(l, a);
        return;
    }
    if (a->txn && sim_chance(l->sim, l->options->ends ? l->options->ends : 15)) {
        if (sim_chance(l->sim, 80)) {
            actor_commit(l, a);
        } else {
            txn_rollback(a->txn);
            actor_forget(a);
        }
        return;
    }
    actor_request(l, a);
}
