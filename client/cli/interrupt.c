#include "client/cli/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t times, connection = -1, told;
static int wake[2] = {-1, -1}; /* a pipe: what waits for an answer sees that it is readable */
static bool cancels = true;

static void on_interrupt(int number)
{
    (void)number;
    static const char again[] = " (again to hang up)";
    int before = errno;

    times = times + 1;
    if (times > 1 && connection >= 0)
        shutdown(connection, SHUT_RDWR);
    else if (connection >= 0)
        told = write(STDERR_FILENO, again, sizeof again - 1) > 0;
    if (wake[1] >= 0 && write(wake[1], "", 1) < 0)
        times = times | 1; /* it is full, and so it is readable */
    errno = before;
}

void interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};

    if (wake[0] < 0 && pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0)
        wake[0] = wake[1] = -1;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

/* Those who wait are woken by the pipe. */
static void on_wake(void *ctx)
{
    struct hf_conn *conn = ctx;
    char bytes[64];

    while (read(wake[0], bytes, sizeof bytes) > 0)
        continue;
    if (cancels && times > 0)
        hf_cancel(conn);
}

void interrupt_begin(void)
{
    char bytes[64];

    while (wake[0] >= 0 && read(wake[0], bytes, sizeof bytes) > 0)
        continue;
    times = told = 0;
    cancels = true;
}

void interrupt_connection(struct hf_conn *conn)
{
    connection = conn ? hf_conn_fd(conn) : -1;
    if (conn && wake[0] >= 0)
        hf_on_wake(conn, wake[0], on_wake, conn);
}

void interrupt_lets_finish(void)
{
    cancels = false;
}

bool interrupt_seen(void)
{
    return times > 0;
}

/* Until there is something, or the time is over (NULL: never), or somebody presses it. */
static void wait_for(struct pollfd *ready, nfds_t count, const struct timespec *time)
{
    sigset_t interrupt, before;

    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    if (!interrupt_seen())
        ppoll(ready, count, time, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

bool interrupt_wait(int ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    wait_for(NULL, 0, &time);
    return interrupt_seen();
}

bool interrupt_wait_input(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    wait_for(&ready, 1, NULL);
    return interrupt_seen();
}

bool interrupt_told(void)
{
    bool result = told;

    told = 0;
    return result;
}
