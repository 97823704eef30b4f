/* Recovery: the primary's root, and on top of it every commit of the log that lies
 * behind the root, in order. A commit whose end is missing was never acknowledged;
 * it is forgotten. Nothing here writes, so a crash in the middle changes nothing. */
#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/txn/catalogue.h"
#include "server/txn/commit_format.h"
#include "server/txn/db_struct.h"
#include "server/txn/generator.h"
#include "server/txn/stages.h"
#include "server/txn/recovery.h"

static enum err recovery_damaged(struct failure *f, uint64_t number)
{
    return failure_set(f, ERR_CORRUPT,
                       "WAL record of commit %llu is corrupt although its checksum is valid",
                       (unsigned long long)number);
}

/* Forget the commit at hand: what it has put into the open stage's memory is freed with it. */
static void recovery_begin_commit(struct recovery *r)
{
    r->stamp = NULL;
    r->number = 0;
    r->cut_size = 0;
}

void recovery_init(struct recovery *r, struct db *db)
{
    ASSERT(db->stages.newest->state == STAGE_OPEN);
    r->db = db;
    r->cut = (struct scratch){0};
    r->replayed = r->bytes = 0;
    r->tell_at = db->options.segment_bytes;
    r->begun_ms = os_now_ms(db->os);
    r->shelf = NULL;
    r->upto = root_facts(primary_root(db->primary))->commit;
    r->until = db->options.restore_commit ? db->options.restore_commit : UINT64_MAX;
    r->until_ms = db->options.restore_ms ? db->options.restore_ms : UINT64_MAX;
    r->is_past = r->is_live = false;
    r->bytes_before = db->stages.newest->arena.bytes;
    recovery_index_init(&r->index, db);
    recovery_begin_commit(r);
}

void recovery_fini(struct recovery *r)
{
    ASSERT(r->upto <= r->db->numbers.last_commit);
    recovery_index_fini(&r->index);
    scratch_fini(r->db->os, &r->cut);
}

/* What the open stage's memory has grown by counts, whatever became of it. */
static void recovery_count(struct recovery *r)
{
    stage_stack_grown(&r->db->stages, r->bytes_before);
    r->bytes_before = r->db->stages.newest->arena.bytes;
}

enum err recovery_end(struct recovery *r, struct failure *f)
{
    enum err e;

    ASSERT(r->db->stages.newest->state == STAGE_OPEN); /* T-1 */
    recovery_index_settle(&r->index);
    e = stage_settle(r->db->stages.newest);
    recovery_count(r);
    return e ? failure_set(f, e, "out of memory for a stage") : ERR_OK;
}

static enum err recovery_rotate(struct recovery *r, struct failure *f)
{
    enum err e = recovery_end(r, f);

    if (!e)
        e = stages_rotate(r->db);
    r->bytes_before = r->db->stages.newest->arena.bytes;
    ASSERT(e || !r->db->stages.newest->first_commit);
    return e ? failure_set(f, e, "out of memory for a stage") : ERR_OK;
}

static enum err recovery_head(struct recovery *r, uint64_t number, struct slice *bytes,
                              struct failure *f)
{
    struct commit_head head;
    struct stamp *s;

    ASSERT(!r->stamp && number > r->upto);
    if (!commit_head_read(*bytes, &head) || head.label.size > TEXT_LABEL_BYTES_MAX)
        return recovery_damaged(f, number);
    s = arena_alloc(&r->db->stages.newest->arena, sizeof *s + head.label.size);
    if (!s)
        return failure_set(f, ERR_NOMEM, "out of memory for commit %llu of the WAL",
                           (unsigned long long)number);
    memset(s, 0, sizeof *s);
    s->commit = number;
    s->version = head.version;
    s->durability = DURABILITY_SYNC; /* it has survived */
    stamp_set_label(s, head.label);
    r->stamp = s;
    r->number = number;
    bytes->data += head.size;
    bytes->size -= head.size;
    return ERR_OK;
}

/* Bytes of the record that begins there; 0: its head is not all there. */
static size_t recovery_record_bytes(struct slice bytes)
{
    struct commit_record head;

    return commit_record_read(bytes, &head) ? head.size : 0;
}

