#include "tests/integration/fake_server.h"
#include "tests/integration/fake_model.h"

#include <check.h>
#include <errno.h>
#include <msgpack.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TXNS_MAX 64
#define CURSORS_MAX 64
#define METHODS_MAX 32

struct txn {
    uint32_t handle; /* 0: free */
    bool on_error_continue;
    bool failed;
    struct state state;
};

struct cursor {
    bool open;
    struct record *rows; /* a copy of all that is to come */
    size_t count, at;
    unsigned page;
    char only; /* 'k', 'v' or 0 */
};

struct fake_server {
    struct fake_options options;
    pthread_t thread;
    int listener, client;
    bool stopping;
    pthread_mutex_t lock; /* of client and stopping */
    char address[128], path[100];
    struct state state;
    struct txn txns[TXNS_MAX];
    struct cursor cursors[CURSORS_MAX];
    uint64_t versions, commits;
    unsigned requests, connections, deadlines, locks;
    size_t bytes_in, bytes_out; /* of this connection */
    struct {
        char name[32];
        unsigned calls;
    } methods[METHODS_MAX];
    msgpack_sbuffer out; /* replies not sent yet, in their order */
    size_t ends[4096];   /* where each ends in out */
    unsigned end_count;
};

/* ---- Cursors ---- */

static void cursor_close(struct cursor *c)
{
    for (size_t i = 0; i < c->count; i++)
        fake_record_free(&c->rows[i]);
    free(c->rows);
    memset(c, 0, sizeof *c);
}

static void pack_page(struct fake_server *server, unsigned number, struct answer *a)
{
    struct cursor *c = &server->cursors[number - 1];
    size_t rows = c->count - c->at < c->page ? c->count - c->at : c->page;

    msgpack_pack_map(&a->packer, 2);
    fake_pack_text(&a->packer, "rows");
    msgpack_pack_array(&a->packer, rows);
    for (size_t i = 0; i < rows; i++, c->at++) {
        msgpack_pack_array(&a->packer, c->only ? 1 : 2);
        if (c->only != 'v')
            fake_pack_raw(&a->packer, c->rows[c->at].key);
        if (c->only != 'k')
            fake_pack_raw(&a->packer, c->rows[c->at].value);
    }
    fake_pack_text(&a->packer, "cursor");
    if (c->at < c->count) {
        msgpack_pack_uint32(&a->packer, number);
    } else {
        msgpack_pack_nil(&a->packer);
        cursor_close(c);
    }
}

static void do_scan(struct fake_server *server, struct state *state, msgpack_object params,
                    struct answer *a)
{
    struct store *s = fake_store_find(state, fake_param(params, 1));
    msgpack_object range = fake_param(params, 2), options = fake_param(params, 3);
    msgpack_object gte = fake_map_get(range, "gte"), limit = fake_map_get(options, "limit");
    bool reverse = fake_map_get(options, "reverse").type == MSGPACK_OBJECT_BOOLEAN;
    struct cursor *c;
    unsigned number = 0;
    size_t from = 0;

    if (!s) {
        fake_refuse(a, 1003, "NO_STORE");
        return;
    }
    while (server->cursors[number].open)
        number++;
    ck_assert_uint_lt(number, CURSORS_MAX);
    c = &server->cursors[number];
    c->open = true;
    c->page = server->options.page_rows ? server->options.page_rows : 3;
    c->only = fake_object_is(fake_map_get(options, "only"), "keys")     ? 'k'
              : fake_object_is(fake_map_get(options, "only"), "values") ? 'v'
                                                                        : 0;
    if (gte.type != MSGPACK_OBJECT_NIL) {
        struct bytes bound = fake_bytes_of(gte);

        fake_store_search(s, bound, &from);
        free(bound.data);
    }
    c->rows = malloc((s->count + 1) * sizeof *c->rows);
    for (size_t i = from; i < s->count; i++) {
        const struct record *r = &s->records[reverse ? s->count - 1 - (i - from) : i];

        if (limit.type != MSGPACK_OBJECT_NIL && c->count >= limit.via.u64)
            break;
        c->rows[c->count].key = fake_bytes_copy(r->key.data, r->key.size);
        c->rows[c->count++].value = fake_bytes_copy(r->value.data, r->value.size);
    }
    pack_page(server, number + 1, a);
}

