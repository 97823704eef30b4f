/* listener.c - addresses, sockets, and taking connections from them. */
#include "server/net/listener.h"

#include "server/base/assert.h"
#include "server/net/accept.h"
#include "server/net/log_line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024
#define ACCEPTS_MAX 64 /* in one turn of a listener */
#define DESCRIPTORS_KEPT 64 /* for files, listeners, the loop, and the moment of a refusal */
#define DESCRIPTORS_MIN 32  /* without them it does not start */
#define CLIENTS_MIN 8       /* where that leaves fewer, some are served all the same */
#define SOCKET_PATH_MAX (sizeof((struct sockaddr_un *)NULL)->sun_path - 1)
#define FIRST_PASSED_FD 3 /* as the service manager counts */

struct listener {
    uv_poll_t poll;
    int fd;    /* owned */
    int spare; /* owned: closed to make room for a connection that is refused; -1: none */
    struct server *server;
    struct connection_ground ground;
    bool is_open;    /* poll is initialised */
    bool is_waiting; /* accepting has failed; it is tried again by listener_accept_again */
    bool has_path;   /* name is a path that goes with it */
    char name[256];
    struct list_link in_all;
};

struct address {
    struct sockaddr_storage at;
    bool loopback;
    bool tls;
    bool optional; /* ::1 of localhost: a machine may have no IPv6 */
};

/* ---- reading addresses ---- */

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24) == 127;
    if (a->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
    return a->sa_family == AF_UNIX;
}

static bool read_port(const char *text, int *port)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    *port = (int)n;
    return *text >= '0' && *text <= '9' && *end == '\0' && n <= 65535;
}

/* host:port into one or two addresses; the number of them, 0: it is none. */
static unsigned read_address(const char *text, struct address *out)
{
    char host[256];
    const char *colon = strrchr(text, ':');
    size_t size = colon ? (size_t)(colon - text) : 0;
    unsigned n;
    int port;

    memset(out, 0, 2 * sizeof *out);
    if (strncmp(text, "tls://", 6) == 0) {
        n = read_address(text + 6, out);
        out[0].tls = out[1].tls = n > 0;
        return n;
    }
    if (!colon || size == 0 || size >= sizeof host || !read_port(colon + 1, &port))
        return 0;
    memcpy(host, text, size);
    host[size] = '\0';
    if (strcmp(host, "localhost") == 0) {
        uv_ip4_addr("127.0.0.1", port, (struct sockaddr_in *)&out[0].at);
        uv_ip6_addr("::1", port, (struct sockaddr_in6 *)&out[1].at);
        out[0].loopback = out[1].loopback = out[1].optional = true;
        return 2;
    }
    if (host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = '\0';
        if (uv_ip6_addr(host + 1, port, (struct sockaddr_in6 *)&out->at))
            return 0;
    } else if (strcmp(host, "*") == 0) {
        uv_ip6_addr("::", port, (struct sockaddr_in6 *)&out->at);
    } else if (uv_ip4_addr(host, port, (struct sockaddr_in *)&out->at)) {
        return 0;
    }
    out->loopback = is_loopback((struct sockaddr *)&out->at);
    return 1;
}

static bool refuse_open(const char *what, char *error)
{
    snprintf(error, OPTION_ERROR_BYTES,
             "listen: \"%.200s\" is reachable from other machines, and not encrypted; use "
             "tls://%.200s, a loopback address (127.0.0.1, [::1] or localhost), or set "
             "insecure-listen",
             what, what);
    return false;
}

/* All addresses of the option. out has room for LISTEN_MAX. */
static bool read_addresses(const struct options *o, struct address *out, unsigned *count,
                           char *error)
{
    char list[OPTION_TEXT_BYTES];
    char *rest = list;

    *count = 0;
    snprintf(list, sizeof list, "%s", o->listen);
    if (strcmp(list, "none") == 0)
        return true;
    for (char *one; (one = strsep(&rest, ",")) != NULL;) {
        unsigned n;

        if (strcmp(one, "none") == 0) {
            snprintf(
                error, OPTION_ERROR_BYTES,
                "listen: none disables TCP, so it cannot be given together with an address; "
                "give either none or addresses");
            return false;
        }
        if (*count + 2 > LISTEN_MAX) {
            snprintf(error, OPTION_ERROR_BYTES, "listen: more than %d addresses",
                     LISTEN_MAX - 1);
            return false;
        }
        n = read_address(one, out + *count);
        if (n == 0) {
            snprintf(error, OPTION_ERROR_BYTES,
                     "listen: invalid address \"%.200s\"; expected HOST:PORT such as "
                     "127.0.0.1:4653, [::1]:4653 or localhost:4653, or none",
                     one);
            return false;
        }
        if (!out[*count].loopback && !out[*count].tls && !o->insecure_listen)
            return refuse_open(one, error);
        *count += n;
    }
    return true;
}

