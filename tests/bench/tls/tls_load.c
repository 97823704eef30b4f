/* tls_load.c - one request again and again, or handshakes alone, over TLS or not, to any server
 * whose answer to the request always has the same length. It knows no protocol but what PostgreSQL
 * says before TLS: tls_bench.py gives it the bytes.
 *
 *     tls_load MODE PORT WAY CONNECTIONS SECONDS < LINES
 *
 * MODE is "hands" (connect, shake hands, close) or "ask"; WAY is "plain", "tls" or "postgres" (TLS
 * after an SSLRequest). LINES are messages in hexadecimal: those that set a connection up, each
 * followed by whatever answer comes, then the request. "@@" in one becomes the connection's number.
 * A thread for each connection, one request at a time. Prints operations per second, and in how
 * many microseconds 99 of 100 were done. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define LINES_MAX 8
#define LINE_BYTES_MAX 4096
#define TOOK_BITS 12 /* 64 powers of two of nanoseconds, each in 64 parts */
#define QUIET_MS 200 /* so long nothing comes behind an answer */

enum way { PLAIN, TLS, POSTGRES };

static struct {
    bool asks;
    int port;
    enum way way;
    unsigned connections, lines;
    double seconds;
    struct {
        uint8_t bytes[LINE_BYTES_MAX];
        size_t size;
    } line[LINES_MAX];
    SSL_CTX *context;
    atomic_uint ready;
    atomic_bool go, over;
} load;

struct connection {
    pthread_t thread;
    unsigned number;
    uint64_t done;
    uint32_t took[1 << TOOK_BITS]; /* how many took so long: by the bits of it */
    int fd;
    SSL *ssl; /* NULL: plain */
};

static void fail(const char *what)
{
    fprintf(stderr, "tls_load: %s\n", what);
    exit(1);
}

static void write_all(struct connection *c, const uint8_t *bytes, size_t size)
{
    while (size) {
        ssize_t n = c->ssl ? SSL_write(c->ssl, bytes, (int)size) : write(c->fd, bytes, size);

        if (n <= 0)
            fail("cannot write");
        bytes += n;
        size -= (size_t)n;
    }
}

static size_t read_some(struct connection *c, uint8_t *to, size_t room)
{
    ssize_t n = c->ssl ? SSL_read(c->ssl, to, (int)room) : read(c->fd, to, room);

    if (n <= 0)
        fail("the server has closed the connection");
    return (size_t)n;
}

/* All that comes until it is quiet: its size. */
static size_t read_quiet(struct connection *c)
{
    uint8_t room[65536];
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    size_t size = read_some(c, room, sizeof room);

    while ((c->ssl && SSL_pending(c->ssl)) || poll(&p, 1, QUIET_MS) > 0)
        size += read_some(c, room, sizeof room);
    return size;
}

static void read_exactly(struct connection *c, size_t size)
{
    uint8_t room[65536];

    while (size) {
        size_t n = read_some(c, room, size < sizeof room ? size : sizeof room);

        size -= n;
    }
}

static void open_connection(struct connection *c)
{
    static const uint8_t ssl_request[] = {0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load.port)};
    uint8_t answer;
    int one = 1;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->ssl = NULL;
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof at))
        fail("cannot connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (load.way == PLAIN)
        return;
    if (load.way == POSTGRES && (write(c->fd, ssl_request, sizeof ssl_request) != 8 ||
                                 read(c->fd, &answer, 1) != 1 || answer != 'S'))
        fail("the server speaks no TLS");
    c->ssl = SSL_new(load.context);
    if (!c->ssl || !SSL_set_fd(c->ssl, c->fd) || SSL_connect(c->ssl) != 1)
        fail("the handshake failed");
}

