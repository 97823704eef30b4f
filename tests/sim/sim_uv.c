/* sim_uv.c - see sim_uv.h. Of a handle's own fields only data, loop, type, close_cb and u are
 * used; what belongs to the simulation is found by u.reserved. */
#include "tests/sim/sim_uv.h"

#include "tests/sim/sim_internal.h"

#include "server/base/assert.h"
#include "server/os/os_uv.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct sim_handle { /* behind u.reserved[0] of each handle */
    struct sim_loop *loop;
    uv_handle_t *handle;
    struct list_link in_list; /* loop.handles, or loop.closing */
    bool is_active;
    bool is_closing;
    uv_timer_cb timer;
    uv_prepare_cb prepare;
    uint64_t at_ms;
    uint64_t repeat_ms;
    struct sim_socket *socket; /* of a stream that is connected */
};

struct sim_bytes {
    uint8_t *data;
    size_t used, room;
    size_t taken; /* bytes at the beginning that have moved on */
};

struct sim_socket {
    struct sim_loop *loop;
    struct sim_handle *end; /* the server's; NULL: not accepted, or closed */
    struct list_link in_list;
    struct sim_bytes in, out;
    uint32_t address; /* IPv4; 0: unknown */
    size_t out_room; /* unread bytes that the client's side takes */
    bool eof, reset; /* the client has */
    bool eof_told;
    bool has_ended; /* the server has */
    uv_alloc_cb alloc;
    uv_read_cb read; /* NULL: it does not read */
    uv_write_t *write;
    uv_write_cb written;
    uv_buf_t rest;
    uv_shutdown_t *shutdown;
    uv_shutdown_cb shut;
};

struct sim_loop {
    uv_loop_t uv;
    struct sim *sim;
    struct sim_socket *waiting; /* in the listener's queue */
    void (*poll)(void *context);
    void *context;
    uint64_t now_ms;
    bool stop;
    struct list_link handles, closing, sockets;
};

static struct sim_loop *loop_of(const uv_loop_t *uv)
{
    return uv->data;
}

static struct sim_handle *handle_of(const void *handle)
{
    return ((const uv_handle_t *)handle)->u.reserved[0];
}

static struct sim_socket *socket_of(const void *stream)
{
    struct sim_socket *s = handle_of(stream)->socket;

    ASSERT(s);
    return s;
}

static bool socket_fails(const uv_stream_t *stream)
{
    return sim_fault_due(loop_of(stream->loop)->sim, SIM_FAULT_SOCKET, NULL);
}

static void *must_calloc(size_t size)
{
    void *memory = calloc(1, size);

    if (!memory)
        abort();
    return memory;
}

static void bytes_put(struct sim_bytes *b, const void *from, size_t size)
{
    if (b->used + size > b->room) {
        b->room = 2 * (b->used + size);
        b->data = realloc(b->data, b->room);
        if (!b->data)
            abort();
    }
    if (size)
        memcpy(b->data + b->used, from, size);
    b->used += size;
}

static size_t bytes_left(const struct sim_bytes *b)
{
    return b->used - b->taken;
}

/* ---- the loop ---- */

struct sim_loop *sim_loop_new(struct sim *sim, void (*poll)(void *context), void *context)
{
    struct sim_loop *loop = must_calloc(sizeof *loop);

    loop->uv.data = loop;
    loop->sim = sim;
    loop->poll = poll;
    loop->context = context;
    loop->now_ms = os_now_ms(sim_table(sim));
    list_init(&loop->handles);
    list_init(&loop->closing);
    list_init(&loop->sockets);
    return loop;
}

bool sim_loop_free(struct sim_loop *loop)
{
    bool all_closed = list_is_empty(&loop->handles) && list_is_empty(&loop->closing);

    LIST_EACH_SAFE (link, &loop->sockets) {
        struct sim_socket *s = LIST_ENTRY(link, struct sim_socket, in_list);

        free(s->in.data);
        free(s->out.data);
        free(s);
    }
    free(loop);
    return all_closed;
}

uv_loop_t *sim_loop_uv(struct sim_loop *loop)
{
    return &loop->uv;
}