/* Permissions in octal. */
static bool read_mode(const char *text, unsigned *mode)
{
    char *end;
    unsigned long n = strtoul(text, &end, 8);

    *mode = (unsigned)n;
    return *text >= '0' && *text <= '7' && *end == '\0' && n <= 0777;
}

/* A group by its name or number. */
static bool read_group(const char *text, gid_t *group)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    const struct group *known = getgrnam(text);

    *group = known ? known->gr_gid : (gid_t)n;
    return known || (*text >= '0' && *text <= '9' && *end == '\0' && n < UINT32_MAX);
}

static bool check_socket(const struct options *o, struct option_conflict *conflict)
{
    unsigned mode;
    gid_t group;

    if (!read_mode(o->socket_mode, &mode))
        return options_refuse(
            conflict, OPTIONS("socket-mode"),
            "socket-mode: \"%.40s\" is not a mode; expected octal digits such "
            "as 0600, 0660 or 0666",
            o->socket_mode);
    if (o->socket_group[0] && !read_group(o->socket_group, &group))
        return options_refuse(conflict, OPTIONS("socket-group"),
                              "socket-group: unknown group \"%.100s\"", o->socket_group);
    return true;
}

bool listener_check(const struct options *o, struct option_conflict *conflict)
{
    struct address addresses[LISTEN_MAX];
    char error[OPTION_ERROR_BYTES];
    unsigned count;

    if (!read_addresses(o, addresses, &count, error))
        return options_refuse(conflict, OPTIONS("listen", "insecure-listen"), "%s", error);
    for (unsigned i = 0; i < count; i++)
        if (addresses[i].tls && (!o->tls_certificate[0] || !o->tls_key[0]))
            return options_refuse(conflict, OPTIONS("listen", "tls-certificate", "tls-key"),
                                  "listen: a tls:// address needs tls-certificate and tls-key");
    if (strlen(o->socket) > SOCKET_PATH_MAX)
        return options_refuse(conflict, OPTIONS("socket"),
                              "socket: the path has %zu bytes; allowed: at most %zu",
                              strlen(o->socket), SOCKET_PATH_MAX);
    return check_socket(o, conflict);
}

/* ---- sockets ---- */

uint64_t listener_claim_descriptors(uint64_t connections)
{
    struct rlimit limit;
    rlim_t wanted = connections + DESCRIPTORS_KEPT;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return connections;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit))
            getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= wanted)
        return connections;
    if (limit.rlim_cur < DESCRIPTORS_KEPT + CLIENTS_MIN)
        return CLIENTS_MIN;
    return limit.rlim_cur - DESCRIPTORS_KEPT;
}

bool listener_check_descriptors(char *error)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max >= DESCRIPTORS_MIN)
        return true;
    snprintf(error, OPTION_ERROR_BYTES,
             "the limit on open files is %llu, but the server needs at least %d; raise it "
             "(ulimit -n, or LimitNOFILE= in the systemd unit)",
             (unsigned long long)limit.rlim_max, DESCRIPTORS_MIN);
    return false;
}

static void note_failed(struct server *server, int number)
{
    server->counters.refused++;
    if (server->refused_ms && server_now(server) - server->refused_ms < 10 * SECOND)
        return;
    server->refused_ms = server_now(server);
    LOG_TELL(server->log, connection_refused, .why = strerror(number),
             .open = seats_served(&server->seats), .refused = server->counters.refused);
}

/* There are no descriptors: whoever waits is refused rather than left to wait. false: not even
 * that is possible. */
