#include "tests/bench/attack.h"

#include "proto/msgpack.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STORE "b" /* is there from the start */
#define PUTS 20000u
#define TXNS_EACH 500u /* open transactions of one connection */
#define HOG_SECONDS 2

/* From here on it is measured. */
static void strike_begins(struct attack_run *r)
{
    r->begun_ns = now_ns();
    r->begun_cpu = attack_cpu(r->peer->pid);
}

static unsigned scaled(const struct attack_run *r, unsigned n)
{
    return n / r->divisor > 1 ? n / r->divisor : 1;
}

static bool others_open(struct attack_run *r, unsigned count)
{
    r->others = calloc(count, sizeof *r->others);
    for (r->other_count = 0; r->other_count < count; r->other_count++) {
        if (!attacker_open(&r->others[r->other_count], r->peer))
            return false;
    }
    return true;
}

static void ask_begin(struct attacker *a, uint64_t t, bool serializable)
{
    attacker_ask(a, "begin", 2);
    attacker_uint(a, t);
    attacker_map(a, serializable);
    if (serializable) {
        attacker_text(a, "isolation");
        attacker_text(a, "serializable");
    }
}

/* Answered or not. */
static void put(struct attacker *a, bool ask, uint64_t t, uint64_t key)
{
    if (ask)
        attacker_ask(a, "put", 4);
    else
        attacker_tell(a, "put", 4);
    attacker_uint(a, t);
    attacker_text(a, STORE);
    attacker_uint(a, 1);
    attacker_uint(a, key);
}

static void ask_get_many(struct attacker *a, uint64_t t, uint64_t from, uint32_t count)
{
    attacker_ask(a, "get_many", 3);
    attacker_uint(a, t);
    attacker_text(a, STORE);
    attacker_array(a, count);
    for (uint32_t i = 0; i < count; i++)
        attacker_uint(a, from + i);
}

/* ---- commits beside readers and writers ---- */

static bool nobody(struct attack_run *r)
{
    strike_begins(r);
    return poll(NULL, 0, r->divisor > 1 ? 50 : 1000) == 0;
}

static bool write_20000(struct attack_run *r)
{
    struct attacker *a = &r->main;

    strike_begins(r);
    ask_begin(a, 1, false);
    for (unsigned i = 0; i < scaled(r, PUTS); i++)
        put(a, false, 1, i);
    return attacker_call(a, "commit", 1, NULL);
}

static bool readers_of_many(struct attack_run *r)
{
    if (!others_open(r, 50))
        return false;
    for (unsigned i = 0; i < r->other_count; i++) {
        struct attacker *a = &r->others[i];

        ask_begin(a, 1, true);
        for (unsigned k = 0; k < scaled(r, 10000); k += 500)
            ask_get_many(a, 1, 1000000 + i * 10000 + k, scaled(r, 500));
        if (!attacker_wait(a))
            return false;
    }
    return true;
}

/* count transactions of one record each, read or written. */
static bool crowd(struct attack_run *r, unsigned count, bool writers)
{
    if (!others_open(r, (count + TXNS_EACH - 1) / TXNS_EACH))
        return false;
    for (unsigned i = 0; i < count; i++) {
        struct attacker *a = &r->others[i / TXNS_EACH];
        uint64_t t = i % TXNS_EACH + 1;

        ask_begin(a, t, !writers);
        if (writers)
            put(a, true, t, 1000000 + i);
        else
            ask_get_many(a, t, 1000000 + i, 1);
        if ((t == TXNS_EACH || i + 1 == count) && !attacker_wait(a))
            return false;
    }
    return true;
}

static bool readers_of_one(struct attack_run *r)
{
    return crowd(r, scaled(r, 1000), false);
}

static bool old_writers(struct attack_run *r)
{
    return crowd(r, scaled(r, 10000), true);
}

/* ---- single requests ---- */

static bool wide_map(struct attack_run *r)
{
    struct attacker *a = &r->main;
    unsigned pairs = scaled(r, 480000);

    attacker_ask(a, "put", 4);
    attacker_uint(a, 0);
    attacker_text(a, STORE);
    attacker_map(a, pairs);
    for (unsigned i = 0; i < pairs; i++) {
        attacker_uint(a, 1000000 + i);
        attacker_uint(a, 1);
    }
    attacker_uint(a, 1);
    strike_begins(r);
    return attacker_wait(a);
}

