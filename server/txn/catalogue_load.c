/* The catalogue at a start: definitions and numbers that the root and the log have. */
#include "server/base/assert.h"
#include "server/txn/catalogue_internal.h"

static enum err load_corrupt(struct failure *f)
{
    return failure_set(f, ERR_CORRUPT, "a key in the catalogue is corrupt");
}

static enum err load_database(struct catalogue *c, struct database *d, struct slice row,
                              uint64_t commit, struct failure *f)
{
    struct database_row is = {.is_deleted = slice_is_none(row)};

    ASSERT(d->refs > 0);
    if (!is.is_deleted && database_row_read(row, &is.version) != ERR_OK)
        return failure_set(f, ERR_CORRUPT, "the row of database \"%s\" is corrupt",
                           text_show(database_name(d)));
    database_publish(&c->databases, d, &is, commit, DURABILITY_SYNC);
    return ERR_OK;
}

/* A version of a store's definition. */
struct load_version {
    struct store_name of;
    struct slice row; /* none: the end of the name */
    uint64_t commit, version;
    struct slice label;
};

static enum err load_store(struct catalogue *c, const struct load_version *v, struct failure *f)
{
    bool is_dropped = slice_is_none(v->row);
    struct definition d;
    struct schema *s;
    enum err e = is_dropped ? ERR_OK : catalogue_row_read(v->row, &d);

    ASSERT(v->commit > 0);
    if (!e)
        e = catalogue_make(c, v->of, is_dropped ? NULL : &d, v->label, &s);
    if (e == ERR_NOMEM)
        return failure_set(f, e, "out of memory for the catalogue");
    if (e)
        return failure_set(f, ERR_CORRUPT, "the definition of store \"%s\" is corrupt",
                           text_show(v->of.name));
    catalogue_publish(c, s, v->commit, v->version, DURABILITY_SYNC);
    return ERR_OK;
}

enum err catalogue_load(struct catalogue *c, struct slice key, struct slice row,
                        uint64_t commit, uint64_t version, struct slice label,
                        struct failure *f)
{
    uint8_t room[KEY_PLAIN_BYTES_MAX];
    struct row_name of;
    struct database *d;
    enum err e;

    ASSERT(!c->drafts.count);
    commit = commit ? commit : 1;
    if (catalogue_row_name(key, room, &of) != ERR_OK)
        return load_corrupt(f);
    d = database_use(&c->databases, of.database);
    if (!d)
        return failure_set(f, ERR_NOMEM, "out of memory for the catalogue");
    if (slice_is_none(of.name)) {
        e = load_database(c, d, row, commit, f);
    } else {
        struct load_version v = {{d, of.name}, row, commit, version, label};

        e = load_store(c, &v, f);
    }
    database_unref(&c->databases, d);
    return e;
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