struct os_posix *sim_loop_posix(struct sim_loop *loop)
{
    return (struct os_posix *)sim_table(loop->sim);
}

static bool socket_can_move(const struct sim_socket *s)
{
    if (!s->end)
        return false;
    if (s->read && (bytes_left(&s->in) || s->reset || (s->eof && !s->eof_told)))
        return true;
    if (s->write && (s->reset || bytes_left(&s->out) < s->out_room))
        return true;
    return s->shutdown && !s->write;
}

bool sim_loop_is_quiet(const struct sim_loop *loop)
{
    if (!list_is_empty(&loop->closing))
        return false;
    LIST_EACH (link, &loop->handles) {
        const struct sim_handle *h = LIST_ENTRY(link, struct sim_handle, in_list);

        if (!h->is_active)
            continue;
        if (h->handle->type == UV_IDLE || (h->timer && h->at_ms <= loop->now_ms))
            return false;
    }
    LIST_EACH (link, &loop->sockets) {
        if (socket_can_move(LIST_ENTRY(link, struct sim_socket, in_list)))
            return false;
    }
    return true;
}

bool sim_loop_advance_to_timer(struct sim_loop *loop, uint64_t most_ms)
{
    uint64_t next = UINT64_MAX, now = os_now_ms(sim_table(loop->sim));

    LIST_EACH (link, &loop->handles) {
        const struct sim_handle *h = LIST_ENTRY(link, struct sim_handle, in_list);

        if (h->is_active && h->timer && h->at_ms < next)
            next = h->at_ms;
    }
    if (next == UINT64_MAX)
        return false;
    next = next > now ? next - now : 1;
    sim_advance_ms(loop->sim, next < most_ms ? next : most_ms);
    return true;
}

static void run_timers(struct sim_loop *loop)
{
    for (bool again = true; again;) {
        again = false;
        LIST_EACH (link, &loop->handles) {
            struct sim_handle *h = LIST_ENTRY(link, struct sim_handle, in_list);

            if (!h->is_active || !h->timer || h->at_ms > loop->now_ms)
                continue;
            h->is_active = h->repeat_ms > 0;
            h->at_ms = loop->now_ms + h->repeat_ms;
            h->timer((uv_timer_t *)h->handle);
            again = true;
            break;
        }
    }
}

static void run_prepare(struct sim_loop *loop)
{
    LIST_EACH (link, &loop->handles) {
        struct sim_handle *h = LIST_ENTRY(link, struct sim_handle, in_list);

        if (h->is_active && h->prepare) { /* the one there is; it may close others */
            h->prepare((uv_prepare_t *)h->handle);
            return;
        }
    }
}

static void run_closed(struct sim_loop *loop)
{
    struct list_link now;

    list_init(&now);
    list_splice_back(&now, &loop->closing);
    while (!list_is_empty(&now)) {
        struct sim_handle *h = LIST_ENTRY(list_first(&now), struct sim_handle, in_list);
        uv_handle_t *handle = h->handle;
        struct sim_socket *s = h->socket;

        list_remove(&h->in_list);
        if (s && s->write) {
            uv_write_t *write = s->write;

            s->write = NULL;
            s->written(write, UV_ECANCELED);
        }
        if (s && s->shutdown) {
            uv_shutdown_t *shutdown = s->shutdown;

            s->shutdown = NULL;
            s->shut(shutdown, UV_ECANCELED);
        }
        if (s) {
            s->end = NULL;
            s->has_ended = true;
        }
        free(h);
        if (handle->close_cb)
            handle->close_cb(handle);
    }
}

int uv_run(uv_loop_t *uv, uv_run_mode mode)
{
    struct sim_loop *loop = loop_of(uv);

    while (!loop->stop && !(list_is_empty(&loop->handles) && list_is_empty(&loop->closing))) {
        loop->now_ms = os_now_ms(sim_table(loop->sim));
        run_timers(loop);
        run_prepare(loop);
        if (!loop->stop && !list_is_empty(&loop->handles))
            loop->poll(loop->context);
        run_closed(loop);
    }
    loop->stop = false;
    return 0;
}

void uv_stop(uv_loop_t *uv)
{
    loop_of(uv)->stop = true;
}