static void do_next(struct fake_server *server, msgpack_object number, struct answer *a)
{
    if (number.via.u64 == 0 || number.via.u64 > CURSORS_MAX ||
        !server->cursors[number.via.u64 - 1].open)
        fake_refuse(a, 1006, "NO_CURSOR");
    else
        pack_page(server, (unsigned)number.via.u64, a);
}

static struct txn *txn_find(struct fake_server *server, uint64_t handle)
{
    for (int i = 0; i < TXNS_MAX; i++) {
        if (server->txns[i].handle == handle)
            return &server->txns[i];
    }
    return NULL;
}

static void txn_end(struct txn *t)
{
    fake_state_clear(&t->state);
    memset(t, 0, sizeof *t);
}

static void pack_commit(struct fake_server *server, msgpack_packer *p)
{
    fake_pack_text(p, "commit");
    msgpack_pack_uint64(p, ++server->commits);
}

static void do_begin(struct fake_server *server, msgpack_object params, struct answer *a)
{
    struct txn *t = txn_find(server, 0);

    ck_assert_ptr_nonnull(t);
    t->handle = (uint32_t)fake_param(params, 0).via.u64;
    t->on_error_continue =
        fake_object_is(fake_map_get(fake_param(params, 1), "on_error"), "continue");
    fake_state_copy(&t->state, &server->state);
    msgpack_pack_map(&a->packer, 2);
    fake_pack_text(&a->packer, "version");
    msgpack_pack_uint64(&a->packer, ++server->versions);
    fake_pack_text(&a->packer, "snapshot");
    msgpack_pack_uint64(&a->packer, server->commits);
}

static void do_commit(struct fake_server *server, msgpack_object params, struct answer *a)
{
    struct txn *t = txn_find(server, fake_param(params, 0).via.u64);

    if (!t) {
        fake_refuse(a, 1005, "NO_TXN");
        return;
    }
    if (t->failed) {
        fake_refuse(a, 1007, "EXISTS"); /* the only way here to doom one */
        txn_end(t);
        return;
    }
    fake_state_clear(&server->state);
    fake_state_copy(&server->state, &t->state);
    txn_end(t);
    msgpack_pack_map(&a->packer, 1);
    pack_commit(server, &a->packer);
}

/* Methods on records and stores, in some state. False: not one of them. */
static bool do_in_state(struct fake_server *server, struct state *state, const char *method,
                        msgpack_object params, struct answer *a)
{
    struct store *s;

    if (strcmp(method, "put") == 0 || strcmp(method, "insert") == 0 ||
        strcmp(method, "update") == 0) {
        fake_do_write(state, method, params, a);
    } else if (strcmp(method, "get") == 0 || strcmp(method, "has") == 0 ||
               strcmp(method, "delete") == 0) {
        fake_do_key(state, method, params, a);
    } else if (strcmp(method, "create_store") == 0) {
        fake_do_create(state, params, a);
    } else if (strcmp(method, "drop_store") == 0 || strcmp(method, "clear_store") == 0 ||
               strcmp(method, "rename_store") == 0 || strcmp(method, "delete_range") == 0) {
        fake_do_store(state, method, params, a);
    } else if (strcmp(method, "stores") == 0) {
        fake_do_stores(state, params, a);
    } else if (strcmp(method, "scan") == 0) {
        do_scan(server, state, params, a);
    } else if (strcmp(method, "count") == 0) {
        s = fake_store_find(state, fake_param(params, 1));
        if (s)
            msgpack_pack_uint64(&a->packer, s->count);
        else
            fake_refuse(a, 1003, "NO_STORE");
    } else {
        return false;
    }
    return true;
}

