#include "client/cli/line_signals.h"

#include <signal.h>
#include <stddef.h>

static const int signals[] = {SIGWINCH, SIGTSTP, SIGCONT, SIGTERM, SIGHUP, SIGQUIT};

#define SIGNALS (sizeof signals / sizeof *signals)

static volatile sig_atomic_t came[SIGNALS];
static struct sigaction actions_before[SIGNALS];
static sigset_t mask_before;

static void on_signal(int number)
{
    for (size_t i = 0; i < SIGNALS; i++)
        if (signals[i] == number)
            came[i] = 1;
}

void line_signals_begin(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t held;

    sigemptyset(&action.sa_mask);
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&held, signals[i]);
    sigprocmask(SIG_BLOCK, &held, &mask_before);
    for (size_t i = 0; i < SIGNALS; i++) {
        came[i] = 0;
        sigaction(signals[i], &action, &actions_before[i]);
        if (actions_before[i].sa_handler == SIG_IGN)
            sigaction(signals[i], &actions_before[i], NULL); /* as under nohup */
    }
}

void line_signals_end(void)
{
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &actions_before[i], NULL);
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

int line_signals_poll(struct pollfd *ready, unsigned count)
{
    int result = ppoll(ready, count, NULL, &mask_before);
    sigset_t held;

    /* Where a key waits already, no signal was let through. */
    sigprocmask(SIG_SETMASK, &mask_before, &held);
    sigprocmask(SIG_SETMASK, &held, NULL);
    return result;
}

int line_signals_take(void)
{
    for (size_t i = 0; i < SIGNALS; i++) {
        if (came[i]) {
            came[i] = 0;
            return signals[i];
        }
    }
    return 0;
}
