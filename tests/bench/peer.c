#include "tests/bench/peer.h"

#include "tests/bench/client.h"

#include <ctype.h>

#define PEER_COMPLAINTS_MAX 5

void peer_run(struct peer *p, const struct run_spec *spec, struct measure *out)
{
    if (p->driver->run)
        p->driver->run(p, spec, out);
    else
        client_run(p, spec, out);
}

bool peer_up(struct peer *p, const struct bench_options *o)
{
    snprintf(p->directory, sizeof p->directory, "%s/%s", o->directory, p->name);
    p->is_up = p->driver->start(p);
    return p->is_up;
}

void peer_down(struct peer *p, bool kill_it)
{
    if (p->is_up)
        p->driver->stop(p, kill_it);
    p->is_up = false;
}

double peer_load(struct peer *p, uint64_t records, enum key_order order, struct measure *out)
{
    struct run_spec spec = {.durability = UNSYNCED, .connections = 4, .order = order};
    uint64_t began = now_ns();

    spec.depth = p->driver->load_depth;
    spec.load_batch = p->driver->load_batch;
    spec.mix[OP_LOAD] = 100;
    spec.records = spec.load_count = records;
    spec.inserts = &p->inserts;
    peer_run(p, &spec, out);
    p->driver->settle(p);
    p->inserts = records;
    return (double)(now_ns() - began) / 1e9;
}

void peer_complain(struct peer *p, const void *text, size_t size)
{
    const unsigned char *at = text;

    if (p->complaints++ >= PEER_COMPLAINTS_MAX)
        return;
    fprintf(stderr, "bench: %s: ", p->name);
    for (size_t i = 0; i < size; i++)
        fputc(isprint(at[i]) ? at[i] : '.', stderr);
    fputc('\n', stderr);
}
