#include "client/lib/address.h"
#include "client/lib/clock.h"
#include "client/lib/error.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A server whose machine is gone without a word is noticed after 60 + 6 * 10 seconds. */
#define KEEPALIVE_IDLE_SECONDS 60
#define KEEPALIVE_INTERVAL_SECONDS 10
#define KEEPALIVE_PROBES 6

/* 0 or an errno. The socket is nonblocking while it connects and blocking after:
 * the pump asks for MSG_DONTWAIT where it wants that. */
static int socket_connect(int fd, const struct sockaddr *to, socklen_t size, uint64_t until_ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    int status = 0, count;
    socklen_t status_size = sizeof status;

    if (connect(fd, to, size) == 0)
        return 0;
    if (errno == EAGAIN) /* a unix socket whose backlog is full */
        return ECONNREFUSED;
    if (errno != EINPROGRESS && errno != EINTR)
        return errno;
    do {
        count = poll(&ready, 1, clock_left_ms(until_ms));
    } while (count < 0 && errno == EINTR);
    if (count < 0)
        return errno;
    if (count == 0)
        return ETIMEDOUT;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &status, &status_size) < 0)
        return errno;
    return status;
}

/* Small requests leave at once, and silence is probed. What fails here only costs that. */
static void tcp_settle(int fd)
{
    static const struct {
        int level, option, value;
    } settings[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
    };

    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        setsockopt(fd, settings[i].level, settings[i].option, &settings[i].value,
                   sizeof settings[i].value);
}

/* A socket connected to one address, or -1 and *status. */
static int socket_open(int family, const struct sockaddr *to, socklen_t size, uint64_t until_ms,
                       int *status)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        *status = errno;
        return -1;
    }
    *status = socket_connect(fd, to, size, until_ms);
    if (*status) {
        close(fd);
        return -1;
    }
    if (family != AF_UNIX)
        tcp_settle(fd);
    return fd;
}

static void connect_error(struct hf_error *error, const char *address, const char *why,
                          int status)
{
    bool absent = status == ECONNREFUSED || status == ENOENT;

    error_set(error, HF_CONNECTION, "cannot connect to %s: %s%s", address, why,
              absent ? "; is holdfastd running?" : "");
    error->retryable = true;
}

static int unix_connect(const char *address, const char *path, uint64_t until_ms,
                        struct hf_error *error)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd, status;

    if (path[0] == '\0' || strlen(path) >= sizeof to.sun_path) {
        error_set(error, HF_MISUSE, "%s: the path of a unix socket has 1 to %zu bytes", address,
                  sizeof to.sun_path - 1);
        return -1;
    }
    memcpy(to.sun_path, path, strlen(path) + 1);
    fd = socket_open(AF_UNIX, (struct sockaddr *)&to, sizeof to, until_ms, &status);
    if (fd < 0)
        connect_error(error, address, strerror(status), status);
    return fd;
}

int address_connect(const char *address, const struct endpoint *target, int timeout_ms,
                    struct hf_error *error)
{
    uint64_t until_ms = clock_now_ms() + (uint64_t)timeout_ms;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    const char *host = target->host, *port = target->port;
    int fd = -1, status;

    if (target->path)
        return unix_connect(address, target->path, until_ms, error);
    status = getaddrinfo(host, port, &hints, &found);
    if (status == EAI_ADDRFAMILY || status == EAI_NONAME) {
        /* A machine with nothing but loopback has no address "configured". */
        hints.ai_flags = 0;
        status = getaddrinfo(host, port, &hints, &found);
    }
    if (status) {
        connect_error(error, address, gai_strerror(status), 0);
        return -1;
    }
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
        fd = socket_open(a->ai_family, a->ai_addr, a->ai_addrlen, until_ms, &status);
    if (fd < 0)
        connect_error(error, address, strerror(status), status);
    freeaddrinfo(found);
    return fd;
}