/* Keep more of a record that is cut: no more than has come. */
static enum err recovery_cut_add(struct recovery *r, struct slice *bytes, size_t size,
                                 struct failure *f)
{
    ASSERT(size <= bytes->size);
    if (scratch_reserve(r->db->os, &r->cut, r->cut_size + size, r->cut_size) != ERR_OK)
        return failure_set(f, ERR_NOMEM, "out of memory for commit %llu of the WAL",
                           (unsigned long long)r->number);
    memcpy(r->cut.data + r->cut_size, bytes->data, size);
    r->cut_size += size;
    bytes->data += size;
    bytes->size -= size;
    return ERR_OK;
}

static enum err recovery_record(struct recovery *r, struct slice *bytes, struct failure *f)
{
    struct commit_record head;

    ASSERT(r->stamp && r->number);
    if (!commit_record_read(*bytes, &head) || bytes->size < head.size ||
        commit_record_wrong(&head))
        return recovery_damaged(f, r->number);
    if (!stage_append(r->db->stages.newest, r->stamp, head.store,
                      commit_record_key(*bytes, &head), commit_record_value(*bytes, &head)))
        return failure_set(f, ERR_NOMEM, "out of memory for commit %llu of the WAL",
                           (unsigned long long)r->number);
    bytes->data += head.size;
    bytes->size -= head.size;
    return ERR_OK;
}

/* Records that this piece, or those before it, hold whole. */
static enum err recovery_records(struct recovery *r, struct slice *bytes, struct failure *f)
{
    enum err e = ERR_OK;

    ASSERT(r->stamp && r->number);
    if (r->cut_size) {
        struct slice cut = slice_make(r->cut.data, r->cut_size);
        size_t size = recovery_record_bytes(cut); /* the first part holds the head */
        size_t left = size - r->cut_size;

        e = recovery_cut_add(r, bytes, left < bytes->size ? left : bytes->size, f);
        if (e || r->cut_size < size)
            return e;
        cut = slice_make(r->cut.data, r->cut_size);
        e = recovery_record(r, &cut, f);
        r->cut_size = 0;
        scratch_fini(r->db->os, &r->cut);
    }
    while (!e && bytes->size) {
        size_t size = recovery_record_bytes(*bytes);

        if (size > COMMIT_WHOLE_BYTES_MAX && size > bytes->size)
            return recovery_cut_add(r, bytes, bytes->size, f);
        e = recovery_record(r, bytes, f);
    }
    return e;
}

/* The definitions of stores among a commit's records. */
static enum err recovery_note_schemas(struct recovery *r, struct failure *f)
{
    enum err e = ERR_OK;

    ASSERT(r->stamp->commit == r->number);
    for (struct record *rec = r->stamp->first; rec && !e; rec = rec->log_next) {
        if (rec->store == CATALOGUE_STORE)
            e = catalogue_load(&r->db->catalogue, record_key(rec), record_value(rec),
                               r->stamp->commit, r->stamp->version, r->stamp->label, f);
    }
    if (!e)
        catalogue_settle(&r->db->catalogue, r->stamp->commit);
    return e;
}

static enum err recovery_token(struct db *db, struct slice key, struct slice value,
                               struct failure *f)
{
    struct token_clock clock = {os_now_ms(db->os), db->os->ops->day_ms(db->os)};
    enum err e = tokens_load(&db->tokens, key, value, &clock);

    ASSERT(key.size > 0);
    return e ? failure_set(f, e,
                           e == ERR_NOMEM ? "out of memory for tokens"
                                          : "a token's record is corrupt although its "
                                            "checksum is valid")
             : ERR_OK;
}

static enum err recovery_vault(struct db *db, struct slice key, struct slice value,
                               struct failure *f)
{
    enum err e = vault_load(&db->vault, key, value);

    ASSERT(key.size);
    return e ? failure_set(f, e,
                           e == ERR_NOMEM
                               ? "out of memory for users and quotas"
                               : "a row of the users and quotas is corrupt although its "
                                 "checksum is valid")
             : ERR_OK;
}

/* What a commit means beyond its records: definitions of stores, and generators. */
static enum err recovery_note_records(struct recovery *r, struct failure *f)
{
    struct catalogue *c = &r->db->catalogue;
    enum err e = recovery_note_schemas(r, f);

