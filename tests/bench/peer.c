#include "tests/bench/peer.h"

#include "tests/bench/client.h"
#include "tests/bench/workloads.h"

#include <ctype.h>
#include <malloc.h>
#include <string.h>

#define PEER_COMPLAINTS_MAX 5

void peer_run(struct peer *p, const struct run_spec *spec, struct measure *out)
{
    if (p->driver->run)
        p->driver->run(p, spec, out);
    else
        client_run(p, spec, out);
}

bool peer_is_here(const struct peer *p, const struct bench_options *o)
{
    return is_listed(o->peers, p->name) && p->driver->available();
}

/* The end of what it has printed, which mostly says why it does not start. */
static void show_log(const struct peer *p)
{
    char path[300], text[600];
    size_t size;
    FILE *f;

    snprintf(path, sizeof path, "%s/log", p->directory);
    f = fopen(path, "r");
    if (!f)
        return;
    fseek(f, -(long)sizeof text, SEEK_END);
    size = fread(text, 1, sizeof text, f);
    fclose(f);
    fprintf(stderr, "%.*s\n", (int)size, text);
}

static bool guest_up(struct peer *p)
{
    const struct peer *host = peers;

    while (strcmp(host->name, p->host) != 0)
        host++;
    p->port = host->port;
    p->pid = host->pid;
    p->state = host->state;
    p->inserts = host->inserts;
    memcpy(p->directory, host->directory, sizeof p->directory);
    p->is_up = host->is_up;
    return p->is_up;
}

bool peer_up(struct peer *p, const struct bench_options *o)
{
    p->is_lost = false;
    if (p->host)
        return guest_up(p);
    snprintf(p->directory, sizeof p->directory, "%s/%s", o->directory, p->name);
    malloc_trim(0);
    p->memory_before = process_memory(0);
    p->is_up = p->driver->start(p);
    if (p->is_up)
        return true;
    fprintf(stderr, "bench: %s did not start; the end of its log:\n", p->name);
    show_log(p);
    if (p->pid > 0)
        p->driver->stop(p, true);
    return false;
}

uint64_t peer_memory(const struct peer *p)
{
    uint64_t now = process_memory(p->pid);

    if (p->pid > 0)
        return now;
    return now > p->memory_before ? now - p->memory_before : 0;
}

void peer_down(struct peer *p, bool kill_it)
{
    if (p->is_up && !p->host)
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