uint64_t uv_now(const uv_loop_t *uv)
{
    return loop_of(uv)->now_ms;
}

static struct sim *hrtime_of; /* of the loop that was attached last */

uint64_t uv_hrtime(void)
{
    struct os *os = sim_table(hrtime_of);

    return os->ops->now_ns(os);
}

/* ---- handles ---- */

static struct sim_handle *handle_new(uv_loop_t *uv, void *memory, uv_handle_type type)
{
    struct sim_loop *loop = loop_of(uv);
    struct sim_handle *h = must_calloc(sizeof *h);
    uv_handle_t *handle = memory;

    h->loop = loop;
    h->handle = handle;
    handle->loop = uv;
    handle->type = type;
    handle->close_cb = NULL;
    handle->u.reserved[0] = h;
    list_push_back(&loop->handles, &h->in_list);
    return h;
}

void uv_close(uv_handle_t *handle, uv_close_cb closed)
{
    struct sim_handle *h = handle_of(handle);

    ASSERT(!h->is_closing);
    h->is_closing = true;
    h->is_active = false;
    if (h->socket)
        h->socket->read = NULL;
    handle->close_cb = closed;
    list_remove(&h->in_list);
    list_push_back(&h->loop->closing, &h->in_list);
}

int uv_is_closing(const uv_handle_t *handle)
{
    return handle_of(handle)->is_closing;
}

int uv_timer_init(uv_loop_t *uv, uv_timer_t *timer)
{
    handle_new(uv, timer, UV_TIMER);
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
    struct sim_handle *h = handle_of(timer);

    ASSERT(!h->is_closing && cb);
    h->timer = cb;
    h->at_ms = h->loop->now_ms + timeout;
    h->repeat_ms = repeat;
    h->is_active = true;
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    handle_of(timer)->is_active = false;
    return 0;
}

int uv_prepare_init(uv_loop_t *uv, uv_prepare_t *prepare)
{
    handle_new(uv, prepare, UV_PREPARE);
    return 0;
}

int uv_prepare_start(uv_prepare_t *prepare, uv_prepare_cb cb)
{
    handle_of(prepare)->prepare = cb;
    handle_of(prepare)->is_active = true;
    return 0;
}

int uv_idle_init(uv_loop_t *uv, uv_idle_t *idle)
{
    handle_new(uv, idle, UV_IDLE);
    return 0;
}

int uv_idle_start(uv_idle_t *idle, uv_idle_cb cb)
{
    ASSERT(!handle_of(idle)->is_closing);
    handle_of(idle)->is_active = true;
    return 0;
}

int uv_idle_stop(uv_idle_t *idle)
{
    handle_of(idle)->is_active = false;
    return 0;
}

/* ---- the server's end of a socket ---- */

int uv_tcp_init(uv_loop_t *uv, uv_tcp_t *tcp)
{
    handle_new(uv, tcp, UV_TCP);
    return 0;
}

int uv_tcp_nodelay(uv_tcp_t *tcp, int enable)
{
    return 0;
}

int uv_tcp_keepalive(uv_tcp_t *tcp, int enable, unsigned delay)
{
    return 0;
}

int uv_tcp_getpeername(const uv_tcp_t *tcp, struct sockaddr *name, int *size)
{
    const struct sim_socket *s = socket_of((const uv_stream_t *)tcp);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(s->address)};

    if (!s->address || *size < (int)sizeof address)
        return UV_ENOTCONN;
    memcpy(name, &address, sizeof address);
    *size = sizeof address;
    return 0;
}

int uv_pipe_init(uv_loop_t *uv, uv_pipe_t *pipe, int ipc)
{
    handle_new(uv, pipe, UV_NAMED_PIPE);
    return 0;
}

