#include "client/cli/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile sig_atomic_t times, connection = -1;

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
    errno = before;
}

void interrupt_catch(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

void interrupt_begin(void)
{
    times = 0;
}

void interrupt_connection(int fd)
{
    connection = fd;
}

bool interrupt_seen(void)
{
    return times > 0;
}
