/* logins.h - who has failed to log in of late, and how long the next attempt waits for it.
 *
 * By the client's address (peers.h). From LOGIN_FAILURES failures within LOGIN_WINDOW_MS on, each
 * further attempt from there waits, the longer the more there were. There are places for so many
 * addresses; the one that failed longest ago gives its place to a new one.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_LOGINS_H
#define HOLDFAST_NET_LOGINS_H

#include "server/net/peers.h"

#define LOGIN_FAILURES 5       /* without a delay */
#define LOGIN_WINDOW_MS 10000  /* they are forgotten so long after the last one */
#define LOGIN_PLACES 1024      /* a power of two */
#define LOGIN_WAYS 8           /* places that an address may have */
#define LOGIN_STEPS_MAX 8      /* the delay grows up to so many times the option login-delay */
#define LOGIN_LINE_MS 10000    /* a line of the log at most each */

struct login_place {
    struct peer_key key;
    uint32_t failures; /* 0: free */
    uint64_t last_ms;
};

struct logins {
    struct login_place places[LOGIN_PLACES];
    uint64_t seed;
    uint64_t done, failed; /* ever */
    uint64_t hashes;       /* made with a key for them, ever: tests compare what attempts cost */
    uint64_t line_ms;      /* when the last line was written */
    uint64_t unsaid;       /* failures since */
};

/* How long an attempt from there waits, ms. */
uint64_t logins_delay(const struct logins *l, struct peer_key key, uint64_t now_ms,
                      uint64_t delay_ms);
void logins_note_failure(struct logins *l, struct peer_key key, uint64_t now_ms);
/* Whether a line may be written now; *failures since the last one. */
bool logins_may_log(struct logins *l, uint64_t now_ms, uint64_t *failures);

#endif
