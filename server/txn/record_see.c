#include "server/txn/record_see.h"

#include "server/base/assert.h"
#include "server/storage/primary.h"
#include "server/storage/stage.h"
#include "server/txn/decided.h"
#include "server/txn/view.h"

enum err record_find(struct op *op, const struct view *v, uint32_t store, struct slice key,
                     struct slice *value, bool *is_own)
{
    struct record *r = view_find(v, store, key);
    enum err e = ERR_OK;

    *value = SLICE_NONE;
    *is_own = false;
    if (r) {
        decided_note(op, r->stamp);
        *value = record_value(r);
        *is_own = !r->stamp->commit;
    } else {
        e = tree_get(v->root, store, key, &op->wait, value, &op->failure);
    }
    ASSERT(!*is_own || v->own); /* what is not committed is its own */
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err record_see(struct op *op, const struct view *v, uint32_t store, struct slice key,
                    struct slice *value)
{
    bool is_own;

    ASSERT(v->root_commit <= v->commit);
    return record_find(op, v, store, key, value, &is_own);
}
