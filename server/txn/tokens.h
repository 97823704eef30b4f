/* tokens.h - which commits had a token, and which tokens were fenced: found by hashing.
 *
 * A client gives its commit a token, and may ask later what became of it (outcome.h). A token is a
 * record of the hidden store TOKENS_STORE, written by the commit itself: so it survives what the
 * commit survives, in the log, then in a stage, then in the tree. Its key is the commit's number,
 * so rows are added at the right end of the tree and taken away at the left one. Here is the same
 * in memory, in the order of commits, with a table over the tokens.
 *
 *   known --too old, or too many newer--> forgotten (not in the table) --deleted--> gone
 *
 * `horizon` is the greatest commit whose token may have been forgotten: whoever knows that his
 * would be later, knows that it has not been. It is a record itself, under the key 0.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_TOKENS_H
#define HOLDFAST_TXN_TOKENS_H

#include "proto/slice.h"
#include "server/base/list.h"
#include "server/os/os.h"
#include "server/storage/chains.h"
#include "server/storage/durability.h"

#define TOKEN_BYTES 16
#define TOKENS_STORE ((uint32_t)INT32_MAX) /* no other store has this number */
#define TOKEN_KEY_BYTES 8                  /* the commit, big-endian; 0: the horizon */
#define TOKEN_VALUE_BYTES 25
#define TOKENS_A_BLOCK 512

enum token_kind { TOKEN_COMMITTED = 1, TOKEN_FENCED = 2, TOKEN_HORIZON = 3 };

struct commit_token {
    struct chain_link in_table; /* not linked: forgotten, or superseded by a later one */
    uint64_t commit;            /* that it was given to, or that fenced it */
    uint64_t until_ms;          /* kept so long, the loop's clock */
    uint8_t bytes[TOKEN_BYTES];
    bool is_fenced;
    uint8_t durability; /* of that commit */
};

struct token_block;

struct tokens {
    struct os *os;
    struct chains table;
    struct list_link blocks; /* token_block.in_blocks, oldest first */
    size_t first;            /* of the oldest block: those before are gone */
    struct list_link
        *known;      /* the block of the next that will be forgotten, and where in it; NULL: */
    size_t known_at;         /* the oldest block, at first */
    uint64_t count;          /* known or forgotten, and not gone */
    uint64_t forgotten;      /* of them */
    uint64_t horizon;
    uint64_t max, keep_ms; /* limits */
};

struct token_clock { /* for ages over a restart */
    uint64_t now_ms, day_ms;
};

/* ERR_NOMEM. */
enum err tokens_init(struct tokens *t, struct os *os, uint64_t seed);
void tokens_fini(struct tokens *t);
uint64_t tokens_bytes(const struct tokens *t);

/* NULL: it is not known. token: TOKEN_BYTES. */
const struct commit_token *tokens_find(const struct tokens *t, struct slice token);
/* Whether a commit after `since` would be known by its token if it had been one's. */
static inline bool tokens_reach(const struct tokens *t, uint64_t since)
{
    return since >= t->horizon;
}

/* Memory for one more. ERR_NOMEM. */
enum err tokens_make_room(struct tokens *t);
/* There is room. made is copied; its commit is greater than all that are kept. The oldest are
 * forgotten when there are too many. */
void tokens_add(struct tokens *t, const struct commit_token *made);
/* Forget those whose time is over, at most so many. true: there are more. */
bool tokens_expire(struct tokens *t, uint64_t now_ms, unsigned most);
/* When the next one's time is over; UINT64_MAX: none is known. */
uint64_t tokens_next_ms(const struct tokens *t);
/* The i-th of the forgotten ones, the oldest first; they go with tokens_drop. */
const struct commit_token *tokens_forgotten(const struct tokens *t, uint64_t i);
void tokens_drop(struct tokens *t, uint64_t count);

/* The record. to: TOKEN_VALUE_BYTES. */
void token_encode(const struct commit_token *token, uint64_t day_ms, uint8_t *to);
void token_encode_horizon(uint64_t horizon, uint8_t *to);
/* A record that is found at start, in the order of commits; value none: it was deleted.
 * ERR_CORRUPT, ERR_NOMEM. */
enum err tokens_load(struct tokens *t, struct slice key, struct slice value,
                     const struct token_clock *clock);

#endif
