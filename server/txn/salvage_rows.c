/* What the log says of definitions that are lost. A start replays it over the new data file, so a
 * store that it names must have a name there that the replay takes away or writes over: else there
 * would be two names for one tree. So it has one that the first commit with a row of it writes
 * (salvage_orphans.c): what follows is the history of that. */
#include "server/base/assert.h"
#include "server/txn/catalogue_row.h"
#include "server/txn/commit_check.h"
#include "server/txn/commit_format.h"
#include "server/txn/salvage_run.h"

struct rows_read {
    struct salvage_run *r;
    struct commit_check check;
    uint64_t finished; /* the last commit whose end was there */
};

static enum err row_note(struct rows_read *c, uint64_t commit, struct slice key,
                         struct slice row)
{
    struct salvage_run *r = c->r;
    struct os *os = r->s->from;
    struct salvage_wal_row *n;
    struct definition d = {.number = 0};
    enum err e;

    if (!slice_is_none(row) && catalogue_row_read(row, &d) != ERR_OK)
        return ERR_OK; /* of a database */
    e = items_grow(os, (void **)&r->wal_rows, r->wal_row_count, &r->wal_row_room,
                   sizeof *r->wal_rows);
    if (e)
        return e;
    ASSERT(r->wal_row_count < r->wal_row_room);
    n = &r->wal_rows[r->wal_row_count];
    *n = (struct salvage_wal_row){.number = d.number, .commit = commit};
    e = salvage_keep(os, &n->key, key);
    if (!e && !slice_is_none(row))
        e = salvage_keep(os, &n->row, row);
    r->wal_row_count += n->key.data != NULL;
    ASSERT(e || n->key.size > 0);
    return e;
}

static void step(struct slice *bytes, uint64_t size)
{
    uint64_t all = size < bytes->size ? size : bytes->size;

    bytes->data += all;
    bytes->size -= all;
}

/* Definitions are never so large that they are cut. */
static enum err rows_piece(void *context, uint64_t number, bool first, bool last,
                           struct slice bytes, struct failure *f)
{
    struct rows_read *c = context;
    uint64_t left = first ? 0 : c->check.left;
    struct slice all = bytes;
    struct commit_head head;
    struct commit_record record;
    bool is_old = number <= c->r->slot.facts.commit; /* no start replays it */
    enum err e = commit_check_piece(&c->check, number, first, last, all, f);

    if (e || c->check.number != number)
        return e;
    if (first && commit_head_read(bytes, &head))
        step(&bytes, head.size);
    step(&bytes, left);
    while (!e && bytes.size && commit_record_read(bytes, &record)) {
        if (record.store == PRIMARY_STORE_TWICE && record.size <= bytes.size && !is_old)
            e = row_note(c, number, commit_record_key(bytes, &record),
                         commit_record_value(bytes, &record));
        step(&bytes, record.size);
    }
    if (last)
        c->finished = number;
    return e ? failure_set(f, e, "out of memory for the definitions of stores") : ERR_OK;
}

enum err salvage_wal_rows(struct salvage_run *r)
{
    struct rows_read c = {.r = r};
    struct wal_replay replay = {.context = &c, .piece = rows_piece};
    struct failure why;
    enum err e;

    ASSERT(!r->wal_row_count); /* it is read once */
    if (r->log_position == UINT64_MAX)
        return ERR_OK;
    failure_init(&why);
    e = salvage_wal_read(r, &replay, &why);
    if (e == ERR_CORRUPT || e == ERR_IO)
        e = ERR_OK; /* that is told when the log is copied, as far as it is whole */
    if (e)
        failure_copy(r->f, &why);
    failure_clear(&why);
    while (r->wal_row_count && r->wal_rows[r->wal_row_count - 1].commit > c.finished) {
        struct salvage_wal_row *n = &r->wal_rows[--r->wal_row_count];

        os_free(r->s->from, (void *)(uintptr_t)n->key.data, n->key.size + 1);
        if (n->row.data)
            os_free(r->s->from, (void *)(uintptr_t)n->row.data, n->row.size + 1);
    }
    ASSERT(r->wal_row_count <= r->wal_row_room);
    return e;
}

void salvage_wal_rows_fini(struct salvage_run *r)
{
    for (size_t i = 0; i < r->wal_row_count; i++) {
        struct salvage_wal_row *n = &r->wal_rows[i];

        os_free(r->s->from, (void *)(uintptr_t)n->key.data, n->key.size + 1);
        if (n->row.data)
            os_free(r->s->from, (void *)(uintptr_t)n->row.data, n->row.size + 1);
    }
    os_free(r->s->from, r->wal_rows, r->wal_row_room * sizeof *r->wal_rows);
    r->wal_rows = NULL;
    r->wal_row_count = r->wal_row_room = 0;
}

const struct salvage_wal_row *salvage_wal_row(const struct salvage_run *r, uint32_t number)
{
    ASSERT(number > 0);
    for (size_t i = 0; i < r->wal_row_count; i++)
        if (r->wal_rows[i].number == number)
            return &r->wal_rows[i];
    return NULL;
}

const struct salvage_wal_row *salvage_wal_row_of(const struct salvage_run *r, struct slice key)
{
    ASSERT(key.size > 0);
    for (size_t i = 0; i < r->wal_row_count; i++)
        if (slice_equal(r->wal_rows[i].key, key))
            return &r->wal_rows[i];
    return NULL;
}