/* Maps of keys that are alike in all that a quick look at them takes in. */
static bool colliding_keys(struct attack_run *r)
{
    struct attacker *a = &r->main;
    unsigned maps = scaled(r, 4600);

    attacker_ask(a, "put", 4);
    attacker_uint(a, 0);
    attacker_text(a, STORE);
    attacker_array(a, maps);
    for (unsigned i = 0; i < maps; i++) {
        attacker_map(a, 30);
        for (unsigned k = 0; k < 30; k++) {
            char key[32];

            snprintf(key, sizeof key, "aaaaaaaa%08uzzzzzzzz", k);
            attacker_text(a, key);
            attacker_uint(a, 1);
        }
    }
    attacker_uint(a, 1);
    strike_begins(r);
    return attacker_wait(a);
}

static bool get_many(struct attack_run *r)
{
    ask_get_many(&r->main, 0, 1000000, scaled(r, 300000));
    strike_begins(r);
    return attacker_wait(&r->main);
}

static bool make_stores(struct attack_run *r)
{
    struct attacker *a = &r->main;
    unsigned runs = scaled(r, 500);

    for (unsigned i = 0; i < runs; i++) {
        attacker_ask(a, "run", 1);
        attacker_array(a, 200);
        for (unsigned k = 0; k < 200; k++) {
            char name[32];

            snprintf(name, sizeof name, "s%06u", i * 200 + k);
            attacker_array(a, 2);
            attacker_text(a, "create_store");
            attacker_array(a, 1);
            attacker_text(a, name);
        }
    }
    return attacker_wait(a);
}

static bool list_stores(struct attack_run *r)
{
    strike_begins(r);
    attacker_ask(&r->main, "stores", 0);
    return attacker_wait(&r->main);
}

/* All pages at once: where each begins is known. */
static bool list_pages(struct attack_run *r)
{
    struct attacker *a = &r->main;
    unsigned stores = scaled(r, 500) * 200, page = 1000;

    strike_begins(r);
    for (unsigned from = 0; from < stores; from += page) {
        char name[32];

        snprintf(name, sizeof name, "s%06u", from);
        attacker_ask(a, "stores", 2);
        attacker_uint(a, 0);
        attacker_map(a, 2);
        attacker_text(a, "from");
        attacker_text(a, name);
        attacker_text(a, "limit");
        attacker_uint(a, page);
    }
    return attacker_wait(a);
}

/* ---- many of one kind ---- */

static bool open_cursors(struct attack_run *r)
{
    struct attacker *a = &r->main;
    unsigned cursors = scaled(r, 1000);
    uint64_t *numbers = calloc(cursors, sizeof *numbers);
    bool ok = true;

    for (unsigned k = 0; k < 20; k++)
        put(a, true, 0, k);
    ok = attacker_wait(a);
    strike_begins(r);
    for (unsigned i = 0; ok && i < cursors; i++) {
        attacker_ask(a, "scan", 4);
        attacker_uint(a, 0);
        attacker_text(a, STORE);
        attacker_nil(a);
        attacker_map(a, 1);
        attacker_text(a, "page");
        attacker_uint(a, 1);
        ok = attacker_wait(a);
        numbers[i] = a->number;
    }
    for (unsigned i = 0; ok && i < cursors; i++) {
        attacker_ask(a, "next", 1);
        attacker_uint(a, numbers[i]);
    }
    ok = ok && attacker_wait(a);
    free(numbers);
    return ok;
}

static bool connect_many(struct attack_run *r)
{
    strike_begins(r);
    if (!others_open(r, scaled(r, 1000)))
        return false;
    for (unsigned i = 0; i < r->other_count; i++) {
        attacker_ask(&r->others[i], "ping", 0);
        attacker_send(&r->others[i]);
    }
    for (unsigned i = 0; i < r->other_count; i++)
        attacker_wait(&r->others[i]); /* one that is refused is closed behind its answer */
    return true;
}