static void close_connection(struct connection *c)
{
    struct linger at_once = {1, 0}; /* no port stays behind */

    if (c->ssl) {
        SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(c->fd);
}

static size_t line_of(const struct connection *c, unsigned i, uint8_t *to)
{
    memcpy(to, load.line[i].bytes, load.line[i].size);
    for (size_t at = 0; at + 1 < load.line[i].size; at++) {
        if (to[at] == '@' && to[at + 1] == '@') {
            to[at] = (uint8_t)('0' + c->number / 10);
            to[at + 1] = (uint8_t)('0' + c->number % 10);
        }
    }
    return load.line[i].size;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static unsigned slot_of(uint64_t ns)
{
    unsigned power = ns < 64 ? 6 : 63u - (unsigned)__builtin_clzll(ns);

    return power << 6 | (unsigned)(ns >> (power - 6) & 63);
}

static uint64_t slot_ns(unsigned slot)
{
    return (64 + (slot & 63)) << ((slot >> 6) - 6);
}

/* One more is done, begun then. */
static void note(struct connection *c, uint64_t begun)
{
    c->took[slot_of(now_ns() - begun)]++;
    c->done++;
}

static void wait_for_all(void)
{
    atomic_fetch_add(&load.ready, 1);
    while (!atomic_load(&load.go))
        usleep(1000);
}

static void ask(struct connection *c)
{
    uint8_t request[LINE_BYTES_MAX];
    size_t size = 0, answer = 0;

    open_connection(c);
    for (unsigned i = 0; i < load.lines; i++) {
        size = line_of(c, i, request);
        write_all(c, request, size);
        answer = read_quiet(c);
    }
    wait_for_all();
    while (!atomic_load(&load.over)) {
        uint64_t begun = now_ns();

        write_all(c, request, size);
        read_exactly(c, answer);
        note(c, begun);
    }
    close_connection(c);
}

static void shake(struct connection *c)
{
    wait_for_all();
    while (!atomic_load(&load.over)) {
        uint64_t begun = now_ns();

        open_connection(c);
        close_connection(c);
        note(c, begun);
    }
}

static void *run(void *connection)
{
    if (load.asks)
        ask(connection);
    else
        shake(connection);
    return NULL;
}

static void read_lines(void)
{
    char text[2 * LINE_BYTES_MAX + 2];

    while (load.lines < LINES_MAX && fgets(text, sizeof text, stdin)) {
        size_t size = strcspn(text, "\n") / 2;

        for (size_t i = 0; i < size; i++) {
            char two[3] = {text[2 * i], text[2 * i + 1], 0};

            load.line[load.lines].bytes[i] = (uint8_t)strtoul(two, NULL, 16);
        }
        load.line[load.lines++].size = size;
    }
}

static void read_arguments(int count, char **words)
{
    if (count != 6)
        fail("expected MODE PORT WAY CONNECTIONS SECONDS");
    load.asks = strcmp(words[1], "ask") == 0;
    load.port = atoi(words[2]);
    load.way = strcmp(words[3], "plain") == 0 ? PLAIN : words[3][0] == 't' ? TLS : POSTGRES;
    load.connections = (unsigned)atoi(words[4]);
    load.seconds = atof(words[5]);
    if (!load.connections || load.connections > CONNECTIONS_MAX)
        fail("from 1 to 64 connections");
    read_lines();
}

/* In microseconds. */
static double slowest_of_a_hundred(const struct connection *all, uint64_t done)
{
    uint64_t passed = 0;

    for (unsigned slot = 6u << 6; slot < 1u << TOOK_BITS; slot++) {
        for (unsigned i = 0; i < load.connections; i++)
            passed += all[i].took[slot];
        if (passed * 100 >= done * 99)
            return (double)slot_ns(slot) / 1000;
    }
    return 0;
}

int main(int count, char **words)
{
    static struct connection connections[CONNECTIONS_MAX];
    uint64_t done = 0, begun;
    double seconds;

    read_arguments(count, words);
    load.context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(load.context, SSL_SESS_CACHE_OFF);
    for (unsigned i = 0; i < load.connections; i++) {
        connections[i].number = i;
        if (pthread_create(&connections[i].thread, NULL, run, &connections[i]))
            fail("no thread");
    }
    while (atomic_load(&load.ready) < load.connections)
        usleep(1000);
    begun = now_ns();
    atomic_store(&load.go, true);
    usleep((useconds_t)(load.seconds * 1e6));
    atomic_store(&load.over, true);
    for (unsigned i = 0; i < load.connections; i++)
        pthread_join(connections[i].thread, NULL);
    seconds = (double)(now_ns() - begun) / 1e9;
    for (unsigned i = 0; i < load.connections; i++)
        done += connections[i].done;
    printf("%.1f %.1f\n", (double)done / seconds, slowest_of_a_hundred(connections, done));
    return 0;
}
