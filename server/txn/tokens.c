#include "server/txn/tokens.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct token_block {
    struct list_link in_blocks;
    size_t used;
    struct commit_token tokens[TOKENS_A_BLOCK];
};

#define TOKEN_OF(link) LIST_ENTRY(link, struct commit_token, in_table)
#define BLOCK_OF(link) LIST_ENTRY(link, struct token_block, in_blocks)

static uint64_t token_hash(const struct chains *h, const uint8_t *bytes)
{
    return XXH3_64bits_withSeed(bytes, TOKEN_BYTES, h->seed);
}

static uint64_t token_hash_of(const struct chains *h, const struct chain_link *link)
{
    return token_hash(h, TOKEN_OF(link)->bytes);
}

enum err tokens_init(struct tokens *t, struct os *os, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    t->os = os;
    t->max = t->keep_ms = UINT64_MAX;
    ASSERT(os && !t->count && !t->forgotten);
    list_init(&t->blocks);
    return chains_init(&t->table, os, seed, token_hash_of);
}

static void tokens_free_block(struct tokens *t)
{
    struct token_block *b = BLOCK_OF(t->blocks.next);

    ASSERT(!list_is_empty(&t->blocks) && t->first <= TOKENS_A_BLOCK);
    if (t->known == &b->in_blocks)
        t->known = NULL; /* all of it is forgotten: the next block's first comes next */
    list_remove(&b->in_blocks);
    os_free(t->os, b, sizeof *b);
    t->first = 0;
}

void tokens_fini(struct tokens *t)
{
    if (!t->os)
        return;
    while (!list_is_empty(&t->blocks))
        tokens_free_block(t);
    ASSERT(!t->first);
    chains_fini(&t->table);
}

uint64_t tokens_bytes(const struct tokens *t)
{
    ASSERT(t->forgotten <= t->count);
    return t->count * sizeof(struct commit_token) +
           t->table.buckets * sizeof(struct chain_link *);
}

const struct commit_token *tokens_find(const struct tokens *t, struct slice token)
{
    struct chain_link *link;

    ASSERT(token.size == TOKEN_BYTES);
    link = chains_first(&t->table, token_hash(&t->table, token.data));
    for (; link; link = link->next) {
        if (memcmp(TOKEN_OF(link)->bytes, token.data, TOKEN_BYTES) == 0)
            return TOKEN_OF(link);
    }
    return NULL;
}

/* The i-th that is kept; i is small. */
static struct commit_token *token_at(const struct tokens *t, uint64_t i)
{
    struct list_link *link = t->blocks.next;

    ASSERT(i < t->count);
    for (i += t->first; i >= TOKENS_A_BLOCK; i -= TOKENS_A_BLOCK)
        link = link->next;
    ASSERT(link != &t->blocks && i < BLOCK_OF(link)->used);
    return &BLOCK_OF(link)->tokens[i];
}

/* The oldest that is known, or superseded; NULL: none is. */
static struct commit_token *tokens_oldest(const struct tokens *t)
{
    struct list_link *block = t->known ? t->known : t->blocks.next;
    size_t at = t->known ? t->known_at : t->first;

    ASSERT(t->forgotten <= t->count && at <= TOKENS_A_BLOCK);
    if (t->forgotten == t->count)
        return NULL;
    if (at == TOKENS_A_BLOCK) {
        block = block->next;
        at = 0;
    }
    ASSERT(block != &t->blocks && at < BLOCK_OF(block)->used);
    return &BLOCK_OF(block)->tokens[at];
}

static void tokens_forget_oldest(struct tokens *t)
{
    struct commit_token *token = tokens_oldest(t);

    ASSERT(token);
    if (!t->known) {
        t->known = t->blocks.next;
        t->known_at = t->first;
    } else if (t->known_at == TOKENS_A_BLOCK) {
        t->known = t->known->next;
        t->known_at = 0;
    }
    t->known_at++;
    chains_remove(&t->table, &token->in_table);
    if (token->commit > t->horizon)
        t->horizon = token->commit;
    t->forgotten++;
    ASSERT(t->forgotten <= t->count && t->horizon >= token->commit);
}

enum err tokens_make_room(struct tokens *t)
{
    struct token_block *b;

    if (!list_is_empty(&t->blocks) && BLOCK_OF(t->blocks.previous)->used < TOKENS_A_BLOCK)
        return ERR_OK;
    b = os_alloc(t->os, sizeof *b);
    if (!b)
        return ERR_NOMEM;
    b->used = 0;
    list_push_back(&t->blocks, &b->in_blocks);
    ASSERT(BLOCK_OF(t->blocks.previous) == b);
    return ERR_OK;
}

