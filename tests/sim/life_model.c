/* What the model says of each actor: whom its transaction loses to, what it has read. */
#include "tests/sim/life_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void life_break(struct life *l, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(l->why, l->why_size, "seed %llu, step %u: %s", (unsigned long long)l->seed,
             l->step, text);
    longjmp(l->broken, 1);
}

/* ---- names and values ---- */

struct slice life_store_name(unsigned store)
{
    static const char *const names[MODEL_STORES] = {"alpha", "beta", "gamma", "loose"};

    return slice_text(names[store]);
}

struct slice life_key(unsigned key, uint8_t room[16])
{
    return slice_make(room, msgpack_put_uint(room, key));
}

static unsigned pad_of(const struct life *l, uint64_t value)
{
    uint64_t mixed = value * UINT64_C(0x9e3779b97f4a7c15);

    if (!l->options->pad_max)
        return 0;
    return (mixed >> 60) == 0 ? (unsigned)(mixed >> 20) % l->options->pad_max
                              : (unsigned)(mixed >> 20) % 40;
}

/* [value, padding, class, [class, another]]; room has pad_max + 64 bytes */
struct slice life_value(const struct life *l, uint64_t value, uint8_t *room)
{
    unsigned pad = pad_of(l, value);
    size_t size = msgpack_put_array_head(room, 4);

    size += msgpack_put_uint(room + size, value);
    size += msgpack_put_binary_head(room + size, pad);
    memset(room + size, (int)(value & 0x7f), pad);
    size += pad;
    size += msgpack_put_uint(room + size, value % 5);
    size += msgpack_put_array_head(room + size, 2);
    size += msgpack_put_uint(room + size, value % 5);
    size += msgpack_put_uint(room + size, value % 7);
    return slice_make(room, size);
}

uint64_t life_read_value(struct life *l, struct slice document)
{
    uint8_t *room = malloc(l->options->pad_max + 64);
    struct msgpack_cursor c = msgpack_open(document);
    uint32_t count;
    uint64_t value = 0;
    bool same;

    LIFE_CHECK(l,
               msgpack_read_array(&c, &count) == ERR_OK && count == 4 &&
                   msgpack_read_uint(&c, &value) == ERR_OK,
               "a record came back that is none of ours (%zu bytes)", document.size);
    same = slice_equal(life_value(l, value, room), document);
    free(room);
    LIFE_CHECK(l, same, "record %llu came back with other bytes", (unsigned long long)value);
    return value;
}

/* ---- replies ---- */

static void promise_told(struct decided_wait *w, enum err e)
{
    struct promise *p = (struct promise *)(void *)((char *)w - offsetof(struct promise, wait));

    p->used = false;
    if (e != ERR_OK)
        return;
    if (p->commit > p->life->told)
        p->life->told = p->commit;
    if (p->written > p->life->told_kill)
        p->life->told_kill = p->written;
}

/* A reply that was decided by commit goes out; when it may be told, commit must last. */
void life_reply(struct life *l, struct actor *a, uint64_t commit)
{
    LIFE_CHECK(l,
               commit <= a->op.decided.synced || commit <= a->op.decided.written ||
                   commit <= db_answered(l->db),
               "a reply that commit %llu decided would not wait for it (waits for %llu)",
               (unsigned long long)commit, (unsigned long long)a->op.decided.synced);
    for (unsigned i = 0; i < sizeof l->promises / sizeof *l->promises; i++) {
        struct promise *p = &l->promises[i];

        if (p->used)
            continue;
        p->used = true;
        p->life = l;
        p->wait.told = promise_told;
        p->commit = a->op.decided.synced;
        p->written = a->op.decided.written;
        if (db_wait_decided(l->db, a->op.decided, &p->wait))
            promise_told(&p->wait, ERR_OK);
        return;
    }
}

void actor_wake(struct op *op)
{
    struct actor *a = (struct actor *)(void *)((char *)op - offsetof(struct actor, op));

    a->is_woken = true;
}

/* ---- the model's side of a transaction ---- */

