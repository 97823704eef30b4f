#include "tests/bench/attack.h"

#include "proto/msgpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (1u << 20)

bool attacker_open(struct attacker *a, const struct peer *p)
{
    *a = (struct attacker){.fd = tcp_connect(p->port, 5, p->pid)};
    return a->fd >= 0;
}

void attacker_close(struct attacker *a)
{
    if (a->fd >= 0)
        close(a->fd);
    free(a->out.data);
    free(a->in.data);
    *a = (struct attacker){.fd = -1};
}

void attacker_array(struct attacker *a, uint32_t count)
{
    buffer_grew(&a->out, msgpack_put_array_head(buffer_room(&a->out, 8), count));
}

void attacker_map(struct attacker *a, uint32_t pairs)
{
    buffer_grew(&a->out, msgpack_put_map_head(buffer_room(&a->out, 8), pairs));
}

void attacker_uint(struct attacker *a, uint64_t n)
{
    buffer_grew(&a->out, msgpack_put_uint(buffer_room(&a->out, 16), n));
}

void attacker_nil(struct attacker *a)
{
    buffer_grew(&a->out, msgpack_put_nil(buffer_room(&a->out, 1)));
}

void attacker_text(struct attacker *a, const char *text)
{
    buffer_grew(&a->out,
                msgpack_put_text(buffer_room(&a->out, strlen(text) + 8), slice_text(text)));
}

void attacker_bytes(struct attacker *a, uint32_t size)
{
    buffer_grew(&a->out, msgpack_put_binary_head(buffer_room(&a->out, 8), size));
    memset(buffer_room(&a->out, size), 'x', size);
    buffer_grew(&a->out, size);
}

void attacker_ask(struct attacker *a, const char *method, uint32_t params)
{
    attacker_array(a, 4);
    attacker_uint(a, 0);
    attacker_uint(a, a->next_id++);
    attacker_text(a, method);
    attacker_array(a, params);
    a->sent++;
}

void attacker_tell(struct attacker *a, const char *method, uint32_t params)
{
    attacker_array(a, 3);
    attacker_uint(a, 2);
    attacker_text(a, method);
    attacker_array(a, params);
}

bool attacker_send(struct attacker *a)
{
    bool ok = a->fd >= 0 && write_all(a->fd, a->out.data, a->out.size);

    a->out.size = 0;
    return ok;
}

/* The value of a name of the map that m stands at; false: it has none. */
static bool find_in_map(struct msgpack_cursor *m, const char *name)
{
    struct slice found;
    uint32_t pairs;

    if (msgpack_read_map(m, &pairs))
        return false;
    for (; pairs > 0; pairs--) {
        if (msgpack_read_text(m, &found))
            return false;
        if (slice_equal(found, slice_text(name)))
            return true;
        if (msgpack_skip(m, MSGPACK_DEPTH_MAX, NULL))
            return false;
    }
    return false;
}

static void take_answer(struct attacker *a, struct slice answer)
{
    struct msgpack_cursor m = msgpack_open(answer), inner;
    struct slice error = SLICE_NONE, result = SLICE_NONE, name;
    uint64_t n;
    uint32_t count;

    a->sent--;
    a->number = 0;
    if (msgpack_read_array(&m, &count) || msgpack_read_uint(&m, &n) ||
        msgpack_read_uint(&m, &n) || msgpack_skip(&m, MSGPACK_DEPTH_MAX, &error) ||
        msgpack_skip(&m, MSGPACK_DEPTH_MAX, &result))
        return;
    inner = msgpack_open(error);
    if (error.size > 1) {
        a->refused++;
        if (find_in_map(&inner, "name") && !msgpack_read_text(&inner, &name))
            snprintf(a->error, sizeof a->error, "%.*s", (int)name.size,
                     (const char *)name.data);
    }
    inner = msgpack_open(result);
    if (find_in_map(&inner, "cursor") && !msgpack_read_uint(&inner, &n))
        a->number = n;
}

/* What has come whole is taken out of the buffer. */
static void take_answers(struct attacker *a)
{
    struct msgpack_cursor m = msgpack_open(slice_make(a->in.data, a->in.size));
    size_t used = 0;
    struct slice answer;

    while (a->sent && msgpack_skip(&m, MSGPACK_DEPTH_MAX, &answer) == ERR_OK) {
        take_answer(a, answer);
        used = (size_t)(m.at - a->in.data);
    }
    memmove(a->in.data, a->in.data + used, a->in.size - used);
    a->in.size -= used;
}

bool attacker_wait(struct attacker *a)
{
    if (!attacker_send(a) && !a->sent)
        return false;
    while (a->sent) {
        ssize_t n = read(a->fd, buffer_room(&a->in, READ_BYTES), READ_BYTES);

        if (n <= 0) {
            a->is_closed = true;
            return false;
        }
        buffer_grew(&a->in, (size_t)n);
        take_answers(a);
    }
    return true;
}

bool attacker_call(struct attacker *a, const char *method, uint64_t t, const char *store)
{
    attacker_ask(a, method, store ? 2 : 1);
    attacker_uint(a, t);
    if (store)
        attacker_text(a, store);
    return attacker_wait(a);
}

uint64_t attacker_turn_max(struct attacker *a)
{
    struct msgpack_cursor m;
    uint64_t n = 0;
    uint32_t count;

    attacker_ask(a, "status", 0);
    a->sent = 0;
    if (!attacker_send(a))
        return 0;
    a->in.size = 0;
    for (;;) {
        ssize_t got = read(a->fd, buffer_room(&a->in, READ_BYTES), READ_BYTES);

        if (got <= 0)
            return 0;
        buffer_grew(&a->in, (size_t)got);
        m = msgpack_open(slice_make(a->in.data, a->in.size));
        if (msgpack_skip(&m, MSGPACK_DEPTH_MAX, NULL) == ERR_OK)
            break;
    }
    m = msgpack_open(slice_make(a->in.data, a->in.size));
    a->in.size = 0;
    if (msgpack_read_array(&m, &count) || msgpack_read_uint(&m, &n) ||
        msgpack_read_uint(&m, &n) || msgpack_skip(&m, MSGPACK_DEPTH_MAX, NULL) ||
        !find_in_map(&m, "loop") || !find_in_map(&m, "turn_max_us") ||
        msgpack_read_uint(&m, &n))
        return 0;
    return n;
}
