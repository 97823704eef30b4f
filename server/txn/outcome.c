#include "server/txn/outcome.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/txn/commit.h"
#include "server/txn/db_struct.h"
#include "server/txn/decided.h"
#include "server/txn/pulse.h"
#include "server/txn/tokens.h"
#include "server/txn/txn_internal.h"
#include "server/txn/txn_struct.h"
#include "server/txn/write.h"

#define EXPIRED_A_TURN 1000 /* tokens */
#define RETRY_MS 1000

/* The token is known, or may have been forgotten: *out says so. */
static bool outcome_is_clear(struct op *op, struct slice bytes, uint64_t since,
                             struct outcome *out)
{
    const struct tokens *tokens = &op->db->tokens;
    const struct commit_token *token = tokens_find(tokens, bytes);

    ASSERT(bytes.size == TOKEN_BYTES);
    *out = (struct outcome){OUTCOME_UNKNOWN, 0};
    if (!token)
        return !tokens_reach(tokens, since);
    decided_note_commit(op, token->commit, (enum durability)token->durability);
    out->state = token->is_fenced ? OUTCOME_NOT_COMMITTED : OUTCOME_COMMITTED;
    out->commit = token->is_fenced ? 0 : token->commit;
    return true;
}

enum err db_outcome(struct op *op, struct slice token, uint64_t since, struct outcome *out)
{
    uint64_t commit;
    enum err e = ERR_OK;

    ASSERT(!op->own || op->own->is_autocommit);
    failure_clear(&op->failure);
    if (outcome_is_clear(op, token, since, out)) {
        if (op->own)
            txn_rollback(op->own);
        op->own = NULL;
        return ERR_OK;
    }
    op->durability = DURABILITY_SYNC; /* a fence that a crash takes back is none */
    if (!op->own)
        e = txn_begin_own(op, false, &op->own);
    if (!e)
        e = write_nothing(op, op->own);
    ASSERT(e || (op->own && op->own->stamp)); /* it has a room in the log */
    if (!e)
        e = txn_fence(op, op->own, token, &commit);
    else if (e != ERR_WAIT && op->own)
        txn_rollback(op->own);
    if (e != ERR_WAIT)
        op->own = NULL;
    out->state = OUTCOME_NOT_COMMITTED;
    return e;
}

/* ---- giving back ---- */

static void no_wake(struct op *op)
{
    (void)op;
}

static enum err delete_forgotten(struct op *op, struct txn *t, uint64_t count)
{
    uint8_t key[TOKEN_KEY_BYTES], value[TOKEN_VALUE_BYTES];
    enum err e = ERR_OK;

    ASSERT(count <= t->db->tokens.forgotten && t->is_autocommit);
    for (uint64_t i = 0; i < count && !e; i++) {
        bytes_put_be64(key, tokens_forgotten(&t->db->tokens, i)->commit);
        e = write_hidden(op, t, TOKENS_STORE, slice_make(key, sizeof key), SLICE_NONE);
    }
    memset(key, 0, sizeof key);
    token_encode_horizon(t->db->tokens.horizon, value);
    return e ? e
             : write_hidden(op, t, TOKENS_STORE, slice_make(key, sizeof key),
                            slice_make(value, sizeof value));
}

static enum err outcome_delete(struct db *db, uint64_t count)
{
    struct txn *t;
    struct op op;
    uint64_t commit;
    enum err e;

    ASSERT(!db->log_failed && !db->closed);
    op_init(&op, db, no_wake);
    e = txn_begin_servers(&op, &t);
    if (!e) {
        e = delete_forgotten(&op, t, count);
        if (e)
            txn_rollback(t);
        else if ((e = txn_commit(&op, t, SLICE_NONE, &commit)) == ERR_WAIT)
            txn_rollback(t); /* losers are being told: later */
    }
    op_fini(&op);
    return e;
}

void outcome_turn(struct db *db)
{
    struct tokens *tokens = &db->tokens;
    uint64_t count = db->options.tokens_deleted_at_once;

    ASSERT(tokens->forgotten <= tokens->count && count > 0);
    if (tokens_expire(tokens, db->pulse.now_ms, EXPIRED_A_TURN))
        pulse_wake(&db->pulse);
    if (tokens->forgotten < count || db->log_failed || db->closed ||
        db->pulse.now_ms < db->tokens_retry_ms)
        return;
    if (outcome_delete(db, count) == ERR_OK)
        tokens_drop(tokens, count);
    else
        db->tokens_retry_ms = db->pulse.now_ms + RETRY_MS;
    pulse_wake(&db->pulse);
}