void actor_forget(struct actor *a)
{
    a->txn = NULL;
    a->has_locks = false;
    a->is_doomed = false;
    a->saved_count = 0;
    generated_forget(a, 0);
    memset(a->wrote_store, 0, sizeof a->wrote_store);
    memset(a->has_read, 0, sizeof a->has_read);
    memset(a->has_read_store, 0, sizeof a->has_read_store);
    a->is_stale = a->is_murky = a->is_vague = false;
    memset(a->wrote, 0, sizeof a->wrote);
    memset(a->wrote_before, 0, sizeof a->wrote_before);
    memset(a->changed, 0, sizeof a->changed);
    memset(a->indexed, 0, sizeof a->indexed);
    memset(a->builds, 0, sizeof a->builds);
}

void actor_lose(struct actor *a, uint64_t version, uint64_t commit)
{
    if (!a->txn || a->is_doomed)
        return;
    a->is_doomed = true;
    a->winner_version = version;
    a->winner_commit = commit;
}

bool actor_has_written(const struct actor *a)
{
    if (a->made_count)
        return true;
    for (unsigned s = 0; s < MODEL_STORES; s++) {
        if (a->changed[s] || a->indexed[s])
            return true;
        for (unsigned k = 0; k < MODEL_KEYS; k++) {
            if (a->wrote[s][k])
                return true;
        }
    }
    return false;
}

/* What a has read was overwritten by a commit: it loses if it has written. */
static void actor_meet(struct actor *a, uint64_t version, uint64_t commit)
{
    if (!a->txn || !a->serializable || a->read_only || a->is_doomed)
        return;
    a->is_stale = true;
    if (a->act != ACT_NONE)
        a->is_murky = true; /* it may have written already, or not */
    else if (actor_has_written(a))
        actor_lose(a, version, commit);
}

/* a reads a key (or its absence) now: is it still what its snapshot says? A get of what it has
 * written itself is no read; a range is read as a whole, what it has written included (which
 * makes a difference only where the last writer wins). */
void actor_read(struct life *l, struct actor *a, unsigned store, unsigned key)
{
    const struct model_history *h = &l->model.keys[store][key];

    bool is_point = a->act == ACT_GET || a->act == ACT_GET_MANY || a->act == ACT_INSERT ||
                    a->act == ACT_DELETE || a->act == ACT_UPDATE;

    if (a->autocommit || !a->serializable || (is_point && a->wrote[store][key]))
        return;
    if (a->changed[store])
        return; /* its own: nobody else can write there */
    a->has_read[store][key] = true;
    if (h->count && h->versions[h->count - 1].commit > a->snapshot)
        a->is_stale = true;
}

bool actor_contends(const struct actor *a, unsigned store, unsigned key)
{
    return a->changed[store] ? a->wrote_before[store][key] : a->wrote[store][key];
}

bool actor_has_store(const struct life *l, const struct actor *a)
{
    if (!a->autocommit && a->txn && a->changed[a->store])
        return a->changed[a->store] == CHANGE_FRESH;
    return model_has_store(&l->model, a->store, actor_at(a));
}

void actor_take_indexes(struct actor *a, unsigned store)
{
    for (unsigned i = 0; i < MODEL_INDEXES && !a->changed[store] && !a->indexed[store]; i++)
        a->indexes[store][i] = model_index(&a->life->model, store, i, a->snapshot);
}

void actor_change_store(struct actor *a, unsigned store, enum change change)
{
    if (!a->changed[store])
        memcpy(a->wrote_before[store], a->wrote[store], sizeof a->wrote[store]);
    actor_take_indexes(a, store); /* a cleared store keeps its indexes */
    if (change == CHANGE_DROPPED)
        memset(a->indexes[store], 0, sizeof a->indexes[store]);
    memset(a->wrote[store], 0, sizeof a->wrote[store]);
    a->changed[store] = change;
    a->wrote_store[store] = true;
}

void actor_read_name(struct life *l, struct actor *a, unsigned store)
{
    if (a->autocommit || !a->serializable)
        return;
    a->has_read_store[store] = true;
    if (model_newer_store(&l->model, store, a->snapshot))
        a->is_stale = true;
}

