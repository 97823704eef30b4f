#include "tests/bench/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CLIENT_READ_BYTES 262144
#define CLIENT_DRAIN_SECONDS 10
#define CLIENT_SILENCE_SECONDS 120 /* no answer at all for so long: it hangs */

struct client {
    struct peer *peer;
    const struct run_spec *spec;
    struct work_source source;
    struct conn *conns;
    int epoll;
    unsigned busy;      /* slots with an operation under way */
    bool is_over;       /* no new operations */
    bool is_counting;
    bool is_stopped;    /* by spec->sample */
    uint64_t now;
    uint64_t heard;     /* when anything came last */
    uint64_t sampled;
    uint64_t ops_all;
    struct measure *out;
};

uint8_t *buffer_room(struct buffer *b, size_t size)
{
    if (b->capacity - b->size < size) {
        b->capacity = (b->capacity + size) * 2;
        b->data = realloc(b->data, b->capacity);
        if (!b->data)
            abort();
    }
    return b->data + b->size;
}

void buffer_put(struct buffer *b, const void *data, size_t size)
{
    memcpy(buffer_room(b, size), data, size);
    b->size += size;
}

void buffer_text(struct buffer *b, const char *text)
{
    buffer_put(b, text, strlen(text));
}

static void order_push(struct conn *c, unsigned slot)
{
    if (c->order_count == c->order_size) {
        unsigned *wider = malloc(sizeof *wider * c->order_size * 2);

        for (unsigned i = 0; i < c->order_count; i++)
            wider[i] = c->order[(c->order_head + i) % c->order_size];
        free(c->order);
        c->order = wider;
        c->order_head = 0;
        c->order_size *= 2;
    }
    c->order[(c->order_head + c->order_count++) % c->order_size] = slot;
}

/* Encode the next trip; false: the operation is done. */
static bool slot_step(struct conn *c, unsigned slot)
{
    struct slot *s = &c->slots[slot];

    s->replies = c->peer->driver->encode(c, slot, &s->work);
    for (unsigned i = 0; i < s->replies; i++)
        order_push(c, slot);
    return s->replies > 0;
}

static void slot_begin(struct client *cl, struct conn *c, unsigned slot)
{
    struct slot *s = &c->slots[slot];

    s->idle = cl->is_over || !work_next(&cl->source, &s->work);
    if (s->idle) {
        cl->busy--;
        return;
    }
    s->began_ns = cl->now;
    slot_step(c, slot);
}

static void slot_replied(struct client *cl, struct conn *c, unsigned slot, uint64_t rows)
{
    struct slot *s = &c->slots[slot];

    if (cl->is_counting)
        cl->out->rows += s->work.got_rows - rows;
    if (--s->replies > 0)
        return;
    s->work.trip++;
    if (slot_step(c, slot))
        return;
    cl->ops_all++;
    if (cl->is_counting) {
        measure_add(cl->out, &s->work, s->began_ns, cl->now);
        cl->out->rows += s->work.batch;
    }
    slot_begin(cl, c, slot);
}

static bool conn_decode(struct client *cl, struct conn *c)
{
    while (c->in.size > c->in_used) {
        unsigned slot = c->order_count ? c->order[c->order_head] : 0;
        uint64_t rows[2];
        long taken;

        rows[0] = c->slots[slot].work.got_rows;
        taken =
            c->peer->driver->decode(c, c->in.data + c->in_used, c->in.size - c->in_used, &slot);
        if (taken < 0 || slot >= c->slot_count)
            return false;
        if (taken == 0)
            break;
        c->in_used += (size_t)taken;
        c->order_head = (c->order_head + 1) % c->order_size;
        c->order_count--;
        slot_replied(cl, c, slot, c->slots[slot].work.kind == OP_FULL ? rows[0] : 0);
    }
    if (c->in_used == c->in.size)
        c->in.size = c->in_used = 0;
    return true;
}

static bool conn_flush(struct client *cl, struct conn *c)
{
    while (c->out_sent < c->out.size) {
        ssize_t n = write(c->fd, c->out.data + c->out_sent, c->out.size - c->out_sent);

        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < 0)
            break;
        c->out_sent += (size_t)n;
    }
    if (c->out_sent == c->out.size)
        c->out.size = c->out_sent = 0;
    if (c->is_blocked != (c->out.size > 0)) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

        c->is_blocked = c->out.size > 0;
        if (c->is_blocked)
            e.events |= EPOLLOUT;
        epoll_ctl(cl->epoll, EPOLL_CTL_MOD, c->fd, &e);
    }
    return true;
}

static bool conn_read(struct conn *c)
{
    size_t room = CLIENT_READ_BYTES;
    ssize_t n;

    if (c->in_used > 0) {
        memmove(c->in.data, c->in.data + c->in_used, c->in.size - c->in_used);
        c->in.size -= c->in_used;
        c->in_used = 0;
    }
    n = read(c->fd, buffer_room(&c->in, room), room);
    if (n < 0)
        return errno == EAGAIN;
    buffer_grew(&c->in, (size_t)n);
    return n > 0;
}