static void do_run(struct fake_server *server, msgpack_object params, struct answer *a,
                   int *index)
{
    msgpack_object ops = fake_param(params, 0), nil = {.type = MSGPACK_OBJECT_NIL};
    struct state state;

    fake_state_copy(&state, &server->state);
    msgpack_pack_map(&a->packer, 2);
    fake_pack_text(&a->packer, "results");
    msgpack_pack_array(&a->packer, ops.via.array.size);
    for (uint32_t i = 0; i < ops.via.array.size && !a->error; i++) {
        msgpack_object op = ops.via.array.ptr[i], with_t[8] = {nil};
        msgpack_object given = fake_param(op, 1), all = {.type = MSGPACK_OBJECT_ARRAY};
        char method[32] = "";

        memcpy(method, fake_param(op, 0).via.str.ptr, fake_param(op, 0).via.str.size);
        memcpy(with_t + 1, given.via.array.ptr, given.via.array.size * sizeof with_t[0]);
        all.via.array.size = given.via.array.size + 1;
        all.via.array.ptr = with_t;
        if (!do_in_state(server, &state, method, all, a))
            fake_refuse(a, 1001, "BAD_REQUEST");
        *index = (int)i;
    }
    pack_commit(server, &a->packer);
    if (!a->error) {
        fake_state_clear(&server->state);
        server->state = state;
    } else {
        fake_state_clear(&state);
    }
}

static void do_ping(struct fake_server *server, struct answer *a)
{
    char *padding = calloc(1, server->options.padding + 1);

    memset(padding, 'x', server->options.padding);
    fake_pack_text(&a->packer, server->options.padding ? padding : "pong");
    free(padding);
}

static void perform(struct fake_server *server, const char *method, msgpack_object params,
                    struct answer *a, int *index)
{
    uint64_t handle = fake_param(params, 0).type == MSGPACK_OBJECT_POSITIVE_INTEGER
                          ? fake_param(params, 0).via.u64
                          : 0;
    struct txn *t = handle ? txn_find(server, handle) : NULL;

    if (strcmp(method, "ping") == 0) {
        do_ping(server, a);
    } else if (strcmp(method, "begin") == 0) {
        do_begin(server, params, a);
    } else if (strcmp(method, "commit") == 0) {
        do_commit(server, params, a);
    } else if (strcmp(method, "rollback") == 0) {
        if (t)
            txn_end(t);
        msgpack_pack_nil(&a->packer);
    } else if (strcmp(method, "run") == 0) {
        do_run(server, params, a, index);
    } else if (strcmp(method, "next") == 0) {
        do_next(server, fake_param(params, 0), a);
    } else if (strcmp(method, "close") == 0) {
        if (handle <= CURSORS_MAX)
            cursor_close(&server->cursors[handle - 1]);
        msgpack_pack_nil(&a->packer);
    } else if (handle && !t) {
        fake_refuse(a, 1005, "NO_TXN");
    } else if (t && t->failed) {
        fake_refuse(a, 1010, "TXN_FAILED");
    } else if (!do_in_state(server, t ? &t->state : &server->state, method, params, a)) {
        fake_refuse(a, 1001, "BAD_REQUEST");
    }
    if (a->error && t && t->handle && !t->on_error_continue)
        t->failed = true;
}

/* ---- Requests ---- */

static unsigned *method_calls(struct fake_server *server, const char *method)
{
    int i = 0;

    while (server->methods[i].name[0] && strcmp(server->methods[i].name, method) != 0)
        i++;
    ck_assert_int_lt(i, METHODS_MAX);
    snprintf(server->methods[i].name, sizeof server->methods[i].name, "%s", method);
    return &server->methods[i].calls;
}

