/* Finding a store by its name, as a transaction sees it: a read like any other. */
#include "server/txn/lookup.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/db_struct.h"
#include "server/txn/decided.h"
#include "server/txn/guard.h"
#include "server/txn/reads.h"
#include "server/txn/txn_struct.h"

#define NEAR_STEPS_MAX 100000 /* of work that a mistyped name may make */
#define NEAR_EDITS_MAX 2

/* Whether a name may be shown to whoever sees the commit: without waiting for anything. */
static bool is_shown(const struct op *op, const struct catalogue_entry *e, uint64_t commit)
{
    const struct schema *s = e->newest;

    ASSERT(!s || s->entry == e);
    return s && e->database == op_database(op) && !s->is_dropped && s->commit <= commit &&
           s->commit <= op->db->numbers.durable;
}

/* The store whose name is nearest to one that no store has; none: none is near. */
static struct slice catalogue_near(const struct op *op, uint64_t commit, struct slice name)
{
    const struct hash_table *names = &op->db->catalogue.names;
    unsigned least = NEAR_EDITS_MAX + 1;
    struct slice best = SLICE_NONE;
    size_t steps = 0;

    for (size_t b = 0; b < names->room && steps < NEAR_STEPS_MAX; b++, steps++) {
        for (struct hash_link *l = names->buckets[b]; l; l = l->next, steps += 16) {
            struct catalogue_entry *e = LIST_ENTRY(l, struct catalogue_entry, in_names);
            struct slice other = slice_make(e->name, e->name_size);
            unsigned edits;

            if (!is_shown(op, e, commit) || other.size > name.size + NEAR_EDITS_MAX ||
                name.size > other.size + NEAR_EDITS_MAX)
                continue;
            steps += name.size * other.size;
            edits = text_distance(name, other);
            /* the very name is one that the transaction has dropped */
            if (!edits || edits > least || edits >= name.size || edits > NEAR_EDITS_MAX ||
                (edits == least && slice_compare(other, best) > 0) || !guard_sees(op, other))
                continue;
            least = edits;
            best = other;
        }
    }
    ASSERT(slice_is_none(best) || least <= NEAR_EDITS_MAX);
    return best;
}

static enum err catalogue_no_store(struct op *op, uint64_t commit, struct slice name)
{
    struct failure *f = &op->failure;
    struct slice near = catalogue_near(op, commit, name);

    ASSERT(commit <= op->db->numbers.last_commit);
    if (slice_is_none(near))
        failure_set(f, ERR_NO_STORE, "store \"%s\" does not exist", text_show(name));
    else
        failure_set(f, ERR_NO_STORE, "store \"%s\" does not exist; did you mean \"%s\"?",
                    text_show(name), text_show(near));
    failure_set_store(f, ERR_NO_STORE, name);
    failure_set_near(f, ERR_NO_STORE, near);
    return ERR_NO_STORE;
}

void catalogue_note(struct op *op, const struct schema *s)
{
    ASSERT(!s->of && (s->commit > 0) == !s->txn);
    if (!s->commit)
        decided_note_all(op, s->txn->decided);
    else if (s->commit > op->db->numbers.durable)
        decided_note_commit(op, s->commit, s->durability);
}

/* NULL: there is none. */
static struct schema *schema_seen(struct op *op, struct txn *t, uint64_t commit,
                                  struct slice name)
{
    struct store_name of = {op_database(op), name};
    struct schema *s = catalogue_version(&op->db->catalogue, t, commit, of);

    ASSERT(!t || t->database == of.database);
    if (s)
        catalogue_note(op, s);
    return s && !s->is_dropped ? s : NULL;
}

enum err catalogue_look(struct op *op, struct txn *t, uint64_t commit, struct slice name,
                        struct schema **out)
{
    *out = guard_sees(op, name) ? schema_seen(op, t, commit, name) : NULL;
    ASSERT(!*out ||
           (!(*out)->of && !(*out)->is_dropped)); /* a name leads to a store that there is */
    return *out ? ERR_OK : catalogue_no_store(op, commit, name);
}

enum err catalogue_find_other(struct op *op, struct txn *t, struct slice name,
                              struct schema **out)
{
    enum err e = reads_note_name(op, t, name);

    ASSERT(e || t->snapshot); /* T-3 */
    *out = e ? NULL : schema_seen(op, t, t->snapshot->commit, name);
    return e;
}

enum err catalogue_find(struct op *op, struct txn *t, uint64_t commit, struct slice name,
                        struct schema **out)
{
    enum err e = ERR_OK;

    ASSERT(!t || (t->snapshot && t->snapshot->commit == commit));
    if (t && guard_sees(op, name)) /* what others do with one that is not seen is not told */
        e = reads_note_name(op, t, name);
    return e ? e : catalogue_look(op, t, commit, name, out);
}
