/* Each actor is a client with at most one transaction and one request at a time.
 * A request that has to wait is called again when it is woken; meanwhile others act.
 * What the model says is taken at the moment at which the core decides: a read by
 * its snapshot, a write and a commit when the call comes back. */
#include "tests/sim/life.h"

#include "server/store/primary.h"
#include "server/txn/cursor.h"
#include "server/txn/db.h"
#include "server/txn/records.h"
#include "server/txn/stores.h"
#include "server/txn/txn.h"
#include "tests/sim/model.h"
#include "tests/sim/sim_os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum act { ACT_NONE, ACT_GET, ACT_PUT, ACT_INSERT, ACT_DELETE, ACT_SCAN, ACT_COUNT, ACT_DELETE_RANGE, ACT_CLEAR, ACT_DROP, ACT_CREATE };

#define LIFE_TASKS 4

struct promise { /* a reply that has not been told yet */
    struct decided_wait wait;
    struct life *life;
    uint64_t commit; /* being told proves that this is synced */
    uint64_t written; /* ... and this written */
    bool used;
};

struct actor {
    struct life *life;
    struct op op;
    struct txn *txn;
    bool is_doomed;         /* as the model says */
    uint64_t winner_version, winner_commit;
    uint64_t snapshot;
    uint64_t version;
    bool greatest;
    bool serializable;
    bool is_stale;          /* what it read was overwritten */
    bool is_murky;          /* a request of it was under way then: what it had read is not known */
    bool has_read[MODEL_STORES][MODEL_KEYS];
    bool has_read_store[MODEL_STORES];
    bool interval;
    bool read_only;
    bool wrote_store[MODEL_STORES];
    bool wrote[MODEL_STORES][MODEL_KEYS];
    uint64_t writes[MODEL_STORES][MODEL_KEYS]; /* value, 0: deleted */
    enum act act;           /* the request at work */
    bool is_woken;
    bool autocommit;
    unsigned store, key, key_to;
    uint64_t value;
    uint64_t at;            /* the snapshot of an autocommit read */
    uint64_t since;         /* the last commit when the request began */
    uint64_t limit;
    bool reverse;
    struct cursor *cursor;
    uint64_t seen;          /* rows of a scan so far */
    unsigned scan_at;       /* next key that the scan may give */
};

struct life {
    struct sim *sim;
    struct db *db;
    struct model model;
    const struct life_options *options;
    struct life_counts *counts;
    struct actor actors[LIFE_ACTORS_MAX];
    struct promise promises[256];
    struct db_task tasks[LIFE_TASKS];
    uint64_t next_value;
    uint64_t told;      /* greatest commit that somebody has been told of */
    uint64_t told_kill; /* ... by durability "interval": a kill must keep it */
    bool is_failed;     /* the log has failed: the server would exit */
    uint64_t merged;
    struct db_options db_options;
    jmp_buf broken;
    char *why;
    unsigned why_size;
    uint64_t seed;
    unsigned step;
};

static _Noreturn void life_break(struct life *l, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(l->why, l->why_size, "seed %llu, step %u: %s", (unsigned long long)l->seed, l->step,
             text);
    longjmp(l->broken, 1);
}

#define LIFE_CHECK(l, fact, ...) ((fact) ? (void)0 : life_break((l), __VA_ARGS__))

/* ---- names and values ---- */

static struct slice store_name(unsigned store)
{
    static const char *const names[MODEL_STORES] = {"alpha", "beta", "gamma", "loose"};

    return slice_text(names[store]);
}

static struct slice key_of(unsigned key, uint8_t room[16])
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

/* [value, padding]; room has pad_max + 32 bytes */
static struct slice value_of(const struct life *l, uint64_t value, uint8_t *room)
{
    unsigned pad = pad_of(l, value);
    size_t size = msgpack_put_array_head(room, 2);

    size += msgpack_put_uint(room + size, value);
    size += msgpack_put_binary_head(room + size, pad);
    memset(room + size, (int)(value & 0x7f), pad);
    return slice_make(room, size + pad);
}