    ASSERT(r->stamp->commit == r->number);
    r->shelf = NULL;
    for (struct record *rec = r->stamp->first; rec && !e; rec = rec->log_next) {
        if (rec->store == TOKENS_STORE)
            e = recovery_token(r->db, record_key(rec), record_value(rec), f);
        if (rec->store == VAULT_STORE)
            e = recovery_vault(r->db, record_key(rec), record_value(rec), f);
        if (e || rec->store == CATALOGUE_STORE || rec->store == TOKENS_STORE ||
            rec->store == VAULT_STORE)
            continue;
        if (!r->shelf || r->shelf->number != rec->store)
            e = catalogue_note_written(c, rec->store, r->stamp->commit, &r->shelf);
        if (e)
            failure_set(f, e, "out of memory for the catalogue");
        else if (r->shelf->generate)
            generator_replay(c, r->shelf, record_key(rec), r->stamp->commit);
    }
    if (!e && !r->is_live) /* all of it is durable, and nobody reads yet */
        catalogue_reclaim(c, r->stamp->commit, NULL, UINT64_MAX);
    return e;
}

/* The commit at hand creates an index over what was committed before: that is put in order, and
 * the commit begins a stage of its own. */
static enum err recovery_restage(struct recovery *r, struct failure *f)
{
    struct stamp *before = r->stamp, *s;
    enum err e = recovery_rotate(r, f);

    ASSERT(before && before->commit == r->number);
    if (e)
        return e;
    s = arena_alloc(&r->db->stages.newest->arena, sizeof *s + before->label.size);
    if (!s)
        return failure_set(f, ERR_NOMEM, "out of memory for commit %llu of the WAL",
                           (unsigned long long)r->number);
    *s = *before;
    s->first = s->last = NULL;
    s->records = 0;
    stamp_set_label(s, before->label);
    for (const struct record *n = before->first; n && !e; n = n->log_next) {
        if (!stage_append(r->db->stages.newest, s, n->store, record_key(n), record_value(n)))
            e = failure_set(f, ERR_NOMEM, "out of memory for commit %llu of the WAL",
                            (unsigned long long)r->number);
    }
    r->stamp = s;
    return e;
}

static enum err recovery_make_entries(struct recovery *r, struct failure *f)
{
    enum err e = ERR_OK;

    ASSERT(r->stamp->commit == r->number);
    if (recovery_index_builds(&r->index, r->stamp))
        e = recovery_restage(r, f);
    return e ? e : recovery_index_commit(&r->index, r->stamp, f);
}

static enum err recovery_commit(struct recovery *r, struct failure *f)
{
    struct db *db = r->db;
    struct stage *stage;
    enum err e;

    ASSERT(r->stamp && r->stamp->commit == r->number);
    ASSERT(r->stamp && r->stamp->commit == r->number);
    if (r->number <= db->numbers.last_commit)
        return recovery_damaged(f, r->number);
    e = recovery_note_records(r, f);
    if (!e && db->catalogue.indexes)
        e = recovery_make_entries(r, f);
    if (e)
        return e;
    stage = db->stages.newest;
    if (stage_fill(stage, r->stamp) != ERR_OK)
        return failure_set(f, ERR_NOMEM, "out of memory for a stage");
    recovery_index_note(&r->index, r->stamp);
    ASSERT(r->number > r->upto && stage->last_commit == r->number);
    db->numbers.last_commit = r->number;
    if (r->stamp->version > db->numbers.last_version)
        db->numbers.last_version = r->stamp->version;
    r->replayed++;
    recovery_begin_commit(r);
    if (stage->arena.bytes + stage->records * STAGE_INDEX_ENTRY_BYTES < db->options.stage_bytes)
        return ERR_OK;
    e = recovery_rotate(r, f);
    if (db->options.is_restoring && db->stages.staged_bytes >= db->options.staged_bytes_max / 2)
        db->wal_found.is_more = true;
    return e;
}

void recovery_batch(void *context, uint64_t time_ms)
{
    struct recovery *r = context;

    /* The clock may go back: whatever is behind the first batch that is too late is too late. */
    ASSERT(r->db->stages.newest->state == STAGE_OPEN); /* T-1 */
    r->is_past = r->is_past || time_ms > r->until_ms;
    r->db->wal_found.time_ms = time_ms;
}