static const struct fake_fault *fault_of(struct fake_server *server, const char *method,
                                         unsigned call)
{
    for (int i = 0; i < FAKE_FAULTS_MAX && server->options.faults[i].method; i++) {
        const struct fake_fault *f = &server->options.faults[i];

        if (strcmp(f->method, method) == 0 && call >= f->after && call < f->after + f->times)
            return f;
    }
    return NULL;
}

static void pack_error(msgpack_packer *p, const struct answer *a, const struct fake_fault *f,
                       int index)
{
    bool has_details = index >= 0 || (f && f->retry_after_ms);

    msgpack_pack_map(p, 7);
    fake_pack_text(p, "code");
    msgpack_pack_int(p, f ? f->code : a->code);
    fake_pack_text(p, "name");
    fake_pack_text(p, f ? f->name : a->error);
    fake_pack_text(p, "message");
    fake_pack_text(p, "as ordered");
    fake_pack_text(p, "class");
    fake_pack_text(p, f ? f->class_name : "request");
    fake_pack_text(p, "retryable");
    (f && f->retryable ? msgpack_pack_true : msgpack_pack_false)(p);
    fake_pack_text(p, "maybe_committed");
    msgpack_pack_false(p);
    fake_pack_text(p, "details");
    if (!has_details) {
        msgpack_pack_nil(p);
        return;
    }
    msgpack_pack_map(p, 1);
    fake_pack_text(p, index >= 0 ? "index" : "retry_after_ms");
    msgpack_pack_int64(p, index >= 0 ? index : (int64_t)f->retry_after_ms);
}

/* False: hang up. */
static bool request(struct fake_server *server, msgpack_object frame)
{
    msgpack_object_array f = frame.via.array;
    char method[32] = "";
    const struct fake_fault *fault;
    msgpack_sbuffer result;
    struct answer a = {.error = NULL};
    struct txn *t;
    msgpack_packer out;
    int index = -1;
    bool hang_up;

    memcpy(method, f.ptr[2].via.str.ptr, f.ptr[2].via.str.size);
    if (f.ptr[3].via.array.size > 0)
        server->deadlines +=
            fake_map_get(fake_param(f.ptr[3], f.ptr[3].via.array.size - 1), "deadline_ms")
                .type != MSGPACK_OBJECT_NIL;
    if (f.ptr[3].via.array.size > 0)
        server->locks +=
            fake_map_get(
                fake_map_get(fake_param(f.ptr[3], f.ptr[3].via.array.size - 1), "lock"),
                "exclusive")
                .type == MSGPACK_OBJECT_ARRAY;
    fault = fault_of(server, method, (*method_calls(server, method))++);
    server->requests++;
    hang_up =
        server->options.hang_up_after && server->requests >= server->options.hang_up_after &&
        (!server->options.hang_up_once || server->connections <= server->options.hang_up_once);
    if (hang_up && !server->options.hang_up_applies)
        return false;
    msgpack_sbuffer_init(&result);
    msgpack_packer_init(&a.packer, &result, msgpack_sbuffer_write);
    if (!fault || fault->apply)
        perform(server, method, f.ptr[3], &a, &index);
    else if (strcmp(method, "commit") == 0 &&
             (t = txn_find(server, fake_param(f.ptr[3], 0).via.u64)))
        txn_end(t); /* a commit that is refused ends its transaction */
    msgpack_packer_init(&out, &server->out, msgpack_sbuffer_write);
    msgpack_pack_array(&out, 4);
    msgpack_pack_int(&out, 1);
    msgpack_pack_uint32(&out, (uint32_t)f.ptr[1].via.u64);
    if (fault || a.error) {
        pack_error(&out, &a, fault, fault ? fault->index : index);
        msgpack_pack_nil(&out);
    } else {
        msgpack_pack_nil(&out);
        msgpack_sbuffer_write(&server->out, result.data, result.size);
    }
    msgpack_sbuffer_destroy(&result);
    ck_assert_uint_lt(server->end_count, 4096);
    server->ends[server->end_count++] = server->out.size;
    return !hang_up;
}