static bool turn_away(struct listener *l)
{
    int fd;

    if (l->spare < 0)
        return false;
    close(l->spare);
    fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    l->spare = open("/", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

/* Not more than so many, and no further one where that fails: what fails for long must not keep
 * the loop, as it would in libuv's own listeners. false: it is to be tried again later. */
static bool accept_some(struct listener *l)
{
    for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int number = errno;

        if (fd >= 0) {
            if (connection_accept(l->server, fd, &l->ground))
                continue;
            close(fd);
            number = ENOMEM;
        } else if (number == EAGAIN || number == EWOULDBLOCK) {
            return true;
        } else if (number == EINTR || number == ECONNABORTED) {
            continue;
        }
        note_failed(l->server, number);
        if ((number != EMFILE && number != ENFILE) || !turn_away(l))
            return false;
    }
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;

    if (accept_some(l))
        return;
    l->is_waiting = true;
    uv_poll_stop(poll);
}

void listener_accept_again(struct server *server)
{
    LIST_EACH (link, &server->listeners) {
        struct listener *l = LIST_ENTRY(link, struct listener, in_all);

        if (l->spare < 0) /* somebody else had taken what it was closed for */
            l->spare = open("/", O_RDONLY | O_CLOEXEC);
        if (l->is_waiting)
            l->is_waiting = uv_poll_start(&l->poll, UV_READABLE, on_readable) != 0;
    }
}

static struct listener *listener_new(struct server *server, enum connection_kind kind)
{
    struct listener *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->server = server;
    l->ground.kind = kind;
    l->fd = l->spare = -1;
    list_push_back(&server->listeners, &l->in_all);
    return l;
}

static void listener_free(struct listener *l)
{
    if (l->fd >= 0)
        close(l->fd);
    if (l->spare >= 0)
        close(l->spare);
    if (l->has_path)
        unlink(l->name);
    free(l);
}

static void on_listener_closed(uv_handle_t *handle)
{
    listener_free(handle->data);
}

static void listener_close(struct listener *l)
{
    list_remove(&l->in_all);
    if (l->is_open)
        uv_close((uv_handle_t *)&l->poll, on_listener_closed);
    else
        listener_free(l);
}

void listener_close_all(struct server *server)
{
    while (!list_is_empty(&server->listeners))
        listener_close(LIST_ENTRY(list_first(&server->listeners), struct listener, in_all));
}

/* 0, or errno. */
static int listener_bind(struct listener *l, const struct sockaddr *at, socklen_t size)
{
    int on = 1;

    l->fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0 ||
        (at->sa_family != AF_UNIX &&
         setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) ||
        bind(l->fd, at, size) != 0)
        return errno;
    return 0;
}

/* 0, or errno. */
static int listener_start(struct listener *l)
{
    int e;

    if (listen(l->fd, BACKLOG) != 0)
        return errno;
    l->spare = open("/", O_RDONLY | O_CLOEXEC);
    e = uv_poll_init(l->server->reactor.loop, &l->poll, l->fd);
    if (e)
        return -e;
    l->is_open = true;
    l->poll.data = l;
    return -uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static void format_address(const struct sockaddr *a, char *to, size_t room)
{
    char host[INET6_ADDRSTRLEN] = "";

    if (a->sa_family == AF_INET6) {
        uv_ip6_name((const struct sockaddr_in6 *)a, host, sizeof host);
        snprintf(to, room, "[%s]:%u", host, ntohs(((const struct sockaddr_in6 *)a)->sin6_port));
    } else {
        uv_ip4_name((const struct sockaddr_in *)a, host, sizeof host);
        snprintf(to, room, "%s:%u", host, ntohs(((const struct sockaddr_in *)a)->sin_port));
    }
}

/* The address that a TCP listener has been given. */
static void name_tcp(struct listener *l, struct sockaddr_storage *at)
{
    socklen_t size = sizeof *at;

    if (getsockname(l->fd, (struct sockaddr *)at, &size) == 0)
        format_address((struct sockaddr *)at, l->name, sizeof l->name);
}

static unsigned short port_of(const struct sockaddr_storage *at)
{
    return at->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)at)->sin6_port
                                     : ((const struct sockaddr_in *)at)->sin_port;
}

static bool open_tcp(struct server *server, const struct address *address,
                     struct sockaddr_storage *bound, char *error)
{
    struct listener *l = listener_new(server, CONNECTION_TCP);
    char wanted[128];
    int e;

