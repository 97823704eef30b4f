#include "server/txn/index_list.h"

#include "server/base/assert.h"
#include "server/txn/catalogue.h"
#include "server/txn/catalogue_row.h"

static enum err list_add(struct op *op, const struct index_row *row, uint8_t *room,
                         size_t *used)
{
    size_t size = index_row_write(row, room + *used, DEFINITION_BYTES_MAX - *used);

    ASSERT(*used <= DEFINITION_BYTES_MAX);
    if (!size)
        return failure_set_limit(
            &op->failure, "key", DEFINITION_BYTES_MAX, DEFINITION_BYTES_MAX + 1,
            "the definitions of the store's indexes exceed %u bytes", DEFINITION_BYTES_MAX);
    *used += size;
    return ERR_OK;
}

enum err store_indexes_write(struct op *op, const struct schema *s,
                             const struct index_edit *edit, uint8_t *room, struct definition *d)
{
    unsigned count = s->index_count - (edit->left_out != NULL) + (edit->added != NULL);
    size_t used = msgpack_put_array_head(room, count);
    enum err e = ERR_OK;

    ASSERT(!s->of);
    ASSERT(!edit->left_out || s->index_count > 0);
    d->indexes = SLICE_NONE;
    for (unsigned i = 0; i < s->index_count && !e; i++) {
        const struct schema *index = s->indexes[i];
        struct index_row row = {.name = index->index,
                                .number = index->number,
                                .definition = index->key,
                                .state = index->state,
                                .why = index->why};

        if (index == edit->left_out)
            continue;
        if (edit->number) { /* the store is cleared: there is nothing to build */
            row.number = edit->number + i;
            row.state = INDEX_READY;
        }
        if (index == edit->changed) {
            row.state = edit->state;
            row.why = edit->why;
        }
        if (index == edit->renamed)
            row.name = edit->name;
        e = list_add(op, &row, room, &used);
    }
    if (!e && edit->added)
        e = list_add(op, edit->added, room, &used);
    if (!e && count)
        d->indexes = slice_make(room, used);
    return e;
}