/* Gets of a record of 4 MB without reading any, until the server has hung up or takes no more. */
static bool sends_only(struct attack_run *r)
{
    struct attacker *a = &r->main;
    struct pollfd poll_at = {.events = POLLOUT};
    uint64_t until;
    size_t at = 0;

    attacker_ask(a, "put", 4);
    attacker_uint(a, 0);
    attacker_text(a, STORE);
    attacker_bytes(a, 4000000);
    attacker_uint(a, 1);
    if (!attacker_wait(a))
        return false;
    strike_begins(r);
    for (unsigned i = 0; i < 20000; i++) {
        attacker_ask(a, "get", 3);
        attacker_uint(a, 0);
        attacker_text(a, STORE);
        attacker_uint(a, 1);
    }
    poll_at.fd = a->fd;
    until = now_ns() + (uint64_t)HOG_SECONDS * 1000000000 / r->divisor;
    while (now_ns() < until && poll(&poll_at, 1, 10) >= 0 && !(poll_at.revents & POLLHUP)) {
        ssize_t n = send(a->fd, a->out.data + at, a->out.size - at, MSG_DONTWAIT);

        if (n < 0 && errno != EAGAIN)
            break;
        at = n > 0 ? (at + (size_t)n) % a->out.size : at;
    }
    attacker_close(a);
    return true;
}

/* A record of 4,000 bytes, a thousand times in one answer. */
static bool crowd_of_readers(struct attack_run *r)
{
    struct attacker *a = &r->main;

    attacker_ask(a, "put", 4);
    attacker_uint(a, 0);
    attacker_text(a, STORE);
    attacker_bytes(a, 4000);
    attacker_uint(a, 1);
    return attacker_wait(a) && others_open(r, scaled(r, 250));
}

static bool nobody_reads(struct attack_run *r)
{
    for (unsigned i = 0; i < r->other_count; i++) {
        struct attacker *a = &r->others[i];

        attacker_ask(a, "get_many", 3);
        attacker_uint(a, 0);
        attacker_text(a, STORE);
        attacker_array(a, 1000);
        for (unsigned k = 0; k < 1000; k++)
            attacker_uint(a, 1);
    }
    strike_begins(r);
    for (unsigned i = 0; i < r->other_count; i++) {
        if (!attacker_send(&r->others[i]))
            return false;
    }
    return poll(NULL, 0, HOG_SECONDS * 1000 / (int)r->divisor) == 0;
}

/* ---- ends ---- */

static bool write_100000(struct attack_run *r)
{
    ask_begin(&r->main, 1, false);
    for (unsigned i = 0; i < scaled(r, 100000); i++)
        put(&r->main, false, 1, i);
    put(&r->main, true, 1, 0);
    return attacker_wait(&r->main);
}

static bool roll_back(struct attack_run *r)
{
    strike_begins(r);
    return attacker_call(&r->main, "rollback", 1, NULL);
}

static bool open_many(struct attack_run *r)
{
    struct attacker *a = &r->main;

    for (unsigned t = 1; t <= scaled(r, 1024); t++) {
        ask_begin(a, t, false);
        for (unsigned k = 0; k < 50; k++)
            put(a, k == 49, t, t * 100 + k);
        if (t % 100 == 0 && !attacker_wait(a))
            return false;
    }
    return attacker_wait(a);
}

static bool disconnect(struct attack_run *r)
{
    strike_begins(r);
    attacker_close(&r->main);
    return poll(NULL, 0, r->divisor > 1 ? 20 : 500) == 0;
}

const struct attack attacks[] = {
    {"nobody", NULL, nobody, NULL},
    {"a commit of 20,000 puts", NULL, write_20000, NULL},
    {"the same beside 50 serializable readers of 10,000 points", readers_of_many, write_20000,
     NULL},
    {"the same beside 1,000 serializable readers of one", readers_of_one, write_20000, NULL},
    {"the same beside 10,000 old writers", old_writers, write_20000, NULL},
    {"a map of 480,000 keys", NULL, wide_map, NULL},
    {"4,600 maps of 30 keys with equal fingerprints", NULL, colliding_keys, NULL},
    {"`get_many` of 300,000 keys", NULL, get_many, NULL},
    {"100,000 stores made, and `stores` (over `result-size`)", make_stores, list_stores,
     "TOO_LARGE"},
    {"the same in pages of 1,000", make_stores, list_pages, NULL},
    {"1,000 cursors open", NULL, open_cursors, NULL},
    {"1,000 connections", NULL, connect_many, "OVERLOADED"},
    {"gets of 4 MB whose answers are not read", NULL, sends_only, NULL},
    {"250 connections that each ask for 4 MB and do not read", crowd_of_readers, nobody_reads,
     NULL},
    {"a rollback of 100,000 writes", write_100000, roll_back, NULL},
    {"a disconnect with 1,024 transactions of 50 writes", open_many, disconnect, NULL},
};
const unsigned attack_count = sizeof attacks / sizeof *attacks;