    if (!l)
        return false;
    l->ground.is_tls = address->tls;
    l->ground.is_remote = !address->loopback && !server->options.insecure_listen;
    format_address((const struct sockaddr *)&address->at, wanted, sizeof wanted);
    e = listener_bind(l, (const struct sockaddr *)&address->at,
                      address->at.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                        : sizeof(struct sockaddr_in));
    if (!e)
        e = listener_start(l);
    if (e) {
        listener_close(l);
        snprintf(error, OPTION_ERROR_BYTES, "cannot listen on %s: %s", wanted, uv_strerror(-e));
        return address->optional;
    }
    name_tcp(l, bound);
    return true;
}

/* Whether somebody answers on the socket's path. */
static bool is_alive(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool alive;

    snprintf(at.sun_path, sizeof at.sun_path, "%.107s", path);
    alive = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0)
        close(fd);
    return alive;
}

/* A socket that a killed server has left is in the way. */
static bool make_way(const char *path, char *error)
{
    struct stat st;

    if (lstat(path, &st))
        return true;
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(error, OPTION_ERROR_BYTES, "socket: %.300s exists and is not a socket", path);
        return false;
    }
    if (is_alive(path)) {
        snprintf(error, OPTION_ERROR_BYTES, "socket: another server is listening on %.300s",
                 path);
        return false;
    }
    unlink(path);
    return true;
}

/* Who may connect to it; it is bound, for its owner alone so far, and nobody can connect yet. */
static int open_to_group(const struct options *o, const char *path)
{
    unsigned mode;
    gid_t group;

    if (o->socket_group[0] &&
        (!read_group(o->socket_group, &group) || chown(path, (uid_t)-1, group)))
        return errno;
    return read_mode(o->socket_mode, &mode) && chmod(path, mode) == 0 ? 0 : errno;
}

static bool open_unix(struct server *server, char *error)
{
    const struct options *o = &server->options;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char path[OPTION_TEXT_BYTES + 32];
    struct listener *l;
    mode_t mask;
    int e;

    if (strcmp(o->socket, "none") == 0)
        return true;
    if (o->socket[0])
        snprintf(path, sizeof path, "%s", o->socket);
    else
        snprintf(path, sizeof path, "%s/holdfast.sock", o->data);
    if (strlen(path) > SOCKET_PATH_MAX) {
        ASSERT(!o->socket[0]); /* listener_check refuses it */
        snprintf(error, OPTION_ERROR_BYTES,
                 "socket: the path %.300s is too long; at most %zu bytes", path,
                 SOCKET_PATH_MAX);
        LOG_TELL(server->log, no_unix_socket, .why = error);
        return true;
    }
    if (!make_way(path, error))
        return false;
    l = listener_new(server, CONNECTION_UNIX);
    if (!l)
        return false;
    snprintf(l->name, sizeof l->name, "%.255s", path);
    snprintf(at.sun_path, sizeof at.sun_path, "%.107s", path);
    mask = umask(0177); /* mode 0600 from its first moment */
    e = listener_bind(l, (struct sockaddr *)&at, sizeof at);
    umask(mask);
    l->has_path = !e;
    if (!e)
        e = open_to_group(o, path);
    if (!e)
        e = listener_start(l);
    if (e) {
        listener_close(l);
        snprintf(error, OPTION_ERROR_BYTES, "socket: cannot listen on %.300s: %s", path,
                 uv_strerror(-e));
        return false;
    }
    return true;
}

/* ---- sockets passed by the service manager ---- */

/* A whole number that fills text; -1: it is none. */
static long read_number(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);

    return *text >= '0' && *text <= '9' && *end == '\0' ? n : -1;
}

static long passed_count(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *fds = getenv("LISTEN_FDS");
    long count;

    if (!pid || !fds || read_number(pid) != (long)getpid())
        return 0;
    count = read_number(fds);
    return count < 0 ? 0 : count < LISTEN_MAX ? count : LISTEN_MAX;
}

/* Whether the nth of LISTEN_FDNAMES (FileDescriptorName= of a socket unit) is "tls". */
static bool passed_is_tls(int nth)
{
    const char *name = getenv("LISTEN_FDNAMES");

    for (; name && nth > 0; nth--)
        name = (name = strchr(name, ':')) ? name + 1 : NULL;
    return name && strncmp(name, "tls", 3) == 0 && (name[3] == ':' || !name[3]);
}

