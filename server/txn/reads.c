#include "server/txn/reads.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/conflict.h"
#include "server/txn/db_options.h"
#include "server/txn/decided.h"
#include "server/txn/read_range.h"
#include "server/txn/read_set.h"
#include "server/txn/snapshots.h"
#include "server/txn/tokens.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_struct.h"
#include "server/txn/txns.h"
#include "server/txn/usage.h"

_Static_assert(KEY_BYTES_MAX < READ_SET_KEY_BYTES_MAX, "a key and a zero byte");

/* A range that is noted but whose past is not looked through yet: where that goes on. */
struct range_check {
    struct conflict_walk walk;
    uint32_t store;
    size_t from_size, to_size;
    uint8_t from[READ_SET_KEY_BYTES_MAX], to[READ_SET_KEY_BYTES_MAX];
};

enum err reads_init(struct txns *all, uint64_t seed)
{
    const struct db_options *o = all->options;
    struct read_set_limits limits = {.reader_bytes_max = o->reads_bytes_max,
                                     .bytes_max = o->reads_total_max,
                                     .client_bytes_max =
                                         usage_share(o->reads_total_max, o->client_share)};

    ASSERT(limits.reader_bytes_max > 0);
    return read_set_init(&all->read_set, all->os, seed, limits);
}

static struct reads *reads_of(struct txn *t)
{
    ASSERT(t->snapshot && (t->options.serializable || t->builds)); /* T-3 */
    if (t->reads)
        return t->reads;
    t->reads = read_set_open(&t->all->read_set, t, t->snapshot->commit);
    if (t->reads && t->options.usage)
        t->reads->of_client = &usage_of_client(t->options.usage)->reads;
    return t->reads;
}

/* ---- becoming stale ---- */

/* Whether t has made an index over the store: then whoever writes there conflicts with that. */
static bool reads_has_built(const struct txn *t, const struct schema *schema)
{
    for (const struct build_note *n = t->builds; n; n = n->next) {
        ASSERT(n->store != CATALOGUE_STORE);
        if (n->store == schema->number)
            return true;
    }
    return false;
}

/* Somebody has overwritten what t read. */
static void reads_stale(struct txn *t, const struct winner *winner, const struct schema *schema,
                        struct slice key)
{
    bool is_schema =
        schema && (schema->number == CATALOGUE_STORE || reads_has_built(t, schema));
    enum conflict_kind kind = is_schema ? CONFLICT_SCHEMA : CONFLICT_READ;

    ASSERT(!t->stale.error);
    ASSERT(winner->commit > t->snapshot->commit); /* rule 6: it would read something else */
    ASSERT(t->snapshot);
    conflict_describe(&t->stale, kind, schema, key, winner);
    t->winner_durability = winner->durability;
    txn_forget_reads(t); /* one is enough */
    ASSERT(t->stale.error && !t->reads);
}

/* t itself has met something newer: it loses now if it has written. */
static enum err reads_meet(struct op *op, struct txn *t, const struct winner *winner,
                           const struct schema *schema, struct slice key)
{
    ASSERT(winner->commit > t->snapshot->commit);
    reads_stale(t, winner, schema, key);
    if (!t->stamp || !t->stamp->records)
        return ERR_OK;
    return reads_check_write(op, t, NULL, SLICE_NONE);
}

enum err reads_check_write(struct op *op, struct txn *t, const struct schema *schema,
                           struct slice key)
{
    if (!t->stale.error)
        return ERR_OK;
    ASSERT(t->snapshot && t->stale.error == ERR_CONFLICT); /* T-3 */
    failure_copy(&op->failure, &t->stale);
    conflict_note_attempt(&op->failure, t, schema, key);
    decided_note_commit(op, t->stale.winner_commit, t->winner_durability);
    txn_doom(t, &op->failure);
    return ERR_CONFLICT;
}

static const struct schema *reads_schema(const struct txns *all, uint32_t store)
{
    ASSERT(store <= TOKENS_STORE);
    return store == CATALOGUE_STORE ? all->catalogue->self
                                    : catalogue_last_by_number(all->catalogue, store);
}

