/* account.h - what the server keeps in memory for its clients, counted to each of them and to
 * all together.
 *
 * Every buffer, request, handle and cursor is added to the account of its connection when it
 * is made and subtracted when it is freed; the sums of all connections are the server's
 * account. Two options bound them: connection-memory is the share of one client,
 * client-memory the sum of all. When the sum is reached, a client that takes less than
 * ACCOUNT_FLOOR is still served, so that those who take much do not stop those who take
 * little.
 *
 * What happens at a limit depends on the kind: messages are not taken (input, requests,
 * replies: they drain by themselves), or the request that would add to it is refused with
 * OVERLOADED (handles, large messages, large results). The connection lives.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_ACCOUNT_H
#define HOLDFAST_NET_ACCOUNT_H

#include "server/base/assert.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCOUNT_FLOOR ((size_t)256 << 10) /* bytes that a client may take in any case */

enum account_kind {
    ACCOUNT_INPUT,    /* bytes that came and have not been executed */
    ACCOUNT_REQUESTS, /* requests that are not answered, with copies of their parameters */
    ACCOUNT_REPLIES,  /* answers that are not whole, or wait for the log or for others */
    ACCOUNT_OUTPUT,   /* answers on their way to the client */
    ACCOUNT_HANDLES,  /* open transactions and cursors, and the maps that find them */
    ACCOUNT_KINDS,
};

struct account {
    struct account *above; /* borrowed: the sum that this is a part of; NULL: it is the sum */
    size_t bytes;          /* of all kinds */
    size_t of[ACCOUNT_KINDS];
};

struct account_limits { /* bytes */
    uint64_t one;       /* of one client */
    uint64_t all;       /* of all */
};

void account_init(struct account *a, struct account *above);

/* Everything that was added has been subtracted. */
void account_fini(struct account *a);

static inline void account_add(struct account *a, enum account_kind kind, size_t bytes)
{
    for (; a; a = a->above) {
        a->of[kind] += bytes;
        a->bytes += bytes;
    }
}

static inline void account_sub(struct account *a, enum account_kind kind, size_t bytes)
{
    for (; a; a = a->above) {
        ASSERT(a->of[kind] >= bytes);
        a->of[kind] -= bytes;
        a->bytes -= bytes;
    }
}

/* Whether a client may take so many bytes more. */
bool account_has_room(const struct account *a, const struct account_limits *limits,
                      uint64_t bytes);

/* Whether so much is at work for a client that it has to wait until some of it is done: what
 * requests and replies take ends by itself. */
bool account_is_full(const struct account *a, const struct account_limits *limits);

/* "input", ...: as status has it. */
const char *account_kind_name(enum account_kind kind);

#endif
