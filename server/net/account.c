/* account.c - sums, and what they are compared with. */
#include "server/net/account.h"

#include "server/base/assert.h"

#include <string.h>

void account_init(struct account *a, struct account *above)
{
    memset(a, 0, sizeof *a);
    a->above = above;
}

void account_fini(struct account *a)
{
    for (unsigned i = 0; i < ACCOUNT_KINDS; i++)
        ASSERT(a->of[i] == 0);
    ASSERT(a->bytes == 0);
}

bool account_has_room(const struct account *a, const struct account_limits *limits,
                      uint64_t bytes)
{
    uint64_t own = a->bytes + bytes;

    if (own <= ACCOUNT_FLOOR)
        return true;
    return own <= limits->one && a->above->bytes + bytes <= limits->all;
}

bool account_is_full(const struct account *a, const struct account_limits *limits)
{
    uint64_t at_work = a->of[ACCOUNT_REQUESTS] + a->of[ACCOUNT_REPLIES];

    ASSERT(a->bytes >= at_work); /* D-2 */
    if (at_work <= ACCOUNT_FLOOR)
        return false;
    /* Half of the share, so that the other half is there for the next message. */
    return at_work >= limits->one / 2 || a->above->bytes >= limits->all;
}

const char *account_kind_name(enum account_kind kind)
{
    static const char *const names[ACCOUNT_KINDS] = {
        [ACCOUNT_INPUT] = "input",     [ACCOUNT_REQUESTS] = "requests",
        [ACCOUNT_REPLIES] = "replies", [ACCOUNT_OUTPUT] = "output",
        [ACCOUNT_HANDLES] = "handles",
    };

    ASSERT(kind < ACCOUNT_KINDS);
    return names[kind];
}