void reads_lose(struct txn *t, const struct stamp *stamp, const struct record *written)
{
    struct winner winner = winner_of(stamp);

    ASSERT(t->reads && t->snapshot);
    ASSERT(t->reads->owner == t && stamp->commit > t->snapshot->commit);
    reads_stale(t, &winner, reads_schema(t->all, written->store), record_key(written));
    if (!t->stamp || !t->stamp->records)
        return;
    txn_lose(t, &t->stale);
}

/* ---- noting ---- */

static bool reads_wanted(const struct txn *t)
{
    ASSERT(!t || !t->reads || !t->stale.error); /* one is enough */
    return t && t->options.serializable && !t->options.read_only && !t->stale.error;
}

static enum err reads_no_memory(struct op *op)
{
    return failure_set(&op->failure, ERR_NOMEM, "out of memory for the read set");
}

/* What was kept of reads has grown: t may have a limit of its own. */
static enum err reads_kept(struct op *op, struct txn *t, enum err e)
{
    uint64_t max = t->options.read_bytes, bytes;

    ASSERT(e || (t->reads->owner == t && t->reads->bytes > 0));
    usage_note(t);
    if (e)
        return reads_no_memory(op);
    bytes = usage_reads(t);
    if (!max || bytes <= max)
        return ERR_OK;
    return failure_set_limit(
        &op->failure, "read_bytes", max, bytes,
        "the transaction has read too much: its read set takes %llu bytes, "
        "the limit is %llu (read_bytes)",
        (unsigned long long)bytes, (unsigned long long)max);
}

static enum err reads_keep_point(struct op *op, struct txn *t, struct read_key key)
{
    struct reads *r = reads_of(t);

    return reads_kept(op, t, r ? read_set_add_point(r, key) : ERR_NOMEM);
}

static enum err reads_keep_range(struct op *op, struct txn *t,
                                 const struct conflict_range *range)
{
    struct reads *r = reads_of(t);

    return reads_kept(
        op, t, r ? read_set_add_range(r, range->store, range->from, range->to) : ERR_NOMEM);
}

enum err reads_note_point(struct op *op, struct txn *t, const struct schema *schema,
                          struct slice key)
{
    struct winner newer;
    enum err e;

    if (!reads_wanted(t))
        return ERR_OK;
    ASSERT(t->snapshot);
    e = conflict_find_newer(op, t, schema->number, key, &newer);
    if (e == ERR_OK)
        return reads_meet(op, t, &newer, schema, key);
    if (e != ERR_NOT_FOUND)
        return e;
    return reads_keep_point(op, t, (struct read_key){schema->number, key});
}

static bool range_check_is_of(const struct range_check *c, const struct conflict_range *range)
{
    ASSERT(!c ||
           (c->from_size <= READ_SET_KEY_BYTES_MAX && c->to_size <= READ_SET_KEY_BYTES_MAX));
    return c && c->store == range->store &&
           slice_equal(slice_make(c->from, c->from_size), range->from) &&
           slice_equal(slice_make(c->to, c->to_size), range->to);
}

/* The look through the range has to wait: keep where it stands. ERR_WAIT, ERR_NOMEM. */
static enum err range_check_keep(struct op *op, struct txn *t,
                                 const struct conflict_range *range,
                                 const struct conflict_walk *walk)
{
    struct range_check *c = t->range_check;

    ASSERT(range->from.size <= READ_SET_KEY_BYTES_MAX &&
           range->to.size <= READ_SET_KEY_BYTES_MAX);
    if (!c) {
        c = t->range_check = os_alloc(t->all->os, sizeof *c);
        t->range_check_bytes = c ? sizeof *c : 0;
        usage_note(t);
    }
    if (!c)
        return reads_no_memory(op);
    c->walk = *walk;
    c->store = range->store;
    c->from_size = range->from.size;
    c->to_size = range->to.size;
    if (c->from_size)
        memcpy(c->from, range->from.data, c->from_size);
    if (c->to_size)
        memcpy(c->to, range->to.data, c->to_size);
    return ERR_WAIT;
}

/* First the range is noted, so that nobody writes there unseen from now on; then what is newer than
 * the snapshot already is looked for, in slices if there is much. */
