#include "tests/bench/guard.h"

#include "tests/bench/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUARD_GRACE_SECONDS 5

static const int interrupts[] = {SIGINT, SIGTERM, SIGHUP};

static pid_t child_start(int (*work)(void *context), void *context, const sigset_t *mask)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    sigprocmask(SIG_SETMASK, mask, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0); /* an interrupt at the terminal comes to the guard alone */
    exit(work(context));
}

/* Wait for the child; an interrupt kills it. The number of the interrupt, or 0. */
static int child_wait(pid_t pid, const sigset_t *waited, int *status)
{
    int interrupt = 0;

    while (waitpid(pid, status, WNOHANG) == 0) {
        int number = sigwaitinfo(waited, NULL);

        if (number == SIGCHLD || number < 0)
            continue;
        interrupt = number;
        kill(pid, SIGKILL);
    }
    return interrupt;
}

/* Servers that the child has left are ours now: wait until they have ended, and in the
 * end see to it. */
static void orphans_end(void)
{
    uint64_t until = now_ns() + GUARD_GRACE_SECONDS * UINT64_C(1000000000);

    while (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD) {
        if (now_ns() > until)
            process_kill_children();
        usleep(10000);
    }
}

int guard_run(int (*work)(void *context), void *context, const char *directory)
{
    sigset_t waited, before;
    int status = 0, interrupt;
    pid_t pid;

    sigemptyset(&waited);
    sigaddset(&waited, SIGCHLD);
    for (unsigned i = 0; i < sizeof interrupts / sizeof *interrupts; i++)
        sigaddset(&waited, interrupts[i]);
    sigprocmask(SIG_BLOCK, &waited, &before);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid = child_start(work, context, &before);
    if (pid < 0) {
        fprintf(stderr, "bench: no process can be started: %s\n", strerror(errno));
        return 1;
    }
    interrupt = child_wait(pid, &waited, &status);
    orphans_end();
    if (directory)
        directory_remove(directory);
    if (interrupt) {
        fprintf(stderr, "bench: interrupted; the servers have been ended\n");
        return 128 + interrupt;
    }
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "bench: ended by signal %d\n", WTERMSIG(status));
        return 1;
    }
    return WEXITSTATUS(status);
}
