/* pace.c - see pace.h. */
#include "server/txn/pace.h"

#include "server/base/assert.h"

#define IN_CREDIT(ns) ((int64_t)(ns)*100)

uint64_t pace_slice_ns(struct pace *p, uint64_t now_ns)
{
    uint64_t passed = now_ns - p->looked_ns;

    ASSERT(p->share >= 1 && p->share <= 100 && now_ns >= p->looked_ns);
    if (p->has_clients)
        p->clients_ns = now_ns;
    p->has_clients = false;
    p->looked_ns = now_ns;
    if (!p->clients_ns || now_ns - p->clients_ns > PACE_CLIENTS_NS) {
        p->credit = 0;
        return PACE_SLICE_ALONE_NS;
    }
    if (passed > PACE_CLIENTS_NS) /* what nobody used is nobody's */
        passed = PACE_CLIENTS_NS;
    p->credit += (int64_t)(passed * p->share);
    if (p->credit > IN_CREDIT(PACE_SLICE_NS))
        p->credit = IN_CREDIT(PACE_SLICE_NS);
    return p->credit < IN_CREDIT(PACE_SLICE_LEAST_NS) ? 0 : (uint64_t)p->credit / 100;
}

void pace_spend(struct pace *p, uint64_t ns)
{
    ASSERT(p->credit <= IN_CREDIT(PACE_SLICE_NS));
    /* One slow look at the disk is not a debt for seconds. */
    p->credit -= IN_CREDIT(ns < PACE_CLIENTS_NS ? ns : PACE_CLIENTS_NS);
    if (p->credit < -IN_CREDIT(PACE_CLIENTS_NS))
        p->credit = -IN_CREDIT(PACE_CLIENTS_NS);
}

uint64_t pace_wait_ns(const struct pace *p)
{
    int64_t missing = IN_CREDIT(PACE_SLICE_LEAST_NS) - p->credit;

    ASSERT(p->share > 0);
    return missing <= 0 ? 0 : (uint64_t)missing / p->share + 1;
}
