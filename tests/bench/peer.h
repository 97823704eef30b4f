/* peer.h - starting, loading, running and stopping a peer, of whichever kind it is. */
#ifndef HOLDFAST_TESTS_BENCH_PEER_H
#define HOLDFAST_TESTS_BENCH_PEER_H

#include "tests/bench/bench.h"
#include "tests/bench/options.h"

/* Is it asked for, and installed here? */
bool peer_is_here(const struct peer *p, const struct bench_options *o);
/* Start it below o->directory, with what is there; a guest joins its host, which is up.
 * False: said why on stderr, and nothing of it runs. */
bool peer_up(struct peer *p, const struct bench_options *o);
/* Nothing if it is down. */
void peer_down(struct peer *p, bool kill_it);
/* Of its processes; in process: what has been added since it was started. */
uint64_t peer_memory(const struct peer *p);
void peer_run(struct peer *p, const struct run_spec *spec, struct measure *out);
/* Put records, each once; returns seconds, the sync at the end included. */
double peer_load(struct peer *p, uint64_t records, enum key_order order, struct measure *out);

#endif