static uint64_t value_read(struct life *l, struct slice document)
{
    uint8_t *room = malloc(l->options->pad_max + 64);
    struct msgpack_cursor c = msgpack_open(document);
    uint32_t count;
    uint64_t value = 0;
    bool same;

    LIFE_CHECK(l, msgpack_read_array(&c, &count) == ERR_OK && count == 2 &&
                      msgpack_read_uint(&c, &value) == ERR_OK,
               "a record came back that is none of ours (%zu bytes)", document.size);
    same = slice_equal(value_of(l, value, room), document);
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
static void reply(struct life *l, struct actor *a, uint64_t commit)
{
    LIFE_CHECK(l, commit <= a->op.decided.synced ||
                      commit <= a->op.decided.written || commit <= db_answered(l->db),
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

static void actor_wake(struct op *op)
{
    struct actor *a = (struct actor *)(void *)((char *)op - offsetof(struct actor, op));

    a->is_woken = true;
}

/* ---- the model's side of a transaction ---- */

static void actor_forget(struct actor *a)
{
    a->txn = NULL;
    a->is_doomed = false;
    memset(a->wrote_store, 0, sizeof a->wrote_store);
    memset(a->has_read, 0, sizeof a->has_read);
    memset(a->has_read_store, 0, sizeof a->has_read_store);
    a->is_stale = a->is_murky = false;
    memset(a->wrote, 0, sizeof a->wrote);
}

static void actor_lose(struct actor *a, uint64_t version, uint64_t commit)
{
    if (!a->txn || a->is_doomed)
        return;
    a->is_doomed = true;
    a->winner_version = version;
    a->winner_commit = commit;
}

static bool actor_has_written(const struct actor *a)
{
    for (unsigned s = 0; s < MODEL_STORES; s++) {
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
static void actor_read(struct life *l, struct actor *a, unsigned store, unsigned key)
{
    const struct model_history *h = &l->model.keys[store][key];

    bool is_point = a->act == ACT_GET || a->act == ACT_INSERT || a->act == ACT_DELETE;

    if (a->autocommit || !a->serializable || (is_point && a->wrote[store][key]))
        return;
    a->has_read[store][key] = true;
    if (h->count && h->versions[h->count - 1].commit > a->snapshot)
        a->is_stale = true;
}

static void actor_read_name(struct life *l, struct actor *a, unsigned store)
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

        if (a != winner && a->txn && a->wrote[store][key])
            actor_lose(a, version, commit);
    }
}

static void model_commit_put(struct life *l, const struct actor *winner, unsigned store,
                             unsigned key, uint64_t value, uint64_t commit, uint64_t version)
{
    model_doom_readers(l, winner, store, key, version, commit);
    model_doom_writers(l, winner, store, key, version, commit);
    model_put(&l->model, store, key, value, commit, version);
}

static void model_commit_store(struct life *l, const struct actor *winner, unsigned store,
                               uint64_t value, uint64_t commit, uint64_t version)
{
    model_change_store(&l->model, store, value, commit, version);
    for (unsigned i = 0; i < l->options->actors; i++) {
        struct actor *a = &l->actors[i];

        if (a != winner && a->txn && a->has_read_store[store])
            actor_meet(a, version, commit);
        if (a != winner && a->txn && a->wrote_store[store])
            actor_lose(a, version, commit);
    }
}

/* What a's read of a key should give at commit at. */
static uint64_t expect(const struct life *l, const struct actor *a, unsigned store,
                       unsigned key, uint64_t at, uint64_t *decided)
{
    *decided = 0;
    if (!a->autocommit && a->txn && a->wrote[store][key])
        return a->writes[store][key];
    return model_get(&l->model, store, key, at, decided);
}

/* ---- answers ---- */

static void check_winner(struct life *l, struct actor *a, uint64_t version, uint64_t commit)
{
    const struct failure *f = &a->op.failure;

    /* the version of an autocommit write is nobody's business: the model has 0 */
    LIFE_CHECK(l, (f->winner_version == version || !version) && f->winner_commit == commit,
               "a conflict names %llu/%llu as its winner, the model %llu/%llu",
               (unsigned long long)f->winner_version, (unsigned long long)f->winner_commit,
               (unsigned long long)version, (unsigned long long)commit);
}

/* An answer that is an error of the disk or a limit: allowed where faults are. */
static bool is_excused(const struct life *l, enum err e)
{
    if (e == ERR_LOG_FAILED || e == ERR_NO_SPACE || e == ERR_IO || e == ERR_NOMEM ||
        e == ERR_CORRUPT)
        return l->options->faults || sim_is_off(l->sim);
    return e == ERR_OVERLOADED;
}

/* The common part of all answers; true: it is dealt with. */
static bool answer_common(struct life *l, struct actor *a, enum err e)
{
    if (!a->autocommit && a->serializable && !a->read_only && e == ERR_CONFLICT &&
        (a->is_doomed || a->is_stale)) {
        /* of several winners it names one */
        actor_lose(a, a->op.failure.winner_version, a->op.failure.winner_commit);
        return true;
    }
    if (!a->autocommit && a->is_murky)
        return e == ERR_CONFLICT; /* it may have been in time, or not */
    if (!a->autocommit && a->is_doomed) {
        LIFE_CHECK(l, e == ERR_CONFLICT, "a doomed transaction %llu got %s, not CONFLICT",
                   (unsigned long long)a->version, err_name(e));
        check_winner(l, a, a->winner_version, a->winner_commit);
        reply(l, a, a->winner_commit);
        return true;
    }
    if (is_excused(l, e)) {
        if (!a->autocommit && a->txn) {
            txn_rollback(a->txn);
            actor_forget(a);
        }
        return true;
    }
    return false;
}

static void answer_no_store(struct life *l, struct actor *a, enum err e, uint64_t at)
{
    LIFE_CHECK(l, e == ERR_NO_STORE, "store %u is not there at %llu, but the answer is %s",
               a->store, (unsigned long long)at, err_name(e));
}

/* The snapshot by which the store of a request is looked up. */
static uint64_t actor_at(const struct actor *a)
{
    return a->autocommit ? a->at : a->snapshot;
}

static void finish_get(struct life *l, struct actor *a, enum err e, struct slice value)
{
    uint64_t decided, expected, at = actor_at(a), got;

    if (answer_common(l, a, e))
        return;
    if (!model_has_store(&l->model, a->store, at)) {
        answer_no_store(l, a, e, at);
        return;
    }
    LIFE_CHECK(l, e == ERR_OK, "get answered %s: %s", err_name(e), a->op.failure.text);
    expected = expect(l, a, a->store, a->key, at, &decided);
    got = slice_is_none(value) ? 0 : value_read(l, value);
    LIFE_CHECK(l, got == expected, "store %u key %u at %llu is %llu, the model says %llu",
               a->store, a->key, (unsigned long long)at, (unsigned long long)got,
               (unsigned long long)expected);
    reply(l, a, decided);
    l->counts->reads++;
}

/* A write came back: was it allowed? true: it has happened. */
static bool finish_write(struct life *l, struct actor *a, enum err e, bool had_effect)
{
    const struct model_version *newer;
    uint64_t at = a->snapshot;

    if (a->autocommit) {
        if (e == ERR_OK)
            return true;
        if (is_excused(l, e))
            return false;
        LIFE_CHECK(l, e == ERR_NO_STORE || e == ERR_EXISTS, "an autocommit write got %s: %s",
                   err_name(e), a->op.failure.text);
        return false;
    }
    if (answer_common(l, a, e))
        return false;
    if (!model_has_store(&l->model, a->store, at)) {
        answer_no_store(l, a, e, at);
        return false;
    }
    if (!had_effect && e == ERR_OK)
        return true;
    newer = model_newer_store(&l->model, a->store, at);
    if (!newer)
        newer = model_newer(&l->model, a->store, a->key, at);
    if (newer) {
        LIFE_CHECK(l, e == ERR_CONFLICT,
                   "transaction %llu wrote store %u key %u, which commit %llu wrote after its "
                   "snapshot %llu, and got %s",
                   (unsigned long long)a->version, a->store, a->key,
                   (unsigned long long)newer->commit, (unsigned long long)at, err_name(e));
        check_winner(l, a, newer->version, newer->commit);
        actor_lose(a, newer->version, newer->commit);
        l->counts->conflicts++;
        if (newer->commit <= l->merged)
            l->counts->old_conflicts++;
        reply(l, a, newer->commit);
        return false;
    }
    if (a->greatest && e == ERR_CONFLICT) {
        bool found = false;

        for (unsigned i = 0; i < l->options->actors; i++) {
            struct actor *o = &l->actors[i];

            if (o != a && o->txn && !o->is_doomed && o->version > a->version &&
                o->wrote[a->store][a->key] && o->version == a->op.failure.winner_version)
                found = true;
        }
        LIFE_CHECK(l, found, "greatest version: lost to %llu, who has not written it",
                   (unsigned long long)a->op.failure.winner_version);
        actor_lose(a, a->op.failure.winner_version, 0);
        return false;
    }
    LIFE_CHECK(l, e == ERR_OK, "a write of transaction %llu got %s: %s",
               (unsigned long long)a->version, err_name(e), a->op.failure.text);
    if (a->greatest && !l->model.last_writer_wins[a->store]) {
        for (unsigned i = 0; i < l->options->actors; i++) {
            struct actor *o = &l->actors[i];

            LIFE_CHECK(l, o == a || !o->txn || o->is_doomed || o->version < a->version ||
                              !o->wrote[a->store][a->key],
                       "greatest version: transaction %llu wrote what newer %llu has written",
                       (unsigned long long)a->version, (unsigned long long)o->version);
        }
    }
    return true;
}

static void note_write(struct life *l, struct actor *a, unsigned key, uint64_t value)
{
    if (a->autocommit) {
        model_commit_put(l, NULL, a->store, key, value, a->op.committed, 0);
        return;
    }
    a->wrote_store[a->store] = true;
    a->wrote[a->store][key] = true;
    a->writes[a->store][key] = value;
}

/* Was there (or not) a record at some moment of the request of a? An autocommit write
 * that had to wait may answer as of any of them. */
static bool was(const struct life *l, const struct actor *a, bool present)
{
    const struct model_history *h = &l->model.keys[a->store][a->key];
    uint64_t decided;

    if ((model_get(&l->model, a->store, a->key, a->since, &decided) != 0) == present)
        return true;
    for (size_t i = h->count; i-- > 0 && h->versions[i].commit > a->since;) {
        if ((h->versions[i].value != 0) == present)
            return true;
    }
    return false;
}

static void finish_put(struct life *l, struct actor *a, enum err e)
{
    uint64_t decided;

    if (e == ERR_EXISTS) {
        LIFE_CHECK(l, a->act == ACT_INSERT, "a put answered EXISTS");
        if (!a->autocommit && !a->is_doomed) {
            LIFE_CHECK(l, expect(l, a, a->store, a->key, a->snapshot, &decided) != 0,
                       "an insert answered EXISTS where nothing is");
            reply(l, a, decided);
        } else if (a->autocommit) {
            LIFE_CHECK(l, was(l, a, true),
                       "an autocommit insert answered EXISTS where nothing is");
        }
        return;
    }
    if (!finish_write(l, a, e, true))
        return;
    if (a->act == ACT_INSERT && !a->autocommit)
        LIFE_CHECK(l, expect(l, a, a->store, a->key, a->snapshot, &decided) == 0,
                   "an insert went over a record");
    if (a->act == ACT_INSERT && a->autocommit)
        LIFE_CHECK(l, model_get(&l->model, a->store, a->key, UINT64_MAX, &decided) == 0,
                   "an autocommit insert went over a record");
    note_write(l, a, a->key, a->value);
    if (a->autocommit)
        reply(l, a, a->op.committed);
}

static void finish_delete(struct life *l, struct actor *a, enum err e, bool existed)
{
    uint64_t decided, there = expect(l, a, a->store, a->key,
                                     a->autocommit ? UINT64_MAX : a->snapshot, &decided);

    if (!finish_write(l, a, e, there != 0))
        return;
    LIFE_CHECK(l, existed == (there != 0) || (a->autocommit && !existed && was(l, a, false)),
               "delete said %d of a record that is %llu", existed, (unsigned long long)there);
    if (existed)
        note_write(l, a, a->key, 0);
    if (existed && a->autocommit)
        reply(l, a, a->op.committed);
    else if (!a->autocommit)
        reply(l, a, decided);
}

static void finish_count(struct life *l, struct actor *a, enum err e, uint64_t count)
{
    uint64_t at = actor_at(a), expected = 0, decided;

    if (answer_common(l, a, e))
        return;
    if (!model_has_store(&l->model, a->store, at)) {
        answer_no_store(l, a, e, at);
        return;
    }
    LIFE_CHECK(l, e == ERR_OK, "count answered %s: %s", err_name(e), a->op.failure.text);
    for (unsigned k = a->key; k < a->key_to; k++)
        expected += expect(l, a, a->store, k, at, &decided) != 0;
    LIFE_CHECK(l, count == expected, "count of %u..%u in store %u at %llu is %llu, not %llu",
               a->key, a->key_to, a->store, (unsigned long long)at, (unsigned long long)count,
               (unsigned long long)expected);
    l->counts->reads++;
}

static void finish_delete_range(struct life *l, struct actor *a, enum err e, uint64_t deleted)
{
    uint64_t expected = 0, decided, at = a->autocommit ? UINT64_MAX : a->snapshot;
    const struct model_version *newer = NULL;

    if (!a->autocommit) {
        if (answer_common(l, a, e))
            return;
        if (!model_has_store(&l->model, a->store, at)) {
            answer_no_store(l, a, e, at);
            return;
        }
        if (e == ERR_CONFLICT) {
            /* which of the keys it met first depends on the direction */
            newer = model_newer_store(&l->model, a->store, at);
            for (unsigned k = a->key; k < a->key_to; k++) {
                const struct model_version *v = model_newer(&l->model, a->store, k, at);

                if (v && (v->version == a->op.failure.winner_version || !v->version) &&
                    v->commit == a->op.failure.winner_commit)
                    newer = v;
            }
            LIFE_CHECK(l, newer || a->greatest, "delete_range lost to nobody");
            actor_lose(a, a->op.failure.winner_version, a->op.failure.winner_commit);
            return;
        }
    }
    if (!finish_write(l, a, e, false))
        return;
    for (unsigned i = 0; i < a->key_to - a->key && expected < a->limit; i++) {
        unsigned k = a->reverse ? a->key_to - 1 - i : a->key + i;

        actor_read(l, a, a->store, k);
        if (!expect(l, a, a->store, k, at, &decided))
            continue;
        if (!a->autocommit) {
            newer = model_newer(&l->model, a->store, k, at);
            LIFE_CHECK(l, !newer && !model_newer_store(&l->model, a->store, at),
                       "delete_range of key %u should have lost", k);
        }
        note_write(l, a, k, 0);
        expected++;
    }
    LIFE_CHECK(l, deleted == expected, "delete_range deleted %llu, the model %llu",
               (unsigned long long)deleted, (unsigned long long)expected);
}

static void finish_store(struct life *l, struct actor *a, enum err e)
{
    uint64_t value = a->act == ACT_CREATE ? 1 : a->act == ACT_CLEAR ? 2 : 0;
    bool there = model_has_store(&l->model, a->store, UINT64_MAX);

    if (is_excused(l, e))
        return;
    if ((a->act == ACT_CREATE) == there) {
        LIFE_CHECK(l, e == (there ? ERR_EXISTS : ERR_NO_STORE), "a change of store %u got %s",
                   a->store, err_name(e));
        return;
    }
    LIFE_CHECK(l, e == ERR_OK, "a change of store %u got %s: %s", a->store, err_name(e),
               a->op.failure.text);
    model_commit_store(l, NULL, a->store, value, a->op.committed, 0);
    reply(l, a, a->op.committed);
}

/* ---- requests ---- */

static size_t range_of(const struct actor *a, uint8_t room[64])
{
    size_t size = msgpack_put_map_head(room, 2);

    size += msgpack_put_text(room + size, slice_text("gte"));
    size += msgpack_put_uint(room + size, a->key);
    size += msgpack_put_text(room + size, slice_text("lt"));
    size += msgpack_put_uint(room + size, a->key_to);
    return size;
}

static unsigned scan_key(const struct actor *a, unsigned i)
{
    return a->reverse ? a->key_to - 1 - i : a->key + i;
}

/* The scan gave a row (or its end): is it what comes next? */
static void scan_check(struct life *l, struct actor *a, const struct cursor_row *row)
{
    uint64_t expected = 0, decided, got_key;
    unsigned key = 0;

    while (a->scan_at < a->key_to - a->key && !expected) {
        key = scan_key(a, a->scan_at++);
        expected = expect(l, a, a->store, key, actor_at(a), &decided);
        actor_read(l, a, a->store, key);
    }
    if (!row) {
        LIFE_CHECK(l, !expected, "a scan of store %u ended before key %u", a->store, key);
        return;
    }
    {
        struct msgpack_cursor c = msgpack_open(row->key);

        LIFE_CHECK(l, msgpack_read_uint(&c, &got_key) == ERR_OK, "a scan gave a strange key");
    }
    LIFE_CHECK(l, expected && got_key == key && value_read(l, row->value) == expected,
               "a scan of store %u at %llu gave key %llu, the model key %u (value %llu)", a->store,
               (unsigned long long)actor_at(a), (unsigned long long)got_key, key,
               (unsigned long long)expected);
    reply(l, a, decided);
}

static enum err scan_step(struct life *l, struct actor *a, struct txn *t)
{
    struct cursor_options options = {.reverse = a->reverse, .limit = UINT64_MAX};
    uint8_t range[64];
    enum err e = ERR_OK;

    if (!a->cursor)
        e = cursor_open(&a->op, t, store_name(a->store), slice_make(range, range_of(a, range)),
                        &options, &a->cursor);
    while (!e) {
        struct cursor_row row;

        e = cursor_next(&a->op, a->cursor, &row);
        if (e == ERR_OK)
            scan_check(l, a, &row);
        else if (e == ERR_END)
            scan_check(l, a, NULL);
        if (e == ERR_OK && sim_chance(l->sim, 10))
            cursor_rest(a->cursor);
    }
    return e;
}

static void finish_scan(struct life *l, struct actor *a, enum err e)
{
    if (a->cursor)
        cursor_close(a->cursor);
    a->cursor = NULL;
    if (e == ERR_END) {
        l->counts->scans++;
        return;
    }
    if (answer_common(l, a, e))
        return;
    answer_no_store(l, a, e, actor_at(a));
    LIFE_CHECK(l, !model_has_store(&l->model, a->store, actor_at(a)), "a scan found no store");
}

/* Call the core for the request at work; true: it is finished. */
static bool actor_call(struct life *l, struct actor *a)
{
    struct txn *t = a->autocommit ? NULL : a->txn;
    struct store_options made = {.last_writer_wins = l->model.last_writer_wins[a->store]};
    uint8_t key_room[16], range[64], *value_room, *key_out_room;
    struct slice key = key_of(a->key, key_room), name = store_name(a->store), value, key_out;
    uint64_t number = 0;
    bool existed = false;
    enum err e = ERR_OK;

    value_room = malloc(l->options->pad_max + 64);
    key_out_room = malloc(KEY_PLAIN_BYTES_MAX);
    value = value_of(l, a->value, value_room);
    a->is_woken = false;
    switch (a->act) {
    case ACT_GET:
        e = record_get(&a->op, t, name, key, &value);
        break;
    case ACT_PUT:
    case ACT_INSERT:
        e = record_put(&a->op, t, name, value, key, a->act == ACT_INSERT, key_out_room, &key_out);
        break;
    case ACT_DELETE:
        e = record_delete(&a->op, t, name, key, &existed);
        break;
    case ACT_COUNT:
        e = record_count(&a->op, t, name, slice_make(range, range_of(a, range)), &number);
        break;
    case ACT_DELETE_RANGE:
        e = record_delete_range(&a->op, t, name, slice_make(range, range_of(a, range)), a->limit,
                                a->reverse, &number);
        break;
    case ACT_SCAN:
        e = scan_step(l, a, t);
        break;
    case ACT_CLEAR:
        e = store_clear(&a->op, t, name);
        break;
    case ACT_DROP:
        e = store_drop(&a->op, t, name);
        break;
    case ACT_CREATE:
        e = store_create(&a->op, t, name, &made);
        break;
    case ACT_NONE:
        break;
    }
    if (e == ERR_WAIT) {
        l->counts->waits++;
        free(value_room);
        free(key_out_room);
        return false;
    }
    actor_read_name(l, a, a->store);
    if (a->act == ACT_GET || a->act == ACT_INSERT || a->act == ACT_DELETE)
        actor_read(l, a, a->store, a->key);
    for (unsigned k = a->key; k < a->key_to; k++) {
        /* where a walk of a range lost is not told; it is over with the transaction anyway */
        if (a->act == ACT_COUNT ||
            (e == ERR_CONFLICT && (a->act == ACT_SCAN || a->act == ACT_DELETE_RANGE)))
            actor_read(l, a, a->store, k);
    }
    if (a->act == ACT_GET)
        finish_get(l, a, e, value);
    else if (a->act == ACT_PUT || a->act == ACT_INSERT)
        finish_put(l, a, e);
    else if (a->act == ACT_DELETE)
        finish_delete(l, a, e, existed);
    else if (a->act == ACT_COUNT)
        finish_count(l, a, e, number);
    else if (a->act == ACT_DELETE_RANGE)
        finish_delete_range(l, a, e, number);
    else if (a->act == ACT_SCAN)
        finish_scan(l, a, e);
    else
        finish_store(l, a, e);
    free(value_room);
    free(key_out_room);
    return true;
}

static void actor_request(struct life *l, struct actor *a)
{
    static const enum act acts[] = {ACT_GET,  ACT_GET,    ACT_PUT,    ACT_PUT,   ACT_PUT,
                                    ACT_PUT,  ACT_INSERT, ACT_DELETE, ACT_COUNT, ACT_SCAN,
                                    ACT_DELETE_RANGE};

    a->autocommit = !a->txn || sim_chance(l->sim, 10);
    a->act = acts[sim_random(l->sim, sizeof acts / sizeof *acts)];
    if (a->autocommit && sim_chance(l->sim, 4))
        a->act = ACT_CLEAR + (enum act)sim_random(l->sim, 3);
    if (!a->autocommit && a->read_only && a->act != ACT_GET && a->act != ACT_COUNT)
        a->act = ACT_SCAN;
    a->store = (unsigned)sim_random(l->sim, MODEL_STORES);
    a->key = (unsigned)sim_random(l->sim, MODEL_KEYS);
    a->key_to = a->key + (unsigned)sim_random(l->sim, MODEL_KEYS - a->key + 1);
    a->limit = sim_chance(l->sim, 50) ? UINT64_MAX : sim_random(l->sim, 5);
    a->reverse = sim_chance(l->sim, 50);
    a->value = ++l->next_value;
    a->scan_at = 0;
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

/* Rule 6: all that a committed writer read would read the same now. */
static void check_reads(struct life *l, const struct actor *a)
{
    for (unsigned s = 0; s < MODEL_STORES; s++) {
        LIFE_CHECK(l, !a->has_read_store[s] || !model_newer_store(&l->model, s, a->snapshot),
                   "serializable %llu committed, but store %u that it read has changed",
                   (unsigned long long)a->version, s);
        for (unsigned k = 0; k < MODEL_KEYS; k++) {
            const struct model_history *h = &l->model.keys[s][k];

            LIFE_CHECK(l, !a->has_read[s][k] || !h->count ||
                              h->versions[h->count - 1].commit <= a->snapshot,
                       "serializable %llu committed, but key %u of store %u that it read has "
                       "changed", (unsigned long long)a->version, k, s);
        }
    }
}

static void actor_commit(struct life *l, struct actor *a)
{
    struct txn *t = a->txn;
    uint64_t commit;
    bool wrote = false;
    enum err e;

    op_init(&a->op, l->db, actor_wake);
    a->autocommit = false;
    e = txn_commit(&a->op, t, SLICE_NONE, &commit);
    if (a->serializable && e == ERR_CONFLICT) {
        LIFE_CHECK(l, a->is_doomed || a->is_stale, "serializable %llu lost to nobody: %s",
                   (unsigned long long)a->version, a->op.failure.text);
        op_fini(&a->op);
        actor_forget(a);
        return;
    }
    if (a->serializable && e == ERR_OK && commit) {
        l->counts->serializable++;
        check_reads(l, a);
    }
    if (a->is_doomed) {
        LIFE_CHECK(l, e == ERR_CONFLICT, "the commit of doomed %llu answered %s",
                   (unsigned long long)a->version, err_name(e));
        check_winner(l, a, a->winner_version, a->winner_commit);
        actor_forget(a);
    } else if (e) {
        LIFE_CHECK(l, is_excused(l, e), "the commit of %llu answered %s: %s",
                   (unsigned long long)a->version, err_name(e), a->op.failure.text);
        actor_forget(a);
    } else {
        struct actor was = *a;

        actor_forget(a);
        for (unsigned s = 0; s < MODEL_STORES; s++) {
            for (unsigned k = 0; k < MODEL_KEYS; k++) {
                if (!was.wrote[s][k])
                    continue;
                wrote = true;
                model_commit_put(l, a, s, k, was.writes[s][k], commit, was.version);
            }
        }
        LIFE_CHECK(l, wrote == (commit != 0), "a commit that wrote %d has the number %llu", wrote,
                   (unsigned long long)commit);
        if (wrote) {
            l->counts->commits++;
            reply(l, a, commit);
        }
    }
    op_fini(&a->op);
}

static void actor_act(struct life *l, struct actor *a)
{
    if (a->act != ACT_NONE) {
        if (!a->is_woken)
            return;
        if (actor_call(l, a)) {
            op_fini(&a->op);
            a->act = ACT_NONE;
        }
        return;
    }
    if (!a->txn && sim_chance(l->sim, 60)) {
        struct txn_options o = {.greatest_version = sim_chance(l->sim, 20),
                                .interval = sim_chance(l->sim, 10),
                                .serializable = sim_chance(l->sim, 40),
                                .read_only = sim_chance(l->sim, 15)};
        struct txn *t;
        enum err e;

        op_init(&a->op, l->db, actor_wake);
        e = txn_begin(&a->op, &o, &t);
        LIFE_CHECK(l, e == ERR_OK || is_excused(l, e), "begin answered %s", err_name(e));
        if (!e) {
            actor_forget(a);
            a->txn = t;
            a->version = txn_version(t);
            a->snapshot = txn_snapshot(t);
            a->greatest = o.greatest_version;
            a->interval = o.interval;
            a->read_only = o.read_only;
            a->serializable = o.serializable;
        }
        op_fini(&a->op);
        return;
    }
    if (a->txn && sim_chance(l->sim, 15)) {
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

/* ---- lives and deaths ---- */

static void life_on_failed(void *context, const struct failure *why)
{
    struct life *l = context;

    (void)why;
    l->is_failed = true;
}

static void life_on_event(void *context, const char *event, const char *facts)
{
    struct life *l = context;

    (void)facts;
    if (strcmp(event, "amalgamated") == 0)
        l->counts->amalgamations++;
    if (strcmp(event, "stage-sealed") == 0)
        l->counts->rotations++;
    if (sim_knobs(l->sim)->trace)
        fprintf(stderr, "# %s %s\n", event, facts);
}

static void life_turn(struct life *l)
{
    struct db_status status;

    db_turn(l->db);
    db_tick(l->db);
    db_status(l->db, &status);
    l->merged = status.primary.commit;
}

/* Let time pass until what was waited for has come. */
static void life_settle(struct life *l)
{
    life_turn(l);
    if (!sim_step(l->sim))
        sim_advance_ms(l->sim, 50);
}

static bool life_open(struct life *l)
{
    struct db_events events = {l, NULL, life_on_failed, life_on_event};
    struct failure f;
    enum err e;

    failure_init(&f);
    l->is_failed = false;
    e = db_open(sim_table(l->sim), &l->db_options, &events, &l->db, &f);
    if (e && (sim_is_off(l->sim) || is_excused(l, e))) {
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

        if (a->cursor)
            cursor_close(a->cursor);
        a->cursor = NULL;
        if (a->act != ACT_NONE)
            op_fini(&a->op);
        a->act = ACT_NONE;
        if (a->txn)
            txn_rollback(a->txn);
        actor_forget(a);
    }
    memset(l->promises, 0, sizeof l->promises);
    memset(l->tasks, 0, sizeof l->tasks);
    db_free(l->db, true);
    l->db = NULL;
    LIFE_CHECK(l, sim_alloc_outstanding(l->sim) == 0, "%llu bytes were not given back",
               (unsigned long long)sim_alloc_outstanding(l->sim));
}

/* What the opened database holds, key by key; 0: nothing. */
static void life_read_all(struct life *l, uint64_t state[MODEL_STORES][MODEL_KEYS + 1])
{
    struct actor *a = &l->actors[0];

    for (unsigned s = 0; s < MODEL_STORES; s++) {
        for (unsigned k = 0; k < MODEL_KEYS; k++) {
            uint8_t room[16];
            struct slice value;
            enum err e;

            op_init(&a->op, l->db, actor_wake);
            for (;;) {
                e = record_get(&a->op, NULL, store_name(s), key_of(k, room), &value);
                if (e != ERR_WAIT)
                    break;
                for (a->is_woken = false; !a->is_woken;)
                    life_settle(l);
            }
            LIFE_CHECK(l, e == ERR_OK || e == ERR_NO_STORE, "after a restart a get answered %s: %s",
                       err_name(e), a->op.failure.text);
            state[s][MODEL_KEYS] = e == ERR_OK;
            state[s][k] = e || slice_is_none(value) ? 0 : value_read(l, value);
            op_fini(&a->op);
        }
    }
}

static bool state_is(const struct life *l, uint64_t state[MODEL_STORES][MODEL_KEYS + 1],
                     uint64_t commit)
{
    uint64_t decided;

    for (unsigned s = 0; s < MODEL_STORES; s++) {
        if (model_has_store(&l->model, s, commit) != (state[s][MODEL_KEYS] != 0))
            return false;
        for (unsigned k = 0; k < MODEL_KEYS; k++) {
            if (model_get(&l->model, s, k, commit, &decided) != state[s][k])
                return false;
        }
    }
    return true;
}

static int commit_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x < y) - (x > y);
}

/* Rules 1 and 2: the state is a prefix of the commits that holds all that were told. */
static void life_check_prefix(struct life *l, uint64_t least)
{
    static uint64_t state[MODEL_STORES][MODEL_KEYS + 1];
    uint64_t *commits = malloc(sizeof *commits * 1000000);
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
    for (size_t i = 0; i < count && !found; i++) {
        if (i && commits[i] == commits[i - 1])
            continue;
        if (state_is(l, state, commits[i])) {
            found = true;
            l->counts->lost += l->model.last_commit > commits[i];
            model_cut(&l->model, commits[i]);
        }
    }
    free(commits);
    LIFE_CHECK(l, found, "after a restart the state is no prefix that holds commit %llu",
               (unsigned long long)least);
}

static void life_die(struct life *l)
{
    bool kill = sim_chance(l->sim, 30) && !sim_is_off(l->sim) && !l->is_failed;
    uint64_t least = l->told;

    if (kill) {
        l->counts->kills++;
        if (l->told_kill > least)
            least = l->told_kill;
        sim_kill(l->sim);
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
    /* what was read back has been told */
    l->told = l->told_kill = l->model.last_commit;
}

static void life_fault(struct life *l)
{
    switch (sim_random(l->sim, 6)) {
    case 0:
        sim_fail_at(l->sim, SIM_FAULT_WRITE, 1 + sim_random(l->sim, 20));
        break;
    case 1:
        sim_fail_at(l->sim, SIM_FAULT_SYNC, 1 + sim_random(l->sim, 20));
        break;
    case 2:
        sim_set_disk_limit(l->sim, sim_disk_used(l->sim) + sim_random(l->sim, 1 << 20));
        break;
    case 3:
        sim_fail_alloc_at(l->sim, 1 + sim_random(l->sim, 200));
        break;
    case 4:
        sim_fail_at(l->sim, SIM_FAULT_READ, 1 + sim_random(l->sim, 20));
        break;
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
    } else if (dice < l->options->crashes + 20) {
        sim_power_off_after(l->sim, sim_random(l->sim, 60));
    } else if (dice < 150) {
        life_operate(l);
    } else if (l->options->faults && dice < 180) {
        life_fault(l);
    } else if (dice < 300) {
        sim_advance_ms(l->sim, sim_random(l->sim, 100));
    } else if (dice < 330) {
        sim_stall_lane(l->sim, (enum os_lane)sim_random(l->sim, OS_LANE_COUNT),
                       sim_chance(l->sim, 30));
    } else if (dice < 3000) {
        sim_step(l->sim);
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

static void life_end(struct life *l)
{
    bool closed = false;

    sim_fail_clear(l->sim);
    sim_power_off_after(l->sim, SIM_LIMIT_NONE);
    sim_set_disk_limit(l->sim, SIM_LIMIT_NONE);
    for (int lane = 0; lane < OS_LANE_COUNT; lane++)
        sim_stall_lane(l->sim, (enum os_lane)lane, false);
    for (unsigned i = 0; i < l->options->actors; i++) {
        struct actor *a = &l->actors[i];

        if (a->cursor)
            cursor_close(a->cursor);
        a->cursor = NULL;
        if (a->act != ACT_NONE)
            op_fini(&a->op);
        a->act = ACT_NONE;
        if (a->txn)
            txn_rollback(a->txn);
        actor_forget(a);
    }
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
        db_free(l->db, false);
        l->told = l->model.last_commit; /* a clean end loses nothing */
        if (sim_chance(l->sim, 50))
            sim_crash(l->sim);
    }
    LIFE_CHECK(l, life_open(l), "the last open failed");
    life_check_prefix(l, l->told);
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

bool life_run(uint64_t seed, const struct life_options *options, struct life_counts *counts,
              char *why, unsigned why_size)
{
    struct life *l = calloc(1, sizeof *l);
    volatile bool ok = false;

    l->sim = sim_new(seed);
    l->options = options;
    l->counts = counts;
    l->why = why;
    l->why_size = why_size;
    l->seed = seed;
    model_init(&l->model);
    for (unsigned i = 0; i < options->actors; i++)
        l->actors[i].life = l;
    db_options_default(&l->db_options);
    l->db_options.stage_bytes = 4096 << sim_random(l->sim, 6);
    l->db_options.staged_bytes_max = l->db_options.stage_bytes * (3 + sim_random(l->sim, 6));
    l->db_options.link_bytes_max = 1024 << sim_random(l->sim, 8);
    l->db_options.cache_bytes = UINT64_C(16384) << sim_random(l->sim, 8);
    l->db_options.page_bytes = 4096;
    l->db_options.segment_bytes = UINT64_C(16) << 20;
    l->db_options.log_in_flight = 1 + (unsigned)sim_random(l->sim, 4);
    l->db_options.amalgamate_percent = 10;
    if (setjmp(l->broken) == 0) {
        LIFE_CHECK(l, life_open(l), "the first open failed");
        life_make_stores(l);
        for (l->step = 0; l->step < options->steps; l->step++)
            life_step(l);
        if (sim_is_off(l->sim) || l->is_failed)
            life_die(l);
        life_end(l);
        ok = true;
    }
    model_fini(&l->model);
    if (ok)
        sim_free(l->sim);
    free(l); /* what a broken life leaves is left, for the debugger */
    return ok;
}
