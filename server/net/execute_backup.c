/* execute_backup.c - backup, backup_read, backup_close: the pages of a root, chunk by chunk.
 *
 * What is to be in a backup is merged first, so that the root has it; from then on nothing waits
 * for the backup's client, and the backup waits for nobody. */
#include "server/net/execute.h"
#include "server/net/session_backup.h"
#include "server/storage/primary.h"

#include <inttypes.h>

#define BACKUP_ROOM (16u << 10) /* what it takes beside its chunk, about */

static enum err base_field(struct execution *w, struct msgpack_cursor *at,
                           struct backup_options *o)
{
    struct call_value value;
    struct slice name;
    enum err e;

    if (msgpack_read_text(at, &name))
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "backup: field names of base must be strings");
    if (slice_equal(name, slice_text("identity"))) {
        e = call_read_value(at, OPTION_VALUE_BINARY, &value);
        o->identity = value.text;
    } else if (slice_equal(name, slice_text("root"))) {
        e = call_read_value(at, OPTION_VALUE_NUMBER, &value);
        o->base = value.number;
    } else if (slice_equal(name, slice_text("commit"))) {
        e = call_read_value(at, OPTION_VALUE_NUMBER, &value);
        o->base_commit = value.number;
    } else {
        return failure_set(execution_failure(w), ERR_BAD_REQUEST,
                           "backup: unknown field \"%s\" of base; it takes: identity, root, "
                           "commit",
                           text_show(name));
    }
    if (e)
        failure_set(execution_failure(w), e, "backup: field \"%s\" of base has the wrong type",
                    text_show(name));
    return e;
}

static enum err options_read(struct execution *w, struct backup_options *o)
{
    const struct options *options = &execution_session(w)->server->options;
    struct slice base = w->call->params[PARAM_ID_BASE].raw;
    struct msgpack_cursor at = msgpack_open(base);
    uint32_t pairs = 0;
    enum err e = ERR_OK;

    *o = (struct backup_options){.identity = SLICE_NONE};
    o->chunk_bytes =
        (uint32_t)(options->backup_chunk < options->result_size ? options->backup_chunk
                                                                : options->result_size);
    if (slice_is_none(base))
        return ERR_OK;
    if (msgpack_read_map(&at, &pairs))
        return ERR_BAD_REQUEST;
    for (uint32_t i = 0; i < pairs && !e; i++)
        e = base_field(w, &at, o);
    if (!e && (o->identity.size != PRIMARY_IDENTITY_BYTES || !o->base))
        e = failure_set(execution_failure(w), ERR_BAD_REQUEST,
                        "backup: base must have identity (%d bytes) and root",
                        PRIMARY_IDENTITY_BYTES);
    return e;
}

/* Before it waits for anything, and again when it has. */
static enum err check_room(struct execution *w, const struct backup_options *o)
{
    struct session *s = execution_session(w);
    uint64_t max = s->server->options.backups;

    if (s->server->backup_count >= max)
        return failure_set(execution_failure(w), ERR_OVERLOADED,
                           "backup: %u backups are being read, which is the limit (backups)",
                           s->server->backup_count);
    if (!session_has_room(s, o->chunk_bytes + BACKUP_ROOM))
        return session_refuse(s, execution_failure(w), "backup");
    return ERR_OK;
}

static void put_backup(struct execution *w, const struct session_backup *b)
{
    uint8_t identity[PRIMARY_IDENTITY_BYTES];
    struct backup_facts facts;

    backup_facts(b->core, &facts);
    db_identity(execution_session(w)->server->db, identity);
    put_map(w->out, 7);
    put_fact(w->out, "backup", b->number);
    put_word(w->out, "identity");
    put_binary(w->out, slice_make(identity, sizeof identity));
    put_fact(w->out, "root", facts.root);
    put_fact(w->out, "commit", facts.commit);
    put_fact(w->out, "time_ms", facts.time_ms);
    put_fact(w->out, "wal_position", facts.log_position);
    put_fact(w->out, "bytes", facts.bytes);
}

enum err execute_backup(struct execution *w)
{
    struct backup_options options;
    struct session_backup *b;
    struct backup *core;
    enum err e = options_read(w, &options);

    if (!e)
        e = check_room(w, &options);
    if (!e)
        e = execute_task(w, db_amalgamate);
    if (!e)
        e = backup_open(w->op, db_backups(w->op->db), &options, &core);
    if (e)
        return e;
    b = session_backup_new(execution_session(w), core);
    if (!b) {
        backup_close(core);
        return ERR_NOMEM;
    }
    put_backup(w, b);
    return ERR_OK;
}

static struct session_backup *find(struct execution *w)
{
    uint64_t number = w->call->params[PARAM_ID_BACKUP].number;
    struct session_backup *b = session_backup_find(execution_session(w), number);

    if (!b)
        failure_set(execution_failure(w), ERR_NO_CURSOR,
                    "backup_read: no open backup has number %" PRIu64
                    "; a backup ends by backup_close, with its connection, or after "
                    "transaction-idle without a read",
                    number);
    return b;
}

enum err execute_backup_read(struct execution *w)
{
    struct session_backup *b = find(w);
    struct slice bytes;
    bool last;
    enum err e;

    if (!b)
        return ERR_NO_CURSOR;
    b->used_ms = server_now(execution_session(w)->server);
    e = backup_read(w->op, b->core, w->call->params[PARAM_ID_POSITION].number, &bytes, &last);
    if (e)
        return e;
    put_map(w->out, 2);
    put_word(w->out, "data");
    put_binary(w->out, bytes);
    put_word(w->out, "last");
    put_bool(w->out, last);
    return ERR_OK;
}

enum err execute_backup_close(struct execution *w)
{
    struct session_backup *b =
        session_backup_find(execution_session(w), w->call->params[PARAM_ID_BACKUP].number);

    if (b)
        session_backup_close(b);
    put_nil(w->out);
    return ERR_OK;
}