void tokens_add(struct tokens *t, const struct commit_token *made)
{
    struct token_block *b = BLOCK_OF(t->blocks.previous);
    struct commit_token *before =
        (struct commit_token *)(uintptr_t)tokens_find(t, slice_make(made->bytes, TOKEN_BYTES));
    struct commit_token *token;

    ASSERT(!list_is_empty(&t->blocks) && b->used < TOKENS_A_BLOCK);
    if (before)
        chains_remove(&t->table, &before->in_table);
    ASSERT(made->commit > 0 && (!before || before->commit < made->commit)); /* in order */
    token = &b->tokens[b->used++];
    *token = *made;
    chain_link_init(&token->in_table);
    chains_add(&t->table, &token->in_table, token_hash(&t->table, token->bytes));
    t->count++;
    if (t->count - t->forgotten > t->max)
        tokens_forget_oldest(t);
}

bool tokens_expire(struct tokens *t, uint64_t now_ms, unsigned most)
{
    const struct commit_token *oldest;

    ASSERT(most > 0);
    while ((oldest = tokens_oldest(t)) != NULL) {
        if (now_ms < oldest->until_ms && chain_is_linked(&oldest->in_table))
            return false;
        if (most-- == 0)
            return true;
        tokens_forget_oldest(t);
    }
    return false;
}

uint64_t tokens_next_ms(const struct tokens *t)
{
    const struct commit_token *oldest = tokens_oldest(t);

    return oldest ? oldest->until_ms : UINT64_MAX;
}

const struct commit_token *tokens_forgotten(const struct tokens *t, uint64_t i)
{
    ASSERT(i < t->forgotten);
    return token_at(t, i);
}

void tokens_drop(struct tokens *t, uint64_t count)
{
    ASSERT(count <= t->forgotten);
    t->count -= count;
    t->forgotten -= count;
    for (; count > 0; count--) {
        if (++t->first == TOKENS_A_BLOCK)
            tokens_free_block(t);
    }
}

/* ---- the record ---- */

void token_encode(const struct commit_token *token, uint64_t day_ms, uint8_t *to)
{
    ASSERT(TOKEN_VALUE_BYTES == 9 + TOKEN_BYTES);
    to[0] = token->is_fenced ? TOKEN_FENCED : TOKEN_COMMITTED;
    bytes_put_le64(to + 1, day_ms);
    memcpy(to + 9, token->bytes, TOKEN_BYTES);
}

void token_encode_horizon(uint64_t horizon, uint8_t *to)
{
    memset(to, 0, TOKEN_VALUE_BYTES);
    to[0] = TOKEN_HORIZON;
    bytes_put_le64(to + 1, horizon);
}

/* The oldest goes, known or not: its record was deleted. */
static void tokens_undo_oldest(struct tokens *t)
{
    ASSERT(t->count > 0);
    if (!t->forgotten)
        tokens_forget_oldest(t);
    tokens_drop(t, 1);
}

enum err tokens_load(struct tokens *t, struct slice key, struct slice value,
                     const struct token_clock *clock)
{
    struct commit_token token = {.durability = DURABILITY_SYNC};
    uint64_t commit, at, age;

    if (key.size != TOKEN_KEY_BYTES)
        return ERR_CORRUPT;
    commit = bytes_get_be64(key.data);
    if (slice_is_none(value)) {
        if (t->count && token_at(t, 0)->commit == commit)
            tokens_undo_oldest(t);
        return ERR_OK;
    }
    if (value.size != TOKEN_VALUE_BYTES)
        return ERR_CORRUPT;
    at = bytes_get_le64(value.data + 1);
    if (!commit) {
        if (value.data[0] != TOKEN_HORIZON)
            return ERR_CORRUPT;
        if (at > t->horizon)
            t->horizon = at;
        return ERR_OK;
    }
    if (value.data[0] != TOKEN_COMMITTED && value.data[0] != TOKEN_FENCED)
        return ERR_CORRUPT;
    if (tokens_make_room(t) != ERR_OK)
        return ERR_NOMEM;
    age = clock->day_ms > at ? clock->day_ms - at : 0;
    token.commit = commit;
    token.until_ms = clock->now_ms + (age < t->keep_ms ? t->keep_ms - age : 0);
    token.is_fenced = value.data[0] == TOKEN_FENCED;
    memcpy(token.bytes, value.data + 9, TOKEN_BYTES);
    tokens_add(t, &token);
    return ERR_OK;
}
