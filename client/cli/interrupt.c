#include "client/cli/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t times, connection = -1;
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
    else if (connection >= 0 && write(STDERR_FILENO, again, sizeof again - 1) < 0)
        times = 1; /* nobody to be told */
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
    times = 0;
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

bool interrupt_wait(int ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    sigset_t interrupt, before;

    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    if (!interrupt_seen())
        ppoll(NULL, 0, &time, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return interrupt_seen();
}
