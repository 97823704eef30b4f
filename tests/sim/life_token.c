/* Tokens of commits: given to some, used again by others, asked for, fenced; and over crashes those
 * of commits that are there are known, and no others. */
#include "tests/sim/life_internal.h"

#include "server/txn/outcome.h"
#include "server/txn/tokens.h"

static struct slice token_bytes(unsigned token, uint8_t room[TOKEN_BYTES])
{
    memset(room, (int)token, TOKEN_BYTES);
    room[0] = (uint8_t)(token >> 8);
    return slice_make(room, TOKEN_BYTES);
}

struct slice token_draw(struct life *l, struct actor *a)
{
    if (a->act == ACT_NONE) { /* else it goes on */
        a->token = 0;
        if (sim_chance(l->sim, 50) && l->token_count < LIFE_TOKENS_MAX)
            a->token = ++l->token_count;
        else if (sim_chance(l->sim, 20) && l->token_count)
            a->token = 1 + (unsigned)sim_random(l->sim, l->token_count);
    }
    return a->token ? token_bytes(a->token, a->token_room) : SLICE_NONE;
}

/* Few may be kept: then one may have been forgotten, or be committed again. */
static bool token_may_be_gone(const struct life *l, unsigned token)
{
    return l->db_options.tokens_max < LIFE_TOKENS_MAX &&
           (l->tokens[token].state != TOKEN_FRESH || l->token_count > 1);
}

/* It has been committed or fenced. What had it before is known again if a crash takes that back. */
static void token_set(struct life_token *t, enum token_state state, uint64_t commit)
{
    bool may_be = t->state == TOKEN_MAYBE && !t->before;
    uint64_t before = t->state == TOKEN_IS_COMMITTED || may_be ? t->commit : t->before;

    *t = (struct life_token){state, commit, before};
}

/* Whether it may be of that commit, of which it is from now on. */
static bool token_is_of(struct life_token *t, uint64_t commit)
{
    if (t->state == TOKEN_MAYBE && t->before && commit == t->before)
        t->commit = t->before;
    if ((t->state != TOKEN_IS_COMMITTED && t->state != TOKEN_MAYBE) || commit != t->commit)
        return false;
    t->state = TOKEN_IS_COMMITTED;
    return true;
}

bool judge_token(struct life *l, struct actor *a, enum err e, uint64_t commit)
{
    struct life_token *t = &l->tokens[a->token];

    if (!a->token)
        return false;
    if (e == ERR_TOKEN_FENCED) {
        LIFE_CHECK(l, t->state == TOKEN_IS_FENCED || t->state == TOKEN_MAYBE,
                   "a commit with token %u is fenced by nobody", a->token);
        return true;
    }
    if (e == ERR_OK && a->op.is_repeated) {
        LIFE_CHECK(l, token_is_of(t, commit), "token %u is of commit %llu (%d), not %llu",
                   a->token, (unsigned long long)t->commit, t->state,
                   (unsigned long long)commit);
        l->counts->tokens_again++;
        return true;
    }
    if (e == ERR_OK && commit) {
        LIFE_CHECK(l,
                   t->state == TOKEN_FRESH || t->state == TOKEN_MAYBE ||
                       token_may_be_gone(l, a->token),
                   "a second commit with token %u was applied", a->token);
        token_set(t, TOKEN_IS_COMMITTED, commit);
        l->counts->tokens++;
    }
    return false;
}

bool outcome_draw(struct life *l, struct actor *a)
{
    if (!l->token_count || !sim_chance(l->sim, 6))
        return false;
    a->act = ACT_OUTCOME;
    a->token = 1 + (unsigned)sim_random(l->sim, l->token_count);
    return true;
}

enum err outcome_call(struct actor *a)
{
    return db_outcome(&a->op, token_bytes(a->token, a->token_room), 0, &a->outcome);
}

void judge_outcome(struct life *l, struct actor *a, enum err e)
{
    struct life_token *t = &l->tokens[a->token];
    const struct outcome *o = &a->outcome;

    if (e) {
        LIFE_CHECK(l, actor_excuses(l, a, e), "outcome answered %s: %s", err_name(e),
                   a->op.failure.text);
        return;
    }
    l->counts->outcomes++;
    if (o->state == OUTCOME_UNKNOWN) {
        LIFE_CHECK(l, token_may_be_gone(l, a->token), "token %u is unknown", a->token);
        return;
    }
    if (o->state == OUTCOME_COMMITTED) {
        LIFE_CHECK(l, token_is_of(t, o->commit), "token %u is said to be of commit %llu",
                   a->token, (unsigned long long)o->commit);
    } else {
        LIFE_CHECK(l, t->state != TOKEN_IS_COMMITTED || token_may_be_gone(l, a->token),
                   "token %u of commit %llu is said not to be committed", a->token,
                   (unsigned long long)t->commit);
        if (t->state != TOKEN_IS_FENCED)
            token_set(t, TOKEN_IS_FENCED, a->op.decided.synced);
        l->counts->fenced++;
    }
    life_reply(l, a, a->op.decided.synced);
}

/* After a restart: what was told is there; of what was not, the next answer says whether it is. */
void life_cut_tokens(struct life *l, uint64_t told)
{
    for (unsigned i = 1; i <= l->token_count; i++) {
        struct life_token *t = &l->tokens[i];

        if (t->state == TOKEN_FRESH || t->commit <= told)
            continue;
        if (t->state == TOKEN_IS_COMMITTED && t->commit > l->model.last_commit)
            *t = (struct life_token){t->before ? TOKEN_MAYBE : TOKEN_FRESH, t->before,
                                     t->before};
        else
            t->state = TOKEN_MAYBE;
    }
}