/* A real socket, whose other end is this process: so a unix connection is the server's user. */
int uv_fileno(const uv_handle_t *handle, uv_os_fd_t *fd)
{
    static int pair[2] = {-1, -1};

    if (pair[0] < 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return UV_EBADF;
    *fd = pair[0];
    return 0;
}

/* The connection that waits, whatever the descriptor. */
static int socket_open(uv_stream_t *client)
{
    struct sim_loop *loop = loop_of(client->loop);
    struct sim_socket *s = loop->waiting;

    if (!s)
        return UV_EBADF;
    loop->waiting = NULL;
    if (socket_fails(client)) { /* whoever had come is gone */
        s->has_ended = true;
        return UV_ECONNABORTED;
    }
    s->end = handle_of(client);
    s->end->socket = s;
    return 0;
}

int uv_tcp_open(uv_tcp_t *tcp, uv_os_sock_t fd)
{
    return socket_open((uv_stream_t *)tcp);
}

int uv_pipe_open(uv_pipe_t *pipe, uv_file fd)
{
    return socket_open((uv_stream_t *)pipe);
}

int uv_read_start(uv_stream_t *stream, uv_alloc_cb alloc, uv_read_cb read)
{
    struct sim_socket *s = socket_of(stream);

    ASSERT(!s->end->is_closing);
    if (socket_fails(stream))
        return UV_ENOTCONN;
    s->alloc = alloc;
    s->read = read;
    return 0;
}

int uv_read_stop(uv_stream_t *stream)
{
    socket_of(stream)->read = NULL;
    return 0;
}

size_t uv_stream_get_write_queue_size(const uv_stream_t *stream)
{
    const struct sim_socket *s = socket_of(stream);

    return s->write ? s->rest.len : 0;
}

/* Move as much as there is room for; how much. */
static size_t pass_on(struct sim_socket *s, const char *from, size_t size)
{
    size_t unread = bytes_left(&s->out);
    size_t room = unread < s->out_room ? s->out_room - unread : 0;

    if (size > room)
        size = room;
    bytes_put(&s->out, from, size);
    return size;
}

int uv_try_write(uv_stream_t *stream, const uv_buf_t bufs[], unsigned count)
{
    struct sim_socket *s = socket_of(stream);
    size_t done;

    ASSERT(count == 1 && !s->has_ended);
    if (s->reset || socket_fails(stream))
        return UV_EPIPE;
    if (s->write)
        return UV_EAGAIN;
    done = pass_on(s, bufs[0].base, bufs[0].len);
    return done ? (int)done : UV_EAGAIN;
}

int uv_write(uv_write_t *write, uv_stream_t *stream, const uv_buf_t bufs[], unsigned count,
             uv_write_cb cb)
{
    struct sim_socket *s = socket_of(stream);

    ASSERT(count == 1 && !s->write && !s->has_ended);
    if (socket_fails(stream))
        return UV_EPIPE;
    s->write = write;
    s->written = cb;
    s->rest = bufs[0];
    return 0;
}

int uv_shutdown(uv_shutdown_t *shutdown, uv_stream_t *stream, uv_shutdown_cb cb)
{
    struct sim_socket *s = socket_of(stream);

    if (s->reset || socket_fails(stream))
        return UV_ENOTCONN;
    ASSERT(!s->shutdown);
    s->shutdown = shutdown;
    s->shut = cb;
    return 0;
}

/* ---- the client's end ---- */

struct sim_socket *sim_socket_connect(struct sim_loop *loop)
{
    struct sim_socket *s = must_calloc(sizeof *s);

    ASSERT(!loop->waiting);
    s->loop = loop;
    s->out_room = SIZE_MAX;
    loop->waiting = s;
    list_push_back(&loop->sockets, &s->in_list);
    return s;
}

void sim_socket_set_address(struct sim_socket *s, uint32_t address)
{
    ASSERT(!s->end);
    s->address = address;
}

void sim_socket_send(struct sim_socket *s, struct slice bytes)
{
    if (!s->eof && !s->reset)
        bytes_put(&s->in, bytes.data, bytes.size);
}

void sim_socket_send_eof(struct sim_socket *s)
{
    s->eof = true;
}

void sim_socket_reset(struct sim_socket *s)
{
    s->reset = true;
    s->in.used = s->in.taken = 0;
}

/* One call of the server's read callback. false: it cannot take any more now. */
static bool deliver_once(struct sim_socket *s, size_t most)
{
    uv_stream_t *stream = (uv_stream_t *)s->end->handle;
    size_t size = bytes_left(&s->in);
    uv_buf_t buf = {NULL, 0};

    if (s->reset) {
        uv_read_cb read = s->read;

        s->read = NULL;
        read(stream, UV_ECONNRESET, &buf);
        return false;
    }
    if (!size && (!s->eof || s->eof_told))
        return false;
    s->alloc(s->end->handle, 65536, &buf);
    if (!buf.base || !buf.len) {
        s->read(stream, UV_ENOBUFS, &buf);
        return false;
    }
    if (!size) {
        s->eof_told = true;
        s->read(stream, UV_EOF, &buf);
        return false;
    }
    if (size > most)
        size = most;
    if (size > buf.len)
        size = buf.len;
    memcpy(buf.base, s->in.data + s->in.taken, size);
    s->in.taken += size;
    if (!bytes_left(&s->in))
        s->in.taken = s->in.used = 0;
    s->read(stream, (ssize_t)size, &buf);
    return true;
}

static void socket_deliver(struct sim_socket *s, size_t bytes_max)
{
    size_t before = bytes_left(&s->in);

    while (s->end && s->read && before - bytes_left(&s->in) < bytes_max)
        if (!deliver_once(s, bytes_max - (before - bytes_left(&s->in))))
            break;
}

static void socket_drain(struct sim_socket *s)
{
    if (!s->end || s->end->is_closing)
        return;
    if (s->write) {
        size_t done = s->reset ? 0 : pass_on(s, s->rest.base, s->rest.len);
        uv_write_t *write = s->write;

        s->rest.base += done;
        s->rest.len -= done;
        if (s->rest.len && !s->reset)
            return;
        s->write = NULL;
        s->written(write, s->reset ? UV_EPIPE : 0);
    } else if (s->shutdown) {
        uv_shutdown_t *shutdown = s->shutdown;

        s->shutdown = NULL;
        s->has_ended = true;
        s->shut(shutdown, s->reset ? UV_ENOTCONN : 0);
    }
}

void sim_loop_move_bytes(struct sim_loop *loop, size_t bytes_max)
{
    LIST_EACH (link, &loop->sockets) {
        struct sim_socket *s = LIST_ENTRY(link, struct sim_socket, in_list);

        socket_deliver(s, bytes_max);
        socket_drain(s);
    }
}

void sim_socket_set_room(struct sim_socket *s, size_t bytes)
{
    s->out_room = bytes;
}

struct slice sim_socket_received(const struct sim_socket *s)
{
    return s->out.data ? slice_make(s->out.data + s->out.taken, bytes_left(&s->out))
                       : SLICE_NONE;
}

void sim_socket_consume(struct sim_socket *s)
{
    s->out.used = s->out.taken = 0;
}

bool sim_socket_has_ended(const struct sim_socket *s)
{
    return s->has_ended && !s->write;
}

/* ---- what the server takes from server/os ---- */

struct os_uv {
    struct sim_loop *loop;
};

/* Jobs are run by sim_step, which the driver calls. */
enum err os_uv_attach(struct os_posix *posix, uv_loop_t *uv,
                      const struct os_lanes_options *options, struct os_uv **out)
{
    struct os_uv *jobs = must_calloc(sizeof *jobs);

    jobs->loop = loop_of(uv);
    hrtime_of = jobs->loop->sim;
    *out = jobs;
    return ERR_OK;
}

void os_uv_detach(struct os_uv *jobs, void (*closed)(void *context), void *context)
{
    sim_run_until_idle(jobs->loop->sim);
    free(jobs);
    if (closed)
        closed(context);
}

unsigned os_uv_jobs(const struct os_uv *jobs)
{
    return sim_jobs(jobs->loop->sim);
}

struct os *os_posix_table(struct os_posix *posix)
{
    return (struct os *)posix;
}

/* An archive for the log is the only other directory; no simulated server has one. */
enum err os_posix_open(const char *directory, bool create, struct os_posix **out, char *why,
                       size_t why_size)
{
    (void)directory, (void)create, (void)why, (void)why_size;
    *out = NULL;
    return ERR_NOT_FOUND;
}

void os_posix_close(struct os_posix *posix)
{
    ASSERT(!posix);
}
