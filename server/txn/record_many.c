/* record_many.c - see record_many.h. The keys are encoded and sorted here, so nothing of it has to
 * be kept while one waits. */
#include "server/txn/record_many.h"

#include "server/base/assert.h"
#include "server/storage/primary.h"
#include "server/storage/stage.h"
#include "server/txn/db_struct.h"
#include "server/txn/decided.h"
#include "server/txn/lookup.h"
#include "server/txn/reads.h"
#include "server/txn/records_internal.h"
#include "server/txn/txn_struct.h"
#include "server/txn/view.h"

#include <stdlib.h>

struct wanted {
    struct slice key; /* encoded */
    unsigned place;   /* in the order asked */
    bool is_own;      /* nobody else can change it */
};

struct many {
    struct wanted wanted[RECORD_MANY_MAX]; /* ascending */
    unsigned count;
    size_t used;                    /* of room */
    uint8_t room[4 * KEY_BYTES_MAX]; /* the keys */
};

/* As many as there is room for. */
static enum err encode_keys(struct op *op, const struct schema *s, const struct slice *keys,
                            unsigned count, struct many *m)
{
    m->count = 0;
    m->used = 0;
    while (m->count < count && sizeof m->room - m->used >= KEY_BYTES_MAX) {
        size_t size;
        enum err e = record_encode_key(op, s, keys[m->count], m->room + m->used, &size);

        if (e)
            return e;
        m->wanted[m->count] =
            (struct wanted){slice_make(m->room + m->used, size), m->count, false};
        m->used += size;
        m->count++;
    }
    ASSERT(m->count > 0);
    return ERR_OK;
}

static int compare_wanted(const void *a, const void *b)
{
    return slice_compare(((const struct wanted *)a)->key, ((const struct wanted *)b)->key);
}

/* What write-set and stages say; the others are asked of the tree, at the end of *wants. */
static void find_staged(struct op *op, const struct view *v, uint32_t store, struct many *m,
                        struct slice *values, struct tree_want *wants, unsigned *places,
                        unsigned *left)
{
    *left = 0;
    ASSERT(m->count <= RECORD_MANY_MAX && m->used <= sizeof m->room);
    for (unsigned i = 0; i < m->count; i++) {
        struct wanted *wanted = &m->wanted[i];
        struct record *r = view_find(v, store, wanted->key);

        values[wanted->place] = SLICE_NONE;
        if (r) {
            decided_note(op, r->stamp);
            values[wanted->place] = record_value(r);
            wanted->is_own = !r->stamp->commit;
        } else {
            wants[*left].key = wanted->key;
            places[(*left)++] = wanted->place;
        }
    }
}

static enum err find_all(struct op *op, const struct view *v, uint32_t store, struct many *m,
                         struct slice *values)
{
    struct tree_want wants[RECORD_MANY_MAX];
    unsigned places[RECORD_MANY_MAX], left;
    enum err e = ERR_OK;

    find_staged(op, v, store, m, values, wants, places, &left);
    ASSERT(left <= m->count);
    if (left)
        e = tree_get_many(op->db->primary, v->root, store, wants, left, &op->wait,
                          &op->failure);
    for (unsigned i = 0; !e && i < left; i++)
        values[places[i]] = wants[i].value;
    return e;
}

enum err record_get_many(struct op *op, struct txn *t, struct slice store,
                         const struct slice *keys, unsigned count, struct slice *values,
                         unsigned *done)
{
    struct schema *schema;
    struct many m;
    struct view v;
    enum err e = txn_check(op, t);

    ASSERT(count > 0 && count <= RECORD_MANY_MAX);
    *done = 0;
    if (e)
        return e;
    v = view_of(t->snapshot, &t->write_set);
    e = catalogue_find(op, t, v.commit, store, &schema);
    if (!e)
        e = encode_keys(op, schema, keys, count, &m);
    if (e)
        return e;
    qsort(m.wanted, m.count, sizeof *m.wanted, compare_wanted);
    e = find_all(op, &v, schema->number, &m, values);
    for (unsigned i = 0; !e && i < m.count; i++) {
        if (!m.wanted[i].is_own)
            e = reads_note_point(op, t, schema, m.wanted[i].key);
    }
    ASSERT(e || m.count <= count);
    if (!e)
        *done = m.count;
    return e;
}