static void model_doom_readers(struct life *l, const struct actor *winner, unsigned store,
                               unsigned key, uint64_t version, uint64_t commit)
{
    for (unsigned i = 0; i < l->options->actors; i++) {
        struct actor *a = &l->actors[i];

        if (a != winner && a->txn && a->has_read[store][key])
            actor_meet(a, version, commit);
    }
}

static void model_doom_writers(struct life *l, const struct actor *winner, unsigned store,
                               unsigned key, uint64_t version, uint64_t commit)
{
    if (l->model.last_writer_wins[store])
        return;
    for (unsigned i = 0; i < l->options->actors; i++) {
        struct actor *a = &l->actors[i];

        if (a != winner && a->txn && (actor_contends(a, store, key) || a->builds[store]))
            actor_lose(a, version, commit);
    }
}

void life_commit_put(struct life *l, const struct actor *winner, unsigned store, unsigned key,
                     uint64_t value, uint64_t commit, uint64_t version)
{
    judge_committed(l, winner, store);
    model_doom_readers(l, winner, store, key, version, commit);
    model_doom_writers(l, winner, store, key, version, commit);
    model_put(&l->model, store, key, value, commit, version);
}

/* Of a store, by a commit: whoever has read its name or written in it loses. */
static void life_doom_definition(struct life *l, const struct actor *winner, unsigned store,
                                 uint64_t commit, uint64_t version)
{
    for (unsigned i = 0; i < l->options->actors; i++) {
        struct actor *a = &l->actors[i];

        if (a != winner && a->txn && a->has_read_store[store])
            actor_meet(a, version, commit);
        if (a != winner && a->txn && a->wrote_store[store])
            actor_lose(a, version, commit);
    }
}

void life_commit_store(struct life *l, const struct actor *winner, unsigned store,
                       uint64_t value, uint64_t commit, uint64_t version)
{
    judge_committed(l, winner, store);
    model_change_store(&l->model, store, value, commit, version);
    for (unsigned i = 0; !value && i < MODEL_INDEXES; i++)
        model_change_index(&l->model, store, i, 0, commit, version);
    life_doom_definition(l, winner, store, commit, version);
}

void life_commit_indexes(struct life *l, const struct actor *winner, unsigned store,
                         const uint64_t kinds[MODEL_INDEXES], uint64_t commit, uint64_t version)
{
    judge_committed(l, winner, store);
    for (unsigned i = 0; i < MODEL_INDEXES; i++)
        model_change_index(&l->model, store, i, kinds[i], commit, version);
    model_touch_store(&l->model, store, commit, version);
    life_doom_definition(l, winner, store, commit, version);
}

void life_commit_ready(struct life *l, unsigned store, uint64_t commit)
{
    judge_committed(l, NULL, store);
    model_touch_store(&l->model, store, commit, 0);
    life_doom_definition(l, NULL, store, commit, 0);
}

/* An autocommit rename: one name goes, the other comes with all that the first had. */
void life_commit_rename(struct life *l, unsigned from, unsigned to, uint64_t commit)
{
    uint64_t values[MODEL_KEYS], kinds[MODEL_INDEXES], decided;

    for (unsigned k = 0; k < MODEL_KEYS; k++)
        values[k] = model_get(&l->model, from, k, commit, &decided);
    for (unsigned i = 0; i < MODEL_INDEXES; i++)
        kinds[i] = model_index(&l->model, from, i, commit);
    life_commit_store(l, NULL, from, 0, commit, 0);
    life_commit_store(l, NULL, to, 1, commit, 0);
    for (unsigned k = 0; k < MODEL_KEYS; k++) {
        if (values[k])
            model_put(&l->model, to, k, values[k], commit, 0);
    }
    for (unsigned i = 0; i < MODEL_INDEXES; i++)
        model_change_index(&l->model, to, i, kinds[i], commit, 0);
}

/* What a's read of a key should give at commit at. */
uint64_t actor_expect(const struct life *l, const struct actor *a, unsigned store, unsigned key,
                      uint64_t at, uint64_t *decided)
{
    *decided = 0;
    if (!a->autocommit && a->txn && a->wrote[store][key])
        return a->writes[store][key];
    if (!a->autocommit && a->txn && a->changed[store])
        return 0;
    return model_get(&l->model, store, key, at, decided);
}