/* What the socket is, and whether it may be that. */
static bool read_passed(const struct server *server, int fd, struct sockaddr_storage *at,
                        struct connection_ground *ground, char *error)
{
    bool loopback = is_loopback((struct sockaddr *)at);
    char name[128];

    ground->kind = at->ss_family == AF_UNIX ? CONNECTION_UNIX : CONNECTION_TCP;
    ground->is_tls = passed_is_tls(fd - FIRST_PASSED_FD);
    ground->is_remote = !loopback && !server->options.insecure_listen;
    if (ground->is_tls && ground->kind == CONNECTION_UNIX)
        snprintf(
            error, OPTION_ERROR_BYTES,
            "LISTEN_FDS: descriptor %d is a Unix socket, and those have no TLS; do not name "
            "it \"tls\"",
            fd);
    else if (ground->is_tls && !server->tls)
        snprintf(error, OPTION_ERROR_BYTES,
                 "LISTEN_FDS: descriptor %d is named \"tls\", which needs tls-certificate and "
                 "tls-key",
                 fd);
    else if (!ground->is_tls && ground->is_remote) {
        format_address((struct sockaddr *)at, name, sizeof name);
        snprintf(error, OPTION_ERROR_BYTES,
                 "LISTEN_FDS: descriptor %d, %s, is reachable from other machines, and not "
                 "encrypted; set FileDescriptorName=tls in its socket unit, or insecure-listen",
                 fd, name);
    } else
        return true;
    return false;
}

static bool open_passed_one(struct server *server, int fd, char *error)
{
    struct connection_ground ground = {.is_tls = false};
    struct sockaddr_storage at = {0};
    socklen_t size = sizeof at;
    struct listener *l;
    int e;

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (getsockname(fd, (struct sockaddr *)&at, &size)) {
        snprintf(error, OPTION_ERROR_BYTES, "LISTEN_FDS: descriptor %d is not a socket", fd);
        return false;
    }
    if (!read_passed(server, fd, &at, &ground, error))
        return false;
    l = listener_new(server, ground.kind);
    if (!l)
        return false;
    l->ground = ground;
    l->fd = fd;
    if (l->ground.kind == CONNECTION_UNIX)
        snprintf(l->name, sizeof l->name, "%.100s", ((struct sockaddr_un *)&at)->sun_path);
    else
        name_tcp(l, &at);
    e = fcntl(fd, F_SETFL, O_NONBLOCK) ? errno : listener_start(l);
    if (e)
        snprintf(error, OPTION_ERROR_BYTES, "LISTEN_FDS: descriptor %d: %s", fd,
                 uv_strerror(-e));
    return e == 0;
}

static bool open_addresses(struct server *server, char *error)
{
    struct address addresses[LISTEN_MAX];
    struct sockaddr_storage bound = {0};
    unsigned count;

    if (!read_addresses(&server->options, addresses, &count, error))
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (addresses[i].optional && port_of(&addresses[i].at) == 0) /* localhost:0: one port */
            ((struct sockaddr_in6 *)&addresses[i].at)->sin6_port = port_of(&bound);
        if (!open_tcp(server, &addresses[i], &bound, error))
            return false;
    }
    return true;
}

bool listener_open_all(struct server *server, char *error)
{
    long passed = passed_count();

    snprintf(error, OPTION_ERROR_BYTES, "out of memory");
    for (int i = 0; i < (int)passed; i++)
        if (!open_passed_one(server, FIRST_PASSED_FD + i, error))
            return false;
    if (passed == 0 && !open_addresses(server, error))
        return false;
    return passed ? true : open_unix(server, error);
}

void listener_describe(const struct server *server, char *to, size_t room)
{
    size_t used = 0;

    to[0] = '\0';
    LIST_EACH (link, &server->listeners) {
        const struct listener *l = LIST_ENTRY(link, struct listener, in_all);

        if (used < room)
            used += (size_t)snprintf(to + used, room - used, "%s%s=%s", used ? " " : "",
                                     l->ground.is_tls                   ? "tls"
                                     : l->ground.kind == CONNECTION_TCP ? "tcp"
                                                                        : "unix",
                                     l->name);
    }
}