static bool conn_open(struct client *cl, struct conn *c, unsigned number)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    uint64_t seed = (cl->spec->seed + 1) * 7919 + number;

    c->peer = cl->peer;
    c->spec = cl->spec;
    c->slot_count = cl->spec->depth;
    c->slots = calloc(c->slot_count, sizeof *c->slots);
    c->order_size = 64;
    c->order = calloc(c->order_size, sizeof *c->order);
    for (unsigned i = 0; i < c->slot_count; i++) {
        c->slots[i].work.random = (seed << 16) + i + 1;
        if (cl->spec->mix[OP_LOAD])
            c->slots[i].work.load_keys = calloc(cl->spec->load_batch, sizeof(uint64_t));
    }
    c->fd = tcp_connect(cl->peer->port, 5, cl->peer->pid);
    if (c->fd < 0 || !cl->peer->driver->greet(cl->peer, c))
        return false;
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    return epoll_ctl(cl->epoll, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

static void conn_close(struct conn *c)
{
    if (c->fd > 0)
        close(c->fd);
    for (unsigned i = 0; i < c->slot_count; i++)
        free(c->slots[i].work.load_keys);
    free(c->slots);
    free(c->order);
    free(c->in.data);
    free(c->out.data);
}

/* One turn: what has come, and what follows from it. */
static bool client_turn(struct client *cl)
{
    struct epoll_event events[256];
    int n = epoll_wait(cl->epoll, events, 256, 100);

    cl->now = now_ns();
    if (n > 0)
        cl->heard = cl->now;
    else if (cl->now - cl->heard > CLIENT_SILENCE_SECONDS * UINT64_C(1000000000))
        return false;
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;

        if ((events[i].events & ~(unsigned)EPOLLOUT) && !conn_read(c))
            return false;
        if (!conn_decode(cl, c) || !conn_flush(cl, c))
            return false;
    }
    return true;
}

static void client_count(struct client *cl, bool on, double cpu[2])
{
    double server = process_cpu(cl->peer->pid), self = thread_cpu();

    cl->is_counting = on;
    cl->out->server_cpu = server - cpu[0];
    cl->out->client_cpu = self - cpu[1];
    cpu[0] = server;
    cpu[1] = self;
}

/* Fill every slot. */
static bool client_start(struct client *cl)
{
    bool ok = true;

    cl->busy = cl->spec->connections * cl->spec->depth;
    for (unsigned i = 0; ok && i < cl->spec->connections; i++) {
        for (unsigned s = 0; s < cl->spec->depth; s++)
            slot_begin(cl, &cl->conns[i], s);
        ok = conn_flush(cl, &cl->conns[i]);
    }
    return ok;
}

static void client_sample(struct client *cl, uint64_t begin)
{
    const struct run_spec *spec = cl->spec;

    if (!spec->sample || cl->now - cl->sampled < 100000000)
        return;
    cl->sampled = cl->now;
    cl->is_stopped |=
        !spec->sample(spec->context, (double)(cl->now - begin) / 1e9, cl->ops_all);
}

/* A tenth of the time is to warm up and is not counted; what has no time counts from the
 * start. The last walk over all need not come to its end. */
static bool client_loop(struct client *cl)
{
    uint64_t begin = now_ns(), length = (uint64_t)(cl->spec->seconds * 1e9);
    uint64_t warm = cl->spec->is_whole ? 0 : length / 10, from = begin + warm;
    uint64_t until = length ? from + length : UINT64_MAX;
    double cpu[2] = {0, 0};
    bool ok;

    cl->now = cl->heard = cl->sampled = begin;
    if (warm == 0)
        client_count(cl, true, cpu);
    ok = client_start(cl);
    while (ok && cl->busy > 0) {
        ok = client_turn(cl);
        if (!cl->is_counting && !cl->is_over && cl->now >= from) {
            client_count(cl, true, cpu);
            from = cl->now;
        }
        client_sample(cl, begin);
        if ((cl->now >= until || cl->is_stopped) && !cl->is_over) {
            cl->is_over = true;
            until = cl->now;
            client_count(cl, false, cpu);
            cl->out->seconds = (double)(cl->now - from) / 1e9;
        }
        if (cl->is_over && (cl->spec->mix[OP_FULL] ||
                            cl->now - until > CLIENT_DRAIN_SECONDS * UINT64_C(1000000000)))
            break;
    }
    if (!cl->is_over) {
        client_count(cl, false, cpu);
        cl->out->seconds = (double)(now_ns() - from) / 1e9;
    }
    return ok;
}

/* What became of the server? */
static void say_lost(struct peer *p)
{
    p->is_lost = p->pid > 0 && !process_is_alive(p->pid);
    fprintf(stderr, "bench: %s: %s; see %s/log\n", p->name,
            p->is_lost ? "its server has ended, it is left out from here on"
                       : "the connection was lost, or nothing came for long",
            p->directory);
}

void client_run(struct peer *p, const struct run_spec *spec, struct measure *out)
{
    struct client cl = {.peer = p, .spec = spec, .out = out};
    bool ok = true;

    memset(out, 0, sizeof *out);
    work_source_init(&cl.source, spec);
    cl.epoll = epoll_create1(EPOLL_CLOEXEC);
    cl.conns = calloc(spec->connections, sizeof *cl.conns);
    for (unsigned i = 0; ok && i < spec->connections; i++)
        ok = conn_open(&cl, &cl.conns[i], i);
    if (ok)
        ok = client_loop(&cl);
    if (!ok) {
        say_lost(p);
        out->failed++;
    }
    for (unsigned i = 0; i < spec->connections; i++)
        conn_close(&cl.conns[i]);
    free(cl.conns);
    close(cl.epoll);
}