/* How many of size bytes may still go that way. */
static size_t bytes_until_cut(const struct fake_server *server, bool out, size_t size)
{
    const struct fake_cut *cut = &server->options.cut;
    size_t left = cut->bytes - (out ? server->bytes_out : server->bytes_in);

    if (cut->connection != server->connections || cut->out != out)
        return size;
    return left < size ? left : size;
}

static bool send_all(struct fake_server *server, const char *data, size_t size)
{
    while (size > 0) {
        size_t part = bytes_until_cut(server, true, server->options.trickle ? 1 : size);
        ssize_t n = part ? send(server->client, data, part, MSG_NOSIGNAL) : 0;

        if (n <= 0)
            return false;
        server->bytes_out += (size_t)n;
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* Whether the i-th of the replies at hand is kept back. */
static bool is_silent(const struct fake_server *server, unsigned i)
{
    unsigned from = server->options.silent_from;

    return from && server->requests - server->end_count + i + 1 >= from;
}

static bool send_replies(struct fake_server *server)
{
    bool ok = true;
    unsigned count = server->end_count;

    if (server->options.raw_reply && count > 0) {
        send_all(server, server->options.raw_reply, server->options.raw_reply_size);
        ok = false;
    }
    for (unsigned i = 0; i < count && ok && !is_silent(server, i); i++) {
        unsigned k = server->options.reverse ? count - 1 - i : i;
        size_t from = k ? server->ends[k - 1] : 0;

        ok = send_all(server, server->out.data + from, server->ends[k] - from);
    }
    server->end_count = 0;
    server->out.size = 0;
    return ok;
}

static void serve(struct fake_server *server)
{
    msgpack_unpacker unpacker;
    msgpack_unpacked frame;
    bool open = true;

    server->bytes_in = server->bytes_out = 0;
    if (server->options.deaf) {
        struct pollfd end = {.fd = server->client, .events = POLLRDHUP};

        poll(&end, 1, -1);
        return;
    }
    msgpack_unpacker_init(&unpacker, 1 << 16);
    msgpack_unpacked_init(&frame);
    while (open) {
        size_t room = bytes_until_cut(server, false, 1 << 16);
        ssize_t n;

        msgpack_unpacker_reserve_buffer(&unpacker, 1 << 16);
        n = room ? recv(server->client, msgpack_unpacker_buffer(&unpacker), room, 0) : 0;
        if (n <= 0)
            break;
        server->bytes_in += (size_t)n;
        msgpack_unpacker_buffer_consumed(&unpacker, (size_t)n);
        while (open && msgpack_unpacker_next(&unpacker, &frame) == MSGPACK_UNPACK_SUCCESS) {
            open = request(server, frame.data);
            if (server->end_count >= 1000)
                open = send_replies(server) && open;
        }
        open = (open || !server->options.hang_up_applies) && send_replies(server) && open;
    }
    msgpack_unpacked_destroy(&frame);
    msgpack_unpacker_destroy(&unpacker);
    server->end_count = 0;
    server->out.size = 0;
    for (int i = 0; i < TXNS_MAX; i++)
        txn_end(&server->txns[i]);
}

static void *run(void *arg)
{
    struct fake_server *server = arg;

    for (;;) {
        int fd = accept(server->listener, NULL, NULL), one = 1;

        if (fd >= 0 && !server->options.unix_socket)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_mutex_lock(&server->lock);
        server->client = server->stopping ? -1 : fd;
        pthread_mutex_unlock(&server->lock);
        if (fd < 0 || server->client < 0) {
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        server->connections++;
        serve(server);
        pthread_mutex_lock(&server->lock);
        close(server->client);
        server->client = -1;
        pthread_mutex_unlock(&server->lock);
    }
}

/* ---- Start and stop ---- */

static void listen_tcp(struct fake_server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;

    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(getsockname(s->listener, (struct sockaddr *)&at, &size), 0);
    snprintf(s->address, sizeof s->address, "127.0.0.1:%u", ntohs(at.sin_port));
}

static void listen_unix(struct fake_server *s)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    snprintf(s->path, sizeof s->path, "/tmp/holdfast-test-%d.sock", (int)getpid());
    unlink(s->path);
    strcpy(at.sun_path, s->path);
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
    snprintf(s->address, sizeof s->address, "unix:%s", s->path);
}

struct fake_server *fake_server_start(const struct fake_options *options)
{
    struct fake_server *s = calloc(1, sizeof *s);

    ck_assert_ptr_nonnull(s);
    if (options)
        s->options = *options;
    s->client = -1;
    msgpack_sbuffer_init(&s->out);
    pthread_mutex_init(&s->lock, NULL);
    if (s->options.unix_socket)
        listen_unix(s);
    else
        listen_tcp(s);
    ck_assert_int_eq(listen(s->listener, 16), 0);
    ck_assert_int_eq(pthread_create(&s->thread, NULL, run, s), 0);
    return s;
}

const char *fake_server_address(const struct fake_server *s)
{
    return s->address;
}

void fake_server_stop(struct fake_server *s)
{
    if (s->listener < 0)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    shutdown(s->listener, SHUT_RDWR);
    if (s->client >= 0)
        shutdown(s->client, SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    close(s->listener);
    s->listener = -1;
    if (s->path[0])
        unlink(s->path);
}

unsigned fake_server_calls(const struct fake_server *s, const char *method)
{
    for (int i = 0; i < METHODS_MAX; i++) {
        if (strcmp(s->methods[i].name, method) == 0)
            return s->methods[i].calls;
    }
    return 0;
}

size_t fake_server_records(const struct fake_server *s, const char *store)
{
    for (int i = 0; i < STORES_MAX; i++) {
        if (strcmp(s->state.stores[i].name, store) == 0)
            return s->state.stores[i].count;
    }
    return 0;
}

bool fake_server_has(const struct fake_server *s, const char *store, const void *key,
                     size_t size)
{
    struct bytes wanted = {(char *)key, size};
    size_t at;

    for (int i = 0; i < STORES_MAX; i++) {
        if (strcmp(s->state.stores[i].name, store) == 0)
            return fake_store_search(&s->state.stores[i], wanted, &at);
    }
    return false;
}

static uint64_t digest_add(uint64_t digest, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++)
        digest = (digest ^ bytes[i]) * 0x100000001b3u;
    return (digest ^ size) * 0x100000001b3u;
}

uint64_t fake_server_digest(const struct fake_server *s)
{
    uint64_t digest = 0xcbf29ce484222325u;

    for (int i = 0; i < STORES_MAX; i++) {
        const struct store *store = &s->state.stores[i];

        digest = digest_add(digest, store->name, strlen(store->name));
        for (size_t k = 0; k < store->count; k++) {
            digest = digest_add(digest, store->records[k].key.data, store->records[k].key.size);
            digest =
                digest_add(digest, store->records[k].value.data, store->records[k].value.size);
        }
    }
    return digest;
}

unsigned fake_server_deadlines(const struct fake_server *s)
{
    return s->deadlines;
}

unsigned fake_server_locks(const struct fake_server *s)
{
    return s->locks;
}

unsigned fake_server_open_cursors(const struct fake_server *s)
{
    unsigned count = 0;

    for (int i = 0; i < CURSORS_MAX; i++)
        count += s->cursors[i].open;
    return count;
}

void fake_server_free(struct fake_server *s)
{
    fake_server_stop(s);
    fake_state_clear(&s->state);
    for (int i = 0; i < CURSORS_MAX; i++)
        cursor_close(&s->cursors[i]);
    msgpack_sbuffer_destroy(&s->out);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