static enum err reads_note(struct op *op, struct txn *t, const struct schema *schema,
                           struct slice from, struct slice to)
{
    struct conflict_range range = {schema->number, from, to};
    struct conflict_found found;
    struct conflict_walk walk;
    enum err e;

    ASSERT(from.size <= READ_SET_KEY_BYTES_MAX && to.size <= READ_SET_KEY_BYTES_MAX);
    e = reads_keep_range(op, t, &range);
    if (e)
        return e;
    if (range_check_is_of(t->range_check, &range)) {
        walk = t->range_check->walk;
    } else {
        walk.stage = 0;
        walk.is_staged = false;
    }
    e = conflict_find_newer_in_range(op, t, &range, &walk, &found);
    if (e == ERR_WAIT)
        return range_check_keep(op, t, &range, &walk);
    if (t->range_check)
        txn_forget_range_check(t);
    if (e == ERR_OK)
        return reads_meet(op, t, &found.winner, schema, found.key);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err reads_note_range(struct op *op, struct txn *t, const struct schema *schema,
                          struct slice from, struct slice to)
{
    return reads_wanted(t) ? reads_note(op, t, schema, from, to) : ERR_OK;
}

enum err reads_note_build(struct op *op, struct txn *t, struct schema *schema)
{
    struct build_note *n;
    enum err e;

    ASSERT(t->snapshot && !t->options.read_only && !schema->of); /* T-3 */
    if (t->stale.error)
        return reads_check_write(op, t, schema, SLICE_NONE);
    if (!reads_has_built(t, schema)) {
        n = arena_alloc(&t->write_set.arena, sizeof *n);
        if (!n)
            return reads_no_memory(op);
        *n = (struct build_note){t->builds, schema->number};
        t->builds = n;
        usage_note(t);
    }
    e = reads_note(op, t, schema, SLICE_NONE, SLICE_NONE);
    /* it will have written, so it has lost now if it has at all */
    return !e && t->stale.error ? reads_check_write(op, t, schema, SLICE_NONE) : e;
}

enum err reads_note_name(struct op *op, struct txn *t, struct slice name)
{
    struct row_name of = {database_name(t->database), name};
    uint8_t key[KEY_BYTES_MAX];

    if (!reads_wanted(t))
        return ERR_OK;
    return reads_note_point(op, t, t->all->catalogue->self,
                            slice_make(key, catalogue_row_key(of, key)));
}

/* ---- before a commit ---- */

/* A range of several stores has become so by merging: whoever tells will find out. */
static enum err range_find_staged(struct txn *t, const struct read_range *range, uint64_t until,
                                  struct conflict_found *found)
{
    struct read_key from = read_bound_key(&range->from), to = read_bound_key(&range->to);
    struct conflict_range in = {from.store, from.key, to.key};
    struct conflict_walk walk;

    ASSERT(t->snapshot && range->reads == t->reads); /* T-3 */
    walk.stage = 0;
    if (to.store != from.store && (to.store != from.store + 1 || to.key.size))
        return ERR_WAIT;
    return conflict_find_staged_in_range(t, &in, &walk, until, found);
}

enum err reads_check_staged(struct op *op, struct txn *t, uint64_t until)
{
    struct txns *all = t->all;
    struct conflict_found found;

    ASSERT(t->snapshot && t->stamp);
    if (!t->reads)
        return reads_check_write(op, t, NULL, SLICE_NONE);
    for (const struct read_point *p = t->reads->points; p; p = p->next) {
        struct slice key = slice_make(p->key, p->key_size);

        if (++all->steps >= until)
            return ERR_WAIT;
        if (conflict_find_staged(t, p->store, key, &found.winner) != ERR_OK)
            continue;
        memcpy(found.room, key.data, key.size); /* the point goes with the others */
        return reads_meet(op, t, &found.winner, reads_schema(all, p->store),
                          slice_make(found.room, key.size));
    }
    for (const struct read_range *range = read_set_first_range(t->reads); range;
         range = read_set_next_range(range)) {
        enum err e = range_find_staged(t, range, until, &found);

        if (e == ERR_OK)
            return reads_meet(op, t, &found.winner, reads_schema(all, range->from.store),
                              found.key);
        if (e == ERR_WAIT || ++all->steps >= until)
            return ERR_WAIT;
    }
    return ERR_OK;
}