/* Whoever waits for a long start learns how far it is: each time twice as much has been read. */
static void recovery_tell(struct recovery *r, size_t bytes)
{
    r->bytes += bytes;
    if (r->bytes < r->tell_at)
        return;
    ASSERT(r->tell_at > 0);
    while (r->tell_at <= r->bytes)
        r->tell_at *= 2;
    PULSE_TELL(&r->db->pulse, recovering, .commits = r->replayed, .bytes = r->bytes,
               .ms = os_now_ms(r->db->os) - r->begun_ms);
}

enum err recovery_piece(void *context, uint64_t number, bool first, bool last,
                        struct slice bytes, struct failure *f)
{
    struct recovery *r = context;
    enum err e = ERR_OK;

    if (last)
        r->db->wal_found.commit = number;
    recovery_tell(r, bytes.size);
    if (number <= r->upto)
        return ERR_OK; /* the root has it */
    if (number > r->until || r->is_past || r->db->wal_found.is_more)
        return ERR_OK; /* a restore that ends before it */
    if (first) {
        recovery_begin_commit(r);
        e = recovery_head(r, number, &bytes, f);
    } else if (r->number != number) {
        return recovery_damaged(f, number); /* its beginning lies before the root's position */
    }
    ASSERT(e || (r->stamp && r->number == number));
    if (!e)
        e = recovery_records(r, &bytes, f);
    if (!e && last && r->cut_size)
        e = recovery_damaged(f, number);
    if (!e && last)
        e = recovery_commit(r, f);
    return e;
}

/* The definitions in the root, before the log is replayed. Blocks. */
enum err recovery_load_catalogue(struct db *db, struct failure *f)
{
    struct root *root = primary_root(db->primary);
    struct tree_cursor c;
    struct wait w;
    enum err e;

    ASSERT(list_is_empty(&db->txns.open));
    wait_init(&w, NULL);
    tree_cursor_init(&c, root, CATALOGUE_STORE);
    e = tree_cursor_seek(&c, slice_text(""), false, &w, f);
    while (!e && c.valid) {
        if (!slice_is_none(c.value))
            e = catalogue_load(&db->catalogue, c.key, c.value, root_facts(root)->commit, 0,
                               SLICE_NONE, f);
        if (e == ERR_CORRUPT)
            failure_set_place(f, e, PRIMARY_FILE, tree_cursor_offset(&c));
        if (!e)
            e = tree_cursor_next(&c, &w, f);
    }
    ASSERT(e != ERR_WAIT); /* db_open reads without jobs */
    tree_cursor_fini(&c);
    wait_release(db->primary, &w);
    return e;
}

typedef enum err recovery_row(struct db *db, struct slice key, struct slice value,
                              struct failure *f);

static enum err recovery_walk(struct db *db, struct tree_cursor *c, recovery_row *load,
                              struct wait *w, struct failure *f)
{
    enum err e = tree_cursor_seek(c, slice_text(""), false, w, f);

    ASSERT(e != ERR_WAIT); /* db_open reads without jobs */
    while (!e && c->valid) {
        if (!slice_is_none(c->value))
            e = load(db, c->key, c->value, f);
        if (!e)
            e = tree_cursor_next(c, w, f);
    }
    return e;
}

/* Each row of a hidden store that the root has. */
static enum err recovery_load_rows(struct db *db, uint32_t store, recovery_row *load,
                                   struct failure *f)
{
    struct tree_cursor c;
    struct wait w;
    enum err e;

    wait_init(&w, NULL);
    tree_cursor_init(&c, primary_root(db->primary), store);
    e = recovery_walk(db, &c, load, &w, f);
    ASSERT(e != ERR_WAIT); /* db_open reads without jobs */
    tree_cursor_fini(&c);
    wait_release(db->primary, &w);
    return e;
}

enum err recovery_load_vault(struct db *db, struct failure *f)
{
    ASSERT(list_is_empty(&db->vault.all)); /* the root comes before the log */
    return recovery_load_rows(db, VAULT_STORE, recovery_vault, f);
}

enum err recovery_load_tokens(struct db *db, struct failure *f)
{
    struct root *root = primary_root(db->primary);
    enum err e = recovery_load_rows(db, TOKENS_STORE, recovery_token, f);

    ASSERT(db->tokens.horizon <= root_facts(root)->commit);
    if (e != ERR_CORRUPT)
        return e;
    PULSE_TELL(&db->pulse, tokens_lost, .file = PRIMARY_FILE, .text = f->text);
    failure_clear(f);
    db->tokens.horizon = root_facts(root)->commit;
    return ERR_OK;
}
