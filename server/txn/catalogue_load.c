/* The catalogue at a start: definitions and numbers that the root and the log have. */
#include "server/base/assert.h"
#include "server/txn/catalogue_internal.h"

enum err catalogue_load(struct catalogue *c, struct slice key, struct slice row,
                        uint64_t commit, uint64_t version, struct slice label,
                        struct failure *f)
{
    uint8_t room[KEY_PLAIN_BYTES_MAX];
    bool is_dropped = slice_is_none(row);
    struct definition d;
    struct schema *s;
    struct slice name;
    enum err e;

    ASSERT(!c->drafts.count);
    if (catalogue_row_name(key, room, &name) != ERR_OK)
        return failure_set(f, ERR_CORRUPT, "corrupt key in the catalogue");
    e = is_dropped ? ERR_OK : catalogue_row_read(row, &d);
    if (!e)
        e = catalogue_make(c, name, is_dropped ? NULL : &d, label, &s);
    if (e == ERR_NOMEM)
        return failure_set(f, e, "out of memory for the catalogue");
    if (e)
        return failure_set(f, ERR_CORRUPT, "the definition of store \"%s\" is corrupt",
                           text_show(name));
    catalogue_publish(c, s, commit ? commit : 1, version, false);
    return ERR_OK;
}

enum err catalogue_note_tree(struct catalogue *c, uint32_t number, uint64_t used)
{
    struct shelf *shelf = shelf_make(c, number);

    if (!shelf)
        return ERR_NOMEM;
    if (number > c->last_number)
        c->last_number = number;
    if (used > shelf->used)
        shelf->used = used;
    ASSERT(c->last_number >= number);
    return ERR_OK;
}

enum err catalogue_note_written(struct catalogue *c, uint32_t number, uint64_t commit,
                                struct shelf **out)
{
    struct shelf *shelf = shelf_make(c, number);

    ASSERT(commit > 0);
    *out = shelf;
    if (!shelf)
        return ERR_NOMEM;
    if (number > c->last_number)
        c->last_number = number; /* rule 4 */
    if (!shelf->live && !shelf->ended) {
        shelf->ended = commit;
        list_push_back(&c->ended, &shelf->in_ended);
    }
    return ERR_OK;
}
