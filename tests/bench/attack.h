/* attack.h - what one client can do to the others: each attack on a server of its own, with an
 * innocent client beside it that pings.
 *
 * attack_client.c speaks the protocol, attack_list.c has the attacks, attack.c runs them and writes
 * their table. Threads: an innocent client has one of its own; all else is main. */
#ifndef HOLDFAST_TESTS_BENCH_ATTACK_H
#define HOLDFAST_TESTS_BENCH_ATTACK_H

#include "tests/bench/client.h"
#include "tests/bench/report.h"

#define ATTACK_NAME "A-attacks" /* of the table, among the workloads */
#define ATTACK_TITLE "what one client can do to the others"

/* ---- attack_client.c: one connection ---- */

struct attacker {
    int fd; /* -1: no connection */
    struct buffer out, in;
    uint32_t next_id, sent; /* sent: requests whose answers have not come */
    uint64_t refused;       /* answers that were errors */
    char error[64];         /* the last of them: its name */
    uint64_t number;        /* of the last answer, if it was {.., cursor: number} */
    bool is_closed;
};

bool attacker_open(struct attacker *a, const struct peer *p);
void attacker_close(struct attacker *a);
/* The head of a request with so many parameters, which follow; of one that is not answered. */
void attacker_ask(struct attacker *a, const char *method, uint32_t params);
void attacker_tell(struct attacker *a, const char *method, uint32_t params);
void attacker_uint(struct attacker *a, uint64_t n);
void attacker_text(struct attacker *a, const char *text);
void attacker_bytes(struct attacker *a, uint32_t size);
void attacker_array(struct attacker *a, uint32_t count);
void attacker_map(struct attacker *a, uint32_t pairs);
void attacker_nil(struct attacker *a);
/* Send what was put together, without waiting for answers. */
bool attacker_send(struct attacker *a);
/* Send and wait for all answers; false: the connection has ended. */
bool attacker_wait(struct attacker *a);
/* One request without parameters but those of text; waits. */
bool attacker_call(struct attacker *a, const char *method, uint64_t t, const char *store);
/* The longest turn of the server's loop so far, microseconds; 0: it does not answer. */
uint64_t attacker_turn_max(struct attacker *a);

/* ---- attack_list.c ---- */

struct attack_run {
    struct peer *peer;
    struct attacker main;     /* whoever does what is measured */
    struct attacker *others;  /* of whom there are many */
    unsigned other_count;
    unsigned divisor;         /* 1; more: everything is so many times smaller */
    uint64_t begun_ns;        /* of what is measured, */
    double begun_cpu;         /* and the server's processor time then */
};

struct attack {
    const char *name;
    /* Both: false: it could not be done. */
    bool (*prepare)(struct attack_run *r); /* may be NULL */
    bool (*strike)(struct attack_run *r);
    const char *error; /* what some answers are; NULL: none is refused */
};

extern const struct attack attacks[];
extern const unsigned attack_count;

/* ---- attack.c ---- */
/* Seconds of processor time that the server has taken, to the microsecond. */
double attack_cpu(pid_t pid);
void attacks_run(struct report *report);

#endif
