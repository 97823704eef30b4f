/* client.h - the load client of all servers: one thread, one epoll, many connections.
 *
 * Each connection has slots, one for each operation that it keeps in flight. All that
 * one turn of the loop makes for a connection goes out in one write. */
#ifndef HOLDFAST_TESTS_BENCH_CLIENT_H
#define HOLDFAST_TESTS_BENCH_CLIENT_H

#include "tests/bench/bench.h"

struct buffer {
    uint8_t *data;
    size_t size;     /* bytes in it */
    size_t capacity;
};

struct slot {
    struct work work;
    uint64_t began_ns;
    unsigned replies; /* still to come of this trip */
    bool idle;
};

struct conn {
    struct peer *peer;
    const struct run_spec *spec;
    int fd;
    struct buffer out, in;
    size_t out_sent, in_used;
    size_t in_seen; /* of the reply that is not whole: what decode has looked at; its own */
    uint32_t in_left; /* likewise: rows to come */
    struct slot *slots;
    unsigned slot_count;
    unsigned *order; /* ring: the slot of each reply to come, oldest first */
    unsigned order_size, order_head, order_count;
    bool is_blocked; /* waits until it can write */
};

/* Room for size bytes at the end; count them with buffer_grew. */
uint8_t *buffer_room(struct buffer *b, size_t size);
static inline void buffer_grew(struct buffer *b, size_t size)
{
    b->size += size;
}
void buffer_put(struct buffer *b, const void *data, size_t size);
void buffer_text(struct buffer *b, const char *text);

/* Run spec against a server peer. */
void client_run(struct peer *p, const struct run_spec *spec, struct measure *out);

#endif
