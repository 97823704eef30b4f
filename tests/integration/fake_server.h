/* fake_server.h - a small server for the client's tests: a thread, one connection at a
 * time, a model of stores in memory, and faults on order.
 *
 * It speaks MessagePack-RPC through msgpack-c, so that client and server do not share
 * their mistakes. Keys order by their packed bytes, which is right for texts of one
 * length class and small numbers, and no more is asked of it. Transactions work on a copy
 * and are applied at commit; there are no conflicts but those ordered as faults. Its
 * writes block, so it stops reading while its client does not read. */
#ifndef HOLDFAST_TESTS_FAKE_SERVER_H
#define HOLDFAST_TESTS_FAKE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_FAULTS_MAX 8

/* Answer calls of a method with an error. */
struct fake_fault {
    const char *method; /* NULL: the end of the list */
    unsigned after;     /* so many calls of it pass first */
    unsigned times;     /* then so many fail */
    int code;
    const char *name;
    const char *class_name;
    bool retryable;
    uint32_t retry_after_ms;
    int index;  /* of the op in a run that is to blame; below 0: not said */
    bool apply; /* do it all the same, as far as the client cannot tell */
};

/* Cut one connection behind so many bytes. */
struct fake_cut {
    unsigned connection; /* the n-th, from 1; 0: none is cut */
    bool out;            /* count bytes to the client; else bytes from it */
    size_t bytes;
};

struct fake_options {
    bool unix_socket;       /* instead of TCP */
    bool reverse;           /* answer what came in one read in reverse order */
    bool trickle;           /* send byte by byte */
    unsigned silent_from;   /* read everything, answer nothing from the n-th request on */
    unsigned hang_up_after; /* close at the n-th request, unanswered; 0: never */
    bool hang_up_applies;   /* but do it */
    unsigned hang_up_once;  /* only on the first so many connections; 0: on all */
    unsigned page_rows;     /* of a scan; 0: 3 */
    size_t padding;         /* bytes of padding in each reply to ping */
    bool deaf;              /* accept connections and read nothing */
    struct fake_cut cut;
    const void *raw_reply;  /* sent in place of every reply, and then the end */
    size_t raw_reply_size;
    struct fake_fault faults[FAKE_FAULTS_MAX];
};

struct fake_server;

/* Start it; the options are copied. Never NULL: the test fails instead. */
struct fake_server *fake_server_start(const struct fake_options *options);

/* Where hf_open finds it. Borrowed as long as it runs. */
const char *fake_server_address(const struct fake_server *s);

/* End it and keep what it saw. */
void fake_server_stop(struct fake_server *s);

/* After the stop: */
unsigned fake_server_calls(const struct fake_server *s, const char *method);
size_t fake_server_records(const struct fake_server *s, const char *store);
/* Whether store holds a record whose packed key is key. */
bool fake_server_has(const struct fake_server *s, const char *store, const void *key,
                     size_t size);
/* The same number for the same stores and records. */
uint64_t fake_server_digest(const struct fake_server *s);
/* How many requests ended with a map of options that has deadline_ms. */
unsigned fake_server_deadlines(const struct fake_server *s);
/* How many had one with exclusive locks. */
unsigned fake_server_locks(const struct fake_server *s);
unsigned fake_server_open_cursors(const struct fake_server *s);

void fake_server_free(struct fake_server *s);

#endif
