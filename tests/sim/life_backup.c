/* Backups in a life: one is begun now and then, and read a chunk at a time while others commit and
 * passes go on. What it holds, restored on another machine, is what the model had at its commit; a
 * crash, or an end in the middle, leaves nothing of it. Many build on the one before, over crashes
 * too: then the whole chain is restored. */
#include "server/txn/backup.h"
#include "tests/sim/life_internal.h"
#include "tests/sim/sim_restore.h"

#include <stdlib.h>

#define CHUNK_BYTES 8192u

static void backup_woken(struct op *op)
{
    LIST_ENTRY(op, struct life_backup, op)->is_woken = true;
}

void life_backup_forget(struct life *l)
{
    struct life_backup *b = &l->backup;

    if (!b->work)
        return;
    op_fini(&b->op);
    backup_close(b->work);
    free(b->bytes);
    memset(b, 0, sizeof *b);
}

static bool backup_excuses(struct life *l, enum err e)
{
    return life_excuses(l, e) || (e == ERR_TXN_EXPIRED && l->is_tight) ||
           (e == ERR_CORRUPT && (l->victim < MODEL_STORES || l->is_copy_rotten));
}

void life_chain_forget(struct life *l)
{
    for (unsigned i = 0; i < l->chain.count; i++)
        free((void *)(uintptr_t)l->chain.links[i].data);
    memset(&l->chain, 0, sizeof l->chain);
}

/* What has been read is a link of the chain from now on. */
static void chain_add(struct life *l)
{
    struct life_backup *b = &l->backup;
    struct backup_reader *r = calloc(1, sizeof *r);

    if (!b->is_link || l->chain.count == LIFE_CHAIN_MAX)
        life_chain_forget(l);
    backup_reader_init(r, NULL);
    LIFE_CHECK(l,
               backup_reader_feed(r, slice_make(b->bytes, b->size)) == ERR_OK &&
                   backup_reader_end(r) == ERR_OK,
               "a backup of commit %llu is malformed: %s", (unsigned long long)b->commit,
               r->why);
    l->chain.last = r->header;
    free(r);
    l->chain.links[l->chain.count++] = slice_make(b->bytes, b->size);
    b->bytes = NULL;
}

static void backup_begin(struct life *l)
{
    struct backup_options options = {.chunk_bytes = CHUNK_BYTES, .identity = SLICE_NONE};
    struct life_backup *b = &l->backup;
    struct backup_facts facts;
    enum err e;

    b->is_link = l->chain.count && l->chain.count < LIFE_CHAIN_MAX && sim_chance(l->sim, 80);
    if (b->is_link) {
        options.identity = slice_make(l->chain.last.identity, sizeof l->chain.last.identity);
        options.base = l->chain.last.root;
        options.base_commit = l->chain.last.commit;
    }
    op_init(&b->op, l->db, backup_woken);
    e = backup_open(&b->op, db_backups(b->op.db), &options, &b->work);
    if (e) {
        LIFE_CHECK(l, backup_excuses(l, e), "a backup answered %s: %s", err_name(e),
                   b->op.failure.text);
        op_fini(&b->op);
        b->work = NULL;
        return;
    }
    backup_facts(b->work, &facts);
    b->commit = facts.commit;
    b->is_woken = true;
}

/* A life of its own on the other machine, which ends at once; what is broken there breaks l. */
static void restored_must_be_right(struct life *l, struct sim *target)
{
    struct db_events events = {NULL, NULL, NULL, NULL};
    struct life *r = calloc(1, sizeof *r);
    struct failure f;
    enum err e;

    failure_init(&f);
    memcpy(r, l, sizeof *r);
    memset(r->actors, 0, sizeof r->actors);
    memset(&r->backup, 0, sizeof r->backup);
    memset(&r->chain, 0, sizeof r->chain);
    memset(&r->check, 0, sizeof r->check);
    r->sim = target;
    r->is_tight = false;
    r->victim = l->victim; /* an index that is lost is lost there, too */
    db_options_default(&r->db_options);
    r->db_options.page_bytes = l->db_options.page_bytes;
    e = db_open(sim_table(target), &r->db_options, &events, &r->db, &f);
    LIFE_CHECK(l, e == ERR_OK, "what was restored of commit %llu does not open: %s",
               (unsigned long long)l->backup.commit, f.text);
    LIFE_CHECK(l, life_records_are(r, l->backup.commit),
               "what was restored is not what was there at commit %llu",
               (unsigned long long)l->backup.commit);
    LIFE_CHECK(l, db_check_indexes(r->db, &f) == ERR_OK || r->victim < MODEL_STORES,
               "an index that was restored is not as its records: %s", f.text);
    sim_crash(target);
    db_free(r->db, true);
    free(r);
}

static void backup_finish(struct life *l)
{
    struct sim *target = sim_new(l->seed);
    struct failure f;

    failure_init(&f);
    chain_add(l);
    l->counts->backups_linked += l->chain.count > 1;
    LIFE_CHECK(l, sim_restore(target, l->chain.links, l->chain.count, &f) == ERR_OK,
               "a backup of commit %llu, of %u links, cannot be restored: %s",
               (unsigned long long)l->backup.commit, l->chain.count, f.text);
    failure_clear(&f);
    restored_must_be_right(l, target);
    sim_free(target);
    l->counts->backups++;
    life_backup_forget(l);
}

static void backup_read_on(struct life *l)
{
    struct life_backup *b = &l->backup;
    struct slice bytes;
    bool last = false;
    enum err e = backup_read(&b->op, b->work, b->size, &bytes, &last);

    b->is_woken = e != ERR_WAIT;
    if (e == ERR_WAIT)
        return;
    if (e) {
        LIFE_CHECK(l, backup_excuses(l, e), "a backup that is read answered %s: %s",
                   err_name(e), b->op.failure.text);
        life_backup_forget(l);
        return;
    }
    b->bytes = realloc(b->bytes, b->size + bytes.size + 1);
    memcpy(b->bytes + b->size, bytes.data, bytes.size);
    b->size += bytes.size;
    op_release(&b->op);
    if (last)
        backup_finish(l);
}

void life_back_up(struct life *l)
{
    if (!l->backup.work) {
        backup_begin(l);
    } else if (sim_chance(l->sim, 3)) {
        l->counts->backups_ended++;
        life_backup_forget(l);
    } else if (l->backup.is_woken) {
        backup_read_on(l);
    }
}
