/* A store that gives its records their keys: no number is given twice while its record is there or
 * may yet be, none is lower than one that is, none is passed over without need; over crashes the
 * records that are there are those of a prefix of the commits. */
#include "tests/sim/life_internal.h"

static struct slice generated_store(void)
{
    return slice_text("generated");
}

static enum err generated_create(struct actor *a)
{
    struct store_options options = {.generate = true};

    return store_create(&a->op, NULL, generated_store(), &options);
}

void life_make_generated(struct life *l)
{
    struct actor *a = &l->actors[0];
    enum err e;

    op_init(&a->op, l->db, actor_wake);
    while ((e = generated_create(a)) == ERR_WAIT) {
        for (a->is_woken = false; !a->is_woken;)
            life_settle(l);
    }
    LIFE_CHECK(l, !e || life_excuses(l, e), "creating a store answered %s: %s", err_name(e),
               a->op.failure.text);
    l->has_generated = !e;
    if (!e)
        l->model.last_commit = l->generated_commit = a->op.committed;
    op_fini(&a->op);
}

bool generate_draw(struct life *l, struct actor *a)
{
    if (!l->has_generated || !sim_chance(l->sim, 4) ||
        l->given_ever + LIFE_ACTORS_MAX >= LIFE_GENERATED_MAX)
        return false;
    if (!a->autocommit && (a->read_only || a->made_count == LIFE_MADE_MAX))
        return false;
    a->act = ACT_GENERATE;
    return true;
}

enum err generate_call(struct life *l, struct actor *a, struct txn *t, uint64_t *number)
{
    uint8_t room[64 + 64], key_room[KEY_PLAIN_BYTES_MAX];
    struct slice key;
    struct msgpack_cursor c;
    size_t size = msgpack_put_uint(room, l->next_value);
    enum err e = record_put(&a->op, t, generated_store(), slice_make(room, size), SLICE_NONE,
                            false, key_room, &key);

    if (e)
        return e;
    c = msgpack_open(key);
    LIFE_CHECK(l, msgpack_read_uint(&c, number) == ERR_OK, "a generated key is not a number");
    return ERR_OK;
}

/* One that is doomed has let go of its numbers. */
static bool generated_is_taken(const struct life_generated *g)
{
    return g->commit || (g->owner && !txn_failure(g->owner->txn));
}

void judge_generate(struct life *l, struct actor *a, enum err e, uint64_t number)
{
    if (judge_common(l, a, e)) {
        if (!e && number == l->given_ever + 1)
            l->given_ever = number; /* to one that does not know yet that it is doomed */
        return;
    }
    LIFE_CHECK(l, e == ERR_OK, "a put without a key answered %s: %s", err_name(e),
               a->op.failure.text);
    LIFE_CHECK(l, number > 0 && number <= l->given_ever + 1 && number < LIFE_GENERATED_MAX,
               "%llu is given, and %llu was the greatest before", (unsigned long long)number,
               (unsigned long long)l->given_ever);
    for (uint64_t n = number; n <= l->given_ever; n++)
        LIFE_CHECK(l, !generated_is_taken(&l->generated[n]),
                   "%llu is given, and %llu is in use", (unsigned long long)number,
                   (unsigned long long)n);
    if (number > l->given_ever)
        l->given_ever = number;
    if (a->autocommit) {
        l->generated[number].commit = a->op.committed;
        l->model.last_commit = a->op.committed;
        life_reply(l, a, a->op.committed);
    } else {
        l->generated[number].owner = a;
        a->made[a->made_count++] = number;
    }
    l->counts->generated++;
}

void generated_commit(struct life *l, struct actor *a, uint64_t commit)
{
    for (unsigned i = 0; i < a->made_count; i++)
        l->generated[a->made[i]] = (struct life_generated){.commit = commit};
    a->made_count = 0;
}

void generated_forget(struct actor *a, unsigned left)
{
    while (a->made_count > left) {
        struct life_generated *g = &a->life->generated[a->made[--a->made_count]];

        if (g->owner == a) /* else it has been given to another since */
            g->owner = NULL;
    }
}

/* The store itself may be gone, if nobody was told of it. */
static bool generated_is_there(struct life *l, uint64_t number, uint64_t told)
{
    struct actor *a = &l->actors[0];
    uint8_t room[16];
    struct slice value = SLICE_NONE;
    bool there;
    enum err e;

    op_init(&a->op, l->db, actor_wake);
    while ((e = record_get(&a->op, NULL, generated_store(),
                           slice_make(room, msgpack_put_uint(room, number)), &value)) ==
           ERR_WAIT) {
        for (a->is_woken = false; !a->is_woken;)
            life_settle(l);
    }
    LIFE_CHECK(l, e == ERR_OK || (e == ERR_NO_STORE && l->generated_commit > told),
               "a get of generated key %llu answered %s: %s", (unsigned long long)number,
               err_name(e), a->op.failure.text);
    l->has_generated = e == ERR_OK;
    there = !slice_is_none(value);
    op_fini(&a->op);
    return there;
}

void life_cut_generated(struct life *l, uint64_t told)
{
    uint64_t last =
        told; /* what is beyond it may be there: the model's last may be more than is */
    uint64_t first_lost = UINT64_MAX;

    if (!l->has_generated)
        return;
    generated_is_there(l, 1, told);
    for (uint64_t n = 1; n <= l->given_ever && l->has_generated; n++) {
        struct life_generated *g = &l->generated[n];
        bool there = generated_is_there(l, n, told);

        LIFE_CHECK(l, !there || g->commit, "%llu is there, and was never committed",
                   (unsigned long long)n);
        LIFE_CHECK(l, there || !g->commit || g->commit > last,
                   "%llu of commit %llu is lost; %llu is there", (unsigned long long)n,
                   (unsigned long long)g->commit, (unsigned long long)last);
        if (there && g->commit > last)
            last = g->commit;
        if (!there && g->commit && g->commit < first_lost)
            first_lost = g->commit;
        if (!there)
            g->commit = 0;
        g->owner = NULL;
    }
    LIFE_CHECK(l, last < first_lost, "commit %llu is there, and %llu before it is not",
               (unsigned long long)last, (unsigned long long)first_lost);
    if (last > l->model.last_commit)
        l->model.last_commit = last;
}

uint64_t life_generated_records(const struct life *l)
{
    uint64_t records = 0;

    for (uint64_t n = 1; n <= l->given_ever; n++)
        records += l->generated[n].commit > 0;
    return records;
}
